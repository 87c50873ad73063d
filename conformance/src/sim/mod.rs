//! The simulator: real clients and a simulated cluster in one thread, on virtual time, all from one seed.
//!
//! [`run`] gives a future a [`World`], from which it gets clients: the very `Client`, `Writer` and `Reader` of every
//! runtime, on the core's async driver. The network between them and the brokers cuts and delays what it carries by
//! chance from the seed, and no time passes but virtual time, so that minutes take milliseconds, and the same seed leads
//! to the same [`Trace`], each time.
//!
//! ```
//! use milena_conformance::cluster::ClusterOptions;
//! use milena_conformance::sim::{self, Options};
//! use milena_core::{Record, WriterConfig};
//!
//! let mut options = Options::default();
//! options.cluster = ClusterOptions { nodes: 3, topics: vec![("events".into(), 6)], ..Default::default() };
//! let run = sim::run(7, options, async |world| {
//!     let client = world.client(world.config(), 0)?;
//!     let writer = client.writer(WriterConfig::new("events"))?;
//!     Ok::<_, milena_core::Error>(writer.write(Record::keyed("k", "v")).await)
//! });
//! let written = run.result.expect("it came to its end").expect("settings are right");
//! assert_eq!(written.expect("nothing was in its way").offset, Some(0));
//! ```

mod executor;
mod ledger;
mod network;
mod random;
mod scenario;
mod trace;
mod trouble;

use std::any::Any;
use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use milena_core::{Client, Config, Error};

use crate::cluster::{ClusterOptions, ClusterState};
use executor::{Executor, Inbox, Turn};
use network::{Shared, SimRuntime, Sleep, State};

pub use random::Random;
pub use scenario::{Scenario, scenarios};
pub use trace::Trace;

/// The circumstances of a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The cluster.
    pub cluster: ClusterOptions,
    /// How long a piece of data or a step of a connect takes, from shortest to longest. Default: 50 µs to 2 ms.
    pub latency: (Duration, Duration),
    /// How many of 10,000 pieces are held up for longer. Default: none.
    pub stalls: u64,
    /// How much longer, at most. Default: 5 s.
    pub longest_stall: Duration,
    /// Virtual time after which a run has failed. Default: one hour.
    pub time_limit: Duration,
    /// Polls of tasks after which a run has failed. Default: five million, some seconds of real time.
    pub turn_limit: u64,
    /// How many of the last events the trace keeps in words. Default: 100.
    pub trace_entries: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            cluster: ClusterOptions::default(),
            latency: (Duration::from_micros(50), Duration::from_millis(2)),
            stalls: 0,
            longest_stall: Duration::from_secs(5),
            time_limit: Duration::from_secs(3600),
            turn_limit: 5_000_000,
            trace_entries: 100,
        }
    }
}

/// Why a run did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stuck {
    /// Nothing would ever happen again, and the main future was not done.
    Deadlock,
    /// The virtual time was up.
    TimeLimit,
    /// Tasks woke one another on and on.
    TurnLimit,
    /// The main future was done and its clients gone, but so many tasks never ended.
    LeftOver(usize),
    /// Something was not as it must be.
    Failed(String),
    /// Something panicked.
    Panic(String),
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stuck::Deadlock => f.write_str("deadlock: nothing is left that could happen"),
            Stuck::TimeLimit => f.write_str("the virtual time is up"),
            Stuck::TurnLimit => f.write_str("tasks are busy without an end"),
            Stuck::LeftOver(tasks) => write!(f, "{tasks} tasks never ended"),
            Stuck::Failed(what) => f.write_str(what),
            Stuck::Panic(message) => write!(f, "panic: {message}"),
        }
    }
}

impl std::error::Error for Stuck {}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Run<T> {
    /// What the main future returned, if it did.
    pub result: Result<T, Stuck>,
    /// What happened on the way.
    pub trace: Trace,
    /// How much virtual time it took.
    pub elapsed: Duration,
}

/// Runs a future and all that it spawns in a world of its own.
pub fn run<T>(seed: u64, options: Options, main: impl AsyncFnOnce(World) -> T) -> Run<T> {
    let (time_limit, turn_limit) = (options.time_limit, options.turn_limit);
    let inbox = Arc::new(Inbox::default());
    let shared = Arc::new(Shared { state: Mutex::new(State::new(seed, options)), inbox: inbox.clone() });
    let mut executor = Executor::new(inbox);
    let result = catch_unwind(AssertUnwindSafe(|| {
        let mut main = pin!(main(World { shared: shared.clone() }));
        let mut value = None;
        for _ in 0..turn_limit {
            match executor.turn() {
                Some(Turn::Task) => continue,
                Some(Turn::Main(waker)) if value.is_none() => {
                    if let Poll::Ready(done) = main.as_mut().poll(&mut Context::from_waker(&waker)) {
                        value = Some(done);
                    }
                    continue;
                }
                Some(Turn::Main(_)) => continue,
                None => {}
            }
            if value.is_some() && executor.alive() == 0 {
                return value.ok_or(Stuck::Deadlock);
            }
            let mut state = lock(&shared.state);
            match (state.advance(), &value) {
                (true, _) if state.now() <= time_limit => {}
                (true, None) => return Err(Stuck::TimeLimit),
                (false, None) => return Err(Stuck::Deadlock),
                (_, Some(_)) => return Err(Stuck::LeftOver(executor.alive())),
            }
        }
        Err(Stuck::TurnLimit)
    }));
    let result = result.unwrap_or_else(|panic| Err(Stuck::Panic(message(&*panic))));
    executor.clear();
    let state = lock(&shared.state);
    Run { result, trace: state.trace.clone(), elapsed: state.now() }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message").to_owned()
}

/// Where a run takes place: the way to its clients, its clock and its cluster.
#[derive(Clone)]
pub struct World {
    shared: Arc<Shared>,
}

impl World {
    /// A client's default settings, with all brokers as bootstrap servers.
    ///
    /// # Panics
    /// Never: the brokers' addresses are sound.
    pub fn config(&self) -> Config {
        let bootstrap = network::bootstrap(&lock(&self.shared.state).cluster);
        Config::new(&bootstrap).expect("the addresses of the simulated brokers")
    }

    /// A client, whose wall clock is ahead of the brokers' by so many milliseconds.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn client(&self, config: Config, skew_ms: i64) -> Result<Client, Error> {
        let mut seed = [0; 32];
        for bytes in seed.chunks_mut(8) {
            bytes.copy_from_slice(&self.draw().to_le_bytes());
        }
        milena_core::drive::start(SimRuntime { shared: self.shared.clone(), skew_ms }, config, seed)
    }

    /// Virtual time since the start.
    pub fn now(&self) -> Duration {
        lock(&self.shared.state).now()
    }

    /// Any 64 bits, from the world's seed.
    pub fn draw(&self) -> u64 {
        lock(&self.shared.state).draw()
    }

    /// Waits.
    pub async fn sleep(&self, duration: Duration) {
        let at = self.now() + duration;
        Sleep { shared: self.shared.clone(), at, event: None }.await;
    }

    /// The future's result, or `None` if it is not ready in time; it is dropped then.
    pub async fn timeout<T>(&self, limit: Duration, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        let mut sleep = pin!(self.sleep(limit));
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => sleep.as_mut().poll(cx).map(|()| None),
        })
        .await
    }

    /// Starts a task; it goes on if its handle is dropped.
    pub fn spawn<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> Task<T> {
        let slot: Arc<Slot<T>> = Arc::default();
        let handle = Task(slot.clone());
        self.shared.inbox.spawn(async move {
            let value = task.await;
            let mut slot = lock(&slot);
            slot.0 = Some(value);
            slot.1.take().into_iter().for_each(Waker::wake);
        });
        handle
    }

    /// Does something to the cluster, or looks at it.
    pub fn cluster<T>(&self, apply: impl FnOnce(&mut ClusterState) -> T) -> T {
        lock(&self.shared.state).control(apply)
    }

    /// Resets every connection; what was under way on them is lost.
    pub fn drop_connections(&self) {
        lock(&self.shared.state).drop_connections();
    }

    /// Puts a line into the trace.
    pub fn note(&self, text: impl Into<String>) {
        lock(&self.shared.state).tell(trace::Event::Note(text.into()));
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("now", &self.now()).finish_non_exhaustive()
    }
}

type Slot<T> = Mutex<(Option<T>, Option<Waker>)>;

/// A task's result, to be awaited.
pub struct Task<T>(Arc<Slot<T>>);

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").finish_non_exhaustive()
    }
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(self: std::pin::Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut slot = lock(&self.0);
        match slot.0.take() {
            Some(value) => Poll::Ready(value),
            None => {
                slot.1 = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// A poisoned lock is a panic that the run reports already.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
