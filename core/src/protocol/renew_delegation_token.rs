//! RenewDelegationToken (key 39): TODO

use super::ErrorCode;
use bytes::Bytes;

request! {
    /// TODO
    RenewDelegationTokenRequest: RENEW_DELEGATION_TOKEN -> RenewDelegationTokenResponse, versions 0..=2, flexible 2.. {
        /// TODO
        hmac: Bytes { 0.., secret },
        /// TODO
        renew_period_ms: i64 { 0.. },
    }
}

message! {
    /// TODO
    RenewDelegationTokenResponse: versions 0..=2, flexible 2.. {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// TODO
        expiry_timestamp_ms: i64 { 0.. },
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
    }
}
