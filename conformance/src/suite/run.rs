//! Running the suite: which scenarios where, within which time.

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::adapter::{Adapter, Scenario};
use super::place::Tasks;
use super::real::Real;
use super::scenarios::{self, NAMES};
use super::scene::{Outcome, Scene, Setting, Step, Stop};
use super::stage::{BROKERS, Embedded, Stage};
use super::table::{Column, Table};
use crate::cluster::ClusterOptions;
use crate::kafka::available_for;
use crate::sim;

/// More than any scenario takes on a loaded machine: one that is not done by then hangs.
const LIMIT: Duration = Duration::from_secs(60);
/// How many worlds of the simulator a scenario is played in.
const SEEDS: u64 = 3;

/// The scenarios, the runtimes and the clusters.
#[derive(Clone, Debug)]
pub struct Suite {
    adapters: Vec<Adapter>,
    simulator: bool,
    releases: Vec<String>,
}

impl Suite {
    /// A suite for these runtimes, against the simulated cluster over TCP.
    pub fn new(adapters: impl IntoIterator<Item = Adapter>) -> Self {
        Suite { adapters: adapters.into_iter().collect(), simulator: false, releases: Vec::new() }
    }

    /// Also in the simulator, which is a runtime of its own.
    #[must_use]
    pub fn simulator(mut self) -> Self {
        self.simulator = true;
        self
    }

    /// Also against three real brokers of this release.
    #[must_use]
    pub fn kafka(mut self, release: &str) -> Self {
        self.releases.push(release.to_owned());
        self
    }

    /// Runs what the command line asks for, as `cargo test` passes it on: scenarios whose names contain one of the
    /// arguments, or all; `--list` lists them. Prints the table; the code tells whether all is well.
    pub fn main(&self) -> ExitCode {
        let arguments: Vec<String> = env::args().skip(1).collect();
        let filters: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
        let is_chosen =
            |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(&***filter));
        let chosen: Vec<usize> = (0..NAMES.len()).filter(|index| is_chosen(NAMES[*index])).collect();
        if arguments.iter().any(|argument| argument == "--list") {
            chosen.iter().for_each(|index| println!("{}: test", NAMES[*index]));
            return ExitCode::SUCCESS;
        }
        if chosen.is_empty() {
            println!("no scenario of that name");
            return ExitCode::SUCCESS;
        }
        let table = self.run(&chosen);
        print!("{table}");
        if table.is_green() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn run(&self, chosen: &[usize]) -> Table {
        let mut columns = Vec::new();
        thread::scope(|scope| {
            // They take long to start: the others have their turn meanwhile.
            let releases = self.releases.iter();
            let real: Vec<_> =
                releases.map(|release| scope.spawn(|| self.on_kafka(release, chosen))).collect();
            if self.simulator {
                columns.push(simulated(chosen));
            }
            let embedded = || Embedded::start().map(|cluster| Arc::new(cluster) as Arc<dyn Stage>);
            columns.extend(self.against("embedded", chosen, embedded));
            for columns_there in real {
                columns.extend(columns_there.join().expect("scenarios' panics are caught"));
            }
        });
        Table::new(chosen.iter().map(|index| NAMES[*index]).collect(), columns)
    }

    /// No columns where Kafka can't run and need not.
    fn on_kafka(&self, release: &str, chosen: &[usize]) -> Vec<Column> {
        let cluster = format!("Kafka {release}");
        if !available_for(&format!("the suite on {cluster}")) {
            return Vec::new();
        }
        let shared: Result<Arc<dyn Stage>, String> = match Real::start(release, self.adapters.len()) {
            Ok(real) => Ok(Arc::new(real)),
            Err(error) => Err(error),
        };
        self.against(&cluster, chosen, || shared.clone())
    }

    /// Plays scenario after scenario, each on all adapters at once.
    fn against(
        &self,
        cluster: &str,
        chosen: &[usize],
        stage: impl Fn() -> Result<Arc<dyn Stage>, String>,
    ) -> Vec<Column> {
        let start = Instant::now();
        let mut columns: Vec<_> =
            self.adapters.iter().map(|adapter| Column::new(cluster, &adapter.name)).collect();
        for &scenario in chosen {
            let plays = self.adapters.iter().enumerate().map(|(place, adapter)| {
                let name = format!("{}-{}", NAMES[scenario], place + 1);
                stage().map(|stage| Play::begin(adapter, scenario, name, stage))
            });
            let plays: Vec<_> = plays.collect();
            let deadline = Instant::now() + LIMIT;
            for (column, play) in columns.iter_mut().zip(plays) {
                column.cells.push(match play {
                    Ok(play) => play.end(deadline),
                    Err(error) => Err(Stop::Failed(error)),
                });
            }
        }
        columns.iter_mut().for_each(|column| column.took = start.elapsed());
        columns
    }
}

/// A scenario that is being played on a thread of its own.
struct Play {
    step: Step,
    outcome: mpsc::Receiver<Outcome>,
}

impl Play {
    fn begin(adapter: &Adapter, index: usize, name: String, stage: Arc<dyn Stage>) -> Self {
        let (step, (told, outcome)) = (Step::default(), mpsc::channel());
        let thread = thread::Builder::new().name(name.clone());
        let setting = Setting { stage, name, step: step.clone() };
        let (run, scenario) = (adapter.run.clone(), Scenario { index, setting, told: told.clone() });
        let started = thread.spawn(move || {
            let why = match catch_unwind(AssertUnwindSafe(|| run(scenario))) {
                Ok(()) => "its future was dropped".to_owned(),
                Err(panic) => format!("panicked: {}", sim::message(&*panic)),
            };
            // What comes behind the scenario's own word counts for nothing.
            let _ = told.send(Err(Stop::Failed(why)));
        });
        started.expect("a thread for the scenario");
        Play { step, outcome }
    }

    /// What came of it; a thread that hangs is left behind.
    fn end(self, deadline: Instant) -> Outcome {
        let left = deadline.saturating_duration_since(Instant::now());
        let hangs = |_| Err(Stop::Failed(format!("not done after {LIMIT:?}; it was: {}", self.step.name())));
        self.outcome.recv_timeout(left).unwrap_or_else(hangs)
    }
}

fn simulated(chosen: &[usize]) -> Column {
    let start = Instant::now();
    let mut column = Column::new("simulator", "");
    column.cells =
        chosen.iter().map(|scenario| (0..SEEDS).try_for_each(|seed| in_a_world(*scenario, seed))).collect();
    column.took = start.elapsed();
    column
}

fn in_a_world(scenario: usize, seed: u64) -> Outcome {
    let cluster = ClusterOptions { nodes: BROKERS, ..Default::default() };
    let options = sim::Options { cluster, ..Default::default() };
    let step = Step::default();
    let told = step.clone();
    let run = sim::run(seed, options, async move |world| {
        let stage = Arc::new(world.clone());
        let setting = Setting { stage, name: NAMES[scenario].to_owned(), step: told };
        scenarios::all()[scenario](Scene::new(Tasks::in_world(world), setting)).await
    });
    let stuck = |why| Err(Stop::Failed(format!("seed {seed}: {why}; it was: {}", step.name())));
    match run.result.unwrap_or_else(stuck) {
        Err(Stop::Failed(what)) if !what.starts_with("seed") => {
            Err(Stop::Failed(format!("seed {seed}: {what}")))
        }
        outcome => outcome,
    }
}
