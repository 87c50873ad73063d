//! What a broker does to batches. Clients need it where they play the broker, as simulated clusters do.

use bytes::Bytes;

use super::header::{self, CONTROL, HEADER_BYTES, LOG_APPEND_TIME, PREFIX_BYTES, TRANSACTIONAL, field, put};
use super::{Batch, BatchBuilder, Batches, Compression, Producer, RecordError, RecordRef, entries, legacy};
use crate::protocol::{LeaderEpoch, ProducerId};

/// Gives the batch at the start of `bytes` its place in the log. The CRC does not cover these fields.
///
/// In formats v0 and v1, which have no leader epoch, that is one entry. The offset of a compressed set is its last record's, and in v0
/// those inside are absolute: it is written anew instead, by [`BatchBuilder::seal_at`].
///
/// # Panics
///
/// If `bytes` are shorter than a batch's header, or start with a compressed set of v0 or v1: take them from a [`Batch`](super::Batch) that
/// has a [`base_offset`](super::Batch::base_offset).
pub fn set_base_offset(bytes: &mut [u8], base_offset: i64, leader_epoch: LeaderEpoch) {
    if bytes[entries::MAGIC_AT] >= 2 {
        put(bytes, 12, leader_epoch.0.to_be_bytes());
    } else {
        assert_eq!(entries::compression(bytes), Ok(Compression::None), "a compressed set's first offset");
    }
    put(bytes, 0, base_offset.to_be_bytes());
}

/// Stamps the batch at the start of `bytes` with the time of its append, in milliseconds since the epoch, and renews the CRC: from then
/// on every record has that time. Format v0 has no timestamps and stays as it is.
///
/// # Panics
///
/// If `bytes` do not start with a whole batch: take them from a [`Batch`](super::Batch).
pub fn set_log_append_time(bytes: &mut [u8], timestamp: i64) {
    let length = i32::from_be_bytes(field(bytes, 8));
    let batch = &mut bytes[..PREFIX_BYTES + usize::try_from(length).expect("a whole batch")];
    if batch[entries::MAGIC_AT] < 2 {
        return legacy::set_log_append_time(batch, timestamp);
    }
    let attributes = i16::from_be_bytes(field(batch, 21)) | LOG_APPEND_TIME;
    put(batch, 21, attributes.to_be_bytes());
    put(batch, 35, timestamp.to_be_bytes());
    header::write_crc(batch);
}

/// The batch without the records that `keep` refuses, as compaction leaves it: offsets and all other fields of the header stay. It may
/// have no record left.
///
/// # Errors
///
/// [`RecordError::UnsupportedMagic`] in formats v0 and v1; what [`Batch::records`] and its cursor find wrong.
pub fn retain_records(batch: &Batch, keep: impl FnMut(&RecordRef<'_>) -> bool) -> Result<Batch, RecordError> {
    if batch.magic() < 2 {
        return Err(RecordError::UnsupportedMagic(batch.magic()));
    }
    let bytes = BatchBuilder::retained(batch, keep)?;
    Batches::new(bytes).next().expect("a header at least")
}

/// What a control batch's record tells, by its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlType {
    /// The producer's transaction is aborted: its records before this one are void.
    Abort,
    /// The producer's transaction is committed.
    Commit,
    /// Another type, such as the markers of the metadata log, which concern no client.
    Other(i16),
}

impl ControlType {
    /// Reads a control record's key: a version, then the type; later versions may add fields. `None` if the key is too short.
    #[must_use]
    pub fn from_key(key: &[u8]) -> Option<Self> {
        let id = i16::from_be_bytes(*key.get(2..)?.first_chunk()?);
        Some(match id {
            0 => Self::Abort,
            1 => Self::Commit,
            other => Self::Other(other),
        })
    }

    const fn id(self) -> i16 {
        match self {
            Self::Abort => 0,
            Self::Commit => 1,
            Self::Other(id) => id,
        }
    }
}

/// The control batch that ends a producer's transaction in a partition, with base offset 0.
///
/// `kind` is [`ControlType::Commit`] or [`ControlType::Abort`]; `timestamp` is in milliseconds since the epoch.
#[must_use]
pub fn end_transaction_marker(
    kind: ControlType,
    producer_id: ProducerId,
    producer_epoch: i16,
    coordinator_epoch: i32,
    timestamp: i64,
) -> Bytes {
    let mut key = [0; 4];
    put(&mut key, 2, kind.id().to_be_bytes());
    let mut value = [0; 6];
    put(&mut value, 2, coordinator_epoch.to_be_bytes());
    let mut builder = BatchBuilder::with_capacity(HEADER_BYTES + 20);
    builder.append(timestamp, Some(&key), Some(&value), &[]);
    let producer =
        Producer { id: producer_id, epoch: producer_epoch, base_sequence: -1, transactional: true };
    let sealed: Result<Bytes, RecordError> =
        builder.seal_with(0, CONTROL | TRANSACTIONAL, Compression::None.into(), producer);
    sealed.expect("one small record can be sealed")
}
