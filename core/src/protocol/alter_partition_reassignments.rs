//! AlterPartitionReassignments (key 45): TODO

use super::{BrokerId, ErrorCode};
use crate::wire::{Packed, Str};

request! {
    /// TODO
    AlterPartitionReassignmentsRequest: ALTER_PARTITION_REASSIGNMENTS -> AlterPartitionReassignmentsResponse, versions 0..=1, flexible 0.. {
        /// TODO
        timeout_ms: i32 { 0.., default 60000 },
        /// TODO
        allow_replication_factor_change: bool { 1.., default true },
        /// TODO
        topics: Vec<ReassignableTopic> { 0.. },
    }

    /// TODO
    ReassignableTopic {
        /// TODO
        name: Str { 0.. },
        /// TODO
        partitions: Vec<ReassignablePartition> { 0.. },
    }

    /// TODO
    ReassignablePartition {
        /// The partition.
        partition_index: i32 { 0.. },
        /// TODO
        replicas: Option<Packed<BrokerId>> { 0.., nullable 0.., default null },
    }
}

message! {
    /// TODO
    AlterPartitionReassignmentsResponse: versions 0..=1, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// TODO
        allow_replication_factor_change: bool { 1.., default true, ignorable },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
        /// TODO
        responses: Vec<ReassignableTopicResponse> { 0.. },
    }

    /// TODO
    ReassignableTopicResponse {
        /// TODO
        name: Str { 0.. },
        /// TODO
        partitions: Vec<ReassignablePartitionResponse> { 0.. },
    }

    /// TODO
    ReassignablePartitionResponse {
        /// The partition.
        partition_index: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
    }
}
