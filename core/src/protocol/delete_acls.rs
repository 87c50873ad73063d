//! DeleteAcls (key 31): delete ACLs.

use super::ErrorCode;
use crate::wire::Str;

request! {
    /// Asks the controller, or any broker, which passes it on, to delete every ACL that matches a filter
    /// (KIP-140).
    ///
    /// Version 1 brings pattern types (KIP-290) and changes when the broker throttles (KIP-219). Version 2 is
    /// flexible. Version 3 allows resources of type user (KIP-373). Brokers of 4.0 and later no longer take
    /// version 0 (KIP-896).
    DeleteAclsRequest: DELETE_ACLS -> DeleteAclsResponse, versions 0..=3, flexible 2.. {
        /// The filters.
        filters: Vec<DeleteAclsFilter> { 0.. },
    }

    /// A filter. An ACL matches if it does so in every field.
    DeleteAclsFilter {
        /// 1 any, 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7 user (since version
        /// 3).
        resource_type_filter: i8 { 0.. },
        /// The resource's name, for the cluster `kafka-cluster`; null for any.
        resource_name_filter: Option<Str> { 0.., nullable 0.. },
        /// How the name is meant: 1 ACLs of any pattern, 2 all whose pattern fits the name, 3 literal, 4
        /// prefixed. Version 0 means 3.
        pattern_type_filter: i8 { 1.., default 3 },
        /// Whom the ACL is about, as `User:alice`; null for any.
        principal_filter: Option<Str> { 0.., nullable 0.. },
        /// The address the ACL is about, `*` for one about all addresses; null for any.
        host_filter: Option<Str> { 0.., nullable 0.. },
        /// 1 any, 2 all (an operation in its own right), 3 read, 4 write, 5 create, 6 delete, 7 alter, 8
        /// describe, 9 cluster action, 10 describe configs, 11 alter configs, 12 idempotent write, 13 create
        /// tokens, 14 describe tokens, 15 two-phase commit (KIP-939).
        operation: i8 { 0.. },
        /// 1 any, 2 deny, 3 allow.
        permission_type: i8 { 0.. },
    }
}

message! {
    /// What each filter deleted.
    ///
    /// Version 1 brings pattern types (KIP-290). Version 2 is flexible. Version 3 changes no field.
    DeleteAclsResponse: versions 0..=3, flexible 2.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// Results by filter, in the order of the request.
        filter_results: Vec<DeleteAclsFilterResult> { 0.. },
    }

    /// A filter's result.
    DeleteAclsFilterResult {
        /// What went wrong with the filter as a whole.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
        /// The ACLs that matched.
        matching_acls: Vec<DeleteAclsMatchingAcl> { 0.. },
    }

    /// An ACL that matched; it is deleted unless `error_code` tells otherwise.
    DeleteAclsMatchingAcl {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
        /// 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7 user.
        resource_type: i8 { 0.. },
        /// The resource's name or, with pattern type 4, how it begins; `*` for all of the type.
        resource_name: Str { 0.. },
        /// 3 literal, 4 prefixed. Version 0 means 3.
        pattern_type: i8 { 1.., default 3 },
        /// Whom it is about, as `User:alice`; `User:*` for everyone.
        principal: Str { 0.. },
        /// The address it is about; `*` for all.
        host: Str { 0.. },
        /// The operation, 2 to 15 as in the filter.
        operation: i8 { 0.. },
        /// 2 deny, 3 allow.
        permission_type: i8 { 0.. },
    }
}
