//! DeleteAcls (key 31): TODO

use super::ErrorCode;
use crate::wire::Str;

request! {
    /// TODO
    DeleteAclsRequest: DELETE_ACLS -> DeleteAclsResponse, versions 0..=3, flexible 2.. {
        /// TODO
        filters: Vec<DeleteAclsFilter> { 0.. },
    }

    /// TODO
    DeleteAclsFilter {
        /// TODO
        resource_type_filter: i8 { 0.. },
        /// TODO
        resource_name_filter: Option<Str> { 0.., nullable 0.. },
        /// TODO
        pattern_type_filter: i8 { 1.., default 3 },
        /// TODO
        principal_filter: Option<Str> { 0.., nullable 0.. },
        /// TODO
        host_filter: Option<Str> { 0.., nullable 0.. },
        /// TODO
        operation: i8 { 0.. },
        /// TODO
        permission_type: i8 { 0.. },
    }
}

message! {
    /// TODO
    DeleteAclsResponse: versions 0..=3, flexible 2.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// TODO
        filter_results: Vec<DeleteAclsFilterResult> { 0.. },
    }

    /// TODO
    DeleteAclsFilterResult {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
        /// TODO
        matching_acls: Vec<DeleteAclsMatchingAcl> { 0.. },
    }

    /// TODO
    DeleteAclsMatchingAcl {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
        /// TODO
        resource_type: i8 { 0.. },
        /// TODO
        resource_name: Str { 0.. },
        /// TODO
        pattern_type: i8 { 1.., default 3 },
        /// TODO
        principal: Str { 0.. },
        /// Its host name or address.
        host: Str { 0.. },
        /// TODO
        operation: i8 { 0.. },
        /// TODO
        permission_type: i8 { 0.. },
    }
}
