//! Ways to run a scenario: an adapter, and whatever polls the first future.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use milena_core::drive::Runtime;
use tokio::runtime::Builder;

use super::place::{Place, Tasks, Threads};
use super::scenarios;
use super::scene::{Outcome, Scene, Setting};
use crate::face::at_once;

/// A runtime to run the suite on.
#[derive(Clone)]
pub struct Adapter {
    pub(super) name: String,
    pub(super) run: Arc<dyn Fn(Scenario) + Send + Sync>,
}

impl Adapter {
    /// What runs a scenario: polls the future that [`Scenario::on`] returns to its end.
    ///
    /// It is called once for each scenario, on a thread of its own.
    pub fn new(name: &str, run: impl Fn(Scenario) + Send + Sync + 'static) -> Self {
        Adapter { name: name.to_owned(), run: Arc::new(run) }
    }

    /// Those that come with Milena.
    pub fn all() -> Vec<Self> {
        let on_tokio = |mut builder: Builder, scenario: Scenario| {
            let runtime = builder.enable_all().build().expect("a runtime of tokio");
            runtime.block_on(scenario.on(|| milena_tokio::Tokio::current().expect("within tokio")));
        };
        vec![
            Adapter::new("tokio, current thread", move |scenario| {
                on_tokio(Builder::new_current_thread(), scenario);
            }),
            Adapter::new("tokio, two workers", move |scenario| {
                let mut builder = Builder::new_multi_thread();
                builder.worker_threads(2);
                on_tokio(builder, scenario);
            }),
            Adapter::new("smol", |scenario| smol::block_on(scenario.on(milena_async_std::smol::runtime))),
            Adapter::new("async-std", |scenario| {
                async_std::task::block_on(scenario.on(milena_async_std::async_std::runtime));
            }),
            Adapter::new("blocking", |scenario| at_once(scenario.play(Threads::new))),
        ]
    }
}

impl fmt::Debug for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Adapter").field(&self.name).finish()
    }
}

/// A scenario that is to be played once.
pub struct Scenario {
    pub(super) index: usize,
    pub(super) setting: Setting,
    /// Who waits for what comes of it.
    pub(super) told: Sender<Outcome>,
}

impl Scenario {
    /// The scenario, on a runtime that lends its clients what they need: `runtime` is called in the future, once for each
    /// client, and once for the scenario's own tasks.
    pub fn on<R: Runtime>(
        self,
        runtime: impl Fn() -> R + Send + Sync + 'static,
    ) -> impl Future<Output = ()> + 'static {
        self.play(|| Tasks::new(runtime))
    }

    pub(super) async fn play<P: Place>(self, place: impl FnOnce() -> P) {
        let scene = Scene::new(place(), self.setting);
        // Whoever waited longer than a scenario may take is gone.
        let _ = self.told.send(scenarios::all()[self.index](scene).await);
    }
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scenario").field(&self.setting.name).finish()
    }
}
