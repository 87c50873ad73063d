//! The simulator: real clients and a simulated cluster in one thread, on virtual time, all from one seed.
//!
//! [`run`] gives a future a [`World`], from which it gets clients: the very `Client`, `Writer` and `Reader` of every
//! runtime, on the core's async driver. The network between them and the brokers cuts and delays what it carries by
//! chance from the seed, and no time passes but virtual time, so that minutes take milliseconds, and the same seed leads
//! to the same [`Trace`], each time. [`check`] is the test that runs many seeds. `docs/simulation.md` is the page for users.
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

mod check;
mod cut;
mod draw;
mod epochs;
mod executor;
mod faults;
mod ledger;
mod link;
mod network;
mod plan;
mod process;
mod runtime;
mod scenario;
mod search;
mod shrink;
mod stuck;
mod swarm;
mod task;
mod trace;
mod trouble;
mod workload;

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::pin;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use milena_core::{Client, Config, Error};

use crate::cluster::{ClusterOptions, ClusterState};
use executor::{Executor, Inbox};
use network::{Shared, State};
use runtime::{SimRuntime, Sleep};
use stuck::Owner;

pub use crate::random::Random;
pub use check::{Failure, Verdict, check, find, seeds};
pub use ledger::Tally;
pub use plan::{End, Fault, FaultPlan, Kind, PlanError, ProcessId, Route, Way};
pub use scenario::{Scenario, Simulation, scenario, scenarios};
pub use search::{Summary, Violation, search};
pub use shrink::{Shrunk, shrink};
pub use stuck::{Alive, Stuck};
pub use task::Task;
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
    /// What is to go wrong. Default: nothing.
    pub faults: FaultPlan,
    /// Virtual time after which a run has failed. Default: one hour.
    pub time_limit: Duration,
    /// Polls of tasks after which a run has failed. Default: five million, some seconds of real time.
    pub turn_limit: u64,
    /// Real time after which a task that does not give the thread back is taken for blocked. Default: 10 s.
    pub blocked_after: Duration,
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
            faults: FaultPlan::default(),
            time_limit: Duration::from_secs(3600),
            turn_limit: 5_000_000,
            blocked_after: Duration::from_secs(10),
            trace_entries: 100,
        }
    }
}

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

/// Runs a future and all that it spawns in a world of its own, on a thread of its own.
///
/// The future itself need not be `Send`. A task that never gives its thread back ends the run with [`Stuck::Blocked`],
/// and leaves the thread behind: nothing can end it but itself.
///
/// # Panics
/// If the system has no thread to give.
pub fn run<T: Send + 'static>(
    seed: u64,
    options: Options,
    main: impl AsyncFnOnce(World) -> T + Send + 'static,
) -> Run<T> {
    let limits = (options.time_limit, options.turn_limit);
    let blocked_after = options.blocked_after;
    let inbox = Arc::new(Inbox::default());
    if let Err(error) = options.faults.check(options.cluster.nodes) {
        let result = Err(Stuck::Failed(format!("the fault plan makes no sense: {error}")));
        return Run { result, trace: Trace::new(0), elapsed: Duration::ZERO };
    }
    let shared = Arc::new(Shared { state: Mutex::new(State::new(seed, options, inbox.clone())), inbox });
    let (send, outcome) = mpsc::channel();
    let world = World { shared: shared.clone(), process: ProcessId(0) };
    let thread = thread::Builder::new().name(format!("seed {seed}"));
    let started = thread.spawn(move || send.send(play(&world.shared.clone(), limits, main(world))));
    started.expect("a thread for the simulation");
    let result = watch(&outcome, &shared.inbox, blocked_after);
    // A task that blocks may hold the lock.
    let state = match shared.state.try_lock() {
        Ok(state) => state,
        Err(TryLockError::Poisoned(state)) => state.into_inner(),
        Err(TryLockError::WouldBlock) => {
            return Run { result, trace: Trace::new(0), elapsed: Duration::ZERO };
        }
    };
    Run { result, trace: state.story(), elapsed: state.now() }
}

/// Waits for the outcome for as long as tasks have their turns.
fn watch<T>(outcome: &Receiver<Result<T, Stuck>>, inbox: &Inbox, after: Duration) -> Result<T, Stuck> {
    let mut turns = None;
    loop {
        match outcome.recv_timeout(after) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Timeout) if turns == Some(inbox.turns()) => {
                return Err(Stuck::Blocked { task: inbox.current(), after });
            }
            Err(RecvTimeoutError::Timeout) => turns = Some(inbox.turns()),
            // What can panic is caught, but for the drop of a panic's own payload.
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Stuck::Panic { task: inbox.current(), message: "its panic panicked".to_owned() });
            }
        }
    }
}

/// Gives tasks their turns, and lets time pass when none is due.
fn play<T>(
    shared: &Shared,
    (time_limit, turn_limit): (Duration, u64),
    main: impl Future<Output = T>,
) -> Result<T, Stuck> {
    let value = Cell::new(None);
    let mut executor = Executor::new(shared.inbox.clone(), async { value.set(Some(main.await)) });
    let result = catch_unwind(AssertUnwindSafe(|| {
        let mut now = Duration::ZERO;
        for _ in 0..turn_limit {
            if executor.turn(now) {
                continue;
            }
            if executor.is_empty()
                && let Some(value) = value.take()
            {
                return Ok(value);
            }
            let mut state = lock(&shared.state);
            let alive = state.advance();
            now = state.now();
            if alive && now <= time_limit {
                continue;
            }
            return Err(match (executor.main_is_alive(), alive) {
                (false, _) => Stuck::LeftOver(executor.alive(&state)),
                (true, true) => Stuck::TimeLimit(executor.alive(&state)),
                (true, false) => Stuck::Deadlock(executor.alive(&state)),
            });
        }
        Err(Stuck::TurnLimit(executor.alive(&lock(&shared.state))))
    }));
    let panicked = |panic: Box<dyn Any + Send>| {
        Err(Stuck::Panic { task: shared.inbox.current(), message: message(&*panic) })
    };
    let result = result.unwrap_or_else(panicked);
    executor.clear();
    result
}

pub(crate) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message").to_owned()
}

/// Where a run takes place: the way to its clients, its clock and its cluster.
#[derive(Clone)]
pub struct World {
    shared: Arc<Shared>,
    process: ProcessId,
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
        let client = self.shared.inbox.next_client();
        let runtime = SimRuntime { shared: self.shared.clone(), process: self.process, client, skew_ms };
        milena_core::drive::start(runtime, config, seed)
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
        Sleep { shared: self.shared.clone(), clock: None, at, event: None }.await;
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

    /// Starts a task, which goes on if its handle is dropped. Reports name it by the place of this call.
    #[track_caller]
    pub fn spawn<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> Task<T> {
        Task::spawn(&self.shared.inbox, self.process, Owner::User(Location::caller()), task)
    }

    /// Does something to the cluster, or looks at it.
    pub fn cluster<T>(&self, apply: impl FnOnce(&mut ClusterState) -> T) -> T {
        lock(&self.shared.state).control(apply)
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

/// The code of the page for users is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/simulation.md")]
struct Page;

/// A poisoned lock is a panic that the run reports already.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
