//! AlterShareGroupOffsets (key 91): set where a share group goes on.

use super::ErrorCode;
use crate::wire::{Str, Uuid};

request! {
    /// Asks the group's coordinator to set the start offsets of a share group that has no members
    /// (KIP-932).
    ///
    /// Version 0, the only one, is flexible.
    AlterShareGroupOffsetsRequest: ALTER_SHARE_GROUP_OFFSETS -> AlterShareGroupOffsetsResponse,
        versions 0..=0, flexible 0.. {
        /// The group's id.
        group_id: Str { 0.. },
        /// What to set, by topic.
        topics: Vec<AlterShareGroupOffsetsRequestTopic> { 0.. },
    }

    /// What to set for a topic.
    AlterShareGroupOffsetsRequestTopic {
        /// The topic's name.
        topic_name: Str { 0.. },
        /// What to set, by partition.
        partitions: Vec<AlterShareGroupOffsetsRequestPartition> { 0.. },
    }

    /// What to set for a partition.
    AlterShareGroupOffsetsRequestPartition {
        /// The partition.
        partition_index: i32 { 0.. },
        /// The share partition's start offset to be: the first one the group may deliver. What was known of
        /// single records' delivery is forgotten.
        start_offset: i64 { 0.. },
    }
}

message! {
    /// Says which start offsets were set.
    AlterShareGroupOffsetsResponse: versions 0..=0, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong with the request as a whole; `NON_EMPTY_GROUP` if the group has members.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., default null },
        /// Results by topic.
        responses: Vec<AlterShareGroupOffsetsResponseTopic> { 0.. },
    }

    /// A topic's results.
    AlterShareGroupOffsetsResponseTopic {
        /// The topic's name.
        topic_name: Str { 0.. },
        /// The topic's id.
        topic_id: Uuid { 0.. },
        /// Results by partition.
        partitions: Vec<AlterShareGroupOffsetsResponsePartition> { 0.. },
    }

    /// A partition's result.
    AlterShareGroupOffsetsResponsePartition {
        /// The partition.
        partition_index: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., default null },
    }
}
