//! Message formats v0 and v1, on brokers that know no other and on one that keeps them for old readers' sake.

use milena_conformance::kafka::{Kafka, available_for};
use milena_core::{
    Compression, Fate, Header, NewTopic, ReaderConfig, Record, Start, Until, WriteError, WriterConfig,
    Written,
};

use crate::calls::connect;

const RECORDS: i64 = 3000;
const TIME: i64 = 1_700_000_000_000;

fn settings(codec: Compression) -> WriterConfig {
    let mut config = WriterConfig::new(codec.name());
    config.idempotence = false;
    config.compression = codec;
    config.batch_bytes = 16 << 10;
    config
}

fn read(client: &milena_blocking::Client, topic: &str, start: Start) -> Vec<(i64, i64, String)> {
    let mut config = ReaderConfig::new(topic);
    (config.until, config.start) = (Until::End, start);
    let text = |value: Option<bytes::Bytes>| String::from_utf8(value.unwrap().to_vec()).unwrap();
    let messages = client.reader(config).unwrap().map(|message| message.unwrap());
    messages.map(|message| (message.offset, message.timestamp, text(message.value))).collect()
}

/// Records of every codec there and back, from the start and from the middle of a batch. `format` is what the broker keeps.
fn round_trip(version: &str, format: Option<&str>) {
    if !available_for(&format!("old formats on Kafka {version}")) {
        return;
    }
    let mut builder = Kafka::builder().version(version);
    if let Some(format) = format {
        builder = builder.property("log.message.format.version", format);
    }
    let kafka = builder.start().unwrap();
    let client = connect(&kafka);
    let time = |at: i64| if format == Some("0.9.0") { -1 } else { TIME + at };
    for codec in [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4] {
        client.create_topic(NewTopic::new(codec.name(), 1)).unwrap();
        let writer = client.writer(settings(codec)).unwrap();
        let deliveries: Vec<_> = (0..RECORDS)
            .map(|n| {
                let value = format!("{n:0100}");
                writer.enqueue(Record { timestamp: Some(TIME + n), ..Record::new(&value) }).unwrap()
            })
            .collect();
        for (n, delivery) in (0..).zip(deliveries) {
            assert_eq!(delivery.wait().unwrap().offset, Some(n), "{codec}");
        }
        let expected =
            |from: i64| (from..RECORDS).map(|n| (n, time(n), format!("{n:0100}"))).collect::<Vec<_>>();
        assert_eq!(read(&client, codec.name(), Start::First), expected(0), "{codec}");
        assert_eq!(read(&client, codec.name(), Start::Offset(1234)), expected(1234), "{codec}");
    }
}

#[test]
fn v1_of_kafka_0_10() {
    round_trip("0.10.2.2", None);
}

#[test]
fn v0_kept_by_kafka_0_10() {
    round_trip("0.10.2.2", Some("0.9.0"));
}

#[test]
fn v1_kept_by_kafka_2_8() {
    round_trip("2.8.2", Some("0.10.1"));
}

#[test]
fn what_kafka_0_10_lacks_is_said() {
    if !available_for("what Kafka 0.10 lacks") {
        return;
    }
    let kafka = Kafka::builder().version("0.10.2.2").start().unwrap();
    let client = connect(&kafka);
    client.create_topic(NewTopic::new("none", 1)).unwrap();
    let not_written = |written: Result<Written, WriteError>, why: &str| {
        let error = written.unwrap_err();
        assert_eq!(error.fate, Fate::NotWritten);
        assert!(error.to_string().contains(why), "{error}");
    };
    let idempotent = client.writer(WriterConfig::new("none")).unwrap();
    not_written(idempotent.write(Record::new("x")), "turn idempotence off");
    let mut zstd = settings(Compression::Zstd);
    zstd.topic = Some("none".into());
    let zstd = client.writer(zstd).unwrap();
    not_written(zstd.write(Record::new("x")), "neither idempotence nor zstd");
    let writer = client.writer(settings(Compression::None)).unwrap();
    let headers = [Header { key: "h", value: None }];
    let records = ["a", "b", "c"]
        .map(|value| Record { headers: &headers[..usize::from(value == "b")], ..Record::new(value) });
    let [a, b, c] = records.map(|record| writer.enqueue(record).unwrap());
    assert_eq!([a.wait().unwrap().offset, c.wait().unwrap().offset], [Some(0), Some(1)]);
    not_written(b.wait(), "message format v1 has no headers");
}
