//! How much of a quota is used.

use std::collections::VecDeque;
use std::time::Duration;

/// `quota.window.num` and `quota.window.size.seconds`, at their defaults.
const WINDOWS: u32 = 11;
const WINDOW: Duration = Duration::from_secs(1);
/// What is older does not count any more.
const SPAN: Duration = Duration::from_secs(WINDOWS as u64);

/// The bytes of the last seconds: short bursts are allowed as long as the average is not above the quota.
#[derive(Debug, Default)]
pub(super) struct Rate {
    /// When each window began, and what was counted in it; the newest last.
    windows: VecDeque<(Duration, f64)>,
}

impl Rate {
    /// Counts bytes; how long to pause so that the average is the quota again.
    pub(super) fn record(&mut self, now: Duration, bytes: f64, quota: f64) -> Duration {
        while self.windows.front().is_some_and(|(began, _)| *began + SPAN <= now) {
            self.windows.pop_front();
        }
        match self.windows.back_mut() {
            Some((began, counted)) if now < *began + WINDOW => *counted += bytes,
            _ => self.windows.push_back((now, bytes)),
        }
        let first = self.windows.front().map_or(now, |(began, _)| *began);
        // All windows but the current one count as whole, even those that have not been yet.
        let span = (now - first).max(SPAN - WINDOW).as_secs_f64();
        let total: f64 = self.windows.iter().map(|(_, counted)| counted).sum();
        Duration::from_millis(((total / quota - span).max(0.0) * 1000.0).round() as u64)
    }

    /// Takes back what was counted last.
    pub(super) fn forget(&mut self, bytes: f64) {
        if let Some((_, counted)) = self.windows.back_mut() {
            *counted -= bytes;
        }
    }
}

/// Changes that may be made at once: the bucket is full at first, and each second puts the quota into it (KIP-599).
#[derive(Debug)]
pub(super) struct Bucket {
    tokens: f64,
    filled: Duration,
}

impl Bucket {
    pub(super) fn full(now: Duration, quota: f64) -> Self {
        Bucket { tokens: quota * SPAN.as_secs_f64(), filled: now }
    }

    /// How long it takes until something may be changed again.
    pub(super) fn pause(&mut self, now: Duration, quota: f64) -> Duration {
        let more = (now - self.filled).as_secs_f64() * quota;
        self.tokens = (self.tokens + more).min(quota * SPAN.as_secs_f64());
        self.filled = now;
        Duration::from_millis((-self.tokens / quota * 1000.0).max(0.0).round() as u64)
    }

    /// Takes tokens, more than there are if need be.
    pub(super) fn take(&mut self, count: usize) {
        self.tokens -= count as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: f64 = 1000.0;

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn an_average_above_the_quota_is_made_up_for() {
        let mut rate = Rate::default();
        assert_eq!(rate.record(at(0.0), 10_000.0, QUOTA), Duration::ZERO, "ten seconds' worth at once");
        assert_eq!(rate.record(at(0.5), 2000.0, QUOTA), at(2.0));
        rate.forget(2000.0);
        assert_eq!(rate.record(at(0.6), 500.0, QUOTA), at(0.5));
        assert_eq!(rate.record(at(10.9), 100.0, QUOTA), Duration::ZERO, "10,600 bytes in 10.9 seconds");
        assert_eq!(rate.record(at(11.0), 10_000.0, QUOTA), at(0.1), "the first window is over");
    }

    #[test]
    fn a_bucket_goes_below_zero_once() {
        let mut bucket = Bucket::full(at(0.0), 2.0);
        bucket.take(30);
        assert_eq!(bucket.pause(at(0.0), 2.0), at(4.0), "8 more than 22");
        assert_eq!(bucket.pause(at(3.0), 2.0), at(1.0));
        assert_eq!(bucket.pause(at(4.0), 2.0), Duration::ZERO);
    }
}
