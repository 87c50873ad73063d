//! OffsetCommit (key 8): TODO

use super::{ErrorCode, LeaderEpoch};
use crate::wire::{Str, Uuid};

request! {
    /// TODO
    OffsetCommitRequest: OFFSET_COMMIT -> OffsetCommitResponse, versions 0..=10, flexible 8.. {
        /// The group's id.
        group_id: Str { 0.. },
        /// TODO
        generation_id_or_member_epoch: i32 { 1.., default -1, ignorable },
        /// The member's id.
        member_id: Str { 1.., ignorable },
        /// TODO
        group_instance_id: Option<Str> { 7.., nullable 7.., default null },
        /// TODO
        retention_time_ms: i64 { 2..=4, default -1, ignorable },
        /// TODO
        topics: Vec<OffsetCommitRequestTopic> { 0.. },
    }

    /// TODO
    OffsetCommitRequestTopic {
        /// TODO
        name: Str { 0..=9, ignorable },
        /// The topic's id.
        topic_id: Uuid { 10.., ignorable },
        /// TODO
        partitions: Vec<OffsetCommitRequestPartition> { 0.. },
    }

    /// TODO
    OffsetCommitRequestPartition {
        /// The partition.
        partition_index: i32 { 0.. },
        /// TODO
        committed_offset: i64 { 0.. },
        /// TODO
        committed_leader_epoch: LeaderEpoch { 6.., default -1, ignorable },
        /// TODO
        commit_timestamp: i64 { 1..=1, default -1 },
        /// TODO
        committed_metadata: Option<Str> { 0.., nullable 0.. },
    }
}

message! {
    /// TODO
    OffsetCommitResponse: versions 0..=10, flexible 8.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 3.., ignorable },
        /// TODO
        topics: Vec<OffsetCommitResponseTopic> { 0.. },
    }

    /// TODO
    OffsetCommitResponseTopic {
        /// TODO
        name: Str { 0..=9, ignorable },
        /// The topic's id.
        topic_id: Uuid { 10.., ignorable },
        /// TODO
        partitions: Vec<OffsetCommitResponsePartition> { 0.. },
    }

    /// TODO
    OffsetCommitResponsePartition {
        /// The partition.
        partition_index: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
    }
}
