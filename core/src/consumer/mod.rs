//! Reading: what to fetch, and what of it a reader may see.

mod chunk;
mod fetcher;
mod inbox;
#[cfg(test)]
mod tests;

pub use chunk::{Batch, Chunk, Message, Opened};
pub use fetcher::{Command, Output};
pub(crate) use fetcher::{Fetcher, Tag};
pub(crate) use inbox::{Inbox, Next};
