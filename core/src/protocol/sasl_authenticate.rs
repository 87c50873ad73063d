//! SaslAuthenticate (key 36): authenticate with SASL.

use super::ErrorCode;
use crate::wire::Str;
use bytes::Bytes;

request! {
    /// Hands the broker at the other end of the connection the client's next token, as often as the
    /// mechanism needs. SaslHandshake in version 1 goes before; after its version 0 tokens travel without
    /// Kafka's framing instead (KIP-152).
    ///
    /// Version 1 changes no field of the request; on a connection that is authenticated it may come again,
    /// with a new SaslHandshake, to renew the session (KIP-368). Version 2 is flexible.
    SaslAuthenticateRequest: SASL_AUTHENTICATE -> SaslAuthenticateResponse, versions 0..=2, flexible 2.. {
        /// The client's token, as the mechanism defines it.
        auth_bytes: Bytes { 0.., secret },
    }
}

message! {
    /// The broker's next token, or why it refuses the client.
    ///
    /// Version 1 brings the session's lifetime (KIP-368).
    SaslAuthenticateResponse: versions 0..=2, flexible 2.. {
        /// What went wrong; `SASL_AUTHENTICATION_FAILED` if the client is refused.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
        /// The broker's token, as the mechanism defines it; empty if it has nothing to say.
        auth_bytes: Bytes { 0.., secret },
        /// How long until the client must have authenticated again on this connection, in ms, or the broker
        /// closes it; 0 if there is no limit.
        session_lifetime_ms: i64 { 1.., ignorable },
    }
}
