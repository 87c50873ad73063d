//! Fetch: whole batches from an offset on, at once or when enough has come.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use milena_core::protocol::fetch::{FetchPartition, FetchTopic, FetchableTopicResponse};
use milena_core::protocol::fetch::{LeaderIdAndEpoch, NodeEndpoint, PartitionData};
use milena_core::protocol::{ErrorCode, FetchRequest, FetchResponse};
use milena_core::wire::{Frame, Str, Uuid};

use super::{Call, Outcome, found};
use crate::cluster::admin::{Operation, ResourceType};
use crate::cluster::state::ClusterState;
use crate::cluster::topic::Partition;

/// `fetch.max.bytes` of the brokers: a response is not much larger, whatever was asked for.
const MOST_BYTES: usize = 55 * 1024 * 1024;
/// First version that asks a topic by its id.
const BY_ID: i16 = 13;
/// First version in which a follower may serve a consumer (KIP-392).
const FROM_FOLLOWERS: i16 = 11;
/// First version that tells who leads instead (KIP-951).
const TELLS_LEADER: i16 = 16;
/// First version that gets message format v2.
const RECORD_BATCHES: i16 = 4;

/// A fetch that waits for data.
#[derive(Debug)]
pub(in crate::cluster) struct ParkedFetch {
    pub(in crate::cluster) deadline: Duration,
    call: Call,
    request: FetchRequest,
}

impl ParkedFetch {
    /// The partitions it names, of topics that are there.
    pub(in crate::cluster) fn partitions(
        &self,
        names: &BTreeMap<Uuid, Str>,
    ) -> impl Iterator<Item = (Str, i32)> {
        let by_id = self.call.version >= BY_ID;
        self.request.topics.iter().flat_map(move |topic| {
            let name = if by_id { names.get(&topic.topic_id).cloned() } else { Some(topic.topic.clone()) };
            let partitions = topic.partitions.iter();
            partitions.filter_map(move |partition| Some((name.clone()?, partition.partition)))
        })
    }
}

impl ClusterState {
    pub(super) fn fetch(&mut self, call: &Call, request: FetchRequest) -> Outcome {
        // A full request (epoch 0 or -1) works without a session, and the answer's session id 0 says that there is none.
        // An incremental one needs the session it names.
        let session_error = match call.forced {
            Some(code @ (ErrorCode::FETCH_SESSION_ID_NOT_FOUND | ErrorCode::INVALID_FETCH_SESSION_EPOCH)) => {
                Some(code)
            }
            _ => (request.session_epoch > 0).then_some(ErrorCode::FETCH_SESSION_ID_NOT_FOUND),
        };
        if let Some(error_code) = session_error {
            let response = FetchResponse { error_code, ..Default::default() };
            return Outcome::Answer(call.answer::<FetchRequest>(response));
        }
        let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
        let fetch = ParkedFetch { deadline: self.now.elapsed + wait, call: *call, request };
        if wait.is_zero() || self.is_complete(&fetch) {
            return Outcome::Answer(self.complete_fetch(&fetch));
        }
        Outcome::Park(Box::new(fetch))
    }

    /// Whether a fetch need not wait: enough bytes are there, a partition has an error, or none was named.
    pub(in crate::cluster) fn is_complete(&self, fetch: &ParkedFetch) -> bool {
        let request = &fetch.request;
        let enough = u64::try_from(request.min_bytes).unwrap_or(0).min(MOST_BYTES as u64);
        let mut available = 0;
        let mut named = false;
        for topic in &request.topics {
            let name = self.fetchable(&fetch.call, topic);
            let held = name.ok().and_then(|name| self.topics.get(&*name));
            for asked in &topic.partitions {
                named = true;
                let Ok(partition) = found(held, asked.partition) else { return true };
                if readable(&fetch.call, partition, asked).is_err() {
                    return true;
                }
                let most = u64::try_from(asked.partition_max_bytes).unwrap_or(0);
                available += partition.log.bytes_from(asked.fetch_offset).min(most);
            }
        }
        available >= enough || !named
    }

    /// Answers a fetch with what there is.
    pub(in crate::cluster) fn complete_fetch(&mut self, fetch: &ParkedFetch) -> Frame {
        let (call, request) = (&fetch.call, &fetch.request);
        let mut budget = Budget {
            left: usize::try_from(request.max_bytes)
                .unwrap_or(0)
                .min(MOST_BYTES)
                .min(self.most_fetched(call)),
            // Before version 3 a batch larger than the limit was never returned whole.
            first_whole: call.version >= 3,
            cut: self.options.cut_last_batch,
        };
        let mut nodes = Vec::new();
        let topics = request.topics.iter();
        let responses = topics.map(|topic| self.fetch_topic(fetch, topic, &mut budget, &mut nodes)).collect();
        self.answer_fetch(call, FetchResponse { responses, node_endpoints: nodes, ..Default::default() })
    }

    /// The name of a topic that may be read.
    fn fetchable(&self, call: &Call, topic: &FetchTopic) -> Result<Str, ErrorCode> {
        let name = self.topic_name(call.version >= BY_ID, &topic.topic, &topic.topic_id)?;
        match self.authorize(call, Operation::Read, ResourceType::Topic, &name) {
            true => Ok(name),
            false => Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED),
        }
    }

    fn fetch_topic(
        &mut self,
        fetch: &ParkedFetch,
        topic: &FetchTopic,
        budget: &mut Budget,
        nodes: &mut Vec<NodeEndpoint>,
    ) -> FetchableTopicResponse {
        let call = &fetch.call;
        let name = self.fetchable(call, topic);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for asked in &topic.partitions {
            let held = name.as_ref().map_err(|code| *code).and_then(|name| {
                let held =
                    self.topics.get_mut(&**name).and_then(|topic| topic.partition_mut(asked.partition));
                held.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
            });
            let read = held.and_then(|partition| read(fetch, partition, asked, budget));
            partitions.push(match read {
                Ok(read) => read,
                Err(code) => {
                    let mut refused = refused(asked.partition, code);
                    let moved =
                        matches!(code, ErrorCode::NOT_LEADER_OR_FOLLOWER | ErrorCode::FENCED_LEADER_EPOCH);
                    if moved && call.version >= TELLS_LEADER {
                        let known = name.as_ref().ok().and_then(|name| self.leader(name, asked.partition));
                        let (leader_id, leader_epoch) = known.unwrap_or_default();
                        refused.current_leader =
                            LeaderIdAndEpoch { leader_id, leader_epoch, ..Default::default() };
                        if let Some((host, port)) = self.address(leader_id)
                            && nodes.iter().all(|node| node.node_id != leader_id)
                        {
                            nodes.push(NodeEndpoint { node_id: leader_id, host, port, ..Default::default() });
                        }
                    }
                    refused
                }
            });
        }
        FetchableTopicResponse {
            topic: topic.topic.clone(),
            topic_id: topic.topic_id,
            partitions,
            ..Default::default()
        }
    }
}

/// What one response may still hold.
struct Budget {
    left: usize,
    first_whole: bool,
    cut: bool,
}

/// Whether a partition can be read from the offset asked for.
fn readable(call: &Call, partition: &Partition, asked: &FetchPartition) -> Result<(), ErrorCode> {
    if let Some(code) = call.forced {
        return Err(code);
    }
    partition.check(call.broker, asked.current_leader_epoch, call.version < FROM_FOLLOWERS)?;
    match (partition.log.start_offset()..=partition.log.end_offset()).contains(&asked.fetch_offset) {
        true => Ok(()),
        false => Err(ErrorCode::OFFSET_OUT_OF_RANGE),
    }
}

fn read(
    fetch: &ParkedFetch,
    partition: &mut Partition,
    asked: &FetchPartition,
    budget: &mut Budget,
) -> Result<PartitionData, ErrorCode> {
    readable(&fetch.call, partition, asked)?;
    let most = usize::try_from(asked.partition_max_bytes).unwrap_or(0).min(budget.left);
    let records = match most > 0 || budget.first_whole {
        true => partition.log.read(asked.fetch_offset, most, budget.first_whole, budget.cut),
        false => Bytes::new(),
    };
    if !records.is_empty() {
        if fetch.call.version < RECORD_BATCHES {
            // As a broker whose log.message.downconversion.enable is false.
            return Err(ErrorCode::UNSUPPORTED_VERSION);
        }
        budget.first_whole = false;
        budget.left = budget.left.saturating_sub(records.len());
    }
    Ok(PartitionData {
        partition_index: asked.partition,
        high_watermark: partition.log.end_offset(),
        last_stable_offset: partition.log.end_offset(),
        log_start_offset: partition.log.start_offset(),
        aborted_transactions: (fetch.request.isolation_level == 1).then(Vec::new),
        records: Some(records),
        ..Default::default()
    })
}

fn refused(partition_index: i32, error_code: ErrorCode) -> PartitionData {
    PartitionData {
        partition_index,
        error_code,
        high_watermark: -1,
        records: Some(Bytes::new()),
        ..Default::default()
    }
}
