//! What administrators are told: DescribeTransactions, ListTransactions, DescribeProducers (KIP-664).

use std::collections::BTreeMap;

use milena_core::protocol::describe_producers::{PartitionResponse, TopicResponse};
use milena_core::protocol::describe_transactions::{self, TopicData};
use milena_core::protocol::list_transactions;
use milena_core::protocol::{
    DescribeProducersRequest, DescribeProducersResponse, DescribeTransactionsRequest,
    DescribeTransactionsResponse, ErrorCode, ListTransactionsRequest, ListTransactionsResponse, ProducerId,
};
use milena_core::wire::Str;

use super::metadata::TransactionMetadata;
use crate::cluster::admin::{Operation, ResourceType};
use crate::cluster::api::{Call, found};
use crate::cluster::coordinator::CoordinatorKind;
use crate::cluster::state::ClusterState;
use crate::cluster::topic::check_name;

/// The states that filters may name, the passing ones included.
const STATES: [&str; 8] = [
    "Empty",
    "Ongoing",
    "PrepareCommit",
    "PrepareAbort",
    "CompleteCommit",
    "CompleteAbort",
    "Dead",
    "PrepareEpochFence",
];

impl ClusterState {
    pub(super) fn describe_transactions(
        &mut self,
        call: &Call,
        request: DescribeTransactionsRequest,
    ) -> DescribeTransactionsResponse {
        let describe = |id: &Str| {
            let described = self
                .check_access(call, Operation::Describe, ResourceType::TransactionalId, id)
                .and_then(|()| self.transaction(call, id).map(|transaction| described(transaction)));
            let mut state = described.unwrap_or_else(|code| describe_transactions::TransactionState {
                error_code: match code {
                    ErrorCode::INVALID_PRODUCER_ID_MAPPING => ErrorCode::TRANSACTIONAL_ID_NOT_FOUND,
                    code => code,
                },
                ..Default::default()
            });
            state.transactional_id = id.clone();
            state
                .topics
                .retain(|of| self.authorize(call, Operation::Describe, ResourceType::Topic, &of.topic));
            state
        };
        let transaction_states = request.transactional_ids.iter().map(describe).collect();
        DescribeTransactionsResponse { transaction_states, ..Default::default() }
    }

    pub(super) fn list_transactions(
        &mut self,
        call: &Call,
        request: ListTransactionsRequest,
    ) -> ListTransactionsResponse {
        let refused = |error_code| ListTransactionsResponse { error_code, ..Default::default() };
        if let Some(code) = call.forced {
            return refused(code);
        }
        if self.is_loading(CoordinatorKind::Transaction, call.broker) {
            return refused(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
        }
        let pattern = request.transactional_id_pattern.as_ref().filter(|pattern| !pattern.is_empty());
        if pattern.is_some_and(|pattern| !is_pattern(pattern)) {
            return refused(ErrorCode::INVALID_REGULAR_EXPRESSION);
        }
        let (states, producers) = (&request.state_filters, &request.producer_id_filters);
        let now_ms = self.now.wall_ms;
        let is_asked_for = |id: &str, transaction: &TransactionMetadata| {
            let lasted_ms = now_ms - transaction.started_ms;
            let coordinator = self.coordinator(CoordinatorKind::Transaction, id);
            coordinator.is_ok_and(|(broker, _)| broker == call.broker)
                && (states.is_empty() || states.iter().any(|state| *state == transaction.state.name()))
                && (producers.is_empty()
                    || producers.iter().any(|asked: ProducerId| asked == transaction.producer.id))
                && (request.duration_filter < 0 || lasted_ms > request.duration_filter)
                && pattern.is_none_or(|pattern| matches(pattern.as_bytes(), id.as_bytes()))
                && self.authorize(call, Operation::Describe, ResourceType::TransactionalId, id)
        };
        let by_id = self.transactions.by_id.iter();
        let listed = by_id.filter(|(id, transaction)| is_asked_for(id, transaction));
        let listed = listed.map(|(id, transaction)| list_transactions::TransactionState {
            transactional_id: id.clone(),
            producer_id: transaction.producer.id,
            transaction_state: Str::from_static(transaction.state.name()),
            ..Default::default()
        });
        let unknown = states.iter().filter(|state| !STATES.contains(&state.as_str()));
        ListTransactionsResponse {
            unknown_state_filters: unknown.cloned().collect(),
            transaction_states: listed.collect(),
            ..Default::default()
        }
    }

    pub(super) fn describe_producers(
        &mut self,
        call: &Call,
        request: DescribeProducersRequest,
    ) -> DescribeProducersResponse {
        let topics = request.topics.iter().map(|topic| TopicResponse {
            name: topic.name.clone(),
            partitions: topic
                .partition_indexes
                .iter()
                .map(|partition| self.describe_partition(call, &topic.name, partition))
                .collect(),
            ..Default::default()
        });
        DescribeProducersResponse { topics: topics.collect(), ..Default::default() }
    }

    fn describe_partition(&self, call: &Call, topic: &str, partition_index: i32) -> PartitionResponse {
        let refused = |error_code: ErrorCode| PartitionResponse {
            partition_index,
            error_code,
            error_message: Some(error_code.name().into()),
            ..Default::default()
        };
        if let Some(code) = call.forced {
            return refused(code);
        }
        if let Err(error) = check_name(topic) {
            return PartitionResponse { error_message: Some(error.message.into()), ..refused(error.code) };
        }
        if let Err(code) = self.check_access(call, Operation::Read, ResourceType::Topic, topic) {
            return refused(code);
        }
        // Any replica answers, from its own log.
        match found(self.topics.get(topic), partition_index) {
            Err(code) => refused(code),
            Ok(partition) if !partition.replicas.contains(&call.broker) => {
                refused(ErrorCode::NOT_LEADER_OR_FOLLOWER)
            }
            Ok(partition) => PartitionResponse {
                partition_index,
                active_producers: partition.line(call.broker).producers.active().collect(),
                ..Default::default()
            },
        }
    }
}

fn described(transaction: &TransactionMetadata) -> describe_transactions::TransactionState {
    let partitions = match transaction.is_ending() {
        true => &transaction.unmarked,
        false => &transaction.partitions,
    };
    let mut topics: BTreeMap<&Str, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in partitions {
        topics.entry(topic).or_default().push(*partition);
    }
    let topics = topics.into_iter().map(|(topic, partitions)| TopicData {
        topic: topic.clone(),
        partitions: partitions.into(),
        ..Default::default()
    });
    describe_transactions::TransactionState {
        transaction_state: Str::from_static(transaction.state.name()),
        transaction_timeout_ms: i32::try_from(transaction.timeout.as_millis()).unwrap_or(i32::MAX),
        transaction_start_time_ms: transaction.started_ms,
        producer_id: transaction.producer.id,
        producer_epoch: transaction.producer.epoch,
        topics: topics.collect(),
        ..Default::default()
    }
}

/// Whether this is one of the regular expressions that the simulated brokers understand: plain text, `.` for any
/// character, and `*` behind either.
fn is_pattern(text: &str) -> bool {
    !text.starts_with('*')
        && !text.contains("**")
        && !text.contains(['\\', '[', ']', '(', ')', '{', '}', '|', '+', '?', '^', '$'])
}

/// Whether such a pattern matches all of a text.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let Some((one, rest)) = pattern.split_first() else { return text.is_empty() };
    let fits = |text: &[u8]| text.first().is_some_and(|first| *one == b'.' || one == first);
    if let [b'*', rest @ ..] = rest {
        return matches(rest, text) || fits(text) && matches(pattern, &text[1..]);
    }
    fits(text) && matches(rest, &text[1..])
}
