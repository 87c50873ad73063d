//! AlterPartitionReassignments (key 45): move partitions to other brokers.

use super::{BrokerId, ErrorCode};
use crate::wire::{Packed, Str};

request! {
    /// Asks the controller to begin moving partitions to other replicas, or to give up moves that are under
    /// way (KIP-455). Partitions that are not named stay as they are; ListPartitionReassignments shows the
    /// progress.
    ///
    /// Version 0 is flexible already. Version 1 can forbid that the number of replicas changes (KIP-860).
    AlterPartitionReassignmentsRequest: ALTER_PARTITION_REASSIGNMENTS -> AlterPartitionReassignmentsResponse,
        versions 0..=1, flexible 0.. {
        /// How long to wait until the moves are accepted, in ms; not until they are done.
        timeout_ms: i32 { 0.., default 60000 },
        /// Whether a partition may get more or fewer replicas than it has; if not, one that would fails
        /// with `INVALID_REPLICATION_FACTOR`.
        allow_replication_factor_change: bool { 1.., default true },
        /// What to move, by topic.
        topics: Vec<ReassignableTopic> { 0.. },
    }

    /// What to move of a topic.
    ReassignableTopic {
        /// The topic's name.
        name: Str { 0.. },
        /// What to move, by partition.
        partitions: Vec<ReassignablePartition> { 0.. },
    }

    /// A partition to move.
    ReassignablePartition {
        /// The partition.
        partition_index: i32 { 0.. },
        /// The brokers to have the replicas in the end, the preferred leader first; null to give up the
        /// move that is under way.
        replicas: Option<Packed<BrokerId>> { 0.., nullable 0.., default null },
    }
}

message! {
    /// Says which moves were accepted, or given up.
    ///
    /// Version 1 repeats whether the number of replicas might change (KIP-860).
    AlterPartitionReassignmentsResponse: versions 0..=1, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// Whether the request let partitions get more or fewer replicas.
        allow_replication_factor_change: bool { 1.., default true, ignorable },
        /// What went wrong with the request as a whole.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
        /// Results by topic.
        responses: Vec<ReassignableTopicResponse> { 0.. },
    }

    /// A topic's results.
    ReassignableTopicResponse {
        /// The topic's name.
        name: Str { 0.. },
        /// Results by partition.
        partitions: Vec<ReassignablePartitionResponse> { 0.. },
    }

    /// A partition's result.
    ReassignablePartitionResponse {
        /// The partition.
        partition_index: i32 { 0.. },
        /// What went wrong; `NO_REASSIGNMENT_IN_PROGRESS` if there was no move to give up.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
    }
}
