//! CreateAcls (key 30): create access rules.

use super::ErrorCode;
use crate::wire::Str;

request! {
    /// Asks the controller to create access rules (ACLs); a broker passes the request on.
    ///
    /// Version 1 brings the pattern type (KIP-290). Version 2 is flexible. Version 3 allows users as
    /// resources (KIP-373). Version 0 is gone in 4.0.
    CreateAclsRequest: CREATE_ACLS -> CreateAclsResponse, versions 0..=3, flexible 2.. {
        /// The rules.
        creations: Vec<AclCreation> { 0.. },
    }

    /// A rule: who may, or may not, do what to which resources and from where.
    AclCreation {
        /// The kind of resource: 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7
        /// user (since version 3).
        resource_type: i8 { 0.. },
        /// The resource's name or the beginning of it, as the pattern type says; `kafka-cluster` for the
        /// cluster.
        resource_name: Str { 0.. },
        /// How the name is meant: 3 literally, where `*` alone means every resource of the kind, 4 as a
        /// prefix. Before version 1 always 3.
        resource_pattern_type: i8 { 1.., default 3 },
        /// Who it is about, as type and name, such as `User:alice`; `User:*` is everybody.
        principal: Str { 0.. },
        /// The IP address the client comes from; `*` is any.
        host: Str { 0.. },
        /// What it is about: 2 everything, 3 read, 4 write, 5 create, 6 delete, 7 alter, 8 describe, 9
        /// cluster action, 10 describe configs, 11 alter configs, 12 idempotent write, 13 create tokens, 14
        /// describe tokens, 15 two-phase commit.
        operation: i8 { 0.. },
        /// 2 to deny it, 3 to allow it. Where both are found, denying wins.
        permission_type: i8 { 0.. },
    }
}

message! {
    /// What became of each rule.
    ///
    /// No version changes a field; from version 1 on the broker answers before it throttles, not after
    /// (KIP-219).
    CreateAclsResponse: versions 0..=3, flexible 2.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// Results, in the order of the request's rules.
        results: Vec<AclCreationResult> { 0.. },
    }

    /// A rule's result. A rule that exists already is no error.
    AclCreationResult {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
    }
}
