//! AddPartitionsToTxn (key 24): add partitions to a transaction.

use super::{ErrorCode, ProducerId};
use crate::wire::{Packed, Str};

request! {
    /// Asks the transaction's coordinator to add partitions to the transaction, before the producer writes
    /// its first batch to them.
    ///
    /// Version 1 changes nothing but when the broker throttles (KIP-219). Version 2 can tell
    /// `PRODUCER_FENCED` (KIP-588). Version 3 is flexible, and the last that clients send. Version 4 is for
    /// brokers: it holds several transactions and can check without adding; 5 can tell
    /// `TRANSACTION_ABORTABLE` (KIP-890).
    ///
    /// Where Produce has version 12 and the cluster's `transaction.version` is 2, a producer needs no such
    /// request: its write adds the partition (KIP-890).
    AddPartitionsToTxnRequest: ADD_PARTITIONS_TO_TXN -> AddPartitionsToTxnResponse,
        versions 0..=5, flexible 3.. {
        /// The transactions, each with its producer and its partitions.
        transactions: Vec<AddPartitionsToTxnTransaction> { 4.. },
        /// The transactional id.
        v3_and_below_transactional_id: Str { 0..=3 },
        /// The producer's id, as InitProducerId told it.
        v3_and_below_producer_id: ProducerId { 0..=3 },
        /// The producer's epoch; a producer with an older one than the coordinator's is fenced.
        v3_and_below_producer_epoch: i16 { 0..=3 },
        /// The partitions to add, by topic.
        v3_and_below_topics: Vec<AddPartitionsToTxnTopic> { 0..=3 },
    }

    /// A transaction, as a broker that leads partitions asks about it.
    AddPartitionsToTxnTransaction {
        /// The transactional id.
        transactional_id: Str { 4.. },
        /// The producer's id.
        producer_id: ProducerId { 4.. },
        /// The producer's epoch.
        producer_epoch: i16 { 4.. },
        /// Whether to only check that the partitions are in the transaction and to add none; a leader asks so
        /// before it appends.
        verify_only: bool { 4.. },
        /// The partitions to add or to check, by topic.
        topics: Vec<AddPartitionsToTxnTopic> { 4.. },
    }

    /// Partitions of a topic.
    AddPartitionsToTxnTopic {
        /// The topic's name.
        name: Str { 0.. },
        /// The partitions.
        partitions: Packed<i32> { 0.. },
    }
}

message! {
    /// What became of each partition: of a transaction's, all were added or none.
    ///
    /// Version 4 brings results by transaction and an error for the whole.
    AddPartitionsToTxnResponse: versions 0..=5, flexible 3.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong with the request as a whole.
        error_code: ErrorCode { 4.., ignorable },
        /// Results by transaction.
        results_by_transaction: Vec<AddPartitionsToTxnResult> { 4.. },
        /// Results of the one transaction, by topic.
        results_by_topic_v3_and_below: Vec<AddPartitionsToTxnTopicResult> { 0..=3 },
    }

    /// A transaction's results.
    AddPartitionsToTxnResult {
        /// The transactional id.
        transactional_id: Str { 4.. },
        /// Results by topic.
        topic_results: Vec<AddPartitionsToTxnTopicResult> { 4.. },
    }

    /// A topic's results.
    AddPartitionsToTxnTopicResult {
        /// The topic's name.
        name: Str { 0.. },
        /// Results by partition.
        results_by_partition: Vec<AddPartitionsToTxnPartitionResult> { 0.. },
    }

    /// A partition's result.
    AddPartitionsToTxnPartitionResult {
        /// The partition.
        partition_index: i32 { 0.. },
        /// What went wrong; `OPERATION_NOT_ATTEMPTED` where it was only another partition's fault.
        partition_error_code: ErrorCode { 0.. },
    }
}
