//! A `records` field: batches and message sets of every format and codec.

use bytes::Bytes;
use milena_core::record::{
    Batch, BatchBuilder, Batches, Encoding, Header, Limits, MessageFormat, Producer, Record, RecordError,
    TimestampType,
};

use super::Meter;

/// The most that a batch may decompress to: small, so that a fuzzer meets it.
const LIMITS: Limits = Limits { max_decompressed_bytes: 1 << 20 };

/// What a codec's own state may take: tables, and a window of 8 MiB that is there before its bytes are.
const CODEC: usize = 20 << 20;

pub(super) fn run(input: &[u8], meter: Meter) {
    let bytes = Bytes::copy_from_slice(input);
    let mut whole = 0;
    for batch in Batches::new(bytes) {
        let Ok(batch) = batch else { return };
        whole += batch.size_bytes();
        assert!(whole <= input.len());
        let _ = batch.verify_crc();
        let allowed = CODEC + 4 * LIMITS.max_decompressed_bytes + 4 * input.len();
        let lent = meter.within(allowed, || walk(&batch));
        let Ok(count) = lent else { continue };
        let records = batch.records(&LIMITS).expect("they were walked").collect::<Result<Vec<_>, _>>();
        let records = records.expect("they were walked");
        assert_eq!(records.len(), count);
        assert!(records.is_sorted_by(|one, other| one.offset < other.offset), "offsets rise");
        assert!(records.last().is_none_or(|last| last.offset <= batch.last_offset()));
        write_again(&batch, &records);
    }
}

/// How many records there are, each lent once.
fn walk(batch: &Batch) -> Result<usize, RecordError> {
    let mut cursor = batch.records(&LIMITS)?;
    let mut count = 0;
    while let Some(record) = cursor.next_ref() {
        let record = record?;
        assert_eq!(record.headers().count(), record.headers().len());
        count += 1;
    }
    Ok(count)
}

/// The records in the same format and codec are the same records.
fn write_again(batch: &Batch, records: &[Record]) {
    let format = MessageFormat::ALL.into_iter().find(|format| format.magic() == batch.magic());
    let format = format.expect("what was read has a known format");
    let mut builder = BatchBuilder::with_capacity(batch.size_bytes());
    for record in records {
        let keys: Result<Vec<_>, _> = record.headers.iter().map(|header| header.key_str()).collect();
        // Brokers take keys that are no text; nobody is to write them.
        let Ok(keys) = keys else { return };
        let headers: Vec<_> = keys
            .iter()
            .zip(&record.headers)
            .map(|(key, header)| Header { key, value: header.value })
            .collect();
        builder.append(record.timestamp, record.key.as_deref(), record.value.as_deref(), &headers);
    }
    if records.is_empty() {
        return;
    }
    let codec = batch.compression().expect("it was decompressed");
    let encoding = Encoding { format, ..codec.into() };
    let sealed = builder.seal(encoding, Producer::NONE).expect("the same records fit again");
    let mut offset = 0;
    for again in Batches::new(sealed) {
        let again = again.expect("what was written");
        assert_eq!(again.verify_crc(), Ok(()));
        for record in again.records(&LIMITS).expect("what was written") {
            let (record, original) = (record.expect("what was written"), &records[offset as usize]);
            assert_eq!((&record.key, &record.value), (&original.key, &original.value));
            assert_eq!((record.offset, &record.headers), (offset, &original.headers));
            if batch.timestamp_type() == TimestampType::CreateTime {
                assert_eq!(record.timestamp, original.timestamp);
            }
            offset += 1;
        }
    }
    assert_eq!(offset as usize, records.len());
}
