//! `records` fields against Java's view of them, in the JSON of `vectors/README.md`: read to the last field, and written again.

use bytes::{Bytes, BytesMut};
use data_encoding::HEXLOWER;
use milena_core::protocol::{LeaderEpoch, ProducerId};
use milena_core::record::{
    Batch, BatchBuilder, Batches, Compression, ControlType, Encoding, Header, Limits, MessageFormat,
    Producer, RecordError, RecordRef, TimestampType, end_transaction_marker, restamp, set_base_offset,
    set_log_append_time,
};
use milena_core::wire::{put_varint, put_varlong};
use serde_json::{Map, Value, json};

use super::unhex;

/// Where the attributes of a batch of format v2 have the bit that makes all times the broker's.
const TIME_BITS_AT: usize = 22;
const LOG_APPEND_TIME: u8 = 1 << 3;

/// Checks one line of `records.tsv`, split at its tabs: name, JSON, hex.
///
/// # Errors
///
/// What differs, with the names of the case, the batch, the record and the field; or what is wrong with the line.
pub fn check(columns: &[&str]) -> Result<(), String> {
    let [name, json, hex] = columns else {
        return Err(format!("{:?}: {} columns, not 3", columns.first().unwrap_or(&""), columns.len()));
    };
    check_case(json, hex).map_err(|error| format!("{name}: {error}"))
}

fn check_case(json: &str, hex: &str) -> Result<(), String> {
    let mut expected: Value = serde_json::from_str(json).map_err(|error| format!("its JSON: {error}"))?;
    let bytes = Bytes::from(unhex(hex)?);
    let members = expected.as_object_mut().ok_or("its JSON is no object")?;
    let byte_equal = members.remove("byteEqualOnEncode").and_then(|value| value.as_bool());
    let byte_equal = byte_equal.ok_or("byteEqualOnEncode: not a bool")?;
    same(&to_json(bytes.clone()), &expected)?;
    if expected["valid"] != true {
        return Ok(());
    }
    let batches = list(&expected, "batches")?;
    let mut written = Vec::new();
    for (index, batch) in batches.iter().enumerate() {
        let in_batch = |error| format!("batch {index}: {error}");
        match byte_equal {
            true => written.extend_from_slice(&write(batch).map_err(in_batch)?),
            false => again(batch).map_err(in_batch)?,
        }
    }
    match byte_equal && written != bytes {
        true => {
            let at = written.iter().zip(&bytes).position(|(ours, theirs)| ours != theirs);
            let at = at.unwrap_or(written.len().min(bytes.len()));
            Err(format!("written, {} bytes of {}: they differ from byte {at} on", written.len(), bytes.len()))
        }
        false => Ok(()),
    }
}

/// A `records` field as JSON: `valid`, and `batches` and `trailingBytes` or, for what can't be read, `error`.
pub fn to_json(bytes: Bytes) -> Value {
    let mut batches = Batches::new(bytes.clone());
    let mut left = bytes.len();
    let read: Result<Vec<Value>, RecordError> = batches
        .by_ref()
        .map(|batch| {
            let batch = batch?;
            left -= batch.size_bytes();
            batch_json(&batch)
        })
        .collect();
    match read {
        Ok(read) if batches.is_truncated() == (left > 0) => {
            json!({ "valid": true, "batches": read, "trailingBytes": left })
        }
        Ok(_) => json!({ "valid": false, "error": format!("{left} bytes left, but not cut short") }),
        Err(RecordError::Crc { .. }) => json!({ "valid": false, "error": "crc" }),
        Err(error) => json!({ "valid": false, "error": error.to_string() }),
    }
}

fn batch_json(batch: &Batch) -> Result<Value, RecordError> {
    batch.verify_crc()?;
    let timestamp_type = match batch.timestamp_type() {
        TimestampType::None => "NoTimestampType",
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    };
    let mut members = json!({
        "magic": batch.magic(),
        "codec": batch.compression()?.name(),
        "sizeInBytes": batch.size_bytes(),
        "timestampType": timestamp_type,
        "lastOffset": batch.last_offset(),
        "maxTimestamp": batch.max_timestamp(),
        "checksum": batch.checksum(),
        "records": records_json(batch)?,
    });
    if let (2.., Value::Object(members)) = (batch.magic(), &mut members) {
        let more = json!({
            "baseOffset": batch.base_offset(),
            "partitionLeaderEpoch": batch.partition_leader_epoch().0,
            "baseTimestamp": batch.base_timestamp(),
            "producerId": batch.producer_id().0,
            "producerEpoch": batch.producer_epoch(),
            "baseSequence": batch.base_sequence(),
            "lastSequence": batch.last_sequence(),
            "isTransactional": batch.is_transactional(),
            "isControl": batch.is_control(),
            "deleteHorizonMs": batch.delete_horizon(),
            "count": batch.count(),
        });
        if let Value::Object(more) = more {
            members.extend(more);
        }
    }
    Ok(members)
}

/// The records, lent and handed out, which must agree.
fn records_json(batch: &Batch) -> Result<Vec<Value>, RecordError> {
    let (mut lent, owned) = (batch.records(&Limits::default())?, batch.records(&Limits::default())?);
    let v2 = batch.magic() >= 2;
    let mut json = Vec::new();
    for record in owned {
        let record = record?;
        let next = lent.next_ref().ok_or(RecordError::Truncated)??;
        let headers = record.headers.iter();
        if (next.offset, next.timestamp) != (record.offset, record.timestamp)
            || (next.key, next.value) != (record.key.as_deref(), record.value.as_deref())
            || !headers.eq(next.headers())
        {
            return Err(RecordError::TrailingBytes(0));
        }
        json.push(record_json(&next, v2));
    }
    if v2 && batch.timestamp_type() == TimestampType::LogAppendTime {
        // Without the bit that hides them, the times that the producer gave.
        let mut bytes = BytesMut::from(&batch.bytes()[..]);
        bytes[TIME_BITS_AT] &= !LOG_APPEND_TIME;
        let batch = Batches::new(bytes.freeze()).next().ok_or(RecordError::Truncated)??;
        for (json, record) in json.iter_mut().zip(batch.records(&Limits::default())?) {
            json["writtenTimestamp"] = record?.timestamp.into();
        }
    }
    Ok(json)
}

fn record_json(record: &RecordRef<'_>, v2: bool) -> Value {
    let mut json = json!({
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": record.key.map(|key| HEXLOWER.encode(key)),
        "value": record.value.map(|value| HEXLOWER.encode(value)),
    });
    if v2 {
        let headers = record.headers().map(
            |header| json!({ "key": String::from_utf8_lossy(header.key), "value": header.value.map(|value| HEXLOWER.encode(value)) }),
        );
        json["headers"] = headers.collect();
    }
    json
}

/// Whether two values are the same, and if not, where they differ.
fn same(ours: &Value, theirs: &Value) -> Result<(), String> {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => same_members(ours, theirs),
        (Value::Array(ours), Value::Array(theirs)) => {
            for (index, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                same(ours, theirs).map_err(|error| format!("{index}: {error}"))?;
            }
            match ours.len() == theirs.len() {
                true => Ok(()),
                false => Err(format!("{} of them, not {}", ours.len(), theirs.len())),
            }
        }
        _ if ours == theirs => Ok(()),
        _ => Err(format!("{}, not {}", short(ours), short(theirs))),
    }
}

fn same_members(ours: &Map<String, Value>, theirs: &Map<String, Value>) -> Result<(), String> {
    if let Some(error) = ours.get("error").filter(|error| theirs.get("error") != Some(error)) {
        return Err(format!("it can't be read: {}", short(error)));
    }
    for (name, theirs) in theirs {
        let ours = ours.get(name).ok_or_else(|| format!("{name} is not checked"))?;
        let name = match name.as_str() {
            "batches" => "batch",
            "records" => "record",
            "headers" => "header",
            name => name,
        };
        same(ours, theirs).map_err(|error| match matches!(theirs, Value::Array(_)) {
            true => format!("{name} {error}"),
            false => format!("{name}: {error}"),
        })?;
    }
    match ours.keys().find(|name| !theirs.contains_key(*name)) {
        Some(name) => Err(format!("{name} is missing")),
        None => Ok(()),
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(80) {
        Some((at, _)) => format!("{}… ({} bytes)", &text[..at], text.len()),
        None => text,
    }
}

/// The uncompressed batch that these values make.
fn write(expected: &Value) -> Result<Bytes, String> {
    let records = list(expected, "records")?;
    let mut encoding = Encoding::from(Compression::None);
    encoding.format = format(expected)?;
    if encoding.format == MessageFormat::V2 {
        return match is_written_whole(expected, records)? {
            true => write_v2(expected, records),
            false => write_as_is(expected, records),
        };
    }
    placed(build(records)?.seal(encoding, Producer::NONE), expected, int(expected, "lastOffset")?)
}

/// Whether a producer writes such a batch, or a broker its markers: not what the log cleaner left, and not the metadata log's.
fn is_written_whole(expected: &Value, records: &[Value]) -> Result<bool, String> {
    let base_offset = int(expected, "baseOffset")?;
    let Some(first) = records.first() else { return Ok(false) };
    for (index, record) in records.iter().enumerate() {
        if Some(int(record, "offset")?) != base_offset.checked_add(index as i64) {
            return Ok(false);
        }
    }
    let last = base_offset.checked_add(records.len() as i64 - 1);
    let control = match control_type(expected, first)? {
        Some(kind) => matches!(kind, ControlType::Abort | ControlType::Commit),
        None => true,
    };
    Ok(control
        && last == Some(int(expected, "lastOffset")?)
        && written(first)? == int(expected, "baseTimestamp")?
        && expected["deleteHorizonMs"].is_null())
}

fn control_type(expected: &Value, first: &Value) -> Result<Option<ControlType>, String> {
    match expected["isControl"] == true {
        true => Ok(ControlType::from_key(&nullable(first, "key")?.unwrap_or_default())),
        false => Ok(None),
    }
}

/// By the client's own builder, and the broker's part in the core.
fn write_v2(expected: &Value, records: &[Value]) -> Result<Bytes, String> {
    let first = records.first().ok_or("no records")?;
    let producer = producer(expected)?;
    let sealed = match control_type(expected, first)? {
        None => build(records)?.seal(Compression::None, producer),
        Some(kind) => {
            let value = nullable(first, "value")?.unwrap_or_default();
            let epoch = value.get(2..).and_then(|epoch| epoch.first_chunk()).ok_or("value: no marker's")?;
            let epoch = i32::from_be_bytes(*epoch);
            Ok(end_transaction_marker(kind, producer.id, producer.epoch, epoch, written(first)?))
        }
    };
    placed(sealed, expected, int(expected, "baseOffset")?)
}

fn placed(sealed: Result<Bytes, RecordError>, expected: &Value, base_offset: i64) -> Result<Bytes, String> {
    let mut bytes = BytesMut::from(&sealed.map_err(|error| error.to_string())?[..]);
    let epoch = expected.get("partitionLeaderEpoch").and_then(Value::as_i64).unwrap_or(-1);
    set_base_offset(&mut bytes, base_offset, LeaderEpoch(epoch as i32));
    if expected["timestampType"] == "LogAppendTime" {
        set_log_append_time(&mut bytes, int(expected, "maxTimestamp")?);
    }
    Ok(bytes.freeze())
}

/// By the layout alone: gaps, delete horizons, no records, other control batches.
fn write_as_is(expected: &Value, records: &[Value]) -> Result<Bytes, String> {
    let (base_offset, base_timestamp) = (int(expected, "baseOffset")?, int(expected, "baseTimestamp")?);
    let mut block = Vec::new();
    for record in records {
        let mut body = vec![0];
        put_varlong(&mut body, written(record)?.wrapping_sub(base_timestamp));
        put_varint(&mut body, int(record, "offset")?.wrapping_sub(base_offset) as i32);
        put_nullable(&mut body, nullable(record, "key")?.as_deref());
        put_nullable(&mut body, nullable(record, "value")?.as_deref());
        let headers = list(record, "headers")?;
        put_varint(&mut body, headers.len() as i32);
        for header in headers {
            put_nullable(&mut body, Some(text(header, "key")?.as_bytes()));
            put_nullable(&mut body, nullable(header, "value")?.as_deref());
        }
        put_varint(&mut block, body.len() as i32);
        block.extend_from_slice(&body);
    }
    let attribute = |holds: bool, bit: i16| if holds { 1i16 << bit } else { 0 };
    let attributes = attribute(expected["timestampType"] == "LogAppendTime", 3)
        | attribute(expected["isTransactional"] == true, 4)
        | attribute(expected["isControl"] == true, 5)
        | attribute(!expected["deleteHorizonMs"].is_null(), 6);
    let last_delta = int(expected, "lastOffset")?.wrapping_sub(base_offset) as i32;
    let mut batch = Vec::new();
    batch.extend_from_slice(&base_offset.to_be_bytes());
    batch.extend_from_slice(&(block.len() as i32 + 49).to_be_bytes());
    batch.extend_from_slice(&(int(expected, "partitionLeaderEpoch")? as i32).to_be_bytes());
    batch.extend_from_slice(&[2, 0, 0, 0, 0]);
    batch.extend_from_slice(&attributes.to_be_bytes());
    batch.extend_from_slice(&last_delta.to_be_bytes());
    batch.extend_from_slice(&base_timestamp.to_be_bytes());
    batch.extend_from_slice(&int(expected, "maxTimestamp")?.to_be_bytes());
    batch.extend_from_slice(&[0; 14]);
    batch.extend_from_slice(&(int(expected, "count")? as i32).to_be_bytes());
    batch.extend_from_slice(&block);
    // That writes the producer's numbers, and the CRC.
    Ok(restamp(&batch.into(), producer(expected)?))
}

fn put_nullable(body: &mut Vec<u8>, field: Option<&[u8]>) {
    put_varint(body, field.map_or(-1, |field| field.len() as i32));
    body.extend_from_slice(field.unwrap_or_default());
}

/// Writes the records once more in the batch's format and codec, and reads them back.
fn again(expected: &Value) -> Result<(), String> {
    let records = list(expected, "records")?;
    let Some(first) = records.first() else { return Ok(()) };
    let compression: Compression =
        text(expected, "codec")?.parse().map_err(|error| format!("codec: {error}"))?;
    let format = format(expected)?;
    let producer = if format == MessageFormat::V2 { producer(expected)? } else { Producer::NONE };
    let (last, count) = (int(expected, "lastOffset")?, records.len() as i64);
    // Gaps are the log cleaner's: what is written here has none, and ends where the other does.
    let base =
        last.checked_sub(count - 1).filter(|base| *base >= 0).ok_or("lastOffset: too few for the records")?;
    let sealed = build(records)?.seal_at(base, Encoding { format, compression, level: None }, producer);
    let mut bytes = BytesMut::from(&sealed.map_err(|error| format!("written again: {error}"))?[..]);
    let append_time = expected["timestampType"] == "LogAppendTime";
    if append_time {
        set_log_append_time(&mut bytes, int(first, "timestamp")?);
    }
    let mut read = Vec::new();
    for batch in Batches::new(bytes.freeze()) {
        let json =
            batch.and_then(|batch| batch_json(&batch)).map_err(|error| format!("read again: {error}"))?;
        if json["codec"] != expected["codec"] || json["magic"] != expected["magic"] {
            return Err(format!("read again: {} of v{}", json["codec"], json["magic"]));
        }
        read.extend_from_slice(list(&json, "records")?);
    }
    let mut theirs = records.to_vec();
    for (offset, record) in (base..).zip(&mut theirs) {
        record["offset"] = offset.into();
    }
    same(&read.into(), &theirs.into()).map_err(|error| format!("read again: record {error}"))
}

/// The batch that a spec for [`Java::write`](super::java::Java::write) describes, its offsets without gaps.
pub(super) fn of_spec(spec: &Value) -> Result<Bytes, String> {
    let compression = text(spec, "codec")?.parse().map_err(|error| format!("codec: {error}"))?;
    let level = spec["level"].as_i64().map(|level| level as i32);
    let encoding = Encoding { format: format(spec)?, compression, level };
    let is_v2 = encoding.format == MessageFormat::V2;
    let producer = if is_v2 { producer(spec)? } else { Producer::NONE };
    let base_offset = int(spec, "baseOffset")?;
    let sealed = build(list(spec, "records")?)?.seal_at(base_offset, encoding, producer);
    let mut bytes = BytesMut::from(&sealed.map_err(|error| error.to_string())?[..]);
    if is_v2 {
        set_base_offset(&mut bytes, base_offset, LeaderEpoch(int(spec, "partitionLeaderEpoch")? as i32));
    }
    if spec["timestampType"] == "LogAppendTime" {
        let sizes = Batches::new(bytes.clone().freeze()).map(|batch| batch.map(|batch| batch.size_bytes()));
        let mut at = 0;
        for size in sizes {
            set_log_append_time(&mut bytes[at..], int(spec, "logAppendTime")?);
            at += size.map_err(|error| error.to_string())?;
        }
    }
    Ok(bytes.freeze())
}

fn build(records: &[Value]) -> Result<BatchBuilder, String> {
    let mut builder = BatchBuilder::with_capacity(1024);
    for record in records {
        let (key, value) = (nullable(record, "key")?, nullable(record, "value")?);
        let mut headers = Vec::new();
        for header in record.get("headers").and_then(Value::as_array).into_iter().flatten() {
            headers.push((text(header, "key")?, nullable(header, "value")?));
        }
        let headers: Vec<_> =
            headers.iter().map(|(key, value)| Header { key, value: value.as_deref() }).collect();
        builder.append(written(record)?, key.as_deref(), value.as_deref(), &headers);
    }
    Ok(builder)
}

fn format(expected: &Value) -> Result<MessageFormat, String> {
    let magic = int(expected, "magic")?;
    let format = MessageFormat::ALL.into_iter().find(|format| i64::from(format.magic()) == magic);
    format.ok_or_else(|| format!("magic: {magic}"))
}

fn producer(expected: &Value) -> Result<Producer, String> {
    Ok(Producer {
        id: ProducerId(int(expected, "producerId")?),
        epoch: int(expected, "producerEpoch")? as i16,
        base_sequence: int(expected, "baseSequence")? as i32,
        transactional: expected["isTransactional"] == true,
    })
}

/// The time that the producer gave.
fn written(record: &Value) -> Result<i64, String> {
    int(record, if record.get("writtenTimestamp").is_some() { "writtenTimestamp" } else { "timestamp" })
}

fn int(value: &Value, field: &str) -> Result<i64, String> {
    value[field].as_i64().ok_or_else(|| format!("{field}: {} is no i64", short(&value[field])))
}

fn text<'a>(value: &'a Value, field: &str) -> Result<&'a str, String> {
    value[field].as_str().ok_or_else(|| format!("{field}: {} is no text", short(&value[field])))
}

fn list<'a>(value: &'a Value, field: &str) -> Result<&'a [Value], String> {
    match value[field].as_array() {
        Some(list) => Ok(list),
        None => Err(format!("{field}: {} is no list", short(&value[field]))),
    }
}

fn nullable(value: &Value, field: &str) -> Result<Option<Vec<u8>>, String> {
    match value[field].is_null() {
        true => Ok(None),
        false => unhex(text(value, field)?).map(Some).map_err(|error| format!("{field}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: [&str; 3] = [
        "case",
        r#"{"valid":true,"byteEqualOnEncode":true,"batches":[{"magic":1,"codec":"none","sizeInBytes":34,"timestampType":"CreateTime","lastOffset":0,"maxTimestamp":1795984644968,"checksum":252657454,"records":[{"offset":0,"timestamp":1795984644968,"key":null,"value":null}]}],"trailingBytes":0}"#,
        "",
    ];

    /// The bytes of `LINE`.
    fn bytes() -> Bytes {
        let mut builder = BatchBuilder::with_capacity(0);
        builder.append(1_795_984_644_968, None, None, &[]);
        let encoding = Encoding { format: MessageFormat::V1, ..Encoding::default() };
        builder.seal(encoding, Producer::NONE).unwrap()
    }

    #[test]
    fn a_line_that_is_right_passes_and_what_differs_is_named() {
        let hex = HEXLOWER.encode(&bytes());
        assert_eq!(check(&[LINE[0], LINE[1], &hex]), Ok(()));
        let cases = [
            (
                "\"timestamp\":1795984644968",
                "\"timestamp\":5",
                "case: batch 0: record 0: timestamp: 1795984644968, not 5",
            ),
            ("\"value\":null", "\"value\":\"\"", "case: batch 0: record 0: value: null, not \"\""),
            ("252657454", "252657455", "case: batch 0: checksum: 252657454, not 252657455"),
            (",\"value\":null", "", "case: batch 0: record 0: value is missing"),
            ("\"codec\"", "\"new\":1,\"codec\"", "case: batch 0: new is not checked"),
            ("\"trailingBytes\":0", "\"trailingBytes\":1", "case: trailingBytes: 0, not 1"),
            ("}]}],", "}]},{}],", "case: batch 1 of them, not 2"),
            ("{\"valid\"", "{valid", "case: its JSON: key must be a string at line 1 column 2"),
            ("\"byteEqualOnEncode\":true,", "", "case: byteEqualOnEncode: not a bool"),
        ];
        for (from, to, error) in cases {
            let json = LINE[1].replacen(from, to, 1);
            assert_eq!(check(&[LINE[0], &json, &hex]), Err(error.to_owned()));
        }
    }

    #[test]
    fn lines_of_any_kind_do_not_panic() {
        assert_eq!(check(&[]), Err("\"\": 0 columns, not 3".to_owned()));
        assert_eq!(check(&["a", "b", "c", "d"]), Err("\"a\": 4 columns, not 3".to_owned()));
        for hex in ["0", "0g", "+1", "ž", "00"] {
            assert!(check(&[LINE[0], LINE[1], hex]).is_err(), "{hex}");
        }
        for json in ["", "[]", "{}", "null", "1", r#"{"byteEqualOnEncode":true}"#] {
            assert!(check(&[LINE[0], json, ""]).is_err(), "{json}");
        }
        // Whatever a batch's members are, writing them ends.
        let batch: Value = serde_json::from_str(LINE[1]).unwrap();
        for odd in [json!(null), json!(-1), json!(i64::MAX), json!("x"), json!([{}]), json!({})] {
            for magic in [0, 1, 2] {
                let mut batch = batch["batches"][0].clone();
                batch["magic"] = magic.into();
                let names: Vec<String> = batch.as_object().unwrap().keys().cloned().collect();
                for name in names {
                    let mut batch = batch.clone();
                    batch[name] = odd.clone();
                    let _ = (write(&batch), again(&batch));
                }
            }
        }
    }
}
