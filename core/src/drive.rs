//! The async driver, written once for every runtime.
//!
//! A runtime lends four things ([`Runtime`]): a clock, connects, a timer and tasks. From them come one task for each
//! connection, which reads, frames, hands frames to the gate, pulls frames and writes them, and one task for the clock.
//!
//! - A readable socket is read until it would block, and written until it would block, within a bound that lets other
//!   tasks have their turn.
//! - Frames are pulled only when the socket has taken all of the ones before, so that they stay with the machine, where
//!   they can still be cancelled or sent elsewhere, as long as possible.
//! - A task of a client that is dropped before its end takes the client with it: its runtime is gone, and calls would wait for ever.
//!
//! To bring a runtime of one's own, implement [`Runtime`] and [`Stream`], and [`start`] clients on it: about a hundred lines for
//! one that has sockets, timers and tasks. Milena's repository shows in `conformance/examples/own_runtime.rs` how it is done with an
//! executor that is made for the purpose, and the suite `milena_conformance::suite` tells whether it is right.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};

use crate::config::{Address, Config};
use crate::connection::Channel;
use crate::connection::ConnId;
use crate::error::{CloseReason, Error};
use crate::gate::{Driver, Gate, Job};
use crate::handle::Client;
use crate::notice::Notice;
use crate::sync::lock;
use crate::time::{Instant, Now};

/// A connected byte stream, which is closed when it is dropped.
///
/// One task does both, so `Pending` has to keep the context's waker for reading and for writing, each by itself.
pub trait Stream: Send + Unpin + 'static {
    /// Reads some bytes to the beginning of `buffer`, which is not empty; 0 is the end of the stream.
    ///
    /// # Errors
    /// Those of the socket.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Writes some bytes of these segments, of which there is at least one: as many as the socket takes at once.
    ///
    /// # Errors
    /// Those of the socket.
    fn poll_write(&mut self, cx: &mut Context<'_>, segments: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;
}

/// Bytes that a driver reads at once: few enough to stay in a core's cache until they are copied to their frame.
pub const READ_BYTES: usize = 64 << 10;

thread_local! {
    /// What is read lands here first. Sockets of std write only to memory that was written to before, and memory that is in the
    /// processor's cache takes it fastest, whatever frame it is for.
    static READ: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What a runtime lends to the driver: clocks, connects, timers and tasks.
///
/// The driver calls it from any thread that uses a handle of the client, inside of the runtime or not. None of the methods may block. Each
/// future is polled by a task that was spawned here, and dropped when it is not wanted any more: a connect is given up, a timer is armed anew.
pub trait Runtime: Send + Sync + 'static {
    /// Its streams.
    type Stream: Stream;

    /// Both clocks. The monotonic one counts from any moment, such as the runtime's start, and never goes back.
    fn now(&self) -> Now;

    /// The wall clock alone, in milliseconds since the epoch: it is read for each record that has no timestamp.
    fn wall(&self) -> i64 {
        self.now().wall
    }

    /// Resolves the name, and connects to the first of its addresses that can be connected to; without Nagle's algorithm
    /// (`TCP_NODELAY`), which would hold up small requests. It needs no time limit: the driver has one.
    fn connect(
        &self,
        address: &Address,
    ) -> impl Future<Output = Result<Self::Stream, CloseReason>> + Send + 'static;

    /// Is ready at this time of the monotonic clock or soon after, and never before.
    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + Send + 'static;

    /// Takes a job to be run ([`Job::run`]) where it holds up no task, or gives it back to be done at once, which is the default.
    /// A runtime with threads for what blocks wants those that are [heavy](Job::is_heavy).
    fn run(&self, job: Job) -> Option<Job> {
        Some(job)
    }

    /// Something happened that an operator may want to know. By default nobody does.
    fn notice(&self, notice: Notice) {
        let _ = notice;
    }

    /// Runs a task to its end, which comes soon after the client is closed or its last handle dropped. A runtime that ends
    /// before drops it, and thereby ends the client; so does one that has ended already.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);
}

/// Starts a client on a runtime. `seed` should be random in production.
///
/// # Errors
/// [`Error::Config`].
pub fn start<R: Runtime>(runtime: R, config: Config, seed: [u8; 32]) -> Result<Client, Error> {
    let runtime = Arc::new(runtime);
    let clock = Arc::new(Clock::default());
    let driver = AsyncDriver { runtime: runtime.clone(), clock: clock.clone(), links: Arc::default() };
    let client = Client::new(config, seed, Box::new(driver))?;
    let gate = Arc::downgrade(&client.shared.gate);
    let mut alive = Alive(gate.clone());
    let mut sleep: Option<(Instant, Timer)> = None;
    let sleeper = runtime.clone();
    runtime.spawn(std::future::poll_fn(move |cx| {
        loop {
            clock.wake.register(cx);
            if clock.stopped.load(Ordering::Acquire) {
                return alive.end();
            }
            let at = Instant::from_micros(clock.at.load(Ordering::Acquire));
            if at == Instant::MAX {
                sleep = None;
                return Poll::Pending;
            }
            if sleep.as_ref().is_none_or(|(armed, _)| *armed != at) {
                sleep = Some((at, Box::pin(sleeper.sleep_until(at))));
            }
            let Some((_, timer)) = &mut sleep else { return Poll::Pending };
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            sleep = None;
            clock.at.store(u64::MAX, Ordering::Release);
            match gate.upgrade() {
                Some(gate) => gate.handle_timeout(),
                None => return alive.end(),
            }
        }
    }));
    Ok(client)
}

/// A task of a client. Dropped before its end, it ends the client.
struct Alive(Weak<Gate>);

impl Alive {
    fn end(&mut self) -> Poll<()> {
        self.0 = Weak::new();
        Poll::Ready(())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        if let Some(gate) = self.0.upgrade() {
            gate.shut_down();
        }
    }
}

type Timer = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A place for the one task that is to be woken.
#[derive(Default)]
struct Wake(Mutex<Option<Waker>>);

impl Wake {
    fn register(&self, cx: &Context<'_>) {
        let mut waker = lock(&self.0);
        if waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    fn wake(&self) {
        let waker = lock(&self.0).clone();
        waker.iter().for_each(Waker::wake_by_ref);
    }
}

struct Clock {
    /// When the gate wants to be called, in microseconds.
    at: AtomicU64,
    stopped: AtomicBool,
    wake: Wake,
}

impl Default for Clock {
    fn default() -> Self {
        Clock { at: AtomicU64::new(u64::MAX), stopped: AtomicBool::new(false), wake: Wake::default() }
    }
}

/// What the gate tells a connection's task.
#[derive(Default)]
struct Link {
    ready: AtomicBool,
    closed: AtomicBool,
    wake: Wake,
}

struct AsyncDriver<R> {
    runtime: Arc<R>,
    clock: Arc<Clock>,
    links: Arc<Mutex<BTreeMap<ConnId, Arc<Link>>>>,
}

impl<R: Runtime> Driver for AsyncDriver<R> {
    fn now(&self) -> Now {
        self.runtime.now()
    }

    fn wall(&self) -> i64 {
        self.runtime.wall()
    }

    fn connect(&self, gate: &Arc<Gate>, conn: ConnId, address: &Address) -> Result<(), CloseReason> {
        let link = Arc::new(Link::default());
        lock(&self.links).insert(conn, link.clone());
        let links = self.links.clone();
        let connect = self.runtime.connect(address);
        let gate = gate.clone();
        let mut alive = Alive(Arc::downgrade(&gate));
        self.runtime.spawn(async move {
            let reason = run(&gate, conn, &link, connect).await;
            lock(&links).remove(&conn);
            let _ = alive.end();
            if let Some(reason) = reason {
                gate.closed(conn, reason);
            }
        });
        Ok(())
    }

    fn run(&self, job: Job) -> Option<Job> {
        self.runtime.run(job)
    }

    fn notice(&self, notice: Notice) {
        self.runtime.notice(notice);
    }

    fn close(&self, conn: ConnId) {
        let link = lock(&self.links).remove(&conn);
        if let Some(link) = link {
            link.closed.store(true, Ordering::Release);
            link.wake.wake();
        }
    }

    fn ready(&self, conn: ConnId) {
        let link = lock(&self.links).get(&conn).cloned();
        if let Some(link) = link
            && !link.ready.swap(true, Ordering::AcqRel)
        {
            link.wake.wake();
        }
    }

    fn wake_at(&self, at: Instant) {
        if self.clock.at.fetch_min(at.as_micros(), Ordering::AcqRel) > at.as_micros() {
            self.clock.wake.wake();
        }
    }

    fn stop(&self) {
        self.clock.stopped.store(true, Ordering::Release);
        self.clock.wake.wake();
    }
}

/// The life of a connection; the reason of its end, unless it was told to end.
async fn run<S: Stream>(
    gate: &Gate,
    conn: ConnId,
    link: &Link,
    connect: impl Future<Output = Result<S, CloseReason>>,
) -> Option<CloseReason> {
    let mut connect = std::pin::pin!(connect);
    let connected = std::future::poll_fn(|cx| {
        link.wake.register(cx);
        match link.closed.load(Ordering::Acquire) {
            true => Poll::Ready(None),
            false => connect.as_mut().poll(cx).map(Some),
        }
    });
    let stream = match connected.await? {
        Ok(stream) => stream,
        Err(reason) => return Some(reason),
    };
    let mut pump = Pump { stream, channel: gate.connected(conn) };
    std::future::poll_fn(|cx| pump.poll(cx, gate, link)).await
}

struct Pump<S> {
    stream: S,
    channel: Channel,
}

/// Bytes read and written before other tasks have their turn: a few tenths of a millisecond. A peer on another core
/// can fill a socket as fast as it is read, so that it would never be found empty.
const TURN_BYTES: usize = 1 << 20;

impl<S: Stream> Pump<S> {
    fn poll(&mut self, cx: &mut Context<'_>, gate: &Gate, link: &Link) -> Poll<Option<CloseReason>> {
        link.wake.register(cx);
        let mut moved = 0;
        while moved < TURN_BYTES {
            if link.closed.load(Ordering::Acquire) {
                return Poll::Ready(None);
            }
            match (self.poll_write(cx, gate, link), self.poll_read(cx, gate)) {
                (Err(reason), _) | (_, Err(reason)) => return Poll::Ready(Some(reason)),
                (Ok(0), Ok(0)) => return Poll::Pending,
                (Ok(written), Ok(read)) => moved += written + read,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Pulls and writes; how many bytes: none when there is nothing to write, or no room.
    fn poll_write(&mut self, cx: &mut Context<'_>, gate: &Gate, link: &Link) -> Result<usize, CloseReason> {
        let channel = &self.channel;
        if !channel.has_unsent() && link.ready.swap(false, Ordering::AcqRel) && gate.transmit(channel) {
            link.ready.store(true, Ordering::Release);
        }
        if !channel.has_unsent() {
            return Ok(0);
        }
        let mut written = 0;
        let stream = &mut self.stream;
        let result = channel.write_with(|segments| {
            if let Poll::Ready(result) = stream.poll_write(cx, segments) {
                written = result?;
                if written == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
            }
            Ok(written)
        });
        result.map(|()| written).map_err(|error: io::Error| CloseReason::io(&error))
    }

    /// Reads, and hands on what came; how many bytes: none when there are none.
    fn poll_read(&mut self, cx: &mut Context<'_>, gate: &Gate) -> Result<usize, CloseReason> {
        let mut bytes = READ.take();
        bytes.resize(READ_BYTES, 0);
        let result = match self.stream.poll_read(cx, &mut bytes) {
            Poll::Pending => Ok(0),
            Poll::Ready(Err(error)) => Err(CloseReason::io(&error)),
            Poll::Ready(Ok(read)) => gate.received(&self.channel, &bytes[..read]).map(|()| read),
        };
        READ.set(bytes);
        result
    }
}
