//! The sender of one writer: from gathered records to acknowledged batches.
//!
//! Rules:
//! - A partition's batch is numbered when it is sealed for its first send, and frozen then: every retry is the same bytes.
//! - To a broker, a batch that is not full leaves at once while nothing is in flight there (or, with `linger`, when that
//!   has passed), and gathers otherwise; full batches leave as long as fewer than `max_in_flight` requests are unanswered.
//!   A request carries one batch each of many partitions.
//! - In a partition, up to `max_in_flight` batches are in flight, in order; only one until the first success under a
//!   leader and epoch, only one of those that are retried, and only one without idempotence, so that order holds.
//! - A batch whose fate is unknown is sent again with the same numbers until the broker tells, or its time is up.
//! - A gap that a failed batch left shows as OUT_OF_ORDER at the oldest batch: nothing after the gap is in the log then,
//!   so what is left gets new numbers under a new epoch, once nothing of the old one is in flight.
//! - Batches are written in the message format that their broker takes: `format.rs` has the rules.
//! - The budget gets a batch's bytes back when the batch is gone, not when its records fail.

mod format;
mod identity;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use identity::Identity;

use crate::cluster::{Cluster, TopicState};
use crate::config::{Acks, Address, Config, WriterConfig};
use crate::connection::{Answer, Failure, Lane};
use crate::context::{Ctx, Tag, Target, Timer, WriterId};
use crate::error::{Error, Fate, WriteError};
use crate::producer::batcher::{Budget, Completion, Gather, Left, News, Outcome};
use crate::producer::job::{Batch, Done, Job, Work, Worked, next_sequence};
use crate::producer::outcome::{Action, may_be_written};
use crate::protocol::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, TopicProduceData,
};
use crate::protocol::{ApiKey, BrokerId, ErrorCode, LeaderEpoch, ProducerId};
use crate::record::{self, Compression, MessageFormat};
use crate::rng::Backoff;
use crate::time::Instant;
use crate::wire::{Str, Uuid};

/// A topic as a writer's handle sees it.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) partitions: Vec<Arc<Gather>>,
    /// Partitions with a leader.
    pub(crate) available: Vec<i32>,
}

/// What the sender wants done.
pub(crate) enum Event {
    Work(Job),
    Topic { topic: Arc<str>, view: Result<Arc<View>, Error> },
    Complete { completion: Arc<Completion>, first: u32, records: u32, outcome: Outcome },
    Release { budget: Arc<Budget>, bytes: usize },
    Refresh,
    Leader { topic: Arc<str>, partition: i32, leader: BrokerId, epoch: LeaderEpoch, address: Option<Address> },
}

struct Partition {
    gather: Arc<Gather>,
    leader: Option<BrokerId>,
    /// Under which its sequence numbers count.
    identity: (ProducerId, i16),
    next_sequence: i32,
    next_order: u64,
    /// A batch was acknowledged by this leader under this identity.
    proven: bool,
    /// A full batch waits to be sealed.
    full: bool,
    /// When the first record of what waits to be sealed came.
    oldest: Option<Instant>,
    /// Jobs under way.
    working: usize,
    /// The node whose next request waits for that job.
    sealing_for: Option<BrokerId>,
    /// What came until then leaves before its linger is over.
    rush: Option<Instant>,
    /// Sealed and not in flight, in order.
    sealed: VecDeque<Batch>,
    /// In order.
    in_flight: VecDeque<Batch>,
    renumber: bool,
    /// The broker forgot this producer, and with it what it has written: a batch of unknown fate may not be sent again.
    forgotten: bool,
    /// The broker knows a newer epoch of this producer id than ours: another id is needed.
    outdated: bool,
    failures: u32,
    not_before: Instant,
    last_error: Option<Arc<Error>>,
}

#[derive(Default)]
struct Topic {
    /// Its partitions' places in the list of all.
    slots: Vec<usize>,
    view: Option<Arc<View>>,
}

#[derive(Default)]
struct Node {
    in_flight: usize,
    /// Partitions whose batches are being sealed or converted for the next request.
    sealing: usize,
    /// What it takes.
    format: MessageFormat,
    /// Partitions that may have something to send.
    ready: BTreeSet<usize>,
    /// The first to look at next, so that all get their turn.
    turn: usize,
}

struct Sent {
    node: BrokerId,
    format: MessageFormat,
    /// Partitions, each with the order of its batch: two connections answer in any order.
    batches: BTreeMap<usize, u64>,
    topic_ids: Vec<(Uuid, Arc<str>)>,
}

pub(crate) struct Producer {
    id: WriterId,
    config: Arc<WriterConfig>,
    client: Arc<Config>,
    backoff: Backoff,
    budget: Arc<Budget>,
    identity: Identity,
    identity_failures: u32,
    topics: BTreeMap<Arc<str>, Topic>,
    partitions: Vec<Partition>,
    nodes: BTreeMap<BrokerId, Node>,
    sent: BTreeMap<u64, Sent>,
    next_request: u64,
    events: Vec<Event>,
}

const NO_IDENTITY: (ProducerId, i16) = (ProducerId::NONE, -1);

impl Producer {
    pub(crate) fn new(
        id: WriterId,
        config: Arc<WriterConfig>,
        client: Arc<Config>,
        budget: Arc<Budget>,
    ) -> Self {
        let identity = match config.idempotence {
            true => Identity::Wanted,
            false => Identity::Off,
        };
        Producer {
            id,
            backoff: Backoff { min: client.backoff.0, max: client.backoff.1 },
            config,
            client,
            budget,
            identity,
            identity_failures: 0,
            topics: BTreeMap::new(),
            partitions: Vec::new(),
            nodes: BTreeMap::new(),
            sent: BTreeMap::new(),
            next_request: 0,
            events: Vec::new(),
        }
    }

    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// The last error of a partition that has not been written to since.
    pub(crate) fn trouble(&self) -> Option<Error> {
        self.partitions.iter().find_map(|partition| partition.last_error.as_deref().cloned())
    }

    /// Whether nothing waits here to be sent or acknowledged.
    pub(crate) fn is_idle(&self) -> bool {
        self.partitions
            .iter()
            .all(|p| p.oldest.is_none() && p.working == 0 && p.sealed.is_empty() && p.in_flight.is_empty())
    }

    pub(crate) fn buffered_bytes(&self) -> usize {
        self.budget.used()
    }

    /// How many wait for room, or for batches.
    pub(crate) fn waiters(&self) -> usize {
        let batches = self.partitions.iter().flat_map(|partition| partition.gather.outstanding());
        self.budget.waiters() + batches.map(|batch| batch.waiters()).sum::<usize>()
    }

    pub(crate) fn topics(&self) -> impl Iterator<Item = &Arc<str>> {
        self.topics.keys()
    }

    /// Starts writing to a topic. True if it was not written to before.
    pub(crate) fn on_topic(&mut self, cluster: &Cluster, topic: &Arc<str>) -> bool {
        let new = !self.topics.contains_key(topic);
        self.topics.entry(topic.clone()).or_default().view = None;
        self.publish(cluster, topic);
        new
    }

    /// Leaders may have moved, partitions may have come.
    pub(crate) fn on_metadata(&mut self, ctx: &mut Ctx<'_>, cluster: &Cluster) {
        let topics: Vec<_> = self.topics.keys().cloned().collect();
        for topic in &topics {
            self.publish(cluster, topic);
        }
        for slot in 0..self.partitions.len() {
            let partition = &mut self.partitions[slot];
            let gather = &partition.gather;
            let leader = cluster.partition(&gather.topic, gather.partition).and_then(|info| info.leader);
            if leader != partition.leader {
                if let Some(node) = partition.leader.and_then(|leader| self.nodes.get_mut(&leader)) {
                    node.ready.remove(&slot);
                }
                partition.leader = leader;
                partition.proven = false;
                self.on_work(ctx, cluster, slot);
            }
        }
    }

    /// Tells the handle how a topic is now, if that is news.
    fn publish(&mut self, cluster: &Cluster, topic: &Arc<str>) {
        let known = match cluster.topic(topic) {
            TopicState::Asking => return,
            TopicState::Failed(error) => {
                self.events.push(Event::Topic { topic: topic.clone(), view: Err(error.clone()) });
                return;
            }
            TopicState::Known(known) => known,
        };
        let Some(Topic { slots, view: published }) = self.topics.get_mut(topic) else { return };
        for partition in slots.len()..known.partitions.len() {
            let slot = self.partitions.len();
            let gather = Gather::new(
                topic.clone(),
                partition as i32,
                slot,
                self.config.batch_bytes,
                self.budget.clone(),
            );
            slots.push(slot);
            self.partitions.push(Partition {
                gather: Arc::new(gather),
                leader: known.partitions[partition].leader,
                identity: NO_IDENTITY,
                next_sequence: 0,
                next_order: 0,
                proven: false,
                full: false,
                oldest: None,
                working: 0,
                sealing_for: None,
                rush: None,
                sealed: VecDeque::new(),
                in_flight: VecDeque::new(),
                renumber: false,
                forgotten: false,
                outdated: false,
                failures: 0,
                not_before: Instant::default(),
                last_error: None,
            });
        }
        let available = known.partitions.iter().enumerate().filter(|(_, info)| info.leader.is_some());
        let available: Vec<i32> = available.map(|(index, _)| index as i32).collect();
        if published
            .as_ref()
            .is_some_and(|view| view.partitions.len() == slots.len() && view.available == available)
        {
            return;
        }
        let partitions = slots.iter().map(|slot| self.partitions[*slot].gather.clone()).collect();
        let view = Arc::new(View { partitions, available });
        *published = Some(view.clone());
        self.events.push(Event::Topic { topic: topic.clone(), view: Ok(view) });
    }

    /// Records gathered in a partition.
    pub(crate) fn on_news(&mut self, ctx: &mut Ctx<'_>, cluster: &Cluster, slot: usize, news: News) {
        let partition = &mut self.partitions[slot];
        partition.full |= news == News::Full;
        partition.oldest.get_or_insert(ctx.now.mono);
        self.on_work(ctx, cluster, slot);
    }

    /// What is there now leaves without waiting for `linger`.
    pub(crate) fn flush(&mut self, ctx: &mut Ctx<'_>, cluster: &Cluster) {
        for partition in &mut self.partitions {
            partition.rush = Some(ctx.now.mono);
        }
        for node in self.nodes.keys().copied().collect::<Vec<_>>() {
            self.drain(ctx, cluster, node);
        }
    }

    /// A partition may have something to send.
    fn on_work(&mut self, ctx: &mut Ctx<'_>, cluster: &Cluster, slot: usize) {
        self.set_timer(ctx, slot);
        if self.partitions[slot].renumber {
            self.renumber(ctx, slot);
            return;
        }
        let partition = &self.partitions[slot];
        if partition.oldest.is_none() && partition.sealed.is_empty() {
            return;
        }
        match partition.leader {
            Some(leader) => {
                self.nodes.entry(leader).or_default().ready.insert(slot);
                self.drain(ctx, cluster, leader);
            }
            None => {
                self.partitions[slot].last_error.get_or_insert_with(|| {
                    let message = Some("the partition has no leader".to_owned());
                    let code = ErrorCode::LEADER_NOT_AVAILABLE;
                    Arc::new(Error::Rejected { api: ApiKey::METADATA, code, message })
                });
                self.events.push(Event::Refresh);
            }
        }
    }

    /// Seals and sends what a broker can take.
    fn drain(&mut self, ctx: &mut Ctx<'_>, cluster: &Cluster, leader: BrokerId) {
        match self.identity {
            Identity::Wanted => {
                self.identity = Identity::Asking;
                return self.ask_identity(ctx);
            }
            Identity::Asking => return,
            Identity::Off | Identity::Renewing | Identity::Ready(..) => {}
        }
        loop {
            let Some(node) = self.nodes.get_mut(&leader) else { return };
            if node.sealing > 0 || node.in_flight >= self.client.max_in_flight {
                return;
            }
            let idle = node.in_flight == 0;
            let (turn, format) = (node.turn, node.format);
            let ready: Vec<usize> =
                node.ready.range(turn..).chain(node.ready.range(..turn)).copied().collect();
            let mut bytes = 0;
            let mut chosen = Vec::new();
            let mut to_seal = Vec::new();
            for slot in ready {
                let partition = &self.partitions[slot];
                if partition.oldest.is_none() && partition.sealed.is_empty() {
                    if let Some(node) = self.nodes.get_mut(&leader) {
                        node.ready.remove(&slot);
                    }
                    continue;
                }
                if !self.may_send(ctx, partition) {
                    continue;
                }
                let size = match partition.sealed.front() {
                    Some(batch) => batch.bytes.len(),
                    None if partition.full || self.is_due(ctx, partition, idle) => self.config.batch_bytes,
                    None => continue,
                };
                if bytes > 0 && bytes + size > self.config.request_bytes {
                    break;
                }
                bytes += size;
                match partition.sealed.front() {
                    Some(batch) if batch.format == format => chosen.push(slot),
                    _ => to_seal.push(slot),
                }
                if let Some(node) = self.nodes.get_mut(&leader) {
                    node.turn = slot + 1;
                }
            }
            if !to_seal.is_empty() {
                if let Some(node) = self.nodes.get_mut(&leader) {
                    node.turn = turn;
                    node.sealing = to_seal.len();
                }
                to_seal.into_iter().for_each(|slot| self.prepare(leader, format, slot));
                return;
            }
            if chosen.is_empty() {
                return;
            }
            self.send(ctx, cluster, leader, chosen);
        }
    }

    fn may_send(&self, ctx: &Ctx<'_>, partition: &Partition) -> bool {
        let retried = partition.sealed.front().is_some_and(|batch| batch.sent);
        let limit = match retried || !partition.proven || self.identity == Identity::Off {
            true => 1,
            false => self.client.max_in_flight,
        };
        // A partition's first batch needs an identity that is not about to change.
        let identified =
            matches!(self.identity, Identity::Ready(..) | Identity::Off) || partition.identity != NO_IDENTITY;
        identified
            && partition.working == 0
            && !partition.renumber
            && partition.in_flight.len() < limit
            && partition.not_before <= ctx.now.mono
    }

    /// Whether a batch that is not full should leave now.
    fn is_due(&self, ctx: &Ctx<'_>, partition: &Partition, idle: bool) -> bool {
        let Some(oldest) = partition.oldest else { return false };
        match self.config.linger {
            Duration::ZERO => idle,
            linger => partition.rush.is_some_and(|rush| oldest <= rush) || oldest + linger <= ctx.now.mono,
        }
    }

    /// Has the partition's next batch sealed, or the one that is sealed converted.
    fn prepare(&mut self, leader: BrokerId, format: MessageFormat, slot: usize) {
        let encoding = self.encoding(format);
        let partition = &mut self.partitions[slot];
        if let Some(batch) = partition.sealed.pop_front() {
            partition.sealing_for = Some(leader);
            let producer = partition.producer();
            return self.work(slot, Work::Convert { producer, encoding, batch });
        }
        let current = match self.identity {
            Identity::Ready(id, epoch) => Some((id, epoch)),
            Identity::Off => Some(NO_IDENTITY),
            Identity::Wanted | Identity::Asking | Identity::Renewing => None,
        };
        let partition = &mut self.partitions[slot];
        // A new identity begins where nothing of the old one is under way; others go on under the old one.
        if let Some(current) = current
            && current != partition.identity
            && partition.in_flight.is_empty()
        {
            partition.identity = current;
            partition.next_sequence = 0;
            partition.proven = false;
        }
        partition.sealing_for = Some(leader);
        partition.forget_gathered();
        let work = Work::Seal { producer: partition.producer(), encoding, order: partition.next_order };
        self.work(slot, work);
    }

    fn work(&mut self, slot: usize, work: Work) {
        self.partitions[slot].working += 1;
        let gather = self.partitions[slot].gather.clone();
        self.events.push(Event::Work(Job { writer: self.id, gather, work }));
    }

    pub(crate) fn on_worked(&mut self, ctx: &mut Ctx<'_>, cluster: &Cluster, worked: Worked) {
        let Worked { gather, result, .. } = worked;
        let slot = gather.slot;
        let partition = &mut self.partitions[slot];
        partition.working -= 1;
        let refused = match result {
            Done::Sealed { refused, .. } | Done::Converted { refused, .. } => Some(refused),
            Done::Expired { .. } | Done::Restamped { .. } | Done::Split { .. } => None,
        };
        let sealed_for = partition.sealing_for.take_if(|_| refused.is_some());
        match result {
            Done::Sealed { batches, left, .. } => {
                partition.on_left(left);
                for batch in batches {
                    partition.next_order = batch.order + u64::from(batch.records);
                    if partition.identity != NO_IDENTITY {
                        partition.next_sequence = next_sequence(partition.next_sequence, batch.records);
                    }
                    partition.insert(batch);
                }
            }
            Done::Expired { left } => partition.on_left(left),
            Done::Restamped { producer, batches } => {
                partition.renumber = false;
                partition.proven = false;
                partition.identity = (producer.id, producer.epoch);
                partition.next_sequence =
                    batches.iter().fold(0, |sequence, batch| next_sequence(sequence, batch.records));
                batches.into_iter().for_each(|batch| partition.insert(batch));
            }
            Done::Split { batches } | Done::Converted { batches, .. } => {
                batches.into_iter().for_each(|batch| partition.insert(batch));
            }
        }
        if let Some(node) = sealed_for.and_then(|leader| self.nodes.get_mut(&leader)) {
            node.sealing -= 1;
            if refused == Some(true) {
                // It may have come back as one that takes them: an idle connection's end is not told.
                node.format = MessageFormat::default();
            }
        }
        self.on_work(ctx, cluster, slot);
        // The leader may have moved meanwhile: the one for which this was sealed has others to send.
        if let Some(leader) = sealed_for {
            self.drain(ctx, cluster, leader);
        }
    }

    fn send(&mut self, ctx: &mut Ctx<'_>, cluster: &Cluster, leader: BrokerId, slots: Vec<usize>) {
        let mut topics: BTreeMap<Arc<str>, Vec<PartitionProduceData>> = BTreeMap::new();
        let mut batches = BTreeMap::new();
        for slot in slots {
            let partition = &mut self.partitions[slot];
            let Some(mut batch) = partition.sealed.pop_front() else { continue };
            batches.insert(slot, batch.order);
            batch.sent = true;
            let data = PartitionProduceData {
                index: partition.gather.partition,
                records: Some(batch.bytes.clone()),
                ..Default::default()
            };
            topics.entry(partition.gather.topic.clone()).or_default().push(data);
            partition.in_flight.push_back(batch);
        }
        let topic_ids: Vec<_> = topics.keys().map(|topic| (cluster.topic_id(topic), topic.clone())).collect();
        let has_ids = topic_ids.iter().all(|(id, _)| !id.is_zero());
        let topic_data = topics.into_iter().zip(&topic_ids).map(|((topic, partition_data), (id, _))| {
            TopicProduceData { name: Str::from(&*topic), topic_id: *id, partition_data, ..Default::default() }
        });
        let request = ProduceRequest {
            acks: self.config.acks.id(),
            // The broker gives up waiting for replicas before this client gives up waiting for the broker.
            timeout_ms: (self.client.request_timeout / 4 * 3).as_millis().try_into().unwrap_or(i32::MAX),
            topic_data: topic_data.collect(),
            ..Default::default()
        };
        let id = self.next_request;
        self.next_request += 1;
        let node = self.nodes.entry(leader).or_default();
        node.in_flight += 1;
        let format = node.format;
        self.sent.insert(id, Sent { node: leader, format, batches, topic_ids });
        let (oldest, newest) = format.produce_versions().into_inner();
        // zstd came with version 7, topic ids with 13.
        let oldest = if self.config.compression == Compression::Zstd { 7 } else { oldest };
        let versions = (oldest, if has_ids { newest } else { newest.min(12) });
        let answered = self.config.acks != Acks::None;
        let tag = Tag::Produce(self.id, id);
        ctx.send_as(Target::Broker(leader), Lane::Produce, Box::new(request), tag, versions, answered);
    }

    pub(crate) fn on_produced(
        &mut self,
        ctx: &mut Ctx<'_>,
        cluster: &Cluster,
        request: u64,
        result: Result<Option<Answer>, Failure>,
    ) {
        let Some(Sent { node, format, batches, topic_ids }) = self.sent.remove(&request) else { return };
        if let Some(node) = self.nodes.get_mut(&node) {
            node.in_flight -= 1;
        }
        let mut open = batches.clone();
        match result {
            Ok(None) => {
                for (slot, order) in open {
                    self.on_done(slot, order, None, None);
                }
            }
            Ok(Some(answer)) => {
                let answer = answer.take::<ProduceRequest>().unwrap_or_default();
                let endpoints: BTreeMap<_, _> =
                    answer.node_endpoints.into_iter().map(|e| (e.node_id, e)).collect();
                for topic in answer.responses {
                    let name = topic_ids.iter().find(|(id, name)| match topic.topic_id.is_zero() {
                        true => **name == *topic.name,
                        false => *id == topic.topic_id,
                    });
                    let Some((_, name)) = name else { continue };
                    for response in topic.partition_responses {
                        let index = usize::try_from(response.index).ok();
                        let slot = self.topics.get(name).and_then(|topic| topic.slots.get(index?));
                        // Partitions that were not asked for are dropped, and so is a second answer for one.
                        let Some((slot, order)) = slot.and_then(|slot| open.remove_entry(slot)) else {
                            continue;
                        };
                        let hint = &response.current_leader;
                        if hint.leader_id.0 >= 0 {
                            let endpoint = endpoints.get(&hint.leader_id);
                            let address = endpoint.and_then(|e| {
                                Some(Address { host: e.host.to_string(), port: u16::try_from(e.port).ok()? })
                            });
                            self.events.push(Event::Leader {
                                topic: name.clone(),
                                partition: response.index,
                                leader: hint.leader_id,
                                epoch: hint.leader_epoch,
                                address,
                            });
                        }
                        self.on_answer(ctx, node, slot, order, response);
                    }
                }
                let silent = Error::Rejected {
                    api: ApiKey::PRODUCE,
                    code: ErrorCode::UNKNOWN_SERVER_ERROR,
                    message: Some("the answer lacks the partition".to_owned()),
                };
                for (slot, order) in open {
                    self.on_retriable(ctx, slot, order, Arc::new(silent.clone()), true);
                }
            }
            Err(Failure { error: error @ Error::Unsupported { .. }, .. }) => {
                self.on_unsupported(node, format, open, &error);
            }
            Err(Failure { sent, error }) => {
                self.forget_format(node);
                self.events.push(Event::Refresh);
                let error = Arc::new(error);
                for (slot, order) in open {
                    self.on_retriable(ctx, slot, order, error.clone(), sent);
                }
            }
        }
        for slot in batches.into_keys() {
            self.on_work(ctx, cluster, slot);
        }
        self.drain(ctx, cluster, node);
    }

    fn on_answer(
        &mut self,
        ctx: &mut Ctx<'_>,
        node: BrokerId,
        slot: usize,
        order: u64,
        response: PartitionProduceResponse,
    ) {
        let code = response.error_code;
        let error = Error::Rejected {
            api: ApiKey::PRODUCE,
            code,
            message: response.error_message.as_ref().map(|message| message.to_string()),
        };
        let partition = &mut self.partitions[slot];
        let Some(batch) = partition.in_flight.iter_mut().find(|batch| batch.order == order) else { return };
        batch.maybe_written |= may_be_written(code, response.base_offset);
        let is_old = batch.format != MessageFormat::V2;
        // The halves of a batch that was written after all would not be known as its duplicates.
        let splittable = batch.records > 1 && !batch.abandoned && !batch.maybe_written;
        // A batch that is being cut in two is neither here nor there.
        let oldest = partition.working == 0
            && partition.sealed.iter().chain(&partition.in_flight).all(|other| other.order >= order);
        match Action::on(code) {
            // Some announce versions of Produce that they do not take.
            Action::Fail if is_old && code == ErrorCode::UNSUPPORTED_VERSION => {
                self.forget_format(node);
                self.on_retriable(ctx, slot, order, Arc::new(error), false);
            }
            Action::Done => {
                let offset = Some(response.base_offset).filter(|offset| *offset >= 0);
                let appended = Some(response.log_append_time_ms).filter(|time| *time >= 0);
                self.on_done(slot, order, offset, appended);
            }
            Action::OutOfOrder | Action::Renumber if partition.identity == NO_IDENTITY => {
                self.on_failed(slot, order, WriteError { fate: Fate::Rejected, cause: error });
            }
            Action::OutOfOrder if !oldest => self.on_retriable(ctx, slot, order, Arc::new(error), false),
            action @ (Action::OutOfOrder | Action::Renumber) => {
                partition.renumber = true;
                partition.forgotten |= action == Action::Renumber;
                partition.outdated |= code == ErrorCode::INVALID_PRODUCER_EPOCH;
                self.on_retriable(ctx, slot, order, Arc::new(error), false);
            }
            Action::Split if splittable => {
                if let Some(batch) = partition.take_in_flight(order) {
                    let producer = partition.producer();
                    let encoding = self.encoding(batch.format);
                    self.work(slot, Work::Split { producer, encoding, batch });
                }
            }
            Action::Split | Action::Fail => {
                self.on_failed(slot, order, WriteError { fate: Fate::Rejected, cause: error })
            }
            Action::FindLeader => {
                self.events.push(Event::Refresh);
                self.on_retriable(ctx, slot, order, Arc::new(error), false);
            }
            Action::Retry => self.on_retriable(ctx, slot, order, Arc::new(error), false),
        }
    }

    /// A batch in flight is in the log.
    fn on_done(&mut self, slot: usize, order: u64, offset: Option<i64>, appended: Option<i64>) {
        let partition = &mut self.partitions[slot];
        partition.proven = true;
        partition.failures = 0;
        partition.last_error = None;
        if let Some(batch) = partition.take_in_flight(order) {
            // A later part of a split batch starts its own offsets.
            self.finish(batch, Ok((offset, appended)));
        }
    }

    /// A batch in flight will never be in the log.
    fn on_failed(&mut self, slot: usize, order: u64, error: WriteError) {
        let partition = &mut self.partitions[slot];
        let Some(batch) = partition.take_in_flight(order) else { return };
        let unknown = batch.maybe_written;
        partition.roll_back(&batch);
        let fate = if unknown { Fate::Unknown } else { error.fate };
        self.finish(batch, Err(WriteError { fate, ..error }));
    }

    /// A batch in flight is to be sent again.
    fn on_retriable(
        &mut self,
        ctx: &mut Ctx<'_>,
        slot: usize,
        order: u64,
        error: Arc<Error>,
        maybe_written: bool,
    ) {
        let partition = &mut self.partitions[slot];
        let Some(mut batch) = partition.take_in_flight(order) else { return };
        partition.failures += 1;
        partition.not_before = ctx.now.mono + self.backoff.after(partition.failures, ctx.rng);
        partition.last_error = Some(error);
        batch.maybe_written |= maybe_written;
        match batch.abandoned {
            true => self.finish(batch, Ok((None, None))),
            false => partition.insert(batch),
        }
    }

    /// A batch is gone; the records of one that was abandoned have failed before.
    fn finish(&mut self, batch: Batch, outcome: Outcome) {
        if !batch.abandoned {
            let Batch { completion, first, records, .. } = batch;
            self.events.push(Event::Complete { completion, first, records, outcome });
        }
        self.events.push(Event::Release { budget: self.budget.clone(), bytes: batch.reserved });
    }

    pub(crate) fn on_timer(&mut self, ctx: &mut Ctx<'_>, cluster: &Cluster, slot: usize) {
        let (timeout, now) = (self.config.delivery_timeout, ctx.now.mono);
        let due = |created: Instant| created + timeout <= now;
        let partition = &mut self.partitions[slot];
        let mut failed = Vec::new();
        let cause = Error::Timeout {
            operation: "delivery",
            after: self.config.delivery_timeout,
            last: partition.last_error.clone(),
        };
        for batch in partition.in_flight.iter_mut().filter(|batch| !batch.abandoned && due(batch.created)) {
            batch.abandoned = true;
            let outcome = Err(WriteError { fate: Fate::Unknown, cause: cause.clone() });
            failed.push(Event::Complete {
                completion: batch.completion.clone(),
                first: batch.first,
                records: batch.records,
                outcome,
            });
        }
        self.events.extend(failed);
        while self.partitions[slot].sealed.front().is_some_and(|batch| due(batch.created)) {
            let Some(batch) = self.partitions[slot].sealed.pop_front() else { break };
            self.partitions[slot].roll_back(&batch);
            let fate = if batch.maybe_written { Fate::Unknown } else { Fate::NotWritten };
            self.finish(batch, Err(WriteError { fate, cause: cause.clone() }));
        }
        if self.partitions[slot].oldest.is_some_and(due) {
            // Created at this very time counts as too old: its timer is not set again.
            let before = Instant::from_micros(
                (ctx.now.mono.as_micros()).saturating_sub(self.config.delivery_timeout.as_micros() as u64)
                    + 1,
            );
            self.partitions[slot].forget_gathered();
            self.work(slot, Work::Expire { before, cause });
        }
        self.on_work(ctx, cluster, slot);
    }

    /// Fails everything: the client ends.
    pub(crate) fn shut_down(&mut self) {
        for slot in 0..self.partitions.len() {
            let partition = &mut self.partitions[slot];
            partition.gather.close();
            let in_flight = partition.in_flight.drain(..).map(|batch| (Fate::Unknown, batch));
            let sealed = partition.sealed.drain(..);
            let sealed = sealed
                .map(|batch| (if batch.maybe_written { Fate::Unknown } else { Fate::NotWritten }, batch));
            for (fate, batch) in in_flight.chain(sealed).collect::<Vec<_>>() {
                self.finish(batch, Err(WriteError { fate, cause: Error::Closed }));
            }
            self.work(slot, Work::Expire { before: Instant::MAX, cause: Error::Closed });
        }
    }

    fn set_timer(&self, ctx: &mut Ctx<'_>, slot: usize) {
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
        ctx.set_timer(Timer::Partition(self.id, slot), at);
    }
}

impl Partition {
    fn producer(&self) -> record::Producer {
        let (id, epoch) = self.identity;
        let base_sequence = if self.identity == NO_IDENTITY { -1 } else { self.next_sequence };
        record::Producer { id, epoch, base_sequence, transactional: false }
    }

    /// A job takes batches out of the gathering place: what is left there is known when it is done. News may come in
    /// between, from records appended behind the job, so they are kept.
    fn forget_gathered(&mut self) {
        self.full = false;
        self.oldest = None;
    }

    fn on_left(&mut self, left: Left) {
        self.full |= left.full;
        self.oldest = [self.oldest, left.oldest].into_iter().flatten().min();
    }

    fn take_in_flight(&mut self, order: u64) -> Option<Batch> {
        let index = self.in_flight.iter().position(|batch| batch.order == order)?;
        self.in_flight.remove(index)
    }

    /// Puts a batch where its number belongs.
    fn insert(&mut self, batch: Batch) {
        let at = self.sealed.partition_point(|sealed| sealed.order < batch.order);
        self.sealed.insert(at, batch);
    }

    /// A batch will not be written, and nothing came after it: its numbers are free again.
    fn roll_back(&mut self, batch: &Batch) {
        let last = self.in_flight.is_empty() && self.sealed.is_empty() && self.working == 0;
        if last && !batch.maybe_written && self.identity != NO_IDENTITY {
            self.next_sequence = batch.sequence;
        }
    }
}
