//! RenewDelegationToken (key 39): put off a delegation token's expiry.

use super::ErrorCode;
use bytes::Bytes;

request! {
    /// Asks any broker to let a delegation token live longer (KIP-48). The token's owner and its renewers
    /// may, on a connection that is authenticated, but not by a token.
    ///
    /// Version 1 changes nothing but when the broker throttles (KIP-219). Version 2 is flexible.
    RenewDelegationTokenRequest: RENEW_DELEGATION_TOKEN -> RenewDelegationTokenResponse,
        versions 0..=2, flexible 2.. {
        /// The token's HMAC, which names it.
        hmac: Bytes { 0.., secret },
        /// How long it is to live from now on, in ms; -1 for the broker's `delegation.token.expiry.time.ms`,
        /// which is also the most.
        renew_period_ms: i64 { 0.. },
    }
}

message! {
    /// When the token expires now.
    ///
    /// Version 2 is flexible.
    RenewDelegationTokenResponse: versions 0..=2, flexible 2.. {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// When it expires, in ms since the epoch; never later than the token's maximum, which stays as it
        /// was.
        expiry_timestamp_ms: i64 { 0.. },
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
    }
}
