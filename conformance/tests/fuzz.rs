//! Every fuzz target for a moment, with every allocation counted, and what fuzzing has found before.
//!
//! One test alone: allocations of others would count. `MILENA_FUZZ_SECONDS` (default 3) is the time for each target.

use std::alloc::System;
use std::time::Duration;

use milena_conformance::fuzz::{Meter, TARGETS, smoke, target};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const METER: Meter = Meter(|| ALLOCATOR.stats().bytes_allocated as u64);

/// Inputs that once broke a property: target, what it was, input.
const FINDINGS: [(&str, &str, &[u8]); 0] = [];

#[test]
fn no_property_breaks() {
    for (name, finding, input) in FINDINGS {
        println!("{name}: {finding}");
        (target(name).unwrap().run)(input, METER);
    }
    let seconds = std::env::var("MILENA_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    for target in TARGETS {
        let runs = smoke(target, 1, Duration::from_secs(seconds), METER);
        println!("{}: {runs} runs", target.name);
        assert!(runs > 100, "{} had {runs} runs", target.name);
    }
}
