//! The one gate to the machine: lock, mutate, take the outputs, unlock; then carry them out.
//!
//! Rules:
//! - Only [`Gate::step`] locks the machine. What must keep its order (fetched data, results) is handed on under the lock;
//!   connects, jobs and wakers are carried out behind it. A job's result goes through the gate again.
//! - A waiter is registered under the very lock that starts its operation.
//! - A driver may see effects of two threads in either order: what it is told to close it may be told to connect
//!   later, and the machine then answers its `connected` with another `close`.

use std::collections::BTreeMap;
use std::iter;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::Waker;

use crate::client::{Client as Machine, Command, Input, Output, Outstanding};
use crate::config::{Address, Config};
use crate::connection::{Answer, ConnId};
use crate::context::{OpId, ReaderId, WriterId};
use crate::error::{CloseReason, Error};
use crate::handle::reader::Inbox;
use crate::handle::writer::Topics;
use crate::producer::{Clocks, Job, lock};
use crate::time::{Instant, Now};
use crate::wire::{Framer, SendQueue};

/// The world outside: what a runtime lends to a client. None of its methods may block or call the gate back.
pub trait Driver: Send + Sync + 'static {
    /// Both clocks.
    fn now(&self) -> Now;

    /// The wall clock alone, in milliseconds since the epoch: it is read for each record that has no timestamp.
    fn wall(&self) -> i64 {
        self.now().wall
    }

    /// Connects to a broker: [`Gate::connected`] or [`Gate::closed`] tells how it went.
    fn connect(&self, gate: &Arc<Gate>, conn: ConnId, address: &Address);

    /// Ends a connection or the attempt to make one. Nothing is to be told of it any more.
    fn close(&self, conn: ConnId);

    /// [`Gate::transmit`] has something for this connection.
    fn ready(&self, conn: ConnId);

    /// [`Gate::handle_timeout`] is to be called at this time. Only ever brings the call forward: a later time than
    /// one told before changes nothing.
    fn wake_at(&self, at: Instant);

    /// The client has ended: nothing will be asked for any more.
    fn stop(&self);
}

/// Bytes of frames that leave the machine at once: enough for a `writev` to be worth it, few enough that what has not been
/// written yet can still be cancelled or go elsewhere.
const PULL_BYTES: usize = 1 << 20;

/// A result on its way to the one who waits for it.
pub(crate) type Slot = Mutex<(Option<Result<Option<Answer>, Error>>, Option<Waker>)>;

struct Inner {
    machine: Machine,
    operations: BTreeMap<OpId, Arc<Slot>>,
    writers: BTreeMap<WriterId, Arc<Topics>>,
    readers: BTreeMap<ReaderId, Arc<Inbox>>,
}

/// What is left to do behind the lock.
#[derive(Default)]
struct Effects {
    connect: Vec<(ConnId, Address)>,
    close: Vec<ConnId>,
    ready: Vec<ConnId>,
    jobs: Vec<Job>,
    wakers: Vec<Waker>,
}

/// A client's machine behind its lock, as drivers and handles share it.
pub struct Gate {
    me: Weak<Gate>,
    driver: Box<dyn Driver>,
    inner: Mutex<Inner>,
    next_id: AtomicU64,
    max_frame_bytes: usize,
}

impl Gate {
    pub(crate) fn new(config: Arc<Config>, seed: [u8; 32], driver: Box<dyn Driver>) -> Arc<Gate> {
        Arc::new_cyclic(|me| Gate {
            me: me.clone(),
            driver,
            max_frame_bytes: config.max_frame_bytes,
            inner: Mutex::new(Inner {
                machine: Machine::new(config, seed),
                operations: BTreeMap::new(),
                writers: BTreeMap::new(),
                readers: BTreeMap::new(),
            }),
            next_id: AtomicU64::new(0),
        })
    }

    /// Largest frame that connections may accept, in bytes.
    pub fn max_frame_bytes(&self) -> usize {
        self.max_frame_bytes
    }

    /// A connection was made.
    pub fn connected(&self, conn: ConnId) {
        self.step(|inner, now| inner.machine.handle(now, Input::Connected { conn }));
    }

    /// Bytes came on a connection; none of them are its end.
    ///
    /// # Errors
    /// The connection has ended, or what came is not Kafka's: it is to be dropped, and this told to [`closed`](Self::closed).
    pub fn received(&self, conn: ConnId, framer: &mut Framer, bytes: &[u8]) -> Result<(), CloseReason> {
        if bytes.is_empty() {
            let (mid_frame, before_first_answer) = (framer.is_mid_frame(), framer.is_first());
            return Err(CloseReason::Eof { mid_frame, before_first_answer });
        }
        let pushed = framer.push(bytes);
        if let Some(first) = framer.next_frame() {
            let frames = iter::once(first).chain(iter::from_fn(|| framer.next_frame()));
            self.step(|inner, now| {
                frames.for_each(|frame| inner.machine.handle(now, Input::Frame { conn, frame }));
            });
        }
        pushed.map_err(CloseReason::Frame)
    }

    /// A connection could not be made, or ended.
    pub fn closed(&self, conn: ConnId, reason: CloseReason) {
        self.step(|inner, now| inner.machine.handle(now, Input::Closed { conn, reason }));
    }

    /// Moves the frames that this connection is to send to `unsent`, about 1 MiB of them at most; whether there may
    /// be more. To be called when all of those before are written.
    pub fn transmit(&self, conn: ConnId, unsent: &mut SendQueue) -> bool {
        self.step(|inner, now| {
            let mut pulled = 0;
            while pulled < PULL_BYTES {
                let Some(frame) = inner.machine.poll_transmit(now, conn) else { return false };
                pulled += frame.len();
                unsent.push(frame);
            }
            true
        })
    }

    /// Does what is due.
    pub fn handle_timeout(&self) {
        self.step(|inner, now| inner.machine.handle_timeout(now));
    }

    pub(crate) fn now(&self) -> Now {
        self.driver.now()
    }

    pub(crate) fn command(&self, command: Command) {
        self.step(|inner, now| inner.machine.start(now, command));
    }

    /// Starts an operation that has a result.
    pub(crate) fn start(&self, command: Command) -> Operation {
        let slot = Arc::new(Slot::default());
        let op = self.step(|inner, now| {
            // Outputs are taken behind this, so even a result that is there at once finds its slot.
            let op = inner.machine.start(now, command);
            inner.operations.insert(op, slot.clone());
            op
        });
        Operation { gate: self.me.clone(), op, slot }
    }

    pub(crate) fn open_writer(
        &self,
        topics: Arc<Topics>,
        open: impl FnOnce(WriterId) -> Command,
    ) -> WriterId {
        let writer = WriterId(self.next_id.fetch_add(1, Ordering::Relaxed));
        self.step(|inner, now| {
            inner.writers.insert(writer, topics);
            inner.machine.start(now, open(writer));
        });
        writer
    }

    pub(crate) fn close_writer(&self, writer: WriterId) {
        self.step(|inner, now| {
            inner.writers.remove(&writer);
            inner.machine.start(now, Command::CloseWriter { writer });
        });
    }

    pub(crate) fn open_reader(&self, inbox: Arc<Inbox>, open: impl FnOnce(ReaderId) -> Command) -> ReaderId {
        let reader = ReaderId(self.next_id.fetch_add(1, Ordering::Relaxed));
        self.step(|inner, now| {
            inner.readers.insert(reader, inbox);
            inner.machine.start(now, open(reader));
        });
        reader
    }

    pub(crate) fn close_reader(&self, reader: ReaderId) {
        self.step(|inner, now| {
            inner.readers.remove(&reader);
            inner.machine.start(now, Command::CloseReader { reader });
        });
    }

    pub(crate) fn outstanding(&self) -> Outstanding {
        self.step(|inner, _| {
            let mut outstanding = inner.machine.outstanding();
            let topics = inner.writers.values().map(|topics| topics.waiters());
            outstanding.waiters += inner.operations.len() + topics.sum::<usize>();
            outstanding
        })
    }

    pub(crate) fn shut_down(&self) {
        self.command(Command::Shutdown);
        self.driver.stop();
    }

    fn step<T>(&self, f: impl FnOnce(&mut Inner, Now) -> T) -> T {
        let now = self.driver.now();
        let mut effects = Effects::default();
        let (result, mut timeout) = {
            let mut inner = lock(&self.inner);
            let result = f(&mut inner, now);
            inner.take_outputs(&mut effects);
            (result, inner.machine.poll_timeout())
        };
        let mut wakers = Vec::new();
        loop {
            for (conn, address) in effects.connect.drain(..) {
                if let Some(me) = self.me.upgrade() {
                    self.driver.connect(&me, conn, &address);
                }
            }
            effects.close.drain(..).for_each(|conn| self.driver.close(conn));
            effects.ready.drain(..).for_each(|conn| self.driver.ready(conn));
            wakers.append(&mut effects.wakers);
            if effects.jobs.is_empty() {
                break;
            }
            for job in std::mem::take(&mut effects.jobs) {
                let worked = job.run(&mut wakers);
                let mut inner = lock(&self.inner);
                inner.machine.handle(now, Input::Worked(worked));
                inner.take_outputs(&mut effects);
                timeout = inner.machine.poll_timeout();
            }
        }
        if let Some(at) = timeout {
            self.driver.wake_at(at);
        }
        wakers.into_iter().for_each(Waker::wake);
        result
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

impl Inner {
    fn take_outputs(&mut self, effects: &mut Effects) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Connect { conn, address } => effects.connect.push((conn, address)),
                Output::Close { conn } => effects.close.push(conn),
                Output::Ready { conn } => effects.ready.push(conn),
                Output::Work(job) => effects.jobs.push(job),
                Output::Done { op, result } => {
                    if let Some(slot) = self.operations.remove(&op) {
                        let mut slot = lock(&slot);
                        slot.0 = Some(result);
                        effects.wakers.extend(slot.1.take());
                    }
                }
                Output::Topic { writer, topic, view } => {
                    if let Some(topics) = self.writers.get(&writer) {
                        topics.on_topic(&topic, view, &mut effects.wakers);
                    }
                }
                Output::Complete { completion, first, records, outcome } => {
                    effects.wakers.extend(completion.complete(first, records, outcome));
                }
                Output::Release { budget, bytes } => effects.wakers.extend(budget.release(bytes)),
                Output::Fetched { reader, chunk } => {
                    if let Some(inbox) = self.readers.get(&reader) {
                        inbox.on_chunk(chunk, &mut effects.wakers);
                    }
                }
                Output::Ended { reader, error } => {
                    if let Some(inbox) = self.readers.get(&reader) {
                        inbox.on_end(error, &mut effects.wakers);
                    }
                }
            }
        }
    }
}

/// An operation under way: a future of its result. Dropping it cancels the operation.
pub(crate) struct Operation {
    gate: Weak<Gate>,
    op: OpId,
    slot: Arc<Slot>,
}

impl Future for Operation {
    type Output = Result<Option<Answer>, Error>;

    fn poll(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        let mut slot = lock(&self.slot);
        match slot.0.take() {
            Some(result) => std::task::Poll::Ready(result),
            None => {
                let before = slot.1.replace(cx.waker().clone());
                // A task may go with its last waker, and its operations with it: not under this lock.
                drop(slot);
                drop(before);
                std::task::Poll::Pending
            }
        }
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if let Some(gate) = self.gate.upgrade() {
            let op = self.op;
            gate.step(|inner, now| {
                if inner.operations.remove(&op).is_some() {
                    inner.machine.start(now, Command::Cancel { op });
                }
            });
        }
    }
}
