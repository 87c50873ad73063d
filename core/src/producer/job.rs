//! Work of the sender that takes time: it runs outside of every lock, on whatever thread the driver chooses.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;

use super::completion::Outcome;
use crate::context::WriterId;
use crate::error::{Error, Fate, WriteError};
use crate::record::{self, BatchBuilder, Batches, Compression, Encoding, Header, Limits};
use crate::record::{MessageFormat, RecordError, V2Only};
use crate::time::Instant;

/// Names a batch of one partition of a writer, from its first record on: they are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct BatchId(pub u64);

/// What the machine is to know of the place where a partition's records gather: all else happens there without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum News {
    /// There is something where nothing was.
    First,
    /// A batch is full.
    Full,
}

/// A batch that was taken out of its gathering place.
pub struct Gathered {
    /// Its id.
    pub batch: BatchId,
    /// Its records.
    pub builder: BatchBuilder,
    /// When its first record came.
    pub created: Instant,
    /// Bytes of memory that it was given.
    pub reserved: usize,
}

impl fmt::Debug for Gathered {
    /// Without the records: they are the users' data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gathered({:?}, {} records)", self.batch, self.builder.count())
    }
}

/// What is left in a gathering place after something was taken out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Left {
    /// Whether there is a full batch.
    pub full: bool,
    /// When the first record of what is left came; `None` if nothing is. Then [`News::First`] is to be told of the next record.
    pub oldest: Option<Instant>,
}

/// Where the records of one partition gather, as a [`Job`] needs it.
pub trait Gathering {
    /// Takes the oldest batch out, and says what is left.
    fn take(&self) -> (Option<Gathered>, Left);

    /// Takes out all batches whose first record came before `before`.
    fn take_older(&self, before: Instant) -> (Vec<Gathered>, Left);
}

/// The simplest one: batches wait in a queue.
impl Gathering for RefCell<VecDeque<Gathered>> {
    fn take(&self) -> (Option<Gathered>, Left) {
        let taken = self.borrow_mut().pop_front();
        (taken, left(&self.borrow()))
    }

    fn take_older(&self, before: Instant) -> (Vec<Gathered>, Left) {
        let mut batches = self.borrow_mut();
        let old = batches.iter().take_while(|batch| batch.created < before).count();
        (batches.drain(..old).collect(), left(&batches))
    }
}

fn left(batches: &VecDeque<Gathered>) -> Left {
    Left { full: !batches.is_empty(), oldest: batches.front().map(|batch| batch.created) }
}

/// What became of some records of a batch.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Settled {
    /// The partition's place among those of its writer.
    pub slot: usize,
    /// The batch.
    pub batch: BatchId,
    /// The first of the records, counted from 0 in the batch.
    pub first: u32,
    /// How many.
    pub records: u32,
    /// Where they were written, or why not.
    pub outcome: Outcome,
}

/// A batch as it goes over the wire, with its numbers.
#[derive(Clone)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Batch {
    #[cfg_attr(feature = "recording", serde(with = "crate::saved::data"))]
    pub(crate) bytes: Bytes,
    pub(crate) records: u32,
    pub(crate) format: MessageFormat,
    /// Sequence number of its first record; -1 without idempotence.
    pub(crate) sequence: i32,
    /// Rises with each record of the partition, and never wraps.
    pub(crate) order: u64,
    pub(crate) id: BatchId,
    /// Index of its first record in the batch that was gathered: not zero for the later part of a split one.
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

impl Batch {
    /// What is known of it if it is never sent again.
    pub(crate) fn fate(&self) -> Fate {
        if self.maybe_written { Fate::Unknown } else { Fate::NotWritten }
    }
}

impl fmt::Debug for Batch {
    /// Without the bytes: they are the users' data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Batch { bytes, records, sequence, order, .. } = self;
        write!(f, "Batch({records} records from {sequence}, order {order}, {} bytes)", bytes.len())
    }
}

/// Something to be done outside of the lock: [`run`](Job::run) it, and give what comes of it to the machine
/// ([`Input::Worked`](crate::machine::Input)).
#[derive(Clone, Debug)]
pub struct Job {
    /// Whose it is.
    pub writer: WriterId,
    /// The partition's place among those of its writer.
    pub slot: usize,
    pub(crate) work: Work,
}

#[derive(Clone, Debug)]
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
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Worked {
    /// Whose job it was.
    pub writer: WriterId,
    /// The partition's place among those of its writer.
    pub slot: usize,
    pub(crate) result: Done,
    pub(crate) left: Option<Left>,
    /// Records that could not be written.
    pub(crate) failed: Vec<Settled>,
    /// Bytes of the budget that are free now, and those that batches took more.
    pub(crate) freed: usize,
    pub(crate) taken: usize,
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Done {
    /// More than one batch, or none, where records could not be written.
    Sealed {
        batches: Vec<Batch>,
        refused: bool,
    },
    Expired,
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

impl Done {
    pub(crate) fn into_batches(self) -> Vec<Batch> {
        match self {
            Done::Expired => Vec::new(),
            Done::Sealed { batches, .. }
            | Done::Restamped { batches, .. }
            | Done::Split { batches }
            | Done::Converted { batches, .. } => batches,
        }
    }
}

/// Compressing fewer bytes takes less than handing them to another thread.
const HEAVY_BYTES: usize = 128 << 10;

impl Job {
    /// Whether it takes a while (a millisecond or more) for so many gathered bytes: a runtime may want it elsewhere.
    pub fn is_heavy(&self, gathered_bytes: usize) -> bool {
        let (encoding, bytes) = match &self.work {
            Work::Seal { encoding, .. } => (encoding, gathered_bytes),
            Work::Split { encoding, batch, .. } | Work::Convert { encoding, batch, .. } => {
                (encoding, batch.bytes.len())
            }
            Work::Expire { .. } | Work::Restamp { .. } => return false,
        };
        encoding.compression != Compression::None && bytes >= HEAVY_BYTES
    }

    /// Does it, with what gathered in its partition.
    pub fn run(self, gathering: &impl Gathering) -> Worked {
        let Job { writer, slot, work } = self;
        let mut settling = Settling { slot, failed: Vec::new(), freed: 0, taken: 0 };
        let (result, left) = match work {
            Work::Seal { producer, encoding, order } => {
                let (gathered, left) = gathering.take();
                let sealed =
                    gathered.map(|gathered| seal(&mut settling, gathered, producer, encoding, order));
                let (batches, refused) = sealed.unwrap_or_default();
                (Done::Sealed { batches, refused }, Some(left))
            }
            Work::Expire { before, cause } => {
                let (expired, left) = gathering.take_older(before);
                for Gathered { batch, builder, reserved, .. } in expired {
                    settling.fail(batch, 0, builder.count(), WriteError::not_written(cause.clone()));
                    settling.freed += reserved;
                }
                (Done::Expired, Some(left))
            }
            Work::Restamp { producer, batches } => {
                let mut sequence = producer.base_sequence;
                let restamped = batches.into_iter().map(|mut batch| {
                    batch.sequence = sequence;
                    let producer = record::Producer { base_sequence: sequence, ..producer };
                    batch.bytes = record::restamp(&batch.bytes, producer);
                    sequence = next_sequence(sequence, batch.records);
                    // It was refused under the old numbers, but a copy sent on a connection given up since may still
                    // arrive behind what it was refused for: whether it may be written stays as it was.
                    batch.sent = false;
                    batch
                });
                (Done::Restamped { batches: restamped.collect(), producer }, None)
            }
            Work::Split { producer, encoding, batch } => {
                let cut = batch.records / 2;
                let (batches, _) = rewrite(&mut settling, batch, producer, encoding, cut);
                (Done::Split { batches }, None)
            }
            Work::Convert { producer, encoding, batch } => {
                let (batches, refused) = rewrite(&mut settling, batch, producer, encoding, 0);
                (Done::Converted { batches, refused }, None)
            }
        };
        let Settling { failed, freed, taken, .. } = settling;
        Worked { writer, slot, result, left, failed, freed, taken }
    }
}

/// What a job settles on its way.
struct Settling {
    slot: usize,
    failed: Vec<Settled>,
    freed: usize,
    taken: usize,
}

impl Settling {
    fn fail(&mut self, batch: BatchId, first: u32, records: u32, error: WriteError) {
        self.failed.push(Settled { slot: self.slot, batch, first, records, outcome: Err(error) });
    }
}

fn seal(
    settling: &mut Settling,
    gathered: Gathered,
    producer: record::Producer,
    encoding: Encoding,
    order: u64,
) -> (Vec<Batch>, bool) {
    let Gathered { batch: id, builder, created, reserved } = gathered;
    let records = builder.count();
    // Older formats are converted to, since what they can't hold must be picked out.
    let direct = match encoding.format {
        MessageFormat::V2 => encoding,
        MessageFormat::V0 | MessageFormat::V1 => Compression::None.into(),
    };
    let bytes = match builder.seal(direct, producer) {
        Ok(bytes) => bytes,
        Err(cause) => {
            settling.fail(id, 0, records, WriteError::not_written(Error::Encode(cause)));
            settling.freed += reserved;
            return (Vec::new(), false);
        }
    };
    // A compressed batch has a buffer of its own; the large one is gone.
    let kept = if direct.compression == Compression::None { reserved } else { bytes.len().min(reserved) };
    settling.freed += reserved - kept;
    let batch = Batch {
        bytes,
        records,
        format: direct.format,
        sequence: producer.base_sequence,
        order,
        id,
        first: 0,
        created,
        reserved: kept,
        sent: false,
        maybe_written: false,
        abandoned: false,
    };
    match direct.format == encoding.format {
        true => (vec![batch], false),
        false => rewrite(settling, batch, producer, encoding, 0),
    }
}

/// The same records in batches of their own, in order, with the sequence numbers that they had: a new batch begins at record `cut`, and
/// behind a record that the format can't hold. Those records fail, and whether there are any is the second result.
fn rewrite(
    settling: &mut Settling,
    batch: Batch,
    producer: record::Producer,
    encoding: Encoding,
    cut: u32,
) -> (Vec<Batch>, bool) {
    let fate = batch.fate();
    let mut refuse = |first: u32, count, cause| {
        let error = WriteError { fate, cause: Error::Encode(cause) };
        settling.fail(batch.id, batch.first + first, count, error);
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
                first: batch.first + first,
                sent: false,
                ..batch
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
    settling.taken += batches.iter().map(|batch| batch.reserved).sum::<usize>();
    settling.freed += batch.reserved;
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
