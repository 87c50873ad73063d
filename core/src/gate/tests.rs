//! The gate with a driver that the test plays: what runs where, and what a panic leaves behind.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};
use std::time::Duration;

use super::*;
use crate::balancer::Record;
use crate::handle::{Call, Client, Writer};
use crate::machine::tests::{Asked, World};
use crate::producer::{Delivery, Written};
use crate::protocol::metadata::MetadataRequest;
use crate::record::{BatchBuilder, Compression, Producer};

/// What the driver was told, and how it is to behave.
#[derive(Default)]
struct Told {
    now: AtomicU64,
    clock_reads: AtomicU64,
    connects: Mutex<Vec<ConnId>>,
    ready: Mutex<Vec<ConnId>>,
    closed: Mutex<Vec<ConnId>>,
    notices: Mutex<Vec<Notice>>,
    jobs: Mutex<Vec<Job>>,
    keep_jobs: AtomicBool,
    panic_in_jobs: AtomicBool,
    panic_in_notices: AtomicBool,
    refuse_connects: AtomicBool,
    stopped: AtomicBool,
}

struct TestDriver(Arc<Told>);

impl Driver for TestDriver {
    fn now(&self) -> Now {
        self.0.clock_reads.fetch_add(1, Ordering::Relaxed);
        Now { mono: Instant::from_micros(self.0.now.load(Ordering::Relaxed)), wall: 0 }
    }

    fn connect(&self, _: &Arc<Gate>, conn: ConnId, _: &Address) -> Result<(), CloseReason> {
        lock(&self.0.connects).push(conn);
        match self.0.refuse_connects.load(Ordering::Relaxed) {
            true => Err(CloseReason::Resolve("no thread".to_owned())),
            false => Ok(()),
        }
    }

    fn close(&self, conn: ConnId) {
        lock(&self.0.closed).push(conn);
    }

    fn ready(&self, conn: ConnId) {
        lock(&self.0.ready).push(conn);
    }

    fn wake_at(&self, _: Instant) {}

    fn run(&self, job: Job) -> Option<Job> {
        assert!(!self.0.panic_in_jobs.load(Ordering::Relaxed), "a codec's");
        if self.0.keep_jobs.load(Ordering::Relaxed) {
            lock(&self.0.jobs).push(job);
            return None;
        }
        Some(job)
    }

    fn notice(&self, notice: Notice) {
        assert!(!self.0.panic_in_notices.load(Ordering::Relaxed), "a user's log");
        lock(&self.0.notices).push(notice);
    }

    fn stop(&self) {
        self.0.stopped.store(true, Ordering::Relaxed);
    }
}

/// A client, its driver, and a world that has the brokers' usual answers.
struct Stage {
    told: Arc<Told>,
    client: Client,
    channels: BTreeMap<ConnId, Channel>,
    world: World,
}

impl Stage {
    fn new() -> Stage {
        let told = Arc::new(Told::default());
        let config = Config::new("seed:9000").unwrap();
        let client = Client::new(config, [1; 32], Box::new(TestDriver(told.clone()))).unwrap();
        Stage { told, client, channels: BTreeMap::new(), world: World::new(|_| {}) }
    }

    /// Connects and answers until nothing is wanted any more.
    fn go_on(&mut self) {
        let gate = self.client.gate().clone();
        loop {
            let connects = std::mem::take(&mut *lock(&self.told.connects));
            let ready = std::mem::take(&mut *lock(&self.told.ready));
            if connects.is_empty() && ready.is_empty() {
                return;
            }
            for conn in connects {
                self.channels.insert(conn, gate.connected(conn));
            }
            for conn in ready {
                self.serve(&gate, conn);
            }
        }
    }

    fn serve(&mut self, gate: &Gate, conn: ConnId) {
        let Some(channel) = self.channels.get(&conn) else { return };
        while gate.transmit(channel) {}
        let mut bytes = Vec::new();
        while channel.has_unsent() {
            let write = |segments: &[std::io::IoSlice<'_>]| {
                segments.iter().for_each(|segment| bytes.extend_from_slice(segment));
                Ok::<_, ()>(segments.iter().map(|segment| segment.len()).sum())
            };
            channel.write_with(write).unwrap();
        }
        let mut bytes = Bytes::from(bytes);
        while !bytes.is_empty() {
            let length = i32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
            let frame = bytes.split_to(4 + length).slice(4..);
            let asked = Asked::of(conn, 9001, frame);
            let answer = self.world.usual_answer(&asked).expect("an answer");
            gate.received(channel, &answer.to_bytes()).unwrap();
        }
    }

    fn writer(&self) -> Writer {
        self.client.writer(WriterConfig::new("t")).unwrap()
    }

    /// A record that was handed over; the topic is known by then.
    fn enqueue(&mut self, writer: &Writer) -> Delivery {
        let record = Record::new("value");
        let mut enqueue = pin!(writer.enqueue(record));
        for _ in 0..10 {
            if let Poll::Ready(delivery) = poll(enqueue.as_mut()) {
                return delivery.unwrap();
            }
            self.go_on();
        }
        panic!("it waits for ever");
    }
}

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn cause(delivery: &Delivery) -> Error {
    delivery.outcome().expect("it waits for ever").unwrap_err().cause
}

fn panicked(what: &str) -> Error {
    Error::Panicked { what: what.to_owned() }
}

#[test]
fn a_record_goes_there_and_its_acknowledgement_comes_back() {
    let mut stage = Stage::new();
    let writer = stage.writer();
    let delivery = stage.enqueue(&writer);
    stage.go_on();
    let written = delivery.outcome().unwrap().unwrap();
    let expected = Written { topic: "t".into(), partition: 0, offset: Some(0), log_append_time: None };
    assert_eq!(written, expected);
    assert_eq!(writer.buffered_bytes(), 0);
    assert!(matches!(lock(&stage.told.notices)[0], Notice::ConnectionReady { broker: None, .. }));
}

/// Tells where it is called and where it is dropped.
struct Watch(Arc<Gate>, Arc<AtomicU64>);

impl Watch {
    fn look(&self) {
        let locked = self.0.inner.try_lock().is_err();
        self.1.fetch_add(if locked { 1000 } else { 1 }, Ordering::Relaxed);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.look();
    }
}

/// The closure of a call once ran, was cloned and was dropped under the lock.
#[test]
fn what_makes_a_request_never_runs_under_the_lock_and_is_not_dropped_there() {
    for cancelled in [false, true] {
        let mut stage = Stage::new();
        let seen = Arc::new(AtomicU64::new(0));
        let watch = Watch(stage.client.gate().clone(), seen.clone());
        let call = Call::by_version(move |_| {
            watch.look();
            MetadataRequest::default()
        });
        let client = stage.client.clone();
        let mut answer = Box::pin(client.call(call));
        assert!(poll(answer.as_mut()).is_pending());
        if !cancelled {
            stage.go_on();
            assert!(poll(answer.as_mut()).is_ready());
        }
        drop(answer);
        // It says once whether it is answered, and is made once to be sent.
        let expected = if cancelled { 2 } else { 3 };
        assert_eq!(seen.load(Ordering::Relaxed), expected, "cancelled: {cancelled}");
    }
}

#[test]
fn a_request_that_panics_when_it_is_made_fails_alone() {
    let mut stage = Stage::new();
    let call = Call::by_version(|_| MetadataRequest { topics: boom(), ..Default::default() });
    let client = stage.client.clone();
    let mut answer = pin!(client.call(call));
    assert!(poll(answer.as_mut()).is_pending());
    ARMED.set(true);
    stage.go_on();
    ARMED.set(false);
    let Poll::Ready(Err(error)) = poll(answer.as_mut()) else { panic!("it waits for ever") };
    assert_eq!(error, panicked("what makes the request Metadata"));
    let mut sound = pin!(client.call(MetadataRequest::default()));
    assert!(poll(sound.as_mut()).is_pending());
    stage.go_on();
    assert!(matches!(poll(sound.as_mut()), Poll::Ready(Ok(_))));
}

thread_local! {
    static ARMED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

fn boom<T: Default>() -> T {
    assert!(!ARMED.get(), "the user's");
    T::default()
}

/// Deliveries once waited for ever when a codec panicked.
#[test]
fn a_job_that_panics_ends_the_client_and_all_who_wait_are_told() {
    let mut stage = Stage::new();
    let (writer, other) = (stage.writer(), stage.writer());
    stage.told.keep_jobs.store(true, Ordering::Relaxed);
    let waiting = stage.enqueue(&other);
    stage.told.panic_in_jobs.store(true, Ordering::Relaxed);
    let delivery = stage.enqueue(&writer);
    stage.go_on();
    assert_eq!((cause(&delivery), cause(&waiting)), (panicked("a job"), panicked("a job")));
    ended_by(&mut stage, &writer, panicked("a job"));
}

fn ended_by(stage: &mut Stage, writer: &Writer, error: Error) {
    assert!(stage.told.stopped.load(Ordering::Relaxed));
    let closed = lock(&stage.told.closed).clone();
    assert!(stage.channels.keys().all(|conn| closed.contains(conn)), "{closed:?}");
    let refused = pin!(writer.write(Record::new("late")));
    let Poll::Ready(Err(late)) = poll(refused) else { panic!("it waits for ever") };
    assert!(late.cause == error || late.cause == Error::Closed, "{late:?}");
    let connect = pin!(stage.client.connect());
    let Poll::Ready(Err(late)) = poll(connect) else { panic!("it waits for ever") };
    assert_eq!(late, error);
    assert!(poll(pin!(writer.close())).is_ready());
}

#[test]
fn a_machine_that_panics_ends_the_client_and_all_who_wait_are_told() {
    let mut stage = Stage::new();
    let writer = stage.writer();
    stage.told.keep_jobs.store(true, Ordering::Relaxed);
    let delivery = stage.enqueue(&writer);
    let client = stage.client.clone();
    let mut reader = client.reader(ReaderConfig::new("t")).unwrap();
    let mut next = Box::pin(reader.next());
    assert!(poll(next.as_mut()).is_pending());
    let unknown = Record::new("value").to("other");
    let mut enqueue = Box::pin(writer.enqueue(unknown));
    assert!(poll(enqueue.as_mut()).is_pending());
    client.gate().step(|_, _| -> () { panic!("the machine's") });
    let error = panicked("the client's machine");
    assert_eq!(cause(&delivery), error);
    assert_eq!(poll(next.as_mut()), Poll::Ready(Some(Err(error.clone()))));
    let Poll::Ready(Err(refused)) = poll(enqueue.as_mut()) else { panic!("it waits for ever") };
    assert_eq!(refused.cause, error);
    drop((next, enqueue));
    ended_by(&mut stage, &writer, error);
    // A job that comes back late counts for nothing.
    std::mem::take(&mut *lock(&stage.told.jobs)).into_iter().for_each(Job::run);
}

#[test]
fn a_job_may_be_done_elsewhere_and_later() {
    let mut stage = Stage::new();
    let writer = stage.writer();
    stage.told.keep_jobs.store(true, Ordering::Relaxed);
    let delivery = stage.enqueue(&writer);
    stage.go_on();
    assert!(delivery.outcome().is_none());
    let jobs = std::mem::take(&mut *lock(&stage.told.jobs));
    assert_eq!(jobs.len(), 1);
    std::thread::scope(|scope| {
        scope.spawn(|| jobs.into_iter().for_each(Job::run));
    });
    stage.go_on();
    assert_eq!(delivery.outcome().unwrap().unwrap().offset, Some(0));
}

#[test]
fn a_job_that_is_dropped_ends_the_client() {
    let mut stage = Stage::new();
    let writer = stage.writer();
    stage.told.keep_jobs.store(true, Ordering::Relaxed);
    let delivery = stage.enqueue(&writer);
    stage.go_on();
    lock(&stage.told.jobs).clear();
    assert_eq!(cause(&delivery), Error::Closed);
    ended_by(&mut stage, &writer, Error::Closed);
}

/// A thread that read the clock and was held up before the lock once took the machine's time back.
#[test]
fn time_does_not_go_back_under_the_lock() {
    let stage = Stage::new();
    let gate = stage.client.gate();
    let mut times = Vec::new();
    for micros in [500, 300, 700] {
        stage.told.now.store(micros, Ordering::Relaxed);
        times.push(gate.step(|_, now| now.mono.as_micros()));
    }
    assert_eq!(times, [500, 500, 700]);
}

/// The machine was once told of each chunk that was read, though it could do nothing with so little room.
#[test]
fn the_machine_is_told_of_what_was_read_when_it_matters() {
    let stage = Stage::new();
    let mut reader = stage.client.reader(ReaderConfig::new("t")).unwrap();
    let inbox = lock(&stage.client.gate().inner).readers.values().next().unwrap().clone();
    let mut builder = BatchBuilder::with_capacity(0);
    builder.append(0, None, Some(&[0; 100_000]), &[]);
    let records = builder.seal(Compression::None, Producer::NONE).unwrap();
    let chunk = |partition| consumer::Chunk {
        partition,
        records: records.clone(),
        from: 0,
        end: i64::MAX,
        log_end: 1,
        aborted: Vec::new(),
    };
    (0..10).for_each(|partition| inbox.on_chunk(chunk(partition), &mut Vec::new()));
    let mut told = Vec::new();
    for partition in 0..10 {
        let before = stage.told.clock_reads.load(Ordering::Relaxed);
        // A chunk that is read to its end lets other tasks have their turn before the next one.
        let message = (0..2).find_map(|_| match poll(pin!(reader.next())) {
            Poll::Ready(message) => message,
            Poll::Pending => None,
        });
        assert_eq!(message.unwrap().unwrap().partition, partition);
        told.push(stage.told.clock_reads.load(Ordering::Relaxed) - before);
    }
    assert!(poll(pin!(reader.next())).is_pending());
    // Half of a partition's share is 512 KiB: six of them. The end is told, too.
    assert_eq!(told, [0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
    let total = stage.told.clock_reads.load(Ordering::Relaxed);
    drop(reader);
    assert_eq!(stage.told.clock_reads.load(Ordering::Relaxed), total + 1);
    assert!(inbox.is_empty());
}

#[test]
fn a_connect_that_cannot_even_begin_is_a_connection_that_was_refused() {
    let mut stage = Stage::new();
    stage.told.refuse_connects.store(true, Ordering::Relaxed);
    let client = stage.client.clone();
    let mut connect = pin!(client.connect());
    assert!(poll(connect.as_mut()).is_pending());
    assert!(matches!(lock(&stage.told.notices)[0], Notice::ConnectionRefused { .. }));
    stage.told.refuse_connects.store(false, Ordering::Relaxed);
    lock(&stage.told.connects).clear();
    stage.told.now.store(Duration::from_secs(1).as_micros() as u64, Ordering::Relaxed);
    client.gate().handle_timeout();
    stage.go_on();
    assert!(matches!(poll(connect.as_mut()), Poll::Ready(Ok(()))));
}

/// A balancer that tells where it is dropped.
struct Watching {
    _watch: Watch,
}

impl crate::balancer::Balancer for Watching {
    fn balance(&self, _: &Record<'_>, _: crate::balancer::Partitions<'_>) -> Option<i32> {
        None
    }
}

/// The machine had the last share of a writer's settings, once its handles were gone.
#[test]
fn a_balancer_is_not_dropped_under_the_lock() {
    let mut stage = Stage::new();
    let seen = Arc::new(AtomicU64::new(0));
    let _watch = Watch(stage.client.gate().clone(), seen.clone());
    let mut config = WriterConfig::new("t");
    config.balancer = Arc::new(Watching { _watch });
    let writer = stage.client.writer(config).unwrap();
    let delivery = stage.enqueue(&writer);
    drop(writer);
    assert_eq!(seen.load(Ordering::Relaxed), 0);
    stage.go_on();
    assert!(delivery.outcome().unwrap().is_ok());
    assert_eq!(seen.load(Ordering::Relaxed), 1);
}

/// Those that were to be woken after the driver had its turn were forgotten with it.
#[test]
fn a_driver_that_panics_ends_the_client_and_all_who_wait_are_woken() {
    let stage = Stage::new();
    let (client, woken) = (stage.client.clone(), Arc::new(Woken::default()));
    let mut connect = pin!(client.connect());
    let waker = Waker::from(woken.clone());
    assert!(connect.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    stage.told.panic_in_notices.store(true, Ordering::Relaxed);
    let conn = lock(&stage.told.connects)[0];
    client.gate().closed(conn, CloseReason::Frame(crate::wire::FrameError::Negative(-1)));
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    assert!(matches!(poll(connect.as_mut()), Poll::Ready(Err(Error::Bootstrap { .. }))));
    let mut late = pin!(client.connect());
    assert_eq!(poll(late.as_mut()), Poll::Ready(Err(panicked("the client's driver"))));
}

#[derive(Default)]
struct Woken(AtomicU64);

impl std::task::Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Who waits for a topic waited until `max_block`, although its writer was closed.
#[test]
fn closing_a_writer_ends_what_waits_for_a_topic() {
    let stage = Stage::new();
    let (writer, woken) = (stage.writer(), Arc::new(Woken::default()));
    let mut write = Box::pin(writer.write(Record::new("value")));
    let waker = Waker::from(woken.clone());
    assert!(write.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert!(poll(pin!(writer.close())).is_ready());
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    let Poll::Ready(Err(error)) = poll(write.as_mut()) else { panic!("it waits on") };
    assert_eq!(error.cause, Error::Closed);
}
