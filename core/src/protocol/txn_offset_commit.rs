//! TxnOffsetCommit (key 28): commit a group's offsets as part of a transaction.

use super::{ErrorCode, LeaderEpoch, ProducerId};
use crate::wire::Str;

request! {
    /// Asks a group's coordinator to store offsets as part of a producer's transaction: they count once the
    /// transaction commits, and never if it aborts (KIP-98).
    ///
    /// Version 1 changes nothing but when the broker throttles (KIP-219). Version 2 brings the leader epoch
    /// (KIP-320). Version 3 is flexible and states the group's member, so that one which is no longer in the
    /// group is refused (KIP-447). Version 4 can tell `TRANSACTION_ABORTABLE`, and version 5, which is for
    /// clusters whose feature `transaction.version` is 2, adds the offsets to the transaction itself, with no
    /// AddOffsetsToTxn before it (KIP-890).
    TxnOffsetCommitRequest: TXN_OFFSET_COMMIT -> TxnOffsetCommitResponse, versions 0..=5, flexible 3.. {
        /// The transactional id.
        transactional_id: Str { 0.. },
        /// The group's id.
        group_id: Str { 0.. },
        /// The producer's id.
        producer_id: ProducerId { 0.. },
        /// The producer's epoch; an old one is refused.
        producer_epoch: i16 { 0.. },
        /// The group's generation or, in a group with ConsumerGroupHeartbeat, the member's epoch; -1 for who
        /// is not a member.
        generation_id: i32 { 3.., default -1 },
        /// The member's id; empty for who is not a member.
        member_id: Str { 3.. },
        /// A static member's `group.instance.id`; null if there is none.
        group_instance_id: Option<Str> { 3.., nullable 3.., default null },
        /// The offsets, by topic.
        topics: Vec<TxnOffsetCommitRequestTopic> { 0.. },
    }

    /// Offsets in a topic.
    TxnOffsetCommitRequestTopic {
        /// The topic's name.
        name: Str { 0.. },
        /// The offsets, by partition.
        partitions: Vec<TxnOffsetCommitRequestPartition> { 0.. },
    }

    /// The offset in a partition.
    TxnOffsetCommitRequestPartition {
        /// The partition.
        partition_index: i32 { 0.. },
        /// The offset to go on reading from, one past the last record processed.
        committed_offset: i64 { 0.. },
        /// The epoch of the last record processed, or -1.
        committed_leader_epoch: LeaderEpoch { 2.., default -1, ignorable },
        /// A text to keep with the offset; null is kept as empty.
        committed_metadata: Option<Str> { 0.., nullable 0.. },
    }
}

message! {
    /// What became of each offset.
    ///
    /// No version changes a field. Version 3 is flexible and can tell `ILLEGAL_GENERATION`,
    /// `UNKNOWN_MEMBER_ID` and `FENCED_INSTANCE_ID` (KIP-447), 4 can tell `TRANSACTION_ABORTABLE` (KIP-890).
    TxnOffsetCommitResponse: versions 0..=5, flexible 3.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// Results by topic.
        topics: Vec<TxnOffsetCommitResponseTopic> { 0.. },
    }

    /// A topic's results.
    TxnOffsetCommitResponseTopic {
        /// The topic's name.
        name: Str { 0.. },
        /// Results by partition.
        partitions: Vec<TxnOffsetCommitResponsePartition> { 0.. },
    }

    /// A partition's result.
    TxnOffsetCommitResponsePartition {
        /// The partition.
        partition_index: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
    }
}
