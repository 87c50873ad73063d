//! Reading: what to fetch, and what of it a reader may see.

mod chunk;
mod fetcher;
#[cfg(test)]
mod tests;

pub use chunk::{Batch, Message};
pub(crate) use chunk::{Chunk, Opened};
pub(crate) use fetcher::{Consumer, Event};
