use bytes::{Buf, Bytes};

use super::cursor::Numbers;
use super::header::{
    self, CODEC_MASK, CONTROL, DELETE_HORIZON, HEADER_BYTES, LOG_APPEND_TIME, MAGIC, PREFIX_BYTES,
    TRANSACTIONAL, field,
};
use super::{Compression, RecordCursor, RecordError, entries};
use crate::protocol::{LeaderEpoch, ProducerId};

/// CRC, magic, attributes, key length and value length: the least that any message format needs behind the prefix.
const SMALLEST_LENGTH: i32 = 14;

/// What bounds the reading of batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes that one batch may decompress to. Default 256 MiB: brokers take batches of 1 MiB unless told otherwise, text
    /// compresses 10 to 100 times, and what is more than twice that is a bomb, or wants a deliberate limit.
    ///
    /// What a zstd stream asks to be kept of its output, its window, counts too, above the 8 MiB that everyone has to take.
    pub max_decompressed_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_decompressed_bytes: 256 << 20 }
    }
}

/// Whose clock a batch's timestamps are from: the topic's `message.timestamp.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimestampType {
    /// There are no timestamps: message format v0.
    None,
    /// Each record has the time its producer gave it.
    CreateTime,
    /// Every record has the time at which the broker appended the batch.
    LogAppendTime,
}

/// The batches of a `records` field, in order.
///
/// Only headers are looked at. A fetch response may end inside a batch: that ends the iteration and [`is_truncated`](Self::is_truncated)
/// tells. An error is the last item, since nothing says where the next batch would begin.
#[derive(Debug, Clone)]
pub struct Batches {
    rest: Bytes,
    truncated: bool,
}

impl Batches {
    /// The batches in `bytes`, which are shared and not copied.
    #[must_use]
    pub fn new(bytes: Bytes) -> Self {
        Self { rest: bytes, truncated: false }
    }

    /// Whether the iteration ended because the last batch was cut short.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    fn split(&mut self) -> Result<Option<Batch>, RecordError> {
        let Some(prefix) = self.rest.first_chunk::<PREFIX_BYTES>() else {
            self.truncated = !self.rest.is_empty();
            return Ok(None);
        };
        let length = i32::from_be_bytes(field(prefix, 8));
        if length < SMALLEST_LENGTH {
            return Err(RecordError::BadBatchLength(length));
        }
        let size = PREFIX_BYTES + length as usize;
        if size > self.rest.len() {
            self.truncated = true;
            return Ok(None);
        }
        let batch = Batch { bytes: self.rest.split_to(size) };
        batch.check()?;
        Ok(Some(batch))
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.split().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.rest.advance(self.rest.len());
        }
        next
    }
}

impl std::iter::FusedIterator for Batches {}

/// One whole batch, its header checked for sense and its records not looked at yet.
///
/// In message formats v0 and v1 each entry of a message set is a batch: of one record or, if it is compressed, of the set inside. Their
/// headers have fewer fields; what a format does not have is as if the producer had not set it. Clones share the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// At least a header, and as long as the batch length says.
    bytes: Bytes,
}

impl Batch {
    fn check(&self) -> Result<(), RecordError> {
        // The magic has its place in every format; the rest of the header depends on it.
        let smallest = match self.magic() {
            magic @ 0..MAGIC => entries::smallest(magic),
            MAGIC => HEADER_BYTES,
            magic => return Err(RecordError::UnsupportedMagic(magic)),
        };
        if self.bytes.len() < smallest {
            return Err(RecordError::BadBatchLength((self.bytes.len() - PREFIX_BYTES) as i32));
        }
        if self.is_legacy() {
            let offset = self.field_i64(0);
            return if (0..i64::MAX).contains(&offset) {
                Ok(())
            } else {
                Err(RecordError::BadOffset(offset))
            };
        }
        let (base_offset, last_offset_delta) = (self.field_i64(0), self.last_offset_delta());
        // There must be an offset behind the last one: readers go on there.
        let behind = base_offset.checked_add(i64::from(last_offset_delta) + 1);
        if last_offset_delta < 0 || behind.is_none() {
            return Err(RecordError::BadLastOffset { base_offset, last_offset_delta });
        }
        let count = self.field_i32(57);
        if count < 0 {
            return Err(RecordError::BadCount { count });
        }
        Ok(())
    }

    /// The offset that deltas count from: that of the first record, unless compaction removed it. `None` for a compressed message set: its
    /// header has only the [last one](Self::last_offset).
    #[must_use]
    pub fn base_offset(&self) -> Option<i64> {
        (!self.is_wrapper()).then(|| self.field_i64(0))
    }

    /// The offset of the last record, which stays when compaction removes that record.
    #[must_use]
    pub fn last_offset(&self) -> i64 {
        self.field_i64(0) + i64::from(self.last_offset_delta())
    }

    /// The leader epoch under which the batch was appended, if it was.
    #[must_use]
    pub fn partition_leader_epoch(&self) -> LeaderEpoch {
        if self.is_legacy() { LeaderEpoch::NONE } else { LeaderEpoch(self.field_i32(12)) }
    }

    /// The message format: 0 or 1 for an entry of a message set, 2 for a record batch.
    #[must_use]
    pub fn magic(&self) -> i8 {
        i8::from_be_bytes(field(&self.bytes, 16))
    }

    /// The codec of the records.
    ///
    /// # Errors
    ///
    /// [`RecordError::UnknownCodec`].
    pub fn compression(&self) -> Result<Compression, RecordError> {
        match self.is_legacy() {
            true => entries::compression(&self.bytes),
            false => Compression::from_id((self.attributes() & CODEC_MASK) as i8),
        }
    }

    /// Whose clock the timestamps are from.
    #[must_use]
    pub fn timestamp_type(&self) -> TimestampType {
        match self.magic() {
            0 => TimestampType::None,
            _ if self.has(LOG_APPEND_TIME) => TimestampType::LogAppendTime,
            _ => TimestampType::CreateTime,
        }
    }

    /// The time that deltas count from, in milliseconds since the epoch: that of the first record or, where there is one, the delete
    /// horizon. In v0 -1, in v1 the same as [`max_timestamp`](Self::max_timestamp).
    #[must_use]
    pub fn base_timestamp(&self) -> i64 {
        if self.is_legacy() { self.max_timestamp() } else { self.field_i64(27) }
    }

    /// The latest time of a record, in milliseconds since the epoch; with [`TimestampType::LogAppendTime`] that of all records. In v0 -1.
    #[must_use]
    pub fn max_timestamp(&self) -> i64 {
        match self.magic() {
            0 => -1,
            1 => self.field_i64(entries::TIMESTAMP_AT),
            _ => self.field_i64(35),
        }
    }

    /// The time from which compaction may remove tombstones and markers, in milliseconds since the epoch, if one is set ([KIP-534]).
    ///
    /// [KIP-534]: https://cwiki.apache.org/confluence/display/KAFKA/KIP-534%3A+Retain+tombstones+and+transaction+markers+for+approximately+delete.retention.ms+milliseconds
    #[must_use]
    pub fn delete_horizon(&self) -> Option<i64> {
        self.has(DELETE_HORIZON).then(|| self.base_timestamp())
    }

    /// The producer's id, -1 if it is not idempotent.
    #[must_use]
    pub fn producer_id(&self) -> ProducerId {
        if self.is_legacy() { ProducerId::NONE } else { ProducerId(self.field_i64(43)) }
    }

    /// The producer's epoch, -1 if it is not idempotent.
    #[must_use]
    pub fn producer_epoch(&self) -> i16 {
        if self.is_legacy() { -1 } else { i16::from_be_bytes(field(&self.bytes, 51)) }
    }

    /// The sequence number of the first record, -1 if the producer is not idempotent.
    #[must_use]
    pub fn base_sequence(&self) -> i32 {
        if self.is_legacy() { -1 } else { self.field_i32(53) }
    }

    /// The sequence number of the last record, -1 if the producer is not idempotent.
    #[must_use]
    pub fn last_sequence(&self) -> i32 {
        match self.base_sequence() {
            base if base < 0 => -1,
            base => increment_sequence(base, self.last_offset_delta()),
        }
    }

    /// Whether the batch is part of a transaction.
    #[must_use]
    pub fn is_transactional(&self) -> bool {
        self.has(TRANSACTIONAL)
    }

    /// Whether the records are for clients rather than for their users: see [`ControlType`](super::ControlType).
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.has(CONTROL)
    }

    /// How many records the header claims. Compaction may leave none. `None` for a compressed message set: its header does not tell.
    #[must_use]
    pub fn count(&self) -> Option<u32> {
        match self.is_legacy() {
            false => Some(self.field_i32(57) as u32),
            true => (!self.is_wrapper()).then_some(1),
        }
    }

    /// The size of the whole batch, header included.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The whole batch as it came.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The CRC in the header: CRC-32C in v2, CRC-32 before.
    #[must_use]
    pub fn checksum(&self) -> u32 {
        u32::from_be_bytes(field(&self.bytes, if self.is_legacy() { entries::CRC_AT } else { 17 }))
    }

    /// Checks the bytes against the header's CRC. Offset and leader epoch are not covered.
    ///
    /// # Errors
    ///
    /// [`RecordError::Crc`].
    pub fn verify_crc(&self) -> Result<(), RecordError> {
        let computed = match self.is_legacy() {
            true => entries::crc(&self.bytes),
            false => header::crc(&self.bytes),
        };
        let stored = self.checksum();
        if stored == computed { Ok(()) } else { Err(RecordError::Crc { stored, computed }) }
    }

    /// The records, decompressed if need be; they share the batch's bytes if not. The CRC is not checked here; those of the entries inside a
    /// compressed message set are, as the cursor comes to them.
    ///
    /// # Errors
    ///
    /// [`RecordError::BadCount`] if so many records cannot be in there, [`RecordError::UnknownCodec`],
    /// [`RecordError::CodecNotCompiled`], [`RecordError::Decompress`], and [`RecordError::TooLarge`] as soon as the limit is passed.
    /// [`RecordError::BadRecord`] where the heads of a compressed message set's entries make no sense: its offsets depend on them all.
    pub fn records(&self, limits: &Limits) -> Result<RecordCursor, RecordError> {
        if self.is_legacy() {
            return RecordCursor::legacy(&self.bytes, self.magic(), limits.max_decompressed_bytes);
        }
        let block = self.bytes.slice(HEADER_BYTES..);
        let block = match self.compression()? {
            Compression::None => block,
            // Java's log cleaner leaves the codec in the attributes of a batch it emptied, and not one byte behind them.
            _ if block.is_empty() && self.field_i32(57) == 0 => block,
            codec => Bytes::from(codec.decompress(&block, MAGIC, limits.max_decompressed_bytes)?),
        };
        let numbers = Numbers {
            count: self.field_i32(57) as u32,
            base_offset: self.field_i64(0),
            last_offset_delta: self.last_offset_delta(),
            base_timestamp: self.base_timestamp(),
            append_time: self.has(LOG_APPEND_TIME).then(|| self.max_timestamp()),
        };
        RecordCursor::new(numbers, block)
    }

    fn is_legacy(&self) -> bool {
        self.magic() < MAGIC
    }

    /// Whether this is a message set in an entry.
    fn is_wrapper(&self) -> bool {
        self.is_legacy() && self.attributes() & CODEC_MASK != 0
    }

    pub(super) fn last_offset_delta(&self) -> i32 {
        if self.is_legacy() { 0 } else { self.field_i32(23) }
    }

    /// In message sets those are the lower four bits, with the same meaning.
    pub(super) fn attributes(&self) -> i16 {
        match self.is_legacy() {
            true => i16::from(self.bytes[entries::ATTRIBUTES_AT]) & (CODEC_MASK | LOG_APPEND_TIME),
            false => i16::from_be_bytes(field(&self.bytes, 21)),
        }
    }

    fn has(&self, attribute: i16) -> bool {
        self.attributes() & attribute != 0
    }

    fn field_i32(&self, at: usize) -> i32 {
        i32::from_be_bytes(field(&self.bytes, at))
    }

    fn field_i64(&self, at: usize) -> i64 {
        i64::from_be_bytes(field(&self.bytes, at))
    }
}

/// The sequence number `by` records after `sequence`: behind 2147483647 comes 0.
#[must_use]
pub fn increment_sequence(sequence: i32, by: i32) -> i32 {
    sequence.wrapping_add(by) & i32::MAX
}
