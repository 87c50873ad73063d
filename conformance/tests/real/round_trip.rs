//! Records out to a real Apache Kafka and back: every one once, in order for each key.
//!
//! `MILENA_RECORDS` sets the number of records (default 50,000).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use milena_conformance::kafka::{Kafka, available_for};
use milena_core::{Config, NewTopic, ReaderConfig, Record, Until, WriterConfig};

const KEYS: u64 = 1000;
const PARTITIONS: i32 = 6;

fn records() -> u64 {
    std::env::var("MILENA_RECORDS").ok().and_then(|n| n.parse().ok()).unwrap_or(50_000)
}

/// Record `n` of a run: its key, and a value of 100 bytes that names its place among those of the key.
fn key_and_value(n: u64) -> (String, String) {
    (format!("key-{}", n % KEYS), format!("{:0100}", n / KEYS))
}

/// What was read so far: records come in order for each key, and all come.
#[derive(Default)]
struct Checker {
    next: BTreeMap<String, u64>,
    read: u64,
    offsets: BTreeMap<i32, i64>,
}

impl Checker {
    fn take(&mut self, message: &milena_core::Message) {
        let text = |bytes: &Option<bytes::Bytes>| String::from_utf8(bytes.clone().unwrap().to_vec()).unwrap();
        let next = self.next.entry(text(&message.key)).or_default();
        assert_eq!(
            text(&message.value).parse::<u64>().unwrap(),
            *next,
            "{message:?}: lost, doubled or out of order"
        );
        *next += 1;
        self.read += 1;
        let last = self.offsets.insert(message.partition, message.offset);
        assert!(last.is_none_or(|last| last < message.offset), "{message:?} after {last:?}");
    }

    fn done(&self, expected: u64) {
        assert_eq!(self.read, expected);
        assert_eq!(self.offsets.len(), PARTITIONS as usize, "every partition got some");
    }
}

fn topic(name: &str, replication_factor: i16) -> NewTopic {
    NewTopic { replication_factor, ..NewTopic::new(name, PARTITIONS) }
}

fn reader_config(topic: &str) -> ReaderConfig {
    let mut config = ReaderConfig::new(topic);
    config.until = Until::End;
    config
}

/// Writes and reads on tokio; `written` counts up for those who watch.
async fn on_tokio(
    bootstrap: String,
    name: &str,
    replication: i16,
    count: u64,
    pace: Duration,
    written: &AtomicU64,
) {
    let client = milena_tokio::connect(Config::new(&bootstrap).unwrap()).await.unwrap();
    client.create_topic(topic(name, replication)).await.unwrap();
    let writer = client.writer(WriterConfig::new(name)).unwrap();
    let mut deliveries = Vec::new();
    for n in 0..count {
        let (key, value) = key_and_value(n);
        deliveries.push(writer.enqueue(Record::keyed(&key, &value)).await.unwrap());
        if n % 100 == 0 {
            written.store(n, Ordering::Relaxed);
            if !pace.is_zero() {
                tokio::time::sleep(pace).await;
            }
        }
    }
    for delivery in deliveries {
        assert!(delivery.await.unwrap().offset.is_some());
    }
    writer.close().await;
    assert_eq!(writer.buffered_bytes(), 0);
    let mut checker = Checker::default();
    let mut reader = client.reader(reader_config(name)).unwrap();
    while let Some(message) = reader.next().await {
        checker.take(&message.unwrap());
    }
    checker.done(count);
    assert!((0..PARTITIONS).all(|partition| reader.lag(partition) == Some(0)));
}

/// The same on plain threads.
fn on_threads(
    bootstrap: &str,
    name: &str,
    replication: i16,
    count: u64,
    pace: Duration,
    written: &AtomicU64,
) {
    let client = milena_blocking::connect(Config::new(bootstrap).unwrap()).unwrap();
    client.create_topic(topic(name, replication)).unwrap();
    let writer = client.writer(WriterConfig::new(name)).unwrap();
    let mut deliveries = Vec::new();
    for n in 0..count {
        let (key, value) = key_and_value(n);
        deliveries.push(writer.enqueue(Record::keyed(&key, &value)).unwrap());
        if n % 100 == 0 {
            written.store(n, Ordering::Relaxed);
            std::thread::sleep(pace);
        }
    }
    for delivery in deliveries {
        assert!(delivery.wait().unwrap().offset.is_some());
    }
    writer.close();
    assert_eq!(writer.buffered_bytes(), 0);
    let mut checker = Checker::default();
    for message in client.reader(reader_config(name)).unwrap() {
        checker.take(&message.unwrap());
    }
    checker.done(count);
}

fn tokio_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn round_trip(version: &str) {
    if !available_for(&format!("round trip on Kafka {version}")) {
        return;
    }
    let kafka = Kafka::builder().version(version).start().unwrap();
    let count = records();
    let started = Instant::now();
    let bounded = async {
        let written = AtomicU64::new(0);
        let run = on_tokio(kafka.bootstrap(), "on-tokio", 1, count, Duration::ZERO, &written);
        tokio::time::timeout(Duration::from_secs(300), run).await.unwrap();
    };
    tokio_runtime().block_on(bounded);
    let tokio = started.elapsed();
    on_threads(&kafka.bootstrap(), "on-threads", 1, count, Duration::ZERO, &AtomicU64::new(0));
    let by_hand = crate::by_hand::by_hand(&kafka.bootstrap(), "by-hand").unwrap();
    assert_eq!(by_hand, (0..10).map(|number| format!("record {number}")).collect::<Vec<_>>());
    println!(
        "Kafka {version}: {count} records there and back, tokio {tokio:.2?}, threads {:.2?}",
        started.elapsed() - tokio
    );
}

#[test]
fn kafka_4_3() {
    round_trip("4.3.1");
}

#[test]
fn kafka_3_9() {
    round_trip("3.9.2");
}

#[test]
fn kafka_2_8() {
    round_trip("2.8.2");
}

#[test]
fn kafka_0_11() {
    round_trip("0.11.0.3");
}

/// A broker dies and comes back in the middle of the writing.
fn with_a_broker_killed(run: impl FnOnce(String, &AtomicU64) + Send) {
    if !available_for("a killed broker") {
        return;
    }
    let mut kafka: Kafka = Kafka::builder().version("4.3.1").nodes(3).start().unwrap();
    let written = AtomicU64::new(0);
    let bootstrap = kafka.bootstrap();
    std::thread::scope(|scope| {
        let running = scope.spawn(|| run(bootstrap, &written));
        let wait_for = |n: u64| {
            while written.load(Ordering::Relaxed) < n && !running.is_finished() {
                std::thread::sleep(Duration::from_millis(20));
            }
        };
        wait_for(records() / 4);
        kafka.kill(2);
        wait_for(records() / 2);
        kafka.restart(2).unwrap();
        running.join().unwrap();
    });
}

#[test]
fn nothing_is_lost_or_doubled_when_a_broker_is_killed_on_tokio() {
    with_a_broker_killed(|bootstrap, written| {
        let pace = Duration::from_millis(5);
        tokio_runtime().block_on(on_tokio(bootstrap, "killed-tokio", 3, records(), pace, written));
    });
}

#[test]
fn nothing_is_lost_or_doubled_when_a_broker_is_killed_on_threads() {
    with_a_broker_killed(|bootstrap, written| {
        on_threads(&bootstrap, "killed-threads", 3, records(), Duration::from_millis(5), written);
    });
}
