//! ListPartitionReassignments (key 46): TODO

use super::{BrokerId, ErrorCode};
use crate::wire::{Packed, Str};

request! {
    /// TODO
    ListPartitionReassignmentsRequest: LIST_PARTITION_REASSIGNMENTS -> ListPartitionReassignmentsResponse, versions 0..=0, flexible 0.. {
        /// TODO
        timeout_ms: i32 { 0.., default 60000 },
        /// TODO
        topics: Option<Vec<ListPartitionReassignmentsTopics>> { 0.., nullable 0.., default null },
    }

    /// TODO
    ListPartitionReassignmentsTopics {
        /// TODO
        name: Str { 0.. },
        /// TODO
        partition_indexes: Packed<i32> { 0.. },
    }
}

message! {
    /// TODO
    ListPartitionReassignmentsResponse: versions 0..=0, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
        /// TODO
        topics: Vec<OngoingTopicReassignment> { 0.. },
    }

    /// TODO
    OngoingTopicReassignment {
        /// TODO
        name: Str { 0.. },
        /// TODO
        partitions: Vec<OngoingPartitionReassignment> { 0.. },
    }

    /// TODO
    OngoingPartitionReassignment {
        /// The partition.
        partition_index: i32 { 0.. },
        /// TODO
        replicas: Packed<BrokerId> { 0.. },
        /// TODO
        adding_replicas: Packed<BrokerId> { 0.. },
        /// TODO
        removing_replicas: Packed<BrokerId> { 0.. },
    }
}
