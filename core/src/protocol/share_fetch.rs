//! ShareFetch (key 78): TODO

use super::{BrokerId, ErrorCode, LeaderEpoch};
use crate::wire::{Packed, Str, Uuid};
use bytes::Bytes;

request! {
    /// TODO
    ShareFetchRequest: SHARE_FETCH -> ShareFetchResponse, versions 1..=2, flexible 0.. {
        /// The group's id.
        group_id: Option<Str> { 0.., nullable 0.., default null },
        /// The member's id.
        member_id: Option<Str> { 0.., nullable 0.. },
        /// TODO
        share_session_epoch: i32 { 0.. },
        /// TODO
        max_wait_ms: i32 { 0.. },
        /// TODO
        min_bytes: i32 { 0.. },
        /// TODO
        max_bytes: i32 { 0.., default 2147483647 },
        /// TODO
        max_records: i32 { 1.. },
        /// TODO
        batch_size: i32 { 1.. },
        /// TODO
        share_acquire_mode: i8 { 2.., ignorable },
        /// TODO
        is_renew_ack: bool { 2.. },
        /// TODO
        topics: Vec<FetchTopic> { 0.. },
        /// TODO
        forgotten_topics_data: Vec<ForgottenTopic> { 0.. },
    }

    /// TODO
    FetchTopic {
        /// The topic's id.
        topic_id: Uuid { 0.. },
        /// TODO
        partitions: Vec<FetchPartition> { 0.. },
    }

    /// TODO
    FetchPartition {
        /// The partition.
        partition_index: i32 { 0.. },
        /// TODO
        partition_max_bytes: i32 { 0..=0 },
        /// TODO
        acknowledgement_batches: Vec<AcknowledgementBatch> { 0.. },
    }

    /// TODO
    AcknowledgementBatch {
        /// TODO
        first_offset: i64 { 0.. },
        /// TODO
        last_offset: i64 { 0.. },
        /// TODO
        acknowledge_types: Packed<i8> { 0.. },
    }

    /// TODO
    ForgottenTopic {
        /// The topic's id.
        topic_id: Uuid { 0.. },
        /// TODO
        partitions: Packed<i32> { 0.. },
    }
}

message! {
    /// TODO
    ShareFetchResponse: versions 1..=2, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., default null },
        /// TODO
        acquisition_lock_timeout_ms: i32 { 1.. },
        /// TODO
        responses: Vec<ShareFetchableTopicResponse> { 0.. },
        /// TODO
        node_endpoints: Vec<NodeEndpoint> { 0.. },
    }

    /// TODO
    ShareFetchableTopicResponse {
        /// The topic's id.
        topic_id: Uuid { 0.. },
        /// TODO
        partitions: Vec<PartitionData> { 0.. },
    }

    /// TODO
    PartitionData {
        /// The partition.
        partition_index: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., default null },
        /// TODO
        acknowledge_error_code: ErrorCode { 0.. },
        /// TODO
        acknowledge_error_message: Option<Str> { 0.., nullable 0.., default null },
        /// TODO
        current_leader: LeaderIdAndEpoch { 0.. },
        /// TODO
        records: Option<Bytes> { 0.., nullable 0..=0, default null },
        /// TODO
        acquired_records: Vec<AcquiredRecords> { 0.. },
    }

    /// TODO
    LeaderIdAndEpoch {
        /// The leader, or -1.
        leader_id: BrokerId { 0.. },
        /// TODO
        leader_epoch: LeaderEpoch { 0.. },
    }

    /// TODO
    AcquiredRecords {
        /// TODO
        first_offset: i64 { 0.. },
        /// TODO
        last_offset: i64 { 0.. },
        /// TODO
        delivery_count: i16 { 0.. },
    }

    /// TODO
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
