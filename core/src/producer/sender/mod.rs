//! The sender of one writer: from gathered records to acknowledged batches.
//!
//! Rules:
//! - A partition's batch is numbered when it is sealed for its first send, and frozen then: every retry is the same bytes.
//! - A gap that a failed batch left shows as OUT_OF_ORDER at the oldest batch: what is left then gets new numbers under a new
//!   epoch, once nothing of the old one is in flight.
//! - The budget gets a batch's bytes back when the batch is gone, not when its records fail.
//! - A broker that has left is forgotten when nothing is on its way there.
//! - It ends when it is told to and has nothing more to write, or at once with its client; it is gone when its jobs are back.
//!
//! `partition.rs` has the rules of one partition, `pick.rs` who may send, `request.rs` what an answer means, `identity.rs` the
//! producer id, `format.rs` the message formats. All of them change what is in `state.rs`.

mod format;
mod identity;
mod partition;
mod pick;
mod request;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use state::{Command, Output, TopicView};
pub(crate) use state::{Sender, Tag, Timer};

use crate::cluster::TopicState;
use crate::config::{Config, WriterConfig};
use crate::connection::{AnyAnswer, Failure};
use crate::context::WriterId;
use crate::error::{Error, Fate, WriteError};
use crate::notice::{BatchName, Notice};
use crate::producer::job::{Done, Settled, Work, Worked, next_sequence};
use crate::protocol::{ApiKey, ErrorCode};
use crate::record::MessageFormat;
use crate::rng::Backoff;
use crate::time::Instant;
use partition::{NO_IDENTITY, Partition};
use state::{Context, Identity};

impl Sender {
    pub(crate) fn new(id: WriterId, config: Arc<WriterConfig>, client: Arc<Config>) -> Self {
        let identity = match config.idempotence {
            true => Identity::Wanted,
            false => Identity::Off,
        };
        Sender {
            id,
            backoff: Backoff { min: client.backoff.0, max: client.backoff.1 },
            config,
            client,
            identity,
            identity_failures: 0,
            topics: BTreeMap::new(),
            partitions: Vec::new(),
            nodes: BTreeMap::new(),
            to_drain: BTreeSet::new(),
            sent: BTreeMap::new(),
            next_request: 0,
            closing: false,
            ended: None,
        }
    }

    /// What stood in the way last of anything that still waits to be written.
    pub(crate) fn trouble(&self) -> Option<Error> {
        let waiting = self.partitions.iter().filter(|partition| !partition.is_idle());
        let last = waiting.filter_map(|partition| partition.trouble.as_ref()).max_by_key(|(at, _)| *at);
        last.map(|(_, error)| (**error).clone())
    }

    /// Whether all topics that it is to write to are known.
    pub(crate) fn knows_its_topics(&self) -> bool {
        self.topics.values().all(|topic| topic.published.is_some())
    }

    /// Whether it has ended and nothing of it will come back.
    pub(crate) fn is_gone(&self) -> bool {
        self.ended.is_some() && self.partitions.iter().all(|partition| partition.working == 0)
    }

    /// Does what its handle wants.
    pub(crate) fn on_command(&mut self, ctx: &mut Context<'_>, command: Command) {
        match command {
            // The client opens writers, and waits.
            Command::Open(_) | Command::Wait { .. } => {}
            Command::Topic(topic) => self.on_topic(ctx, &topic),
            Command::Gathered { slot, news } => {
                if let Some(partition) = self.partitions.get_mut(slot) {
                    partition.on_news(ctx.now.mono, news);
                    self.on_work(ctx, slot);
                }
            }
            Command::Flush => self.flush(ctx),
            Command::Close => {
                self.closing = true;
                self.flush(ctx);
            }
        }
        self.go_on(ctx);
    }

    /// The answer to one of its requests, or why there is none.
    pub(crate) fn on_reply(
        &mut self,
        ctx: &mut Context<'_>,
        tag: Tag,
        result: Result<Option<AnyAnswer>, Failure>,
    ) {
        match tag {
            Tag::InitProducerId => self.on_identity(ctx, result),
            Tag::Produce(request) => self.on_produced(ctx, request, result),
        }
        self.go_on(ctx);
    }

    pub(crate) fn on_timer(&mut self, ctx: &mut Context<'_>, timer: Timer) {
        match timer {
            Timer::Partition(slot) => self.on_partition_timer(ctx, slot),
            Timer::Identity => self.on_identity_timer(ctx),
        }
        self.go_on(ctx);
    }

    /// Leaders may have moved, partitions may have come.
    pub(crate) fn on_metadata(&mut self, ctx: &mut Context<'_>) {
        let topics: Vec<_> = self.topics.keys().cloned().collect();
        for topic in &topics {
            self.publish(ctx, topic);
        }
        for slot in 0..self.partitions.len() {
            let partition = &mut self.partitions[slot];
            let leader =
                ctx.cluster.partition(&partition.topic, partition.partition).and_then(|info| info.leader);
            if leader != partition.leader {
                if let Some(node) = partition.leader.and_then(|leader| self.nodes.get_mut(&leader)) {
                    node.ready.remove(&slot);
                }
                partition.leader = leader;
                partition.proven = false;
                self.on_work(ctx, slot);
            }
        }
        let cluster = &*ctx.cluster;
        self.nodes.retain(|broker, node| cluster.has_broker(*broker) || !node.is_idle());
        self.go_on(ctx);
    }

    /// How many brokers it remembers.
    #[cfg(test)]
    pub(crate) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Jobs are done. Those that are done together leave together.
    pub(crate) fn on_worked(&mut self, ctx: &mut Context<'_>, worked: Worked) {
        let Worked { slot, result, left, failed, freed, taken, .. } = worked;
        for settled in failed {
            // Gathered ones fail for other reasons, too.
            let timeout = |error: &WriteError| matches!(error.cause, Error::Timeout { .. });
            let expired = settled.outcome.as_ref().is_err_and(timeout);
            if let Some(partition) = self.partitions.get(slot).filter(|_| expired) {
                let (topic, partition, records) =
                    (partition.topic.clone(), partition.partition, settled.records);
                let batch = BatchName { topic, partition, sequence: -1, records };
                ctx.notice(Notice::BatchExpired { batch });
            }
            ctx.tell(Output::Settled(settled));
        }
        if taken > 0 {
            ctx.tell(Output::Reserved { bytes: taken });
        }
        if freed > 0 {
            ctx.tell(Output::Released { bytes: freed, buffer: Default::default() });
        }
        let Some(partition) = self.partitions.get_mut(slot).filter(|partition| partition.working > 0) else {
            return;
        };
        partition.working -= 1;
        left.into_iter().for_each(|left| partition.on_left(left));
        let refused = match &result {
            Done::Sealed { refused, .. } | Done::Converted { refused, .. } => Some(*refused),
            Done::Expired | Done::Restamped { .. } | Done::Split { .. } => None,
        };
        if let Some((leader, size)) = partition.sealing_for.take_if(|_| refused.is_some())
            && let Some(node) = self.nodes.get_mut(&leader)
        {
            node.sealing -= 1;
            node.sealing_bytes -= size;
            if refused == Some(true) {
                // It may have come back as one that takes them: an idle connection's end is not told.
                node.format = MessageFormat::default();
            }
            // The leader may have moved meanwhile: the one for which this was sealed has others to send.
            self.to_drain.insert(leader);
        }
        if let Some(cause) = self.ended.clone() {
            for batch in result.into_batches() {
                let error = WriteError { fate: batch.fate(), cause: cause.clone() };
                self.finish(ctx, slot, batch, Err(error));
            }
            return;
        }
        match result {
            Done::Sealed { batches, .. } => {
                for batch in batches {
                    partition.next_order = batch.order + u64::from(batch.records);
                    if partition.identity != NO_IDENTITY {
                        partition.next_sequence = next_sequence(partition.next_sequence, batch.records);
                    }
                    partition.insert(batch);
                }
            }
            Done::Expired => {}
            Done::Restamped { producer, batches } => {
                partition.renumber = false;
                partition.proven = false;
                partition.identity = (producer.id, producer.epoch);
                partition.next_sequence =
                    batches.iter().fold(0, |sequence, batch| next_sequence(sequence, batch.records));
                let (topic, partition_index) = (partition.topic.clone(), partition.partition);
                ctx.notice(Notice::BatchesRenumbered {
                    topic,
                    partition: partition_index,
                    batches: batches.len(),
                    epoch: producer.epoch,
                });
                batches.into_iter().for_each(|batch| partition.insert(batch));
            }
            Done::Split { batches } | Done::Converted { batches, .. } => {
                batches.into_iter().for_each(|batch| partition.insert(batch));
            }
        }
        self.on_work(ctx, slot);
    }

    /// What is to be done at the end of each transition, or of several at one moment.
    pub(crate) fn go_on(&mut self, ctx: &mut Context<'_>) {
        if self.ended.is_some() {
            return self.to_drain.clear();
        }
        self.drain(ctx);
        if self.closing && self.partitions.iter().all(Partition::is_idle) {
            // A record that another thread appends at this very moment is refused, or fails.
            self.shut_down(ctx, Error::Closed);
        }
    }

    /// Starts writing to a topic, or looks once more at one that could not be written to.
    fn on_topic(&mut self, ctx: &mut Context<'_>, topic: &Arc<str>) {
        if self.ended.is_some() || self.closing {
            return ctx.tell(Output::Topic { topic: topic.clone(), view: Err(Error::Closed) });
        }
        ctx.cluster.ask_again(topic);
        if !self.topics.contains_key(topic) {
            ctx.cluster.want(topic);
        }
        self.topics.entry(topic.clone()).or_default().published = None;
        self.publish(ctx, topic);
    }

    /// Tells the handle how a topic is now, if that is news.
    fn publish(&mut self, ctx: &mut Context<'_>, topic: &Arc<str>) {
        let known = match ctx.cluster.topic(topic) {
            TopicState::Asking => return,
            TopicState::Failed(error) => {
                let view = Err(error.clone());
                return ctx.tell(Output::Topic { topic: topic.clone(), view });
            }
            TopicState::Known(known) => known,
        };
        let Some(entry) = self.topics.get_mut(topic) else { return };
        for (index, info) in known.partitions.iter().enumerate().skip(entry.slots.len()) {
            entry.slots.push(self.partitions.len());
            self.partitions.push(Partition::new(topic.clone(), index as i32, info.leader));
        }
        let available = known.partitions.iter().enumerate().filter(|(_, info)| info.leader.is_some());
        let available: Vec<i32> = available.map(|(index, _)| index as i32).collect();
        let is_news = |view: &TopicView| view.slots.len() != entry.slots.len() || view.available != available;
        if entry.published.as_ref().is_none_or(is_news) {
            let view = TopicView { slots: entry.slots.clone(), available };
            entry.published = Some(view.clone());
            ctx.tell(Output::Topic { topic: topic.clone(), view: Ok(view) });
        }
    }

    /// What is there now leaves without waiting for `linger`.
    fn flush(&mut self, ctx: &mut Context<'_>) {
        for partition in &mut self.partitions {
            partition.flushed_at = Some(ctx.now.mono);
        }
        self.to_drain.extend(self.nodes.keys());
    }

    /// A partition may have something to send.
    fn on_work(&mut self, ctx: &mut Context<'_>, slot: usize) {
        if self.ended.is_some() {
            return;
        }
        self.set_timer(ctx, slot);
        if self.partitions[slot].renumber {
            self.renumber(ctx, slot);
            return;
        }
        let partition = &mut self.partitions[slot];
        if partition.oldest.is_none() && partition.sealed.is_empty() {
            return;
        }
        match partition.leader {
            Some(leader) => {
                self.nodes.entry(leader).or_default().ready.insert(slot);
                self.to_drain.insert(leader);
            }
            None => {
                partition.trouble.get_or_insert_with(|| {
                    let message = Some("the partition has no leader".to_owned());
                    let code = ErrorCode::LEADER_NOT_AVAILABLE;
                    (ctx.now.mono, Arc::new(Error::Rejected { api: ApiKey::METADATA, code, message }))
                });
                ctx.cluster.want_refresh();
            }
        }
    }

    fn on_partition_timer(&mut self, ctx: &mut Context<'_>, slot: usize) {
        let (timeout, now) = (self.config.delivery_timeout, ctx.now.mono);
        let due = |created: Instant| created + timeout <= now;
        let partition = &mut self.partitions[slot];
        let last = partition.trouble.as_ref().map(|(_, error)| error.clone());
        let cause = Error::Timeout { operation: "delivery", after: timeout, last };
        let mut expired = Vec::new();
        for batch in partition.in_flight.iter_mut().filter(|batch| !batch.abandoned && due(batch.created)) {
            batch.abandoned = true;
            expired.push((batch.id, batch.first, batch.records, batch.order));
        }
        for (batch, first, records, order) in expired {
            let partition = &self.partitions[slot];
            let named = partition.in_flight.iter().find(|batch| batch.order == order);
            named.into_iter().for_each(|b| ctx.notice(Notice::BatchExpired { batch: partition.name(b) }));
            let outcome = Err(WriteError { fate: Fate::Unknown, cause: cause.clone() });
            ctx.tell(Output::Settled(Settled { slot, batch, first, records, outcome }));
        }
        while self.partitions[slot].sealed.front().is_some_and(|batch| due(batch.created)) {
            let Some(batch) = self.partitions[slot].sealed.pop_front() else { break };
            let partition = &mut self.partitions[slot];
            ctx.notice(Notice::BatchExpired { batch: partition.name(&batch) });
            partition.roll_back(&batch);
            let error = WriteError { fate: batch.fate(), cause: cause.clone() };
            self.finish(ctx, slot, batch, Err(error));
        }
        if self.partitions[slot].oldest.is_some_and(due) {
            // Created at this very time counts as too old: its timer is not set again.
            let before = now.as_micros().saturating_sub(timeout.as_micros() as u64) + 1;
            self.partitions[slot].forget_gathered();
            self.work(ctx, slot, Work::Expire { before: Instant::from_micros(before), cause });
        }
        self.on_work(ctx, slot);
    }

    /// Fails everything: the writer has closed, or the client ends.
    pub(crate) fn shut_down(&mut self, ctx: &mut Context<'_>, cause: Error) {
        if self.ended.replace(cause.clone()).is_some() {
            return;
        }
        ctx.tell(Output::Closed);
        for topic in self.topics.keys() {
            ctx.cluster.release(topic);
        }
        ctx.set_timer(Timer::Identity, None);
        for slot in 0..self.partitions.len() {
            ctx.set_timer(Timer::Partition(slot), None);
            let partition = &mut self.partitions[slot];
            let in_flight = partition.in_flight.drain(..).map(|batch| (Fate::Unknown, batch));
            let sealed = partition.sealed.drain(..).map(|batch| (batch.fate(), batch));
            for (fate, batch) in in_flight.chain(sealed).collect::<Vec<_>>() {
                self.finish(ctx, slot, batch, Err(WriteError { fate, cause: cause.clone() }));
            }
            self.work(ctx, slot, Work::Expire { before: Instant::MAX, cause: cause.clone() });
        }
    }

    fn set_timer(&self, ctx: &mut Context<'_>, slot: usize) {
        let partition = &self.partitions[slot];
        let in_flight = partition.in_flight.iter().find(|batch| !batch.abandoned).map(|batch| batch.created);
        let sealed = partition.sealed.front().map(|batch| batch.created);
        let oldest = [in_flight, sealed, partition.oldest].into_iter().flatten().min();
        let expiry = oldest.map(|oldest| oldest + self.config.delivery_timeout);
        let pause = Some(partition.not_before).filter(|at| *at > ctx.now.mono && oldest.is_some());
        let linger = partition
            .oldest
            .filter(|_| !self.config.linger.is_zero())
            .map(|oldest| oldest + self.config.linger);
        let linger = linger.filter(|at| *at > ctx.now.mono);
        let at = [expiry, pause, linger].into_iter().flatten().min();
        ctx.set_timer(Timer::Partition(slot), at);
    }
}
