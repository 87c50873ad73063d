//! DescribeTransactions (key 65): tell the state of transactions.

use super::{ErrorCode, ProducerId};
use crate::wire::{Packed, Str};

request! {
    /// Asks the coordinator of transactional ids how their transactions stand (KIP-664).
    ///
    /// There is only version 0, which is flexible.
    DescribeTransactionsRequest: DESCRIBE_TRANSACTIONS -> DescribeTransactionsResponse,
        versions 0..=0, flexible 0.. {
        /// The transactional ids, all of which the broker asked must coordinate.
        transactional_ids: Vec<Str> { 0.. },
    }
}

message! {
    /// The state of each transaction.
    DescribeTransactionsResponse: versions 0..=0, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// Results by transactional id.
        transaction_states: Vec<TransactionState> { 0.. },
    }

    /// A transactional id's state.
    TransactionState {
        /// What went wrong; `TRANSACTIONAL_ID_NOT_FOUND` if the coordinator does not know the id.
        error_code: ErrorCode { 0.. },
        /// The transactional id.
        transactional_id: Str { 0.. },
        /// How it stands: `Empty`, `Ongoing`, `PrepareCommit`, `PrepareAbort`, `CompleteCommit`,
        /// `CompleteAbort`, `PrepareEpochFence` or `Dead`.
        transaction_state: Str { 0.. },
        /// How long a transaction may stay open before the coordinator aborts it, in ms.
        transaction_timeout_ms: i32 { 0.. },
        /// When the latest transaction began, in ms since the epoch; -1 if none has since the producer got
        /// its id and epoch.
        transaction_start_time_ms: i64 { 0.. },
        /// The producer's id.
        producer_id: ProducerId { 0.. },
        /// The producer's epoch.
        producer_epoch: i16 { 0.. },
        /// The partitions in the open transaction, by topic; while it commits or aborts, those whose marker
        /// is not written yet.
        topics: Vec<TopicData> { 0.. },
    }

    /// A topic's partitions in the transaction.
    TopicData {
        /// The topic's name.
        topic: Str { 0.. },
        /// The partitions.
        partitions: Packed<i32> { 0.. },
    }
}
