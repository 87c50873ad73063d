//! Many seeds of a scenario, each told twice.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{ControlFlow, Range};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::{Kind, Scenario, Simulation, Stuck, Tally, Trace, lock};

/// Trace entries that a failure shows.
const ENTRIES: usize = 100;

/// What all seeds came to. What is summed up is both times that each was told.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// How many seeds.
    pub seeds: u64,
    /// How many of them did something that must not be.
    pub violations: u64,
    /// How many left two traces.
    pub divergent: u64,
    /// How often each kind of fault had an effect.
    pub fired: BTreeMap<Kind, u64>,
    /// Virtual time.
    pub elapsed: Duration,
    /// Requests that reached a broker.
    pub requests: u64,
    /// What became of the records.
    pub records: Tally,
}

/// A seed that did not go well.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The seed.
    pub seed: u64,
    /// The scenario's name.
    pub scenario: &'static str,
    /// What was simulated.
    pub simulation: Simulation,
    /// What was wrong; `None`: two runs left two traces.
    pub why: Option<Stuck>,
    /// What happened.
    pub trace: Trace,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {} of {}: ", self.seed, self.scenario)?;
        match &self.why {
            Some(why) => write!(f, "{why}"),
            None => f.write_str("two runs, two traces"),
        }
    }
}

/// Tells every seed, on so many threads; `failed` hears of each that does not go well, `progress` of every seed.
///
/// When `failed` breaks off no further seed is begun; those before it come to their end, so that the first of all is among
/// what failed.
pub fn search(
    scenario: Scenario,
    seeds: Range<u64>,
    jobs: usize,
    failed: impl Fn(&Violation) -> ControlFlow<()> + Sync,
    progress: impl Fn(&Summary) + Sync,
) -> Summary {
    let next = AtomicU64::new(seeds.start);
    let summary = Mutex::new(Summary::default());
    let work = || {
        while let seed = next.fetch_add(1, Ordering::Relaxed)
            && seed < seeds.end
        {
            if let Some(violation) = tell(scenario, seed, &summary)
                && failed(&violation).is_break()
            {
                next.fetch_max(seeds.end, Ordering::Relaxed);
            }
            progress(&lock(&summary));
        }
    };
    thread::scope(|scope| (0..jobs).for_each(|_| _ = scope.spawn(work)));
    summary.into_inner().unwrap_or_default()
}

/// Tells one seed twice.
fn tell(scenario: Scenario, seed: u64, summary: &Mutex<Summary>) -> Option<Violation> {
    let simulation = Simulation::of(scenario, seed);
    let quick = simulation.clone().trace_entries(0);
    let (first, second) = (quick.run(), quick.run());
    let divergent = first.trace != second.trace;
    let mut summary = lock(summary);
    summary.seeds += 1;
    summary.violations += u64::from(first.result.is_err());
    summary.divergent += u64::from(divergent);
    for run in [&first, &second] {
        summary.elapsed += run.elapsed;
        summary.requests += run.trace.requests();
        for (kind, times) in run.trace.fired() {
            *summary.fired.entry(*kind).or_default() += times;
        }
        if let Ok(tally) = run.result {
            summary.records += tally;
        }
    }
    drop(summary);
    let why = first.result.err();
    if why.is_none() && !divergent {
        return None;
    }
    let simulation = simulation.trace_entries(ENTRIES);
    let trace = simulation.run().trace;
    Some(Violation { seed, scenario: scenario.name, simulation, why, trace })
}

impl Summary {
    /// The kinds of a scenario that never had an effect.
    pub fn silent(&self, scenario: Scenario) -> Vec<Kind> {
        let fired = |kind: &Kind| self.fired.get(kind).is_some_and(|times| *times > 0);
        scenario.kinds.iter().copied().filter(|kind| !fired(kind)).collect()
    }

    /// What it took, given the real time.
    pub fn report(&self, wall: Duration) -> String {
        let mut report = String::from("faults that had an effect:\n");
        for (kind, times) in &self.fired {
            report += &format!("{times:>12} {kind}\n");
        }
        let Tally { written, unknown, not_written, killed } = self.records;
        report += &format!(
            "records: {written} acknowledged, {unknown} of unknown fate, {not_written} not written, {killed} of killed \
             processes\n"
        );
        let (virtual_s, wall_s) = (self.elapsed.as_secs_f64(), wall.as_secs_f64().max(1e-9));
        report += &format!(
            "{:.1} virtual hours, {} requests, in {wall_s:.1} s: {:.0} virtual seconds and {:.0} requests a second, {:.1} \
             ms for a seed, told twice\n",
            virtual_s / 3600.0,
            self.requests,
            virtual_s / wall_s,
            self.requests as f64 / wall_s,
            wall_s * 1e3 / self.seeds.max(1) as f64,
        );
        report
    }
}
