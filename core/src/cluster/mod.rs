//! What is known of the cluster: brokers, topics, leaders and their epochs, and when to ask again.
//!
//! Rules:
//! - One metadata request at a time. It is sent when a topic is first wanted, when an answer shows that a leader moved,
//!   and when the knowledge is `metadata_max_age` old; never sooner than the back-off after the one before.
//! - It goes round the brokers known, then the bootstrap servers, so that a cluster whose addresses all changed is found again.
//! - A leader is taken over only with an epoch that is not older than the one known, unless the topic id changed.
//! - A topic that only calls to its leaders ask for is kept as long as knowledge may age, and [`MAX_CALLED`] of them at most.
//! - What was known of a topic stays when one answer lacks it: a topic counts as missing only after `topic_grace`.

pub(crate) mod coordinators;
mod target;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::config::{Address, Config};
use crate::error::{CloseReason, Error};
use crate::notice::Notice;
use crate::protocol::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponsePartition, MetadataResponseTopic,
};
use crate::protocol::{ApiKey, BrokerId, ErrorCode, LeaderEpoch};
use crate::rng::{Backoff, Rng};
use crate::time::Instant;
use crate::wire::{Str, Uuid};

pub use target::{CoordinatorType, Target};
pub(crate) use target::{Lane, Node};

/// Brokers that know no later version of Metadata may tell stale leader epochs.
const FIRST_TRUE_EPOCHS: i16 = 9;

/// Answers in a row that can't be read, after which a peer counts as none that this client can talk to.
pub(crate) const MAX_DAMAGED: u32 = 5;

/// Topics without a user that are kept: those of calls, each of which is a part of every metadata request, and what was known of
/// others.
const MAX_UNUSED: usize = 1000;

/// A partition as the newest trusted answer described it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct PartitionInfo {
    /// `None` while an election is under way.
    pub(crate) leader: Option<BrokerId>,
    /// -1 if the broker does not tell (Metadata before version 7).
    pub(crate) epoch: LeaderEpoch,
}

#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Topic {
    /// Zero if the broker does not tell (Metadata before version 10).
    pub(crate) id: Uuid,
    pub(crate) partitions: Vec<PartitionInfo>,
    users: usize,
    /// Calls to its leaders keep it until then; `None` if there were none.
    keep_until: Option<Instant>,
    /// A broker answered that it does not lead it: no further call goes by what is known here.
    doubted: bool,
    /// It was not asked for since someone used it: the next answer is awaited. What was known stays until then, so that an
    /// older leader is not believed in.
    stale: bool,
    /// Since when the brokers say that it does not exist.
    missing_since: Option<Instant>,
    /// Why it can't be used; cleared when someone asks for it anew.
    error: Option<Error>,
}

/// What someone who wants to use a topic must know.
pub(crate) enum TopicState<'a> {
    /// No answer yet, or none that settles it.
    Asking,
    Known(&'a Topic),
    Failed(&'a Error),
}

/// A leader that an answer named (KIP-951).
#[derive(Clone, Debug)]
pub(crate) struct LeaderHint {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    pub(crate) leader: BrokerId,
    pub(crate) epoch: LeaderEpoch,
    /// Where it listens, if the answer told.
    pub(crate) address: Option<Address>,
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
struct NodeHealth {
    failures: u32,
    until: Instant,
    reason: CloseReason,
}

#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
struct Refresh {
    in_flight: bool,
    /// Someone asked for it since the last one left.
    wanted: bool,
    /// A topic is wanted that no request has named yet: that is no repetition, and waits for nothing.
    new_topic: bool,
    last: Option<Instant>,
    /// Requests that failed, in a row.
    failures: u32,
    /// How often all were asked in vain since an answer came.
    rounds: u32,
    /// Who was asked in vain since the last pause.
    asked: BTreeSet<Node>,
    /// Answers that left something unsettled, in a row.
    unsettled: u32,
    /// Not before.
    not_before: Instant,
    /// Why the last one did not bring what was wanted.
    trouble: Option<Error>,
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Cluster {
    config: Arc<Config>,
    backoff: Backoff,
    seeds: Vec<Address>,
    brokers: BTreeMap<BrokerId, Address>,
    controller: Option<BrokerId>,
    topics: BTreeMap<Arc<str>, Topic>,
    health: BTreeMap<Node, NodeHealth>,
    refresh: Refresh,
    /// A hint was taken over: those who have partitions there are to be told.
    moved: bool,
    #[cfg_attr(feature = "recording", serde(skip))]
    notices: Vec<Notice>,
}

impl Cluster {
    pub(crate) fn new(config: Arc<Config>, rng: &mut Rng) -> Self {
        let mut seeds = config.bootstrap.clone();
        rng.shuffle(&mut seeds);
        let backoff = Backoff { min: config.backoff.0, max: config.backoff.1 };
        Cluster {
            config,
            backoff,
            seeds,
            brokers: BTreeMap::new(),
            controller: None,
            topics: BTreeMap::new(),
            health: BTreeMap::new(),
            refresh: Refresh::default(),
            moved: false,
            notices: Vec::new(),
        }
    }

    pub(crate) fn address(&self, node: Node) -> Option<&Address> {
        match node {
            Node::Seed(index) => self.seeds.get(index),
            Node::Broker(id) => self.brokers.get(&id),
        }
    }

    /// Whether it is one of the brokers.
    pub(crate) fn has_broker(&self, broker: BrokerId) -> bool {
        self.brokers.contains_key(&broker)
    }

    /// Whether a first answer came.
    pub(crate) fn is_known(&self) -> bool {
        !self.brokers.is_empty()
    }

    pub(crate) fn controller(&self) -> Option<BrokerId> {
        self.controller
    }

    /// Starts using a topic: it is part of every metadata request until [`release`](Self::release).
    pub(crate) fn want(&mut self, topic: &Arc<str>) {
        self.refresh.new_topic |= self.topics.get(topic).is_none_or(|entry| entry.stale);
        let entry = self.topics.entry(topic.clone()).or_default();
        entry.users += 1;
        self.ask_again(topic);
    }

    /// Forgets that a topic was missing: whoever calls this would like to know how it is now.
    pub(crate) fn ask_again(&mut self, topic: &str) {
        if let Some(topic) = self.topics.get_mut(topic)
            && (!topic.is_known() || topic.error.is_some())
        {
            topic.error = None;
            topic.missing_since = None;
            self.refresh.wanted = true;
        }
    }

    pub(crate) fn release(&mut self, topic: &str) {
        if let Some(entry) = self.topics.get_mut(topic) {
            entry.users -= 1;
            if entry.users == 0 {
                entry.stale |= entry.keep_until.is_none();
                self.bound();
            }
        }
    }

    /// Forgets topics that have no user, if they are too many: the one first that calls used longest ago.
    fn bound(&mut self) {
        let unused = |entry: &(&Arc<str>, &Topic)| entry.1.users == 0;
        if self.topics.iter().filter(unused).count() > MAX_UNUSED {
            let oldest = self.topics.iter().filter(unused).min_by_key(|(_, entry)| entry.keep_until);
            let oldest = oldest.map(|(name, _)| name.clone());
            oldest.map(|name| self.topics.remove(&name));
        }
    }

    /// A call wants a leader of this topic, now and perhaps soon again.
    pub(crate) fn keep(&mut self, now: Instant, topic: &Arc<str>) {
        let keep_until = now + self.config.metadata_max_age.max(self.config.api_timeout);
        let is_new = self.topics.get(topic).is_none_or(|entry| entry.stale);
        self.topics.entry(topic.clone()).or_default().keep_until = Some(keep_until);
        if is_new {
            (self.refresh.new_topic, self.refresh.wanted) = (true, true);
            self.bound();
        }
    }

    /// The leader of a partition for a call; `None` if that is not known just now.
    ///
    /// # Errors
    /// What is wrong with the topic, or that it has no such partition.
    pub(crate) fn leader(&self, topic: &str, partition: i32) -> Result<Option<BrokerId>, Error> {
        let known = match self.topic(topic) {
            TopicState::Failed(error) => return Err(error.clone()),
            TopicState::Known(known) if !known.doubted => known,
            _ => return Ok(None),
        };
        let info = usize::try_from(partition).ok().and_then(|index| known.partitions.get(index));
        let partitions = known.partitions.len() as i32;
        let unknown = || Error::UnknownPartition { topic: topic.to_owned(), partition, partitions };
        let leader = info.ok_or_else(unknown)?.leader;
        Ok(leader.filter(|leader| self.has_broker(*leader)))
    }

    /// A broker that was asked as a leader of the topic is none.
    pub(crate) fn doubt_leaders(&mut self, topic: &str) {
        if let Some(entry) = self.topics.get_mut(topic) {
            entry.doubted = true;
        }
        self.refresh.wanted = true;
    }

    /// The broker that was asked as the controller is none.
    pub(crate) fn doubt_controller(&mut self) {
        self.controller = None;
        self.refresh.wanted = true;
    }

    /// Whether an answer is awaited, or a request is to be sent soon.
    pub(crate) fn is_asking(&self) -> bool {
        self.refresh.wanted || self.refresh.in_flight
    }

    /// A broker's address as another API told it.
    pub(crate) fn learn(&mut self, broker: BrokerId, address: Address) {
        self.brokers.insert(broker, address);
    }

    pub(crate) fn topic(&self, topic: &str) -> TopicState<'_> {
        match self.topics.get(topic) {
            Some(Topic { error: Some(error), .. }) => TopicState::Failed(error),
            Some(topic) if topic.is_known() => TopicState::Known(topic),
            _ => TopicState::Asking,
        }
    }

    /// How many topics are asked for.
    pub(crate) fn topics(&self) -> usize {
        self.topics.values().filter(|topic| topic.is_asked_for()).count()
    }

    pub(crate) fn topic_id(&self, topic: &str) -> Uuid {
        self.topics.get(topic).map_or(Uuid::ZERO, |topic| topic.id)
    }

    pub(crate) fn partition(&self, topic: &str, partition: i32) -> Option<PartitionInfo> {
        self.topics.get(topic)?.partitions.get(usize::try_from(partition).ok()?).copied()
    }

    /// Takes a hint over if its epoch is newer than the one known.
    pub(crate) fn on_leader_hint(&mut self, hint: LeaderHint) {
        let LeaderHint { topic, partition, leader, epoch, address } = hint;
        let partitions = self.topics.get_mut(&topic).map(|topic| &mut topic.partitions);
        let info =
            partitions.zip(usize::try_from(partition).ok()).and_then(|(all, index)| all.get_mut(index));
        let Some(info) = info.filter(|info| epoch > info.epoch) else { return };
        if let Some(address) = address {
            self.brokers.insert(leader, address);
        }
        if self.brokers.contains_key(&leader) {
            let now = PartitionInfo { leader: Some(leader), epoch };
            let before = std::mem::replace(info, now);
            self.notices.extend(before.moved(now, &topic, partition));
            self.moved = true;
        }
    }

    /// Whether a hint was taken over since this was asked last.
    pub(crate) fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// What happened since this was asked last.
    pub(crate) fn take_notices(&mut self) -> impl Iterator<Item = Notice> {
        self.notices.drain(..)
    }

    /// An answer showed that something is out of date.
    pub(crate) fn want_refresh(&mut self) {
        self.refresh.wanted = true;
    }

    /// When the next request is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if self.refresh.in_flight || self.brokers.is_empty() && self.seeds.is_empty() {
            return None;
        }
        if self.refresh.wanted {
            let at_once = self.refresh.new_topic && self.refresh.failures == 0;
            return Some(if at_once { Instant::default() } else { self.refresh.not_before });
        }
        // Nothing is asked for its age before anything was asked for at all.
        self.refresh.last.map(|last| last + self.config.metadata_max_age)
    }

    /// The request that is due, and whom to ask.
    pub(crate) fn poll_request(&mut self, now: Instant) -> Option<(Node, MetadataRequest)> {
        if self.poll_timeout()? > now {
            return None;
        }
        self.refresh.in_flight = true;
        (self.refresh.wanted, self.refresh.new_topic) = (false, false);
        let called =
            |topic: &Topic| topic.error.is_none() && topic.keep_until.is_some_and(|until| until > now);
        for topic in self.topics.values_mut().filter(|topic| topic.users == 0 && !called(topic)) {
            (topic.keep_until, topic.stale) = (None, true);
        }
        self.topics.retain(|_, topic| topic.is_asked_for() || !topic.partitions.is_empty());
        let topics = self.topics.iter().filter(|(_, topic)| topic.is_asked_for());
        let topics = topics
            .map(|(name, _)| MetadataRequestTopic { name: Some(Str::from(&**name)), ..Default::default() });
        let request = MetadataRequest {
            topics: Some(topics.collect()),
            allow_auto_topic_creation: self.config.allow_auto_topic_creation,
            ..Default::default()
        };
        let node = self.node_to_ask(now);
        self.refresh.asked.insert(node);
        Some((node, request))
    }

    /// Any node, best one that is not backing off: brokers first, then bootstrap servers, another after each failure.
    pub(crate) fn node_to_ask(&self, now: Instant) -> Node {
        let nodes = self.nodes();
        let turn = self.refresh.failures as usize % nodes.len().max(1);
        let in_turn = nodes[turn..].iter().chain(&nodes[..turn]);
        let best = in_turn.min_by_key(|node| match self.is_rested(**node, now) {
            true => u8::from(self.refresh.asked.contains(node)),
            false => 2,
        });
        best.copied().unwrap_or(Node::Seed(0))
    }

    fn nodes(&self) -> Vec<Node> {
        let brokers = self.brokers.keys().map(|id| Node::Broker(*id));
        brokers.chain((0..self.seeds.len()).map(Node::Seed)).collect()
    }

    fn is_rested(&self, node: Node, now: Instant) -> bool {
        self.health.get(&node).is_none_or(|health| health.until <= now)
    }

    /// No answer came: another node is asked at once, until all were asked that can be; then after a pause.
    pub(crate) fn on_failure(&mut self, now: Instant, rng: &mut Rng, error: Error) {
        self.notices.push(Notice::MetadataFailed { error: error.clone() });
        self.refresh.trouble = Some(error);
        self.refresh.in_flight = false;
        self.refresh.wanted = true;
        self.refresh.failures += 1;
        let is_new = |node: &Node| self.is_rested(*node, now) && !self.refresh.asked.contains(node);
        self.refresh.not_before = match self.nodes().iter().any(is_new) {
            true => now,
            false => {
                self.refresh.asked.clear();
                self.refresh.rounds += 1;
                now + self.backoff.after(self.refresh.rounds, rng)
            }
        };
    }

    pub(crate) fn on_metadata(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        mut answer: MetadataResponse,
        version: i16,
    ) {
        if version < FIRST_TRUE_EPOCHS {
            let topics = answer.topics.iter_mut();
            topics
                .flat_map(|topic| &mut topic.partitions)
                .for_each(|partition| partition.leader_epoch = LeaderEpoch::NONE);
        }
        self.refresh.in_flight = false;
        self.refresh.last = Some(now);
        // A broker that has just started knows no brokers yet: nothing to learn from it.
        if answer.brokers.is_empty() || !answer.error_code.is_ok() {
            let message = answer.error_code.is_ok().then(|| "the answer names no broker".to_owned());
            let code = match answer.error_code {
                ErrorCode::NONE => ErrorCode::BROKER_NOT_AVAILABLE,
                code => code,
            };
            self.on_failure(now, rng, Error::Rejected { api: ApiKey::METADATA, code, message });
            return;
        }
        self.refresh.trouble = None;
        (self.refresh.failures, self.refresh.rounds) = (0, 0);
        self.refresh.asked.clear();
        self.brokers.clear();
        for broker in &answer.brokers {
            let address = Address::of_broker(&broker.host, broker.port);
            self.brokers.extend(address.map(|address| (broker.node_id, address)));
        }
        let live: BTreeSet<Node> = self.brokers.keys().map(|id| Node::Broker(*id)).collect();
        self.health.retain(|node, _| matches!(node, Node::Seed(_)) || live.contains(node));
        self.controller = Some(answer.controller_id).filter(|id| self.brokers.contains_key(id));
        let mut settled = true;
        for topic in answer.topics {
            let Some(name) = topic.name.as_deref() else { continue };
            let name = name.to_owned();
            let code = topic.error_code;
            let known = self.topics.get_key_value(&*name).filter(|(_, entry)| entry.is_asked_for());
            let Some((name, _)) = known else { continue };
            let name = name.clone();
            if let Some(entry) = self.topics.get_mut(&name)
                && !entry.update(now, &name, topic, &self.config, &mut self.notices)
            {
                settled = false;
                let code = if code.is_ok() { ErrorCode::LEADER_NOT_AVAILABLE } else { code };
                let message = Some(format!("topic {name:?}"));
                self.refresh.trouble = Some(Error::Rejected { api: ApiKey::METADATA, code, message });
            }
        }
        // A topic wanted after the request left is in no answer yet.
        let open =
            |(_, topic): &(_, &Topic)| topic.error.is_none() && topic.is_asked_for() && !topic.is_known();
        if let Some((name, _)) = self.topics.iter().find(open) {
            settled = false;
            self.refresh.trouble.get_or_insert_with(|| Error::Rejected {
                api: ApiKey::METADATA,
                code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                message: Some(format!("topic {name:?}: the answer tells no partition of it")),
            });
        }
        self.refresh.unsettled = if settled { 0 } else { self.refresh.unsettled + 1 };
        self.refresh.wanted |= !settled;
        let trouble = self.refresh.trouble.iter().cloned();
        self.notices.extend(trouble.map(|error| Notice::MetadataFailed { error }));
        self.refresh.not_before = now + self.backoff.after(self.refresh.unsettled.max(1), rng);
    }

    /// How long to wait before the next connect to this node.
    pub(crate) fn rest(&self, node: Node) -> Instant {
        self.health.get(&node).map_or(Instant::default(), |health| health.until)
    }

    pub(crate) fn on_node_ready(&mut self, node: Node) {
        self.health.remove(&node);
    }

    pub(crate) fn on_node_failed(&mut self, now: Instant, rng: &mut Rng, node: Node, reason: CloseReason) {
        let failures = self.health.get(&node).map_or(0, |health| health.failures) + 1;
        let until = now + self.backoff.after(failures, rng);
        self.health.insert(node, NodeHealth { failures, until, reason });
    }

    /// Why the last metadata request did not bring what was wanted.
    pub(crate) fn trouble(&self) -> Option<&Error> {
        self.refresh.trouble.as_ref()
    }

    /// The bootstrap servers, each with its last failure.
    pub(crate) fn seeds(&self) -> impl Iterator<Item = (Node, &Address, Option<&CloseReason>)> {
        self.seeds.iter().enumerate().map(|(index, address)| {
            let node = Node::Seed(index);
            (node, address, self.health.get(&node).map(|health| &health.reason))
        })
    }

    /// Whether every bootstrap server failed for good. An answer that can't be read may have been damaged on its way: once.
    pub(crate) fn is_hopeless(&self) -> bool {
        let hopeless = |health: &NodeHealth| match health.reason {
            CloseReason::Decode(_) => health.failures >= MAX_DAMAGED,
            _ => !health.reason.is_retriable(),
        };
        (0..self.seeds.len()).all(|index| self.health.get(&Node::Seed(index)).is_some_and(hopeless))
    }
}

impl Topic {
    fn is_known(&self) -> bool {
        !self.partitions.is_empty() && !self.stale
    }

    fn is_asked_for(&self) -> bool {
        self.users > 0 || self.keep_until.is_some()
    }

    /// Takes over an answer; false if it does not settle what became of the topic.
    fn update(
        &mut self,
        now: Instant,
        name: &Arc<str>,
        answer: MetadataResponseTopic,
        config: &Config,
        notices: &mut Vec<Notice>,
    ) -> bool {
        self.doubted = false;
        match answer.error_code {
            ErrorCode::NONE => {}
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => {
                let since = *self.missing_since.get_or_insert(now);
                if now.since(since) >= config.topic_grace {
                    self.error = Some(Error::UnknownTopic { topic: name.to_string() });
                }
                return self.error.is_some();
            }
            code if code.is_retriable() => return false,
            code => {
                let message = Some(match code {
                    ErrorCode::INVALID_TOPIC_EXCEPTION => {
                        format!(
                            "{name:?} is no name for a topic: letters, digits, '.', '_' and '-' are allowed"
                        )
                    }
                    _ => format!("topic {name:?}"),
                });
                self.error = Some(Error::Rejected { api: ApiKey::METADATA, code, message });
                return true;
            }
        }
        self.missing_since = None;
        self.error = None;
        self.stale = false;
        if self.id != answer.topic_id && !answer.topic_id.is_zero() {
            // Another topic of the same name: nothing that was known holds for it.
            self.id = answer.topic_id;
            self.partitions.clear();
        }
        let mut settled = true;
        // Not more than the answer could list, and in order: an index out of range would leave holes.
        let mut answers = answer.partitions;
        answers.sort_by_key(|partition| partition.partition_index);
        for (index, partition) in answers.iter().enumerate() {
            if partition.partition_index != index as i32 {
                return false;
            }
            let info = PartitionInfo::of(partition);
            match self.partitions.get_mut(index) {
                Some(known) if info.epoch < known.epoch && info.epoch >= LeaderEpoch(0) => settled = false,
                Some(known) => {
                    let before = std::mem::replace(known, info);
                    notices.extend(before.moved(info, name, partition.partition_index));
                }
                None => self.partitions.push(info),
            }
            settled &= info.leader.is_some();
        }
        settled
    }
}

impl PartitionInfo {
    fn of(answer: &MetadataResponsePartition) -> Self {
        let leader = Some(answer.leader_id).filter(|leader| leader.0 >= 0);
        PartitionInfo { leader, epoch: answer.leader_epoch }
    }

    /// The notice of a change of leader, if it is one.
    fn moved(self, now: PartitionInfo, topic: &Arc<str>, partition: i32) -> Option<Notice> {
        let (from, to, epoch) = (self.leader, now.leader, now.epoch);
        (from != to).then(|| Notice::LeaderMoved { topic: topic.clone(), partition, from, to, epoch })
    }
}
