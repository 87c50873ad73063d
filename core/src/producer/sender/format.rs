//! The message format that each broker takes.
//!
//! Rules:
//! - It is the newest that a broker's versions of Produce carry, and counts as v2 until a request fails unsent for want of
//!   a version. The batches come back then, to be converted.
//! - It counts as v2 again when the connection ends, when the broker refuses what it announced, and when records could not
//!   be converted: the broker may have come back as another release.
//! - A batch is sealed in its broker's format, and one that is sealed is converted before it is sent to a broker that takes
//!   another. v0 has no timestamps: what was converted to it has none in a newer format either.
//! - Records with headers are refused by old formats one by one; the others of their batch go on in batches of their own.
//! - Producer ids and zstd exist in v2 alone: such batches fail.

use std::collections::BTreeMap;

use super::state::{Context, Identity, Sender};
use crate::error::{Error, WriteError};
use crate::protocol::BrokerId;
use crate::record::{Compression, MessageFormat};

impl Sender {
    /// A broker speaks none of the versions of Produce that carry the batches' format; nothing was sent.
    pub(super) fn on_unsupported(
        &mut self,
        ctx: &mut Context<'_>,
        node: BrokerId,
        format: MessageFormat,
        batches: BTreeMap<usize, u64>,
        error: &Error,
    ) {
        let Error::Unsupported { theirs, .. } = error else { return };
        let takes = theirs.and_then(MessageFormat::for_produce).filter(|takes| *takes != format);
        let only_v2 = self.identity != Identity::Off || self.config.compression == Compression::Zstd;
        match (takes, self.nodes.get_mut(&node)) {
            (Some(takes), Some(node)) if !only_v2 => {
                node.format = takes;
                batches.into_iter().for_each(|(slot, order)| self.put_back(ctx, slot, order));
            }
            _ => {
                for (slot, order) in batches {
                    self.on_failed(ctx, slot, order, WriteError::not_written(error.clone()));
                }
            }
        }
    }

    /// What a broker takes must be found out once more.
    pub(super) fn forget_format(&mut self, node: BrokerId) {
        if let Some(node) = self.nodes.get_mut(&node) {
            node.format = MessageFormat::default();
        }
    }

    /// A batch in flight was not sent, and will be in another format.
    fn put_back(&mut self, ctx: &mut Context<'_>, slot: usize, order: u64) {
        let partition = &mut self.partitions[slot];
        match partition.take_in_flight(order) {
            Some(batch) if batch.abandoned => self.finish(ctx, slot, batch, Ok((None, None))),
            Some(batch) => partition.insert(batch),
            None => {}
        }
    }
}
