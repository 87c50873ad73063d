//! The header of a batch of format v2, as bytes; message sets use [`field`] and [`put`], too.

/// The size of a batch's header.
pub(super) const HEADER_BYTES: usize = 61;
/// Base offset and batch length: what the batch length does not count.
pub(super) const PREFIX_BYTES: usize = 12;
/// Where the CRC begins to count.
const CRC_START: usize = 21;
/// The message format of batches; those before it are message sets.
pub(super) const MAGIC: i8 = 2;

pub(super) const CODEC_MASK: i16 = 0b111;
pub(super) const LOG_APPEND_TIME: i16 = 1 << 3;
pub(super) const TRANSACTIONAL: i16 = 1 << 4;
pub(super) const CONTROL: i16 = 1 << 5;
pub(super) const DELETE_HORIZON: i16 = 1 << 6;

/// The header fields that a writer decides; the others follow from the bytes or are a broker's.
pub(super) struct HeaderFields {
    pub(super) base_offset: i64,
    pub(super) attributes: i16,
    pub(super) last_offset_delta: i32,
    pub(super) base_timestamp: i64,
    pub(super) max_timestamp: i64,
    pub(super) producer_id: i64,
    pub(super) producer_epoch: i16,
    pub(super) base_sequence: i32,
    pub(super) count: i32,
}

/// Writes the header in front of the records in `batch`, which the caller keeps below 2 GiB.
pub(super) fn write_header(batch: &mut [u8], fields: &HeaderFields) {
    let length = (batch.len() - PREFIX_BYTES) as i32;
    put(batch, 0, fields.base_offset.to_be_bytes());
    put(batch, 8, length.to_be_bytes());
    put(batch, 12, (-1i32).to_be_bytes());
    put(batch, 16, MAGIC.to_be_bytes());
    put(batch, 21, fields.attributes.to_be_bytes());
    put(batch, 23, fields.last_offset_delta.to_be_bytes());
    put(batch, 27, fields.base_timestamp.to_be_bytes());
    put(batch, 35, fields.max_timestamp.to_be_bytes());
    put(batch, 43, fields.producer_id.to_be_bytes());
    put(batch, 51, fields.producer_epoch.to_be_bytes());
    put(batch, 53, fields.base_sequence.to_be_bytes());
    put(batch, 57, fields.count.to_be_bytes());
    write_crc(batch);
}

/// Writes the producer's fields of a batch that is whole otherwise, and renews the CRC.
pub(super) fn write_producer(batch: &mut [u8], id: i64, epoch: i16, base_sequence: i32) {
    put(batch, 43, id.to_be_bytes());
    put(batch, 51, epoch.to_be_bytes());
    put(batch, 53, base_sequence.to_be_bytes());
    write_crc(batch);
}

/// The CRC-32C of what it covers.
pub(super) fn crc(batch: &[u8]) -> u32 {
    crc32c::crc32c(&batch[CRC_START..])
}

pub(super) fn write_crc(batch: &mut [u8]) {
    let crc = crc(batch);
    put(batch, 17, crc.to_be_bytes());
}

/// Writes a field of fixed size to its place.
pub(super) fn put<const N: usize>(batch: &mut [u8], at: usize, bytes: [u8; N]) {
    batch[at..at + N].copy_from_slice(&bytes);
}

/// Reads a field of fixed size from its place.
pub(super) fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}
