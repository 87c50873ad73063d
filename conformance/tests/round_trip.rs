//! Records out and back on every runtime, from many tasks and threads at once, on the simulated cluster over TCP.

use std::collections::BTreeMap;
use std::time::Duration;

use milena_conformance::cluster::Cluster;
use milena_core::{Acks, Compression, Config, Message, ReaderConfig, Record, Start, Until, WriterConfig};

const WRITERS: u64 = 4;
const RECORDS: u64 = 10_000;

fn cluster() -> Cluster {
    Cluster::builder().nodes(3).topic("events", 6).start().unwrap()
}

fn until_end(topic: &str) -> ReaderConfig {
    let mut config = ReaderConfig::new(topic);
    config.until = Until::End;
    config
}

/// Each writer's records come in its order, all of them, once.
#[derive(Default)]
struct Checker(BTreeMap<Vec<u8>, u64>);

impl Checker {
    fn take(&mut self, message: Message) {
        let next = self.0.entry(message.key.unwrap().to_vec()).or_default();
        assert_eq!(message.value.unwrap(), next.to_string());
        *next += 1;
    }

    fn done(self) {
        assert_eq!(self.0.len() as u64, WRITERS);
        assert!(self.0.values().all(|next| *next == RECORDS), "{:?}", self.0);
    }
}

async fn on_tokio(config: WriterConfig) {
    let cluster = cluster();
    let client = milena_tokio::connect(Config::new(&cluster.bootstrap()).unwrap()).await.unwrap();
    let writer = client.writer(config).unwrap();
    let tasks = (0..WRITERS).map(|task| {
        let writer = writer.clone();
        tokio::spawn(async move {
            let key = format!("writer-{task}");
            let mut deliveries = Vec::new();
            for n in 0..RECORDS {
                deliveries.push(writer.enqueue(Record::keyed(&key, &n.to_string())).await.unwrap());
                if n % 64 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            for delivery in deliveries {
                delivery.await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    writer.close().await;
    assert_eq!(writer.buffered_bytes(), 0);
    let mut reader = client.reader(until_end("events")).unwrap();
    let mut checker = Checker::default();
    while let Some(message) = reader.next().await {
        checker.take(message.unwrap());
    }
    checker.done();
}

fn bounded(runtime: tokio::runtime::Runtime, config: WriterConfig) {
    runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(60), on_tokio(config)).await.unwrap() });
}

#[test]
fn on_one_tokio_thread() {
    bounded(
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
        WriterConfig::new("events"),
    );
}

#[test]
fn on_many_tokio_threads_with_every_codec() {
    for codec in Compression::ALL {
        let mut config = WriterConfig::new("events");
        config.compression = codec;
        config.compression_level = codec.levels().map(|levels| (*levels.end()).min(9));
        config.batch_bytes = 4096;
        config.request_bytes = 16 << 10;
        bounded(
            tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_all().build().unwrap(),
            config,
        );
    }
}

/// Once news of a partition that came while its batch was being sealed was forgotten, and its records never left.
#[test]
fn on_threads_news_during_a_seal_are_kept() {
    for acks in [Acks::All, Acks::Leader] {
        let cluster = cluster();
        let client = milena_blocking::connect(Config::new(&cluster.bootstrap()).unwrap()).unwrap();
        let writer = client.writer(WriterConfig::new("events").acks(acks)).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..WRITERS {
                let writer = writer.clone();
                scope.spawn(move || {
                    let key = format!("writer-{thread}");
                    let deliveries: Vec<_> = (0..RECORDS)
                        .map(|n| writer.enqueue(Record::keyed(&key, &n.to_string())).unwrap())
                        .collect();
                    deliveries.into_iter().for_each(|delivery| assert!(delivery.wait().is_ok()));
                });
            }
        });
        writer.close();
        let mut checker = Checker::default();
        client.reader(until_end("events")).unwrap().for_each(|message| checker.take(message.unwrap()));
        checker.done();
    }
}

/// By the trait alone, as the combinators of `futures` would.
#[tokio::test]
async fn a_reader_is_a_stream() {
    async fn count(
        mut stream: impl futures_core::Stream<Item = Result<Message, milena_core::Error>> + Unpin,
    ) -> usize {
        let mut count = 0;
        while let Some(message) =
            std::future::poll_fn(|cx| std::pin::Pin::new(&mut stream).poll_next(cx)).await
        {
            message.unwrap();
            count += 1;
        }
        count
    }
    let cluster = cluster();
    let client = milena_tokio::connect(Config::new(&cluster.bootstrap()).unwrap()).await.unwrap();
    let writer = client.writer(WriterConfig::new("events")).unwrap();
    let written = writer.write_all((0..10).map(|_| Record::new("x"))).await;
    assert!(written.iter().all(Result::is_ok));
    assert_eq!(count(client.reader(until_end("events")).unwrap()).await, 10);
}

#[test]
fn without_acknowledgement_records_arrive_all_the_same() {
    let cluster = cluster();
    let client = milena_blocking::connect(Config::new(&cluster.bootstrap()).unwrap()).unwrap();
    let writer = client.writer(WriterConfig::new("events").acks(Acks::None)).unwrap();
    let written = writer.write_all((0..100).map(|_| Record::keyed("writer-0", "x")));
    assert!(written.iter().all(|written| written.as_ref().unwrap().offset.is_none()));
    // Nothing tells when the broker has them: the reader waits for them.
    let mut reader = client.reader(ReaderConfig::new("events")).unwrap();
    for _ in 0..100 {
        reader.next_timeout(Duration::from_secs(20)).unwrap().unwrap().unwrap();
    }
}

/// Brokers before 2.1 know no zstd: the records are refused here, with the reason.
#[test]
fn a_codec_that_the_broker_does_not_know_is_an_error() {
    let cluster = Cluster::builder().topic("events", 1).as_version("2.0.1").start().unwrap();
    let client = milena_blocking::connect(Config::new(&cluster.bootstrap()).unwrap()).unwrap();
    let mut config = WriterConfig::new("events");
    config.compression = Compression::Zstd;
    let error = client.writer(config).unwrap().write(Record::new("x")).unwrap_err();
    assert_eq!(error.fate, milena_core::Fate::NotWritten);
    assert!(matches!(error.cause, milena_core::Error::Unsupported { theirs: Some((0, 6)), .. }), "{error}");
}

#[test]
fn a_reader_starts_where_it_is_told() {
    let cluster = cluster();
    let client = milena_blocking::connect(Config::new(&cluster.bootstrap()).unwrap()).unwrap();
    let writer = client.writer(WriterConfig::new("events")).unwrap();
    let base = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    for n in 0..10 {
        let record = Record { partition: Some(3), timestamp: Some(base + n * 10), ..Record::new("x") };
        assert_eq!(writer.write(record).unwrap().offset, Some(n));
    }
    let offsets = |start, partition| {
        let mut config = until_end("events");
        config.start = start;
        config.partitions = Some(vec![partition]);
        client.reader(config).unwrap().map(|message| message.unwrap().offset).collect::<Vec<_>>()
    };
    assert_eq!(offsets(Start::First, 3), (0..10).collect::<Vec<_>>());
    assert_eq!(offsets(Start::Offset(7), 3), [7, 8, 9]);
    assert_eq!(offsets(Start::Timestamp(base + 45), 3), [5, 6, 7, 8, 9]);
    assert_eq!(offsets(Start::Timestamp(base + 1000), 3), [0; 0]);
    assert_eq!(offsets(Start::Last, 3), [0; 0]);
    assert_eq!(offsets(Start::First, 2), [0; 0]);
    // Out of range: the default goes back to the first.
    assert_eq!(offsets(Start::Offset(100), 3), [0; 0], "an end that is behind the start is reached at once");
}
