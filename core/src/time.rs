//! Time as an argument: the core never reads a clock.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A point on the driver's monotonic clock, in microseconds since an origin that the driver chose.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Instant(u64);

impl Instant {
    /// The end of time: a timer set to it never fires.
    pub const MAX: Instant = Instant(u64::MAX);

    /// The instant that lies so many microseconds after the origin.
    pub const fn from_micros(micros: u64) -> Self {
        Instant(micros)
    }

    /// Microseconds since the origin.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// How much later this is than `earlier`; zero if it is not.
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;
    fn add(self, duration: Duration) -> Instant {
        Instant(self.0.saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl Sub for Instant {
    type Output = Duration;
    fn sub(self, earlier: Instant) -> Duration {
        self.since(earlier)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}s", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// Both clocks of one moment: the monotonic one for deadlines, the wall clock for record timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Now {
    /// The driver's monotonic clock.
    pub mono: Instant,
    /// Milliseconds since the Unix epoch.
    pub wall: i64,
}

/// The one timer set of a client: at most one time for each key, the earliest known in O(1).
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "recording", serde(bound(deserialize = "K: serde::Deserialize<'de> + Ord")))]
pub(crate) struct Timers<K> {
    by_time: BTreeSet<(Instant, K)>,
    by_key: BTreeMap<K, Instant>,
    earliest: Option<Instant>,
}

impl<K: Copy + Ord> Timers<K> {
    pub(crate) fn new() -> Self {
        Timers { by_time: BTreeSet::new(), by_key: BTreeMap::new(), earliest: None }
    }

    /// Sets, moves or (with `None`) cancels the timer of `key`.
    pub(crate) fn set(&mut self, key: K, at: Option<Instant>) {
        let at = at.filter(|at| *at != Instant::MAX);
        let before = match at {
            Some(at) => self.by_key.insert(key, at),
            None => self.by_key.remove(&key),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.by_time.remove(&(before, key));
        }
        if let Some(at) = at {
            self.by_time.insert((at, key));
        }
        self.earliest = self.by_time.first().map(|(at, _)| *at);
    }

    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(crate) fn earliest(&self) -> Option<Instant> {
        self.earliest
    }

    /// Takes one timer that is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<K> {
        if self.earliest? > now {
            return None;
        }
        let (_, key) = self.by_time.pop_first()?;
        self.by_key.remove(&key);
        self.earliest = self.by_time.first().map(|(at, _)| *at);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Instant {
        Instant::from_micros(s * 1_000_000)
    }

    #[test]
    fn a_timer_has_one_time_and_fires_once_in_order() {
        let mut timers = Timers::new();
        timers.set('a', Some(at(3)));
        timers.set('b', Some(at(2)));
        timers.set('a', Some(at(1)));
        timers.set('c', Some(at(2)));
        timers.set('c', None);
        timers.set('d', Some(Instant::MAX));
        assert_eq!(timers.earliest(), Some(at(1)));
        assert_eq!(timers.pop_due(at(0)), None);
        assert_eq!(timers.pop_due(at(5)), Some('a'));
        assert_eq!(timers.pop_due(at(5)), Some('b'));
        assert_eq!(timers.pop_due(at(5)), None);
        assert_eq!(timers.earliest(), None);
    }

    #[test]
    fn instants_saturate() {
        assert_eq!(Instant::MAX + Duration::from_secs(1), Instant::MAX);
        assert_eq!(at(1) - at(2), Duration::ZERO);
        assert_eq!(format!("{:?}", at(1) + Duration::from_micros(5)), "1.000005s");
    }
}
