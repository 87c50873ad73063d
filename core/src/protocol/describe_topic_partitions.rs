//! DescribeTopicPartitions (key 75): partitions of topics, page by page.

use super::{BrokerId, ErrorCode, LeaderEpoch};
use crate::wire::{Packed, Str, Uuid};

request! {
    /// Asks any broker for topics and their partitions, as Metadata does, but in pages and with the
    /// replicas that are eligible as leaders (KIP-966). Topics come in the order of their names.
    ///
    /// Version 0, the only one, is flexible.
    DescribeTopicPartitionsRequest: DESCRIBE_TOPIC_PARTITIONS -> DescribeTopicPartitionsResponse,
        versions 0..=0, flexible 0.. {
        /// The topics asked for; empty for all.
        topics: Vec<TopicRequest> { 0.. },
        /// Partitions in the response at most; the broker may have a lower limit of its own.
        response_partition_limit: i32 { 0.., default 2000 },
        /// Where to begin: `next_cursor` of the page before, null for the first page. Its topic must be one
        /// of `topics`, unless all are asked for.
        cursor: Option<Cursor> { 0.., nullable 0.., default null },
    }

    /// A topic asked for.
    TopicRequest {
        /// The topic's name.
        name: Str { 0.. },
    }

    /// A place in the list of partitions.
    Cursor {
        /// The topic to begin with.
        topic_name: Str { 0.. },
        /// The partition of it to begin with.
        partition_index: i32 { 0.. },
    }
}

message! {
    /// A page of topics, as the broker asked knows them.
    DescribeTopicPartitionsResponse: versions 0..=0, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.., ignorable },
        /// The topics; the last one may go on in the next page.
        topics: Vec<DescribeTopicPartitionsResponseTopic> { 0.. },
        /// Where the next page begins; null if this is the last one.
        next_cursor: Option<Cursor> { 0.., nullable 0.., default null },
    }

    /// A topic.
    DescribeTopicPartitionsResponseTopic {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The topic's name. It may be null on the wire, though topics are asked for by name.
        name: Option<Str> { 0.., nullable 0.. },
        /// The topic's id; zero if it does not exist or the client may not see it.
        topic_id: Uuid { 0.., ignorable },
        /// Whether it is one of Kafka's own.
        is_internal: bool { 0.., ignorable },
        /// Its partitions, as far as they are in this page.
        partitions: Vec<DescribeTopicPartitionsResponsePartition> { 0.. },
        /// What the client may do to it, as bits by operation; `i32::MIN` if it is not told.
        topic_authorized_operations: i32 { 0.., default -2147483648 },
    }

    /// A partition.
    DescribeTopicPartitionsResponsePartition {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The partition.
        partition_index: i32 { 0.. },
        /// The leader, or -1.
        leader_id: BrokerId { 0.. },
        /// Its epoch, or -1.
        leader_epoch: LeaderEpoch { 0.., default -1, ignorable },
        /// The replicas, the preferred leader first.
        replica_nodes: Packed<BrokerId> { 0.. },
        /// The replicas in sync.
        isr_nodes: Packed<BrokerId> { 0.. },
        /// Replicas out of sync that nevertheless have everything up to the high watermark, and so may lead
        /// without loss; null or empty if there are none.
        eligible_leader_replicas: Option<Packed<BrokerId>> { 0.., nullable 0.., default null },
        /// Replicas to turn to when none is eligible any more, as they last were or last led; null or empty
        /// if there are none.
        last_known_elr: Option<Packed<BrokerId>> { 0.., nullable 0.., default null },
        /// The replicas that are offline.
        offline_replicas: Packed<BrokerId> { 0.., ignorable },
    }
}
