//! What every machine inside the client gets: the time, randomness, timers, and a way to send requests.

use std::fmt;
use std::sync::Arc;
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
    /// The lookup of a coordinator.
    Coordinator(u64),
    InitProducerId(WriterId),
    Produce(WriterId, u64),
    ListOffsets(ReaderId, u64),
    Fetch(ReaderId, BrokerId),
    Op(OpId),
}

/// Whom a request must reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Any broker; a bootstrap server as long as no broker is known.
    Any,
    /// This broker.
    Broker(BrokerId),
    /// The cluster's controller; with KRaft any broker, which forwards what is not its own.
    Controller,
    /// The broker that leads a partition just now.
    Leader {
        /// The topic's name.
        topic: Arc<str>,
        /// The partition.
        partition: i32,
    },
    /// The broker that looks after a group or a transactional id just now (FindCoordinator).
    Coordinator {
        /// What it coordinates.
        kind: CoordinatorType,
        /// The group's id, the transactional id, or for share groups `group:topic id:partition`.
        key: Arc<str>,
    },
}

impl Target {
    /// The leader of a partition.
    pub fn leader(topic: &str, partition: i32) -> Self {
        Target::Leader { topic: topic.into(), partition }
    }

    /// The coordinator of a consumer group, or of any other group that FindCoordinator finds by its id alone.
    pub fn group(id: &str) -> Self {
        Target::Coordinator { kind: CoordinatorType::GROUP, key: id.into() }
    }

    /// The coordinator of a transactional id.
    pub fn transaction(id: &str) -> Self {
        Target::Coordinator { kind: CoordinatorType::TRANSACTION, key: id.into() }
    }
}

/// What a coordinator coordinates: FindCoordinator's key type. Open: a newer broker may know more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CoordinatorType(pub i8);

impl CoordinatorType {
    /// Groups.
    pub const GROUP: Self = Self(0);
    /// Transactional ids (KIP-98; Kafka 0.11 and later).
    pub const TRANSACTION: Self = Self(1);
    /// The state of share groups' partitions (KIP-932; Kafka 3.9 and later).
    pub const SHARE: Self = Self(2);
}

impl fmt::Debug for CoordinatorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::GROUP => f.write_str("GROUP"),
            Self::TRANSACTION => f.write_str("TRANSACTION"),
            Self::SHARE => f.write_str("SHARE"),
            Self(other) => write!(f, "{other}"),
        }
    }
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

    /// Sends a request in the newest final version that both sides know.
    pub(crate) fn send<R: Request>(&mut self, target: Target, lane: Lane, request: R, tag: Tag) {
        self.send_as(target, lane, Box::new(request), tag, (0, R::STABLE), true);
    }

    /// Sends a request in a version of the given range only, be it final or not; `answered` is false where the broker
    /// won't answer.
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

    /// The broker may take until then to answer the request sent last, if that is longer than usual.
    pub(crate) fn wait_until(&mut self, deadline: Instant) {
        let usual = self.now.mono + self.request_timeout;
        self.wait_longer(deadline.since(usual));
    }

    /// The broker may take so much longer to answer the request sent last, for a long poll.
    pub(crate) fn wait_longer(&mut self, by: Duration) {
        if let Some(routed) = self.requests.last_mut() {
            routed.outgoing.timeout += by;
        }
    }
}
