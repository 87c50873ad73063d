//! Batches written as message sets of formats v0 and v1.

use super::entries::{ATTRIBUTES_AT, CRC_AT, LOG_APPEND_TIME, MAGIC_AT, TIMESTAMP_AT, crc, key_at, smallest};
use super::header::put;
use super::{Compression, Encoding, MessageFormat, RecordCursor, RecordError, V2Only};

/// The records as a message set from `base_offset` on: their own offsets do not count.
pub(super) fn write(
    mut records: RecordCursor,
    base_offset: i64,
    encoding: Encoding,
) -> Result<Vec<u8>, RecordError> {
    let magic = encoding.format.magic();
    let needs_v2 = |what| RecordError::NeedsV2 { magic, what };
    if encoding.compression == Compression::Zstd {
        return Err(needs_v2(V2Only::Zstd));
    }
    let compressed = encoding.compression != Compression::None;
    let first = if compressed && encoding.format == MessageFormat::V1 { 0 } else { base_offset };
    let count = records.remaining();
    let too_large = |bytes| RecordError::NotSealable { count, bytes };
    let last_offset = base_offset + i64::from(count) - 1;
    let (mut set, mut offset, mut max_timestamp) = (Vec::new(), first, -1);
    while let Some(record) = records.next_ref() {
        let record = record?;
        if record.headers().len() > 0 {
            return Err(needs_v2(V2Only::Headers));
        }
        max_timestamp = record.timestamp.max(max_timestamp);
        let start = set.len();
        set.resize(start + key_at(magic), 0);
        for field in [record.key, record.value] {
            let length = field.map_or(-1, |field| field.len() as i32);
            set.extend_from_slice(&length.to_be_bytes());
            set.extend_from_slice(field.unwrap_or_default());
        }
        if i32::try_from(set.len()).is_err() {
            return Err(too_large(set.len()));
        }
        finish(&mut set[start..], magic, Compression::None, offset, record.timestamp);
        offset += 1;
    }
    if !compressed {
        set.shrink_to_fit();
        return Ok(set);
    }
    let room = smallest(magic);
    let mut wrapper = encoding.compress(&set, room)?;
    let length = i32::try_from(wrapper.len() - room).map_err(|_| too_large(wrapper.len()))?;
    put(&mut wrapper, room - 8, (-1i32).to_be_bytes());
    put(&mut wrapper, room - 4, length.to_be_bytes());
    finish(&mut wrapper, magic, encoding.compression, last_offset, max_timestamp);
    Ok(wrapper)
}

/// Writes an entry's head and CRC in front of its key and value.
fn finish(entry: &mut [u8], magic: i8, codec: Compression, offset: i64, timestamp: i64) {
    let size = (entry.len() - 12) as i32;
    put(entry, 0, offset.to_be_bytes());
    put(entry, 8, size.to_be_bytes());
    put(entry, MAGIC_AT, magic.to_be_bytes());
    put(entry, ATTRIBUTES_AT, codec.id().to_be_bytes());
    if magic > 0 {
        put(entry, TIMESTAMP_AT, timestamp.to_be_bytes());
    }
    write_crc(entry);
}

pub(super) fn set_log_append_time(entry: &mut [u8], timestamp: i64) {
    if entry[MAGIC_AT] > 0 {
        entry[ATTRIBUTES_AT] |= LOG_APPEND_TIME;
        put(entry, TIMESTAMP_AT, timestamp.to_be_bytes());
        write_crc(entry);
    }
}

fn write_crc(entry: &mut [u8]) {
    let crc = crc(entry);
    put(entry, CRC_AT, crc.to_be_bytes());
}
