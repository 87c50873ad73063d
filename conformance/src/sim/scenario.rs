//! The scenarios: writers and readers at work while something goes wrong, drawn from a seed.
//!
//! Each has the same course. Writing tasks and a reader are at work; meanwhile trouble comes, of a kind that the scenario
//! chooses. Then it stops, and everything has to come to its end: each call within its own time, every partition
//! writable, every record read. At last the [ledger](super::ledger) is held against the log, and readers' records too.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use milena_core::protocol::ApiKey;
use milena_core::{
    Acks, Client, Compression, Error, Reader, ReaderConfig, Record, Until, WriteError, Writer, WriterConfig,
    Written,
};

use super::ledger::{Ledger, Outcome, Promises, Seen, compare, value};
use super::trouble::{Trouble, cause};
use super::{Options, Random, Run, Stuck, World, lock, run};
use crate::cluster::{ClusterOptions, Release};

/// A story that any seed tells in its own way.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    troubles: &'static [Trouble],
}

/// All scenarios.
pub fn scenarios() -> &'static [Scenario] {
    &SCENARIOS
}

static SCENARIOS: [Scenario; 5] = [
    Scenario { name: "calm", troubles: &[] },
    Scenario { name: "leaders move", troubles: &[Trouble::Leaders] },
    Scenario { name: "brokers restart", troubles: &[Trouble::Brokers] },
    Scenario { name: "connections break", troubles: &[Trouble::Connections, Trouble::Answers] },
    Scenario {
        name: "everything",
        troubles: &[Trouble::Leaders, Trouble::Brokers, Trouble::Connections, Trouble::Answers],
    },
];

impl Scenario {
    /// Tells it as this seed has it. The error is the first thing that was not as it must be.
    pub fn run(&self, seed: u64) -> Run<()> {
        let plan = Plan::draw(Random::new(seed), !self.troubles.is_empty());
        let options = plan.options.clone();
        let troubles = self.troubles;
        let Run { result, trace, elapsed } =
            run(seed, options, async move |world: World| plan.carry_out(&world, troubles).await);
        let result = result.and_then(|result| result.map_err(Stuck::Failed));
        Run { result, trace, elapsed }
    }
}

const TOPIC: &str = "events";
/// How much later than its time a call may end: the driver's timer fires to the microsecond, so it is generous.
const SLACK: Duration = Duration::from_millis(5);
/// How long anything may take once the trouble is over.
const HEALING: Duration = Duration::from_secs(300);

/// What a seed decided.
struct Plan {
    options: Options,
    random: Random,
    partitions: i32,
    calm: bool,
    tasks: usize,
    records: usize,
    size_bits: u64,
    keys: u64,
    trouble: Duration,
    client: ClientPlan,
    writer: WriterConfig,
    reader: ReaderConfig,
    skew_ms: i64,
}

struct ClientPlan {
    request_timeout: Duration,
    connect_timeout: Duration,
    max_in_flight: usize,
    metadata_max_age: Duration,
}

impl Plan {
    fn draw(mut random: Random, trouble: bool) -> Plan {
        let r = &mut random;
        let (ms, s) = (Duration::from_millis, Duration::from_secs);
        // Record batches came with 0.11.
        let has_batches =
            |release: &Release| release.versions(ApiKey::PRODUCE).is_some_and(|v| *v.end() >= 3);
        let releases: Vec<_> = Release::all().filter(has_batches).collect();
        let as_version = if r.percent(50) { Release::LATEST } else { r.pick(&releases) };
        let partitions = r.within(1..=6) as i32;
        let cluster = ClusterOptions {
            nodes: r.within(1..=4) as u16,
            topics: vec![(TOPIC.to_owned(), partitions)],
            as_version,
            validate_records: true,
            seed: r.word(),
            ..Default::default()
        };
        let latency = r.pick(&[50, 1_000, 20_000, 100_000]);
        let longest_stall = r.duration(ms(1), s(20));
        let stalls = if trouble { r.pick(&[0, 0, 20, 200]) } else { 0 };
        let options = Options {
            cluster,
            latency: (Duration::from_micros(latency / 10), Duration::from_micros(latency)),
            stalls,
            longest_stall,
            ..Default::default()
        };
        let size_bits = r.within(3..=10);
        let mut codecs = vec![
            Compression::None,
            Compression::None,
            Compression::Gzip,
            Compression::Snappy,
            Compression::Lz4,
        ];
        if as_version.versions(ApiKey::PRODUCE).is_some_and(|v| *v.end() >= 7) {
            codecs.push(Compression::Zstd);
        }
        let acks = match r.within(0..=9) {
            0 => Acks::Leader,
            1 if !trouble => Acks::None,
            _ => Acks::All,
        };
        let mut writer = WriterConfig::new(TOPIC).acks(acks);
        writer.compression = r.pick(&codecs);
        writer.linger = r.pick(&[0, 0, 0, 1, 20, 300].map(ms));
        // Room for the largest record at least.
        writer.batch_bytes = (1 << size_bits) + r.pick(&[128, 200, 1_000, 16_384, 1 << 20]);
        writer.request_bytes = writer.batch_bytes * r.within(1..=4) as usize;
        writer.buffer_bytes = writer.batch_bytes * r.pick(&[1, 2, 10, 64]);
        writer.delivery_timeout = if trouble { r.pick(&[1, 5, 30, 120].map(s)) } else { s(120) };
        writer.max_block = if trouble { r.pick(&[1, 10, 60].map(s)) } else { s(60) };
        let mut reader = ReaderConfig::new(TOPIC);
        reader.partition_bytes = r.pick(&[1, 300, 5_000, 1 << 20]);
        reader.max_bytes = r.pick(&[1, 2_000, 50 << 20]);
        reader.max_wait = r.pick(&[10, 100, 500].map(ms));
        reader.buffer_bytes = r.pick(&[1 << 16, 64 << 20]);
        let client_plan = ClientPlan {
            request_timeout: r.pick(&[1, 3, 10].map(s)),
            connect_timeout: r.pick(&[1, 10].map(s)),
            max_in_flight: r.within(1..=5) as usize,
            metadata_max_age: r.pick(&[1, 300].map(s)),
        };
        let mut options = options;
        options.cluster.cut_last_batch = r.percent(50);
        Plan {
            options,
            partitions,
            calm: !trouble,
            tasks: r.within(1..=4) as usize,
            records: r.of_any_size(7) + 3,
            size_bits,
            keys: r.pick(&[1, 10, 1_000]),
            trouble: r.duration(ms(10), s(10)),
            client: client_plan,
            writer,
            reader,
            skew_ms: r.within(0..=3_000_000) as i64 - 1_500_000,
            random: random.fork(),
        }
    }
}

type Read = Arc<Mutex<BTreeMap<i32, Vec<Seen>>>>;

impl Plan {
    async fn carry_out(mut self, world: &World, troubles: &'static [Trouble]) -> Result<(), String> {
        let writing = self.client(world, self.skew_ms)?;
        let reading = self.client(world, 0)?;
        let result = self.tell(world, troubles, &writing, &reading).await;
        writing.close();
        reading.close();
        result
    }

    async fn tell(
        &mut self,
        world: &World,
        troubles: &'static [Trouble],
        writing: &Client,
        reading: &Client,
    ) -> Result<(), String> {
        let writer = writing.writer(self.writer.clone()).map_err(text)?;
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let read: Read = Arc::default();
        let reader = reading.reader(self.reader.clone()).map_err(text)?;
        world.spawn(follow(reader, read.clone()));
        let tasks: Vec<_> = (0..self.tasks)
            .map(|task| {
                let random = self.random.fork();
                world.spawn(self.writing(task, world.clone(), writer.clone(), ledger.clone(), random))
            })
            .collect();
        let mut random = self.random.fork();
        let end = world.now() + self.trouble;
        let causes: Vec<_> = troubles
            .iter()
            .map(|trouble| world.spawn(cause(*trouble, TOPIC, world.clone(), random.fork(), end)))
            .collect();
        for caused in causes {
            caused.await;
        }
        for task in tasks {
            task.await?;
        }
        world.note("trouble is over");
        self.probe(world, &writer, &ledger).await?;
        let limit = self.writer.delivery_timeout + SLACK;
        world.timeout(limit, writer.close()).await.ok_or("close took longer than a delivery may")?;
        // What is still on its way on connections given up may arrive as late as this.
        world.sleep(self.options.longest_stall * 2 + self.client.request_timeout * 2).await;
        match writer.buffered_bytes() {
            0 => {}
            bytes => return Err(format!("{bytes} bytes are still held when all is written")),
        }
        world
            .timeout(HEALING, caught_up(world, &read, self.partitions))
            .await
            .ok_or_else(|| format!("the reader does not get to the end: {:?}", ends(&lock(&read))))?;
        let mut log = BTreeMap::new();
        for partition in 0..self.partitions {
            let batches = world.cluster(|cluster| cluster.log(TOPIC, partition).collect::<Vec<_>>());
            log.insert(partition, Seen::log(batches.into_iter())?);
        }
        let exactly_once = self.calm || self.writer.idempotence;
        let (written, unknown, absent) = lock(&ledger).tally();
        world.note(format!("{written} records acknowledged, {unknown} unknown, {absent} not written"));
        lock(&ledger).check(&log, Promises { exactly_once, all_written: self.calm })?;
        compare("the reader at work", &lock(&read), &log)?;
        let again: Read = Arc::default();
        let mut config = self.reader.clone();
        config.until = Until::End;
        let reader = reading.reader(config).map_err(text)?;
        world.timeout(HEALING, follow(reader, again.clone())).await.ok_or("a second reader does not end")?;
        compare("the second reader", &lock(&again), &log)
    }

    fn client(&self, world: &World, skew_ms: i64) -> Result<Client, String> {
        let mut config = world.config();
        // Trouble may be there from the start: giving up on the bootstrap is another story.
        config.bootstrap_timeout = HEALING;
        config.request_timeout = self.client.request_timeout;
        config.connect_timeout = self.client.connect_timeout;
        config.max_in_flight = self.client.max_in_flight;
        config.metadata_max_age = self.client.metadata_max_age;
        world.client(config, skew_ms).map_err(text)
    }

    /// One writing task: records one after another, in one of the ways that there are.
    fn writing(
        &self,
        task: usize,
        world: World,
        writer: Writer,
        ledger: Arc<Mutex<Ledger>>,
        mut random: Random,
    ) -> impl Future<Output = Result<(), String>> + Send + use<> {
        let (records, size_bits, keys, partitions) =
            (self.records, self.size_bits, self.keys, self.partitions);
        let (calm, block, delivery) = (self.calm, self.writer.max_block, self.writer.delivery_timeout);
        let pause = self.trouble / records as u32;
        async move {
            let mut deliveries = Vec::new();
            for _ in 0..records {
                if random.percent(40) {
                    world.sleep(random.duration(Duration::ZERO, pause * 4)).await;
                }
                let partition = random.percent(20).then(|| random.within(0..=partitions as u64 - 1) as i32);
                let key = random.percent(60).then(|| format!("k{}", random.within(1..=keys)));
                let size = random.of_any_size(size_bits).max(8);
                let id = lock(&ledger).enter(task, key.clone(), partition, size);
                let value = value(id, size);
                let record =
                    Record { partition, key: key.as_ref().map(String::as_bytes), ..Record::new(&value) };
                let start = world.now();
                match random.within(0..=99) {
                    0..15 => {
                        let limit = block + delivery + SLACK;
                        let result = world.timeout(limit, writer.write(record)).await;
                        settle(&ledger, id, result.ok_or(format!("write of record {id} overdue"))?);
                    }
                    15..18 if !calm => {
                        let limit = random.duration(Duration::ZERO, Duration::from_millis(50));
                        match world.timeout(limit, writer.enqueue(record)).await {
                            Some(Ok(delivery)) => deliveries.push((id, start, delivery)),
                            Some(Err(error)) => settle(&ledger, id, Err(error)),
                            None => lock(&ledger).settle(id, Outcome::Cancelled),
                        }
                    }
                    _ => match world.timeout(block + SLACK, writer.enqueue(record)).await {
                        Some(Ok(delivery)) => deliveries.push((id, start, delivery)),
                        Some(Err(error)) => settle(&ledger, id, Err(error)),
                        None => return Err(format!("enqueue of record {id} overdue")),
                    },
                }
                if random.percent(2) {
                    world.timeout(delivery + SLACK, writer.flush()).await.ok_or("flush overdue")?;
                }
            }
            let begin = world.now();
            for (id, start, delivered) in deliveries {
                // The time counts from its acceptance, which may have taken as long as `max_block`.
                let end = begin.max(start + block + delivery) + SLACK;
                let result = world.timeout(end.saturating_sub(world.now()), delivered).await;
                settle(&ledger, id, result.ok_or(format!("delivery of record {id} overdue"))?);
            }
            Ok(())
        }
    }

    /// Writes to each partition until that succeeds, which it must when nothing is in the way any more.
    async fn probe(&self, world: &World, writer: &Writer, ledger: &Mutex<Ledger>) -> Result<(), String> {
        let end = world.now() + HEALING;
        for partition in 0..self.partitions {
            loop {
                let id = lock(ledger).enter(self.tasks, None, Some(partition), 8);
                let value = value(id, 8);
                let record = Record { partition: Some(partition), ..Record::new(&value) };
                let limit = end.saturating_sub(world.now());
                let result = world.timeout(limit, writer.write(record)).await;
                let result = result.ok_or(format!("partition {partition} can't be written to"))?;
                let done = result.is_ok();
                settle(ledger, id, result);
                if done {
                    break;
                }
                world.sleep(Duration::from_millis(100)).await;
            }
        }
        Ok(())
    }
}

fn settle(ledger: &Mutex<Ledger>, id: usize, result: Result<Written, WriteError>) {
    let outcome = result.map_or_else(Outcome::Failed, Outcome::Written);
    lock(ledger).settle(id, outcome);
}

/// Reads on and on, or to the end.
async fn follow(mut reader: Reader, read: Read) {
    while let Some(message) = reader.next().await {
        match message {
            Ok(message) => {
                lock(&read).entry(message.partition).or_default().push(Seen::read(&message));
            }
            Err(Error::Closed) => return,
            Err(error) => panic!("a reader failed: {error}"),
        }
    }
}

fn ends(read: &BTreeMap<i32, Vec<Seen>>) -> BTreeMap<i32, i64> {
    let last = |records: &Vec<Seen>| records.last().map_or(0, |seen| seen.offset + 1);
    read.iter().map(|(partition, records)| (*partition, last(records))).collect()
}

async fn caught_up(world: &World, read: &Read, partitions: i32) {
    loop {
        let ends = ends(&lock(read));
        let behind = (0..partitions).any(|partition| {
            let end = world.cluster(|cluster| cluster.offsets(TOPIC, partition)).map_or(0, |(_, end)| end);
            ends.get(&partition).copied().unwrap_or(0) < end
        });
        if !behind {
            return;
        }
        world.sleep(Duration::from_millis(50)).await;
    }
}

fn text(error: impl Display) -> String {
    error.to_string()
}
