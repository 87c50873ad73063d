//! AlterShareGroupOffsets (key 91): TODO

use super::ErrorCode;
use crate::wire::{Str, Uuid};

request! {
    /// TODO
    AlterShareGroupOffsetsRequest: ALTER_SHARE_GROUP_OFFSETS -> AlterShareGroupOffsetsResponse, versions 0..=0, flexible 0.. {
        /// The group's id.
        group_id: Str { 0.. },
        /// TODO
        topics: Vec<AlterShareGroupOffsetsRequestTopic> { 0.. },
    }

    /// TODO
    AlterShareGroupOffsetsRequestTopic {
        /// The topic's name.
        topic_name: Str { 0.. },
        /// TODO
        partitions: Vec<AlterShareGroupOffsetsRequestPartition> { 0.. },
    }

    /// TODO
    AlterShareGroupOffsetsRequestPartition {
        /// The partition.
        partition_index: i32 { 0.. },
        /// TODO
        start_offset: i64 { 0.. },
    }
}

message! {
    /// TODO
    AlterShareGroupOffsetsResponse: versions 0..=0, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., default null },
        /// TODO
        responses: Vec<AlterShareGroupOffsetsResponseTopic> { 0.. },
    }

    /// TODO
    AlterShareGroupOffsetsResponseTopic {
        /// The topic's name.
        topic_name: Str { 0.. },
        /// The topic's id.
        topic_id: Uuid { 0.. },
        /// TODO
        partitions: Vec<AlterShareGroupOffsetsResponsePartition> { 0.. },
    }

    /// TODO
    AlterShareGroupOffsetsResponsePartition {
        /// The partition.
        partition_index: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., default null },
    }
}
