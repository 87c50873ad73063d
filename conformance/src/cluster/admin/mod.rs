//! What administrators set: configurations, access rules, quotas, users.

mod acls;
mod cluster;
mod configs;
mod quotas;
mod sasl;
mod topics;

use std::collections::BTreeSet;

use bytes::Bytes;
use milena_core::protocol::{ApiKey, ErrorCode, Request};

use super::ClusterOptions;
use super::api::{Call, Outcome, answered, decoded};
use super::state::ClusterState;
use configs::Configs;

pub(super) use acls::{CLUSTER, Operation, ResourceType};
pub(super) use cluster::TRANSACTION_VERSION;
pub(super) use configs::Overrides;
pub use sasl::Security;
pub(super) use sasl::{Admission, Authentication, FAILURE_DELAY};

/// The APIs of this module.
pub(super) const SERVED: &[ApiKey] = &[
    ApiKey::SASL_HANDSHAKE,
    ApiKey::SASL_AUTHENTICATE,
    ApiKey::DESCRIBE_USER_SCRAM_CREDENTIALS,
    ApiKey::ALTER_USER_SCRAM_CREDENTIALS,
    ApiKey::DESCRIBE_CLIENT_QUOTAS,
    ApiKey::ALTER_CLIENT_QUOTAS,
    ApiKey::CREATE_TOPICS,
    ApiKey::DELETE_TOPICS,
    ApiKey::DESCRIBE_ACLS,
    ApiKey::CREATE_ACLS,
    ApiKey::DELETE_ACLS,
    ApiKey::DESCRIBE_CONFIGS,
    ApiKey::ALTER_CONFIGS,
    ApiKey::INCREMENTAL_ALTER_CONFIGS,
    ApiKey::LIST_CONFIG_RESOURCES,
    ApiKey::DESCRIBE_TOPIC_PARTITIONS,
    ApiKey::CREATE_PARTITIONS,
    ApiKey::DELETE_RECORDS,
    ApiKey::ELECT_LEADERS,
    ApiKey::ALTER_PARTITION_REASSIGNMENTS,
    ApiKey::LIST_PARTITION_REASSIGNMENTS,
    ApiKey::DESCRIBE_LOG_DIRS,
    ApiKey::DESCRIBE_CLUSTER,
    ApiKey::DESCRIBE_QUORUM,
    ApiKey::UPDATE_FEATURES,
    ApiKey::UNREGISTER_BROKER,
];

/// A code, and what is wrong, for a person.
type Refusal = (ErrorCode, String);

/// What was set.
#[derive(Debug, Default)]
pub(super) struct Admin {
    configs: Configs,
    acls: BTreeSet<acls::Acl>,
    credentials: sasl::Credentials,
    quotas: quotas::Quotas,
    pub(super) features: cluster::Features,
}

impl Admin {
    pub(super) fn new(options: &ClusterOptions) -> Self {
        Admin {
            configs: Configs::new(options),
            credentials: sasl::given(options),
            features: cluster::Features::new(options.transaction_version),
            ..Admin::default()
        }
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
        ApiKey::SASL_HANDSHAKE => decoded(call, body, |request| state.sasl_handshake(call, request)),
        ApiKey::SASL_AUTHENTICATE => decoded(call, body, |request| state.sasl_authenticate(call, request)),
        ApiKey::DESCRIBE_USER_SCRAM_CREDENTIALS => {
            by(state, call, body, ClusterState::describe_user_scram_credentials)
        }
        ApiKey::ALTER_USER_SCRAM_CREDENTIALS => {
            by(state, call, body, ClusterState::alter_user_scram_credentials)
        }
        ApiKey::DESCRIBE_CLIENT_QUOTAS => by(state, call, body, ClusterState::describe_client_quotas),
        ApiKey::ALTER_CLIENT_QUOTAS => by(state, call, body, ClusterState::alter_client_quotas),
        ApiKey::CREATE_TOPICS => by(state, call, body, ClusterState::create_topics),
        ApiKey::DELETE_TOPICS => by(state, call, body, ClusterState::delete_topics),
        ApiKey::DESCRIBE_ACLS => by(state, call, body, ClusterState::describe_acls),
        ApiKey::CREATE_ACLS => by(state, call, body, ClusterState::create_acls),
        ApiKey::DELETE_ACLS => by(state, call, body, ClusterState::delete_acls),
        ApiKey::DESCRIBE_CONFIGS => by(state, call, body, ClusterState::describe_configs),
        ApiKey::ALTER_CONFIGS => by(state, call, body, ClusterState::alter_configs),
        ApiKey::INCREMENTAL_ALTER_CONFIGS => by(state, call, body, ClusterState::incremental_alter_configs),
        ApiKey::LIST_CONFIG_RESOURCES => by(state, call, body, ClusterState::list_config_resources),
        ApiKey::DESCRIBE_TOPIC_PARTITIONS => {
            decoded(call, body, |request| state.describe_topic_partitions(call, request))
        }
        ApiKey::CREATE_PARTITIONS => by(state, call, body, ClusterState::create_partitions),
        ApiKey::DELETE_RECORDS => by(state, call, body, ClusterState::delete_records),
        ApiKey::ELECT_LEADERS => by(state, call, body, ClusterState::elect_leaders),
        ApiKey::ALTER_PARTITION_REASSIGNMENTS => {
            by(state, call, body, ClusterState::alter_partition_reassignments)
        }
        ApiKey::LIST_PARTITION_REASSIGNMENTS => {
            by(state, call, body, ClusterState::list_partition_reassignments)
        }
        ApiKey::DESCRIBE_LOG_DIRS => by(state, call, body, ClusterState::describe_log_dirs),
        ApiKey::DESCRIBE_CLUSTER => by(state, call, body, ClusterState::describe_cluster),
        ApiKey::DESCRIBE_QUORUM => by(state, call, body, ClusterState::describe_quorum),
        ApiKey::UPDATE_FEATURES => by(state, call, body, ClusterState::update_features),
        ApiKey::UNREGISTER_BROKER => by(state, call, body, ClusterState::unregister_broker),
        _ => Outcome::Close,
    }
}
