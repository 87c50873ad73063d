//! Fetch: whole batches from an offset on, at once or when enough has come.

use std::time::Duration;

use bytes::Bytes;
use milena_core::protocol::fetch::{
    AbortedTransaction, EpochEndOffset, FetchPartition, FetchableTopicResponse, LeaderIdAndEpoch,
    NodeEndpoint, PartitionData,
};
use milena_core::protocol::{BrokerId, ErrorCode, FetchRequest, FetchResponse, LeaderEpoch};
use milena_core::wire::{Frame, Str};

use super::{Call, Outcome, Parked, conversion};
use crate::cluster::admin::{Operation, ResourceType};
use crate::cluster::partition::Partition;
use crate::cluster::release::Release;
use crate::cluster::replication::Place;
use crate::cluster::sessions::{Asked, Context};
use crate::cluster::state::ClusterState;

/// `fetch.max.bytes` of the brokers: a response is not much larger, whatever was asked for.
const MOST_BYTES: usize = 55 * 1024 * 1024;
/// First version that asks a topic by its id.
const BY_ID: i16 = 13;
/// First version in which a follower may serve a consumer (KIP-392).
const FROM_FOLLOWERS: i16 = 11;
/// First version that says which epoch the consumer read last (KIP-595).
const DIVERGING: i16 = 12;
/// First version that tells who leads instead (KIP-951).
const TELLS_LEADER: i16 = 16;
/// First version that gets message format v2.
const RECORD_BATCHES: i16 = 4;

/// A fetch that waits for data.
#[derive(Debug)]
pub(in crate::cluster) struct ParkedFetch {
    pub(in crate::cluster) deadline: Duration,
    /// The partitions it asks for, of topics that are there.
    pub(in crate::cluster) places: Vec<Place>,
    call: Call,
    context: Context,
    min_bytes: u64,
    max_bytes: usize,
    committed_only: bool,
    rack: Str,
}

impl ClusterState {
    pub(super) fn fetch(&mut self, call: &Call, request: FetchRequest) -> Outcome {
        let session_error = call.forced.filter(|code| {
            matches!(*code, ErrorCode::FETCH_SESSION_ID_NOT_FOUND | ErrorCode::INVALID_FETCH_SESSION_EPOCH)
        });
        let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
        let min_bytes = u64::try_from(request.min_bytes).unwrap_or(0).min(MOST_BYTES as u64);
        let max_bytes = usize::try_from(request.max_bytes).unwrap_or(0).min(MOST_BYTES);
        let (committed_only, rack) = (request.isolation_level == 1, request.rack_id.clone());
        let (room, now) = (self.options.fetch_sessions, self.now.elapsed);
        let opened = match session_error {
            Some(code) => Err(code),
            None => self.sessions.open(call.broker, request, call.version >= BY_ID, room, now),
        };
        let context = match opened {
            Ok(context) => context,
            Err(error_code) => {
                let response = FetchResponse { error_code, ..Default::default() };
                return Outcome::Answer(call.answer::<FetchRequest>(response));
            }
        };
        let places = context.asked.iter().filter_map(|asked| self.place_of(call, asked).ok()).collect();
        let deadline = now + wait;
        let fetch = ParkedFetch {
            deadline,
            places,
            call: *call,
            context,
            min_bytes,
            max_bytes,
            committed_only,
            rack,
        };
        if wait.is_zero() || self.is_fetch_complete(&fetch) {
            return Outcome::Answer(self.complete_fetch(fetch));
        }
        Outcome::Park(Parked::Fetch(Box::new(fetch)))
    }

    fn place_of(&self, call: &Call, asked: &Asked) -> Result<Place, ErrorCode> {
        let name = self.topic_name(call, call.version >= BY_ID, &asked.topic, &asked.topic_id)?;
        match self.authorize(call, Operation::Read, ResourceType::Topic, &name) {
            true => Ok((name, asked.partition.partition)),
            false => Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED),
        }
    }

    /// Whether a fetch need not wait: enough bytes are there, a partition has something else to tell, or none was named.
    pub(super) fn is_fetch_complete(&self, fetch: &ParkedFetch) -> bool {
        let mut available = 0;
        for asked in &fetch.context.asked {
            let place = self.place_of(&fetch.call, asked);
            let held = place.ok().and_then(|(name, index)| self.partition(&name, index));
            let Some(partition) = held else { return true };
            match fetch.readable(partition, &asked.partition) {
                Ok(None) if self.nearer(fetch, partition).is_none() => {}
                _ => return true,
            }
            let most = u64::try_from(asked.partition.partition_max_bytes).unwrap_or(0);
            let line = partition.line(fetch.call.broker);
            let bound = fetch.bound(partition);
            available += line.log.bytes_between(asked.partition.fetch_offset, bound).min(most);
        }
        available >= fetch.min_bytes || fetch.context.asked.is_empty()
    }

    /// Answers a fetch with what there is.
    pub(super) fn complete_fetch(&mut self, fetch: ParkedFetch) -> Frame {
        let call = &fetch.call;
        let mut budget = Budget {
            left: fetch.max_bytes.min(self.most_fetched(call)),
            // Before version 3 a batch larger than the limit was never returned whole.
            first_whole: call.version >= 3,
            cut: self.options.cut_last_batch,
        };
        let mut response = FetchResponse { session_id: fetch.context.session_id, ..Default::default() };
        for asked in &fetch.context.asked {
            let answer = self.fetch_partition(&fetch, asked, &mut budget, &mut response.node_endpoints);
            if !self.sessions.tells(&fetch.context, asked, &answer) {
                continue;
            }
            match response.responses.last_mut() {
                Some(last) if last.topic == asked.topic && last.topic_id == asked.topic_id => {
                    last.partitions.push(answer);
                }
                _ => response.responses.push(FetchableTopicResponse {
                    topic: asked.topic.clone(),
                    topic_id: asked.topic_id,
                    partitions: vec![answer],
                    ..Default::default()
                }),
            }
        }
        self.answer_fetch(call, response)
    }

    fn fetch_partition(
        &mut self,
        fetch: &ParkedFetch,
        asked: &Asked,
        budget: &mut Budget,
        nodes: &mut Vec<NodeEndpoint>,
    ) -> PartitionData {
        let call = &fetch.call;
        let index = asked.partition.partition;
        let place = self.place_of(call, asked);
        let known = place.as_ref().ok().and_then(|(name, _)| self.partition(name, index));
        let nearer = known.and_then(|partition| self.nearer(fetch, partition));
        let read = place.as_ref().map_err(|code| *code).and_then(|(name, _)| {
            let partition = self.partition_mut(name, index).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
            read(fetch, partition, &asked.partition, nearer, budget)
        });
        let code = match read {
            Ok(read) => return read,
            Err(code) => code,
        };
        let known = place.ok().and_then(|(name, _)| self.partition(&name, index));
        let mut refused = PartitionData {
            partition_index: index,
            error_code: code,
            high_watermark: -1,
            // What brokers of today say of a partition that they do not look at.
            aborted_transactions: (known.is_none() && self.options.as_version >= Release::V3_0)
                .then(Vec::new),
            records: Some(Bytes::new()),
            ..Default::default()
        };
        let moved = matches!(code, ErrorCode::NOT_LEADER_OR_FOLLOWER | ErrorCode::FENCED_LEADER_EPOCH);
        if let Some(partition) = known
            && moved
            && call.version >= TELLS_LEADER
        {
            let belief = partition.belief(call.broker);
            let (leader_id, leader_epoch) = (belief.leader, belief.epoch);
            refused.current_leader = LeaderIdAndEpoch { leader_id, leader_epoch, ..Default::default() };
            if let Some((host, port)) = self.address(leader_id)
                && nodes.iter().all(|node| node.node_id != leader_id)
            {
                nodes.push(NodeEndpoint { node_id: leader_id, host, port, ..Default::default() });
            }
        }
        refused
    }

    /// An in-sync follower in the consumer's own rack, if this broker leads and is in another.
    fn nearer(&self, fetch: &ParkedFetch, partition: &Partition) -> Option<BrokerId> {
        let belief = partition.belief(fetch.call.broker);
        if fetch.rack.is_empty() || fetch.call.version < FROM_FOLLOWERS || belief.leader != fetch.call.broker
        {
            return None;
        }
        let in_rack = |id: BrokerId| {
            self.is_alive(id)
                && self.broker(id).is_some_and(|broker| broker.rack.as_ref() == Some(&fetch.rack))
        };
        if in_rack(belief.leader) {
            return None;
        }
        belief.in_sync.iter().copied().find(|id| in_rack(*id))
    }
}

/// What one response may still hold.
struct Budget {
    left: usize,
    first_whole: bool,
    cut: bool,
}

impl ParkedFetch {
    /// Up to where this consumer may read here.
    fn bound(&self, partition: &Partition) -> i64 {
        let high_watermark = partition.high_watermark(self.call.broker);
        match self.committed_only {
            true => partition.line(self.call.broker).last_stable_offset().min(high_watermark),
            false => high_watermark,
        }
    }

    /// Whether a partition can be read from the offset asked for, or where the consumer's log and this one part ways.
    fn readable(
        &self,
        partition: &Partition,
        asked: &FetchPartition,
    ) -> Result<Option<(LeaderEpoch, i64)>, ErrorCode> {
        let call = &self.call;
        if let Some(code) = call.forced {
            return Err(code);
        }
        partition.check(call.broker, asked.current_leader_epoch, call.version < FROM_FOLLOWERS)?;
        let log = &partition.line(call.broker).log;
        if call.version >= DIVERGING && asked.last_fetched_epoch >= LeaderEpoch(0) {
            let known = log.end_of_epoch(asked.last_fetched_epoch).ok_or(ErrorCode::OFFSET_OUT_OF_RANGE)?;
            if known.0 < asked.last_fetched_epoch || known.1 < asked.fetch_offset {
                return Ok(Some(known));
            }
        }
        match (log.start_offset()..=partition.end_offset(call.broker)).contains(&asked.fetch_offset) {
            true => Ok(None),
            false => Err(ErrorCode::OFFSET_OUT_OF_RANGE),
        }
    }
}

fn read(
    fetch: &ParkedFetch,
    partition: &mut Partition,
    asked: &FetchPartition,
    nearer: Option<BrokerId>,
    budget: &mut Budget,
) -> Result<PartitionData, ErrorCode> {
    let call = &fetch.call;
    let diverging = fetch.readable(partition, asked)?;
    let bound = fetch.bound(partition);
    let high_watermark = partition.high_watermark(call.broker);
    let line = partition.line_mut(call.broker);
    let mut answer = PartitionData {
        partition_index: asked.partition,
        high_watermark,
        last_stable_offset: line.last_stable_offset().min(high_watermark),
        log_start_offset: line.log.start_offset(),
        aborted_transactions: None,
        records: Some(Bytes::new()),
        ..Default::default()
    };
    if let Some((epoch, end_offset)) = diverging {
        answer.diverging_epoch = EpochEndOffset { epoch, end_offset, ..Default::default() };
        return Ok(answer);
    }
    if let Some(nearer) = nearer {
        answer.preferred_read_replica = nearer;
        return Ok(answer);
    }
    let most = usize::try_from(asked.partition_max_bytes).unwrap_or(0).min(budget.left);
    let records = match most > 0 || budget.first_whole {
        true => line.log.read(asked.fetch_offset, bound, most, budget.first_whole, budget.cut),
        false => Bytes::new(),
    };
    if !records.is_empty() {
        budget.first_whole = false;
        budget.left = budget.left.saturating_sub(records.len());
    }
    if fetch.committed_only {
        let aborted = line.producers.aborted(asked.fetch_offset, bound).into_iter();
        let aborted = aborted.map(|(producer_id, first_offset)| AbortedTransaction {
            producer_id,
            first_offset,
            ..Default::default()
        });
        answer.aborted_transactions = Some(aborted.collect());
    }
    answer.records = Some(match call.version < RECORD_BATCHES {
        true => conversion::to_sets(records, conversion::format_of_fetch(call.version), asked.fetch_offset)?,
        false => records,
    });
    Ok(answer)
}
