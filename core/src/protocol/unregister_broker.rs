//! UnregisterBroker (key 64): make the cluster forget a broker.

use super::{BrokerId, ErrorCode};
use crate::wire::Str;

request! {
    /// Asks any broker, which forwards to the controller, to drop the registration of a broker that is gone
    /// for good. Only clusters without ZooKeeper know it.
    ///
    /// Version 0, the only one, is flexible.
    UnregisterBrokerRequest: UNREGISTER_BROKER -> UnregisterBrokerResponse, versions 0..=0, flexible 0.. {
        /// The broker to forget; it should be shut down.
        broker_id: BrokerId { 0.. },
    }
}

message! {
    /// Says whether the broker is forgotten.
    UnregisterBrokerResponse: versions 0..=0, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong; `BROKER_ID_NOT_REGISTERED` if there is no such broker.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
    }
}
