//! DescribeQuorum (key 55): TODO

use super::{BrokerId, ErrorCode, LeaderEpoch};
use crate::wire::{Str, Uuid};

request! {
    /// TODO
    DescribeQuorumRequest: DESCRIBE_QUORUM -> DescribeQuorumResponse, versions 0..=2, flexible 0.. {
        /// TODO
        topics: Vec<TopicData> { 0.. },
    }

    /// TODO
    TopicData {
        /// The topic's name.
        topic_name: Str { 0.. },
        /// TODO
        partitions: Vec<PartitionData> { 0.. },
    }

    /// TODO
    PartitionData {
        /// The partition.
        partition_index: i32 { 0.. },
    }
}

message! {
    /// TODO
    DescribeQuorumResponse: versions 0..=2, flexible 0.. {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 2.., nullable 2.., ignorable },
        /// TODO
        topics: Vec<TopicDataResponse> { 0.. },
        /// TODO
        nodes: Vec<Node> { 2.. },
    }

    /// TODO
    TopicDataResponse {
        /// The topic's name.
        topic_name: Str { 0.. },
        /// TODO
        partitions: Vec<PartitionDataResponse> { 0.. },
    }

    /// TODO
    PartitionDataResponse {
        /// The partition.
        partition_index: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 2.., nullable 2.., ignorable },
        /// The leader, or -1.
        leader_id: BrokerId { 0.. },
        /// TODO
        leader_epoch: LeaderEpoch { 0.. },
        /// TODO
        high_watermark: i64 { 0.. },
        /// TODO
        current_voters: Vec<ReplicaState> { 0.. },
        /// TODO
        observers: Vec<ReplicaState> { 0.. },
    }

    /// TODO
    ReplicaState {
        /// TODO
        replica_id: BrokerId { 0.. },
        /// TODO
        replica_directory_id: Uuid { 2.. },
        /// TODO
        log_end_offset: i64 { 0.. },
        /// TODO
        last_fetch_timestamp: i64 { 1.., default -1, ignorable },
        /// TODO
        last_caught_up_timestamp: i64 { 1.., default -1, ignorable },
    }

    /// TODO
    Node {
        /// The broker's id.
        node_id: BrokerId { 2.. },
        /// TODO
        listeners: Vec<Listener> { 2.. },
    }

    /// TODO
    Listener {
        /// TODO
        name: Str { 2.. },
        /// Its host name or address.
        host: Str { 2.. },
        /// Its port.
        port: u16 { 2.. },
    }
}
