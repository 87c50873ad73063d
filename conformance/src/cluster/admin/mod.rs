//! What administrators set: configurations, access rules, quotas, users.

mod acls;
mod cluster;
mod configs;
mod quotas;
mod sasl;
mod topics;

use std::collections::BTreeSet;

use bytes::Bytes;
use milena_core::protocol::{ApiKey, ErrorCode};

use super::ClusterOptions;
use super::api::{Call, Outcome};
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
    match call.key {
        ApiKey::SASL_HANDSHAKE => state.decoded(call, body, ClusterState::sasl_handshake),
        ApiKey::SASL_AUTHENTICATE => state.decoded(call, body, ClusterState::sasl_authenticate),
        ApiKey::DESCRIBE_USER_SCRAM_CREDENTIALS => {
            state.answered(call, body, ClusterState::describe_user_scram_credentials)
        }
        ApiKey::ALTER_USER_SCRAM_CREDENTIALS => {
            state.answered(call, body, ClusterState::alter_user_scram_credentials)
        }
        ApiKey::DESCRIBE_CLIENT_QUOTAS => state.answered(call, body, ClusterState::describe_client_quotas),
        ApiKey::ALTER_CLIENT_QUOTAS => state.answered(call, body, ClusterState::alter_client_quotas),
        ApiKey::CREATE_TOPICS => state.answered(call, body, ClusterState::create_topics),
        ApiKey::DELETE_TOPICS => state.answered(call, body, ClusterState::delete_topics),
        ApiKey::DESCRIBE_ACLS => state.answered(call, body, ClusterState::describe_acls),
        ApiKey::CREATE_ACLS => state.answered(call, body, ClusterState::create_acls),
        ApiKey::DELETE_ACLS => state.answered(call, body, ClusterState::delete_acls),
        ApiKey::DESCRIBE_CONFIGS => state.answered(call, body, ClusterState::describe_configs),
        ApiKey::ALTER_CONFIGS => state.answered(call, body, ClusterState::alter_configs),
        ApiKey::INCREMENTAL_ALTER_CONFIGS => {
            state.answered(call, body, ClusterState::incremental_alter_configs)
        }
        ApiKey::LIST_CONFIG_RESOURCES => state.answered(call, body, ClusterState::list_config_resources),
        ApiKey::DESCRIBE_TOPIC_PARTITIONS => {
            state.decoded(call, body, ClusterState::describe_topic_partitions)
        }
        ApiKey::CREATE_PARTITIONS => state.answered(call, body, ClusterState::create_partitions),
        ApiKey::DELETE_RECORDS => state.answered(call, body, ClusterState::delete_records),
        ApiKey::ELECT_LEADERS => state.answered(call, body, ClusterState::elect_leaders),
        ApiKey::ALTER_PARTITION_REASSIGNMENTS => {
            state.answered(call, body, ClusterState::alter_partition_reassignments)
        }
        ApiKey::LIST_PARTITION_REASSIGNMENTS => {
            state.answered(call, body, ClusterState::list_partition_reassignments)
        }
        ApiKey::DESCRIBE_LOG_DIRS => state.answered(call, body, ClusterState::describe_log_dirs),
        ApiKey::DESCRIBE_CLUSTER => state.answered(call, body, ClusterState::describe_cluster),
        ApiKey::DESCRIBE_QUORUM => state.answered(call, body, ClusterState::describe_quorum),
        ApiKey::UPDATE_FEATURES => state.answered(call, body, ClusterState::update_features),
        ApiKey::UNREGISTER_BROKER => state.answered(call, body, ClusterState::unregister_broker),
        _ => Outcome::Close,
    }
}
