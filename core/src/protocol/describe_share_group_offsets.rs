//! DescribeShareGroupOffsets (key 90): TODO

use super::{ErrorCode, LeaderEpoch};
use crate::wire::{Packed, Str, Uuid};

request! {
    /// TODO
    DescribeShareGroupOffsetsRequest: DESCRIBE_SHARE_GROUP_OFFSETS -> DescribeShareGroupOffsetsResponse, versions 0..=1, flexible 0.. {
        /// TODO
        groups: Vec<DescribeShareGroupOffsetsRequestGroup> { 0.. },
    }

    /// TODO
    DescribeShareGroupOffsetsRequestGroup {
        /// The group's id.
        group_id: Str { 0.. },
        /// TODO
        topics: Option<Vec<DescribeShareGroupOffsetsRequestTopic>> { 0.., nullable 0.. },
    }

    /// TODO
    DescribeShareGroupOffsetsRequestTopic {
        /// The topic's name.
        topic_name: Str { 0.. },
        /// TODO
        partitions: Packed<i32> { 0.. },
    }
}

message! {
    /// TODO
    DescribeShareGroupOffsetsResponse: versions 0..=1, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// TODO
        groups: Vec<DescribeShareGroupOffsetsResponseGroup> { 0.. },
    }

    /// TODO
    DescribeShareGroupOffsetsResponseGroup {
        /// The group's id.
        group_id: Str { 0.. },
        /// TODO
        topics: Vec<DescribeShareGroupOffsetsResponseTopic> { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., default null },
    }

    /// TODO
    DescribeShareGroupOffsetsResponseTopic {
        /// The topic's name.
        topic_name: Str { 0.. },
        /// The topic's id.
        topic_id: Uuid { 0.. },
        /// TODO
        partitions: Vec<DescribeShareGroupOffsetsResponsePartition> { 0.. },
    }

    /// TODO
    DescribeShareGroupOffsetsResponsePartition {
        /// The partition.
        partition_index: i32 { 0.. },
        /// TODO
        start_offset: i64 { 0.. },
        /// TODO
        leader_epoch: LeaderEpoch { 0.. },
        /// TODO
        lag: i64 { 1.., default -1, ignorable },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., default null },
    }
}
