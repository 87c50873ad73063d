//! Produce: checks a batch as a partition's leader does, and appends it.

use std::time::Duration;

use bytes::Bytes;
use milena_core::protocol::produce::{LeaderIdAndEpoch, NodeEndpoint};
use milena_core::protocol::produce::{PartitionProduceResponse, TopicProduceResponse};
use milena_core::protocol::{BrokerId, ErrorCode, LeaderEpoch, ProduceRequest, ProduceResponse};
use milena_core::record::{Batch, Batches, Compression, Limits, RecordError};
use milena_core::wire::{Frame, Str};

use super::{Call, Outcome, Parked, conversion, found};
use crate::cluster::admin::{Operation, ResourceType};
use crate::cluster::producers::Verdict;
use crate::cluster::release::Release;
use crate::cluster::replication::Place;
use crate::cluster::state::ClusterState;

/// First version that tells who leads instead (KIP-951).
const TELLS_LEADER: i16 = 10;

/// Where a batch was written, or already is.
struct Appended {
    base_offset: i64,
    end_offset: i64,
    log_append_time_ms: i64,
    log_start_offset: i64,
}

type Refusal = (ErrorCode, String);

/// A write that waits for the in-sync replicas.
#[derive(Debug)]
pub(in crate::cluster) struct ParkedProduce {
    pub(in crate::cluster) deadline: Duration,
    pub(in crate::cluster) places: Vec<Place>,
    call: Call,
    /// For each place: what must be below the high watermark, in which epoch, and where in the response it stands.
    waits: Vec<(i64, LeaderEpoch, (usize, usize))>,
    response: ProduceResponse,
}

impl ClusterState {
    pub(super) fn produce(&mut self, call: &Call, request: ProduceRequest) -> Outcome {
        let wait = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
        let mut parked = ParkedProduce {
            deadline: self.now.elapsed + wait,
            places: Vec::new(),
            call: *call,
            waits: Vec::new(),
            response: ProduceResponse::default(),
        };
        let mut failed = false;
        let refused = call.forced.or_else(|| self.refuse_writer(call, &request));
        for topic in request.topic_data {
            let name = self.topic_name(call, call.version >= 13, &topic.name, &topic.topic_id);
            let mut partition_responses = Vec::with_capacity(topic.partition_data.len());
            for partition in topic.partition_data {
                let appended = match (refused, &name) {
                    (Some(code), _) => Err(refusal(code)),
                    (_, Ok(name)) if !self.authorize(call, Operation::Write, ResourceType::Topic, name) => {
                        Err(refusal(ErrorCode::TOPIC_AUTHORIZATION_FAILED))
                    }
                    (_, Ok(name)) => {
                        let id = request.transactional_id.as_ref();
                        self.append(call, request.acks, id, name, partition.index, partition.records)
                    }
                    (_, Err(code)) => Err(refusal(*code)),
                };
                let mut answer = PartitionProduceResponse {
                    index: partition.index,
                    base_offset: -1,
                    log_append_time_ms: -1,
                    log_start_offset: -1,
                    ..Default::default()
                };
                match (appended, &name) {
                    (Ok(appended), Ok(name)) => {
                        answer.base_offset = appended.base_offset;
                        answer.log_append_time_ms = appended.log_append_time_ms;
                        answer.log_start_offset = appended.log_start_offset;
                        if request.acks == -1 {
                            let epoch = self.epoch_at(call.broker, name, partition.index);
                            let at = (parked.response.responses.len(), partition_responses.len());
                            parked.places.push((name.clone(), partition.index));
                            parked.waits.push((appended.end_offset, epoch, at));
                        }
                    }
                    (Ok(_), Err(_)) => {}
                    (Err((code, message)), name) => {
                        failed = true;
                        let nodes = &mut parked.response.node_endpoints;
                        let name = name.as_ref().ok();
                        self.fail(call, name, &mut answer, nodes, code);
                        answer.error_message = Some(message.into());
                    }
                }
                partition_responses.push(answer);
            }
            parked.response.responses.push(TopicProduceResponse {
                name: topic.name,
                topic_id: topic.topic_id,
                partition_responses,
                ..Default::default()
            });
        }
        match request.acks {
            // Without an answer to put it in, a closed connection is the only way to say that something failed.
            0 if failed => Outcome::Close,
            0 => Outcome::Silent,
            -1 if !wait.is_zero() && !self.is_produce_complete(&parked) => {
                Outcome::Park(Parked::Produce(Box::new(parked)))
            }
            _ => Outcome::Answer(self.complete_produce(parked)),
        }
    }

    fn epoch_at(&self, broker: BrokerId, topic: &str, index: i32) -> LeaderEpoch {
        self.partition(topic, index).map_or(LeaderEpoch::NONE, |partition| partition.belief(broker).epoch)
    }

    /// Makes an answer one that says what went wrong and, if it helps, who leads instead. Of what was written it goes on to
    /// tell where.
    fn fail(
        &self,
        call: &Call,
        topic: Option<&Str>,
        answer: &mut PartitionProduceResponse,
        nodes: &mut Vec<NodeEndpoint>,
        code: ErrorCode,
    ) {
        answer.error_code = code;
        if code != ErrorCode::NOT_LEADER_OR_FOLLOWER || call.version < TELLS_LEADER {
            return;
        }
        let known = topic.and_then(|topic| self.partition(topic, answer.index));
        let Some(belief) = known.map(|partition| partition.belief(call.broker)) else { return };
        let (leader_id, leader_epoch) = (belief.leader, belief.epoch);
        answer.current_leader = LeaderIdAndEpoch { leader_id, leader_epoch, ..Default::default() };
        if let Some((host, port)) = self.address(leader_id)
            && nodes.iter().all(|node| node.node_id != leader_id)
        {
            nodes.push(NodeEndpoint { node_id: leader_id, host, port, ..Default::default() });
        }
    }

    /// How one of a write's partitions stands: `None` while the in-sync replicas have not got it.
    fn replicated(&self, parked: &ParkedProduce, index: usize) -> Option<Result<(), ErrorCode>> {
        let (name, partition) = &parked.places[index];
        let (end_offset, epoch, _) = parked.waits[index];
        let broker = parked.call.broker;
        let Some(topic) = self.topics.get(name) else {
            return Some(Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
        };
        let partition = topic.partition(*partition)?;
        let belief = partition.belief(broker);
        if belief.leader != broker || belief.epoch != epoch {
            return Some(Err(ErrorCode::NOT_LEADER_OR_FOLLOWER));
        }
        let reached = partition.line(broker).high_watermark >= end_offset;
        reached.then_some(match belief.in_sync.len() >= topic.settings.min_in_sync_replicas {
            true => Ok(()),
            false => Err(ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND),
        })
    }

    pub(super) fn is_produce_complete(&self, parked: &ParkedProduce) -> bool {
        (0..parked.places.len()).all(|index| self.replicated(parked, index).is_some())
    }

    /// Answers a write; what has not been replicated by now may be later, or not.
    pub(super) fn complete_produce(&mut self, mut parked: ParkedProduce) -> Frame {
        for index in 0..parked.places.len() {
            let result = self.replicated(&parked, index).unwrap_or(Err(ErrorCode::REQUEST_TIMED_OUT));
            let (topic, partition) = parked.waits[index].2;
            if let Err(code) = result {
                let response = &mut parked.response;
                let answer = &mut response.responses[topic].partition_responses[partition];
                self.fail(
                    &parked.call,
                    Some(&parked.places[index].0),
                    answer,
                    &mut response.node_endpoints,
                    code,
                );
            }
        }
        parked.call.answer::<ProduceRequest>(parked.response)
    }

    fn append(
        &mut self,
        call: &Call,
        acks: i16,
        transactional_id: Option<&Str>,
        name: &Str,
        index: i32,
        records: Option<Bytes>,
    ) -> Result<Appended, Refusal> {
        let release = self.options.as_version;
        found(self.topics.get(name), index).map_err(refusal)?;
        let batch = only_batch(call.version, records.unwrap_or_default())
            .map_err(|refused| aged(refused, release))?;
        if !(-1..=1).contains(&acks) {
            return Err(refusal(ErrorCode::INVALID_REQUIRED_ACKS));
        }
        if batch.is_transactional() {
            self.verify_transactional(call, transactional_id, name, index, &batch).map_err(refusal)?;
        }
        let Some(topic) = self.topics.get_mut(name) else {
            return Err(refusal(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
        };
        let settings = topic.settings;
        let Some(partition) = topic.partition_mut(index) else {
            return Err(refusal(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
        };
        partition.check(call.broker, LeaderEpoch::NONE, true).map_err(refusal)?;
        let in_sync = partition.belief(call.broker).in_sync.len();
        if acks == -1 && in_sync < settings.min_in_sync_replicas {
            let least = settings.min_in_sync_replicas;
            let message = format!(
                "The size of the current ISR is {in_sync}, which is insufficient to satisfy the min.isr requirement of \
                 {least} for partition {name}-{index}"
            );
            return Err((ErrorCode::NOT_ENOUGH_REPLICAS, message));
        }
        if batch.size_bytes() > settings.max_message_bytes {
            let (size, most) = (batch.size_bytes(), settings.max_message_bytes);
            let message = format!(
                "The record batch size in the append to partition {index} is {size} bytes which exceeds the maximum \
                 configured value of {most}."
            );
            return Err((ErrorCode::MESSAGE_TOO_LARGE, message));
        }
        check_batch(&batch, self.options.validate_records).map_err(|refused| aged(refused, release))?;
        let now_ms = self.now.wall_ms;
        let (oldest, newest) = (
            now_ms.saturating_sub(settings.timestamp_before_max_ms),
            now_ms.saturating_add(settings.timestamp_after_max_ms),
        );
        if !settings.log_append_time && !(oldest..=newest).contains(&batch.max_timestamp()) {
            let timestamp = batch.max_timestamp();
            let message = format!("Timestamp {timestamp} of the batch is not between {oldest} and {newest}.");
            return Err((ErrorCode::INVALID_TIMESTAMP, message));
        }
        let line = partition.line(call.broker);
        let log_start_offset = line.log.start_offset();
        let span = batch.last_offset() - batch.base_offset().unwrap_or(0) + 1;
        match line.producers.check(&batch, release)? {
            Verdict::Duplicate(written) => Ok(Appended {
                base_offset: written.base_offset,
                end_offset: written.base_offset + span,
                // Brokers give a duplicate's timestamp here, whichever type of timestamp the topic has.
                log_append_time_ms: written.max_timestamp,
                log_start_offset,
            }),
            Verdict::Append => {
                let append_time = settings.log_append_time.then_some(now_ms);
                let base_offset = partition.append(call.broker, &batch, append_time);
                partition.line_mut(call.broker).log.retain(settings.retention_bytes);
                partition.start_moved(release);
                self.woken.extend(&partition.waiting);
                self.replicate(&(name.clone(), index));
                Ok(Appended {
                    base_offset,
                    end_offset: base_offset + span,
                    log_append_time_ms: append_time.unwrap_or(-1),
                    log_start_offset,
                })
            }
        }
    }
}

/// The one batch that a request has for a partition, its header parsed.
fn only_batch(version: i16, records: Bytes) -> Result<Batch, Refusal> {
    let unreadable = |error: RecordError| match error {
        RecordError::UnsupportedMagic(magic @ ..2) => {
            let message = format!(
                "Produce requests with version {version} are only allowed to contain record batches \
                                   with magic version 2, not {magic}"
            );
            (ErrorCode::INVALID_RECORD, message)
        }
        error => (ErrorCode::CORRUPT_MESSAGE, error.to_string()),
    };
    if version < 3 {
        return conversion::to_batch(records).map_err(unreadable);
    }
    let of_v2 = |batch: Batch| match batch.magic() {
        2 => Ok(batch),
        magic => Err(RecordError::UnsupportedMagic(magic)),
    };
    let mut batches = Batches::new(records).map(|batch| batch.and_then(of_v2).map_err(unreadable));
    let first = batches.next().transpose()?;
    let second = batches.next().transpose()?;
    let (Some(batch), None) = (first, second) else {
        let message = format!("Produce requests with version {version} must have exactly one record batch");
        return Err((ErrorCode::INVALID_RECORD, message));
    };
    if batch.compression().is_ok_and(|codec| codec == Compression::Zstd) && version < 7 {
        let message = "Produce requests with version below 7 are not allowed to use ZStandard compression";
        return Err((ErrorCode::UNSUPPORTED_COMPRESSION_TYPE, message.to_owned()));
    }
    Ok(batch)
}

/// What a leader checks of a batch by itself.
fn check_batch(batch: &Batch, records_too: bool) -> Result<(), Refusal> {
    let invalid = |message: String| Err((ErrorCode::INVALID_RECORD, message));
    let (Some(base_offset), Some(count)) = (batch.base_offset(), batch.count()) else {
        return invalid("The batch is a compressed message set.".to_owned());
    };
    if base_offset != 0 {
        return invalid(format!("The baseOffset of the record batch should be 0, but it is {base_offset}"));
    }
    if let Err(error) = batch.verify_crc() {
        return Err((ErrorCode::CORRUPT_MESSAGE, error.to_string()));
    }
    let spanned = batch.last_offset() - base_offset + 1;
    let count = i64::from(count);
    if count <= 0 || spanned != count {
        return invalid(format!("Batch of {count} records spans {spanned} offsets."));
    }
    if batch.is_control() {
        return invalid("Clients are not allowed to write control records".to_owned());
    }
    if !records_too {
        return Ok(());
    }
    let mut records = match batch.records(&Limits::default()) {
        Ok(records) => records,
        Err(error) => return invalid(error.to_string()),
    };
    let mut parsed = 0;
    while let Some(record) = records.next_ref() {
        if let Err(error) = record {
            return invalid(error.to_string());
        }
        parsed += 1;
    }
    match parsed == count {
        true => Ok(()),
        false => invalid(format!("Batch of {count} records holds {parsed}.")),
    }
}

fn refusal(code: ErrorCode) -> Refusal {
    (code, code.name().to_owned())
}

/// What is INVALID_RECORD today was CORRUPT_MESSAGE before 2.4.
fn aged((code, message): Refusal, release: Release) -> Refusal {
    match code {
        ErrorCode::INVALID_RECORD if release < Release::V2_4 => (ErrorCode::CORRUPT_MESSAGE, message),
        _ => (code, message),
    }
}
