//! What every machine inside the client gets: the time, randomness, timers, and a way to send requests.

use std::time::Duration;

use crate::connection::{Call, Lane, Outgoing};
use crate::protocol::{BrokerId, Request};
use crate::rng::Rng;
use crate::time::{Instant, Now, Timers};

/// Names an operation that someone waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OpId(pub(crate) u64);

/// Names a writer of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WriterId(pub(crate) u64);

/// Names a reader of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReaderId(pub(crate) u64);

/// Whose timer it is: each has at most one time set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    Connection(u64),
    Metadata,
    Partition(WriterId, usize),
    Identity(WriterId),
    Reader(ReaderId),
    Op(OpId),
}

/// Whose request it was, for its answer's way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tag {
    Metadata,
    InitProducerId(WriterId),
    Produce(WriterId, u64),
    ListOffsets(ReaderId, u64),
    Fetch(ReaderId, BrokerId),
    Op(OpId),
}

/// Where a request must go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Broker(BrokerId),
    Controller,
    Any,
}

/// A request that a machine wants sent.
pub(crate) struct Routed {
    pub(crate) target: Target,
    pub(crate) lane: Lane,
    pub(crate) outgoing: Outgoing<Tag>,
}

/// Borrowed from the client for one transition of one machine.
pub(crate) struct Ctx<'a> {
    pub(crate) now: Now,
    pub(crate) rng: &'a mut Rng,
    timers: &'a mut Timers<Timer>,
    requests: &'a mut Vec<Routed>,
    request_timeout: Duration,
}

impl<'a> Ctx<'a> {
    pub(crate) fn new(
        now: Now,
        rng: &'a mut Rng,
        timers: &'a mut Timers<Timer>,
        requests: &'a mut Vec<Routed>,
        request_timeout: Duration,
    ) -> Self {
        Ctx { now, rng, timers, requests, request_timeout }
    }

    pub(crate) fn set_timer(&mut self, timer: Timer, at: Option<Instant>) {
        self.timers.set(timer, at);
    }

    /// Sends a request in the newest version that both sides know.
    pub(crate) fn send<R>(&mut self, target: Target, lane: Lane, request: R, tag: Tag)
    where
        R: Request + Send + 'static,
        R::Response: Send + 'static,
    {
        self.send_as(target, lane, Box::new(request), tag, (0, i16::MAX), true);
    }

    /// Sends a request in a version of the given range only; `answered` is false where the broker won't answer.
    pub(crate) fn send_as(
        &mut self,
        target: Target,
        lane: Lane,
        call: Box<dyn Call>,
        tag: Tag,
        versions: (i16, i16),
        answered: bool,
    ) {
        let outgoing = Outgoing { call, tag, versions, timeout: self.request_timeout, answered };
        self.requests.push(Routed { target, lane, outgoing });
    }

    /// The broker may take so much longer to answer the request sent last, for a long poll.
    pub(crate) fn wait_longer(&mut self, by: Duration) {
        if let Some(routed) = self.requests.last_mut() {
            routed.outgoing.timeout += by;
        }
    }
}
