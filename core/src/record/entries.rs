//! Message sets of formats v0 and v1, read: entries, alone or in the value of a compressed one, the wrapper.

use bytes::Bytes;

use super::header::field;
use super::records::RecordRef;
use super::{Compression, Malformed, RecordError};

/// Where the CRC has its place; it counts from the magic on.
pub(super) const CRC_AT: usize = 12;
/// In every format.
pub(super) const MAGIC_AT: usize = 16;
pub(super) const ATTRIBUTES_AT: usize = 17;
/// In v1.
pub(super) const TIMESTAMP_AT: usize = 18;
const CODEC_MASK: u8 = 0b111;
/// In v1.
pub(super) const LOG_APPEND_TIME: u8 = 1 << 3;

/// Where an entry's key begins, with its length.
pub(super) const fn key_at(magic: i8) -> usize {
    if magic == 0 { 18 } else { 26 }
}

/// The size of an entry with neither key nor value.
pub(super) const fn smallest(magic: i8) -> usize {
    key_at(magic) + 8
}

/// The CRC-32 of an entry: of all behind it.
pub(super) fn crc(entry: &[u8]) -> u32 {
    crc32fast::hash(&entry[MAGIC_AT..])
}

/// The codec in an entry's attributes.
pub(super) fn compression(entry: &[u8]) -> Result<Compression, RecordError> {
    let id = (entry[ATTRIBUTES_AT] & CODEC_MASK) as i8;
    match Compression::from_id(id)? {
        // Brokers have never taken it in these formats.
        Compression::Zstd => Err(RecordError::UnknownCodec(id)),
        codec => Ok(codec),
    }
}

/// Key and value, each or null.
type Pair<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// An entry's key and value, which end with it.
fn key_and_value(entry: &[u8], magic: i8) -> Result<Pair<'_>, Malformed> {
    let mut input = &entry[key_at(magic)..];
    let key = nullable(&mut input, Malformed::KeyLength)?;
    let value = nullable(&mut input, Malformed::ValueLength)?;
    if input.is_empty() { Ok((key, value)) } else { Err(Malformed::TrailingBytes) }
}

fn nullable<'a>(input: &mut &'a [u8], bad: Malformed) -> Result<Option<&'a [u8]>, Malformed> {
    let (length, rest) = input.split_first_chunk().ok_or(bad)?;
    *input = rest;
    let length = i32::from_be_bytes(*length);
    if length == -1 {
        return Ok(None);
    }
    let taken = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length));
    let (taken, rest) = taken.ok_or(bad)?;
    *input = rest;
    Ok(Some(taken))
}

/// Where a cursor stands in a message set.
#[derive(Debug, Clone)]
pub(super) struct Entries {
    magic: i8,
    position: usize,
    index: u32,
    count: u32,
    /// What makes the entries' own offsets absolute.
    shift: i64,
    /// The wrapper's time, if it is the broker's.
    append_time: Option<i64>,
    /// Whether the CRC of the batch covers nothing but the bytes before decompression.
    check_crcs: bool,
}

impl Entries {
    /// The records of a whole entry whose magic and offset were checked, and the block that they are in.
    pub(super) fn open(entry: &Bytes, magic: i8, limit: usize) -> Result<(Self, Bytes), RecordError> {
        let codec = compression(entry)?;
        let alone =
            Self { magic, position: 0, index: 0, count: 1, shift: 0, append_time: None, check_crcs: false };
        if codec == Compression::None {
            return Ok((alone, entry.clone()));
        }
        let (_, value) =
            key_and_value(entry, magic).map_err(|what| RecordError::BadRecord { index: 0, what })?;
        let Some(value) = value else {
            return Err(RecordError::BadRecord { index: 0, what: Malformed::ValueLength });
        };
        let set = match value {
            [] => Bytes::new(),
            value => Bytes::from(codec.decompress(value, magic, limit)?),
        };
        let (count, last) = survey(&set, magic)?;
        let wrapper = i64::from_be_bytes(field(entry, 0));
        let shift = match (magic, set.first_chunk()) {
            (0, _) | (_, None) => 0,
            (_, Some(first)) => {
                // Offsets count from the wrapper's back; all that are read here are 0 or more, so no difference overflows.
                let shift = wrapper - last;
                if i64::from_be_bytes(*first) + shift < 0 {
                    return Err(RecordError::BadRecord { index: 0, what: Malformed::Offset });
                }
                shift
            }
        };
        if last + shift > wrapper {
            return Err(RecordError::BadRecord { index: count.saturating_sub(1), what: Malformed::Offset });
        }
        let append_time = (magic > 0 && entry[ATTRIBUTES_AT] & LOG_APPEND_TIME != 0)
            .then(|| i64::from_be_bytes(field(entry, TIMESTAMP_AT)));
        Ok((Self { count, shift, append_time, check_crcs: true, ..alone }, set))
    }

    pub(super) fn remaining(&self) -> u32 {
        self.count - self.index
    }

    #[cold]
    #[inline(never)]
    pub(super) fn next<'a>(&mut self, block: &'a [u8]) -> Option<Result<RecordRef<'a>, RecordError>> {
        if self.index == self.count {
            return None;
        }
        let index = self.index;
        // The survey has seen that the lengths fit.
        let rest = &block[self.position..];
        let size = 12 + i32::from_be_bytes(field(rest, 8)) as usize;
        let record = self.read(&rest[..size]);
        match record {
            Ok(_) => (self.index, self.position) = (index + 1, self.position + size),
            Err(_) => self.index = self.count,
        }
        Some(record.map_err(|what| RecordError::BadRecord { index, what }))
    }

    fn read<'a>(&self, entry: &'a [u8]) -> Result<RecordRef<'a>, Malformed> {
        if self.check_crcs && crc(entry) != u32::from_be_bytes(field(entry, CRC_AT)) {
            return Err(Malformed::Crc);
        }
        let (key, value) = key_and_value(entry, self.magic)?;
        let timestamp = match (self.magic, self.append_time) {
            (0, _) => -1,
            (_, Some(time)) => time,
            (_, None) => i64::from_be_bytes(field(entry, TIMESTAMP_AT)),
        };
        let offset = i64::from_be_bytes(field(entry, 0)) + self.shift;
        Ok(RecordRef::new(offset, timestamp, key, value))
    }
}

/// Walks a decompressed set by its entries' heads: how many there are, and the last one's own offset.
fn survey(set: &[u8], magic: i8) -> Result<(u32, i64), RecordError> {
    let (mut count, mut last, mut rest) = (0, -1, set);
    while !rest.is_empty() {
        let bad = |what| RecordError::BadRecord { index: count, what };
        let size = match rest.first_chunk::<12>() {
            Some(head) => i32::from_be_bytes(field(head, 8)),
            None => return Err(bad(Malformed::RecordLength)),
        };
        // The magic has its place in every format, so it is looked at first: the size depends on it.
        match rest.get(MAGIC_AT) {
            Some(found) if *found as i8 == magic => {}
            Some(_) => return Err(bad(Malformed::Magic)),
            None => return Err(bad(Malformed::RecordLength)),
        }
        let size = usize::try_from(size).ok().map(|size| size + 12);
        let size = size.filter(|size| (smallest(magic)..=rest.len()).contains(size));
        let size = size.ok_or_else(|| bad(Malformed::RecordLength))?;
        let offset = i64::from_be_bytes(field(rest, 0));
        if offset <= last {
            return Err(bad(Malformed::Offset));
        }
        if rest[ATTRIBUTES_AT] & CODEC_MASK != 0 {
            return Err(bad(Malformed::Nested));
        }
        last = offset;
        // An entry has 26 bytes at least: as many as pass this counter take more than 100 GiB.
        count += 1;
        rest = &rest[size..];
    }
    Ok((count, last))
}
