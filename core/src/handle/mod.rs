//! What users hold: futures over std's `Waker`, the same for every runtime.

mod call;
mod client;
mod reader;
mod writer;

pub use call::{Answer, Call};
pub use client::{Client, NewTopic};
pub use reader::Reader;
pub use writer::Writer;
