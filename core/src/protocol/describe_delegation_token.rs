//! DescribeDelegationToken (key 41): TODO

use super::ErrorCode;
use crate::wire::Str;
use bytes::Bytes;

request! {
    /// TODO
    DescribeDelegationTokenRequest: DESCRIBE_DELEGATION_TOKEN -> DescribeDelegationTokenResponse, versions 0..=3, flexible 2.. {
        /// TODO
        owners: Option<Vec<DescribeDelegationTokenOwner>> { 0.., nullable 0.. },
    }

    /// TODO
    DescribeDelegationTokenOwner {
        /// TODO
        principal_type: Str { 0.. },
        /// TODO
        principal_name: Str { 0.. },
    }
}

message! {
    /// TODO
    DescribeDelegationTokenResponse: versions 0..=3, flexible 2.. {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// TODO
        tokens: Vec<DescribedDelegationToken> { 0.. },
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
    }

    /// TODO
    DescribedDelegationToken {
        /// TODO
        principal_type: Str { 0.. },
        /// TODO
        principal_name: Str { 0.. },
        /// TODO
        token_requester_principal_type: Str { 3.. },
        /// TODO
        token_requester_principal_name: Str { 3.. },
        /// TODO
        issue_timestamp: i64 { 0.. },
        /// TODO
        expiry_timestamp: i64 { 0.. },
        /// TODO
        max_timestamp: i64 { 0.. },
        /// TODO
        token_id: Str { 0.. },
        /// TODO
        hmac: Bytes { 0.., secret },
        /// TODO
        renewers: Vec<DescribedDelegationTokenRenewer> { 0.. },
    }

    /// TODO
    DescribedDelegationTokenRenewer {
        /// TODO
        principal_type: Str { 0.. },
        /// TODO
        principal_name: Str { 0.. },
    }
}
