//! OffsetFetch (key 9): TODO

use super::{ErrorCode, LeaderEpoch};
use crate::wire::{Packed, Str, Uuid};

request! {
    /// TODO
    OffsetFetchRequest: OFFSET_FETCH -> OffsetFetchResponse, versions 0..=10, flexible 6.. {
        /// The group's id.
        group_id: Str { 0..=7 },
        /// TODO
        topics: Option<Vec<OffsetFetchRequestTopic>> { 0..=7, nullable 2..=7 },
        /// TODO
        groups: Vec<OffsetFetchRequestGroup> { 8.. },
        /// TODO
        require_stable: bool { 7.. },
    }

    /// TODO
    OffsetFetchRequestTopic {
        /// TODO
        name: Str { 0..=7 },
        /// TODO
        partition_indexes: Packed<i32> { 0..=7 },
    }

    /// TODO
    OffsetFetchRequestGroup {
        /// The group's id.
        group_id: Str { 8.. },
        /// The member's id.
        member_id: Option<Str> { 9.., nullable 9.., default null, ignorable },
        /// TODO
        member_epoch: i32 { 9.., default -1, ignorable },
        /// TODO
        topics: Option<Vec<OffsetFetchRequestTopics>> { 8.., nullable 8.. },
    }

    /// TODO
    OffsetFetchRequestTopics {
        /// TODO
        name: Str { 8..=9, ignorable },
        /// The topic's id.
        topic_id: Uuid { 10.., ignorable },
        /// TODO
        partition_indexes: Packed<i32> { 8.. },
    }
}

message! {
    /// TODO
    OffsetFetchResponse: versions 0..=10, flexible 6.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 3.., ignorable },
        /// TODO
        topics: Vec<OffsetFetchResponseTopic> { 0..=7 },
        /// What went wrong.
        error_code: ErrorCode { 2..=7, ignorable },
        /// TODO
        groups: Vec<OffsetFetchResponseGroup> { 8.. },
    }

    /// TODO
    OffsetFetchResponseTopic {
        /// TODO
        name: Str { 0..=7 },
        /// TODO
        partitions: Vec<OffsetFetchResponsePartition> { 0..=7 },
    }

    /// TODO
    OffsetFetchResponsePartition {
        /// The partition.
        partition_index: i32 { 0..=7 },
        /// TODO
        committed_offset: i64 { 0..=7 },
        /// TODO
        committed_leader_epoch: LeaderEpoch { 5..=7, default -1, ignorable },
        /// TODO
        metadata: Option<Str> { 0..=7, nullable 0..=7 },
        /// What went wrong.
        error_code: ErrorCode { 0..=7 },
    }

    /// TODO
    OffsetFetchResponseGroup {
        /// The group's id.
        group_id: Str { 8.. },
        /// TODO
        topics: Vec<OffsetFetchResponseTopics> { 8.. },
        /// What went wrong.
        error_code: ErrorCode { 8.. },
    }

    /// TODO
    OffsetFetchResponseTopics {
        /// TODO
        name: Str { 8..=9, ignorable },
        /// The topic's id.
        topic_id: Uuid { 10.., ignorable },
        /// TODO
        partitions: Vec<OffsetFetchResponsePartitions> { 8.. },
    }

    /// TODO
    OffsetFetchResponsePartitions {
        /// The partition.
        partition_index: i32 { 8.. },
        /// TODO
        committed_offset: i64 { 8.. },
        /// TODO
        committed_leader_epoch: LeaderEpoch { 8.., default -1, ignorable },
        /// TODO
        metadata: Option<Str> { 8.., nullable 8.. },
        /// What went wrong.
        error_code: ErrorCode { 8.. },
    }
}
