//! UnregisterBroker (key 64): TODO

use super::{BrokerId, ErrorCode};
use crate::wire::Str;

request! {
    /// TODO
    UnregisterBrokerRequest: UNREGISTER_BROKER -> UnregisterBrokerResponse, versions 0..=0, flexible 0.. {
        /// TODO
        broker_id: BrokerId { 0.. },
    }
}

message! {
    /// TODO
    UnregisterBrokerResponse: versions 0..=0, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
    }
}
