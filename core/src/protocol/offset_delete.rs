//! OffsetDelete (key 47): TODO

use super::ErrorCode;
use crate::wire::Str;

request! {
    /// TODO
    OffsetDeleteRequest: OFFSET_DELETE -> OffsetDeleteResponse, versions 0..=0, flexible never {
        /// The group's id.
        group_id: Str { 0.. },
        /// TODO
        topics: Vec<OffsetDeleteRequestTopic> { 0.. },
    }

    /// TODO
    OffsetDeleteRequestTopic {
        /// TODO
        name: Str { 0.. },
        /// TODO
        partitions: Vec<OffsetDeleteRequestPartition> { 0.. },
    }

    /// TODO
    OffsetDeleteRequestPartition {
        /// The partition.
        partition_index: i32 { 0.. },
    }
}

message! {
    /// TODO
    OffsetDeleteResponse: versions 0..=0, flexible never {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.., ignorable },
        /// TODO
        topics: Vec<OffsetDeleteResponseTopic> { 0.. },
    }

    /// TODO
    OffsetDeleteResponseTopic {
        /// TODO
        name: Str { 0.. },
        /// TODO
        partitions: Vec<OffsetDeleteResponsePartition> { 0.. },
    }

    /// TODO
    OffsetDeleteResponsePartition {
        /// The partition.
        partition_index: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
    }
}
