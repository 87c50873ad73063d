//! DescribeShareGroupOffsets (key 90): how far share groups are.

use super::{ErrorCode, LeaderEpoch};
use crate::wire::{Packed, Str, Uuid};

request! {
    /// Asks the groups' coordinator where share groups stand in their partitions (KIP-932).
    ///
    /// Every version is flexible. Version 1 is for the response (KIP-1226).
    DescribeShareGroupOffsetsRequest: DESCRIBE_SHARE_GROUP_OFFSETS -> DescribeShareGroupOffsetsResponse,
        versions 0..=1, flexible 0.. {
        /// The groups, all of the one coordinator.
        groups: Vec<DescribeShareGroupOffsetsRequestGroup> { 0.. },
    }

    /// A group asked for.
    DescribeShareGroupOffsetsRequestGroup {
        /// The group's id.
        group_id: Str { 0.. },
        /// What to tell, by topic; null for every partition the group has a state for.
        topics: Option<Vec<DescribeShareGroupOffsetsRequestTopic>> { 0.., nullable 0.. },
    }

    /// A topic asked for.
    DescribeShareGroupOffsetsRequestTopic {
        /// The topic's name.
        topic_name: Str { 0.. },
        /// The partitions.
        partitions: Packed<i32> { 0.. },
    }
}

message! {
    /// Where the groups stand.
    ///
    /// Version 1 brings the lag (KIP-1226).
    DescribeShareGroupOffsetsResponse: versions 0..=1, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// Results by group.
        groups: Vec<DescribeShareGroupOffsetsResponseGroup> { 0.. },
    }

    /// A group's results.
    DescribeShareGroupOffsetsResponseGroup {
        /// The group's id.
        group_id: Str { 0.. },
        /// Results by topic.
        topics: Vec<DescribeShareGroupOffsetsResponseTopic> { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., default null },
    }

    /// A topic's results.
    DescribeShareGroupOffsetsResponseTopic {
        /// The topic's name.
        topic_name: Str { 0.. },
        /// The topic's id; zero if there is no such topic.
        topic_id: Uuid { 0.. },
        /// Results by partition.
        partitions: Vec<DescribeShareGroupOffsetsResponsePartition> { 0.. },
    }

    /// A partition's result.
    DescribeShareGroupOffsetsResponsePartition {
        /// The partition.
        partition_index: i32 { 0.. },
        /// The first offset the group is not done with: no record before it is delivered any more. -1 if
        /// the group has not begun.
        start_offset: i64 { 0.. },
        /// The partition's leader epoch, as kept with the group's state of it.
        leader_epoch: LeaderEpoch { 0.. },
        /// How many records the group is not done with, from there to the partition's end; -1 if not known.
        lag: i64 { 1.., default -1, ignorable },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., default null },
    }
}
