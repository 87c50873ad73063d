use std::ops::Range;
use std::str::Utf8Error;

use bytes::Bytes;

use super::legacy::Entries;
use super::varint::{read_varint, read_varlong};
use super::{Batch, Malformed, RecordError, TimestampType};

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

/// Where the cursor stands; apart from the block, so that records can borrow the one while the other moves.
#[derive(Debug, Clone)]
struct State {
    position: usize,
    index: u32,
    count: u32,
    base_offset: i64,
    base_timestamp: i64,
    /// The time of every record, if the broker gave it.
    append_time: Option<i64>,
    /// The offset delta of the record before, at first -1.
    offset_delta: i32,
    last_offset_delta: i32,
    /// Offsets to show.
    shown: Range<i64>,
    /// A message set's entries; `count` is 0 then, so that batches of v2 pay nothing for the question.
    entries: Option<Entries>,
}

impl RecordCursor {
    pub(super) fn new(batch: &Batch, count: u32, block: Bytes) -> Result<Self, RecordError> {
        if count as usize > block.len() / SMALLEST_RECORD {
            return Err(RecordError::BadCount { count: count as i32 });
        }
        if count == 0 && !block.is_empty() {
            return Err(RecordError::TrailingBytes(block.len()));
        }
        let append_time =
            (batch.timestamp_type() == TimestampType::LogAppendTime).then(|| batch.max_timestamp());
        let state = State {
            count,
            base_offset: batch.last_offset() - i64::from(batch.last_offset_delta()),
            base_timestamp: batch.base_timestamp(),
            append_time,
            last_offset_delta: batch.last_offset_delta(),
            ..State::default()
        };
        Ok(Self { block, state })
    }

    /// The records of one entry, which may be a compressed message set.
    pub(super) fn legacy(entry: &Bytes, magic: i8, limit: usize) -> Result<Self, RecordError> {
        let (entries, block) = Entries::open(entry, magic, limit)?;
        let state = State { entries: Some(entries), ..State::default() };
        Ok(Self { block, state })
    }

    /// The records that a builder has put side by side.
    pub(super) fn built(block: Bytes, count: u32, base_timestamp: i64) -> Self {
        let state = State { count, base_timestamp, last_offset_delta: i32::MAX, ..State::default() };
        Self { block, state }
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
            None => self.state.count - self.state.index,
            Some(entries) => entries.remaining(),
        }
    }
}

impl Iterator for RecordCursor {
    type Item = Result<Record, RecordError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let record = match self.state.next(&self.block)? {
            Ok(record) => record,
            Err(error) => return Some(Err(error)),
        };
        let owned = |field| self.block.slice_ref(field);
        let headers = match record.headers.count {
            0 => Headers::default(),
            count => Headers { count, block: owned(record.headers.block) },
        };
        Some(Ok(Record {
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.map(owned),
            value: record.value.map(owned),
            headers,
        }))
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
            count: 0,
            base_offset: 0,
            base_timestamp: 0,
            append_time: None,
            offset_delta: -1,
            last_offset_delta: 0,
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
        if self.index == self.count {
            return self.entries.as_mut()?.next(block);
        }
        let mut input = &block[self.position..];
        match self.parse(&mut input) {
            Ok(record) if self.index + 1 < self.count || input.is_empty() => {
                self.index += 1;
                self.position = block.len() - input.len();
                Some(Ok(record))
            }
            Ok(_) => Some(Err(self.fail(RecordError::TrailingBytes(input.len())))),
            Err(_) if self.position == block.len() => {
                Some(Err(self.fail(RecordError::BadCount { count: self.count as i32 })))
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
        self.index = self.count;
        self.entries = None;
    }

    #[inline]
    fn parse<'a>(&mut self, block: &mut &'a [u8]) -> Result<RecordRef<'a>, Malformed> {
        let length = read_varint(block)?;
        let mut input = take(block, length).ok_or(Malformed::RecordLength)?;
        take(&mut input, 1).ok_or(Malformed::RecordLength)?; // attributes: none are defined
        let timestamp_delta = read_varlong(&mut input)?;
        let offset_delta = read_varint(&mut input)?;
        if offset_delta <= self.offset_delta || offset_delta > self.last_offset_delta {
            return Err(Malformed::OffsetDelta);
        }
        let key = nullable(&mut input, Malformed::KeyLength)?;
        let value = nullable(&mut input, Malformed::ValueLength)?;
        let headers = HeaderIter::parse(input)?;
        self.offset_delta = offset_delta;
        Ok(RecordRef {
            // The batch's last offset is an i64, and the delta is not above the last.
            offset: self.base_offset + i64::from(offset_delta),
            timestamp: match self.append_time {
                Some(time) => time,
                None => self.base_timestamp.wrapping_add(timestamp_delta),
            },
            key,
            value,
            headers,
        })
    }
}

#[inline]
fn nullable<'a>(input: &mut &'a [u8], bad: Malformed) -> Result<Option<&'a [u8]>, Malformed> {
    match read_varint(input)? {
        -1 => Ok(None),
        length => take(input, length).map(Some).ok_or(bad),
    }
}

/// Takes `length` bytes off the front, `None` if it is negative or more than there are.
#[inline]
fn take<'a>(input: &mut &'a [u8], length: i32) -> Option<&'a [u8]> {
    let (taken, rest) = input.split_at_checked(usize::try_from(length).ok()?)?;
    *input = rest;
    Some(taken)
}

/// A record borrowed from its batch.
#[derive(Debug, Clone)]
pub struct RecordRef<'a> {
    /// The offset in the partition.
    pub offset: i64,
    /// Milliseconds since the epoch, -1 if none.
    pub timestamp: i64,
    /// The key, or null.
    pub key: Option<&'a [u8]>,
    /// The value, or null.
    pub value: Option<&'a [u8]>,
    headers: HeaderIter<'a>,
}

impl<'a> RecordRef<'a> {
    /// A record without headers.
    pub(super) fn new(offset: i64, timestamp: i64, key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> Self {
        let headers = HeaderIter { count: 0, block: &[] };
        Self { offset, timestamp, key, value, headers }
    }

    /// The headers, in order.
    #[must_use]
    #[inline]
    pub fn headers(&self) -> HeaderIter<'a> {
        self.headers.clone()
    }
}

/// A record that holds on to its batch's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The offset in the partition.
    pub offset: i64,
    /// Milliseconds since the epoch, -1 if none.
    pub timestamp: i64,
    /// The key, or null.
    pub key: Option<Bytes>,
    /// The value, or null.
    pub value: Option<Bytes>,
    /// The headers, in order.
    pub headers: Headers,
}

/// The headers of a [`Record`], parsed as they are iterated; none by default.
#[derive(Debug, Clone, Default)]
pub struct Headers {
    count: u32,
    block: Bytes,
}

impl Headers {
    /// The headers, in order.
    #[must_use]
    pub fn iter(&self) -> HeaderIter<'_> {
        HeaderIter { count: self.count, block: &self.block }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// By what they say: a varint can be written in several ways.
impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other)
    }
}

impl Eq for Headers {}

impl<'a> IntoIterator for &'a Headers {
    type Item = HeaderRef<'a>;
    type IntoIter = HeaderIter<'a>;

    fn into_iter(self) -> HeaderIter<'a> {
        self.iter()
    }
}

/// One header of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderRef<'a> {
    /// The key's bytes: UTF-8 by Kafka's rules, which brokers do not enforce.
    pub key: &'a [u8],
    /// The value, or null.
    pub value: Option<&'a [u8]>,
}

impl<'a> HeaderRef<'a> {
    /// The key as text.
    ///
    /// # Errors
    ///
    /// If it is not UTF-8.
    pub fn key_str(&self) -> Result<&'a str, Utf8Error> {
        std::str::from_utf8(self.key)
    }
}

/// The headers of a record, in order.
#[derive(Debug, Clone)]
pub struct HeaderIter<'a> {
    count: u32,
    /// `count` well-formed headers and nothing else, from the front.
    block: &'a [u8],
}

impl<'a> HeaderIter<'a> {
    /// Takes the rest of a record, checking every length but keeping none: that costs a few nanoseconds a header, and iterating cannot fail.
    #[inline]
    fn parse(mut input: &'a [u8]) -> Result<Self, Malformed> {
        let count = u32::try_from(read_varint(&mut input)?).map_err(|_| Malformed::HeaderCount)?;
        let block = input;
        let rest = if count > 0 { skip_headers(input, count)? } else { input };
        if !rest.is_empty() {
            return Err(Malformed::TrailingBytes);
        }
        Ok(Self { count, block })
    }
}

fn skip_headers(mut input: &[u8], count: u32) -> Result<&[u8], Malformed> {
    // A header is two lengths at least.
    if count as usize > input.len() / 2 {
        return Err(Malformed::HeaderCount);
    }
    for _ in 0..count {
        header(&mut input)?;
    }
    Ok(input)
}

#[inline]
fn header<'a>(input: &mut &'a [u8]) -> Result<HeaderRef<'a>, Malformed> {
    let key = nullable(input, Malformed::HeaderKeyLength)?.ok_or(Malformed::HeaderKeyLength)?;
    let value = nullable(input, Malformed::HeaderValueLength)?;
    Ok(HeaderRef { key, value })
}

impl<'a> Iterator for HeaderIter<'a> {
    type Item = HeaderRef<'a>;

    fn next(&mut self) -> Option<HeaderRef<'a>> {
        self.count = self.count.checked_sub(1)?;
        header(&mut self.block).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count as usize, Some(self.count as usize))
    }
}

impl ExactSizeIterator for HeaderIter<'_> {}
impl std::iter::FusedIterator for HeaderIter<'_> {}
