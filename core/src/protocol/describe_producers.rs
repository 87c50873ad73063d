//! DescribeProducers (key 61): tell who writes to partitions.

use super::{ErrorCode, ProducerId};
use crate::wire::{Packed, Str};

request! {
    /// Asks partition leaders which idempotent and transactional producers they remember, mostly to find
    /// transactions that hang (KIP-664). Other replicas answer too, from their own logs.
    ///
    /// There is only version 0, which is flexible.
    DescribeProducersRequest: DESCRIBE_PRODUCERS -> DescribeProducersResponse, versions 0..=0, flexible 0.. {
        /// The partitions asked about, by topic.
        topics: Vec<TopicRequest> { 0.. },
    }

    /// A topic asked about.
    TopicRequest {
        /// The topic's name.
        name: Str { 0.. },
        /// The partitions.
        partition_indexes: Packed<i32> { 0.. },
    }
}

message! {
    /// The producers of each partition.
    DescribeProducersResponse: versions 0..=0, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// Results by topic.
        topics: Vec<TopicResponse> { 0.. },
    }

    /// A topic's results.
    TopicResponse {
        /// The topic's name.
        name: Str { 0.. },
        /// Results by partition.
        partitions: Vec<PartitionResponse> { 0.. },
    }

    /// A partition's result.
    PartitionResponse {
        /// The partition.
        partition_index: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., default null },
        /// The producers that have written to it and are not yet forgotten (`producer.id.expiration.ms`).
        active_producers: Vec<ProducerState> { 0.. },
    }

    /// What a replica remembers of a producer.
    ProducerState {
        /// The producer's id.
        producer_id: ProducerId { 0.. },
        /// The producer's epoch; an int32 here, though an int16 everywhere else.
        producer_epoch: i32 { 0.. },
        /// The sequence number of the last record it wrote under this epoch, or -1.
        last_sequence: i32 { 0.., default -1 },
        /// The timestamp of its last batch or marker, in ms since the epoch, or -1.
        last_timestamp: i64 { 0.., default -1 },
        /// The epoch of the transaction coordinator that sent its last marker, or -1.
        coordinator_epoch: i32 { 0.. },
        /// The first offset of its open transaction in the partition; -1 if it has none.
        current_txn_start_offset: i64 { 0.., default -1 },
    }
}
