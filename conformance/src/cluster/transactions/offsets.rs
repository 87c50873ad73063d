//! TxnOffsetCommit: offsets that count once their transaction commits.
//!
//! Rules: the group's coordinator stages them until the marker comes to its partition of `__consumer_offsets`. As a leader
//! it has the transaction's coordinator asked before it stages the first (`partitions.rs`), and refuses a producer that a
//! newer one, or a marker, has overtaken.

use std::collections::BTreeMap;

use milena_core::protocol::txn_offset_commit::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use milena_core::protocol::{ErrorCode, ProducerId, TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use milena_core::wire::Str;

use super::metadata::ProducerIdAndEpoch;
use super::partitions::Verification;
use crate::cluster::admin::{Operation, ResourceType};
use crate::cluster::api::{Call, found};
use crate::cluster::coordinator::CoordinatorKind;
use crate::cluster::groups::{Committer, StagedOffset};
use crate::cluster::producers::Marker;
use crate::cluster::release::Release;
use crate::cluster::state::ClusterState;

/// First version whose clients know TRANSACTION_ABORTABLE, and first that adds the offsets to the transaction.
const ABORTABLE: i16 = 4;
const ADDS: i16 = 5;

/// What a partition of `__consumer_offsets` knows of a producer.
#[derive(Debug)]
struct Writer {
    epoch: i16,
    coordinator_epoch: i32,
    /// Whether it has staged offsets in its transaction.
    is_open: bool,
}

/// The producers that commit offsets in transactions, by partition of `__consumer_offsets`.
#[derive(Debug, Default)]
pub(super) struct TransactionalOffsets {
    writers: BTreeMap<(i32, ProducerId), Writer>,
}

impl ClusterState {
    pub(super) fn txn_offset_commit(
        &mut self,
        call: &Call,
        request: TxnOffsetCommitRequest,
    ) -> TxnOffsetCommitResponse {
        let allowed = self
            .check_transactional_id(call, &request.transactional_id)
            .and_then(|()| self.check_access(call, Operation::Read, ResourceType::Group, &request.group_id));
        let mut accepted = Vec::new();
        for topic in &request.topics {
            let there = topic
                .partitions
                .iter()
                .filter(|it| self.check_stageable(call, &topic.name, it.partition_index).is_ok());
            accepted.extend(there.map(|it| staged(&topic.name, it)));
        }
        let all = match allowed {
            Ok(()) if accepted.is_empty() => Ok(Vec::new()),
            Ok(()) => self.commit_transactional_offsets(call, &request, accepted),
            Err(code) => Err(code),
        };
        let mut codes = all.as_ref().map_or(&[][..], Vec::as_slice).iter();
        let mut code = |topic: &str, partition| match (&all, self.check_stageable(call, topic, partition)) {
            (_, Err(code)) if allowed.is_ok() => code,
            (Err(code), _) => *code,
            (Ok(_), _) => codes.next().copied().unwrap_or(ErrorCode::NONE),
        };
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let partitions = topic.partitions.iter().map(|it| TxnOffsetCommitResponsePartition {
                partition_index: it.partition_index,
                error_code: code(&topic.name, it.partition_index),
                ..Default::default()
            });
            let partitions = partitions.collect();
            let name = topic.name.clone();
            topics.push(TxnOffsetCommitResponseTopic { name, partitions, ..Default::default() });
        }
        TxnOffsetCommitResponse { topics, ..Default::default() }
    }

    /// Whether there is such a partition for a client to commit offsets of.
    fn check_stageable(&self, call: &Call, topic: &str, partition: i32) -> Result<(), ErrorCode> {
        self.check_access(call, Operation::Read, ResourceType::Topic, topic)?;
        found(self.topics.get(topic), partition).map(|_| ())
    }

    /// A code for each offset, or one for all.
    fn commit_transactional_offsets(
        &mut self,
        call: &Call,
        request: &TxnOffsetCommitRequest,
        offsets: Vec<StagedOffset>,
    ) -> Result<Vec<ErrorCode>, ErrorCode> {
        if request.group_id.is_empty() {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        let coordinates = self.check_coordinator(call, CoordinatorKind::Group, &request.group_id);
        coordinates.map_err(|code| match code {
            // Producers before 2.3 may crash on the other (KAFKA-7296).
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS if call.version < 2 => {
                ErrorCode::COORDINATOR_NOT_AVAILABLE
            }
            code => code,
        })?;
        let producer = ProducerIdAndEpoch { id: request.producer_id, epoch: request.producer_epoch };
        let partition = self.offsets_partition(&request.group_id);
        let writer = self.transactions.offsets.writers.get(&(partition.1, producer.id));
        let is_open = writer.is_some_and(|it| it.epoch == producer.epoch && it.is_open);
        if self.options.as_version >= Release::V3_6 && !is_open {
            let asked = Verification {
                producer,
                adds: call.version >= ADDS,
                knows_abortable: call.version >= ABORTABLE,
            };
            self.verify(call, &request.transactional_id, partition.clone(), asked)?;
        }
        let seen = self.transactions.offsets.writers.get(&(partition.1, producer.id));
        if seen.is_some_and(|writer| producer.epoch < writer.epoch) {
            return Err(ErrorCode::INVALID_PRODUCER_EPOCH);
        }
        let who = Committer {
            group_id: request.group_id.clone(),
            member_id: request.member_id.clone(),
            group_instance_id: request.group_instance_id.clone(),
            generation_id: request.generation_id,
        };
        self.stage_in_transaction(&who, partition.1, producer, offsets)
    }

    pub(super) fn stage_in_transaction(
        &mut self,
        who: &Committer,
        partition: i32,
        producer: ProducerIdAndEpoch,
        offsets: Vec<StagedOffset>,
    ) -> Result<Vec<ErrorCode>, ErrorCode> {
        let codes = self.stage_offsets(who, producer.id, offsets)?;
        let writer = self.transactions.offsets.writers.entry((partition, producer.id));
        let writer = writer.or_insert(Writer { epoch: producer.epoch, coordinator_epoch: -1, is_open: true });
        (writer.epoch, writer.is_open) = (producer.epoch, true);
        Ok(codes)
    }

    /// A marker has come to a partition of `__consumer_offsets`.
    pub(super) fn settle_offsets(&mut self, partition: i32, marker: &Marker) -> Result<(), ErrorCode> {
        let Some((leader, _)) = self.leader(CoordinatorKind::Group.topic(), partition) else {
            return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        };
        if !self.is_up(leader) {
            return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        }
        let writers = &mut self.transactions.offsets.writers;
        let Some(writer) = writers.get_mut(&(partition, marker.producer_id)) else { return Ok(()) };
        if marker.producer_epoch < writer.epoch {
            return Err(ErrorCode::INVALID_PRODUCER_EPOCH);
        }
        if marker.coordinator_epoch < writer.coordinator_epoch {
            return Err(ErrorCode::TRANSACTION_COORDINATOR_FENCED);
        }
        writer.epoch = marker.producer_epoch;
        writer.coordinator_epoch = marker.coordinator_epoch;
        writer.is_open = false;
        self.settle_staged(partition, marker.producer_id, marker.commit);
        Ok(())
    }
}

fn staged(topic: &str, asked: &TxnOffsetCommitRequestPartition) -> StagedOffset {
    StagedOffset {
        partition: (Str::from(topic), asked.partition_index),
        offset: asked.committed_offset,
        leader_epoch: asked.committed_leader_epoch,
        metadata: asked.committed_metadata.as_ref().map(|text| Str::from(text.as_str())),
    }
}
