//! What clients run on: the world's network and tasks, and the clocks of their process.
//!
//! A process's clocks may run fast or slow and its wall clock may jump; true time is the brokers' and the world's own.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use milena_core::drive::Runtime;
use milena_core::{Address, CloseReason, Instant, Notice, Now};

use super::link::SimStream;
use super::lock;
use super::network::{Event, Shared, WALL_START_MS};
use super::plan::ProcessId;
use super::stuck::{Owner, Wait};
use super::trace;

/// Millionths.
const MILLION: i128 = 1_000_000;

/// A process's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    /// At this true time
    since: Duration,
    /// the process's monotonic clock said this, and from then on
    local: Duration,
    /// it is fast by so many millionths.
    ppm: i64,
    /// How far its wall clock has jumped.
    pub(super) jumped_ms: i64,
}

impl Clock {
    /// What the monotonic clock says at a true time.
    fn local(&self, now: Duration) -> Duration {
        if self.ppm == 0 {
            return self.local + (now - self.since);
        }
        let passed = (now - self.since).as_micros() as i128;
        self.local + Duration::from_micros((passed * (MILLION + i128::from(self.ppm)) / MILLION) as u64)
    }

    /// The true time at which it says at least this much.
    fn true_time(&self, local: Duration) -> Duration {
        if self.ppm == 0 {
            return self.since + local.saturating_sub(self.local);
        }
        let left = local.saturating_sub(self.local).as_micros() as i128 * MILLION;
        let rate = MILLION + i128::from(self.ppm);
        self.since + Duration::from_micros(((left + rate - 1) / rate) as u64)
    }

    /// From now on it is fast by so many millionths.
    pub(super) fn set_rate(&mut self, now: Duration, ppm: i64) {
        self.local = self.local(now);
        self.since = now;
        self.ppm = ppm;
    }
}

/// What a client runs on.
pub(super) struct SimRuntime {
    pub(super) shared: Arc<Shared>,
    pub(super) process: ProcessId,
    /// Its number, from 1.
    pub(super) client: u32,
    /// How far this client's wall clock is ahead of the brokers', in milliseconds.
    pub(super) skew_ms: i64,
}

impl Runtime for SimRuntime {
    type Stream = SimStream;

    fn now(&self) -> Now {
        let state = lock(&self.shared.state);
        let clock = state.clock(self.process);
        let local = clock.local(state.now());
        Now {
            mono: Instant::from_micros(local.as_micros() as u64),
            wall: WALL_START_MS + local.as_millis() as i64 + self.skew_ms + clock.jumped_ms,
        }
    }

    fn connect(
        &self,
        address: &Address,
    ) -> impl Future<Output = Result<SimStream, CloseReason>> + Send + 'static {
        let link = lock(&self.shared.state).connect(self.process, self.client, address);
        let stream = link.map(|link| SimStream { shared: self.shared.clone(), link });
        let unknown = CloseReason::Resolve(format!("{} is not known", address.host));
        async move {
            let stream = stream.ok_or(unknown)?;
            std::future::poll_fn(|cx| stream.poll_connected(cx)).await?;
            Ok(stream)
        }
    }

    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + Send + 'static {
        let at = Duration::from_micros(at.as_micros());
        Sleep { shared: self.shared.clone(), clock: Some(self.process), at, event: None }
    }

    fn notice(&self, notice: Notice) {
        let (client, text) = (self.client, notice.to_string());
        lock(&self.shared.state).tell(trace::Event::Notice { client, text });
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.shared.inbox.spawn(self.process, Owner::Client(self.client, None), task);
    }
}

/// Ready at a time.
pub(super) struct Sleep {
    pub(super) shared: Arc<Shared>,
    /// Whose time; `None` is the true one.
    pub(super) clock: Option<ProcessId>,
    pub(super) at: Duration,
    pub(super) event: Option<(Duration, u64)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let shared = self.shared.clone();
        let mut state = lock(&shared.state);
        if let Some(event) = self.event.take() {
            state.unset(&event);
        }
        // The clock may run otherwise than when it was looked at last.
        let due = self.clock.map_or(self.at, |process| state.clock(process).true_time(self.at));
        if state.now() >= due {
            return Poll::Ready(());
        }
        self.event = Some(state.set(due, Event::Wake(cx.waker().clone())));
        shared.inbox.wait(Wait::Time(due));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(event) = self.event.take() {
            lock(&self.shared.state).unset(&event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_clock_is_ahead_and_its_times_come_early() {
        let s = Duration::from_secs;
        let mut clock = Clock::default();
        clock.set_rate(s(10), 100_000);
        assert_eq!((clock.local(s(10)), clock.local(s(20))), (s(10), s(21)));
        assert_eq!((clock.true_time(s(21)), clock.true_time(s(5))), (s(20), s(10)));
        clock.set_rate(s(20), -500_000);
        assert_eq!((clock.local(s(24)), clock.true_time(s(23))), (s(23), s(24)));
        clock.set_rate(s(24), 0);
        assert_eq!((clock.local(s(25)), clock.true_time(s(24))), (s(24), s(25)));
        // Never earlier than it says.
        let mut slow = Clock::default();
        slow.set_rate(Duration::ZERO, -333_333);
        for micros in 1..1_000 {
            let local = Duration::from_micros(micros);
            assert!(slow.local(slow.true_time(local)) >= local);
        }
    }
}
