//! OffsetDelete (key 47): delete offsets that a group has committed.

use super::ErrorCode;
use crate::wire::Str;

request! {
    /// Asks the group's coordinator to delete the group's committed offsets of partitions (KIP-496). As
    /// long as the group subscribes to a topic, the offsets in it stay.
    ///
    /// Version 0, the only one, is not flexible.
    OffsetDeleteRequest: OFFSET_DELETE -> OffsetDeleteResponse, versions 0..=0, flexible never {
        /// The group's id.
        group_id: Str { 0.. },
        /// What to delete, by topic.
        topics: Vec<OffsetDeleteRequestTopic> { 0.. },
    }

    /// What to delete of a topic.
    OffsetDeleteRequestTopic {
        /// The topic's name.
        name: Str { 0.. },
        /// The partitions.
        partitions: Vec<OffsetDeleteRequestPartition> { 0.. },
    }

    /// A partition whose offset is to be deleted.
    OffsetDeleteRequestPartition {
        /// The partition.
        partition_index: i32 { 0.. },
    }
}

message! {
    /// Says which offsets are deleted.
    OffsetDeleteResponse: versions 0..=0, flexible never {
        /// What went wrong with the request as a whole; then there are no topics.
        error_code: ErrorCode { 0.. },
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.., ignorable },
        /// Results by topic.
        topics: Vec<OffsetDeleteResponseTopic> { 0.. },
    }

    /// A topic's results.
    OffsetDeleteResponseTopic {
        /// The topic's name.
        name: Str { 0.. },
        /// Results by partition.
        partitions: Vec<OffsetDeleteResponsePartition> { 0.. },
    }

    /// A partition's result.
    OffsetDeleteResponsePartition {
        /// The partition.
        partition_index: i32 { 0.. },
        /// What went wrong; `GROUP_SUBSCRIBED_TO_TOPIC` if the group still subscribes to the topic.
        error_code: ErrorCode { 0.. },
    }
}
