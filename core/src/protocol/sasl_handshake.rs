//! SaslHandshake (key 17): TODO

use super::ErrorCode;
use crate::wire::Str;

request! {
    /// TODO
    SaslHandshakeRequest: SASL_HANDSHAKE -> SaslHandshakeResponse, versions 0..=1, flexible never {
        /// TODO
        mechanism: Str { 0.. },
    }
}

message! {
    /// TODO
    SaslHandshakeResponse: versions 0..=1, flexible never {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// TODO
        mechanisms: Vec<Str> { 0.. },
    }
}
