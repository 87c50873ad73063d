//! AddPartitionsToTxn and AddOffsetsToTxn, and how leaders learn whether a partition is in a transaction (KIP-890).
//!
//! Rules: until 3.5 leaders take transactional batches as they come. From 3.6 on the first batch of a transaction in a
//! partition is written only if the coordinator has the partition in the transaction; whoever asks by Produce since version
//! 12, or by TxnOffsetCommit since 5, has it added instead.

use milena_core::protocol::add_partitions_to_txn::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopic,
    AddPartitionsToTxnTopicResult, AddPartitionsToTxnTransaction,
};
use milena_core::protocol::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
    ErrorCode, LeaderEpoch, ProduceRequest, ProducerId,
};
use milena_core::record::{Batch, Batches};
use milena_core::wire::Str;

use super::metadata::{ProducerIdAndEpoch, TopicPartition};
use super::understood;
use crate::cluster::admin::{CLUSTER, Operation, ResourceType};
use crate::cluster::api::{Call, found};
use crate::cluster::coordinator::{CoordinatorKind, is_internal};
use crate::cluster::release::Release;
use crate::cluster::state::ClusterState;

/// First version of AddPartitionsToTxn that is for brokers.
const FOR_BROKERS: i16 = 4;
/// First version of Produce whose clients know TRANSACTION_ABORTABLE, and first that adds the partition.
const PRODUCE_ABORTABLE: i16 = 11;
const PRODUCE_ADDS: i16 = 12;

/// What a leader asks a coordinator.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verification {
    pub(super) producer: ProducerIdAndEpoch,
    /// Whether the partition is added if it is not in the transaction yet.
    pub(super) adds: bool,
    /// Whether the client knows TRANSACTION_ABORTABLE.
    pub(super) knows_abortable: bool,
}

impl ClusterState {
    pub(super) fn add_partitions_to_txn(
        &mut self,
        call: &Call,
        request: AddPartitionsToTxnRequest,
    ) -> AddPartitionsToTxnResponse {
        if call.version < FOR_BROKERS {
            let transaction = AddPartitionsToTxnTransaction {
                transactional_id: request.v3_and_below_transactional_id,
                producer_id: request.v3_and_below_producer_id,
                producer_epoch: request.v3_and_below_producer_epoch,
                topics: request.v3_and_below_topics,
                ..Default::default()
            };
            let allowed = self.check_transactional_id(call, &transaction.transactional_id);
            let results_by_topic_v3_and_below = match allowed {
                Ok(()) => self.add_partitions(call, &transaction),
                Err(code) => results(&transaction.topics, |_, _| code),
            };
            return AddPartitionsToTxnResponse { results_by_topic_v3_and_below, ..Default::default() };
        }
        if let Err(error_code) =
            self.check_access(call, Operation::ClusterAction, ResourceType::Cluster, CLUSTER)
        {
            return AddPartitionsToTxnResponse { error_code, ..Default::default() };
        }
        let transactions = request.transactions.iter();
        let results_by_transaction = transactions.map(|transaction| AddPartitionsToTxnResult {
            transactional_id: transaction.transactional_id.clone(),
            topic_results: self.add_partitions(call, transaction),
            ..Default::default()
        });
        AddPartitionsToTxnResponse {
            results_by_transaction: results_by_transaction.collect(),
            ..Default::default()
        }
    }

    /// All partitions of a transaction, or none.
    fn add_partitions(
        &mut self,
        call: &Call,
        asked: &AddPartitionsToTxnTransaction,
    ) -> Vec<AddPartitionsToTxnTopicResult> {
        let of_client = call.version < FOR_BROKERS;
        let may = |topic: &str| {
            !is_internal(topic) && self.authorize(call, Operation::Write, ResourceType::Topic, topic)
        };
        let missing = |topic: &str, partition: i32| match of_client && !may(topic) {
            true => Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED),
            false => found(self.topics.get(topic), partition).err(),
        };
        let mut partitions =
            asked.topics.iter().flat_map(|topic| topic.partitions.iter().map(|it| (&topic.name, it)));
        if partitions.any(|(topic, it)| missing(topic, it).is_some()) {
            let code = |topic: &str, it| missing(topic, it).unwrap_or(ErrorCode::OPERATION_NOT_ATTEMPTED);
            return results(&asked.topics, code);
        }
        let producer = ProducerIdAndEpoch { id: asked.producer_id, epoch: asked.producer_epoch };
        if asked.verify_only {
            let codes: Vec<_> = named(&asked.topics)
                .map(|partition| {
                    let verified = self
                        .transaction(call, &asked.transactional_id)
                        .and_then(|transaction| transaction.verify(producer, &partition));
                    match verified.err().unwrap_or(ErrorCode::NONE) {
                        // Version 4 is that of 3.6, which had no other code for it.
                        ErrorCode::TRANSACTION_ABORTABLE if call.version < 5 => ErrorCode::INVALID_TXN_STATE,
                        code => code,
                    }
                })
                .collect();
            let mut codes = codes.into_iter();
            return results(&asked.topics, |_, _| codes.next().unwrap_or(ErrorCode::NONE));
        }
        let added = self.add(call, &asked.transactional_id, producer, named(&asked.topics).collect());
        let code = understood(added.err().unwrap_or(ErrorCode::NONE), call.version, 2);
        results(&asked.topics, |_, _| code)
    }

    fn add(
        &mut self,
        call: &Call,
        id: &str,
        producer: ProducerIdAndEpoch,
        partitions: Vec<TopicPartition>,
    ) -> Result<(), ErrorCode> {
        let now = self.now;
        let waits_first = self.options.as_version >= Release::V4_0;
        self.transaction(call, id)?.add(producer, partitions, waits_first, now)?;
        self.arm_transaction(id);
        Ok(())
    }

    pub(super) fn add_offsets_to_txn(
        &mut self,
        call: &Call,
        request: AddOffsetsToTxnRequest,
    ) -> AddOffsetsToTxnResponse {
        let producer = ProducerIdAndEpoch { id: request.producer_id, epoch: request.producer_epoch };
        let partition = self.offsets_partition(&request.group_id);
        let allowed = self
            .check_transactional_id(call, &request.transactional_id)
            .and_then(|()| self.check_access(call, Operation::Read, ResourceType::Group, &request.group_id));
        let added =
            allowed.and_then(|()| self.add(call, &request.transactional_id, producer, vec![partition]));
        let error_code = understood(added.err().unwrap_or(ErrorCode::NONE), call.version, 2);
        AddOffsetsToTxnResponse { error_code, ..Default::default() }
    }

    /// The partition in which a group's offsets are.
    pub(super) fn offsets_partition(&self, group: &str) -> TopicPartition {
        let kind = CoordinatorKind::Group;
        (Str::from_static(kind.topic()), self.key_partition(kind, group))
    }

    // ---- for leaders ----

    /// Why nothing of a Produce request is written at all: who sends a transactional batch has to name a transactional id
    /// that he may write with, and before 2.8 idempotent ones took a right of their own.
    pub(in crate::cluster) fn refuse_writer(
        &self,
        call: &Call,
        request: &ProduceRequest,
    ) -> Option<ErrorCode> {
        let (mut transactional, mut idempotent) = (false, false);
        let partitions = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
        for records in partitions.filter_map(|partition| partition.records.clone()) {
            let Some(Ok(first)) = Batches::new(records).next() else { continue };
            transactional |= first.is_transactional();
            idempotent |= first.producer_id() != ProducerId::NONE;
        }
        let allowed = match &request.transactional_id {
            Some(id) if transactional => self.check_transactional_id(call, id),
            None if transactional => Err(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
            _ if idempotent && self.options.as_version < Release::V2_8 => {
                self.check_access(call, Operation::IdempotentWrite, ResourceType::Cluster, CLUSTER)
            }
            _ => Ok(()),
        };
        allowed.err()
    }

    /// Whether a transactional batch may be written to a partition, as far as its transaction goes.
    pub(in crate::cluster) fn verify_transactional(
        &mut self,
        call: &Call,
        transactional_id: Option<&Str>,
        topic: &str,
        index: i32,
        batch: &Batch,
    ) -> Result<(), ErrorCode> {
        // That is how brokers refuse a producer that does not say whose transaction it is.
        let transactional_id = transactional_id.ok_or(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED)?;
        found(self.topics.get(topic), index)?.check(call.broker, LeaderEpoch::NONE, true)?;
        let producer = ProducerIdAndEpoch { id: batch.producer_id(), epoch: batch.producer_epoch() };
        let adds = call.version >= PRODUCE_ADDS;
        let partition = self.topics.get_mut(topic).and_then(|topic| topic.partition_mut(index));
        let partition = partition.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        let producers = &mut partition.line_mut(call.broker).producers;
        if self.options.as_version < Release::V3_6 || producers.is_open(producer.id, producer.epoch) {
            return Ok(());
        }
        producers.begin_verification(batch, adds);
        let asked = Verification { producer, adds, knows_abortable: call.version >= PRODUCE_ABORTABLE };
        let verified = self.verify(call, transactional_id, (Str::from(topic), index), asked);
        verified.map_err(|code| match code {
            // Clients try again without asking for metadata, which would not help.
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
            | ErrorCode::COORDINATOR_NOT_AVAILABLE
            | ErrorCode::NOT_COORDINATOR => ErrorCode::NOT_ENOUGH_REPLICAS,
            ErrorCode::CONCURRENT_TRANSACTIONS if !adds => ErrorCode::NOT_ENOUGH_REPLICAS,
            code => code,
        })
    }

    /// Asks a transaction's coordinator about a partition, as leaders do among themselves.
    pub(super) fn verify(
        &mut self,
        call: &Call,
        transactional_id: &str,
        partition: TopicPartition,
        asked: Verification,
    ) -> Result<(), ErrorCode> {
        let (coordinator, _) = self.coordinator(CoordinatorKind::Transaction, transactional_id)?;
        let to_coordinator = Call { broker: coordinator, forced: None, ..*call };
        let verified = match asked.adds {
            true => self.add(&to_coordinator, transactional_id, asked.producer, vec![partition]),
            false => self
                .transaction(&to_coordinator, transactional_id)
                .and_then(|transaction| transaction.verify(asked.producer, &partition)),
        };
        verified.map_err(|code| match code {
            ErrorCode::PRODUCER_FENCED => ErrorCode::INVALID_PRODUCER_EPOCH,
            ErrorCode::TRANSACTION_ABORTABLE if !asked.knows_abortable => ErrorCode::INVALID_TXN_STATE,
            code => code,
        })
    }
}

/// The partitions that a request names.
fn named(topics: &[AddPartitionsToTxnTopic]) -> impl Iterator<Item = TopicPartition> {
    topics.iter().flat_map(|topic| topic.partitions.iter().map(|it| (Str::from(&*topic.name), it)))
}

/// A result for each of them.
fn results(
    topics: &[AddPartitionsToTxnTopic],
    mut code: impl FnMut(&str, i32) -> ErrorCode,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let mut of = |topic: &AddPartitionsToTxnTopic| AddPartitionsToTxnTopicResult {
        name: topic.name.clone(),
        results_by_partition: topic
            .partitions
            .iter()
            .map(|partition_index| AddPartitionsToTxnPartitionResult {
                partition_index,
                partition_error_code: code(&topic.name, partition_index),
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    };
    topics.iter().map(&mut of).collect()
}
