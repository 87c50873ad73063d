//! What users hold: futures over std's `Waker`, the same for every runtime.

mod call;
mod client;
mod gate;
mod reader;
mod writer;

pub use crate::client::Outstanding;
pub use call::{Answer, Call};
pub use client::{Client, NewTopic};
pub use gate::{Driver, Gate};
pub use reader::Reader;
pub use writer::Writer;
