//! OffsetForLeaderEpoch (key 23): TODO

use super::{BrokerId, ErrorCode, LeaderEpoch};
use crate::wire::Str;

request! {
    /// TODO
    OffsetForLeaderEpochRequest: OFFSET_FOR_LEADER_EPOCH -> OffsetForLeaderEpochResponse, versions 0..=4, flexible 4.. {
        /// TODO
        replica_id: BrokerId { 3.., default -2, ignorable },
        /// TODO
        topics: Vec<OffsetForLeaderTopic> { 0.. },
    }

    /// TODO
    OffsetForLeaderTopic {
        /// TODO
        topic: Str { 0.. },
        /// TODO
        partitions: Vec<OffsetForLeaderPartition> { 0.. },
    }

    /// TODO
    OffsetForLeaderPartition {
        /// The partition.
        partition: i32 { 0.. },
        /// TODO
        current_leader_epoch: LeaderEpoch { 2.., default -1, ignorable },
        /// TODO
        leader_epoch: LeaderEpoch { 0.. },
    }
}

message! {
    /// TODO
    OffsetForLeaderEpochResponse: versions 0..=4, flexible 4.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 2.., ignorable },
        /// TODO
        topics: Vec<OffsetForLeaderTopicResult> { 0.. },
    }

    /// TODO
    OffsetForLeaderTopicResult {
        /// TODO
        topic: Str { 0.. },
        /// TODO
        partitions: Vec<EpochEndOffset> { 0.. },
    }

    /// TODO
    EpochEndOffset {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The partition.
        partition: i32 { 0.. },
        /// TODO
        leader_epoch: LeaderEpoch { 1.., default -1, ignorable },
        /// TODO
        end_offset: i64 { 0.., default -1 },
    }
}
