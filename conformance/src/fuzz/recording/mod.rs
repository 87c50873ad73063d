//! A recording by anybody, replayed.
//!
//! The bytes are a recording as they are. They are also what is in one: a snapshot, with its length before it, and the events after it,
//! for which the frame is made, so that chance gets past the checksum. Whether the same comes out as before is not looked at: whoever
//! forges a recording can see to that. A panic of the machine is an answer, one of anything else is not.

mod file;
mod seeds;

use std::fmt::Write as _;
use std::panic::{catch_unwind, set_hook, take_hook};
use std::time::{Duration, Instant};

use milena_core::Recording;

use super::Meter;
pub(super) use seeds::seeds;

/// Bytes by which a run may raise the process's peak memory. What is only reserved does not count: data of records is zeros that
/// nobody reads, and the length of it is anybody's word.
const MEMORY: u64 = 512 << 20;

/// A machine that goes in circles gives up after some thousand rounds; an event else takes microseconds.
const TIME: Duration = Duration::from_secs(30);

pub(super) fn run(input: &[u8], _: Meter) {
    let (before, began) = (peak(), Instant::now());
    // The machine's panics are caught, and are no finding: they must not end the fuzzer.
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let replayed = catch_unwind(|| {
        replay(input);
        if let Some(framed) = file::framed(input) {
            replay(&framed);
        }
    });
    set_hook(hook);
    if let Err(what) = replayed {
        let text = what.downcast_ref::<String>().map(String::as_str);
        panic!("outside of the guard: {:?}", text.or(what.downcast_ref::<&str>().copied()));
    }
    // The system counts a little late: the peak may seem to sink.
    let (touched, time) = (peak().saturating_sub(before), began.elapsed());
    assert!(touched <= MEMORY, "{touched} bytes of memory");
    assert!(time <= TIME, "{time:?}");
}

fn replay(bytes: &[u8]) {
    let Ok(recording) = Recording::from_bytes(bytes) else { return };
    assert_eq!(Recording::from_bytes(&recording.to_bytes()).as_ref(), Ok(&recording));
    let mut longest = 0;
    let mut tell = |line: &str| {
        assert!(!line.contains(char::is_control), "{line:?}");
        longest = longest.max(line.len());
    };
    let results = [recording.replay(&mut tell), recording.replay_unchecked(&mut tell)];
    let mut told = String::new();
    for error in results.into_iter().filter_map(Result::err) {
        write!(told, "{error}").expect("a string takes all");
    }
    assert!(!told.contains(char::is_control), "{told:?}");
    assert!(longest < 2000, "a line of {longest} bytes");
}

/// The process's peak memory in bytes; 0 where the system does not tell it.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Chance begins with recordings that are right.
    #[test]
    fn seeds_are_true_recordings() {
        let seeds = seeds();
        assert!(seeds.len() >= 6, "{}", seeds.len());
        for seed in &seeds {
            assert!(seed.len() < 16 * 1024, "{} bytes", seed.len());
            let recording = Recording::from_bytes(&file::framed(seed).unwrap()).unwrap();
            let replayed = recording.replay(|_| {}).unwrap();
            assert!(replayed.events > 3, "{replayed:?}");
        }
    }
}
