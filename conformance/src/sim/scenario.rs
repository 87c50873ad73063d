//! The scenarios: what kinds of trouble a simulation may have. A seed draws the rest.

use super::ledger::Tally;
use super::plan::{FaultPlan, Kind};
use super::swarm::Swarm;
use super::{Run, Stuck, World, run, workload};

/// A kind of story, which any seed tells in its own way.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What may go wrong in it.
    pub kinds: &'static [Kind],
}

/// All scenarios. The last one, `mixed`, is what [`Simulation::new`] tells; the others are parts of it.
pub fn scenarios() -> &'static [Scenario] {
    &SCENARIOS
}

/// The scenario of this name, or a list of those that there are.
///
/// # Errors
/// If there is none.
pub fn scenario(name: &str) -> Result<Scenario, String> {
    let known = SCENARIOS.iter().find(|scenario| scenario.name == name);
    known.copied().ok_or_else(|| {
        let names: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        format!("{name:?} is none of {}", names.join(", "))
    })
}

static SCENARIOS: [Scenario; 8] = [
    Scenario { name: "calm", kinds: &[] },
    Scenario { name: "leaders", kinds: &[Kind::MoveLeader, Kind::Isolate, Kind::StallFollower] },
    Scenario {
        name: "brokers",
        kinds: &[Kind::Stop, Kind::LostPageCache, Kind::Isolate, Kind::SlowDisk, Kind::StallFollower],
    },
    Scenario {
        name: "connections",
        kinds: &[
            Kind::Reset,
            Kind::Partition,
            Kind::LostRequests,
            Kind::LostAnswers,
            Kind::Refuse,
            Kind::BlackHole,
            Kind::DeafClient,
            Kind::DeafBroker,
        ],
    },
    Scenario {
        name: "network",
        kinds: &[Kind::Latency, Kind::Stall, Kind::Bandwidth, Kind::Pieces, Kind::CorruptRecords],
    },
    Scenario {
        name: "requests",
        kinds: &[
            Kind::Delay,
            Kind::DelayAnswer,
            Kind::Throttle,
            Kind::Throttle,
            Kind::ErrorCode,
            Kind::CloseBefore,
            Kind::CloseAfter,
            Kind::NeverAnswer,
            Kind::AnswerTwice,
        ],
    },
    Scenario {
        name: "processes",
        kinds: &[Kind::Drift, Kind::WallJump, Kind::Pause, Kind::Kill, Kind::KillMachine],
    },
    Scenario { name: "mixed", kinds: &MIXED },
];

/// Every kind that chance may choose: all but those that are lies.
static MIXED: [Kind; 32] = [
    Kind::Latency,
    Kind::Stall,
    Kind::Bandwidth,
    Kind::Pieces,
    Kind::Partition,
    Kind::LostRequests,
    Kind::LostAnswers,
    Kind::Refuse,
    Kind::BlackHole,
    Kind::DeafClient,
    Kind::DeafBroker,
    Kind::Reset,
    Kind::CorruptRecords,
    Kind::Stop,
    Kind::LostPageCache,
    Kind::Isolate,
    Kind::SlowDisk,
    Kind::StallFollower,
    Kind::MoveLeader,
    Kind::Delay,
    Kind::DelayAnswer,
    Kind::Throttle,
    Kind::ErrorCode,
    Kind::CloseBefore,
    Kind::CloseAfter,
    Kind::NeverAnswer,
    Kind::AnswerTwice,
    Kind::Drift,
    Kind::WallJump,
    Kind::Pause,
    Kind::Kill,
    Kind::KillMachine,
];

impl Scenario {
    /// The last and largest.
    pub const MIXED: Scenario = Scenario { name: "mixed", kinds: &MIXED };

    /// Tells it as this seed has it. The error is the first thing that was not as it must be.
    pub fn run(&self, seed: u64) -> Run<Tally> {
        Simulation::of(*self, seed).run()
    }
}

/// Writers and readers at work in a world of which a seed draws everything, while things go wrong.
///
/// First there is trouble, and what must always hold is checked; then it is over, and everything has to come to its end:
/// each call within its own time, every partition writable, every record read. At last the model of what was acknowledged
/// is held against the log.
#[derive(Clone, Debug)]
pub struct Simulation {
    seed: u64,
    swarm: Swarm,
}

impl Simulation {
    /// Of the mixed scenario.
    pub fn new(seed: u64) -> Simulation {
        Simulation::of(Scenario::MIXED, seed)
    }

    /// Of any scenario.
    pub fn of(scenario: Scenario, seed: u64) -> Simulation {
        Simulation { seed, swarm: Swarm::draw(seed, scenario.kinds) }
    }

    /// What is to go wrong.
    pub fn faults(&self) -> &FaultPlan {
        &self.swarm.options.faults
    }

    /// The same with other faults.
    #[must_use]
    pub fn with_faults(&self, faults: FaultPlan) -> Simulation {
        Simulation { seed: self.seed, swarm: self.swarm.with_faults(faults) }
    }

    /// The same with less work, if there can be less.
    #[must_use]
    pub fn halved(&self) -> Option<Simulation> {
        Some(Simulation { seed: self.seed, swarm: self.swarm.halved()? })
    }

    /// How many of the last events the trace is to keep in words.
    #[must_use]
    pub fn trace_entries(mut self, entries: usize) -> Simulation {
        self.swarm.options.trace_entries = entries;
        self
    }

    /// Has every client recorded, and replayed when it has ended: a replay with other outputs is a failure.
    #[must_use]
    pub fn recorded(mut self) -> Simulation {
        self.swarm.recorded = true;
        self
    }

    /// How much there is to do, in a few words.
    pub fn work(&self) -> String {
        let Swarm { writers, tasks, records, readers, partitions, .. } = &self.swarm;
        let nodes = self.swarm.options.cluster.nodes;
        format!(
            "{nodes} brokers, {partitions} partitions, {writers} writing processes with {tasks} tasks of {records} \
             records, {readers} reading ones"
        )
    }

    /// Tells it. The error is the first thing that was not as it must be.
    pub fn run(&self) -> Run<Tally> {
        let swarm = self.swarm.clone();
        let options = swarm.options.clone();
        let carry_out = async move |world: World| {
            let result = workload::carry_out(swarm, world.clone()).await;
            if result.is_err() {
                // What is left would only hide what was wrong.
                world.kill_all();
            }
            result
        };
        let Run { result, trace, elapsed } = run(self.seed, options, carry_out);
        let result = result.and_then(|result| result.map_err(Stuck::Failed));
        Run { result, trace, elapsed }
    }
}
