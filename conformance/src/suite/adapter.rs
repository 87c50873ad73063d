//! Ways to run a scenario: an adapter, and whatever polls the first future.

use std::cell::Cell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use milena_core::drive::Runtime;

use super::place::{Tasks, Threads};
use super::scenarios;
use super::scene::{Outcome, Scene, Setting, failed};
use crate::face::at_once;

/// What a runtime's `block_on` is given: a scenario.
pub type Playing = Pin<Box<dyn Future<Output = ()>>>;

type Play = dyn Fn(usize, Setting) -> Outcome + Send + Sync;

/// A runtime to run the suite on.
#[derive(Clone)]
pub struct Adapter {
    pub(super) name: String,
    play: Arc<Play>,
}

impl Adapter {
    /// A runtime of the core's async driver.
    ///
    /// `block_on` runs a future to its end on the runtime. Within it, `runtime` gives what clients run on, once for each
    /// client and once for the scenario's own tasks.
    pub fn new<R: Runtime>(
        name: &str,
        runtime: impl Fn() -> R + Send + Sync + 'static,
        block_on: impl Fn(Playing) + Send + Sync + 'static,
    ) -> Self {
        let runtime: Arc<dyn Fn() -> R + Send + Sync> = Arc::new(runtime);
        let play = move |scenario: usize, setting| {
            let (runtime, outcome) = (runtime.clone(), Rc::new(Cell::new(None)));
            let told = outcome.clone();
            block_on(Box::pin(async move {
                let scene = Scene::new(Tasks::new(runtime), setting);
                told.set(Some(scenarios::all()[scenario](scene).await));
            }));
            outcome.take().unwrap_or_else(|| Err(failed("block_on returned before its future")))
        };
        Adapter { name: name.to_owned(), play: Arc::new(play) }
    }

    /// `milena-blocking`.
    pub fn blocking() -> Self {
        let play = |scenario: usize, setting| {
            at_once(scenarios::all()[scenario](Scene::new(Threads::new(), setting)))
        };
        Adapter { name: "blocking".to_owned(), play: Arc::new(play) }
    }

    /// Those that come with Milena: tokio with the current thread alone and with two workers, smol, async-std, blocking.
    pub fn all() -> Vec<Self> {
        let on_tokio = |build: fn() -> tokio::runtime::Builder| {
            move |future: Playing| {
                build().enable_all().build().expect("a runtime of tokio").block_on(future);
            }
        };
        let tokio = || milena_tokio::Tokio::current().expect("within tokio");
        let many = || {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(2);
            builder
        };
        vec![
            Adapter::new(
                "tokio, current thread",
                tokio,
                on_tokio(tokio::runtime::Builder::new_current_thread),
            ),
            Adapter::new("tokio, two workers", tokio, on_tokio(many)),
            Adapter::new("smol", milena_async_std::smol::runtime, |future| smol::block_on(future)),
            Adapter::new("async-std", milena_async_std::async_std::runtime, |future| {
                async_std::task::block_on(future);
            }),
            Adapter::blocking(),
        ]
    }

    pub(super) fn play(&self, scenario: usize, setting: Setting) -> Outcome {
        (self.play)(scenario, setting)
    }
}

impl fmt::Debug for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Adapter").field(&self.name).finish()
    }
}
