//! ListTransactions (key 66): which transactions a broker coordinates.

use super::{ErrorCode, ProducerId};
use crate::wire::{Packed, Str};

request! {
    /// Asks a broker for the transactional ids it coordinates (KIP-664); who wants all of them asks every
    /// broker. What is listed passes every filter.
    ///
    /// Version 0 is flexible. Version 1 can select by duration (KIP-994), 2 by transactional id (KIP-1152).
    ListTransactionsRequest: LIST_TRANSACTIONS -> ListTransactionsResponse, versions 0..=2, flexible 0.. {
        /// The states asked for, empty for all: `Empty`, `Ongoing`, `PrepareCommit`, `PrepareAbort`,
        /// `CompleteCommit`, `CompleteAbort`, `PrepareEpochFence`.
        state_filters: Vec<Str> { 0.. },
        /// The producers asked for, empty for all.
        producer_id_filters: Packed<ProducerId> { 0.. },
        /// List only transactions that began longer ago than this, in ms; negative for all.
        duration_filter: i64 { 1.., default -1 },
        /// A regular expression, in RE2/J's syntax, for the transactional ids asked for; null or empty for
        /// all.
        transactional_id_pattern: Option<Str> { 2.., nullable 2.., default null },
    }
}

message! {
    /// The transactions, as far as the client may see them.
    ///
    /// Versions 1 and 2 change no field.
    ListTransactionsResponse: versions 0..=2, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// What `state_filters` names and the broker does not know.
        unknown_state_filters: Vec<Str> { 0.. },
        /// The transactions that the filters let through.
        transaction_states: Vec<TransactionState> { 0.. },
    }

    /// A transactional id and what its transaction is doing.
    TransactionState {
        /// The transactional id.
        transactional_id: Str { 0.. },
        /// The producer's id.
        producer_id: ProducerId { 0.. },
        /// The state, as in `state_filters`.
        transaction_state: Str { 0.. },
    }
}
