//! Message formats v0 and v1, in and out.

use bytes::Bytes;
use milena_core::protocol::{ErrorCode, FetchRequest};
use milena_core::record::{BatchBuilder, Batches, Compression, Encoding, Limits, MessageFormat, Producer};

use crate::script::{Script, WALL_MS, batch, fetch_request, fetched, numbered, produce_request, values};

fn set(format: MessageFormat, compression: Compression, records: &[&str]) -> Bytes {
    let mut builder = BatchBuilder::with_capacity(200);
    for (value, time) in records.iter().zip(WALL_MS..) {
        builder.append(time, None, Some(value.as_bytes()), &[]);
    }
    builder.seal(Encoding { format, compression, level: None }, Producer::NONE).unwrap()
}

/// Magic, offset, timestamp and value of each record that this version of Fetch gets.
fn read(script: &mut Script, from: i64, version: i16) -> Vec<(i8, i64, i64, String)> {
    let conn = script.connect(1);
    let request = FetchRequest { max_wait_ms: 0, ..fetch_request("t", 0, from) };
    let mut answer = script.call(conn, request, version).responses.remove(0).partitions.remove(0);
    assert_eq!(answer.error_code, ErrorCode::NONE);
    let mut told = Vec::new();
    for entry in Batches::new(answer.records.take().unwrap_or_default()) {
        let entry = entry.unwrap();
        entry.verify_crc().unwrap();
        for record in entry.records(&Limits::default()).unwrap() {
            let record = record.unwrap();
            let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
            told.push((entry.magic(), record.offset, record.timestamp - WALL_MS, value));
        }
    }
    told
}

#[test]
fn old_producers_write_and_old_consumers_read() {
    for release in ["0.10.1", "0.11.0", "2.8.2"] {
        for codec in [Compression::None, Compression::Gzip, Compression::Lz4] {
            let mut script = Script::as_release(release);
            let conn = script.connect(1);
            for (version, format) in [(1, MessageFormat::V0), (2, MessageFormat::V1)] {
                let request = produce_request("t", 0, -1, set(format, codec, &["a", "b"]));
                let answer = script.call(conn, request, version);
                let partition = &answer.responses[0].partition_responses[0];
                let expected = (ErrorCode::NONE, i64::from(version - 1) * 2);
                assert_eq!((partition.error_code, partition.base_offset), expected, "{release} {codec}");
            }
            let none = -1 - WALL_MS;
            let all = |magic: i8| {
                let times = if magic == 0 { [none; 4] } else { [none, none, 0, 1] };
                let values = ["a", "b", "a", "b"].map(str::to_owned);
                let told = times.into_iter().zip(values).zip(0..);
                told.map(|((time, value), offset)| (magic, offset, time, value)).collect::<Vec<_>>()
            };
            assert_eq!(read(&mut script, 0, 1), all(0), "{release} {codec}");
            assert_eq!(read(&mut script, 0, 3), all(1), "{release} {codec}");
            // Compressed sets come whole.
            let from_three = if codec == Compression::None { &all(1)[3..] } else { &all(1)[2..] };
            assert_eq!(read(&mut script, 3, 3), from_three, "{release} {codec}");
        }
    }
}

#[test]
fn what_old_formats_have_no_place_for_is_left_out_or_refused() {
    let mut script = Script::as_release("2.8.2");
    let conn = script.connect(1);
    script.produced_at(conn, 8, numbered(7, 0, 0, 1));
    script.produced_at(conn, 8, batch(&["b"]));
    assert_eq!(script.state.delete_records_before("t", 0, 0), Some(0));
    let values_of =
        |told: Vec<(i8, i64, i64, String)>| told.into_iter().map(|it| (it.1, it.3)).collect::<Vec<_>>();
    assert_eq!(values_of(read(&mut script, 0, 2)), [(0, "v".to_owned()), (1, "b".to_owned())]);
    let mut damaged = set(MessageFormat::V1, Compression::None, &["c"]).to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    let request = produce_request("t", 0, -1, damaged.into());
    let answer = script.call(conn, request, 2);
    assert_eq!(answer.responses[0].partition_responses[0].error_code, ErrorCode::CORRUPT_MESSAGE);
    let mut zstd = BatchBuilder::with_capacity(100);
    zstd.append(WALL_MS, None, Some(b"z"), &[]);
    script.produced_at(conn, 8, zstd.seal(Compression::Zstd, Producer::NONE).unwrap());
    let request = || FetchRequest { max_wait_ms: 0, ..fetch_request("t", 0, 2) };
    let code = script.call(conn, request(), 3).responses[0].partitions[0].error_code;
    assert_eq!(code, ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
    assert_eq!(fetched(&script.call(conn, request(), 11)), values(&[(2, "z")]));
}
