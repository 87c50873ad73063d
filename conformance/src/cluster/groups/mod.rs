//! Consumer groups.

use bytes::Bytes;
use milena_core::protocol::ApiKey;

use super::api::{Call, Outcome};
use super::state::ClusterState;

/// The APIs of this module.
pub(super) const SERVED: &[ApiKey] = &[];

/// All groups and their offsets.
#[derive(Debug, Default)]
pub(super) struct Groups {}

/// Serves a request of [`SERVED`].
pub(super) fn dispatch(_state: &mut ClusterState, call: &Call, _body: Bytes) -> Outcome {
    match call.key {
        _ => Outcome::Close,
    }
}

impl ClusterState {
    /// A group's timer is due.
    pub(super) fn on_group_timer(&mut self, _group: &str) {}

    /// The groups of this partition of `__consumer_offsets` have another coordinator.
    pub(super) fn on_groups_moved(&mut self, _partition: i32) {}
}
