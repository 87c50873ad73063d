//! What administrators set: configurations, access rules, quotas, users.

mod acls;
mod configs;
mod security;
mod topics;

use std::collections::BTreeSet;

use bytes::Bytes;
use milena_core::protocol::{ApiKey, ErrorCode, Request};

use super::ClusterOptions;
use super::api::{Call, Outcome, answered};
use super::state::ClusterState;
use configs::Configs;

pub(super) use acls::{CLUSTER, Operation, ResourceType};
pub(super) use configs::Overrides;
pub use security::Security;

/// The APIs of this module.
pub(super) const SERVED: &[ApiKey] = &[
    ApiKey::CREATE_TOPICS,
    ApiKey::DELETE_TOPICS,
    ApiKey::DESCRIBE_ACLS,
    ApiKey::CREATE_ACLS,
    ApiKey::DELETE_ACLS,
    ApiKey::DESCRIBE_CONFIGS,
    ApiKey::ALTER_CONFIGS,
    ApiKey::INCREMENTAL_ALTER_CONFIGS,
    ApiKey::LIST_CONFIG_RESOURCES,
];

/// A code, and what is wrong, for a person.
type Refusal = (ErrorCode, String);

/// What was set.
#[derive(Debug, Default)]
pub(super) struct Admin {
    configs: Configs,
    acls: BTreeSet<acls::Acl>,
}

impl Admin {
    pub(super) fn new(options: &ClusterOptions) -> Self {
        Admin { configs: Configs::new(options), ..Admin::default() }
    }
}

/// Serves a request of [`SERVED`].
pub(super) fn dispatch(state: &mut ClusterState, call: &Call, body: Bytes) -> Outcome {
    /// Serves a request at once, by a method.
    fn by<R: Request>(
        state: &mut ClusterState,
        call: &Call,
        body: Bytes,
        serve: impl FnOnce(&mut ClusterState, &Call, R) -> R::Response,
    ) -> Outcome {
        answered(call, body, |request| serve(state, call, request))
    }
    match call.key {
        ApiKey::CREATE_TOPICS => by(state, call, body, ClusterState::create_topics),
        ApiKey::DELETE_TOPICS => by(state, call, body, ClusterState::delete_topics),
        ApiKey::DESCRIBE_ACLS => by(state, call, body, ClusterState::describe_acls),
        ApiKey::CREATE_ACLS => by(state, call, body, ClusterState::create_acls),
        ApiKey::DELETE_ACLS => by(state, call, body, ClusterState::delete_acls),
        ApiKey::DESCRIBE_CONFIGS => by(state, call, body, ClusterState::describe_configs),
        ApiKey::ALTER_CONFIGS => by(state, call, body, ClusterState::alter_configs),
        ApiKey::INCREMENTAL_ALTER_CONFIGS => by(state, call, body, ClusterState::incremental_alter_configs),
        ApiKey::LIST_CONFIG_RESOURCES => by(state, call, body, ClusterState::list_config_resources),
        _ => Outcome::Close,
    }
}
