//! The fetcher of one reader: a cursor for each partition, one fetch in flight for each broker.
//!
//! Rules:
//! - A cursor is `Unresolved` until its offsets were looked up at the leader, `Fetching` then, and `Done` at its end.
//! - The position moves on when an answer comes, by its batches' headers alone, so that the next fetch is under way while
//!   this one is read. Fetching stops while `buffer_bytes` are fetched (or asked for) and not yet read.
//! - An answer counts only for a partition that was asked for and whose position is still the one asked for.
//! - Errors of one partition pause that partition; what only the user can mend ends the reader.
//! - An answer that can't be read, or data without a sensible header, is asked for again: the network or a broker may have
//!   damaged it once. [`MAX_DAMAGED`] of them in a row end the reader.
//! - Before a first answer came, leaders that can't even be asked end it after `api_timeout`: an address that never worked
//!   is no outage.
//! - An answer that brings nothing and did not wait either is followed by a pause.
//! - A broker that has left is forgotten when nothing is in flight there and its pause is over.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::chunk::Chunk;
use crate::cluster::{Lane, LeaderHint, MAX_DAMAGED, Target, TopicState};
use crate::config::{Address, Config, Isolation, ReaderConfig, Reset, Start, Until};
use crate::connection::{AnyAnswer, ByVersion, Failure, response_to};
use crate::context::{Ctx, ReaderId, Routed, Subject};
use crate::error::{Error, Fault};
use crate::notice::Notice;
use crate::protocol::fetch::{
    FetchPartition, FetchRequest, FetchTopic, FetchableTopicResponse, PartitionData,
};
use crate::protocol::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use crate::protocol::{ApiKey, BrokerId, ErrorCode, LeaderEpoch};
use crate::record::Batches;
use crate::rng::Backoff;
use crate::time::Instant;
use crate::wire::Str;

/// What a reader's handle wants.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Command {
    /// It begins.
    Open(Arc<ReaderConfig>),
    /// So many bytes of what was fetched are read.
    Consumed(usize),
    /// It is gone.
    Close,
}

/// What a reader's handle is told.
#[derive(Debug)]
pub enum Output {
    /// Some data of one partition.
    Fetched(Chunk),
    /// Nothing more comes: every partition was read to its end, or an error ended the reader.
    Ended(Option<Error>),
}

/// A fetcher's own requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Tag {
    ListOffsets(u64),
    Fetch(BrokerId),
}

/// Special timestamps of ListOffsets.
const FIRST: i64 = -2;
const LAST: i64 = -1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
enum State {
    /// Its position is to be looked up by this timestamp.
    Unresolved {
        timestamp: i64,
    },
    Fetching,
    Done,
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
struct Cursor {
    state: State,
    position: i64,
    /// Where it ends; `None` while that is to be looked up.
    end: Option<i64>,
    /// A look-up is under way.
    asking: bool,
    /// The offset that was not in the log, until another one is found.
    lost: Option<i64>,
    /// Damaged data in a row, at this position.
    damaged: u32,
    failures: u32,
    not_before: Instant,
}

#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
struct Node {
    /// What was asked for, with positions; and how many bytes may come.
    in_flight: Option<Asked>,
    turn: i32,
    idle_answers: u32,
    not_before: Instant,
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
struct Asked {
    positions: BTreeMap<i32, i64>,
    bytes: usize,
    at: Instant,
}

/// What a ListOffsets request looks up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
enum Lookup {
    Position,
    End,
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Fetcher {
    id: ReaderId,
    config: Arc<ReaderConfig>,
    client: Arc<Config>,
    backoff: Backoff,
    cursors: BTreeMap<i32, Cursor>,
    nodes: BTreeMap<BrokerId, Node>,
    /// The broker that a fetch was sent to last: another one comes first when there is room again.
    turn: BrokerId,
    lookups: BTreeMap<u64, (Lookup, Vec<i32>)>,
    next_lookup: u64,
    /// Bytes fetched and not yet read.
    buffered: usize,
    /// When it first knew whom to ask, and whether an answer came since.
    opened: Option<Instant>,
    proven: bool,
    /// Answers that could not be read, in a row, and when the last one came: it fails all requests of its connection at once.
    damaged: u32,
    damaged_at: Option<Instant>,
    /// The end was told, or an error.
    over: bool,
}

impl Subject for Fetcher {
    type Tag = Tag;
    type Timer = ();
    type Output = Output;
}

type Context<'a> = Ctx<'a, Fetcher>;

impl Fetcher {
    pub(crate) fn new(id: ReaderId, config: Arc<ReaderConfig>, client: Arc<Config>) -> Self {
        Fetcher {
            id,
            config,
            backoff: Backoff { min: client.backoff.0, max: client.backoff.1 },
            client,
            cursors: BTreeMap::new(),
            nodes: BTreeMap::new(),
            turn: BrokerId::NONE,
            lookups: BTreeMap::new(),
            next_lookup: 0,
            buffered: 0,
            opened: None,
            proven: false,
            damaged: 0,
            damaged_at: None,
            over: false,
        }
    }

    /// Bytes fetched and not yet read.
    pub(crate) fn buffered_bytes(&self) -> usize {
        self.buffered
    }

    /// How many brokers it remembers.
    #[cfg(test)]
    pub(crate) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn open(&mut self, ctx: &mut Context<'_>) {
        ctx.cluster.want(&self.config.topic);
        self.on_metadata(ctx);
    }

    pub(crate) fn close(&mut self, ctx: &mut Context<'_>) {
        ctx.cluster.release(&self.config.topic);
        ctx.set_timer((), None);
    }

    /// The answer to one of its requests, or why there is none.
    pub(crate) fn on_reply(
        &mut self,
        ctx: &mut Context<'_>,
        tag: Tag,
        result: Result<Option<AnyAnswer>, Failure>,
    ) {
        match tag {
            Tag::ListOffsets(id) => self.on_offsets(ctx, id, result),
            Tag::Fetch(broker) => self.on_fetched(ctx, broker, result),
        }
    }

    /// The topic may have become known, leaders may have moved.
    pub(crate) fn on_metadata(&mut self, ctx: &mut Context<'_>) {
        let (cluster, now) = (&*ctx.cluster, ctx.now.mono);
        self.nodes.retain(|broker, node| {
            cluster.has_broker(*broker) || node.in_flight.is_some() || node.not_before > now
        });
        match ctx.cluster.topic(&self.config.topic) {
            TopicState::Asking => return,
            TopicState::Failed(error) => {
                let error = error.clone();
                return self.fail(ctx, error);
            }
            TopicState::Known(topic) => {
                let partitions = topic.partitions.len() as i32;
                let first_time = self.cursors.is_empty();
                let wanted = match &self.config.partitions {
                    Some(chosen) => chosen.clone(),
                    None => (0..partitions).collect(),
                };
                for partition in wanted {
                    if !(0..partitions).contains(&partition) {
                        let topic = self.config.topic.to_string();
                        return self.fail(ctx, Error::UnknownPartition { topic, partition, partitions });
                    }
                    // Partitions that come later hold nothing that was written before: they are read from their start.
                    let start = if first_time { self.config.start } else { Start::First };
                    if first_time || self.config.until == Until::Forever {
                        let until = self.config.until;
                        self.cursors.entry(partition).or_insert_with(|| Cursor::new(start, until));
                    }
                }
            }
        }
        self.go_on(ctx);
    }

    /// Ends the reader with an error, behind what was fetched.
    pub(crate) fn fail(&mut self, ctx: &mut Context<'_>, error: Error) {
        if !std::mem::replace(&mut self.over, true) {
            ctx.tell(Output::Ended(Some(error)));
        }
    }

    /// So many bytes were read.
    pub(crate) fn on_consumed(&mut self, ctx: &mut Context<'_>, bytes: usize) {
        self.buffered -= bytes.min(self.buffered);
        self.go_on(ctx);
    }

    pub(crate) fn on_timer(&mut self, ctx: &mut Context<'_>) {
        self.go_on(ctx);
    }

    /// Looks up and fetches whatever can be.
    fn go_on(&mut self, ctx: &mut Context<'_>) {
        if self.over || self.cursors.is_empty() {
            return;
        }
        for cursor in self.cursors.values_mut() {
            let at_end = cursor.end.is_some_and(|end| cursor.position >= end);
            if cursor.state == State::Fetching && at_end && self.config.until == Until::End {
                cursor.state = State::Done;
            }
        }
        if self.cursors.values().all(|cursor| cursor.state == State::Done) {
            self.over = true;
            ctx.tell(Output::Ended(None));
            return;
        }
        let now = ctx.now.mono;
        self.opened.get_or_insert(now);
        let mut leaders: BTreeMap<BrokerId, Vec<i32>> = BTreeMap::new();
        let mut next = Instant::MAX;
        for (partition, cursor) in &self.cursors {
            if cursor.state == State::Done || cursor.asking {
                continue;
            }
            if cursor.not_before > now {
                next = next.min(cursor.not_before);
                continue;
            }
            match ctx.cluster.partition(&self.config.topic, *partition).and_then(|info| info.leader) {
                Some(leader) => leaders.entry(leader).or_default().push(*partition),
                None => ctx.cluster.want_refresh(),
            }
        }
        // One broker must not ask for all the room, or the others would wait for its long poll.
        let share = self.config.buffer_bytes / leaders.len().max(1);
        let later = leaders.split_off(&BrokerId(self.turn.0.saturating_add(1)));
        for (leader, partitions) in later.into_iter().chain(leaders) {
            self.look_up(ctx, leader, &partitions);
            let node = self.nodes.entry(leader).or_default();
            match node.not_before > now {
                true => next = next.min(node.not_before),
                false => self.fetch(ctx, leader, &partitions, share),
            }
        }
        ctx.set_timer((), Some(next));
    }

    fn look_up(&mut self, ctx: &mut Context<'_>, leader: BrokerId, partitions: &[i32]) {
        for lookup in [Lookup::End, Lookup::Position] {
            let mut asked = Vec::new();
            for partition in partitions {
                let Some(cursor) = self.cursors.get_mut(partition) else { continue };
                let timestamp = match (lookup, cursor.state) {
                    _ if cursor.asking => continue,
                    (Lookup::End, _) if cursor.end.is_none() => LAST,
                    (Lookup::Position, State::Unresolved { timestamp }) => timestamp,
                    _ => continue,
                };
                cursor.asking = true;
                asked.push(ListOffsetsPartition {
                    partition_index: *partition,
                    current_leader_epoch: ctx
                        .cluster
                        .partition(&self.config.topic, *partition)
                        .map_or(LeaderEpoch::NONE, |info| info.epoch),
                    timestamp,
                    ..Default::default()
                });
            }
            if asked.is_empty() {
                continue;
            }
            let id = self.next_lookup;
            self.next_lookup += 1;
            self.lookups
                .insert(id, (lookup, asked.iter().map(|partition| partition.partition_index).collect()));
            let request = ListOffsetsRequest {
                replica_id: BrokerId::NONE,
                isolation_level: self.isolation(),
                topics: vec![ListOffsetsTopic {
                    name: Str::from(&*self.config.topic),
                    partitions: asked,
                    ..Default::default()
                }],
                timeout_ms: self.client.request_timeout.as_millis().try_into().unwrap_or(i32::MAX),
                ..Default::default()
            };
            // Version 0 answers with lists of segment starts, not with offsets; every broker since 0.10.1 has version 1.
            // Before version 2 there are no transactions, and nothing to be isolated from.
            let call = ByVersion::new(move |version| ListOffsetsRequest {
                isolation_level: if version < 2 { 0 } else { request.isolation_level },
                ..request.clone()
            });
            let (target, tag) = (Target::Broker(leader), Tag::ListOffsets(id));
            ctx.send(Routed::of(target, Lane::General, Arc::new(call), (1, i16::MAX), tag));
        }
    }

    fn isolation(&self) -> i8 {
        (self.config.isolation == Isolation::ReadCommitted).into()
    }

    fn on_offsets(&mut self, ctx: &mut Context<'_>, id: u64, result: Result<Option<AnyAnswer>, Failure>) {
        let Some((lookup, partitions)) = self.lookups.remove(&id) else { return };
        for partition in &partitions {
            if let Some(cursor) = self.cursors.get_mut(partition) {
                cursor.asking = false;
            }
        }
        match response_to::<ListOffsetsRequest>(result) {
            Ok(answer) => {
                self.damaged = 0;
                let answers = answer.topics.into_iter().flat_map(|topic| topic.partitions);
                let answers: BTreeMap<i32, _> =
                    answers.map(|answer| (answer.partition_index, answer)).collect();
                for partition in partitions {
                    let Some(cursor) = self.cursors.get_mut(&partition) else { continue };
                    match answers.get(&partition) {
                        Some(answer) if answer.error_code.is_ok() => {
                            self.proven = true;
                            let by_time =
                                matches!(cursor.state, State::Unresolved { timestamp } if timestamp >= 0);
                            if answer.offset >= 0 || by_time {
                                cursor.failures = 0;
                            }
                            match lookup {
                                // No record is as late as the timestamp asked for: the end is.
                                Lookup::Position if answer.offset < 0 && by_time => {
                                    cursor.state = State::Unresolved { timestamp: LAST }
                                }
                                // There always are a start and an end: who does not know them is asked again.
                                _ if answer.offset < 0 => self.pause(ctx, partition),
                                Lookup::End => cursor.end = Some(answer.offset),
                                Lookup::Position => {
                                    (cursor.state, cursor.position) = (State::Fetching, answer.offset);
                                    if let Some(from) = cursor.lost.take() {
                                        let topic = self.config.topic.clone();
                                        ctx.notice(Notice::OffsetReset {
                                            topic,
                                            partition,
                                            from,
                                            to: answer.offset,
                                        });
                                    }
                                }
                            }
                        }
                        Some(answer) => {
                            self.on_error(ctx, partition, ApiKey::LIST_OFFSETS, answer.error_code)
                        }
                        None => self.on_error(
                            ctx,
                            partition,
                            ApiKey::LIST_OFFSETS,
                            ErrorCode::UNKNOWN_SERVER_ERROR,
                        ),
                    }
                }
            }
            Err(failure) => self.on_failure(ctx, failure, partitions),
        }
        self.go_on(ctx);
    }

    fn on_failure(&mut self, ctx: &mut Context<'_>, failure: Failure, partitions: Vec<i32>) {
        if failure.error.fault() == Fault::Peer {
            let another = self.damaged_at.replace(ctx.now.mono) != Some(ctx.now.mono);
            self.damaged += u32::from(another);
            let may_pass = matches!(failure.error, Error::Connection { .. }) && self.damaged < MAX_DAMAGED;
            if !may_pass {
                return self.fail(ctx, failure.error);
            }
        }
        let after = ctx.now.mono.since(self.opened.unwrap_or(ctx.now.mono));
        if !failure.sent && !self.proven && after >= self.client.api_timeout {
            let last = Some(Arc::new(failure.error));
            return self.fail(ctx, Error::Timeout { operation: "reaching the topic's leaders", after, last });
        }
        ctx.cluster.want_refresh();
        for partition in partitions {
            self.pause(ctx, partition);
        }
    }

    fn pause(&mut self, ctx: &mut Context<'_>, partition: i32) {
        if let Some(cursor) = self.cursors.get_mut(&partition) {
            cursor.failures += 1;
            cursor.not_before = ctx.now.mono + self.backoff.after(cursor.failures, ctx.rng);
        }
    }

    fn on_error(&mut self, ctx: &mut Context<'_>, partition: i32, api: ApiKey, code: ErrorCode) {
        if code.is_invalid_metadata() {
            ctx.cluster.want_refresh();
        }
        let message = Some(format!("topic {:?} partition {partition}", self.config.topic));
        let error = Error::Rejected { api, code, message };
        match code {
            // The broker's own log is damaged there: fetching it again can't mend it.
            ErrorCode::CORRUPT_MESSAGE => self.fail(ctx, error),
            // What a broker says when it does not know better often passes.
            ErrorCode::UNKNOWN_SERVER_ERROR => self.pause(ctx, partition),
            code if code.is_retriable() => self.pause(ctx, partition),
            _ => self.fail(ctx, error),
        }
    }

    fn fetch(&mut self, ctx: &mut Context<'_>, leader: BrokerId, partitions: &[i32], share: usize) {
        let isolation_level = self.isolation();
        let asked_for: usize =
            self.nodes.values().filter_map(|node| node.in_flight.as_ref()).map(|asked| asked.bytes).sum();
        let room = self.config.buffer_bytes.saturating_sub(self.buffered + asked_for);
        let least = self.config.least_fetch_bytes();
        let Some(node) = self.nodes.get_mut(&leader) else { return };
        if node.in_flight.is_some() || room < least {
            return;
        }
        let bytes = room.min(share.max(least)).min(self.config.max_bytes as usize);
        let ready = |partition: &&i32| {
            self.cursors
                .get(partition)
                .is_some_and(|cursor| cursor.state == State::Fetching && cursor.end.is_some())
        };
        // A broker fills its answer in the order of the request: another partition comes first each time.
        let (late, early): (Vec<i32>, Vec<i32>) =
            partitions.iter().filter(ready).partition(|p| **p < node.turn);
        let order: Vec<i32> = early.into_iter().chain(late).collect();
        let Some(first) = order.first() else { return };
        node.turn = first + 1;
        let asked = order.iter().map(|partition| {
            let position = self.cursors.get(partition).map_or(0, |cursor| cursor.position);
            (*partition, position)
        });
        let positions: BTreeMap<i32, i64> = asked.collect();
        let fetched = order.iter().map(|partition| FetchPartition {
            partition: *partition,
            current_leader_epoch: ctx
                .cluster
                .partition(&self.config.topic, *partition)
                .map_or(LeaderEpoch::NONE, |info| info.epoch),
            fetch_offset: positions[partition],
            partition_max_bytes: self.config.partition_bytes,
            ..Default::default()
        });
        let topic_id = ctx.cluster.topic_id(&self.config.topic);
        let request = FetchRequest {
            max_wait_ms: self.config.max_wait.as_millis() as i32,
            min_bytes: self.config.min_bytes,
            max_bytes: bytes as i32,
            isolation_level,
            topics: vec![FetchTopic {
                topic: Str::from(&*self.config.topic),
                topic_id,
                partitions: fetched.collect(),
                ..Default::default()
            }],
            ..Default::default()
        };
        self.turn = leader;
        node.in_flight = Some(Asked { positions, bytes, at: ctx.now.mono });
        let versions = (0, if topic_id.is_zero() { 12 } else { i16::MAX });
        let (target, lane, tag) = (Target::Broker(leader), Lane::Fetch(self.id.0), Tag::Fetch(leader));
        let request = Routed::of(target, lane, Arc::new(request), versions, tag);
        ctx.send(request.wait_longer(self.config.max_wait));
    }

    fn on_fetched(
        &mut self,
        ctx: &mut Context<'_>,
        leader: BrokerId,
        result: Result<Option<AnyAnswer>, Failure>,
    ) {
        let Some(asked) = self.nodes.get_mut(&leader).and_then(|node| node.in_flight.take()) else { return };
        let answer = match response_to::<FetchRequest>(result) {
            Ok(answer) => answer,
            Err(failure) => {
                self.on_failure(ctx, failure, asked.positions.into_keys().collect());
                return self.go_on(ctx);
            }
        };
        self.damaged = 0;
        if !answer.error_code.is_ok() {
            for partition in asked.positions.keys() {
                self.on_error(ctx, *partition, ApiKey::FETCH, answer.error_code);
            }
            return self.go_on(ctx);
        }
        let endpoints: BTreeMap<_, _> = answer.node_endpoints.into_iter().map(|e| (e.node_id, e)).collect();
        let mut news = false;
        let (name, id) = (&*self.config.topic, ctx.cluster.topic_id(&self.config.topic));
        let mine = |topic: &FetchableTopicResponse| match topic.topic_id.is_zero() {
            true => *topic.topic == *name,
            false => topic.topic_id == id,
        };
        let topics: Vec<_> = answer.responses.into_iter().filter(mine).collect();
        for data in topics.into_iter().flat_map(|topic| topic.partitions) {
            // Partitions that were not asked for are dropped.
            let Some(position) = asked.positions.get(&data.partition_index) else { continue };
            let hint = &data.current_leader;
            if hint.leader_id.0 >= 0 {
                let endpoint = endpoints.get(&hint.leader_id);
                let address = endpoint.and_then(|e| Address::of_broker(&e.host, e.port));
                let (leader, epoch) = (hint.leader_id, hint.leader_epoch);
                let (topic, partition) = (self.config.topic.clone(), data.partition_index);
                ctx.cluster.on_leader_hint(LeaderHint { topic, partition, leader, epoch, address });
            }
            news |=
                !data.error_code.is_ok() || data.records.as_ref().is_some_and(|records| !records.is_empty());
            self.on_data(ctx, data, *position);
        }
        let idle = !news && ctx.now.mono.since(asked.at) < self.config.max_wait / 2;
        if let Some(node) = self.nodes.get_mut(&leader) {
            node.idle_answers = if idle { node.idle_answers + 1 } else { 0 };
            node.not_before = ctx.now.mono + self.backoff.after(node.idle_answers, ctx.rng);
        }
        self.go_on(ctx);
    }

    fn on_data(&mut self, ctx: &mut Context<'_>, data: PartitionData, position: i64) {
        let partition = data.partition_index;
        // Another partition, or another broker, has ended the reader: nothing follows that.
        if self.over {
            return;
        }
        let Some(cursor) = self.cursors.get_mut(&partition) else { return };
        if cursor.state != State::Fetching || cursor.position != position {
            return;
        }
        match data.error_code {
            ErrorCode::NONE => {}
            ErrorCode::OFFSET_OUT_OF_RANGE => {
                let timestamp = match self.config.reset {
                    Reset::First => FIRST,
                    Reset::Last => LAST,
                    Reset::Error => {
                        let topic = self.config.topic.to_string();
                        return self
                            .fail(ctx, Error::OffsetOutOfRange { topic, partition, offset: position });
                    }
                };
                cursor.state = State::Unresolved { timestamp };
                cursor.lost = Some(position);
                // A log that shrinks while it is looked up is asked about with pauses.
                return self.pause(ctx, partition);
            }
            code => return self.on_error(ctx, partition, ApiKey::FETCH, code),
        }
        cursor.failures = 0;
        self.proven = true;
        let Some(records) = data.records.filter(|records| !records.is_empty()) else { return };
        let mut batches = Batches::new(records.clone());
        let mut damaged = None;
        for batch in &mut batches {
            match batch {
                Ok(batch) => cursor.position = cursor.position.max(batch.last_offset() + 1),
                Err(cause) => damaged = Some(cause),
            }
        }
        if cursor.position == position && damaged.is_none() {
            // Not one whole batch: brokers since 0.10.1 never cut the first one.
            damaged = Some(crate::record::RecordError::Truncated);
        }
        let aborted = match self.config.isolation {
            Isolation::ReadUncommitted => Vec::new(),
            Isolation::ReadCommitted => {
                let aborted = data.aborted_transactions.unwrap_or_default().into_iter();
                let mut aborted: Vec<_> = aborted.map(|a| (a.producer_id, a.first_offset)).collect();
                aborted.sort_by_key(|(_, first)| *first);
                aborted
            }
        };
        let log_end = match self.config.isolation {
            Isolation::ReadCommitted if data.last_stable_offset >= 0 => data.last_stable_offset,
            _ => data.high_watermark,
        };
        let stopped_at = cursor.position;
        let end = cursor.end.unwrap_or(i64::MAX);
        cursor.damaged = match &damaged {
            None => 0,
            Some(_) if stopped_at > position => 1,
            Some(_) => cursor.damaged + 1,
        };
        let hopeless = cursor.damaged >= MAX_DAMAGED;
        if stopped_at > position {
            self.buffered += records.len();
            ctx.tell(Output::Fetched(Chunk { partition, records, from: position, end, log_end, aborted }));
        }
        let Some(cause) = damaged else { return };
        if hopeless {
            // What came before it is read first; nothing tells where the next batch would begin.
            let topic = self.config.topic.to_string();
            return self.fail(ctx, Error::CorruptBatch { topic, partition, offset: stopped_at, cause });
        }
        self.pause(ctx, partition);
    }
}

impl Cursor {
    fn new(start: Start, until: Until) -> Self {
        let (state, position) = match start {
            Start::First => (State::Unresolved { timestamp: FIRST }, 0),
            Start::Last => (State::Unresolved { timestamp: LAST }, 0),
            Start::Timestamp(timestamp) => (State::Unresolved { timestamp }, 0),
            Start::Offset(offset) => (State::Fetching, offset),
        };
        let end = match until {
            Until::Forever => Some(i64::MAX),
            Until::End => None,
        };
        Cursor {
            state,
            position,
            end,
            asking: false,
            lost: None,
            damaged: 0,
            failures: 0,
            not_before: Instant::default(),
        }
    }
}
