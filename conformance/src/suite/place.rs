//! Where a scenario runs: whose clients it gets, its clock, its tasks.
//!
//! Scenarios are async functions, and wait for nothing but what comes from here. On plain threads every future blocks
//! when it is polled and is ready at once; a task is a thread there.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use milena_core::drive::{self, Runtime};
use milena_core::{Config, Error};
use tokio::sync::oneshot;

use crate::face::{self, at_once};
use crate::sim::World;

/// What a scenario needs of a runtime.
pub(super) trait Place: Clone + Send + Sync + 'static {
    type Client: face::Client;

    fn client(&self, config: Config) -> Result<Self::Client, Error>;

    /// Since any start.
    fn now(&self) -> Duration;

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static;

    /// Runs a task, whose result can be awaited or not.
    fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static;
}

/// Any runtime of the core's driver: one for each client, and one for the scenario's own tasks and sleeps.
pub(super) struct Tasks<R> {
    make: Arc<dyn Fn() -> R + Send + Sync>,
    own: Arc<R>,
}

impl<R> Tasks<R> {
    pub(super) fn new(make: Arc<dyn Fn() -> R + Send + Sync>) -> Self {
        Tasks { own: Arc::new(make()), make }
    }
}

impl<R> Clone for Tasks<R> {
    fn clone(&self) -> Self {
        Tasks { make: self.make.clone(), own: self.own.clone() }
    }
}

impl<R: Runtime> Place for Tasks<R> {
    type Client = milena_core::Client;

    fn client(&self, config: Config) -> Result<Self::Client, Error> {
        static CLIENTS: AtomicU64 = AtomicU64::new(0);
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&CLIENTS.fetch_add(1, Ordering::Relaxed).to_le_bytes());
        drive::start((self.make)(), config, seed)
    }

    fn now(&self) -> Duration {
        Duration::from_micros(self.own.now().mono.as_micros())
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        self.own.sleep_until(self.own.now().mono + duration)
    }

    fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        let (send, result) = oneshot::channel();
        self.own.spawn(async move {
            let _ = send.send(task.await);
        });
        async move { result.await.expect("a task of the scenario panicked") }
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

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        async move { thread::sleep(duration) }
    }

    fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        let thread = thread::spawn(move || at_once(task));
        async move { thread.join().unwrap_or_else(|panic| resume_unwind(panic)) }
    }
}

impl Place for World {
    type Client = milena_core::Client;

    fn client(&self, config: Config) -> Result<Self::Client, Error> {
        self.client(config, 0)
    }

    fn now(&self) -> Duration {
        self.now()
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        let world = self.clone();
        async move { World::sleep(&world, duration).await }
    }

    fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        self.spawn(task)
    }
}
