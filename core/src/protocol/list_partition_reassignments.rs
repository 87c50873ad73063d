//! ListPartitionReassignments (key 46): tell which partitions are on the move.

use super::{BrokerId, ErrorCode};
use crate::wire::{Packed, Str};

request! {
    /// Asks the controller which partitions are getting other replicas just now (KIP-455).
    ///
    /// There is only version 0, which is flexible.
    ListPartitionReassignmentsRequest: LIST_PARTITION_REASSIGNMENTS -> ListPartitionReassignmentsResponse,
        versions 0..=0, flexible 0.. {
        /// How long the controller may take, in ms.
        timeout_ms: i32 { 0.., default 60000 },
        /// The partitions asked about, by topic; null for all.
        topics: Option<Vec<ListPartitionReassignmentsTopics>> { 0.., nullable 0.., default null },
    }

    /// A topic asked about.
    ListPartitionReassignmentsTopics {
        /// The topic's name.
        name: Str { 0.. },
        /// The partitions.
        partition_indexes: Packed<i32> { 0.. },
    }
}

message! {
    /// The reassignments under way; partitions without one are left out.
    ListPartitionReassignmentsResponse: versions 0..=0, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
        /// The reassignments, by topic.
        topics: Vec<OngoingTopicReassignment> { 0.. },
    }

    /// A topic's reassignments.
    OngoingTopicReassignment {
        /// The topic's name.
        name: Str { 0.. },
        /// The reassignments, by partition.
        partitions: Vec<OngoingPartitionReassignment> { 0.. },
    }

    /// A partition's reassignment.
    OngoingPartitionReassignment {
        /// The partition.
        partition_index: i32 { 0.. },
        /// All its replicas now, those it gains and those it loses among them.
        replicas: Packed<BrokerId> { 0.. },
        /// The replicas it gains.
        adding_replicas: Packed<BrokerId> { 0.. },
        /// The replicas it loses when those it gains are in sync.
        removing_replicas: Packed<BrokerId> { 0.. },
    }
}
