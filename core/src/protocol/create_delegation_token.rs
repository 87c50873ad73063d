//! CreateDelegationToken (key 38): TODO

use super::ErrorCode;
use crate::wire::Str;
use bytes::Bytes;

request! {
    /// TODO
    CreateDelegationTokenRequest: CREATE_DELEGATION_TOKEN -> CreateDelegationTokenResponse, versions 0..=3, flexible 2.. {
        /// TODO
        owner_principal_type: Option<Str> { 3.., nullable 3.. },
        /// TODO
        owner_principal_name: Option<Str> { 3.., nullable 3.. },
        /// TODO
        renewers: Vec<CreatableRenewers> { 0.. },
        /// TODO
        max_lifetime_ms: i64 { 0.. },
    }

    /// TODO
    CreatableRenewers {
        /// TODO
        principal_type: Str { 0.. },
        /// TODO
        principal_name: Str { 0.. },
    }
}

message! {
    /// TODO
    CreateDelegationTokenResponse: versions 0..=3, flexible 2.. {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// TODO
        principal_type: Str { 0.. },
        /// TODO
        principal_name: Str { 0.. },
        /// TODO
        token_requester_principal_type: Str { 3.. },
        /// TODO
        token_requester_principal_name: Str { 3.. },
        /// TODO
        issue_timestamp_ms: i64 { 0.. },
        /// TODO
        expiry_timestamp_ms: i64 { 0.. },
        /// TODO
        max_timestamp_ms: i64 { 0.. },
        /// TODO
        token_id: Str { 0.. },
        /// TODO
        hmac: Bytes { 0.., secret },
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
    }
}
