//! What the sender of one writer keeps, and what goes in and out of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::partition::Partition;
use crate::config::{Config, WriterConfig};
use crate::context::{Ctx, OpId, Subject, WriterId};
use crate::error::{Error, Fate, WriteError};
use crate::notice::Notice;
use crate::producer::completion::Outcome;
use crate::producer::job::{Batch, Job, News, Settled, Work};
use crate::protocol::{BrokerId, ProducerId};
use crate::record::{Encoding, MessageFormat};
use crate::rng::Backoff;
use crate::time::Instant;
use crate::wire::Uuid;

/// What a writer's handle wants.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Command {
    /// It begins.
    Open(Arc<WriterConfig>),
    /// It is going to write to a topic, and wants to be told of it now and whenever it changes.
    Topic(Arc<str>),
    /// Something came to a partition's gathering place.
    Gathered {
        /// The partition's place among those of its writer.
        slot: usize,
        /// What.
        news: News,
    },
    /// Someone waits for something of it: done at this time, with what stood in the way if that is known.
    Wait {
        /// Names the wait.
        op: OpId,
        /// Until when.
        until: Instant,
    },
    /// What is there now leaves without waiting for `linger`.
    Flush,
    /// It writes what it has, and is gone then.
    Close,
}

/// What a writer's handle is told.
pub enum Output {
    /// How a topic is now.
    Topic {
        /// Its name.
        topic: Arc<str>,
        /// Its partitions, or why it can't be written to.
        view: Result<TopicView, Error>,
    },
    /// Something takes time, and is to be done outside of every lock.
    Work(Job),
    /// Records were written, or were not.
    Settled(Settled),
    /// A batch is gone: its memory is free again.
    Released {
        /// How much was reserved for it, in bytes.
        bytes: usize,
        /// What is left of it, to be dropped where that holds up nobody.
        buffer: Bytes,
    },
    /// A batch takes more memory than was reserved for it.
    Reserved {
        /// How much more, in bytes.
        bytes: usize,
    },
    /// No more records may be appended: they would not be sent.
    Closed,
    /// Nothing more of this writer follows.
    Gone,
}

impl fmt::Debug for Output {
    /// Without what is in buffers: it is the users' data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Output::Topic { topic, view } => write!(f, "Topic({topic:?}, {view:?})"),
            Output::Work(job) => job.fmt(f),
            Output::Settled(settled) => settled.fmt(f),
            Output::Released { bytes, buffer } => write!(f, "Released({bytes}, {} left)", buffer.len()),
            Output::Reserved { bytes } => write!(f, "Reserved({bytes})"),
            Output::Closed => f.write_str("Closed"),
            Output::Gone => f.write_str("Gone"),
        }
    }
}

/// A topic as a writer may know it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct TopicView {
    /// For each partition its place among all of its writer's. New places are counted on from the last one.
    pub slots: Vec<usize>,
    /// Partitions with a leader just now, in order.
    pub available: Vec<i32>,
}

/// A sender's own requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Tag {
    InitProducerId,
    Produce(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Timer {
    /// Of the partition with this slot.
    Partition(usize),
    Identity,
}

/// The producer id under which batches are numbered: `identity.rs` has the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Identity {
    /// No idempotence.
    Off,
    /// To be asked for when there is something to send.
    Wanted,
    Asking,
    /// A new id is asked for; partitions that need none go on under the old one.
    Renewing,
    Ready(ProducerId, i16),
}

#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Topic {
    /// Its partitions' places in the list of all.
    pub(super) slots: Vec<usize>,
    /// As the handle knows it.
    pub(super) published: Option<TopicView>,
}

#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Node {
    /// Requests that are sent and not answered.
    pub(super) in_flight: usize,
    /// Batches that are being sealed or converted for it, and the bytes they may come to.
    pub(super) sealing: usize,
    pub(super) sealing_bytes: usize,
    /// What it takes.
    pub(super) format: MessageFormat,
    /// Partitions that may have something to send.
    pub(super) ready: BTreeSet<usize>,
    /// The first to look at next, so that all have their turn.
    pub(super) turn: usize,
}

impl Node {
    /// Nothing is on its way there, and nothing is to be.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight == 0 && self.sealing == 0 && self.ready.is_empty()
    }
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Sent {
    pub(super) node: BrokerId,
    pub(super) format: MessageFormat,
    /// Partitions, each with the order of its batch: two connections answer in any order.
    pub(super) batches: BTreeMap<usize, u64>,
    pub(super) topic_ids: Vec<(Uuid, Arc<str>)>,
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Sender {
    pub(super) id: WriterId,
    pub(super) config: Arc<WriterConfig>,
    pub(super) client: Arc<Config>,
    pub(super) backoff: Backoff,
    pub(super) identity: Identity,
    pub(super) identity_failures: u32,
    pub(super) topics: BTreeMap<Arc<str>, Topic>,
    pub(super) partitions: Vec<Partition>,
    pub(super) nodes: BTreeMap<BrokerId, Node>,
    /// Nodes that something may be sent to, to be looked at when a transition is over.
    pub(super) to_drain: BTreeSet<BrokerId>,
    pub(super) sent: BTreeMap<u64, Sent>,
    pub(super) next_request: u64,
    /// It ends when it has nothing more to write.
    pub(super) closing: bool,
    /// It has ended, for this reason; jobs may still be under way.
    pub(super) ended: Option<Error>,
}

impl Subject for Sender {
    type Tag = Tag;
    type Timer = Timer;
    type Output = Output;
}

pub(super) type Context<'a> = Ctx<'a, Sender>;

impl Sender {
    pub(super) fn work(&mut self, ctx: &mut Context<'_>, slot: usize, work: Work) {
        self.partitions[slot].working += 1;
        ctx.tell(Output::Work(Job { writer: self.id, slot, work }));
    }

    pub(super) fn encoding(&self, format: MessageFormat) -> Encoding {
        let WriterConfig { compression, compression_level: level, .. } = *self.config;
        Encoding { format, compression, level }
    }

    /// A batch is gone; the records of one that was abandoned have failed before.
    pub(super) fn finish(&mut self, ctx: &mut Context<'_>, slot: usize, batch: Batch, outcome: Outcome) {
        if !batch.abandoned {
            let Batch { id, first, records, .. } = batch;
            ctx.tell(Output::Settled(Settled { slot, batch: id, first, records, outcome }));
        }
        ctx.tell(Output::Released { bytes: batch.reserved, buffer: batch.bytes });
    }

    /// A batch in flight is in the log. `node` says so.
    pub(super) fn on_done(
        &mut self,
        ctx: &mut Context<'_>,
        (node, slot, order): (BrokerId, usize, u64),
        offset: Option<i64>,
        appended: Option<i64>,
    ) {
        let partition = &mut self.partitions[slot];
        // What another one took says nothing of what its leader knows.
        partition.proven |= partition.leader == Some(node);
        partition.failures = 0;
        partition.trouble = None;
        if let Some(batch) = partition.take_in_flight(order) {
            // A later part of a split batch starts its own offsets.
            self.finish(ctx, slot, batch, Ok((offset, appended)));
        }
    }

    /// A batch in flight will never be in the log.
    pub(super) fn on_failed(&mut self, ctx: &mut Context<'_>, slot: usize, order: u64, error: WriteError) {
        let partition = &mut self.partitions[slot];
        let Some(batch) = partition.take_in_flight(order) else { return };
        partition.roll_back(&batch);
        let fate = if batch.maybe_written { Fate::Unknown } else { error.fate };
        self.finish(ctx, slot, batch, Err(WriteError { fate, ..error }));
    }

    /// A batch in flight is to be sent again.
    pub(super) fn on_retriable(
        &mut self,
        ctx: &mut Context<'_>,
        (slot, order): (usize, u64),
        error: Arc<Error>,
        maybe_written: bool,
    ) {
        let partition = &mut self.partitions[slot];
        let Some(mut batch) = partition.take_in_flight(order) else { return };
        partition.failures += 1;
        let pause = self.backoff.after(partition.failures, ctx.rng);
        partition.not_before = ctx.now.mono + pause;
        partition.trouble = Some((ctx.now.mono, error.clone()));
        batch.maybe_written |= maybe_written;
        match batch.abandoned {
            true => self.finish(ctx, slot, batch, Ok((None, None))),
            false => {
                ctx.notice(Notice::BatchRetried { batch: partition.name(&batch), error, pause });
                partition.insert(batch);
            }
        }
    }
}
