//! What a stretch of work costs: time, CPU, allocations, memory.

use std::fs;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use stats_alloc::INSTRUMENTED_SYSTEM;

/// The costs of this process up to a moment.
pub(super) struct Mark {
    at: Instant,
    cpu: Duration,
    allocations: usize,
}

/// The costs since a [`Mark`].
pub(super) struct Cost {
    pub(super) elapsed: Duration,
    /// User and system, of all threads.
    pub(super) cpu: Duration,
    /// Zero unless the binary's allocator counts.
    pub(super) allocations: usize,
}

impl Mark {
    pub(super) fn now() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let allocator = INSTRUMENTED_SYSTEM.stats();
        Mark {
            at: Instant::now(),
            cpu: Duration::new(cpu.tv_sec as u64, cpu.tv_nsec as u32),
            allocations: allocator.allocations + allocator.reallocations,
        }
    }

    pub(super) fn cost(&self) -> Cost {
        let now = Mark::now();
        Cost {
            elapsed: now.at - self.at,
            cpu: now.cpu - self.cpu,
            allocations: now.allocations - self.allocations,
        }
    }
}

/// Megabytes; `None` where the system does not tell.
pub(super) fn peak_rss_mb() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}
