//! What a stretch of work costs: time, CPU, allocations, waits, memory.

use std::fs;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use stats_alloc::INSTRUMENTED_SYSTEM;

/// The costs of this process up to a moment.
pub(super) struct Mark {
    at: Instant,
    cpu: Duration,
    allocations: usize,
    switches: u64,
}

/// The costs since a [`Mark`].
pub(super) struct Cost {
    pub(super) elapsed: Duration,
    /// User and system, of all threads.
    pub(super) cpu: Duration,
    /// Zero unless the binary's allocator counts.
    pub(super) allocations: usize,
    /// How often a thread gave its core away to wait: voluntary context switches of all threads that live. Linux only.
    pub(super) switches: u64,
}

impl Mark {
    pub(super) fn now() -> Self {
        let allocator = INSTRUMENTED_SYSTEM.stats();
        Mark {
            at: Instant::now(),
            cpu: process_cpu(),
            allocations: allocator.allocations + allocator.reallocations,
            switches: switches(),
        }
    }

    pub(super) fn cost(&self) -> Cost {
        let now = Mark::now();
        Cost {
            elapsed: now.at - self.at,
            cpu: now.cpu - self.cpu,
            allocations: now.allocations - self.allocations,
            // Those of a thread that ended are gone.
            switches: now.switches.saturating_sub(self.switches),
        }
    }
}

fn switches() -> u64 {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let statuses = tasks.filter_map(|task| fs::read_to_string(task.path().join("status")).ok());
    statuses.filter_map(|status| field(&status, "voluntary_ctxt_switches:")?.parse::<u64>().ok()).sum()
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// CPU of the calling thread alone, user and system.
pub(super) fn thread_cpu() -> Duration {
    let cpu = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(cpu.tv_sec as u64, cpu.tv_nsec as u32)
}

/// CPU of this process so far, user and system.
pub(crate) fn process_cpu() -> Duration {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(cpu.tv_sec as u64, cpu.tv_nsec as u32)
}

/// Megabytes; `None` where the system does not tell.
pub(super) fn peak_rss_mb() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kib: f64 = field(&status, "VmHWM:")?.strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}
