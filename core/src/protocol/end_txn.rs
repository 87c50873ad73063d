//! EndTxn (key 26): TODO

use super::{ErrorCode, ProducerId};
use crate::wire::Str;

request! {
    /// TODO
    EndTxnRequest: END_TXN -> EndTxnResponse, versions 0..=5, flexible 3.. {
        /// The transactional id.
        transactional_id: Str { 0.. },
        /// The producer's id.
        producer_id: ProducerId { 0.. },
        /// The producer's epoch.
        producer_epoch: i16 { 0.. },
        /// TODO
        committed: bool { 0.. },
    }
}

message! {
    /// TODO
    EndTxnResponse: versions 0..=5, flexible 3.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The producer's id.
        producer_id: ProducerId { 5.., default -1, ignorable },
        /// The producer's epoch.
        producer_epoch: i16 { 5.., default -1, ignorable },
    }
}
