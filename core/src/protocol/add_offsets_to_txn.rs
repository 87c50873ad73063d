//! AddOffsetsToTxn (key 25): TODO

use super::{ErrorCode, ProducerId};
use crate::wire::Str;

request! {
    /// TODO
    AddOffsetsToTxnRequest: ADD_OFFSETS_TO_TXN -> AddOffsetsToTxnResponse, versions 0..=4, flexible 3.. {
        /// The transactional id.
        transactional_id: Str { 0.. },
        /// The producer's id.
        producer_id: ProducerId { 0.. },
        /// The producer's epoch.
        producer_epoch: i16 { 0.. },
        /// The group's id.
        group_id: Str { 0.. },
    }
}

message! {
    /// TODO
    AddOffsetsToTxnResponse: versions 0..=4, flexible 3.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
    }
}
