//! DescribeTransactions (key 65): TODO

use super::{ErrorCode, ProducerId};
use crate::wire::{Packed, Str};

request! {
    /// TODO
    DescribeTransactionsRequest: DESCRIBE_TRANSACTIONS -> DescribeTransactionsResponse, versions 0..=0, flexible 0.. {
        /// TODO
        transactional_ids: Vec<Str> { 0.. },
    }
}

message! {
    /// TODO
    DescribeTransactionsResponse: versions 0..=0, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// TODO
        transaction_states: Vec<TransactionState> { 0.. },
    }

    /// TODO
    TransactionState {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The transactional id.
        transactional_id: Str { 0.. },
        /// TODO
        transaction_state: Str { 0.. },
        /// TODO
        transaction_timeout_ms: i32 { 0.. },
        /// TODO
        transaction_start_time_ms: i64 { 0.. },
        /// The producer's id.
        producer_id: ProducerId { 0.. },
        /// The producer's epoch.
        producer_epoch: i16 { 0.. },
        /// TODO
        topics: Vec<TopicData> { 0.. },
    }

    /// TODO
    TopicData {
        /// TODO
        topic: Str { 0.. },
        /// TODO
        partitions: Packed<i32> { 0.. },
    }
}
