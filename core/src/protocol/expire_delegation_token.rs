//! ExpireDelegationToken (key 40): change when a delegation token expires.

use super::ErrorCode;
use bytes::Bytes;

request! {
    /// Asks any broker to let a delegation token expire now or at another time (KIP-48). Its owner and its
    /// renewers may.
    ///
    /// Version 1 changes nothing but when the broker throttles (KIP-219). Version 2 is flexible.
    ExpireDelegationTokenRequest: EXPIRE_DELEGATION_TOKEN -> ExpireDelegationTokenResponse,
        versions 0..=2, flexible 2.. {
        /// The token's HMAC, which tells the token and is its secret.
        hmac: Bytes { 0.., secret },
        /// How long from now the token is to live, in ms, though never beyond its greatest age; negative to
        /// end it at once.
        expiry_time_period_ms: i64 { 0.. },
    }
}

message! {
    /// When the token expires.
    ///
    /// All versions have the same fields.
    ExpireDelegationTokenResponse: versions 0..=2, flexible 2.. {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// When the token expires, in ms since the epoch.
        expiry_timestamp_ms: i64 { 0.. },
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
    }
}
