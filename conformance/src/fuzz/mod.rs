//! What a fuzzer runs: properties of everything that reads bytes of a peer.
//!
//! A target takes any bytes and panics where a property does not hold: what is read can be written and read again
//! (`messages`, `records`), any chunking gives the same frames (`framer`), and the memory taken is a small factor of
//! the input plus the limit that was set ([`Meter`]). In `machine` the bytes are what happens to a whole client, and the
//! properties are its promises; in `recording` they are a client's recording, which may come from a stranger. `fuzz/` has the same targets for cargo-fuzz; [`smoke`] runs
//! them on stable Rust, from seeds (most are the vectors) and mutations of them, one seed one sequence.

mod framer;
mod inside;
mod machine;
mod messages;
mod mutation;
mod recording;
mod records;
mod sasl;
mod seeds;

use std::fmt;
use std::time::{Duration, Instant};

pub use seeds::seeds;

use crate::sim::Random;

/// Tells how many bytes the program has allocated since it began, freed ones included; always 0 where nobody counts.
#[derive(Clone, Copy)]
pub struct Meter(pub fn() -> u64);

impl Meter {
    /// Checks nothing.
    pub const OFF: Self = Self(|| 0);

    /// Runs `work`, which may allocate so many bytes in all.
    ///
    /// # Panics
    ///
    /// When it allocates more.
    #[track_caller]
    pub(crate) fn within<T>(self, allowed: usize, work: impl FnOnce() -> T) -> T {
        let before = (self.0)();
        let result = work();
        let allocated = (self.0)() - before;
        assert!(allocated <= allowed as u64, "{allocated} bytes allocated, {allowed} allowed");
        result
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Meter({})", (self.0)())
    }
}

/// Something to be fuzzed.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, as that of its cargo-fuzz target.
    pub name: &'static str,
    /// Runs it on any bytes; panics where a property does not hold.
    pub run: fn(&[u8], Meter),
}

/// Every target there is.
pub const TARGETS: [Target; 8] = [
    Target { name: "messages", run: messages::run },
    Target { name: "records", run: records::run },
    Target { name: "framer", run: framer::run },
    Target { name: "tagged_fields", run: inside::tagged_fields },
    Target { name: "consumer_protocol", run: inside::consumer_protocol },
    Target { name: "sasl", run: sasl::run },
    Target { name: "machine", run: machine::run },
    Target { name: "recording", run: recording::run },
];

/// The target of that name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}

/// Runs a target on its seeds, then on mutations of them until time is up; tells how many inputs that were.
///
/// # Panics
///
/// Where a property does not hold; the input is told first, in hex.
pub fn smoke(target: Target, seed: u64, time: Duration, meter: Meter) -> u64 {
    let seeds = seeds(target.name);
    let deadline = Instant::now() + time;
    let mut random = Random::new(seed);
    let mut runs = 0;
    let mut input = Vec::new();
    while Instant::now() < deadline {
        input.clear();
        match seeds.get(runs as usize) {
            Some(seed) => input.extend_from_slice(seed),
            None => mutation::mutated(&mut random, &seeds, &mut input),
        }
        let told = Told(target.name, &input);
        (target.run)(&input, meter);
        std::mem::forget(told);
        runs += 1;
    }
    runs
}

/// Tells the input if the target panics on it.
struct Told<'a>(&'static str, &'a [u8]);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        let hex = data_encoding::HEXLOWER.encode(self.1);
        eprintln!("the fuzz target {} fails on {} bytes: {hex}", self.0, self.1.len());
    }
}
