//! Record batches that Apache Kafka's Java client made: read to the last field, and written again to the last byte.
//!
//! `vectors/README.md` tells what the columns hold.

use std::io::Read;

use bytes::{Bytes, BytesMut};
use flate2::read::GzDecoder;
use milena_core::protocol::ProducerId;
use milena_core::record::{
    Batch, BatchBuilder, Batches, Compression, ControlType, Header, Limits, Producer, Record, RecordError,
    TimestampType, end_transaction_marker, set_base_offset, set_log_append_time,
};
use serde_json::Value;

struct Case {
    name: String,
    expected: Value,
    bytes: Bytes,
}

fn cases() -> Vec<Case> {
    let mut text = String::new();
    GzDecoder::new(&include_bytes!("../vectors/records.tsv.gz")[..]).read_to_string(&mut text).unwrap();
    let case = |line: &str| {
        let [name, json, bytes] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("three columns") };
        let expected = serde_json::from_str(json).unwrap();
        Case { name: name.to_owned(), expected, bytes: unhex(bytes).into() }
    };
    let cases: Vec<Case> = text.split_terminator('\n').map(case).collect();
    assert_eq!(cases.len(), 288);
    cases
}

fn unhex(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn nullable(value: &Value) -> Option<Vec<u8>> {
    (!value.is_null()).then(|| unhex(value.as_str().unwrap()))
}

fn int(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("{value} is not an i64"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

#[test]
fn every_field_of_every_batch_and_record() {
    for Case { name, expected, bytes } in cases() {
        let mut batches = Batches::new(bytes.clone());
        if expected["valid"] == false {
            let batch = batches.next().unwrap().unwrap();
            assert!(matches!(batch.verify_crc(), Err(RecordError::Crc { .. })), "{name}");
            continue;
        }
        let mut left = bytes.len();
        for expected in list(&expected["batches"]) {
            let batch = batches.next().unwrap_or_else(|| panic!("{name}: a batch is missing")).unwrap();
            left -= batch.size_bytes();
            assert_eq!(batch.verify_crc(), Ok(()), "{name}");
            check_batch(&name, &batch, expected);
            check_records(&name, &batch, list(&expected["records"]));
        }
        assert_eq!(batches.next(), None, "{name}");
        assert_eq!(int(&expected["trailingBytes"]), left as i64, "{name}");
        assert_eq!(batches.is_truncated(), left > 0, "{name}");
    }
}

/// Every member but the records; a member that is not known here fails.
fn check_batch(name: &str, batch: &Batch, expected: &Value) {
    for (field, expected) in expected.as_object().unwrap() {
        let ours: Value = match field.as_str() {
            "magic" => batch.magic().into(),
            "codec" => batch.compression().unwrap().name().into(),
            "sizeInBytes" => batch.size_bytes().into(),
            "timestampType" => match batch.timestamp_type() {
                TimestampType::CreateTime => "CreateTime".into(),
                TimestampType::LogAppendTime => "LogAppendTime".into(),
            },
            "baseOffset" => batch.base_offset().into(),
            "lastOffset" => batch.last_offset().into(),
            "partitionLeaderEpoch" => batch.partition_leader_epoch().into(),
            "baseTimestamp" => batch.base_timestamp().into(),
            "maxTimestamp" => batch.max_timestamp().into(),
            "producerId" => batch.producer_id().0.into(),
            "producerEpoch" => batch.producer_epoch().into(),
            "baseSequence" => batch.base_sequence().into(),
            "lastSequence" => batch.last_sequence().into(),
            "isTransactional" => batch.is_transactional().into(),
            "isControl" => batch.is_control().into(),
            "deleteHorizonMs" => batch.delete_horizon().into(),
            "count" => batch.count().into(),
            "checksum" => batch.checksum().into(),
            "records" => continue,
            _ => panic!("{name}: {field} is not checked"),
        };
        assert_eq!(ours, *expected, "{name}: {field}");
    }
}

fn check_records(name: &str, batch: &Batch, expected: &[Value]) {
    let records: Result<Vec<Record>, RecordError> = batch.records(&Limits::default()).unwrap().collect();
    let records = records.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(records.len(), expected.len(), "{name}");
    let mut borrowed = batch.records(&Limits::default()).unwrap();
    for (record, expected) in records.iter().zip(expected) {
        assert_eq!(record.offset, int(&expected["offset"]), "{name}");
        assert_eq!(record.timestamp, int(&expected["timestamp"]), "{name}");
        assert_eq!(record.key.as_deref().map(Vec::from), nullable(&expected["key"]), "{name}");
        assert_eq!(record.value.as_deref().map(Vec::from), nullable(&expected["value"]), "{name}");
        let headers = list(&expected["headers"]);
        assert_eq!(record.headers.len(), headers.len(), "{name}");
        for (header, expected) in record.headers.iter().zip(headers) {
            assert_eq!(header.key_str(), Ok(expected["key"].as_str().unwrap()), "{name}");
            assert_eq!(header.value.map(Vec::from), nullable(&expected["value"]), "{name}");
        }
        let lent = borrowed.next_ref().unwrap().unwrap();
        assert_eq!((lent.offset, lent.timestamp), (record.offset, record.timestamp), "{name}");
        assert_eq!((lent.key, lent.value), (record.key.as_deref(), record.value.as_deref()), "{name}");
        assert!(lent.headers().eq(&record.headers), "{name}");
    }
    assert!(borrowed.next_ref().is_none(), "{name}");
}

#[test]
fn what_a_producer_or_a_broker_writes_is_byte_equal() {
    let (mut written, mut others) = (0, 0);
    for Case { name, expected, bytes } in cases() {
        if expected["byteEqualOnEncode"] == false {
            continue;
        }
        for (batch, expected) in Batches::new(bytes).zip(list(&expected["batches"])) {
            match write(expected) {
                Some(bytes) => {
                    assert_eq!(bytes, batch.unwrap().bytes(), "{name}");
                    written += 1;
                }
                None => others += 1,
            }
        }
    }
    // The others are the log cleaner's (gaps, delete horizons, no records) and the metadata log's.
    assert_eq!((written, others), (56, 27));
}

/// The batch as `BatchBuilder` writes it, and a broker places and stamps it; `None` for what neither of them makes.
fn write(expected: &Value) -> Option<Bytes> {
    let (base_offset, records) = (int(&expected["baseOffset"]), list(&expected["records"]));
    let written = |record: &Value| int(record.get("writtenTimestamp").unwrap_or(&record["timestamp"]));
    let contiguous = (base_offset..).zip(records).all(|(offset, record)| int(&record["offset"]) == offset);
    if !contiguous
        || base_offset + records.len() as i64 - 1 != int(&expected["lastOffset"])
        || records.first().map(written) != Some(int(&expected["baseTimestamp"]))
        || !expected["deleteHorizonMs"].is_null()
    {
        return None;
    }
    let id = ProducerId(int(&expected["producerId"]));
    let epoch = int(&expected["producerEpoch"]) as i16;
    let sealed = if expected["isControl"] == true {
        let kind = ControlType::from_key(&nullable(&records[0]["key"])?)?;
        if !matches!(kind, ControlType::Abort | ControlType::Commit) {
            return None;
        }
        let value = nullable(&records[0]["value"])?;
        let coordinator_epoch = i32::from_be_bytes(value[2..].try_into().unwrap());
        end_transaction_marker(kind, id, epoch, coordinator_epoch, written(&records[0]))
    } else {
        let mut builder = BatchBuilder::with_capacity(1024);
        for record in records {
            append(&mut builder, written(record), record);
        }
        let base_sequence = int(&expected["baseSequence"]) as i32;
        let transactional = expected["isTransactional"] == true;
        builder.seal(Compression::None, Producer { id, epoch, base_sequence, transactional }).unwrap()
    };
    let mut bytes = BytesMut::from(sealed);
    set_base_offset(&mut bytes, base_offset, int(&expected["partitionLeaderEpoch"]) as i32);
    if expected["timestampType"] == "LogAppendTime" {
        set_log_append_time(&mut bytes, int(&expected["maxTimestamp"]));
    }
    Some(bytes.freeze())
}

fn append(builder: &mut BatchBuilder, timestamp: i64, record: &Value) {
    let (key, value) = (nullable(&record["key"]), nullable(&record["value"]));
    let headers: Vec<_> = list(&record["headers"])
        .iter()
        .map(|header| (header["key"].as_str().unwrap(), nullable(&header["value"])))
        .collect();
    let headers: Vec<_> =
        headers.iter().map(|(key, value)| Header { key, value: value.as_deref() }).collect();
    builder.append(timestamp, key.as_deref(), value.as_deref(), &headers);
}
