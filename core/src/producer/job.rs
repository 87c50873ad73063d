//! Work of the sender that takes time: it runs outside of every shared lock.

use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;

use crate::context::WriterId;
use crate::error::{Error, Fate, WriteError};
use crate::producer::batcher::{Completion, Gather, Left, Open};
use crate::record::{self, BatchBuilder, Batches, Compression, Encoding, Header, Limits};
use crate::record::{MessageFormat, RecordError, V2Only};
use crate::time::Instant;

/// A batch as it goes over the wire, with its numbers.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) bytes: Bytes,
    pub(crate) records: u32,
    pub(crate) format: MessageFormat,
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
    Seal { producer: record::Producer, encoding: Encoding, order: u64 },
    /// Fail the batches that gathered for too long.
    Expire { before: Instant, cause: Error },
    /// Number batches anew, from the producer's base sequence on.
    Restamp { producer: record::Producer, batches: Vec<Batch> },
    /// Cut a batch in two.
    Split { producer: record::Producer, encoding: Encoding, batch: Batch },
    /// Write a batch in another message format.
    Convert { producer: record::Producer, encoding: Encoding, batch: Batch },
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
    /// More than one batch, or none, where records could not be written.
    Sealed {
        batches: Vec<Batch>,
        left: Left,
        refused: bool,
    },
    Expired {
        left: Left,
    },
    Restamped {
        producer: record::Producer,
        batches: Vec<Batch>,
    },
    Split {
        batches: Vec<Batch>,
    },
    /// `refused`: there were records that the format can't hold, and they have failed.
    Converted {
        batches: Vec<Batch>,
        refused: bool,
    },
}

impl Worked {
    /// The batches in it, for a writer that is gone.
    pub(crate) fn into_batches(self) -> Vec<Batch> {
        match self.result {
            Done::Expired { .. } => Vec::new(),
            Done::Sealed { batches, .. }
            | Done::Restamped { batches, .. }
            | Done::Split { batches }
            | Done::Converted { batches, .. } => batches,
        }
    }
}

impl Job {
    /// Does it. The wakers are those of records that failed.
    pub(crate) fn run(self, wakers: &mut Vec<Waker>) -> Worked {
        let Job { writer, gather, work } = self;
        let result = match work {
            Work::Seal { producer, encoding, order } => {
                let (open, left) = gather.take();
                let sealed = open.map(|open| seal(&gather, open, producer, encoding, order, wakers));
                let (batches, refused) = sealed.unwrap_or_default();
                Done::Sealed { batches, left, refused }
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
            Work::Split { producer, encoding, batch } => {
                let cut = batch.records / 2;
                let (batches, _) = rewrite(&gather, batch, producer, encoding, cut, wakers);
                Done::Split { batches }
            }
            Work::Convert { producer, encoding, batch } => {
                let (batches, refused) = rewrite(&gather, batch, producer, encoding, 0, wakers);
                Done::Converted { batches, refused }
            }
        };
        Worked { writer, gather, result }
    }
}

fn seal(
    gather: &Gather,
    open: Open,
    producer: record::Producer,
    encoding: Encoding,
    order: u64,
    wakers: &mut Vec<Waker>,
) -> (Vec<Batch>, bool) {
    let Open { builder, completion, created, reserved } = open;
    let records = builder.count();
    // Older formats are converted to, since what they can't hold must be picked out.
    let direct = match encoding.format {
        MessageFormat::V2 => encoding,
        MessageFormat::V0 | MessageFormat::V1 => Compression::None.into(),
    };
    let bytes = match builder.seal(direct, producer) {
        Ok(bytes) => bytes,
        Err(cause) => {
            fail(gather, &completion, 0, records, Error::Encode(cause), reserved, wakers);
            return (Vec::new(), false);
        }
    };
    // A compressed batch has a buffer of its own; the large one is gone.
    let kept = if direct.compression == Compression::None { reserved } else { bytes.len().min(reserved) };
    wakers.extend(gather.budget.release(reserved - kept));
    let batch = Batch {
        bytes,
        records,
        format: direct.format,
        sequence: producer.base_sequence,
        order,
        completion,
        first: 0,
        created,
        reserved: kept,
        sent: false,
        maybe_written: false,
        abandoned: false,
    };
    match direct.format == encoding.format {
        true => (vec![batch], false),
        false => rewrite(gather, batch, producer, encoding, 0, wakers),
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

/// The same records in batches of their own, in order, with the sequence numbers that they had: a new batch begins at record `cut`, and
/// behind a record that the format can't hold. Those records fail, and whether there are any is the second result.
fn rewrite(
    gather: &Gather,
    batch: Batch,
    producer: record::Producer,
    encoding: Encoding,
    cut: u32,
    wakers: &mut Vec<Waker>,
) -> (Vec<Batch>, bool) {
    let fate = if batch.maybe_written { Fate::Unknown } else { Fate::NotWritten };
    let mut refuse = |first: u32, count, cause| {
        let error = WriteError { fate, cause: Error::Encode(cause) };
        wakers.extend(batch.completion.complete(batch.first + first, count, Err(error)));
    };
    let batches = parts(&batch, encoding.format, cut).and_then(|parts| {
        let mut batches = Vec::new();
        for (first, part) in parts.written {
            let sequence = match producer.base_sequence {
                -1 => -1,
                _ => next_sequence(batch.sequence, first),
            };
            let (records, capacity) = (part.count(), part.capacity());
            let bytes = part.seal(encoding, record::Producer { base_sequence: sequence, ..producer })?;
            batches.push(Batch {
                // As it is, the buffer goes on to the wire.
                reserved: if encoding == Compression::None.into() { capacity } else { bytes.len() },
                bytes,
                records,
                format: encoding.format,
                sequence,
                order: batch.order + u64::from(first),
                completion: batch.completion.clone(),
                first: batch.first + first,
                created: batch.created,
                sent: false,
                maybe_written: batch.maybe_written,
                abandoned: batch.abandoned,
            });
        }
        Ok((batches, parts.refused))
    });
    let (batches, refused) = match batches {
        Ok((batches, refused)) => {
            let magic = encoding.format.magic();
            for (first, count) in &refused {
                refuse(*first, *count, RecordError::NeedsV2 { magic, what: V2Only::Headers });
            }
            (batches, !refused.is_empty())
        }
        Err(cause) => {
            refuse(0, batch.records, cause);
            (Vec::new(), false)
        }
    };
    gather.budget.take(batches.iter().map(|batch| batch.reserved).sum());
    wakers.extend(gather.budget.release(batch.reserved));
    (batches, refused)
}

/// The records of a batch, sorted by what becomes of them, each part with the index of its first.
#[derive(Default)]
struct Parts {
    written: Vec<(u32, BatchBuilder)>,
    /// With their number.
    refused: Vec<(u32, u32)>,
}

fn parts(batch: &Batch, format: MessageFormat, cut: u32) -> Result<Parts, RecordError> {
    let mut parts = Parts::default();
    let (mut index, mut open) = (0, false);
    // This client wrote it: there is nothing to be wary of.
    let limits = Limits { max_decompressed_bytes: usize::MAX };
    for whole in Batches::new(batch.bytes.clone()) {
        let mut records = whole?.records(&limits)?;
        while let Some(record) = records.next_ref() {
            let record = record?;
            let headers: Vec<_> = record
                .headers()
                .map(|header| Header { key: header.key_str().unwrap_or_default(), value: header.value })
                .collect();
            if headers.is_empty() || format == MessageFormat::V2 {
                if !open || index == cut {
                    parts.written.push((index, BatchBuilder::with_capacity(0)));
                }
                open = true;
                if let Some((_, part)) = parts.written.last_mut() {
                    part.append(record.timestamp, record.key, record.value, &headers);
                }
            } else {
                match parts.refused.last_mut() {
                    Some((first, count)) if *first + *count == index => *count += 1,
                    _ => parts.refused.push((index, 1)),
                }
                open = false;
            }
            index += 1;
        }
    }
    if index == batch.records { Ok(parts) } else { Err(RecordError::Truncated) }
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
