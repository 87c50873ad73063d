//! Transactions and producer ids: the coordinators' side. What partitions know of them is in `producers.rs`.
//!
//! Rules: what is decided is stored in the same moment, so each request is answered at once, and a coordinator that takes
//! over knows everything. Only markers take time ([`ClusterOptions::marker_delay`]), and one for a partition without a
//! leader waits for it. A new coordinator writes all markers of an ending transaction, even those that were written before,
//! as it cannot know. A transaction whose time is over is aborted in that moment, not at a later look at all of them.
//!
//! Codes are the newest ones inside; what an older client would not understand is replaced as the last thing.
//!
//! [`ClusterOptions::marker_delay`]: super::ClusterOptions::marker_delay

mod describe;
mod markers;
mod metadata;
mod offsets;
mod partitions;
mod producer_ids;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use milena_core::protocol::{ApiKey, EndTxnRequest, EndTxnResponse, ErrorCode, ProducerId};
use milena_core::wire::Str;

use self::metadata::{ProducerIdAndEpoch, ProducerIds, State, TransactionMetadata};
use self::offsets::TransactionalOffsets;
use super::admin::{Operation, ResourceType};
use super::api::{Call, Outcome};
use super::coordinator::CoordinatorKind;
use super::release::Release;
use super::state::{ClusterState, Timer};

/// The APIs of this module.
pub(super) const SERVED: &[ApiKey] = &[
    ApiKey::INIT_PRODUCER_ID,
    ApiKey::ADD_PARTITIONS_TO_TXN,
    ApiKey::ADD_OFFSETS_TO_TXN,
    ApiKey::END_TXN,
    ApiKey::WRITE_TXN_MARKERS,
    ApiKey::TXN_OFFSET_COMMIT,
    ApiKey::DESCRIBE_PRODUCERS,
    ApiKey::DESCRIBE_TRANSACTIONS,
    ApiKey::LIST_TRANSACTIONS,
];

/// All transactional ids.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    producer_ids: ProducerIds,
    by_id: BTreeMap<Str, TransactionMetadata>,
    offsets: TransactionalOffsets,
}

/// Serves a request of [`SERVED`].
pub(super) fn dispatch(state: &mut ClusterState, call: &Call, body: Bytes) -> Outcome {
    match call.key {
        ApiKey::INIT_PRODUCER_ID => state.answered(call, body, ClusterState::init_producer_id),
        ApiKey::ADD_PARTITIONS_TO_TXN => state.answered(call, body, ClusterState::add_partitions_to_txn),
        ApiKey::ADD_OFFSETS_TO_TXN => state.answered(call, body, ClusterState::add_offsets_to_txn),
        ApiKey::END_TXN => state.answered(call, body, ClusterState::end_txn),
        ApiKey::WRITE_TXN_MARKERS => state.answered(call, body, ClusterState::write_txn_markers),
        ApiKey::TXN_OFFSET_COMMIT => state.answered(call, body, ClusterState::txn_offset_commit),
        ApiKey::DESCRIBE_PRODUCERS => state.answered(call, body, ClusterState::describe_producers),
        ApiKey::DESCRIBE_TRANSACTIONS => state.answered(call, body, ClusterState::describe_transactions),
        ApiKey::LIST_TRANSACTIONS => state.answered(call, body, ClusterState::list_transactions),
        _ => Outcome::Close,
    }
}

/// The code as a client understands it whose request has this version: PRODUCER_FENCED came with `fenced_since`.
fn understood(code: ErrorCode, version: i16, fenced_since: i16) -> ErrorCode {
    match code {
        ErrorCode::PRODUCER_FENCED if version < fenced_since => ErrorCode::INVALID_PRODUCER_EPOCH,
        code => code,
    }
}

impl ClusterState {
    /// The level of the feature `transaction.version`.
    pub(super) fn transaction_version(&self) -> i8 {
        match self.options.as_version >= Release::V4_0 {
            true => self.admin.features.transaction_version as i8,
            false => 0,
        }
    }

    /// Whether a request may write in transactions of this id.
    fn check_transactional_id(&self, call: &Call, id: &str) -> Result<(), ErrorCode> {
        self.check_access(call, Operation::Write, ResourceType::TransactionalId, id)
    }

    /// The state of a transactional id, at its coordinator.
    fn transaction(&mut self, call: &Call, id: &str) -> Result<&mut TransactionMetadata, ErrorCode> {
        if id.is_empty() {
            return Err(call.forced.unwrap_or(ErrorCode::INVALID_REQUEST));
        }
        self.check_coordinator(call, CoordinatorKind::Transaction, id)?;
        self.transactions.by_id.get_mut(id).ok_or(ErrorCode::INVALID_PRODUCER_ID_MAPPING)
    }

    fn end_txn(&mut self, call: &Call, request: EndTxnRequest) -> EndTxnResponse {
        let producer = ProducerIdAndEpoch { id: request.producer_id, epoch: request.producer_epoch };
        match self.end_transaction(call, &request.transactional_id, producer, request.committed) {
            Ok(next) => {
                self.begin_markers(&request.transactional_id);
                EndTxnResponse { producer_id: next.id, producer_epoch: next.epoch, ..Default::default() }
            }
            Err(code) => {
                EndTxnResponse { error_code: understood(code, call.version, 2), ..Default::default() }
            }
        }
    }

    fn end_transaction(
        &mut self,
        call: &Call,
        id: &str,
        producer: ProducerIdAndEpoch,
        commit: bool,
    ) -> Result<ProducerIdAndEpoch, ErrorCode> {
        let now = self.now;
        self.check_transactional_id(call, id)?;
        self.transaction(call, id)?;
        let Transactions { producer_ids, by_id, .. } = &mut self.transactions;
        let transaction = by_id.get_mut(id).ok_or(ErrorCode::INVALID_PRODUCER_ID_MAPPING)?;
        // Clients speak version 5 only where the cluster's transaction version is 2.
        let version = if call.version >= 5 { 2 } else { 0 };
        transaction.end(producer, commit, version, now, producer_ids)
    }

    // ---- time, and moves ----

    /// A transactional id's timer is due.
    pub(super) fn on_transaction_timer(&mut self, id: &str) {
        let version = self.transaction_version();
        let now = self.now;
        // Who takes over looks at everything, once there is somebody.
        if self.coordinator(CoordinatorKind::Transaction, id).is_err() {
            return;
        }
        let Transactions { producer_ids, by_id, .. } = &mut self.transactions;
        let Some(transaction) = by_id.get_mut(id) else { return };
        match transaction.due {
            Some(due) if due > now.elapsed => self.arm_transaction(id),
            Some(_) if transaction.state == State::Ongoing => {
                transaction.fence(version, now, producer_ids);
                self.begin_markers(id);
            }
            Some(_) => self.write_markers(id),
            None => {}
        }
    }

    /// Sets the timer for what comes next.
    fn arm_transaction(&mut self, id: &str) {
        if let Some(due) = self.transactions.by_id.get(id).and_then(|transaction| transaction.due) {
            self.set_timer(due, Timer::Transaction(Str::from(id)));
        }
    }

    /// The transactional ids of this partition of `__transaction_state` have another coordinator.
    pub(super) fn on_transactions_moved(&mut self, partition: i32) {
        let loaded = self.now.elapsed + self.options.coordinator_load;
        let ids: Vec<Str> = self.transactions.by_id.keys().cloned().collect();
        for id in ids {
            if self.key_partition(CoordinatorKind::Transaction, &id) != partition {
                continue;
            }
            let Some(transaction) = self.transactions.by_id.get_mut(&*id) else { continue };
            if transaction.is_ending() {
                transaction.unmarked = transaction.partitions.clone();
                transaction.due = Some(loaded + self.options.marker_delay);
            } else if let Some(due) = &mut transaction.due {
                *due = loaded.max(*due);
            }
            self.arm_transaction(&id);
        }
    }

    // ---- control ----

    /// Makes the coordinators forget transactional ids that have had no transaction for so long
    /// (`transactional.id.expiration.ms`), as they do from time to time.
    pub fn expire_transactional_ids(&mut self, idle: Duration) {
        let idle_ms = i64::try_from(idle.as_millis()).unwrap_or(i64::MAX);
        let oldest_ms = self.now.wall_ms.saturating_sub(idle_ms);
        self.transactions.by_id.retain(|_, transaction| {
            transaction.is_ending()
                || transaction.state == State::Ongoing
                || transaction.updated_ms > oldest_ms
        });
    }

    /// Makes all partitions forget producers that have written nothing for so long (`producer.id.expiration.ms`), as they
    /// do from time to time. Time is that of the records.
    pub fn expire_producers(&mut self, idle: Duration) {
        let idle_ms = i64::try_from(idle.as_millis()).unwrap_or(i64::MAX);
        for partition in self.topics.values_mut().flat_map(|topic| &mut topic.partitions) {
            partition.main.producers.expire(self.now.wall_ms, idle_ms);
        }
    }

    /// Makes the next producer id that is given out, so that a test knows it or meets the last ids there are.
    pub fn set_next_producer_id(&mut self, id: ProducerId) {
        self.transactions.producer_ids = ProducerIds(id.0);
    }
}
