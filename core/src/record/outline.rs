//! A `records` field without the records: what [`Batches`] looks at, from which a field comes back that it finds the same batches in.
//!
//! Rules:
//! - Of a batch only its length, format and last offset are kept: all that a client goes on by before the records are read.
//! - A damaged length makes the next header begin in the midst of records. So of what can't be read only length, format and the
//!   numbers that its error names are kept, and of what is cut short nothing but that it is.

use std::ops::Range;

use bytes::Bytes;

use super::entries::{MAGIC_AT, key_at};
use super::header::{HEADER_BYTES, MAGIC, PREFIX_BYTES, field, put};
use super::{Batches, RecordError};

const OFFSET: Range<usize> = 0..8;
const LENGTH: Range<usize> = 8..PREFIX_BYTES;
const FORMAT: Range<usize> = MAGIC_AT..MAGIC_AT + 1;
const LAST_OFFSET_DELTA: Range<usize> = 23..27;
const COUNT: Range<usize> = 57..61;

/// The fields of an error's batch that [`Batches`] comes to the same error by; all others are as good as zero.
fn named(error: &RecordError) -> &'static [Range<usize>] {
    match error {
        RecordError::BadOffset(_) => &[OFFSET, LENGTH, FORMAT],
        RecordError::BadLastOffset { .. } => &[OFFSET, LENGTH, FORMAT, LAST_OFFSET_DELTA],
        RecordError::BadCount { .. } => &[LENGTH, FORMAT, COUNT],
        _ => &[LENGTH, FORMAT],
    }
}

/// How long the header at the beginning of these bytes is: not longer than the batch says to be, and none if they don't say that.
fn header(bytes: &[u8]) -> usize {
    if bytes.len() < PREFIX_BYTES {
        return 0;
    }
    let header = match bytes.get(MAGIC_AT) {
        Some(magic) if i8::from_be_bytes([*magic]) == MAGIC => HEADER_BYTES,
        // No more than every format has before a key.
        _ => key_at(0),
    };
    header.min(size(bytes).unwrap_or(PREFIX_BYTES)).min(bytes.len())
}

/// How long the batch at the beginning of these bytes says to be.
fn size(bytes: &[u8]) -> Option<usize> {
    let length = bytes.get(..PREFIX_BYTES).map(|prefix| i32::from_be_bytes(field(prefix, 8)))?;
    Some(PREFIX_BYTES + usize::try_from(length).ok()?)
}

/// The header at the beginning of these bytes, with nothing but these fields in it.
fn only(fields: &[Range<usize>], bytes: &[u8], outline: &mut Vec<u8>) {
    let from = outline.len();
    outline.resize(from + header(bytes), 0);
    let kept = &mut outline[from..];
    for field in fields {
        // A batch too short for its format ends within a field.
        let field = field.start.min(kept.len())..field.end.min(kept.len());
        kept[field.clone()].copy_from_slice(&bytes[field]);
    }
}

/// The field's length, and of each batch's header what [`Batches`] finds it by, that of what can't be read included.
pub(crate) fn outline(records: &Bytes) -> Bytes {
    let mut outline = (records.len() as u32).to_be_bytes().to_vec();
    let (mut batches, mut at) = (Batches::new(records.clone()), 0);
    for batch in &mut batches {
        match batch {
            Ok(batch) => {
                only(&[OFFSET, LENGTH, FORMAT, LAST_OFFSET_DELTA], batch.bytes(), &mut outline);
                at += batch.size_bytes();
            }
            Err(error) => only(named(&error), &records[at..], &mut outline),
        }
    }
    if batches.is_truncated() && records.len() - at >= PREFIX_BYTES {
        let mut cut = [0; PREFIX_BYTES];
        put(&mut cut, LENGTH.start, i32::MAX.to_be_bytes());
        outline.extend_from_slice(&cut);
    }
    outline.into()
}

/// The field that this is the outline of, with zeros for records; none if it would be longer than `limit`, or this is no outline.
pub(crate) fn outlined(outline: &[u8], limit: usize) -> Option<Bytes> {
    let (length, mut headers) = outline.split_first_chunk()?;
    let length = u32::from_be_bytes(*length) as usize;
    if length > limit {
        return None;
    }
    let (mut records, mut at) = (vec![0; length], 0);
    while !headers.is_empty() {
        let place = records.get_mut(at..)?;
        let (next, size) = {
            let next = &headers[..headers.len().min(place.len())];
            (header(next), size(next))
        };
        if next == 0 {
            return None;
        }
        place[..next].copy_from_slice(&headers[..next]);
        headers = &headers[next..];
        // What says no size is the last.
        at = size.map_or(length, |size| at.saturating_add(size));
    }
    Some(records.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{BatchBuilder, Compression, Encoding, MessageFormat, Producer, RecordError};

    fn batch(base: i64, format: MessageFormat) -> Vec<u8> {
        let mut builder = BatchBuilder::with_capacity(0);
        for _ in 0..3 {
            builder.append(5, Some(b"secret"), Some(b"secret, too"), &[]);
        }
        let encoding = Encoding { format, compression: Compression::None, level: None };
        builder.seal_at(base, encoding, Producer::NONE).unwrap().to_vec()
    }

    /// What a fetcher sees of a field.
    fn seen(records: Bytes) -> (usize, Vec<Result<i64, RecordError>>, bool) {
        let length = records.len();
        let mut batches = Batches::new(records);
        let seen = batches.by_ref().map(|batch| batch.map(|batch| batch.last_offset())).collect();
        (length, seen, batches.is_truncated())
    }

    #[test]
    fn an_outline_shows_the_same_batches_and_none_of_the_data() {
        let mut all = Vec::new();
        for (index, format) in MessageFormat::ALL.into_iter().chain([MessageFormat::V2]).enumerate() {
            all.extend(batch(index as i64 * 3, format));
        }
        let mut broken = [all.clone(), batch(90, MessageFormat::V2)].concat();
        let at = all.len();
        let damage = |broken: &mut Vec<u8>, place: usize, byte: u8| {
            let mut damaged = broken.clone();
            damaged[at + place] = byte;
            damaged
        };
        let mut fields = vec![
            damage(&mut broken, 8, 0xff),
            damage(&mut broken, 11, 15),
            damage(&mut broken, 11, 30),
            damage(&mut broken, 16, 7),
            damage(&mut broken, 23, 0xff),
            damage(&mut broken, 57, 0xff),
        ];
        fields.extend((0..=broken.len()).map(|end| broken[..end].to_vec()));
        for field in fields.into_iter().map(Bytes::from) {
            let outline = outline(&field);
            let data = outline.windows(6).any(|window| window == b"secret");
            assert!(!data, "{} bytes: {outline:?}", field.len());
            let restored = outlined(&outline, field.len()).expect("an outline");
            assert_eq!(seen(restored), seen(field));
        }
    }

    /// What follows is taken for a header, and lies in the midst of the records.
    #[test]
    fn a_damaged_length_leaves_no_data_in_an_outline() {
        let secrets = b"secret".repeat(100);
        let within = |length: i32, magic: u8| {
            let mut false_batch = b"secret".repeat(20);
            put(&mut false_batch, 0, 7i64.to_be_bytes());
            put(&mut false_batch, LENGTH.start, length.to_be_bytes());
            false_batch[MAGIC_AT] = magic;
            false_batch
        };
        let values = [secrets, within(80, 2), within(80, 0), within(80, 9), within(20, 2), within(3, 2)];
        for value in values {
            let mut builder = BatchBuilder::with_capacity(0);
            builder.append(5, None, Some(&value), &[]);
            let batch = builder.seal(Compression::None, Producer::NONE).unwrap();
            for length in 0..batch.len() - PREFIX_BYTES {
                let mut field = batch.to_vec();
                put(&mut field, LENGTH.start, (length as i32).to_be_bytes());
                let outline = outline(&field.clone().into());
                let data = outline.windows(6).any(|window| window == b"secret");
                assert!(!data, "length {length}: {outline:?}");
                let restored = outlined(&outline, field.len()).expect("an outline");
                assert_eq!(seen(restored), seen(field.into()), "length {length}");
            }
        }
    }

    #[test]
    fn what_is_no_outline_is_refused() {
        let whole = outline(&batch(0, MessageFormat::V2).into());
        assert_eq!(outlined(&whole, 61), None, "above the limit");
        assert_eq!(outlined(&[1, 2], 1000), None);
        assert_eq!(outlined(&[&whole[..], &whole[4..]].concat(), 1000), None, "more than there is room for");
        for byte in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut hostile = whole.to_vec();
                hostile[byte] = value;
                let _ = outlined(&hostile, 1 << 20);
            }
        }
    }
}
