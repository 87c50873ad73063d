use std::ops::Range;

use bytes::Bytes;

use super::entries::Entries;
use super::records::{HeaderIter, Record, RecordRef, nullable, take};
use super::varint::{read_varint, read_varlong};
use super::{Malformed, RecordError};

/// Length, attributes, two deltas, key length, value length and header count, one byte each: the smallest record.
const SMALLEST_RECORD: usize = 7;

/// The records of one batch.
///
/// [`next_ref`](Self::next_ref) lends them and allocates nothing; as an [`Iterator`] it hands out [`Record`]s, whose fields are handles into
/// the batch's bytes and keep all of those alive. After an error there are no more records.
#[derive(Debug, Clone)]
pub struct RecordCursor {
    block: Bytes,
    state: State,
}

/// What a batch's header says of its records.
#[derive(Debug, Clone, Default)]
pub(super) struct Numbers {
    pub(super) count: u32,
    pub(super) base_offset: i64,
    pub(super) last_offset_delta: i32,
    pub(super) base_timestamp: i64,
    /// The time of every record, if the broker gave it.
    pub(super) append_time: Option<i64>,
}

/// Where the cursor stands; apart from the block, so that records can borrow the one while the other moves.
#[derive(Debug, Clone)]
struct State {
    position: usize,
    index: u32,
    /// The offset delta of the record before, at first -1.
    offset_delta: i32,
    numbers: Numbers,
    /// Offsets to show.
    shown: Range<i64>,
    /// A message set's entries; the count is 0 then, so that batches of v2 pay nothing for the question.
    entries: Option<Entries>,
}

impl RecordCursor {
    /// The records of a batch of format v2, in `block`.
    pub(super) fn new(numbers: Numbers, block: Bytes) -> Result<Self, RecordError> {
        let count = numbers.count;
        if count as usize > block.len() / SMALLEST_RECORD {
            return Err(RecordError::BadCount { count: count as i32 });
        }
        if count == 0 && !block.is_empty() {
            return Err(RecordError::TrailingBytes(block.len()));
        }
        Ok(Self { block, state: State { numbers, ..State::default() } })
    }

    /// The records of one entry, which may be a compressed message set.
    pub(super) fn legacy(entry: &Bytes, magic: i8, limit: usize) -> Result<Self, RecordError> {
        let (entries, block) = Entries::open(entry, magic, limit)?;
        let state = State { entries: Some(entries), ..State::default() };
        Ok(Self { block, state })
    }

    /// The records that a builder has put side by side.
    pub(super) fn built(block: Bytes, count: u32, base_timestamp: i64) -> Self {
        let numbers = Numbers { count, base_timestamp, last_offset_delta: i32::MAX, ..Numbers::default() };
        Self { block, state: State { numbers, ..State::default() } }
    }

    /// Shows only records with offsets in this range; the others are passed over.
    #[must_use]
    pub fn within(mut self, offsets: Range<i64>) -> Self {
        self.state.shown = offsets;
        self
    }

    /// The next record, borrowed from the batch's bytes.
    ///
    /// # Errors
    ///
    /// [`RecordError::BadRecord`], [`RecordError::BadCount`] when records are missing, and with the last record
    /// [`RecordError::TrailingBytes`] when bytes are left behind it.
    #[inline]
    pub fn next_ref(&mut self) -> Option<Result<RecordRef<'_>, RecordError>> {
        self.state.next(&self.block)
    }

    /// How many records are still to come, unless one is malformed.
    #[must_use]
    pub fn remaining(&self) -> u32 {
        match &self.state.entries {
            None => self.state.numbers.count - self.state.index,
            Some(entries) => entries.remaining(),
        }
    }
}

impl Iterator for RecordCursor {
    type Item = Result<Record, RecordError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let record = self.state.next(&self.block)?;
        Some(record.map(|record| record.held_by(&self.block)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.remaining() as usize))
    }
}

impl std::iter::FusedIterator for RecordCursor {}

impl Default for State {
    fn default() -> Self {
        Self {
            position: 0,
            index: 0,
            offset_delta: -1,
            numbers: Numbers::default(),
            shown: i64::MIN..i64::MAX,
            entries: None,
        }
    }
}

impl State {
    #[inline]
    fn next<'a>(&mut self, block: &'a [u8]) -> Option<Result<RecordRef<'a>, RecordError>> {
        loop {
            match self.next_of_all(block)? {
                Ok(record) if record.offset < self.shown.start => {}
                Ok(record) if record.offset >= self.shown.end => {
                    self.stop();
                    return None;
                }
                result => return Some(result),
            }
        }
    }

    #[inline]
    fn next_of_all<'a>(&mut self, block: &'a [u8]) -> Option<Result<RecordRef<'a>, RecordError>> {
        if self.index == self.numbers.count {
            return self.entries.as_mut()?.next(block);
        }
        let mut input = &block[self.position..];
        match self.parse(&mut input) {
            Ok(record) if self.index + 1 < self.numbers.count || input.is_empty() => {
                self.index += 1;
                self.position = block.len() - input.len();
                Some(Ok(record))
            }
            Ok(_) => Some(Err(self.fail(RecordError::TrailingBytes(input.len())))),
            Err(_) if self.position == block.len() => {
                Some(Err(self.fail(RecordError::BadCount { count: self.numbers.count as i32 })))
            }
            Err(what) => Some(Err(self.fail(RecordError::BadRecord { index: self.index, what }))),
        }
    }

    #[cold]
    fn fail(&mut self, error: RecordError) -> RecordError {
        self.stop();
        error
    }

    #[cold]
    fn stop(&mut self) {
        self.index = self.numbers.count;
        self.entries = None;
    }

    #[inline]
    fn parse<'a>(&mut self, block: &mut &'a [u8]) -> Result<RecordRef<'a>, Malformed> {
        let length = read_varint(block)?;
        let mut input = take(block, length).ok_or(Malformed::RecordLength)?;
        take(&mut input, 1).ok_or(Malformed::RecordLength)?; // attributes: none are defined
        let timestamp_delta = read_varlong(&mut input)?;
        let offset_delta = read_varint(&mut input)?;
        if offset_delta <= self.offset_delta || offset_delta > self.numbers.last_offset_delta {
            return Err(Malformed::OffsetDelta);
        }
        let key = nullable(&mut input, Malformed::KeyLength)?;
        let value = nullable(&mut input, Malformed::ValueLength)?;
        let headers = HeaderIter::parse(input)?;
        self.offset_delta = offset_delta;
        Ok(RecordRef {
            // The batch's last offset is an i64, and the delta is not above the last.
            offset: self.numbers.base_offset + i64::from(offset_delta),
            timestamp: match self.numbers.append_time {
                Some(time) => time,
                None => self.numbers.base_timestamp.wrapping_add(timestamp_delta),
            },
            key,
            value,
            headers,
        })
    }
}
