//! ListTransactions (key 66): TODO

use super::{ErrorCode, ProducerId};
use crate::wire::{Packed, Str};

request! {
    /// TODO
    ListTransactionsRequest: LIST_TRANSACTIONS -> ListTransactionsResponse, versions 0..=2, flexible 0.. {
        /// TODO
        state_filters: Vec<Str> { 0.. },
        /// TODO
        producer_id_filters: Packed<ProducerId> { 0.. },
        /// TODO
        duration_filter: i64 { 1.., default -1 },
        /// TODO
        transactional_id_pattern: Option<Str> { 2.., nullable 2.., default null },
    }
}

message! {
    /// TODO
    ListTransactionsResponse: versions 0..=2, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// TODO
        unknown_state_filters: Vec<Str> { 0.. },
        /// TODO
        transaction_states: Vec<TransactionState> { 0.. },
    }

    /// TODO
    TransactionState {
        /// The transactional id.
        transactional_id: Str { 0.. },
        /// The producer's id.
        producer_id: ProducerId { 0.. },
        /// TODO
        transaction_state: Str { 0.. },
    }
}
