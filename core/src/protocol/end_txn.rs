//! EndTxn (key 26): commit or abort a transaction.

use super::{ErrorCode, ProducerId};
use crate::wire::Str;

request! {
    /// Asks the transaction's coordinator to commit or to abort (KIP-98). The answer comes once the decision
    /// is stored; the markers in the partitions follow, and until they are written the next transaction may
    /// get `CONCURRENT_TRANSACTIONS`.
    ///
    /// Version 1 changes nothing but when the broker throttles (KIP-219). Version 2 can tell
    /// `PRODUCER_FENCED` (KIP-588). Version 3 is flexible. Version 4 can tell `TRANSACTION_ABORTABLE`, and
    /// with version 5, which is for clusters whose feature `transaction.version` is 2, every transaction
    /// raises the producer's epoch, so that a late request cannot end a later transaction (KIP-890).
    EndTxnRequest: END_TXN -> EndTxnResponse, versions 0..=5, flexible 3.. {
        /// The transactional id.
        transactional_id: Str { 0.. },
        /// The producer's id.
        producer_id: ProducerId { 0.. },
        /// The producer's epoch; an old one is refused.
        producer_epoch: i16 { 0.. },
        /// Whether to commit (true) or to abort (false).
        committed: bool { 0.. },
    }
}

message! {
    /// Says whether the decision is stored.
    ///
    /// Version 5 tells the producer id and epoch for the next transaction (KIP-890).
    EndTxnResponse: versions 0..=5, flexible 3.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The producer id to go on with, a new one where the old one's epochs are used up; -1 with an error.
        producer_id: ProducerId { 5.., default -1, ignorable },
        /// The epoch to go on with; -1 with an error.
        producer_epoch: i16 { 5.., default -1, ignorable },
    }
}
