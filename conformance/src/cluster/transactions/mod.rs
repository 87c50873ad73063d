//! Transactions and producer ids.

mod producer_ids;

use std::collections::BTreeMap;

use bytes::Bytes;
use milena_core::protocol::{ApiKey, InitProducerIdRequest};
use milena_core::wire::Str;

use super::api::{Call, Outcome, answered};
use super::state::ClusterState;

/// The APIs of this module.
pub(super) const SERVED: &[ApiKey] = &[ApiKey::INIT_PRODUCER_ID];

/// All transactional ids.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    /// How many producer ids were given out.
    producer_ids: i64,
    /// Producer id and epoch of each transactional id.
    transactional: BTreeMap<Str, (i64, i16)>,
}

/// Serves a request of [`SERVED`].
pub(super) fn dispatch(state: &mut ClusterState, call: &Call, body: Bytes) -> Outcome {
    match call.key {
        ApiKey::INIT_PRODUCER_ID => {
            answered(call, body, |request: InitProducerIdRequest| state.init_producer_id(call, request))
        }
        _ => Outcome::Close,
    }
}

impl ClusterState {
    /// A transactional id's timer is due.
    pub(super) fn on_transaction_timer(&mut self, _id: &str) {}

    /// The transactional ids of this partition of `__transaction_state` have another coordinator.
    pub(super) fn on_transactions_moved(&mut self, _partition: i32) {}
}
