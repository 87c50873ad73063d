//! DescribeTopicPartitions (key 75): TODO

use super::{BrokerId, ErrorCode, LeaderEpoch};
use crate::wire::{Packed, Str, Uuid};

request! {
    /// TODO
    DescribeTopicPartitionsRequest: DESCRIBE_TOPIC_PARTITIONS -> DescribeTopicPartitionsResponse, versions 0..=0, flexible 0.. {
        /// TODO
        topics: Vec<TopicRequest> { 0.. },
        /// TODO
        response_partition_limit: i32 { 0.., default 2000 },
        /// TODO
        cursor: Option<Cursor> { 0.., nullable 0.., default null },
    }

    /// TODO
    TopicRequest {
        /// TODO
        name: Str { 0.. },
    }

    /// TODO
    Cursor {
        /// The topic's name.
        topic_name: Str { 0.. },
        /// The partition.
        partition_index: i32 { 0.. },
    }
}

message! {
    /// TODO
    DescribeTopicPartitionsResponse: versions 0..=0, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.., ignorable },
        /// TODO
        topics: Vec<DescribeTopicPartitionsResponseTopic> { 0.. },
        /// TODO
        next_cursor: Option<Cursor> { 0.., nullable 0.., default null },
    }

    /// TODO
    DescribeTopicPartitionsResponseTopic {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// TODO
        name: Option<Str> { 0.., nullable 0.. },
        /// The topic's id.
        topic_id: Uuid { 0.., ignorable },
        /// TODO
        is_internal: bool { 0.., ignorable },
        /// TODO
        partitions: Vec<DescribeTopicPartitionsResponsePartition> { 0.. },
        /// TODO
        topic_authorized_operations: i32 { 0.., default -2147483648 },
    }

    /// TODO
    DescribeTopicPartitionsResponsePartition {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The partition.
        partition_index: i32 { 0.. },
        /// The leader, or -1.
        leader_id: BrokerId { 0.. },
        /// TODO
        leader_epoch: LeaderEpoch { 0.., default -1, ignorable },
        /// TODO
        replica_nodes: Packed<BrokerId> { 0.. },
        /// TODO
        isr_nodes: Packed<BrokerId> { 0.. },
        /// TODO
        eligible_leader_replicas: Option<Packed<BrokerId>> { 0.., nullable 0.., default null },
        /// TODO
        last_known_elr: Option<Packed<BrokerId>> { 0.., nullable 0.., default null },
        /// TODO
        offline_replicas: Packed<BrokerId> { 0.., ignorable },
    }
}
