//! librdkafka, through the crate rdkafka, against the simulated brokers as a process.
//!
//! The broker is the workspace's binary, built beforehand: `cargo build -p milena-conformance`.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{
    BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer,
};
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};
use std::sync::{Arc, Mutex};

const LIMIT: Duration = Duration::from_secs(60);

/// A running cluster; it stops when its standard input is closed.
struct Broker {
    child: Child,
    _stdin: ChildStdin,
    bootstrap: String,
}

impl Broker {
    fn start(args: &[&str]) -> Broker {
        let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/debug/milena-conformance");
        let program = std::env::var_os("MILENA_CONFORMANCE").map_or(built, Into::into);
        let mut child = Command::new(&program)
            .args(["broker", "--nodes", "3"])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; build the workspace first", program.display()));
        let stdin = child.stdin.take().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let bootstrap = line.trim().strip_prefix("bootstrap=").expect("its addresses").to_owned();
        Broker { child, _stdin: stdin, bootstrap }
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where each record was written, or why not.
#[derive(Clone, Default)]
struct Reports(Arc<Mutex<Vec<Result<(i32, i64), String>>>>);

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let told = match result {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, _)) => Err(error.to_string()),
        };
        self.0.lock().unwrap().push(told);
    }
}

fn create(broker: &Broker, topic: &str, partitions: i32) {
    let admin: AdminClient<_> = broker.config().create().unwrap();
    let topics = [NewTopic::new(topic, partitions, TopicReplication::Fixed(3))];
    let created = block_on(admin.create_topics(&topics, &AdminOptions::new())).unwrap();
    assert_eq!(created, [Ok(topic.to_owned())]);
}

/// rdkafka's admin futures are driven by its own thread; all this one has to do is wait.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    use std::task::{Context, Poll, Wake, Waker};
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

fn write(broker: &Broker, topic: &str, count: usize) {
    let reports = Reports::default();
    let mut config = broker.config();
    config.set("enable.idempotence", "true").set("compression.type", "lz4").set("linger.ms", "5");
    let producer: ThreadedProducer<Reports> = config.create_with_context(reports.clone()).unwrap();
    for number in 0..count {
        let (key, value) = (format!("k{}", number % 7), number.to_string());
        producer.send(BaseRecord::to(topic).key(&key).payload(&value)).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(LIMIT).unwrap();
    let reports = reports.0.lock().unwrap();
    let places: BTreeSet<_> = reports.iter().map(|report| report.clone().expect("written")).collect();
    assert_eq!((reports.len(), places.len()), (count, count), "each at a place of its own");
}

/// Reads until `count` values have come, and commits.
fn consume(broker: &Broker, topic: &str, group: &str, count: usize) -> BTreeSet<usize> {
    let mut config = broker.config();
    config
        .set("group.id", group)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("session.timeout.ms", "10000");
    let consumer: BaseConsumer = config.create().unwrap();
    consumer.subscribe(&[topic]).unwrap();
    let mut values = BTreeSet::new();
    let start = Instant::now();
    while values.len() < count {
        assert!(start.elapsed() < LIMIT, "{} of {count} came", values.len());
        if let Some(message) = consumer.poll(Duration::from_millis(200)) {
            let message = message.unwrap();
            let value: usize = std::str::from_utf8(message.payload().unwrap()).unwrap().parse().unwrap();
            assert!(values.insert(value), "{value} came twice");
        }
    }
    consumer.commit_consumer_state(CommitMode::Sync).unwrap();
    values
}

#[test]
fn it_creates_writes_idempotently_consumes_in_a_group_and_commits() {
    let broker = Broker::start(&["--validate-records"]);
    create(&broker, "events", 4);
    write(&broker, "events", 3_000);
    assert_eq!(consume(&broker, "events", "readers", 3_000), (0..3_000).collect());
    // A second member of the group begins behind what the first committed.
    write(&broker, "events", 10);
    assert_eq!(consume(&broker, "events", "readers", 10), (0..10).collect());

    let consumer: BaseConsumer = broker.config().set("group.id", "readers").create().unwrap();
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition_range("events", 0, 3);
    let committed = consumer.committed_offsets(partitions, LIMIT).unwrap();
    let sum: i64 = committed
        .elements()
        .iter()
        .filter_map(|at| match at.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        })
        .sum();
    assert_eq!(sum, 3_010);
}

#[test]
fn it_creates_topics_by_asking_for_them() {
    let broker = Broker::start(&["--auto-create-topics"]);
    write(&broker, "made-up", 10);
    assert_eq!(consume(&broker, "made-up", "g", 10).len(), 10);
}

#[test]
fn it_works_with_brokers_of_older_releases() {
    for release in ["0.11.0", "1.1", "2.4", "2.8.2", "3.9"] {
        let broker = Broker::start(&["--as-version", release, "--topic", "old:2"]);
        write(&broker, "old", 100);
        assert_eq!(consume(&broker, "old", "g", 100).len(), 100, "{release}");
    }
}

#[test]
fn its_transactions_commit_and_abort() {
    let broker = Broker::start(&["--topic", "in:2", "--topic", "out:2"]);
    write(&broker, "in", 100);
    let producer: BaseProducer = broker.config().set("transactional.id", "copier").create().unwrap();
    producer.init_transactions(LIMIT).unwrap();
    let consumer: BaseConsumer = broker
        .config()
        .set("group.id", "copiers")
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    consumer.subscribe(&["in"]).unwrap();
    let mut copied = 0;
    let start = Instant::now();
    while copied < 100 {
        assert!(start.elapsed() < LIMIT, "{copied} copied");
        let Some(message) = consumer.poll(Duration::from_millis(200)) else { continue };
        let message = message.unwrap();
        // Each record first in a transaction that is aborted, then in one that is committed.
        for commit in [false, true] {
            producer.begin_transaction().unwrap();
            let value = message.payload().unwrap();
            producer.send(BaseRecord::<(), _>::to("out").payload(value)).map_err(|(error, _)| error).unwrap();
            if !commit {
                producer.flush(LIMIT).unwrap();
                producer.abort_transaction(LIMIT).unwrap();
                continue;
            }
            let mut offsets = TopicPartitionList::new();
            offsets
                .add_partition_offset("in", message.partition(), Offset::Offset(message.offset() + 1))
                .unwrap();
            let metadata = consumer.group_metadata().expect("it is a member");
            producer.send_offsets_to_transaction(&offsets, &metadata, LIMIT).unwrap();
            producer.commit_transaction(LIMIT).unwrap();
        }
        copied += 1;
    }
    assert_eq!(consume(&broker, "out", "checkers", 100), (0..100).collect());
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition_range("in", 0, 1);
    let committed = consumer.committed_offsets(partitions, LIMIT).unwrap();
    let sum: i64 = committed.elements().iter().map(|at| at.offset().to_raw().unwrap_or(0).max(0)).sum();
    assert_eq!(sum, 100);
}
