//! Records as they are read, lent or held, and their headers.

use std::str::Utf8Error;

use bytes::Bytes;

use super::Malformed;
use super::varint::read_varint;

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
    pub(super) headers: HeaderIter<'a>,
}

impl<'a> RecordRef<'a> {
    /// A record without headers.
    pub(super) fn new(offset: i64, timestamp: i64, key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> Self {
        let headers = HeaderIter { count: 0, block: &[] };
        Self { offset, timestamp, key, value, headers }
    }

    /// The record with handles into `block`, which it is borrowed from.
    #[inline]
    pub(super) fn held_by(self, block: &Bytes) -> Record {
        let owned = |field| block.slice_ref(field);
        let headers = match self.headers.count {
            0 => Headers::default(),
            count => Headers { count, block: owned(self.headers.block) },
        };
        Record {
            offset: self.offset,
            timestamp: self.timestamp,
            key: self.key.map(owned),
            value: self.value.map(owned),
            headers,
        }
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
    pub(super) fn parse(mut input: &'a [u8]) -> Result<Self, Malformed> {
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

#[inline]
pub(super) fn nullable<'a>(input: &mut &'a [u8], bad: Malformed) -> Result<Option<&'a [u8]>, Malformed> {
    match read_varint(input)? {
        -1 => Ok(None),
        length => take(input, length).map(Some).ok_or(bad),
    }
}

/// Takes `length` bytes off the front, `None` if it is negative or more than there are.
#[inline]
pub(super) fn take<'a>(input: &mut &'a [u8], length: i32) -> Option<&'a [u8]> {
    let (taken, rest) = input.split_at_checked(usize::try_from(length).ok()?)?;
    *input = rest;
    Some(taken)
}
