//! A null broker answers as a broker does, as far as a client can see.

use milena_conformance::null_broker::NullBroker;
use milena_core::{Acks, Config, ReaderConfig, Record, Until, WriterConfig};

const COUNT: usize = 10_000;
const PARTITIONS: i32 = 3;
/// So large that what is read is several batches of each partition.
const SIZE: usize = 1_000;

fn start() -> NullBroker {
    NullBroker::start(0, &[("other".to_owned(), 1), ("events".to_owned(), PARTITIONS)], SIZE).unwrap()
}

fn config(broker: &NullBroker) -> Config {
    Config::new(&broker.bootstrap()).unwrap()
}

/// What came of the writes: every partition's offsets are 0, 1, 2 and so on.
fn counted_up(mut offsets: Vec<(i32, Option<i64>)>) {
    assert_eq!(offsets.len(), COUNT);
    offsets.sort_unstable();
    for of_partition in offsets.chunk_by(|a, b| a.0 == b.0) {
        assert!((0..PARTITIONS).contains(&of_partition[0].0));
        let expected: Vec<_> = (0..of_partition.len() as i64).map(Some).collect();
        assert_eq!(of_partition.iter().map(|(_, offset)| *offset).collect::<Vec<_>>(), expected);
    }
}

/// Notes a record read, whose offset must be the partition's next.
fn follows(next: &mut [i64], partition: i32, offset: i64, value: &[u8]) {
    let next = &mut next[partition as usize];
    assert_eq!((offset, value.len()), (*next, SIZE));
    *next += 1;
}

#[tokio::test]
async fn a_tokio_client_writes_and_reads_without_an_end() {
    let broker = start();
    let client = milena_tokio::connect(config(&broker)).await.unwrap();
    let writer = client.writer(WriterConfig::new("events")).unwrap();
    let written = writer.write_all((0..COUNT).map(|_| Record::new("value"))).await;
    counted_up(written.into_iter().map(|one| one.unwrap()).map(|one| (one.partition, one.offset)).collect());
    let unacknowledged = client.writer(WriterConfig::new("other").acks(Acks::None)).unwrap();
    assert_eq!(unacknowledged.write(Record::new("value")).await.unwrap().offset, None);

    let mut config = ReaderConfig::new("events");
    config.until = Until::End;
    let (mut reader, mut next) = (client.reader(config).unwrap(), [0; PARTITIONS as usize]);
    for _ in 0..COUNT {
        let message = reader.next().await.unwrap().unwrap();
        follows(&mut next, message.partition, message.offset, &message.value.unwrap());
    }
    assert!(broker.produces() >= 1 && broker.fetches() >= 1);
}

#[test]
fn a_blocking_client_writes_and_reads_from_any_offset() {
    let broker = start();
    let client = milena_blocking::connect(config(&broker)).unwrap();
    let writer = client.writer(WriterConfig::new("events")).unwrap();
    let written = writer.write_all((0..COUNT).map(|_| Record::new("value")).collect::<Vec<_>>());
    counted_up(written.into_iter().map(|one| one.unwrap()).map(|one| (one.partition, one.offset)).collect());

    let mut config = ReaderConfig::new("events");
    config.start = milena_core::Start::Offset(1_000_007);
    let (mut reader, mut next) = (client.reader(config).unwrap(), [1_000_007; PARTITIONS as usize]);
    for _ in 0..COUNT {
        let message = Iterator::next(&mut reader).unwrap().unwrap();
        follows(&mut next, message.partition, message.offset, &message.value.unwrap());
    }
}

#[test]
fn a_topic_that_it_was_not_started_with_is_missing() {
    let broker = start();
    let mut config = config(&broker);
    config.topic_grace = std::time::Duration::ZERO;
    let client = milena_blocking::connect(config).unwrap();
    let refused = client.create_topic(milena_core::NewTopic::new("more", 1)).unwrap_err();
    assert!(refused.to_string().contains("POLICY_VIOLATION"), "{refused}");
    let writer = client.writer(WriterConfig::new("more")).unwrap();
    writer.write(Record::new("value")).unwrap_err();
}
