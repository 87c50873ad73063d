//! Work of the sender that takes time: it runs outside of every shared lock.

use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;

use crate::context::WriterId;
use crate::error::{Error, WriteError};
use crate::producer::batcher::{Completion, Gather, Left, Open};
use crate::record::{self, Batches, Compression, Header, Limits, RecordError};
use crate::time::Instant;

/// A batch as it goes over the wire, with its numbers.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) bytes: Bytes,
    pub(crate) records: u32,
    /// Sequence number of its first record; -1 without idempotence.
    pub(crate) sequence: i32,
    /// Rises with each record of the partition, and never wraps.
    pub(crate) order: u64,
    pub(crate) completion: Arc<Completion>,
    /// Index of its first record in the completion: not zero for the later part of a split batch.
    pub(crate) first: u32,
    pub(crate) created: Instant,
    /// Bytes of the budget.
    pub(crate) reserved: usize,
    /// It was sent at least once.
    pub(crate) sent: bool,
    /// An attempt ended without a word on whether it was appended.
    pub(crate) maybe_written: bool,
    /// Its time was up while it was in flight: its records have failed already.
    pub(crate) abandoned: bool,
}

/// Something to be done outside of the lock.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) writer: WriterId,
    pub(crate) gather: Arc<Gather>,
    pub(crate) work: Work,
}

#[derive(Debug)]
pub(crate) enum Work {
    /// Take the oldest batch out of its gathering place and finish it.
    Seal { producer: record::Producer, compression: Compression, order: u64 },
    /// Fail the batches that gathered for too long.
    Expire { before: Instant, cause: Error },
    /// Number batches anew, from the producer's base sequence on.
    Restamp { producer: record::Producer, batches: Vec<Batch> },
    /// Cut a batch in two.
    Split { producer: record::Producer, compression: Compression, batch: Batch },
}

/// What a [`Job`] came to.
#[derive(Debug)]
pub(crate) struct Worked {
    pub(crate) writer: WriterId,
    pub(crate) gather: Arc<Gather>,
    pub(crate) result: Done,
}

#[derive(Debug)]
pub(crate) enum Done {
    Sealed { batch: Option<Batch>, left: Left },
    Expired { left: Left },
    Restamped { producer: record::Producer, batches: Vec<Batch> },
    Split { batches: Vec<Batch> },
}

impl Worked {
    /// The batches in it, for a writer that is gone.
    pub(crate) fn into_batches(self) -> Vec<Batch> {
        match self.result {
            Done::Sealed { batch, .. } => batch.into_iter().collect(),
            Done::Expired { .. } => Vec::new(),
            Done::Restamped { batches, .. } | Done::Split { batches } => batches,
        }
    }
}

impl Job {
    /// Does it. The wakers are those of records that failed.
    pub(crate) fn run(self, wakers: &mut Vec<Waker>) -> Worked {
        let Job { writer, gather, work } = self;
        let result = match work {
            Work::Seal { producer, compression, order } => {
                let (open, left) = gather.take();
                let batch = open.and_then(|open| seal(&gather, open, producer, compression, order, wakers));
                Done::Sealed { batch, left }
            }
            Work::Expire { before, cause } => {
                let (expired, left) = gather.take_older(before);
                for open in expired {
                    fail(
                        &gather,
                        &open.completion,
                        0,
                        open.builder.count(),
                        cause.clone(),
                        open.reserved,
                        wakers,
                    );
                }
                Done::Expired { left }
            }
            Work::Restamp { producer, batches } => {
                let mut sequence = producer.base_sequence;
                let restamped = batches.into_iter().map(|mut batch| {
                    batch.sequence = sequence;
                    batch.bytes = record::restamp(
                        &batch.bytes,
                        record::Producer { base_sequence: sequence, ..producer },
                    );
                    sequence = next_sequence(sequence, batch.records);
                    // It was refused under the old numbers, but a copy sent on a connection given up since may still
                    // arrive behind what it was refused for: whether it may be written stays as it was.
                    batch.sent = false;
                    batch
                });
                Done::Restamped { batches: restamped.collect(), producer }
            }
            Work::Split { producer, compression, batch } => {
                let batches = match halves(&batch, producer, compression) {
                    Ok(batches) => batches,
                    Err(cause) => {
                        fail(
                            &gather,
                            &batch.completion,
                            batch.first,
                            batch.records,
                            Error::Encode(cause),
                            batch.reserved,
                            wakers,
                        );
                        Vec::new()
                    }
                };
                Done::Split { batches }
            }
        };
        Worked { writer, gather, result }
    }
}

fn seal(
    gather: &Gather,
    open: Open,
    producer: record::Producer,
    compression: Compression,
    order: u64,
    wakers: &mut Vec<Waker>,
) -> Option<Batch> {
    let Open { builder, completion, created, reserved } = open;
    let records = builder.count();
    match builder.seal(compression, producer) {
        Ok(bytes) => {
            // A compressed batch has a buffer of its own; the large one is gone.
            let kept = if compression == Compression::None { reserved } else { bytes.len().min(reserved) };
            wakers.extend(gather.budget.release(reserved - kept));
            let sequence = producer.base_sequence;
            Some(Batch {
                bytes,
                records,
                sequence,
                order,
                completion,
                first: 0,
                created,
                reserved: kept,
                sent: false,
                maybe_written: false,
                abandoned: false,
            })
        }
        Err(cause) => {
            fail(gather, &completion, 0, records, Error::Encode(cause), reserved, wakers);
            None
        }
    }
}

fn fail(
    gather: &Gather,
    completion: &Completion,
    first: u32,
    records: u32,
    cause: Error,
    reserved: usize,
    wakers: &mut Vec<Waker>,
) {
    wakers.extend(completion.complete(first, records, Err(WriteError::not_written(cause))));
    wakers.extend(gather.budget.release(reserved));
}

/// Two batches of half the records each, with the sequence numbers that the records had.
fn halves(
    batch: &Batch,
    producer: record::Producer,
    compression: Compression,
) -> Result<Vec<Batch>, RecordError> {
    let whole = Batches::new(batch.bytes.clone()).next().ok_or(RecordError::Truncated)??;
    let mut records = whole.records(&Limits::default())?;
    let mut first = 0;
    let counts = [batch.records / 2, batch.records - batch.records / 2];
    counts
        .into_iter()
        .map(|count| {
            let mut builder = record::BatchBuilder::with_capacity(batch.bytes.len() / 2);
            for _ in 0..count {
                let record = records.next().ok_or(RecordError::Truncated)??;
                // This client wrote the keys, from text.
                let headers: Vec<_> = record
                    .headers
                    .iter()
                    .map(|header| Header { key: header.key_str().unwrap_or_default(), value: header.value })
                    .collect();
                builder.append(record.timestamp, record.key.as_deref(), record.value.as_deref(), &headers);
            }
            let sequence = match producer.base_sequence {
                -1 => -1,
                _ => next_sequence(batch.sequence, first),
            };
            let half = Batch {
                bytes: builder.seal(compression, record::Producer { base_sequence: sequence, ..producer })?,
                records: count,
                sequence,
                order: batch.order + u64::from(first),
                completion: batch.completion.clone(),
                first: batch.first + first,
                created: batch.created,
                reserved: if first == 0 { batch.reserved - batch.reserved / 2 } else { batch.reserved / 2 },
                sent: false,
                maybe_written: false,
                abandoned: batch.abandoned,
            };
            first += count;
            Ok(half)
        })
        .collect()
}

/// Sequence numbers wrap from 2,147,483,647 to 0.
pub(crate) fn next_sequence(sequence: i32, records: u32) -> i32 {
    ((i64::from(sequence) + i64::from(records)) % (1 << 31)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_wrap_to_zero() {
        assert_eq!(next_sequence(0, 5), 5);
        assert_eq!(next_sequence(i32::MAX - 1, 1), i32::MAX);
        assert_eq!(next_sequence(i32::MAX, 1), 0);
        assert_eq!(next_sequence(i32::MAX - 1, 5), 3);
    }
}
