//! ElectLeaders (key 43): TODO

use super::ErrorCode;
use crate::wire::{Packed, Str};

request! {
    /// TODO
    ElectLeadersRequest: ELECT_LEADERS -> ElectLeadersResponse, versions 0..=2, flexible 2.. {
        /// TODO
        election_type: i8 { 1.. },
        /// TODO
        topic_partitions: Option<Vec<TopicPartitions>> { 0.., nullable 0.. },
        /// TODO
        timeout_ms: i32 { 0.., default 60000 },
    }

    /// TODO
    TopicPartitions {
        /// TODO
        topic: Str { 0.. },
        /// TODO
        partitions: Packed<i32> { 0.. },
    }
}

message! {
    /// TODO
    ElectLeadersResponse: versions 0..=2, flexible 2.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 1.. },
        /// TODO
        replica_election_results: Vec<ReplicaElectionResult> { 0.. },
    }

    /// TODO
    ReplicaElectionResult {
        /// TODO
        topic: Str { 0.. },
        /// TODO
        partition_result: Vec<PartitionResult> { 0.. },
    }

    /// TODO
    PartitionResult {
        /// TODO
        partition_id: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
    }
}
