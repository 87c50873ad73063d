//! Where a future is dropped: a world, a client, what was written, and what must hold when it is over.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use milena_conformance::cluster::{ClusterOptions, Fault as RequestFault, Requests};
use milena_conformance::sim::{Fault, Options, Route, World};
use milena_core::protocol::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use milena_core::protocol::{ApiKey, BrokerId};
use milena_core::record::Limits;
use milena_core::{
    Call, Client, Config, NewTopic, Outstanding, ReaderConfig, Record, Target, Until, Writer, WriterConfig,
};

pub(crate) const TOPIC: &str = "orders";
pub(crate) const PARTITIONS: i32 = 2;
const COORDINATORS: &str = "__consumer_offsets";
const BROKERS: i32 = 3;
const MS: Duration = Duration::from_millis(1);
/// Longer than anything takes whose way is free, a request without an answer included.
const LIMIT: Duration = Duration::from_secs(20);
/// What a call's answer is waited for.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(1);

/// Where the future is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    Unpolled,
    /// Behind so many turns since its first poll.
    After(u64),
}

/// What is in its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    None,
    /// Its request is served, and the connection ends instead of an answer.
    Hangup,
    /// Its request is neither served nor answered.
    Silence,
    /// The partitions, or the coordinators' own, have other leaders than the client knows.
    Moved,
}

/// Whether a record is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Never,
    Once,
    AtMostOnce,
    /// At most once, and only if all those before it are that are of this kind.
    Prefix,
}

pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) client: Client,
    /// Whether the client knows the cluster and has connections.
    pub(crate) warm: bool,
    pub(crate) trouble: Trouble,
    pub(crate) point: Point,
    /// What the future asks of brokers.
    key: ApiKey,
    begun: Cell<bool>,
    /// How many topics have leaders that are called.
    called: Cell<usize>,
    values: RefCell<Vec<(Vec<u8>, Fate)>>,
}

pub(crate) fn options() -> Options {
    let topics = vec![(TOPIC.to_owned(), PARTITIONS), ("spare".to_owned(), 1)];
    let cluster = ClusterOptions {
        nodes: BROKERS as u16,
        topics,
        validate_records: true,
        coordinator_partitions: 1,
        ..Default::default()
    };
    Options { cluster, latency: (MS, MS), time_limit: 10 * LIMIT, trace_entries: 0, ..Default::default() }
}

pub(crate) fn config(world: &World) -> Config {
    let mut config = world.config();
    (config.request_timeout, config.connect_timeout) = (REQUEST_TIMEOUT, REQUEST_TIMEOUT);
    config.api_timeout = 5 * REQUEST_TIMEOUT;
    config.topic_grace = 300 * MS;
    config
}

pub(crate) fn latest(topic: &str, partition_index: i32) -> Call<ListOffsetsRequest> {
    let partition = ListOffsetsPartition { partition_index, timestamp: -1, ..Default::default() };
    let topics =
        vec![ListOffsetsTopic { name: topic.into(), partitions: vec![partition], ..Default::default() }];
    let request = ListOffsetsRequest { topics, ..Default::default() };
    Call::new(request).to(Target::leader(topic, partition_index))
}

impl Stage {
    pub(crate) async fn new(world: World, warm: bool, trouble: Trouble, key: ApiKey, point: Point) -> Stage {
        let client = world.client(config(&world), 0).unwrap();
        let (begun, called, values) = (Cell::default(), Cell::new(1), RefCell::default());
        let stage = Stage { world, client, warm, trouble, point, key, begun, called, values };
        if warm {
            for partition in 0..PARTITIONS {
                stage.client.call(latest(TOPIC, partition)).await.unwrap();
            }
        }
        stage
    }

    /// What is in the way is so from now on.
    pub(crate) fn begin(&self) {
        if self.begun.replace(true) {
            return;
        }
        let requests = Requests::of(self.key);
        match self.trouble {
            Trouble::None => {}
            Trouble::Hangup => {
                self.world.cluster(|cluster| cluster.on_request(requests, RequestFault::CloseAfter));
            }
            Trouble::Silence => {
                self.world.cluster(|cluster| cluster.on_request(requests, RequestFault::NeverAnswer));
            }
            Trouble::Moved if self.key == ApiKey::DESCRIBE_GROUPS => self.move_leader(COORDINATORS, 0),
            Trouble::Moved => (0..PARTITIONS).for_each(|partition| self.move_leader(TOPIC, partition)),
        }
    }

    fn move_leader(&self, topic: &str, partition: i32) {
        // The coordinators' topic is not there before the first lookup.
        let Some((leader, _)) = self.world.cluster(|cluster| cluster.leader(topic, partition)) else {
            return;
        };
        let to = BrokerId(leader.0 % BROKERS + 1);
        self.world.fault(Fault::MoveLeader { topic: topic.to_owned(), partition, to }).unwrap();
    }

    /// The future's result, if it is not dropped before.
    pub(crate) async fn cut<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        self.begin();
        match self.point {
            Point::Unpolled => None,
            Point::After(turns) => self.world.cut_after(turns, future).await,
        }
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.trouble == Trouble::None
    }

    /// The future calls the leader of another topic, which the client then keeps for a while.
    pub(crate) fn calls_another_topic(&self) {
        self.called.set(2);
    }

    /// How many requests of the future's kind were served.
    pub(crate) fn served(&self) -> usize {
        let key = self.key;
        self.world.cluster(|cluster| cluster.requests().iter().filter(|request| request.key == key).count())
    }

    // ---- records ----

    /// A value that no other record has, of one that is not to be in the log unless it is said otherwise.
    pub(crate) fn value(&self, bytes: usize) -> Vec<u8> {
        let mut values = self.values.borrow_mut();
        let mut value = format!("record {} ", values.len()).into_bytes();
        value.resize(bytes.max(value.len()), b'.');
        values.push((value.clone(), Fate::Never));
        value
    }

    pub(crate) fn expect(&self, value: &[u8], fate: Fate) {
        let mut values = self.values.borrow_mut();
        values.iter_mut().filter(|(known, _)| known == value).for_each(|(_, known)| *known = fate);
    }

    /// A record that is in the log, or will be.
    pub(crate) async fn written(&self, writer: &Writer, partition: i32) {
        let value = self.value(0);
        self.expect(&value, Fate::Once);
        let record = Record { partition: Some(partition), ..Record::new(&value) };
        self.within(writer.write(record)).await.unwrap();
    }

    /// The values in a partition's log.
    pub(crate) fn log(&self, partition: i32) -> Vec<Vec<u8>> {
        let batches: Vec<_> = self.world.cluster(|cluster| cluster.log(TOPIC, partition).collect());
        let records = batches.iter().flat_map(|batch| batch.records(&Limits::default()).unwrap());
        records.map(|record| record.unwrap().value.unwrap().to_vec()).collect()
    }

    /// Each record is where it is to be: none twice, and those of a partition in the order in which they were written.
    fn check_log(&self) {
        let values = self.values.borrow();
        let mut seen = vec![0; values.len()];
        for partition in 0..PARTITIONS {
            let index = |value: &Vec<u8>| values.iter().position(|(known, _)| known == value).unwrap();
            let indices: Vec<_> = self.log(partition).iter().map(index).collect();
            assert!(indices.is_sorted(), "partition {partition} has records {indices:?}");
            indices.iter().for_each(|index| seen[*index] += 1);
        }
        let mut prefix_ended = false;
        for (index, ((_, fate), times)) in values.iter().zip(&seen).enumerate() {
            let fits = match fate {
                Fate::Never => *times == 0,
                Fate::Once => *times == 1,
                Fate::AtMostOnce => *times <= 1,
                Fate::Prefix => {
                    prefix_ended |= *times == 0;
                    *times <= 1 && (*times == 0) == prefix_ended
                }
            };
            assert!(fits, "record {index} is {times} times in the log, to be {fate:?}; all: {seen:?}");
        }
    }

    // ---- the end ----

    pub(crate) async fn within<T>(&self, future: impl Future<Output = T>) -> T {
        match self.world.timeout(LIMIT, future).await {
            Some(value) => value,
            None => panic!("it takes longer than {LIMIT:?}: {:?}", self.client.outstanding()),
        }
    }

    /// Waits until nothing is under way that a dropped future has left.
    pub(crate) async fn settle(&self) {
        self.until(|now| {
            (now.operations, now.parked, now.lookups, now.queued) == (0, 0, 0, 0)
                && now.unanswered == now.readers
        })
        .await;
    }

    pub(crate) async fn until(&self, quiet: impl Fn(Outstanding) -> bool) {
        self.within(async {
            while !quiet(self.client.outstanding()) {
                self.world.sleep(10 * MS).await;
            }
        })
        .await;
    }

    /// The client still works, what was written is right, and nothing is left of what was dropped.
    pub(crate) async fn finish(self, writer: Option<Writer>) {
        self.world.heal();
        let writer = writer.unwrap_or_else(|| self.client.writer(WriterConfig::new(TOPIC)).unwrap());
        for partition in 0..PARTITIONS {
            self.written(&writer, partition).await;
            // A request that is never answered may be in its way: the connection ends then.
            self.within(self.client.call(latest(TOPIC, partition).repeatable())).await.unwrap();
        }
        let value = self.value(0);
        self.expect(&value, Fate::Once);
        let delivery = self.within(writer.enqueue(Record::new(&value))).await.unwrap();
        self.within(writer.flush()).await;
        assert!(matches!(delivery.outcome(), Some(Ok(_))), "flushed: {:?}", delivery.outcome());
        self.settle().await;
        self.within(self.client.create_topic(NewTopic::new("another", 1))).await.unwrap();
        self.read_back().await;
        self.check_log();
        self.within(writer.close()).await;
        assert_eq!(writer.buffered_bytes(), 0);
        drop((delivery, writer));
        self.nothing_is_left().await;
    }

    async fn read_back(&self) {
        let mut config = ReaderConfig::new(TOPIC);
        config.until = Until::End;
        let mut reader = self.client.reader(config).unwrap();
        let mut read = vec![Vec::new(); PARTITIONS as usize];
        while let Some(message) = self.within(reader.next()).await {
            let message = message.unwrap();
            read[message.partition as usize].push(message.value.unwrap().to_vec());
        }
        let log: Vec<_> = (0..PARTITIONS).map(|partition| self.log(partition)).collect();
        assert_eq!(read, log);
    }

    async fn nothing_is_left(self) {
        self.until(|now| now.operations + now.waiters + now.unanswered + now.writers == 0).await;
        let left = self.client.outstanding();
        // General, calls and produce, each to every broker; one timer for the metadata.
        assert!(left.connections <= 3 * BROKERS as usize && left.timers <= 1, "{left:?}");
        assert!(left.topics <= self.called.get(), "{left:?}");
        let bytes = left.buffered_bytes + left.fetched_bytes;
        assert_eq!(
            (left.parked, left.lookups, left.queued, left.readers, bytes),
            (0, 0, 0, 0, 0),
            "{left:?}"
        );
        let Stage { world, client, .. } = self;
        drop(client);
        let hung_up = async {
            while world.connections(Route::all()) != (0, 0) {
                world.sleep(10 * MS).await;
            }
        };
        world.timeout(LIMIT, hung_up).await.expect("no connection is left");
        assert_eq!(world.cluster(|cluster| cluster.connections()), 0);
    }
}
