//! Where a scenario runs: whose clients it gets, its clock, its tasks.
//!
//! Scenarios are async functions, and wait for nothing but what comes from here. On plain threads every future blocks
//! when it is polled and is ready at once; a task is a thread there.

use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use milena_core::drive::{self, Runtime};
use milena_core::{Client, Config, Error};
use tokio::sync::oneshot;

use crate::face::{self, at_once};
use crate::sim::World;

/// What a scenario needs of a runtime.
pub(super) trait Place: Clone + Send + Sync + 'static {
    type Client: face::Client;

    fn client(&self, config: Config) -> Result<Self::Client, Error>;

    /// Since any start.
    fn now(&self) -> Duration;

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;

    /// Runs a task, whose result can be awaited or not.
    fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static;
}

/// Tasks of a runtime, whichever it is: scenarios are compiled once for all of them.
#[derive(Clone)]
pub(super) struct Tasks(Arc<dyn Lend>);

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a runtime lends to a scenario.
trait Lend: Send + Sync {
    fn client(&self, config: Config) -> Result<Client, Error>;
    fn now(&self) -> Duration;
    fn sleep(&self, duration: Duration) -> Task;
    fn spawn(&self, task: Task);
}

impl Tasks {
    /// On a runtime of the core's driver: `make` is called once for each client, and once for the scenario's own tasks.
    pub(super) fn new<R: Runtime>(make: impl Fn() -> R + Send + Sync + 'static) -> Self {
        Tasks(Arc::new(Runtimes { own: make(), make }))
    }

    /// In the simulator.
    pub(super) fn in_world(world: World) -> Self {
        Tasks(Arc::new(world))
    }
}

impl Place for Tasks {
    type Client = Client;

    fn client(&self, config: Config) -> Result<Client, Error> {
        self.0.client(config)
    }

    fn now(&self) -> Duration {
        self.0.now()
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send {
        self.0.sleep(duration)
    }

    fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        let (send, result) = oneshot::channel();
        self.0.spawn(Box::pin(async move {
            let _ = send.send(task.await);
        }));
        async move { result.await.expect("a task of the scenario panicked") }
    }
}

struct Runtimes<R, F> {
    own: R,
    make: F,
}

impl<R: Runtime, F: Fn() -> R + Send + Sync> Lend for Runtimes<R, F> {
    fn client(&self, config: Config) -> Result<Client, Error> {
        static CLIENTS: AtomicU64 = AtomicU64::new(0);
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&CLIENTS.fetch_add(1, Ordering::Relaxed).to_le_bytes());
        drive::start((self.make)(), config, seed)
    }

    fn now(&self) -> Duration {
        Duration::from_micros(self.own.now().mono.as_micros())
    }

    fn sleep(&self, duration: Duration) -> Task {
        Box::pin(self.own.sleep_until(self.own.now().mono + duration))
    }

    fn spawn(&self, task: Task) {
        self.own.spawn(task);
    }
}

impl Lend for World {
    fn client(&self, config: Config) -> Result<Client, Error> {
        self.client(config, 0)
    }

    fn now(&self) -> Duration {
        self.now()
    }

    fn sleep(&self, duration: Duration) -> Task {
        let world = self.clone();
        Box::pin(async move { World::sleep(&world, duration).await })
    }

    fn spawn(&self, task: Task) {
        drop(self.spawn(task));
    }
}

/// Plain threads and blocking calls.
#[derive(Clone)]
pub(super) struct Threads {
    start: Instant,
}

impl Threads {
    pub(super) fn new() -> Self {
        Threads { start: Instant::now() }
    }
}

impl Place for Threads {
    type Client = milena_blocking::Client;

    fn client(&self, config: Config) -> Result<Self::Client, Error> {
        milena_blocking::client(config)
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        thread::sleep(duration);
    }

    fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        let thread = thread::spawn(move || at_once(task));
        async move { thread.join().unwrap_or_else(|panic| resume_unwind(panic)) }
    }
}
