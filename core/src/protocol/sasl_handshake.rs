//! SaslHandshake (key 17): choose how to authenticate with SASL.

use super::ErrorCode;
use crate::wire::Str;

request! {
    /// Asks the broker this connection goes to for a SASL mechanism (KIP-43); only ApiVersions may come
    /// before it. Version 1 also opens a re-authentication later on (KIP-368).
    ///
    /// After version 0 SASL's tokens follow bare, each behind an int32 length; after version 1 in
    /// SaslAuthenticate requests (KIP-152). No version is flexible.
    SaslHandshakeRequest: SASL_HANDSHAKE -> SaslHandshakeResponse, versions 0..=1, flexible never {
        /// The mechanism's name: `PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512`, `OAUTHBEARER`, `GSSAPI` or
        /// another.
        mechanism: Str { 0.. },
    }
}

message! {
    /// Whether the broker has the mechanism.
    ///
    /// Version 1 changes no field.
    SaslHandshakeResponse: versions 0..=1, flexible never {
        /// What went wrong; `UNSUPPORTED_SASL_MECHANISM` if it has not, after which it closes the connection.
        error_code: ErrorCode { 0.. },
        /// The mechanisms the broker has on this listener, told in either case.
        mechanisms: Vec<Str> { 0.. },
    }
}
