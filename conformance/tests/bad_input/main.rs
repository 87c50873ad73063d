//! What goes wrong outside of the client gives a typed error that names its cause, in bounded time, on every runtime.

mod dropping;
mod face;
mod fake;
mod peers;
mod reading;
mod settings;
mod writing;
