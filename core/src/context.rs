//! What each machine inside of the client gets for a transition: the time, randomness, the cluster, and a way out for what it
//! wants.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::cluster::{Cluster, Lane, Target};
use crate::connection::{AnyRequest, Outgoing};
use crate::notice::Notice;
use crate::protocol::Request;
use crate::rng::Rng;
use crate::time::{Instant, Now};

/// Names an operation that someone waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct OpId(pub u64);

/// Names a writer of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct WriterId(pub u64);

/// Names a reader of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct ReaderId(pub u64);

/// A machine inside of the client: what it calls its own requests and timers, and what it tells.
pub(crate) trait Subject {
    /// Comes back with a request's answer.
    type Tag;
    /// Each has at most one time set.
    type Timer;
    type Output;
}

/// Where one machine's wishes go, with its id put to them.
pub(crate) trait Outlet<S: Subject> {
    fn send(&mut self, request: Routed<S::Tag>);
    fn set_timer(&mut self, timer: S::Timer, at: Option<Instant>);
    fn tell(&mut self, output: S::Output);
    fn notice(&mut self, notice: Notice);
}

/// A request that a machine wants sent.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Routed<T> {
    pub(crate) target: Target,
    pub(crate) lane: Lane,
    pub(crate) outgoing: Outgoing<T>,
}

impl<T> Routed<T> {
    /// A request for the newest final version that both sides know.
    pub(crate) fn new<R: Request>(target: Target, lane: Lane, request: R, tag: T) -> Self {
        Routed::of(target, lane, Arc::new(request), (0, R::STABLE), tag)
    }

    /// A request for a version of the given range only, be it final or not.
    pub(crate) fn of(
        target: Target,
        lane: Lane,
        request: Arc<dyn AnyRequest>,
        versions: (i16, i16),
        tag: T,
    ) -> Self {
        let outgoing = Outgoing { request, tag, versions, timeout: Duration::ZERO, answered: true };
        Routed { target, lane, outgoing }
    }

    /// The broker may take so much longer than usual to answer, for a long poll.
    pub(crate) fn wait_longer(mut self, by: Duration) -> Self {
        self.outgoing.timeout = by;
        self
    }

    /// Whether the broker will answer.
    pub(crate) fn answered(mut self, answered: bool) -> Self {
        self.outgoing.answered = answered;
        self
    }

    pub(crate) fn map<U>(self, to: impl FnOnce(T) -> U) -> Routed<U> {
        let Routed { target, lane, outgoing } = self;
        let Outgoing { request, tag, versions, timeout, answered } = outgoing;
        Routed { target, lane, outgoing: Outgoing { request, tag: to(tag), versions, timeout, answered } }
    }
}

/// Borrowed from the client for one transition of one machine.
pub(crate) struct Ctx<'a, S: Subject> {
    pub(crate) now: Now,
    pub(crate) rng: &'a mut Rng,
    pub(crate) cluster: &'a mut Cluster,
    /// How long a broker usually may take to answer.
    pub(crate) request_timeout: Duration,
    pub(crate) out: &'a mut dyn Outlet<S>,
}

impl<S: Subject> Ctx<'_, S> {
    pub(crate) fn set_timer(&mut self, timer: S::Timer, at: Option<Instant>) {
        self.out.set_timer(timer, at);
    }

    pub(crate) fn send(&mut self, mut request: Routed<S::Tag>) {
        request.outgoing.timeout += self.request_timeout;
        self.out.send(request);
    }

    pub(crate) fn tell(&mut self, output: S::Output) {
        self.out.tell(output);
    }

    pub(crate) fn notice(&mut self, notice: Notice) {
        self.out.notice(notice);
    }
}

impl<S: Subject> fmt::Debug for Ctx<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ctx").field("now", &self.now).finish_non_exhaustive()
    }
}
