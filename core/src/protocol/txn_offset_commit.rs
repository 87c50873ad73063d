//! TxnOffsetCommit (key 28): TODO

use super::{ErrorCode, LeaderEpoch, ProducerId};
use crate::wire::Str;

request! {
    /// TODO
    TxnOffsetCommitRequest: TXN_OFFSET_COMMIT -> TxnOffsetCommitResponse, versions 0..=5, flexible 3.. {
        /// The transactional id.
        transactional_id: Str { 0.. },
        /// The group's id.
        group_id: Str { 0.. },
        /// The producer's id.
        producer_id: ProducerId { 0.. },
        /// The producer's epoch.
        producer_epoch: i16 { 0.. },
        /// TODO
        generation_id: i32 { 3.., default -1 },
        /// The member's id.
        member_id: Str { 3.. },
        /// TODO
        group_instance_id: Option<Str> { 3.., nullable 3.., default null },
        /// TODO
        topics: Vec<TxnOffsetCommitRequestTopic> { 0.. },
    }

    /// TODO
    TxnOffsetCommitRequestTopic {
        /// TODO
        name: Str { 0.. },
        /// TODO
        partitions: Vec<TxnOffsetCommitRequestPartition> { 0.. },
    }

    /// TODO
    TxnOffsetCommitRequestPartition {
        /// The partition.
        partition_index: i32 { 0.. },
        /// TODO
        committed_offset: i64 { 0.. },
        /// TODO
        committed_leader_epoch: LeaderEpoch { 2.., default -1, ignorable },
        /// TODO
        committed_metadata: Option<Str> { 0.., nullable 0.. },
    }
}

message! {
    /// TODO
    TxnOffsetCommitResponse: versions 0..=5, flexible 3.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// TODO
        topics: Vec<TxnOffsetCommitResponseTopic> { 0.. },
    }

    /// TODO
    TxnOffsetCommitResponseTopic {
        /// TODO
        name: Str { 0.. },
        /// TODO
        partitions: Vec<TxnOffsetCommitResponsePartition> { 0.. },
    }

    /// TODO
    TxnOffsetCommitResponsePartition {
        /// The partition.
        partition_index: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
    }
}
