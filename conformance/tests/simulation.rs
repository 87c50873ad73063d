//! Real clients in the simulator: every seed tells a scenario twice, and both times alike.
//!
//! `MILENA_SEEDS=20000` widens the search; `MILENA_SEED=17` tells one seed again, in every scenario.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use milena_conformance::sim::{Scenario, scenarios};

/// How many seeds a usual run tells.
const SEEDS: u64 = 1_000;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Tells a scenario twice; what went wrong, if anything did.
fn tell(scenario: &Scenario, seed: u64) -> Option<String> {
    let (first, second) = (scenario.run(seed), scenario.run(seed));
    let head = format!("scenario {:?}, seed {seed}", scenario.name);
    if let Err(wrong) = first.result {
        return Some(format!("{head}: {wrong}\n{}", first.trace));
    }
    (first.trace != second.trace)
        .then(|| format!("{head}: two runs, two traces\n{}\n{}", first.trace, second.trace))
}

#[test]
fn every_seed_keeps_the_promises() {
    if let Some(seed) = number("MILENA_SEED") {
        for scenario in scenarios() {
            assert_eq!(tell(scenario, seed), None);
        }
        return;
    }
    let seeds = number("MILENA_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(0);
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    let scenario = &scenarios()[seed as usize % scenarios().len()];
                    if let Some(failure) = tell(scenario, seed) {
                        failures.lock().unwrap().push((seed, failure));
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    let list: Vec<_> = failures.iter().filter_map(|(_, failure)| failure.lines().next()).collect();
    if let Some((_, first)) = failures.first() {
        panic!("{} of {seeds} seeds failed:\n{}\n\nthe first:\n{first}", failures.len(), list.join("\n"));
    }
}

/// A batch was refused for a gap, its copy on a connection given up arrived later and filled that gap, and the writer
/// was told "not written".
#[test]
fn a_late_copy_of_a_refused_batch_may_be_written() {
    let scenario = scenarios().iter().find(|scenario| scenario.name == "leaders move").expect("it is there");
    assert_eq!(tell(scenario, 771), None);
}
