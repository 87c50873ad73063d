//! ShareFetch (key 78): read records for a share group, and acknowledge them.

use super::{BrokerId, ErrorCode, LeaderEpoch};
use crate::wire::{Packed, Str, Uuid};
use bytes::Bytes;

request! {
    /// Asks partition leaders for records for a member of a share group, and acknowledges records it got
    /// before; the answer waits until there are enough bytes or time is up (KIP-932).
    ///
    /// All versions are flexible. Version 0 was early access and is gone from 4.1 on. Version 1 limits what
    /// is read by records instead of by bytes of a partition. Version 2 brings the acquire mode (KIP-1206)
    /// and renewal of acquisition locks (KIP-1222).
    ///
    /// A member has a share session with each broker, which keeps the partitions to read, so that requests
    /// name only what is new and what to leave out.
    ShareFetchRequest: SHARE_FETCH -> ShareFetchResponse, versions 1..=2, flexible 0.. {
        /// The group's id; null only by the field's type, as the broker needs it.
        group_id: Option<Str> { 0.., nullable 0.., default null },
        /// The member's id, as in its ShareGroupHeartbeat; null only by the field's type.
        member_id: Option<Str> { 0.., nullable 0.. },
        /// The share session's epoch: 0 to begin one, then 1 and one more with each request, -1 to end it,
        /// which gives back the records the member still has. With 0 nothing can be acknowledged, with -1
        /// nothing is read.
        share_session_epoch: i32 { 0.. },
        /// How long the broker may wait for `min_bytes`, in ms.
        max_wait_ms: i32 { 0.. },
        /// Bytes of records the answer waits for.
        min_bytes: i32 { 0.. },
        /// Bytes of records in the whole response at most; a first batch that is larger comes nevertheless.
        max_bytes: i32 { 0.., default 2147483647 },
        /// Records to acquire at most; in acquire mode 0 a batch that is begun is acquired whole, so there
        /// may be more.
        max_records: i32 { 1.. },
        /// How many records are best in one of the `acquired_records`, which are then acknowledged
        /// together.
        batch_size: i32 { 1.. },
        /// 0 to acquire whole record batches, 1 to acquire never more than `max_records`.
        share_acquire_mode: i8 { 2.., ignorable },
        /// Whether acknowledgements of type 4, renew, are in the request. Such a request reads nothing:
        /// wait, bytes and records must be 0.
        is_renew_ack: bool { 2.. },
        /// What to read and acknowledge; in a session, what is new to it or has acknowledgements.
        topics: Vec<FetchTopic> { 0.. },
        /// What to leave out of the session from now on.
        forgotten_topics_data: Vec<ForgottenTopic> { 0.. },
    }

    /// What to read and acknowledge of a topic.
    FetchTopic {
        /// The topic's id.
        topic_id: Uuid { 0.. },
        /// What to read and acknowledge, by partition.
        partitions: Vec<FetchPartition> { 0.. },
    }

    /// What to read and acknowledge of a partition.
    FetchPartition {
        /// The partition.
        partition_index: i32 { 0.. },
        /// Bytes of records of this partition at most; 0 to acknowledge only.
        partition_max_bytes: i32 { 0..=0 },
        /// What to acknowledge.
        acknowledgement_batches: Vec<AcknowledgementBatch> { 0.. },
    }

    /// A range of offsets to acknowledge.
    AcknowledgementBatch {
        /// The first offset.
        first_offset: i64 { 0.. },
        /// The last offset, itself included.
        last_offset: i64 { 0.. },
        /// One type for all offsets, or one for each: 0 gap, there is no record; 1 accept, it is done; 2
        /// release, it may be delivered again; 3 reject, it must not be; from version 2 on 4 renew, the
        /// lock begins anew.
        acknowledge_types: Packed<i8> { 0.. },
    }

    /// What to leave out of the session.
    ForgottenTopic {
        /// The topic's id.
        topic_id: Uuid { 0.. },
        /// The partitions.
        partitions: Packed<i32> { 0.. },
    }
}

message! {
    /// Record batches with the records acquired in them, and how the acknowledgements went.
    ///
    /// Version 1 brings the time the records are locked; 2 changes no field.
    ShareFetchResponse: versions 1..=2, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong with the share session or the request as a whole.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., default null },
        /// How long the member has the acquired records to itself, in ms; after that they may be delivered
        /// again.
        acquisition_lock_timeout_ms: i32 { 1.. },
        /// Results by topic.
        responses: Vec<ShareFetchableTopicResponse> { 0.. },
        /// Where the new leaders that `current_leader` names are.
        node_endpoints: Vec<NodeEndpoint> { 0.. },
    }

    /// A topic's results.
    ShareFetchableTopicResponse {
        /// The topic's id.
        topic_id: Uuid { 0.. },
        /// Results by partition.
        partitions: Vec<PartitionData> { 0.. },
    }

    /// A partition's result.
    PartitionData {
        /// The partition.
        partition_index: i32 { 0.. },
        /// What went wrong with reading.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., default null },
        /// What went wrong with the acknowledgements; `INVALID_RECORD_STATE` if the member does not have
        /// the records, as after the lock's time.
        acknowledge_error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        acknowledge_error_message: Option<Str> { 0.., nullable 0.., default null },
        /// The leader, if the error says that the broker asked is not; else of no meaning.
        current_leader: LeaderIdAndEpoch { 0.. },
        /// The batches, as they are in the log. The member passes over records that are not in
        /// `acquired_records`. Empty, never null from version 1 on, if there are none.
        records: Option<Bytes> { 0.., nullable 0..=0, default null },
        /// The records that are the member's until it acknowledges them or the lock's time is over.
        acquired_records: Vec<AcquiredRecords> { 0.. },
    }

    /// A partition's leader.
    LeaderIdAndEpoch {
        /// The leader, or -1.
        leader_id: BrokerId { 0.. },
        /// Its epoch, or -1.
        leader_epoch: LeaderEpoch { 0.. },
    }

    /// A range of offsets whose records are acquired.
    AcquiredRecords {
        /// The first offset.
        first_offset: i64 { 0.. },
        /// The last offset, itself included.
        last_offset: i64 { 0.. },
        /// How often the records have been delivered, this time included; 1 the first time.
        delivery_count: i16 { 0.. },
    }

    /// Where a broker is.
    NodeEndpoint {
        /// The broker's id.
        node_id: BrokerId { 0.. },
        /// Its host name or address.
        host: Str { 0.. },
        /// Its port.
        port: i32 { 0.. },
        /// Its rack.
        rack: Option<Str> { 0.., nullable 0.., default null },
    }
}
