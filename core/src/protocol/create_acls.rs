//! CreateAcls (key 30): TODO

use super::ErrorCode;
use crate::wire::Str;

request! {
    /// TODO
    CreateAclsRequest: CREATE_ACLS -> CreateAclsResponse, versions 0..=3, flexible 2.. {
        /// TODO
        creations: Vec<AclCreation> { 0.. },
    }

    /// TODO
    AclCreation {
        /// TODO
        resource_type: i8 { 0.. },
        /// TODO
        resource_name: Str { 0.. },
        /// TODO
        resource_pattern_type: i8 { 1.., default 3 },
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

message! {
    /// TODO
    CreateAclsResponse: versions 0..=3, flexible 2.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// TODO
        results: Vec<AclCreationResult> { 0.. },
    }

    /// TODO
    AclCreationResult {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
    }
}
