//! The cluster that scenarios meet, and the troubles it can be put to.
//!
//! A trouble takes its time; whoever orders it is given a [`Ticket`] and waits in his own way. It befalls one broker, the
//! [victim](Stage::victim), or all connections.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use milena_core::protocol::{ApiKey, BrokerId};

use crate::cluster::{Cluster, Fault, Requests};
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

impl Trouble {
    /// How long it lasts at least.
    pub(super) fn duration(self) -> Duration {
        match self {
            Trouble::Crash(duration) | Trouble::Pause(duration) => duration,
            Trouble::HangUp | Trouble::Cut => Duration::ZERO,
        }
    }
}

/// Tells when a trouble is over.
#[derive(Clone, Debug, Default)]
pub(super) struct Ticket(Arc<Mutex<Option<Result<(), String>>>>);

impl Ticket {
    pub(super) fn punch(&self, result: Result<(), String>) {
        *self.0.lock().expect("nobody panics with it") = Some(result);
    }

    pub(super) fn outcome(&self) -> Option<Result<(), String>> {
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
        let (cluster, victim, done) = (self.0.clone(), self.victim(), ticket.clone());
        match trouble {
            Trouble::Crash(duration) => {
                thread::spawn(move || {
                    cluster.stop_broker(victim);
                    thread::sleep(duration);
                    let started = cluster.start_broker(victim);
                    done.punch(started.map(drop).map_err(|error| error.to_string()));
                });
                return ticket;
            }
            Trouble::Pause(duration) => {
                let over = Instant::now() + duration;
                let meanwhile = Requests::any().at(victim).when(move |_| Instant::now() < over).always();
                cluster.on_request(meanwhile, Fault::Delay(duration));
            }
            Trouble::HangUp => cluster.hang_up(),
            Trouble::Cut => {
                cluster.on_request(ApiKey::PRODUCE, Fault::CloseAfter);
                cluster.on_request(ApiKey::FETCH, Fault::CloseAfter);
                cluster.hang_up();
            }
        }
        done.punch(Ok(()));
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
        let begun = match trouble {
            Trouble::Crash(duration) => {
                self.fault_for(duration, sim::Fault::Crash { broker, lose_page_cache: false })
            }
            Trouble::Pause(duration) => self.fault_for(
                duration,
                sim::Fault::Partition { route: Route::all().to(broker), way: Way::Both },
            ),
            Trouble::HangUp => {
                self.cluster(|cluster| cluster.hang_up());
                Ok(())
            }
            Trouble::Cut => self.fault(sim::Fault::Reset { route: Route::all() }),
        };
        let ticket = Ticket::default();
        ticket.punch(begun.map_err(|error| error.to_string()));
        ticket
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Trouble::Crash(_) => "a broker's crash",
            Trouble::Pause(_) => "a broker's pause",
            Trouble::HangUp => "brokers hanging up",
            Trouble::Cut => "connections being cut",
        })
    }
}
