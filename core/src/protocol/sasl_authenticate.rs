//! SaslAuthenticate (key 36): TODO

use super::ErrorCode;
use crate::wire::Str;
use bytes::Bytes;

request! {
    /// TODO
    SaslAuthenticateRequest: SASL_AUTHENTICATE -> SaslAuthenticateResponse, versions 0..=2, flexible 2.. {
        /// TODO
        auth_bytes: Bytes { 0.., secret },
    }
}

message! {
    /// TODO
    SaslAuthenticateResponse: versions 0..=2, flexible 2.. {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
        /// TODO
        auth_bytes: Bytes { 0.., secret },
        /// TODO
        session_lifetime_ms: i64 { 1.., ignorable },
    }
}
