//! The one gate to the machine: lock, mutate, take the outputs, unlock; then carry them out.
//!
//! Rules:
//! - Only `Gate::enter` locks the machine. What must keep its order (fetched data, results) is handed on under the lock;
//!   connects, jobs, notices and wakers come after it is released. A job's result goes through the gate again.
//! - No code of users runs under the lock, nor do encoding, decoding, compression or the freeing of large buffers.
//! - The machine knows ids; what they stand for (who waits, where records gather, an inbox) is kept here.
//! - A waiter is registered under the very lock that starts its operation.
//! - Time does not go back from one step to the next, whichever thread read the clock first.
//! - A driver may see effects of two threads in either order: what it is told to close it may be told to connect
//!   later, and the machine then answers its `connected` with another `close`.
//! - A panic, of the machine or of a job, ends the client: everyone who waits is told so.

mod back;
mod job;
mod operation;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::Waker;

use bytes::Bytes;

use crate::config::{Address, Config, ReaderConfig, WriterConfig};
use crate::connection::{AnyRequest, Channel, ConnId};
use crate::consumer::{self, Inbox};
use crate::context::{OpId, ReaderId, WriterId};
use crate::error::{CloseReason, Error, Fate, WriteError};
#[cfg(not(feature = "recording"))]
use crate::machine::Machine;
use crate::machine::{Ask, Command, Input, Output, Outstanding};
use crate::notice::Notice;
use crate::producer::{self, Accumulator, Clocks, Worked};
#[cfg(feature = "recording")]
use crate::recording::{Recorded as Machine, Recording};
use crate::sync::lock;
use crate::time::{Instant, Now};

use back::Back;
pub use job::Job;
pub(crate) use operation::Operation;
use operation::Slot;

/// The world outside: what a runtime lends to a client. None of its methods may block or call the gate back.
pub trait Driver: Send + Sync + 'static {
    /// Both clocks.
    fn now(&self) -> Now;

    /// The wall clock alone, in milliseconds since the epoch: it is read for each record that has no timestamp.
    fn wall(&self) -> i64 {
        self.now().wall
    }

    /// Connects to a broker: [`Gate::connected`] or [`Gate::closed`] tells how it went.
    ///
    /// # Errors
    /// It could not even begin; nothing else is to be told of this connection.
    fn connect(&self, gate: &Arc<Gate>, conn: ConnId, address: &Address) -> Result<(), CloseReason>;

    /// Ends a connection or the attempt to make one. Nothing is to be told of it any more.
    fn close(&self, conn: ConnId);

    /// [`Gate::transmit`] has something for this connection.
    fn ready(&self, conn: ConnId);

    /// [`Gate::handle_timeout`] is to be called at this time. Only ever brings the call forward: a later time than
    /// one told before changes nothing.
    fn wake_at(&self, at: Instant);

    /// Takes a job to be run somewhere else ([`Job::run`]), or gives it back: then it is done at once, on this thread.
    fn run(&self, job: Job) -> Option<Job> {
        Some(job)
    }

    /// Something happened that an operator may want to know. By default nobody does.
    fn notice(&self, notice: Notice) {
        let _ = notice;
    }

    /// The client has ended: nothing will be asked for any more.
    fn stop(&self);
}

/// Bytes of records that leave the machine at once: enough for a `writev` to be worth it, few enough that what has not been
/// written yet can still be cancelled or go elsewhere.
const PULL_BYTES: usize = 1 << 20;

/// Who waits for an operation.
struct Waiting {
    slot: Arc<Slot>,
    /// Lest the machine hold the last share of what is a user's, and drop it under the lock.
    _request: Option<Arc<dyn AnyRequest>>,
}

/// What a writer's handles share.
struct Writing {
    accumulator: Arc<Accumulator>,
    /// Lest the machine hold the last share of it: its balancer is a user's.
    _config: Arc<WriterConfig>,
}

struct Inner {
    machine: Machine,
    /// When the last step was.
    now: Instant,
    operations: BTreeMap<OpId, Waiting>,
    writers: BTreeMap<WriterId, Writing>,
    readers: BTreeMap<ReaderId, Arc<Inbox>>,
    connections: BTreeSet<ConnId>,
}

/// What is left to do when the lock is released.
#[derive(Default)]
struct Effects {
    connect: Vec<(ConnId, Address)>,
    close: Vec<ConnId>,
    ready: Vec<ConnId>,
    jobs: Vec<Job>,
    notices: Vec<Notice>,
    wakers: Vec<Waker>,
    buffers: Vec<Bytes>,
    waiting: Vec<Waiting>,
    writers: Vec<Writing>,
    timeout: Option<Instant>,
    /// One that has panicked, with all that it holds.
    machine: Option<Box<Machine>>,
    /// The client has ended by a panic.
    stop: bool,
}

/// A client's machine under its lock, as drivers and handles share it.
pub struct Gate {
    me: Weak<Gate>,
    driver: Box<dyn Driver>,
    config: Arc<Config>,
    inner: Mutex<Inner>,
    next_id: AtomicU64,
}

impl Gate {
    pub(crate) fn new(config: Arc<Config>, seed: [u8; 32], driver: Box<dyn Driver>) -> Arc<Gate> {
        Arc::new_cyclic(|me| Gate {
            me: me.clone(),
            driver,
            inner: Mutex::new(Inner {
                machine: Machine::new(config.clone(), seed),
                now: Instant::default(),
                operations: BTreeMap::new(),
                writers: BTreeMap::new(),
                readers: BTreeMap::new(),
                connections: BTreeSet::new(),
            }),
            config,
            next_id: AtomicU64::new(0),
        })
    }

    /// A connection was made: what is read and written on it goes through this channel.
    pub fn connected(&self, conn: ConnId) -> Channel {
        self.handle(Input::Connected { conn });
        Channel::new(conn, &self.config)
    }

    /// Bytes came on a connection; none of them are its end.
    ///
    /// # Errors
    /// The connection has ended, or what came is not Kafka's: it is to be dropped, and this told to [`closed`](Self::closed).
    pub fn received(&self, channel: &Channel, bytes: &[u8]) -> Result<(), CloseReason> {
        let result = self.guard("decoding an answer", || channel.receive(bytes)).unwrap_or(Ok(()));
        if let Some(first) = channel.poll_answer() {
            let answers = iter::once(first).chain(iter::from_fn(|| channel.poll_answer()));
            // Of an answer that nobody wants any more the machine has the last share otherwise, and frees megabytes.
            let mut frames = Vec::new();
            self.step(|inner, now| {
                for answered in answers {
                    frames.extend(answered.answer.large_frame());
                    inner.machine.handle(now, Input::Answered(answered));
                }
            });
        }
        result
    }

    /// A connection could not be made, or ended.
    pub fn closed(&self, conn: ConnId, reason: CloseReason) {
        self.handle(Input::Closed { conn, reason });
    }

    /// Moves the requests that this connection is to send to its channel, about 1 MiB of records at most; whether there may
    /// be more. To be called when all of those before are written.
    pub fn transmit(&self, channel: &Channel) -> bool {
        let (transmits, more) = self.step(|inner, now| {
            let (mut transmits, mut bytes) = (Vec::new(), 0);
            while bytes < PULL_BYTES {
                let Some(transmit) = inner.machine.poll_transmit(now, channel.conn()) else {
                    return (transmits, false);
                };
                bytes += transmit.request.record_bytes();
                transmits.push(transmit);
            }
            (transmits, true)
        });
        let encoded: Vec<_> = transmits.into_iter().filter_map(|transmit| channel.send(transmit)).collect();
        if !encoded.is_empty() {
            self.step(|inner, now| {
                encoded.into_iter().for_each(|encoded| inner.machine.handle(now, Input::Encoded(encoded)));
            });
        }
        more
    }

    /// Does what is due.
    pub fn handle_timeout(&self) {
        self.step(|inner, now| inner.machine.handle_timeout(now));
    }

    pub(crate) fn now(&self) -> Now {
        self.driver.now()
    }

    pub(crate) fn command(&self, command: Command) {
        self.step(|inner, now| inner.machine.command(now, command));
    }

    fn handle(&self, input: Input) {
        self.step(|inner, now| inner.machine.handle(now, input));
    }

    fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Starts an operation that has a result.
    pub(crate) fn start(&self, command: impl FnOnce(OpId) -> Command) -> Operation {
        self.start_with(None, command)
    }

    /// Sends a request.
    pub(crate) fn ask(&self, ask: Ask) -> Operation {
        self.start_with(Some(ask.request.clone()), |op| Command::Ask(op, ask))
    }

    fn start_with(
        &self,
        request: Option<Arc<dyn AnyRequest>>,
        command: impl FnOnce(OpId) -> Command,
    ) -> Operation {
        let (op, slot) = (OpId(self.next_id()), Arc::new(Slot::default()));
        let waiting = Waiting { slot: slot.clone(), _request: request };
        self.step(|inner, now| {
            // Outputs are taken after this, so even a result that is there at once finds its slot.
            inner.operations.insert(op, waiting);
            inner.machine.command(now, command(op));
        });
        let back: Weak<dyn Back> = self.me.clone();
        Operation { back, op, slot }
    }

    pub(crate) fn open_writer(&self, accumulator: Arc<Accumulator>, config: Arc<WriterConfig>) -> WriterId {
        let writer = WriterId(self.next_id());
        self.step(|inner, now| {
            inner.writers.insert(writer, Writing { accumulator, _config: config.clone() });
            inner.machine.command(now, Command::Writer(writer, producer::Command::Open(config)));
        });
        writer
    }

    pub(crate) fn open_reader(&self, inbox: Arc<Inbox>, config: Arc<ReaderConfig>) -> ReaderId {
        let reader = ReaderId(self.next_id());
        self.step(|inner, now| {
            inner.readers.insert(reader, inbox);
            inner.machine.command(now, Command::Reader(reader, consumer::Command::Open(config)));
        });
        reader
    }

    pub(crate) fn close_reader(&self, reader: ReaderId) {
        let inbox = self.step(|inner, now| {
            inner.machine.command(now, Command::Reader(reader, consumer::Command::Close));
            inner.readers.remove(&reader)
        });
        // With what it holds, which nobody has read.
        drop(inbox);
    }

    pub(crate) fn outstanding(&self) -> Outstanding {
        self.step(|inner, _| {
            let mut outstanding = inner.machine.outstanding();
            let waiters = inner.writers.values().map(|writing| writing.accumulator.waiters());
            outstanding.waiters = inner.operations.len() + waiters.sum::<usize>();
            let bytes = inner.writers.values().map(|writing| writing.accumulator.budget.used());
            outstanding.buffered_bytes = bytes.sum();
            outstanding
        })
    }

    #[cfg(feature = "recording")]
    pub(crate) fn recording(&self) -> Option<Recording> {
        self.step(|inner, _| inner.machine.recording())
    }

    pub(crate) fn shut_down(&self) {
        self.command(Command::Shutdown(Error::Closed));
        self.driver.stop();
    }

    fn step<T: Default>(&self, f: impl FnOnce(&mut Inner, Now) -> T) -> T {
        let now = self.driver.now();
        let mut effects = Effects::default();
        let result = self.locked(now, &mut effects, f);
        self.carry_out(now, effects);
        result
    }

    /// The only place where the machine is locked. Another thread may have come first with a later time: that one counts.
    fn enter(&self, now: Now) -> (MutexGuard<'_, Inner>, Now) {
        let mut inner = lock(&self.inner);
        inner.now = inner.now.max(now.mono);
        let now = Now { mono: inner.now, ..now };
        (inner, now)
    }

    fn locked<T: Default>(&self, now: Now, effects: &mut Effects, f: impl FnOnce(&mut Inner, Now) -> T) -> T {
        let (mut inner, now) = self.enter(now);
        let whole = catch_unwind(AssertUnwindSafe(|| {
            let result = f(&mut inner, now);
            inner.take_outputs(&self.me, effects);
            effects.timeout = inner.machine.poll_timeout();
            result
        }));
        whole.unwrap_or_else(|_| {
            let error = Error::Panicked { what: "the client's machine".to_owned() };
            inner.end(&self.config, now, effects, error);
            T::default()
        })
    }

    /// A panic of this ends the client. `None` then.
    fn guard<T>(&self, what: &str, f: impl FnOnce() -> T) -> Option<T> {
        let result = catch_unwind(AssertUnwindSafe(f));
        if result.is_err() {
            self.fail(Error::Panicked { what: what.to_owned() });
        }
        result.ok()
    }

    /// The client can't go on.
    fn fail(&self, error: Error) {
        let now = self.driver.now();
        let mut effects = Effects::default();
        {
            let (mut inner, now) = self.enter(now);
            inner.end(&self.config, now, &mut effects, error);
        }
        self.carry_out(now, effects);
    }

    fn carry_out(&self, now: Now, mut effects: Effects) {
        loop {
            let mut inputs = Vec::new();
            // Some of this is code of users, and some of that may panic: nobody's wake-up is to be lost.
            self.guard("the client's driver", || {
                for (conn, address) in effects.connect.drain(..) {
                    if let Some(me) = self.me.upgrade()
                        && let Err(reason) = self.driver.connect(&me, conn, &address)
                    {
                        inputs.push(Input::Closed { conn, reason });
                    }
                }
                effects.close.drain(..).for_each(|conn| self.driver.close(conn));
                effects.ready.drain(..).for_each(|conn| self.driver.ready(conn));
                effects.notices.drain(..).for_each(|notice| self.driver.notice(notice));
                effects.buffers.clear();
                effects.waiting.clear();
                effects.writers.clear();
                effects.machine = None;
            });
            for waker in effects.wakers.drain(..) {
                self.guard("a waker", || waker.wake());
            }
            let jobs = std::mem::take(&mut effects.jobs);
            let worked: Vec<Worked> = jobs.into_iter().filter_map(|job| self.work(job)).collect();
            if !worked.is_empty() {
                inputs.push(Input::Worked(worked));
            }
            if inputs.is_empty() {
                break;
            }
            self.locked(now, &mut effects, |inner, now| {
                inputs.into_iter().for_each(|input| inner.machine.handle(now, input));
            });
        }
        if let Some(at) = effects.timeout {
            self.driver.wake_at(at);
        }
        if effects.stop {
            self.driver.stop();
        }
    }

    /// What came of a job, if it is done here and now.
    fn work(&self, job: Job) -> Option<Worked> {
        self.guard("a job", || self.driver.run(job).and_then(Job::finish)).flatten()
    }
}

impl Clocks for &Gate {
    fn wall(&self) -> i64 {
        self.driver.wall()
    }

    fn mono(&self) -> Instant {
        self.driver.now().mono
    }
}

impl Back for Gate {
    fn cancel(&self, op: OpId) {
        let waiting = self.step(|inner, now| {
            let waiting = inner.operations.remove(&op);
            if waiting.is_some() {
                inner.machine.command(now, Command::Cancel(op));
            }
            waiting
        });
        drop(waiting);
    }

    fn worked(&self, worked: Worked) {
        self.handle(Input::Worked(vec![worked]));
    }

    fn lost(&self, error: Error) {
        self.fail(error);
    }
}

impl Inner {
    fn take_outputs(&mut self, gate: &Weak<Gate>, effects: &mut Effects) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Connect { conn, address } => {
                    self.connections.insert(conn);
                    effects.connect.push((conn, address));
                }
                Output::Close { conn } => {
                    self.connections.remove(&conn);
                    effects.close.push(conn);
                }
                Output::Ready { conn } => effects.ready.push(conn),
                Output::Done { op, result } => {
                    if let Some(waiting) = self.operations.remove(&op) {
                        effects.wakers.extend(waiting.slot.put(result));
                        effects.waiting.push(waiting);
                    }
                }
                Output::Writer(writer, output) => {
                    let Some(Writing { accumulator, .. }) = self.writers.get(&writer) else { continue };
                    match output {
                        producer::Output::Work(job) => {
                            let gather = accumulator.gather(job.slot);
                            effects.jobs.extend(gather.map(|gather| Job::new(gate.clone(), gather, job)));
                        }
                        producer::Output::Gone => effects.writers.extend(self.writers.remove(&writer)),
                        output => accumulator.on_output(output, &mut effects.wakers, &mut effects.buffers),
                    }
                }
                Output::Reader(reader, output) => {
                    let Some(inbox) = self.readers.get(&reader) else { continue };
                    match output {
                        consumer::Output::Fetched(chunk) => inbox.on_chunk(chunk, &mut effects.wakers),
                        consumer::Output::Ended(error) => inbox.on_end(error, &mut effects.wakers),
                    }
                }
                Output::Notice(notice) => effects.notices.push(notice),
            }
        }
    }

    /// Something is lost that the machine counts on: whoever waits is told, and another machine, which has ended, answers those
    /// who come later.
    fn end(&mut self, config: &Arc<Config>, now: Now, effects: &mut Effects, error: Error) {
        let mut machine = Machine::new(config.clone(), [0; 32]);
        #[cfg(feature = "recording")]
        machine.replace(&mut self.machine, &error);
        machine.command(now, Command::Shutdown(error.clone()));
        effects.machine = Some(Box::new(std::mem::replace(&mut self.machine, machine)));
        for (_, waiting) in std::mem::take(&mut self.operations) {
            effects.wakers.extend(waiting.slot.put(Err(error.clone())));
            effects.waiting.push(waiting);
        }
        for inbox in self.readers.values() {
            inbox.on_end(Some(error.clone()), &mut effects.wakers);
        }
        let failed = WriteError { fate: Fate::Unknown, cause: error };
        for writing in self.writers.values() {
            writing.accumulator.abandon(&failed, &mut effects.wakers);
        }
        effects.close.extend(std::mem::take(&mut self.connections));
        effects.stop = true;
    }
}
