//! AddPartitionsToTxn (key 24): TODO

use super::{ErrorCode, ProducerId};
use crate::wire::{Packed, Str};

request! {
    /// TODO
    AddPartitionsToTxnRequest: ADD_PARTITIONS_TO_TXN -> AddPartitionsToTxnResponse, versions 0..=5, flexible 3.. {
        /// TODO
        transactions: Vec<AddPartitionsToTxnTransaction> { 4.. },
        /// TODO
        v3_and_below_transactional_id: Str { 0..=3 },
        /// TODO
        v3_and_below_producer_id: ProducerId { 0..=3 },
        /// TODO
        v3_and_below_producer_epoch: i16 { 0..=3 },
        /// TODO
        v3_and_below_topics: Vec<AddPartitionsToTxnTopic> { 0..=3 },
    }

    /// TODO
    AddPartitionsToTxnTransaction {
        /// The transactional id.
        transactional_id: Str { 4.. },
        /// The producer's id.
        producer_id: ProducerId { 4.. },
        /// The producer's epoch.
        producer_epoch: i16 { 4.. },
        /// TODO
        verify_only: bool { 4.. },
        /// TODO
        topics: Vec<AddPartitionsToTxnTopic> { 4.. },
    }

    /// TODO
    AddPartitionsToTxnTopic {
        /// TODO
        name: Str { 0.. },
        /// TODO
        partitions: Packed<i32> { 0.. },
    }
}

message! {
    /// TODO
    AddPartitionsToTxnResponse: versions 0..=5, flexible 3.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 4.., ignorable },
        /// TODO
        results_by_transaction: Vec<AddPartitionsToTxnResult> { 4.. },
        /// TODO
        results_by_topic_v3_and_below: Vec<AddPartitionsToTxnTopicResult> { 0..=3 },
    }

    /// TODO
    AddPartitionsToTxnResult {
        /// The transactional id.
        transactional_id: Str { 4.. },
        /// TODO
        topic_results: Vec<AddPartitionsToTxnTopicResult> { 4.. },
    }

    /// TODO
    AddPartitionsToTxnTopicResult {
        /// TODO
        name: Str { 0.. },
        /// TODO
        results_by_partition: Vec<AddPartitionsToTxnPartitionResult> { 0.. },
    }

    /// TODO
    AddPartitionsToTxnPartitionResult {
        /// The partition.
        partition_index: i32 { 0.. },
        /// TODO
        partition_error_code: ErrorCode { 0.. },
    }
}
