//! Message formats v0 and v1: logs hold v2 alone, and sets of the old formats are converted as they come and go.
//!
//! Rules: all entries of a set become one batch, with the codec of the first. On the way out each batch becomes a set of the
//! newest format that the version of Fetch carries, at the same offsets; control batches, headers and producers' numbers
//! have no place in it. Records before the offset asked for are left out, unless they are compressed.
//!
//! A real broker before 0.11 stores v1 instead; that makes no difference to its clients, as it serves no version that gets
//! v2. It is simpler in one respect: sets do not tell the time of their append.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use milena_core::protocol::ErrorCode;
use milena_core::record::{
    Batch, BatchBuilder, Batches, Compression, Encoding, Limits, MessageFormat, Producer, RecordError,
};

/// The format that a version of Fetch before 4 carries.
pub(super) fn format_of_fetch(version: i16) -> MessageFormat {
    match version {
        ..2 => MessageFormat::V0,
        _ => MessageFormat::V1,
    }
}

/// The set of a request as a batch.
pub(super) fn to_batch(set: Bytes) -> Result<Batch, RecordError> {
    let mut builder = BatchBuilder::with_capacity(set.len());
    let mut codec = None;
    for entry in Batches::new(set) {
        let entry = entry?;
        if entry.magic() > 1 {
            return Err(RecordError::UnsupportedMagic(entry.magic()));
        }
        entry.verify_crc()?;
        codec.get_or_insert(entry.compression()?);
        let mut records = entry.records(&Limits::default())?;
        while let Some(record) = records.next_ref() {
            let record = record?;
            builder.append(record.timestamp, record.key, record.value, &[]);
        }
    }
    let bytes = builder.seal(codec.unwrap_or_default(), Producer::NONE)?;
    Batches::new(bytes).next().unwrap_or(Err(RecordError::Truncated))
}

/// Whole batches as sets of an old format, from an offset on.
pub(super) fn to_sets(batches: Bytes, format: MessageFormat, from: i64) -> Result<Bytes, ErrorCode> {
    let mut sets = BytesMut::new();
    for batch in Batches::new(batches).map_while(Result::ok).filter(|batch| !batch.is_control()) {
        let codec = batch.compression().map_err(|_| ErrorCode::CORRUPT_MESSAGE)?;
        if codec == Compression::Zstd {
            return Err(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
        }
        let from = if codec == Compression::None { from } else { i64::MIN };
        let encoding = Encoding { format, compression: codec, level: None };
        add_sets(&mut sets, &batch, encoding, from).map_err(|_| ErrorCode::CORRUPT_MESSAGE)?;
    }
    Ok(sets.freeze())
}

/// A batch as one set for each run of offsets without a gap.
fn add_sets(sets: &mut BytesMut, batch: &Batch, encoding: Encoding, from: i64) -> Result<(), RecordError> {
    let mut records = batch.records(&Limits::default())?;
    let empty = || BatchBuilder::with_capacity(batch.size_bytes());
    let (mut builder, mut run): (BatchBuilder, Range<i64>) = (empty(), 0..0);
    while let Some(record) = records.next_ref() {
        let record = record?;
        if record.offset < from {
            continue;
        }
        if record.offset != run.end && !builder.is_empty() {
            let full = std::mem::replace(&mut builder, empty());
            sets.extend_from_slice(&full.seal_at(run.start, encoding, Producer::NONE)?);
        }
        if builder.is_empty() {
            run.start = record.offset;
        }
        builder.append(record.timestamp, record.key, record.value, &[]);
        run.end = record.offset + 1;
    }
    if !builder.is_empty() {
        sets.extend_from_slice(&builder.seal_at(run.start, encoding, Producer::NONE)?);
    }
    Ok(())
}
