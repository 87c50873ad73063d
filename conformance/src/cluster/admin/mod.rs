//! What administrators set: configurations, access rules, quotas, users.

mod acls;

use std::collections::BTreeSet;

use bytes::Bytes;
use milena_core::protocol::{ApiKey, CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest, ErrorCode};

use super::api::{Call, Outcome, answered};
use super::state::ClusterState;

pub(super) use acls::{CLUSTER, Operation, ResourceType};

/// The APIs of this module.
pub(super) const SERVED: &[ApiKey] = &[ApiKey::DESCRIBE_ACLS, ApiKey::CREATE_ACLS, ApiKey::DELETE_ACLS];

/// A code, and what is wrong, for a person.
type Refusal = (ErrorCode, String);

/// What was set.
#[derive(Debug, Default)]
pub(super) struct Admin {
    acls: BTreeSet<acls::Acl>,
}

/// Serves a request of [`SERVED`].
pub(super) fn dispatch(state: &mut ClusterState, call: &Call, body: Bytes) -> Outcome {
    match call.key {
        ApiKey::DESCRIBE_ACLS => {
            answered(call, body, |request: DescribeAclsRequest| state.describe_acls(call, request))
        }
        ApiKey::CREATE_ACLS => {
            answered(call, body, |request: CreateAclsRequest| state.create_acls(call, request))
        }
        ApiKey::DELETE_ACLS => {
            answered(call, body, |request: DeleteAclsRequest| state.delete_acls(call, request))
        }
        _ => Outcome::Close,
    }
}
