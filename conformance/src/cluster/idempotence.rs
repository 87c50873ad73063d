//! What a partition leader remembers of idempotent producers, to drop duplicates and refuse gaps.
//!
//! Rules: for each producer id the leader keeps its epoch and the last batches it wrote. A batch equal to one of them
//! (epoch, first and last sequence) is a duplicate: it is answered with the offset it has, and not written again. Any
//! other batch must continue the sequence, or start a newer epoch at sequence 0. Sequences wrap from 2147483647 to 0.

use std::collections::{BTreeMap, VecDeque};

use milena_core::protocol::{ErrorCode, ProducerId};
use milena_core::record::{Batch, increment_sequence};

use super::release::Release;

/// Brokers remember as many batches as an idempotent producer may have in flight.
const BATCHES_REMEMBERED: usize = 5;

/// A batch as the producer state knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written {
    first_sequence: i32,
    last_sequence: i32,
    pub(super) base_offset: i64,
    pub(super) max_timestamp: i64,
}

#[derive(Debug)]
struct Entry {
    epoch: i16,
    /// The newest last.
    batches: VecDeque<Written>,
}

/// The producers of one partition.
#[derive(Debug, Default)]
pub(super) struct Producers {
    entries: BTreeMap<i64, Entry>,
}

/// What is to be done with a batch that may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Append,
    Duplicate(Written),
}

impl Producers {
    /// Judges a batch before it is written; batches without a producer id always pass.
    pub(super) fn check(&self, batch: &Batch, release: Release) -> Result<Verdict, (ErrorCode, String)> {
        let ProducerId(id) = batch.producer_id();
        if id < 0 {
            return Ok(Verdict::Append);
        }
        let (epoch, first, last) = (batch.producer_epoch(), batch.base_sequence(), batch.last_sequence());
        if first < 0 {
            let message = format!("Invalid sequence number {first} in record batch with producerId {id}");
            return Err((ErrorCode::INVALID_RECORD, message));
        }
        let Some(entry) = self.entries.get(&id) else {
            return match first {
                0 => Ok(Verdict::Append),
                _ if release >= Release::V2_5 => Ok(Verdict::Append),
                _ if release >= Release::V1_0 => Err((
                    ErrorCode::UNKNOWN_PRODUCER_ID,
                    format!(
                        "Local producer state does not know producer {id}, whose next sequence is {first}"
                    ),
                )),
                _ => Err((
                    ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
                    format!("Invalid sequence number for new producer {id}: {first}"),
                )),
            };
        };
        if epoch < entry.epoch {
            let message = format!(
                "Epoch {epoch} of producer {id} is smaller than the last seen epoch {seen}",
                seen = entry.epoch
            );
            return Err((ErrorCode::INVALID_PRODUCER_EPOCH, message));
        }
        if epoch > entry.epoch {
            return match first {
                0 => Ok(Verdict::Append),
                _ => Err((
                    ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
                    format!(
                        "Invalid sequence number for new epoch {epoch} of producer {id}: {first}, expected 0"
                    ),
                )),
            };
        }
        let remembered = if release >= Release::V1_0 { BATCHES_REMEMBERED } else { 1 };
        let same = |written: &&Written| written.first_sequence == first && written.last_sequence == last;
        if let Some(written) = entry.batches.iter().rev().take(remembered).find(same) {
            return Ok(Verdict::Duplicate(*written));
        }
        let Some(newest) = entry.batches.back() else { return Ok(Verdict::Append) };
        if first == increment_sequence(newest.last_sequence, 1) {
            return Ok(Verdict::Append);
        }
        if release < Release::V1_0 && last <= newest.last_sequence {
            let message = format!("Duplicate sequence number {first} of producer {id}");
            return Err((ErrorCode::DUPLICATE_SEQUENCE_NUMBER, message));
        }
        let message = format!(
            "Out of order sequence number for producer {id}: {first} (incoming seq. number), {current} (current end \
             sequence number)",
            current = newest.last_sequence
        );
        Err((ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, message))
    }

    /// Remembers a batch that was written at `base_offset`.
    pub(super) fn written(&mut self, batch: &Batch, base_offset: i64) {
        let ProducerId(id) = batch.producer_id();
        if id < 0 {
            return;
        }
        let epoch = batch.producer_epoch();
        let entry = self.entries.entry(id).or_insert(Entry { epoch, batches: VecDeque::new() });
        if entry.epoch != epoch {
            entry.epoch = epoch;
            entry.batches.clear();
        }
        if entry.batches.len() == BATCHES_REMEMBERED {
            entry.batches.pop_front();
        }
        entry.batches.push_back(Written {
            first_sequence: batch.base_sequence(),
            last_sequence: batch.last_sequence(),
            base_offset,
            max_timestamp: batch.max_timestamp(),
        });
    }
}
