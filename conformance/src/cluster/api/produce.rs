//! Produce: checks a batch as a partition's leader does, and appends it.

use bytes::Bytes;
use milena_core::protocol::produce::{LeaderIdAndEpoch, NodeEndpoint};
use milena_core::protocol::produce::{PartitionProduceResponse, TopicProduceResponse};
use milena_core::protocol::{BrokerId, ErrorCode, LeaderEpoch, ProduceRequest, ProduceResponse};
use milena_core::record::{Batch, Batches, Compression, Limits, RecordError};

use super::{Call, Outcome};
use crate::cluster::admin::{Operation, ResourceType};
use crate::cluster::idempotence::Verdict;
use crate::cluster::release::Release;
use crate::cluster::state::ClusterState;

/// First version that tells who leads instead (KIP-951).
const TELLS_LEADER: i16 = 10;

/// Where a batch was written, or already is.
struct Appended {
    base_offset: i64,
    log_append_time_ms: i64,
    log_start_offset: i64,
}

type Refusal = (ErrorCode, String);

impl ClusterState {
    pub(super) fn produce(&mut self, call: &Call, request: ProduceRequest) -> Outcome {
        let mut response = ProduceResponse::default();
        let mut failed = false;
        for topic in request.topic_data {
            let name = self.topic_name(call.version >= 13, &topic.name, &topic.topic_id);
            let mut partition_responses = Vec::with_capacity(topic.partition_data.len());
            for partition in topic.partition_data {
                let appended = match &name {
                    _ if call.forced.is_some() => Err(refusal(call.forced.unwrap_or(ErrorCode::NONE))),
                    Ok(name) if !self.authorize(call, Operation::Write, ResourceType::Topic, name) => {
                        Err(refusal(ErrorCode::TOPIC_AUTHORIZATION_FAILED))
                    }
                    Ok(name) => self.append(call, request.acks, name, partition.index, partition.records),
                    Err(code) => Err(refusal(*code)),
                };
                let mut answer = PartitionProduceResponse { index: partition.index, ..Default::default() };
                match appended {
                    Ok(appended) => {
                        answer.base_offset = appended.base_offset;
                        answer.log_append_time_ms = appended.log_append_time_ms;
                        answer.log_start_offset = appended.log_start_offset;
                    }
                    Err((code, message)) => {
                        failed = true;
                        answer.error_code = code;
                        answer.base_offset = -1;
                        answer.error_message = Some(message.into());
                        if code == ErrorCode::NOT_LEADER_OR_FOLLOWER && call.version >= TELLS_LEADER {
                            let known =
                                name.as_ref().ok().and_then(|name| self.leader(name, partition.index));
                            self.tell_leader(known, &mut answer, &mut response.node_endpoints);
                        }
                    }
                }
                partition_responses.push(answer);
            }
            response.responses.push(TopicProduceResponse {
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
            _ => Outcome::Answer(call.answer::<ProduceRequest>(response)),
        }
    }

    fn tell_leader(
        &self,
        known: Option<(BrokerId, LeaderEpoch)>,
        answer: &mut PartitionProduceResponse,
        nodes: &mut Vec<NodeEndpoint>,
    ) {
        let Some((leader_id, leader_epoch)) = known else { return };
        answer.current_leader = LeaderIdAndEpoch { leader_id, leader_epoch, ..Default::default() };
        if let Some((host, port)) = self.address(leader_id)
            && nodes.iter().all(|node| node.node_id != leader_id)
        {
            nodes.push(NodeEndpoint { node_id: leader_id, host, port, ..Default::default() });
        }
    }

    fn append(
        &mut self,
        call: &Call,
        acks: i16,
        topic: &str,
        index: i32,
        records: Option<Bytes>,
    ) -> Result<Appended, Refusal> {
        let release = self.options.as_version;
        let Some(topic) = self.topics.get_mut(topic) else {
            return Err(refusal(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
        };
        let settings = topic.settings;
        let Some(partition) = topic.partition_mut(index) else {
            return Err(refusal(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
        };
        let batch = only_batch(call.version, records.unwrap_or_default())
            .map_err(|refused| aged(refused, release))?;
        if !(-1..=1).contains(&acks) {
            return Err(refusal(ErrorCode::INVALID_REQUIRED_ACKS));
        }
        partition.check(call.broker, LeaderEpoch::NONE, true).map_err(refusal)?;
        if batch.size_bytes() > settings.max_message_bytes {
            let (size, most) = (batch.size_bytes(), settings.max_message_bytes);
            let message = format!(
                "The record batch size in the append to partition {index} is {size} bytes which \
                                   exceeds the maximum configured value of {most}."
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
        let log_start_offset = partition.log.start_offset();
        match partition.producers.check(&batch, release)? {
            Verdict::Duplicate(written) => Ok(Appended {
                base_offset: written.base_offset,
                // Brokers give a duplicate's timestamp here, whichever type of timestamp the topic has.
                log_append_time_ms: written.max_timestamp,
                log_start_offset,
            }),
            Verdict::Append => {
                let append_time = settings.log_append_time.then_some(now_ms);
                let base_offset = partition.log.append(&batch, partition.leader_epoch, append_time);
                partition.producers.written(&batch, base_offset);
                partition.log.retain(settings.retention_bytes);
                self.woken.extend(&partition.waiting);
                Ok(Appended { base_offset, log_append_time_ms: append_time.unwrap_or(-1), log_start_offset })
            }
        }
    }
}

/// The one batch that a request has for a partition, its header parsed.
fn only_batch(version: i16, records: Bytes) -> Result<Batch, Refusal> {
    let unreadable = |error: RecordError| match error {
        RecordError::UnsupportedMagic(_) if version < 3 => {
            let message = "Message formats v0 and v1 are not stored by this broker.";
            (ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT, message.to_owned())
        }
        RecordError::UnsupportedMagic(magic) => {
            let message = format!(
                "Produce requests with version {version} are only allowed to contain record batches \
                                   with magic version 2, not {magic}"
            );
            (ErrorCode::INVALID_RECORD, message)
        }
        error => (ErrorCode::CORRUPT_MESSAGE, error.to_string()),
    };
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
    if batch.is_transactional() {
        let message = "The transaction that the batch belongs to is not known.".to_owned();
        return Err((ErrorCode::INVALID_TXN_STATE, message));
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
