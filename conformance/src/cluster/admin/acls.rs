//! Who may do what: access rules, and the one question that every API asks of them.
//!
//! Rules: with no authorizer everybody may do everything, and rules can be neither set nor seen (SECURITY_DISABLED). With
//! one, a super user may do everything; for the others one matching rule that denies outweighs all that allow, and what no
//! rule allows is denied, or, where no rule is about a resource, as the brokers are configured. What allows to read, write,
//! delete or alter a resource also allows to describe it, and what allows to alter its configuration also allows to read
//! that; nothing of this holds for rules that deny.

use std::collections::BTreeSet;

use milena_core::protocol::create_acls::{AclCreation, AclCreationResult};
use milena_core::protocol::delete_acls::{DeleteAclsFilter, DeleteAclsFilterResult, DeleteAclsMatchingAcl};
use milena_core::protocol::describe_acls::{AclDescription, DescribeAclsResource};
use milena_core::protocol::{
    CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse, DescribeAclsRequest,
    DescribeAclsResponse, ErrorCode,
};
use milena_core::wire::Str;

use super::Refusal;
use crate::cluster::TopicError;
use crate::cluster::api::Call;
use crate::cluster::release::Release;
use crate::cluster::state::ClusterState;

/// What a request does to a resource, with the protocol's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub(in crate::cluster) enum Operation {
    Read = 3,
    Write = 4,
    Create = 5,
    Delete = 6,
    Alter = 7,
    Describe = 8,
    ClusterAction = 9,
    DescribeConfigs = 10,
    AlterConfigs = 11,
    IdempotentWrite = 12,
}

/// What it does that to, with the protocol's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub(in crate::cluster) enum ResourceType {
    Topic = 2,
    Group = 3,
    Cluster = 4,
    TransactionalId = 5,
}

impl ResourceType {
    /// What those are told who may not do something to such a resource.
    fn refusal(self) -> ErrorCode {
        match self {
            ResourceType::Topic => ErrorCode::TOPIC_AUTHORIZATION_FAILED,
            ResourceType::Group => ErrorCode::GROUP_AUTHORIZATION_FAILED,
            ResourceType::Cluster => ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
            ResourceType::TransactionalId => ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        }
    }
}

/// The only resource of type cluster.
pub(in crate::cluster) const CLUSTER: &str = "kafka-cluster";
/// Where every client comes from: the simulated brokers know no other host.
const HOST: &str = "127.0.0.1";

const UNKNOWN: i8 = 0;
const ANY: i8 = 1;
const ALL_OPERATIONS: i8 = 2;
const LAST_OPERATION: i8 = 14;
const LAST_RESOURCE_TYPE: i8 = 7;
const MATCH: i8 = 2;
const LITERAL: i8 = 3;
const PREFIXED: i8 = 4;
const DENY: i8 = 2;
const ALLOW: i8 = 3;

/// One rule, with the protocol's numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Acl {
    resource_type: i8,
    resource_name: Str,
    pattern_type: i8,
    principal: Str,
    host: Str,
    operation: i8,
    permission_type: i8,
}

impl Acl {
    fn covers(&self, name: &str) -> bool {
        match self.pattern_type {
            PREFIXED => name.starts_with(&*self.resource_name),
            _ => self.resource_name == *name || self.resource_name == *"*",
        }
    }

    fn concerns(&self, principal: &str) -> bool {
        (self.principal == *principal || self.principal == *"User:*")
            && (self.host == *HOST || self.host == *"*")
    }

    /// Whether the rule says something about an operation.
    fn speaks_of(&self, operation: Operation) -> bool {
        if self.operation == ALL_OPERATIONS || self.operation == operation as i8 {
            return true;
        }
        let implied: &[Operation] = match operation {
            Operation::Describe => &[Operation::Read, Operation::Write, Operation::Delete, Operation::Alter],
            Operation::DescribeConfigs => &[Operation::AlterConfigs],
            _ => &[],
        };
        self.permission_type == ALLOW && implied.iter().any(|by| *by as i8 == self.operation)
    }
}

/// Which rules a request means; what is not said is not asked for.
struct Filter {
    resource_type: i8,
    resource_name: Option<Str>,
    pattern_type: i8,
    principal: Option<Str>,
    host: Option<Str>,
    operation: i8,
    permission_type: i8,
}

impl Filter {
    fn check(&self) -> Result<(), Refusal> {
        let known = |value: i8, last: i8| value > UNKNOWN && value <= last;
        if !known(self.resource_type, LAST_RESOURCE_TYPE) || !known(self.pattern_type, PREFIXED) {
            return Err((ErrorCode::INVALID_REQUEST, "Unknown patternFilter.".to_owned()));
        }
        if !known(self.operation, LAST_OPERATION) || !known(self.permission_type, ALLOW) {
            return Err((ErrorCode::INVALID_REQUEST, "Unknown entryFilter.".to_owned()));
        }
        Ok(())
    }

    fn matches(&self, acl: &Acl) -> bool {
        let number = |wanted: i8, value: i8| wanted == ANY || wanted == value;
        let text = |wanted: &Option<Str>, value: &Str| wanted.as_ref().is_none_or(|wanted| wanted == value);
        let pattern = match (self.pattern_type, &self.resource_name) {
            (MATCH, Some(name)) => acl.covers(name),
            (MATCH, None) => true,
            (wanted, name) => number(wanted, acl.pattern_type) && text(name, &acl.resource_name),
        };
        pattern
            && number(self.resource_type, acl.resource_type)
            && text(&self.principal, &acl.principal)
            && text(&self.host, &acl.host)
            && number(self.operation, acl.operation)
            && number(self.permission_type, acl.permission_type)
    }
}

impl ClusterState {
    /// Whether a request may do this: its fault's code if it has one, or the refusal of such a resource.
    pub(in crate::cluster) fn check_access(
        &self,
        call: &Call,
        operation: Operation,
        resource_type: ResourceType,
        name: &str,
    ) -> Result<(), ErrorCode> {
        match call.forced {
            Some(code) => Err(code),
            None if self.authorize(call, operation, resource_type, name) => Ok(()),
            None => Err(resource_type.refusal()),
        }
    }

    /// Whether the principal of a request's connection may do this.
    pub(in crate::cluster) fn authorize(
        &self,
        call: &Call,
        operation: Operation,
        resource_type: ResourceType,
        name: &str,
    ) -> bool {
        if !self.options.authorizer {
            return true;
        }
        let principal = self.principal(call.conn);
        let mut about = self.acls_of(resource_type).filter(|acl| acl.covers(name)).peekable();
        let unruled = about.peek().is_none() && self.options.allow_everyone;
        unruled
            || self.is_super_user(&principal)
            || is_allowed(about.filter(|acl| acl.concerns(&principal) && acl.speaks_of(operation)))
    }

    /// The same for any resource of a type: to write without transactions it is enough to have some topic to write to.
    pub(in crate::cluster) fn authorize_any(
        &self,
        call: &Call,
        operation: Operation,
        resource_type: ResourceType,
    ) -> bool {
        // Kafka asks for a resource of this name first, for the sake of super users.
        if self.authorize(call, operation, resource_type, "hardcode") {
            return true;
        }
        let principal = self.principal(call.conn);
        let concerning = || self.acls_of(resource_type).filter(|acl| acl.concerns(&principal));
        // A rule that allows counts where no other denies all that it covers.
        concerning().filter(|acl| acl.permission_type == ALLOW).any(|acl| {
            is_allowed(concerning().filter(|other| {
                other.speaks_of(operation) && (*other == acl || other.covers(&acl.resource_name))
            }))
        })
    }

    fn acls_of(&self, resource_type: ResourceType) -> impl Iterator<Item = &Acl> {
        self.admin.acls.iter().filter(move |acl| acl.resource_type == resource_type as i8)
    }

    fn is_super_user(&self, principal: &str) -> bool {
        self.options.super_users.iter().any(|user| user == principal)
    }

    /// The bits of what a connection may do with a resource (KIP-430), as Metadata and its kin tell on request.
    pub(in crate::cluster) fn authorized_operations(
        &self,
        call: &Call,
        resource_type: ResourceType,
        name: &str,
    ) -> i32 {
        use Operation::*;
        let supported: &[Operation] = match resource_type {
            ResourceType::Topic => {
                &[Read, Write, Create, Describe, Delete, Alter, DescribeConfigs, AlterConfigs]
            }
            // Since 4.0 groups have configurations.
            ResourceType::Group if self.options.as_version < Release::V4_0 => &[Read, Describe, Delete],
            ResourceType::Group => &[Read, Describe, Delete, DescribeConfigs, AlterConfigs],
            ResourceType::Cluster => {
                &[Create, ClusterAction, DescribeConfigs, AlterConfigs, IdempotentWrite, Alter, Describe]
            }
            ResourceType::TransactionalId => &[Describe, Write],
        };
        let allowed =
            supported.iter().filter(|operation| self.authorize(call, **operation, resource_type, name));
        allowed.fold(0, |bits, operation| bits | 1 << *operation as i8)
    }

    /// Whether a request about the cluster itself can be served.
    pub(super) fn check_cluster(&self, call: &Call, operation: Operation) -> Result<(), Refusal> {
        let checked = self.check_access(call, operation, ResourceType::Cluster, CLUSTER);
        checked.map_err(|code| match code {
            ErrorCode::CLUSTER_AUTHORIZATION_FAILED => (code, "Cluster authorization failed.".to_owned()),
            code => (code, code.name().to_owned()),
        })
    }

    /// The same for one about rules, which only are there with an authorizer.
    fn check_acls(&self, call: &Call, operation: Operation) -> Result<(), Refusal> {
        let message = match operation {
            _ if self.options.authorizer => return self.check_cluster(call, operation),
            Operation::Describe => "No Authorizer is configured on the broker",
            _ => "No Authorizer is configured.",
        };
        self.check_cluster(call, operation).and(Err((ErrorCode::SECURITY_DISABLED, message.to_owned())))
    }

    /// Adds access rules, as a request would that nothing forbids.
    ///
    /// # Errors
    ///
    /// The first rule that CreateAcls would refuse; those before it are added.
    pub fn add_acls(&mut self, rules: impl IntoIterator<Item = AclCreation>) -> Result<(), TopicError> {
        for rule in rules {
            let rule = new_acl(rule).map_err(|(code, message)| TopicError { code, message })?;
            self.admin.acls.insert(rule);
        }
        Ok(())
    }

    pub(super) fn describe_acls(
        &mut self,
        call: &Call,
        request: DescribeAclsRequest,
    ) -> DescribeAclsResponse {
        let filter = Filter {
            resource_type: request.resource_type_filter,
            resource_name: request.resource_name_filter,
            pattern_type: request.pattern_type_filter,
            principal: request.principal_filter,
            host: request.host_filter,
            operation: request.operation,
            permission_type: request.permission_type,
        };
        if let Err((error_code, message)) = self.check_acls(call, Operation::Describe).and(filter.check()) {
            return DescribeAclsResponse {
                error_code,
                error_message: Some(message.into()),
                ..Default::default()
            };
        }
        let mut resources: Vec<DescribeAclsResource> = Vec::new();
        // The rules are sorted by resource.
        for acl in self.admin.acls.iter().filter(|acl| filter.matches(acl)) {
            let description = AclDescription {
                principal: acl.principal.clone(),
                host: acl.host.clone(),
                operation: acl.operation,
                permission_type: acl.permission_type,
                ..Default::default()
            };
            let key = (acl.resource_type, &acl.resource_name, acl.pattern_type);
            match resources.last_mut() {
                Some(last) if (last.resource_type, &last.resource_name, last.pattern_type) == key => {
                    last.acls.push(description);
                }
                _ => resources.push(DescribeAclsResource {
                    resource_type: acl.resource_type,
                    resource_name: acl.resource_name.clone(),
                    pattern_type: acl.pattern_type,
                    acls: vec![description],
                    ..Default::default()
                }),
            }
        }
        DescribeAclsResponse { resources, ..Default::default() }
    }

    pub(super) fn create_acls(&mut self, call: &Call, request: CreateAclsRequest) -> CreateAclsResponse {
        let allowed = self.check_acls(call, Operation::Alter);
        let results = request.creations.into_iter().map(|creation| {
            let created = allowed.clone().and_then(|()| new_acl(creation));
            match created {
                Ok(acl) => {
                    self.admin.acls.insert(acl);
                    AclCreationResult::default()
                }
                Err((error_code, message)) => AclCreationResult {
                    error_code,
                    error_message: Some(message.into()),
                    ..Default::default()
                },
            }
        });
        CreateAclsResponse { results: results.collect(), ..Default::default() }
    }

    pub(super) fn delete_acls(&mut self, call: &Call, request: DeleteAclsRequest) -> DeleteAclsResponse {
        let allowed = self.check_acls(call, Operation::Alter);
        let results = request.filters.into_iter().map(|filter| {
            let filter = Filter::from(filter);
            match allowed.clone().and(filter.check()) {
                Ok(()) => {
                    let acls = std::mem::take(&mut self.admin.acls);
                    let (deleted, kept) = acls.into_iter().partition(|acl| filter.matches(acl));
                    let deleted: BTreeSet<Acl> = deleted;
                    self.admin.acls = kept;
                    DeleteAclsFilterResult {
                        matching_acls: deleted.into_iter().map(deleted_acl).collect(),
                        ..Default::default()
                    }
                }
                Err((error_code, message)) => DeleteAclsFilterResult {
                    error_code,
                    error_message: Some(message.into()),
                    ..Default::default()
                },
            }
        });
        DeleteAclsResponse { filter_results: results.collect(), ..Default::default() }
    }
}

/// What rules about one thing come to: one that denies is enough.
fn is_allowed<'a>(mut rules: impl Iterator<Item = &'a Acl>) -> bool {
    let mut allowed = false;
    !rules.any(|acl| {
        allowed |= acl.permission_type == ALLOW;
        acl.permission_type == DENY
    }) && allowed
}

impl From<DeleteAclsFilter> for Filter {
    fn from(filter: DeleteAclsFilter) -> Self {
        Filter {
            resource_type: filter.resource_type_filter,
            resource_name: filter.resource_name_filter,
            pattern_type: filter.pattern_type_filter,
            principal: filter.principal_filter,
            host: filter.host_filter,
            operation: filter.operation,
            permission_type: filter.permission_type,
        }
    }
}

/// A rule that can be kept.
fn new_acl(creation: AclCreation) -> Result<Acl, Refusal> {
    let invalid = |message: &str| Err((ErrorCode::INVALID_REQUEST, message.to_owned()));
    if creation.resource_type == ResourceType::Cluster as i8 && creation.resource_name != *CLUSTER {
        return invalid("The only valid name for the CLUSTER resource is kafka-cluster");
    }
    if creation.resource_name.is_empty() {
        return invalid("Invalid empty resource name");
    }
    if !(ANY + 1..=LAST_RESOURCE_TYPE).contains(&creation.resource_type) {
        return invalid("Invalid resourceType");
    }
    if ![LITERAL, PREFIXED].contains(&creation.resource_pattern_type) {
        return invalid("Invalid patternType");
    }
    if !(ALL_OPERATIONS..=LAST_OPERATION).contains(&creation.operation) {
        return invalid("Invalid operation");
    }
    if ![DENY, ALLOW].contains(&creation.permission_type) {
        return invalid("Invalid permissionType");
    }
    Ok(Acl {
        resource_type: creation.resource_type,
        resource_name: creation.resource_name,
        pattern_type: creation.resource_pattern_type,
        principal: creation.principal,
        host: creation.host,
        operation: creation.operation,
        permission_type: creation.permission_type,
    })
}

fn deleted_acl(acl: Acl) -> DeleteAclsMatchingAcl {
    DeleteAclsMatchingAcl {
        resource_type: acl.resource_type,
        resource_name: acl.resource_name,
        pattern_type: acl.pattern_type,
        principal: acl.principal,
        host: acl.host,
        operation: acl.operation,
        permission_type: acl.permission_type,
        ..Default::default()
    }
}
