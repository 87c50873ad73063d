//! DescribeQuorum (key 55): tell the state of the controllers' quorum.

use super::{BrokerId, ErrorCode, LeaderEpoch};
use crate::wire::{Str, Uuid};

request! {
    /// Asks the active controller, itself or through any broker, about the quorum that keeps the metadata log
    /// (KIP-595).
    ///
    /// Versions 1 and 2 change only the response. Every version is flexible.
    DescribeQuorumRequest: DESCRIBE_QUORUM -> DescribeQuorumResponse, versions 0..=2, flexible 0.. {
        /// The log asked about: the topic `__cluster_metadata` with partition 0, and nothing else.
        topics: Vec<TopicData> { 0.. },
    }

    /// The topic asked about.
    TopicData {
        /// The topic's name.
        topic_name: Str { 0.. },
        /// Its partitions.
        partitions: Vec<PartitionData> { 0.. },
    }

    /// The partition asked about.
    PartitionData {
        /// The partition.
        partition_index: i32 { 0.. },
    }
}

message! {
    /// The quorum, as its leader sees it.
    ///
    /// Version 1 brings when replicas fetched and caught up (KIP-836), 2 messages for errors, the replicas'
    /// directories and where the voters are (KIP-853).
    DescribeQuorumResponse: versions 0..=2, flexible 0.. {
        /// What went wrong with the request as a whole.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 2.., nullable 2.., ignorable },
        /// Results by topic.
        topics: Vec<TopicDataResponse> { 0.. },
        /// Where the voters are.
        nodes: Vec<Node> { 2.. },
    }

    /// A topic's results.
    TopicDataResponse {
        /// The topic's name.
        topic_name: Str { 0.. },
        /// Results by partition.
        partitions: Vec<PartitionDataResponse> { 0.. },
    }

    /// A partition's quorum.
    PartitionDataResponse {
        /// The partition.
        partition_index: i32 { 0.. },
        /// What went wrong; `NOT_LEADER_OR_FOLLOWER` if the controller asked is not the leader.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 2.., nullable 2.., ignorable },
        /// The leader, which is the active controller, or -1.
        leader_id: BrokerId { 0.. },
        /// Its epoch.
        leader_epoch: LeaderEpoch { 0.. },
        /// One past the last offset that a majority of the voters has; -1 if not known yet.
        high_watermark: i64 { 0.. },
        /// The controllers that elect the leader and count towards the majority, the leader among them.
        current_voters: Vec<ReplicaState> { 0.. },
        /// The replicas that only follow: brokers, and controllers that are not voters.
        observers: Vec<ReplicaState> { 0.. },
    }

    /// A replica of the metadata log.
    ReplicaState {
        /// Its node id.
        replica_id: BrokerId { 0.. },
        /// The id of the directory its log is in; zero if not known.
        replica_directory_id: Uuid { 2.. },
        /// One past its last offset, as the leader knows it; -1 if not known.
        log_end_offset: i64 { 0.. },
        /// When it last fetched, by the leader's clock, in ms since the epoch; -1 if not known. The leader's
        /// own is the time of the answer, or -1.
        last_fetch_timestamp: i64 { 1.., default -1, ignorable },
        /// When it last had all that the leader had, by the leader's clock, in ms since the epoch; -1 if not
        /// known. The leader's own is the time of the answer.
        last_caught_up_timestamp: i64 { 1.., default -1, ignorable },
    }

    /// A voter's endpoints.
    Node {
        /// Its node id.
        node_id: BrokerId { 2.. },
        /// Its controller listeners.
        listeners: Vec<Listener> { 2.. },
    }

    /// Where a listener is.
    Listener {
        /// Its name, as `controller.listener.names` has it.
        name: Str { 2.. },
        /// Its host name or address.
        host: Str { 2.. },
        /// Its port.
        port: u16 { 2.. },
    }
}
