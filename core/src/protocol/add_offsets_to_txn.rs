//! AddOffsetsToTxn (key 25): make a group's offsets part of a transaction.

use super::{ErrorCode, ProducerId};
use crate::wire::Str;

request! {
    /// Asks the transaction's coordinator to make a group's offsets part of the transaction;
    /// TxnOffsetCommit then brings them to the group's coordinator (KIP-98).
    ///
    /// Version 1 changes nothing but when the broker throttles (KIP-219). Version 2 can tell
    /// `PRODUCER_FENCED` (KIP-588). Version 3 is flexible. Version 4 can tell `TRANSACTION_ABORTABLE`
    /// (KIP-890). Where the cluster has transaction version 2, TxnOffsetCommit from its version 5 on does
    /// this too, and a client leaves this request out (KIP-890).
    AddOffsetsToTxnRequest: ADD_OFFSETS_TO_TXN -> AddOffsetsToTxnResponse, versions 0..=4, flexible 3.. {
        /// The transactional id.
        transactional_id: Str { 0.. },
        /// The producer's id.
        producer_id: ProducerId { 0.. },
        /// The producer's epoch; an older one than the coordinator knows is fenced.
        producer_epoch: i16 { 0.. },
        /// The group whose offsets the producer is going to commit.
        group_id: Str { 0.. },
    }
}

message! {
    /// Says whether the group's offsets are part of the transaction now.
    ///
    /// All versions have the same fields.
    AddOffsetsToTxnResponse: versions 0..=4, flexible 3.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
    }
}
