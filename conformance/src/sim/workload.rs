//! Writing and reading processes at work, and what they are held to.
//!
//! Rules:
//! - While there is trouble, what must always hold is checked at each step: a call ends within its time (by its process's
//!   clock), a writer holds no more than it may, a reader gets offsets without gaps and never again those it had.
//! - No client asks a broker the same thing over and over without a pause, fetches without the leader epoch that it was told,
//!   or goes back to an older one.
//! - When it is over, every partition has to be writable and every record readable, within [`HEALING`].
//! - A process that was killed is started again and goes on with what is left: a reader where it was, a writer with its
//!   next records. Of what a killed writer was not told the result of, anything may have become.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use milena_core::{
    Client, Error, Fault, Reader, Record, Recording, RecordingConfig, Reset, Start, Until, WriteError,
    Writer, Written,
};

use super::epochs;
use super::ledger::{Ledger, Outcome, Promises, Seen, Tally, compare, value};
use super::plan::{Kind, ProcessId, Route};
use super::swarm::{Swarm, TOPIC};
use super::{Random, World, lock};

/// How much later than its time a call may end: the driver's timer fires to the microsecond, so it is generous.
const SLACK: Duration = Duration::from_millis(5);
/// How long anything may take once the trouble is over.
const HEALING: Duration = Duration::from_secs(300);

/// What a reading process has read, by partition: all from the first offset on.
type Read = Arc<Mutex<BTreeMap<i32, Vec<Seen>>>>;

struct Work {
    swarm: Swarm,
    ledger: Mutex<Ledger>,
    /// The trouble is over.
    healed: Signal,
    /// Everything is read.
    read: Signal,
    /// The first thing that went wrong for a reader.
    wrong: Mutex<Option<String>>,
}

/// Carries out what a seed decided, and checks all of it.
pub(super) async fn carry_out(mut swarm: Swarm, world: World) -> Result<Tally, String> {
    let mut random = swarm.random.fork();
    let work = Arc::new(Work {
        swarm,
        ledger: Mutex::default(),
        healed: Signal::default(),
        read: Signal::default(),
        wrong: Mutex::default(),
    });
    let swarm = &work.swarm;
    if swarm.new_topic {
        let created = world.cluster(|cluster| cluster.create_topic(TOPIC, swarm.partitions));
        created.map_err(|error| error.message)?;
    }
    let writing: Vec<_> = (0..swarm.writers)
        .map(|_| world.spawn(keep_writing(work.clone(), world.process(), world.clone(), random.fork())))
        .collect();
    let reads: Vec<Read> = (0..swarm.readers).map(|_| Read::default()).collect();
    let reading: Vec<_> = reads
        .iter()
        .map(|read| {
            let (process, main) = (world.process(), world.clone());
            world.spawn(keep_reading(work.clone(), process, main, read.clone(), random.fork()))
        })
        .collect();
    world.sleep(swarm.end).await;
    world.heal();
    work.healed.set();
    for process in writing {
        process.await?;
    }
    // What is still on its way on connections given up may yet be written.
    for process in 1..=swarm.writers {
        while world.connections(Route::all().from(ProcessId(process))).1 > 0 {
            world.sleep(Duration::from_millis(100)).await;
        }
    }
    for read in &reads {
        let caught_up = caught_up(&work, &world, read);
        let behind = || format!("a reader does not get to the end: {:?}", ends(&lock(read)));
        world.timeout(HEALING, caught_up).await.ok_or_else(behind)??;
    }
    work.read.set();
    for process in reading {
        process.await;
    }
    // Nobody is told of a former leader any more.
    world.sleep(work.swarm.options.cluster.metadata_lag.1).await;
    let tally = check(&work, &world, &reads).await?;
    world.sleep(Duration::from_secs(1)).await;
    match world.connections(Route::all()).0 {
        0 => Ok(tally),
        left => Err(format!("{left} connections are left when all clients are closed")),
    }
}

/// Holds logs and readers against the model.
async fn check(work: &Work, world: &World, reads: &[Read]) -> Result<Tally, String> {
    let swarm = &work.swarm;
    if let Some(violation) = world.cluster(|cluster| cluster.violations().first().cloned()) {
        return Err(format!("a client does not keep to the protocol: {violation}"));
    }
    if let Some(mistake) = lock(&world.shared.state).mistake.clone() {
        return Err(mistake);
    }
    let mut log = BTreeMap::new();
    for partition in 0..swarm.partitions {
        let batches = world.cluster(|cluster| cluster.log(TOPIC, partition).collect::<Vec<_>>());
        log.insert(partition, Seen::log(batches.into_iter())?);
    }
    let promises = Promises {
        exactly_once: swarm.calm || swarm.writer.idempotence,
        all_written: swarm.calm,
        durable: swarm.is_durable(),
    };
    let tally = lock(&work.ledger).tally();
    world.note(format!("{tally:?}"));
    lock(&work.ledger).check(&log, promises)?;
    for read in reads {
        compare("a reader at work", &lock(read), &log)?;
    }
    let client = client(swarm, world, 0)?;
    let again = Read::default();
    let mut config = swarm.reader.clone();
    config.until = Until::End;
    let reader = client.reader(config).map_err(text)?;
    let end = follow(reader, &again, None, false).await?;
    close(&client)?;
    match end {
        Followed::ToTheEnd => compare("a reader after it all", &lock(&again), &log)?,
        Followed::Again => return Err("a batch is corrupt when nothing corrupts any more".to_owned()),
    }
    Ok(tally)
}

fn client(swarm: &Swarm, world: &World, skew_ms: i64) -> Result<Client, String> {
    let mut config = world.config();
    // Trouble may be there from the start: giving up on the bootstrap, or on a topic that a broker has not heard of, is another
    // story.
    config.bootstrap_timeout = HEALING;
    config.topic_grace = HEALING;
    config.request_timeout = swarm.client.request_timeout;
    config.connect_timeout = swarm.client.connect_timeout;
    config.max_in_flight = swarm.client.max_in_flight;
    config.metadata_max_age = swarm.client.metadata_max_age;
    // So little that segments begin again and again.
    let recording = RecordingConfig { bytes: 4096, data: swarm.tasks == 1 };
    config.recording = swarm.recorded.then_some(recording);
    world.client(config, skew_ms).map_err(text)
}

/// Ends a client. One that is recorded has to do the same again.
fn close(client: &Client) -> Result<(), String> {
    client.close();
    let Some(recording) = client.recording() else { return Ok(()) };
    let recording = Recording::from_bytes(&recording.to_bytes()).map_err(text)?;
    recording.replay(|_| {}).map(drop).map_err(text)
}

// ---- writing ----

/// Runs a writing process, again when it is killed.
async fn keep_writing(
    work: Arc<Work>,
    process: World,
    main: World,
    mut random: Random,
) -> Result<(), String> {
    let left: Vec<_> =
        (0..work.swarm.tasks).map(|_| Arc::new(AtomicUsize::new(work.swarm.records))).collect();
    loop {
        let writing = write(work.clone(), process.clone(), left.clone(), random.fork());
        if let Some(result) = process.run(writing).await {
            return result;
        }
        lock(&work.ledger).kill(process.id());
        main.sleep(random.duration(Duration::ZERO, Duration::from_secs(2))).await;
    }
}

/// One life of a writing process: its tasks, and when the trouble is over, a proof that its writer works.
async fn write(
    work: Arc<Work>,
    process: World,
    left: Vec<Arc<AtomicUsize>>,
    mut random: Random,
) -> Result<(), String> {
    let swarm = &work.swarm;
    let skew_ms = random.within(0..=3_000_000) as i64 - 1_500_000;
    let client = client(swarm, &process, skew_ms)?;
    let writer = client.writer(swarm.writer.clone()).map_err(text)?;
    let tasks: Vec<_> = left
        .into_iter()
        .map(|left| {
            let task = lock(&work.ledger).task(process.id());
            let writing =
                Writing { work: work.clone(), world: process.clone(), writer: writer.clone(), task };
            process.spawn(writing.write_all(left, random.fork()))
        })
        .collect();
    for task in tasks {
        task.await?;
    }
    work.healed.wait().await;
    let task = lock(&work.ledger).task(process.id());
    Writing { work: work.clone(), world: process.clone(), writer: writer.clone(), task }.probe().await?;
    let limit = swarm.writer.delivery_timeout + SLACK;
    within(&process, limit, writer.close()).await.ok_or("close took longer than a delivery may")?;
    close(&client)?;
    match writer.buffered_bytes() {
        0 => Ok(()),
        bytes => Err(format!("{bytes} bytes are still held when all is written")),
    }
}

/// One task that writes.
struct Writing {
    work: Arc<Work>,
    world: World,
    writer: Writer,
    task: usize,
}

impl Writing {
    /// Writes what is left, in the ways that there are.
    async fn write_all(self, left: Arc<AtomicUsize>, mut random: Random) -> Result<(), String> {
        let swarm = &self.work.swarm;
        let (block, delivery) = (swarm.writer.max_block, swarm.writer.delivery_timeout);
        let pause = swarm.end / swarm.records as u32;
        let mut deliveries = Vec::new();
        while left.load(Ordering::Relaxed) > 0 {
            left.fetch_sub(1, Ordering::Relaxed);
            if random.percent(40) {
                self.world.sleep(random.duration(Duration::ZERO, pause * 4)).await;
            }
            let partition = random.percent(20).then(|| random.within(0..=swarm.partitions as u64 - 1) as i32);
            let key = random.percent(60).then(|| format!("k{}", random.within(1..=swarm.keys)));
            let size = random.of_any_size(swarm.size_bits).max(8);
            let id = lock(&self.work.ledger).enter(self.task, key.clone(), partition, size);
            let value = value(id, size);
            let record = Record { partition, key: key.as_ref().map(String::as_bytes), ..Record::new(&value) };
            let start = self.world.now();
            match random.within(0..=99) {
                0..15 => {
                    let result =
                        within(&self.world, self.limit(block + delivery), self.writer.write(record)).await;
                    self.settle(id, result.ok_or(format!("write of record {id} overdue"))?);
                }
                15..18 if !swarm.calm => {
                    let limit = random.duration(Duration::ZERO, Duration::from_millis(50));
                    match self.world.timeout(limit, self.writer.enqueue(record)).await {
                        Some(Ok(delivery)) => deliveries.push((id, start, delivery)),
                        Some(Err(error)) => self.settle(id, Err(error)),
                        None => lock(&self.work.ledger).settle(id, Outcome::Cancelled),
                    }
                }
                _ => match within(&self.world, self.limit(block), self.writer.enqueue(record)).await {
                    Some(Ok(delivery)) => deliveries.push((id, start, delivery)),
                    Some(Err(error)) => self.settle(id, Err(error)),
                    None => return Err(format!("enqueue of record {id} overdue")),
                },
            }
            let (held, limit) = (self.writer.buffered_bytes(), swarm.writer.buffer_bytes);
            if held > limit {
                return Err(format!("the writer holds {held} bytes, more than {limit}"));
            }
            if random.percent(2) {
                let limit = self.limit(delivery);
                within(&self.world, limit, self.writer.flush()).await.ok_or("flush overdue")?;
            }
        }
        let begin = self.world.now();
        for (id, start, delivered) in deliveries {
            // The time counts from its acceptance, which may have taken as long as `max_block`.
            let end = begin.max(start + self.limit(block + delivery));
            let result = within(&self.world, end.saturating_sub(self.world.now()), delivered).await;
            self.settle(id, result.ok_or(format!("delivery of record {id} overdue"))?);
        }
        Ok(())
    }

    /// Writes to each partition until that succeeds, which it must when nothing is in the way any more.
    async fn probe(&self) -> Result<(), String> {
        let end = self.world.now() + HEALING;
        for partition in 0..self.work.swarm.partitions {
            loop {
                let id = lock(&self.work.ledger).enter(self.task, None, Some(partition), 8);
                let value = value(id, 8);
                let record = Record { partition: Some(partition), ..Record::new(&value) };
                let limit = end.saturating_sub(self.world.now());
                let result = self.world.timeout(limit, self.writer.write(record)).await;
                let result = result.ok_or(format!("partition {partition} can't be written to"))?;
                let done = result.is_ok();
                self.settle(id, result);
                if done {
                    break;
                }
                self.world.sleep(Duration::from_millis(100)).await;
            }
        }
        Ok(())
    }

    fn limit(&self, limit: Duration) -> Duration {
        self.work.swarm.stretched(self.world.id(), limit) + SLACK
    }

    fn settle(&self, id: usize, result: Result<Written, WriteError>) {
        let outcome = result.map_or_else(Outcome::Failed, Outcome::Written);
        lock(&self.work.ledger).settle(id, outcome);
    }
}

/// The result if it comes within the limit. One that was there and only seen because the limit woke its task is late:
/// its own waker was lost.
async fn within<T>(world: &World, limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    let start = world.now();
    let result = world.timeout(limit, future).await?;
    let now = world.now();
    (now == start || now < start + limit).then_some(result)
}

// ---- reading ----

/// Runs a reading process, again when it is killed.
async fn keep_reading(work: Arc<Work>, process: World, main: World, read: Read, mut random: Random) {
    let mut again = false;
    loop {
        match process.run(reading(work.clone(), process.clone(), read.clone(), again)).await {
            Some(Ok(())) => return,
            Some(Err(wrong)) => {
                lock(&work.wrong).get_or_insert(wrong);
                return;
            }
            None => {}
        }
        again = true;
        main.sleep(random.duration(Duration::ZERO, Duration::from_secs(2))).await;
    }
}

/// One life of a reading process: one reader for all partitions, or, when it has been somewhere, one for each.
async fn reading(work: Arc<Work>, process: World, read: Read, again: bool) -> Result<(), String> {
    let client = client(&work.swarm, &process, 0)?;
    let mut config = work.swarm.reader.clone();
    if !epochs::are_told(work.swarm.options.cluster.as_version) {
        // A former leader that has less than was read is not told from the right one: it must not make it begin anew.
        config.reset = Reset::Error;
    }
    let reader = client.reader(config).map_err(text)?;
    let twice = work.swarm.has(Kind::AnswerTwice);
    if again || matches!(follow(reader, &read, Some(&work.read), twice).await?, Followed::Again) {
        let tasks: Vec<_> = (0..work.swarm.partitions)
            .map(|partition| {
                process.spawn(read_on(work.clone(), process.clone(), client.clone(), read.clone(), partition))
            })
            .collect();
        for task in tasks {
            task.await?;
        }
    }
    close(&client)?;
    Ok(())
}

/// Reads a partition from where the process is.
///
/// A new client may meet a broker that still takes itself for the leader and has less than was read already: it must not
/// begin anew for that.
async fn read_on(
    work: Arc<Work>,
    process: World,
    client: Client,
    read: Read,
    partition: i32,
) -> Result<(), String> {
    loop {
        let position = lock(&read).get(&partition).map_or(0, Vec::len);
        let mut config = work.swarm.reader.clone();
        config.partitions = Some(vec![partition]);
        config.start = Start::Offset(position as i64);
        config.reset = Reset::Error;
        let reader = client.reader(config).map_err(text)?;
        let twice = work.swarm.has(Kind::AnswerTwice);
        match follow(reader, &read, Some(&work.read), twice).await {
            Ok(Followed::ToTheEnd) => return Ok(()),
            Ok(Followed::Again) => process.sleep(Duration::from_millis(100)).await,
            Err(wrong) => {
                // Those for the other partitions go on, and are awaited first, perhaps.
                lock(&work.wrong).get_or_insert(wrong);
                return Ok(());
            }
        }
    }
}

enum Followed {
    ToTheEnd,
    /// What came is not what was to come: it can be asked for again.
    Again,
}

/// Reads until there is no more to come, or nobody wants more.
async fn follow(
    mut reader: Reader,
    read: &Read,
    done: Option<&Signal>,
    twice: bool,
) -> Result<Followed, String> {
    loop {
        let next = poll_fn(|cx| match reader.poll_next(cx) {
            Poll::Ready(next) => Poll::Ready(Some(next)),
            Poll::Pending => done.map_or(Poll::Pending, |done| done.poll(cx).map(|()| None)),
        });
        match next.await {
            Some(Some(Ok(message))) => {
                let mut read = lock(read);
                let records = read.entry(message.partition).or_default();
                if message.offset != records.len() as i64 {
                    let (expected, partition, offset) = (records.len(), message.partition, message.offset);
                    return Err(format!(
                        "partition {partition}: read offset {offset} where {expected} is next"
                    ));
                }
                records.push(Seen::read(&message));
            }
            Some(Some(Err(Error::CorruptBatch { .. } | Error::OffsetOutOfRange { .. }))) => {
                return Ok(Followed::Again);
            }
            // A broker that answers twice is broken, and a reader says so and ends.
            Some(Some(Err(error))) if twice && error.fault() == Fault::Peer => return Ok(Followed::Again),
            Some(Some(Err(error))) => return Err(format!("a reader failed: {error}")),
            Some(None) | None => return Ok(Followed::ToTheEnd),
        }
    }
}

fn ends(read: &BTreeMap<i32, Vec<Seen>>) -> BTreeMap<i32, usize> {
    read.iter().map(|(partition, records)| (*partition, records.len())).collect()
}

/// Waits until a process has read everything, or something is wrong.
async fn caught_up(work: &Work, world: &World, read: &Read) -> Result<(), String> {
    loop {
        if let Some(wrong) = lock(&work.wrong).clone() {
            return Err(wrong);
        }
        let ends = ends(&lock(read));
        let behind = (0..work.swarm.partitions).any(|partition| {
            let end = world.cluster(|cluster| cluster.offsets(TOPIC, partition)).map_or(0, |(_, end)| end);
            (ends.get(&partition).copied().unwrap_or(0) as i64) < end
        });
        if !behind {
            return Ok(());
        }
        world.sleep(Duration::from_millis(50)).await;
    }
}

/// Something that becomes true once, for all who wait.
#[derive(Default)]
struct Signal(Mutex<(bool, Vec<Waker>)>);

impl Signal {
    fn set(&self) {
        let waiting = {
            let mut signal = lock(&self.0);
            signal.0 = true;
            std::mem::take(&mut signal.1)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let mut signal = lock(&self.0);
        if signal.0 {
            return Poll::Ready(());
        }
        if !signal.1.iter().any(|waker| waker.will_wake(cx.waker())) {
            signal.1.push(cx.waker().clone());
        }
        Poll::Pending
    }

    async fn wait(&self) {
        poll_fn(|cx| self.poll(cx)).await;
    }
}

fn text(error: impl Display) -> String {
    error.to_string()
}
