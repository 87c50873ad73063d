//! A smaller failure from a large one: fewer faults, then less work.
//!
//! Any failure counts as the same one: what a smaller world does wrong is worth looking at, too.

use std::time::{Duration, Instant};

use super::{Simulation, Stuck};

/// What was found.
#[derive(Debug)]
pub struct Shrunk {
    /// The smallest that still fails,
    pub simulation: Simulation,
    /// and how.
    pub why: Stuck,
    /// How many were tried.
    pub tries: usize,
}

/// Looks for the smallest simulation that fails as long as there is real time left: first the shortest prefix of the
/// fault plan, then that without single faults, then with less work. `None` if the simulation itself does not fail.
pub fn shrink(simulation: &Simulation, limit: Duration) -> Option<Shrunk> {
    let why = simulation.run().result.err()?;
    let start = Instant::now();
    let mut best = Shrunk { simulation: simulation.clone(), why, tries: 1 };
    let smaller = |best: &mut Shrunk, candidate: Simulation| {
        best.tries += 1;
        match candidate.run().result {
            Err(why) => {
                (best.simulation, best.why) = (candidate, why);
                true
            }
            Ok(_) => false,
        }
    };
    // Halving finds the prefix quickly where it matters; failures are not monotonous, so it is not the shortest always.
    let (mut holds, mut fails) = (0, best.simulation.faults().len());
    while holds < fails && start.elapsed() < limit {
        let middle = (holds + fails) / 2;
        let candidate = simulation.with_faults(simulation.faults().first(middle));
        match smaller(&mut best, candidate) {
            true => fails = middle,
            false => holds = middle + 1,
        }
    }
    let mut index = best.simulation.faults().len();
    while index > 0 && start.elapsed() < limit {
        index -= 1;
        let candidate = best.simulation.with_faults(best.simulation.faults().without(index));
        smaller(&mut best, candidate);
    }
    while start.elapsed() < limit {
        let Some(candidate) = best.simulation.halved() else { break };
        if !smaller(&mut best, candidate) {
            break;
        }
    }
    Some(best)
}
