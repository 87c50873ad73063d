//! The cluster that scenarios meet, and the troubles it can be put to.
//!
//! A trouble takes its time; whoever orders it is given a [`Ticket`] and waits in his own way. It befalls one broker, the
//! [victim](Stage::victim), or all connections.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use milena_core::protocol::{ApiKey, BrokerId};

use crate::cluster::{Cluster, ClusterState, Fault, Requests};
use crate::sim::{self, Route, Way, World};

/// How many brokers there are, and replicas of each partition.
pub(super) const BROKERS: u16 = 3;

/// What can go wrong with a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The victim is killed, and started again after this time.
    Crash(Duration),
    /// The victim stands still for this time: its connections stay, and nothing on them is answered.
    Pause(Duration),
    /// The brokers hang up on clients that are idle.
    HangUp,
    /// Connections end in the middle of whatever they carry.
    Cut,
}

/// How far a trouble is.
#[derive(Clone, Debug, Default)]
enum Progress {
    #[default]
    Ordered,
    Begun,
    Over(Result<(), String>),
}

/// Tells how far a trouble is.
#[derive(Clone, Debug, Default)]
pub(super) struct Ticket(Arc<Mutex<Progress>>);

impl Ticket {
    pub(super) fn begin(&self) {
        self.set(Progress::Begun);
    }

    pub(super) fn end(&self, result: Result<(), impl fmt::Display>) {
        self.set(Progress::Over(result.map_err(|error| error.to_string())));
    }

    pub(super) fn has_begun(&self) -> bool {
        !matches!(self.progress(), Progress::Ordered)
    }

    /// What came of it, once it is over.
    pub(super) fn outcome(&self) -> Option<Result<(), String>> {
        match self.progress() {
            Progress::Over(result) => Some(result),
            _ => None,
        }
    }

    fn set(&self, progress: Progress) {
        *self.0.lock().expect("nobody panics with it") = progress;
    }

    fn progress(&self) -> Progress {
        self.0.lock().expect("nobody panics with it").clone()
    }
}

/// A cluster of [`BROKERS`].
pub(super) trait Stage: Send + Sync + 'static {
    fn bootstrap(&self) -> String;

    /// The broker that troubles befall.
    fn victim(&self) -> BrokerId {
        BrokerId(2)
    }

    /// Why this trouble can't be had here, if it can't.
    fn lacks(&self, _: Trouble) -> Option<&'static str> {
        None
    }

    /// Why clients can't talk to other peers than this cluster, if they can't.
    fn lacks_peers(&self) -> Option<&'static str> {
        None
    }

    /// Begins a trouble that it does not lack.
    fn order(&self, trouble: Trouble) -> Ticket;
}

/// The simulated cluster behind TCP; one for each scenario.
pub(super) struct Embedded(Arc<Cluster>);

impl Embedded {
    pub(super) fn start() -> Result<Self, String> {
        let cluster = Cluster::builder().nodes(BROKERS).start().map_err(|error| error.to_string())?;
        Ok(Embedded(Arc::new(cluster)))
    }
}

impl Stage for Embedded {
    fn bootstrap(&self) -> String {
        self.0.bootstrap()
    }

    fn order(&self, trouble: Trouble) -> Ticket {
        let ticket = Ticket::default();
        let (cluster, victim, told) = (self.0.clone(), self.victim(), ticket.clone());
        match trouble {
            Trouble::Crash(duration) => drop(thread::spawn(move || {
                cluster.stop_broker(victim);
                told.begin();
                thread::sleep(duration);
                told.end(cluster.start_broker(victim).map(drop));
            })),
            Trouble::Pause(duration) => {
                let over = Instant::now() + duration;
                let meanwhile = Requests::any().at(victim).when(move |_| Instant::now() < over).always();
                cluster.on_request(meanwhile, Fault::Delay(duration));
                told.begin();
                thread::spawn(move || {
                    thread::sleep(duration);
                    told.end(Ok::<_, String>(()));
                });
            }
            Trouble::HangUp => {
                cluster.hang_up();
                told.end(Ok::<_, String>(()));
            }
            Trouble::Cut => {
                cluster.on_request(ApiKey::PRODUCE, Fault::CloseAfter);
                cluster.on_request(ApiKey::FETCH, Fault::CloseAfter);
                cluster.hang_up();
                told.end(Ok::<_, String>(()));
            }
        }
        ticket
    }
}

/// The simulator: all of it at once, on virtual time.
impl Stage for World {
    fn bootstrap(&self) -> String {
        let addresses = self.config().bootstrap.into_iter().map(|address| address.to_string());
        addresses.collect::<Vec<_>>().join(",")
    }

    fn lacks_peers(&self) -> Option<&'static str> {
        Some("the simulated network leads to the simulated brokers alone")
    }

    fn order(&self, trouble: Trouble) -> Ticket {
        let broker = self.victim();
        let (begun, lasts) = match trouble {
            Trouble::Crash(duration) => {
                let crash = sim::Fault::Crash { broker, lose_page_cache: false };
                (self.fault_for(duration, crash), duration)
            }
            Trouble::Pause(duration) => {
                let silence = sim::Fault::Partition { route: Route::all().to(broker), way: Way::Both };
                (self.fault_for(duration, silence), duration)
            }
            Trouble::HangUp => {
                self.cluster(ClusterState::hang_up);
                (Ok(()), Duration::ZERO)
            }
            Trouble::Cut => (self.fault(sim::Fault::Reset { route: Route::all() }), Duration::ZERO),
        };
        let ticket = Ticket::default();
        ticket.begin();
        let (world, told) = (self.clone(), ticket.clone());
        self.spawn(async move {
            world.sleep(lasts).await;
            told.end(begun);
        });
        ticket
    }
}
