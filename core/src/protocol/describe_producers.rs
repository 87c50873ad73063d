//! DescribeProducers (key 61): TODO

use super::{ErrorCode, ProducerId};
use crate::wire::{Packed, Str};

request! {
    /// TODO
    DescribeProducersRequest: DESCRIBE_PRODUCERS -> DescribeProducersResponse, versions 0..=0, flexible 0.. {
        /// TODO
        topics: Vec<TopicRequest> { 0.. },
    }

    /// TODO
    TopicRequest {
        /// TODO
        name: Str { 0.. },
        /// TODO
        partition_indexes: Packed<i32> { 0.. },
    }
}

message! {
    /// TODO
    DescribeProducersResponse: versions 0..=0, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// TODO
        topics: Vec<TopicResponse> { 0.. },
    }

    /// TODO
    TopicResponse {
        /// TODO
        name: Str { 0.. },
        /// TODO
        partitions: Vec<PartitionResponse> { 0.. },
    }

    /// TODO
    PartitionResponse {
        /// The partition.
        partition_index: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., default null },
        /// TODO
        active_producers: Vec<ProducerState> { 0.. },
    }

    /// TODO
    ProducerState {
        /// The producer's id.
        producer_id: ProducerId { 0.. },
        /// The producer's epoch.
        producer_epoch: i32 { 0.. },
        /// TODO
        last_sequence: i32 { 0.., default -1 },
        /// TODO
        last_timestamp: i64 { 0.., default -1 },
        /// TODO
        coordinator_epoch: i32 { 0.. },
        /// TODO
        current_txn_start_offset: i64 { 0.., default -1 },
    }
}
