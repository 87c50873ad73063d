use bytes::Bytes;

use super::header::{self, HEADER_BYTES, HeaderFields};
use super::varint::Scratch;
use super::{
    Batch, Compression, Encoding, Limits, MessageFormat, RecordCursor, RecordError, RecordRef, V2Only, legacy,
};
use crate::protocol::ProducerId;
use crate::wire::varlong_len;

/// One header of a record to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// The key; may be empty, and may come more than once in a record.
    pub key: &'a str,
    /// The value, or null.
    pub value: Option<&'a [u8]>,
}

/// Who writes a batch: the fields by which brokers put aside duplicates and tell transactions apart ([KIP-98]).
///
/// [KIP-98]: https://cwiki.apache.org/confluence/display/KAFKA/KIP-98+-+Exactly+Once+Delivery+and+Transactional+Messaging
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Producer {
    /// From `InitProducerId`.
    pub id: ProducerId,
    /// From `InitProducerId`.
    pub epoch: i16,
    /// The sequence number of the batch's first record.
    pub base_sequence: i32,
    /// Whether the batch is part of a transaction.
    pub transactional: bool,
}

impl Producer {
    /// A producer without idempotence: every number is -1.
    pub const NONE: Self = Self { id: ProducerId::NONE, epoch: -1, base_sequence: -1, transactional: false };
}

impl Default for Producer {
    fn default() -> Self {
        Self::NONE
    }
}

/// An open batch: records are appended in their final form, sealing fills in the header.
///
/// Appending copies each field once and allocates nothing while [`capacity`](Self::capacity) lasts; past that the buffer grows by doubling.
/// Offsets are contiguous from 0 and timestamps relative to the first record's.
///
/// ```
/// use milena_core::record::{BatchBuilder, Batches, Compression, Limits, Producer};
///
/// let mut builder = BatchBuilder::with_capacity(1024);
/// builder.append(1_700_000_000_000, Some(b"key"), Some(b"value"), &[]);
/// let bytes = builder.seal(Compression::None, Producer::NONE)?;
///
/// for batch in Batches::new(bytes) {
///     let batch = batch?;
///     batch.verify_crc()?;
///     let mut records = batch.records(&Limits::default())?;
///     while let Some(record) = records.next_ref() {
///         assert_eq!(record?.value, Some(&b"value"[..]));
///     }
/// }
/// # Ok::<(), milena_core::record::RecordError>(())
/// ```
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    /// `HEADER_BYTES` of room for the header, then the records.
    buffer: Vec<u8>,
    count: u32,
    base_timestamp: i64,
    max_timestamp: i64,
}

/// A copy of a sealed batch under another producer id, epoch or sequence.
///
/// # Panics
///
/// If `batch` is not a whole batch: take it from [`BatchBuilder::seal`].
#[must_use]
pub fn restamp(batch: &Bytes, producer: Producer) -> Bytes {
    let mut bytes = batch.to_vec();
    header::write_producer(&mut bytes, producer.id.0, producer.epoch, producer.base_sequence);
    Bytes::from(bytes)
}

impl BatchBuilder {
    /// An empty batch with room for `bytes`, the batch's header included.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        let mut buffer = Vec::with_capacity(bytes.max(HEADER_BYTES));
        buffer.resize(HEADER_BYTES, 0);
        Self { buffer, count: 0, base_timestamp: 0, max_timestamp: i64::MIN }
    }

    /// By how many bytes [`append`](Self::append) would make this batch longer.
    #[must_use]
    #[inline]
    pub fn record_size(
        &self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> usize {
        let body = self.body_size(timestamp, key, value, headers);
        varlong_len(body as i64) + body
    }

    /// Appends a record and returns its index in the batch, which is its offset delta.
    ///
    /// `timestamp` is in milliseconds since the epoch. The caller keeps the batch below the limits it has; one past 2 GiB, which the
    /// format cannot express, fails in [`seal`](Self::seal).
    #[inline]
    pub fn append(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> u32 {
        let body = self.body_size(timestamp, key, value, headers);
        self.append_sized(body, timestamp, key, value, headers)
    }

    /// [`append`](Self::append), unless that would make the batch longer than `limit` bytes.
    ///
    /// # Errors
    ///
    /// How long the batch would become; the record is not appended.
    #[inline]
    pub fn append_within(
        &mut self,
        limit: usize,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> Result<u32, usize> {
        let body = self.body_size(timestamp, key, value, headers);
        let len = self.buffer.len() + varlong_len(body as i64) + body;
        if len > limit {
            return Err(len);
        }
        Ok(self.append_sized(body, timestamp, key, value, headers))
    }

    #[inline]
    fn append_sized(
        &mut self,
        body: usize,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> u32 {
        let index = self.count;
        self.buffer.reserve(varlong_len(body as i64) + body);

        let mut head = Scratch::new();
        head.varint(body as i64);
        head.byte(0); // a record's attributes: none are defined
        head.varint(self.timestamp_delta(timestamp));
        head.varint(index.into());
        if let Some(key) = key {
            head.varint(key.len() as i64);
            self.buffer.extend_from_slice(head.bytes());
            self.buffer.extend_from_slice(key);
            head = Scratch::new();
        } else {
            head.varint(-1);
        }
        head.varint(nullable_len(value));
        self.buffer.extend_from_slice(head.bytes());
        self.buffer.extend_from_slice(value.unwrap_or_default());
        self.append_headers(headers);

        if index == 0 {
            self.base_timestamp = timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.count = index + 1;
        index
    }

    /// The batch's size so far, its header included and before compression.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Records in the batch.
    #[must_use]
    #[inline]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether the batch has no record.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How long the batch can become, its header included, before its buffer must grow.
    #[must_use]
    #[inline]
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Makes room for the batch to become `bytes` long, its header included.
    pub fn reserve(&mut self, bytes: usize) {
        self.buffer.reserve_exact(bytes.saturating_sub(self.buffer.len()));
    }

    /// Closes the batch: compresses the records if asked, writes the header and its CRC.
    ///
    /// In format v2 without compression the bytes are the very buffer that the records were appended to; formats v0 and v1 are converted
    /// to. The base offset is 0 and the leader epoch -1, as brokers expect from producers.
    ///
    /// # Errors
    ///
    /// [`RecordError::NotSealable`] without records or past 2 GiB, [`RecordError::CodecNotCompiled`] and [`RecordError::Compress`];
    /// [`RecordError::NeedsV2`] for headers, zstd, or a producer's numbers in formats v0 and v1.
    pub fn seal(self, encoding: impl Into<Encoding>, producer: Producer) -> Result<Bytes, RecordError> {
        self.seal_at(0, encoding, producer)
    }

    /// [`seal`](Self::seal) with offsets from `base_offset` on, as a broker that converts batches writes them.
    ///
    /// # Errors
    ///
    /// Also [`RecordError::BadOffset`] if the offsets would be negative or pass the largest.
    pub fn seal_at(
        self,
        base_offset: i64,
        encoding: impl Into<Encoding>,
        producer: Producer,
    ) -> Result<Bytes, RecordError> {
        if base_offset < 0 || base_offset.checked_add(self.count.into()).is_none() {
            return Err(RecordError::BadOffset(base_offset));
        }
        let encoding = encoding.into();
        if encoding.format == MessageFormat::V2 {
            let transactional = if producer.transactional { header::TRANSACTIONAL } else { 0 };
            return self.seal_with(base_offset, transactional, encoding, producer);
        }
        if producer != Producer::NONE {
            let magic = encoding.format.magic();
            return Err(RecordError::NeedsV2 { magic, what: V2Only::Producer });
        }
        if self.count == 0 || i32::try_from(self.buffer.len()).is_err() {
            return Err(self.refused());
        }
        let block = Bytes::from(self.buffer).slice(HEADER_BYTES..);
        let records = RecordCursor::built(block, self.count, self.base_timestamp);
        legacy::write(records, base_offset, encoding).map(Bytes::from)
    }

    fn refused(&self) -> RecordError {
        RecordError::NotSealable { count: self.count, bytes: self.buffer.len() }
    }

    pub(super) fn seal_with(
        self,
        base_offset: i64,
        attributes: i16,
        encoding: Encoding,
        producer: Producer,
    ) -> Result<Bytes, RecordError> {
        let refused = self.refused();
        // The records' own lengths are 32 bits wide, too, so the size counts before compression.
        if self.count == 0 || i32::try_from(self.buffer.len()).is_err() {
            return Err(refused);
        }
        let mut bytes = match encoding.compression {
            Compression::None => self.buffer,
            _ => encoding.compress(&self.buffer[HEADER_BYTES..], HEADER_BYTES)?,
        };
        if i32::try_from(bytes.len()).is_err() {
            return Err(refused);
        }
        header::write_header(
            &mut bytes,
            &HeaderFields {
                base_offset,
                attributes: attributes | i16::from(encoding.compression.id()),
                last_offset_delta: (self.count - 1) as i32,
                base_timestamp: self.base_timestamp,
                max_timestamp: self.max_timestamp,
                producer_id: producer.id.0,
                producer_epoch: producer.epoch,
                base_sequence: producer.base_sequence,
                count: self.count as i32,
            },
        );
        Ok(Bytes::from(bytes))
    }

    /// What stays of `batch` when only some of its records do, at their offsets.
    pub(super) fn retained(
        batch: &Batch,
        mut keep: impl FnMut(&RecordRef<'_>) -> bool,
    ) -> Result<Bytes, RecordError> {
        let mut records = batch.records(&Limits::default())?;
        let base_offset = batch.base_offset().unwrap_or(0);
        let mut builder = Self::with_capacity(batch.size_bytes());
        let mut kept = 0;
        while let Some(record) = records.next_ref() {
            let record = record?;
            if !keep(&record) {
                continue;
            }
            let headers = record
                .headers()
                .map(|header| header.key_str().map(|key| Header { key, value: header.value }));
            // This builder's headers are text.
            let headers: Vec<_> = headers.collect::<Result<_, _>>().map_err(|_| builder.refused())?;
            // Deltas count from the batch's first record, whether or not it stays.
            (builder.count, builder.base_timestamp) =
                ((record.offset - base_offset) as u32, batch.base_timestamp());
            builder.append(record.timestamp, record.key, record.value, &headers);
            kept += 1;
        }
        let encoding = Encoding::from(batch.compression()?);
        let mut bytes = match encoding.compression {
            Compression::None => builder.buffer,
            _ if kept == 0 => builder.buffer,
            _ => encoding.compress(&builder.buffer[HEADER_BYTES..], HEADER_BYTES)?,
        };
        header::write_header(
            &mut bytes,
            &HeaderFields {
                base_offset,
                attributes: batch.attributes(),
                last_offset_delta: batch.last_offset_delta(),
                base_timestamp: batch.base_timestamp(),
                max_timestamp: batch.max_timestamp(),
                producer_id: batch.producer_id().0,
                producer_epoch: batch.producer_epoch(),
                base_sequence: batch.base_sequence(),
                count: kept,
            },
        );
        header::put(&mut bytes, 12, batch.partition_leader_epoch().0.to_be_bytes());
        Ok(Bytes::from(bytes))
    }

    /// The difference wraps, as the reader's sum does: any two timestamps can share a batch.
    #[inline]
    fn timestamp_delta(&self, timestamp: i64) -> i64 {
        if self.count == 0 { 0 } else { timestamp.wrapping_sub(self.base_timestamp) }
    }

    #[inline]
    fn body_size(
        &self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> usize {
        let mut size = 1 // attributes
            + varlong_len(self.timestamp_delta(timestamp))
            + varlong_len(self.count.into())
            + nullable_size(key)
            + nullable_size(value)
            + varlong_len(headers.len() as i64);
        for header in headers {
            size += nullable_size(Some(header.key.as_bytes())) + nullable_size(header.value);
        }
        size
    }

    #[inline]
    fn append_headers(&mut self, headers: &[Header<'_>]) {
        if headers.is_empty() {
            self.buffer.push(0);
            return;
        }
        let mut lengths = Scratch::new();
        lengths.varint(headers.len() as i64);
        for header in headers {
            lengths.varint(header.key.len() as i64);
            self.buffer.extend_from_slice(lengths.bytes());
            self.buffer.extend_from_slice(header.key.as_bytes());
            lengths = Scratch::new();
            lengths.varint(nullable_len(header.value));
            self.buffer.extend_from_slice(lengths.bytes());
            self.buffer.extend_from_slice(header.value.unwrap_or_default());
            lengths = Scratch::new();
        }
    }
}

#[inline]
fn nullable_len(field: Option<&[u8]>) -> i64 {
    field.map_or(-1, |field| field.len() as i64)
}

#[inline]
fn nullable_size(field: Option<&[u8]>) -> usize {
    varlong_len(nullable_len(field)) + field.map_or(0, <[u8]>::len)
}
