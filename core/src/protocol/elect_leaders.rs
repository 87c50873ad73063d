//! ElectLeaders (key 43): elect leaders of partitions anew.

use super::ErrorCode;
use crate::wire::{Packed, Str};

request! {
    /// Asks the controller to elect leaders of partitions (KIP-183).
    ///
    /// Version 0 knows preferred leaders only; version 1 brings the election's type (KIP-460). Version 2 is
    /// flexible.
    ElectLeadersRequest: ELECT_LEADERS -> ElectLeadersResponse, versions 0..=2, flexible 2.. {
        /// 0 to make the preferred replica, the first in the list, leader if it is in sync; 1 to give a
        /// partition without a leader one that is alive, even if it is not in sync and records are lost
        /// (unclean). Version 0 means 0.
        election_type: i8 { 1.. },
        /// The partitions, by topic; null for all partitions there are.
        topic_partitions: Option<Vec<TopicPartitions>> { 0.., nullable 0.. },
        /// How long to wait until the elections are done, in ms.
        timeout_ms: i32 { 0.., default 60000 },
    }

    /// Partitions of a topic.
    TopicPartitions {
        /// The topic's name.
        topic: Str { 0.. },
        /// The partitions.
        partitions: Packed<i32> { 0.. },
    }
}

message! {
    /// How the elections went.
    ///
    /// Version 1 brings an error for the whole (KIP-460).
    ElectLeadersResponse: versions 0..=2, flexible 2.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong with the request as a whole.
        error_code: ErrorCode { 1.. },
        /// Results by topic. When all partitions were asked for, those that needed no election are left
        /// out.
        replica_election_results: Vec<ReplicaElectionResult> { 0.. },
    }

    /// A topic's results.
    ReplicaElectionResult {
        /// The topic's name.
        topic: Str { 0.. },
        /// Results by partition.
        partition_result: Vec<PartitionResult> { 0.. },
    }

    /// A partition's result.
    PartitionResult {
        /// The partition.
        partition_id: i32 { 0.. },
        /// What went wrong: `ELECTION_NOT_NEEDED` if it has such a leader already,
        /// `PREFERRED_LEADER_NOT_AVAILABLE` or `ELIGIBLE_LEADERS_NOT_AVAILABLE` if no replica could be
        /// elected.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
    }
}
