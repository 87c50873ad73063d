//! What administrators set: configurations, access rules, quotas, users.

use bytes::Bytes;
use milena_core::protocol::ApiKey;

use super::api::{Call, Outcome};
use super::state::ClusterState;

/// The APIs of this module.
pub(super) const SERVED: &[ApiKey] = &[];

/// What was set.
#[derive(Debug, Default)]
pub(super) struct Admin {}

/// Serves a request of [`SERVED`].
pub(super) fn dispatch(_state: &mut ClusterState, call: &Call, _body: Bytes) -> Outcome {
    match call.key {
        _ => Outcome::Close,
    }
}
