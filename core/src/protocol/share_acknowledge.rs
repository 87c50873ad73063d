//! ShareAcknowledge (key 79): say what became of records a share group acquired.

use super::{BrokerId, ErrorCode, LeaderEpoch};
use crate::wire::{Packed, Str, Uuid};

request! {
    /// Tells partition leaders what became of records that a member of a share group acquired (KIP-932), in
    /// the share session that a ShareFetch began. A ShareFetch can carry acknowledgements as well; this
    /// request is for when nothing is to be fetched.
    ///
    /// Version 0 was early access in 3.9 and 4.0 and is gone. All versions are flexible. Version 2 can renew
    /// locks (KIP-1222).
    ShareAcknowledgeRequest: SHARE_ACKNOWLEDGE -> ShareAcknowledgeResponse, versions 1..=2, flexible 0.. {
        /// The group's id.
        group_id: Option<Str> { 0.., nullable 0.., default null },
        /// The member's id.
        member_id: Option<Str> { 0.., nullable 0.. },
        /// The share session's epoch: one more than in the request before, or -1 to end the session, by which
        /// the member also releases all it still holds. 0, which begins one, is refused here.
        share_session_epoch: i32 { 0.. },
        /// Whether there are acknowledgements of type 4, renew.
        is_renew_ack: bool { 2.. },
        /// What became of records, by topic.
        topics: Vec<AcknowledgeTopic> { 0.. },
    }

    /// What became of a topic's records.
    AcknowledgeTopic {
        /// The topic's id.
        topic_id: Uuid { 0.. },
        /// What became of records, by partition.
        partitions: Vec<AcknowledgePartition> { 0.. },
    }

    /// What became of a partition's records.
    AcknowledgePartition {
        /// The partition.
        partition_index: i32 { 0.. },
        /// What became of records, by ranges of offsets that rise and do not overlap.
        acknowledgement_batches: Vec<AcknowledgementBatch> { 0.. },
    }

    /// What became of the records in a range of offsets.
    AcknowledgementBatch {
        /// The range's first offset.
        first_offset: i64 { 0.. },
        /// The range's last offset, itself included.
        last_offset: i64 { 0.. },
        /// One for the whole range or one for each offset in it: 0 gap (there is no record), 1 accept, 2
        /// release (deliver it again), 3 reject (never deliver it again), 4 renew (lock it for longer, since
        /// version 2).
        acknowledge_types: Packed<i8> { 0.. },
    }
}

message! {
    /// Says which acknowledgements the leader took.
    ///
    /// Version 2 tells how long locks last (KIP-1222).
    ShareAcknowledgeResponse: versions 1..=2, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong with the session or the request as a whole.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., default null },
        /// How long acquired records stay locked for a member, in ms.
        acquisition_lock_timeout_ms: i32 { 2.., ignorable },
        /// Results by topic.
        responses: Vec<ShareAcknowledgeTopicResponse> { 0.. },
        /// Where the new leaders that `current_leader` names are.
        node_endpoints: Vec<NodeEndpoint> { 0.. },
    }

    /// A topic's results.
    ShareAcknowledgeTopicResponse {
        /// The topic's id.
        topic_id: Uuid { 0.. },
        /// Results by partition.
        partitions: Vec<PartitionData> { 0.. },
    }

    /// A partition's result.
    PartitionData {
        /// The partition.
        partition_index: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., default null },
        /// The leader, if the error is `NOT_LEADER_OR_FOLLOWER` or `FENCED_LEADER_EPOCH`; else of no meaning.
        current_leader: LeaderIdAndEpoch { 0.. },
    }

    /// A partition's leader.
    LeaderIdAndEpoch {
        /// The leader, or -1.
        leader_id: BrokerId { 0.. },
        /// Its epoch, or -1.
        leader_epoch: LeaderEpoch { 0.. },
    }

    /// Where a broker is.
    NodeEndpoint {
        /// The broker.
        node_id: BrokerId { 0.. },
        /// Its host name or address.
        host: Str { 0.. },
        /// Its port.
        port: i32 { 0.. },
        /// Its rack; null if it has none.
        rack: Option<Str> { 0.., nullable 0.., default null },
    }
}
