//! InitProducerId (key 22): become an idempotent or transactional producer.

use super::{ErrorCode, ProducerId};
use crate::wire::Str;

request! {
    /// Asks for a producer id: any broker without a transactional id, else the transaction coordinator, which
    /// then fences older instances and ends what they left open.
    ///
    /// Version 2 is flexible. Version 3 lets a producer go on after an error with a higher epoch (KIP-360).
    /// Version 4 can tell `PRODUCER_FENCED` (KIP-588), 5 errors of transactions precisely (KIP-890). Version
    /// 6, two-phase commit (KIP-939), is not final in 4.3.
    InitProducerIdRequest: INIT_PRODUCER_ID -> InitProducerIdResponse,
        versions 0..=6, flexible 2.., stable 5 {
        /// The transactional id, null without transactions.
        transactional_id: Option<Str> { 0.., nullable 0.. },
        /// How long a transaction may stay open before the coordinator aborts it, in ms.
        transaction_timeout_ms: i32 { 0.. },
        /// The producer id to go on with, or -1.
        producer_id: ProducerId { 3.., default -1 },
        /// The epoch it has so far, or -1.
        producer_epoch: i16 { 3.., default -1 },
        /// Whether the producer takes part in two-phase commits.
        enable2_pc: bool { 6.. },
        /// Whether a transaction that is prepared stays so.
        keep_prepared_txn: bool { 6.. },
    }
}

message! {
    /// The producer id.
    ///
    /// Version 6 tells the transaction that was kept.
    InitProducerIdResponse: versions 0..=6, flexible 2.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.., ignorable },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The producer id.
        producer_id: ProducerId { 0.., default -1 },
        /// Its epoch.
        producer_epoch: i16 { 0.. },
        /// The producer id of the transaction that was kept, or -1.
        ongoing_txn_producer_id: ProducerId { 6.., default -1 },
        /// The epoch of the transaction that was kept, or -1.
        ongoing_txn_producer_epoch: i16 { 6.., default -1 },
    }
}
