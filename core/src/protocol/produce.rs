//! Produce (key 0): append record batches.

use super::{BrokerId, ErrorCode, LeaderEpoch};
use crate::wire::{Str, Uuid};
use bytes::Bytes;

request! {
    /// Asks partition leaders to append record batches.
    ///
    /// Version 2 brings message format v1 (KIP-32), 3 message format v2 and transactions (KIP-98), 7 zstd
    /// (KIP-110). Version 9 is flexible. Version 10 lets the response name a new leader (KIP-951). Version 11
    /// can tell `TRANSACTION_ABORTABLE`, and in version 12 a transaction's first write to a partition adds it
    /// (KIP-890). Version 13 names topics by id (KIP-516). Brokers of 4.0 and later announce 0 to 2 for old
    /// clients' sake but refuse them.
    ///
    /// With `acks` 0 there is no response at all.
    ProduceRequest: PRODUCE -> ProduceResponse, versions 0..=13, flexible 9.. {
        /// The transactional id, null without transactions.
        transactional_id: Option<Str> { 3.., nullable 3.., default null },
        /// Replicas that must have the records before the leader answers: 0 none, 1 the leader, -1 all in
        /// sync.
        acks: i16 { 0.. },
        /// How long the leader may wait for the replicas, in ms.
        timeout_ms: i32 { 0.. },
        /// What to append, by topic.
        topic_data: Vec<TopicProduceData> { 0.. },
    }

    /// What to append to a topic.
    TopicProduceData {
        /// The topic's name.
        name: Str { 0..=12, ignorable },
        /// The topic's id.
        topic_id: Uuid { 13.., ignorable },
        /// What to append, by partition.
        partition_data: Vec<PartitionProduceData> { 0.. },
    }

    /// What to append to a partition.
    PartitionProduceData {
        /// The partition.
        index: i32 { 0.. },
        /// Record batches; exactly one from version 3 on.
        records: Option<Bytes> { 0.., nullable 0.., default null },
    }
}

message! {
    /// Says where the batches went, or why they did not.
    ///
    /// Version 1 brings the throttle time, 2 the append time, 5 the log's start, 8 which records are at fault
    /// (KIP-467), 10 the new leader (KIP-951), 13 topic ids.
    ProduceResponse: versions 0..=13, flexible 9.. {
        /// Results by topic.
        responses: Vec<TopicProduceResponse> { 0.. },
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 1.., ignorable },
        /// Where the new leaders that `current_leader` names are.
        node_endpoints: Vec<NodeEndpoint> { 10.., tag 0 },
    }

    /// A topic's results.
    TopicProduceResponse {
        /// The topic's name.
        name: Str { 0..=12, ignorable },
        /// The topic's id.
        topic_id: Uuid { 13.., ignorable },
        /// Results by partition.
        partition_responses: Vec<PartitionProduceResponse> { 0.. },
    }

    /// A partition's result.
    PartitionProduceResponse {
        /// The partition.
        index: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The offset of the first record appended.
        base_offset: i64 { 0.. },
        /// When the broker appended, in ms since the epoch, if the topic's timestamps are of that kind; else
        /// -1.
        log_append_time_ms: i64 { 2.., default -1, ignorable },
        /// The log's first offset.
        log_start_offset: i64 { 5.., default -1, ignorable },
        /// The records that made the broker refuse the batch.
        record_errors: Vec<BatchIndexAndErrorMessage> { 8.., ignorable },
        /// What the refused records have in common.
        error_message: Option<Str> { 8.., nullable 8.., default null, ignorable },
        /// The leader, if it is not the broker that was asked.
        current_leader: LeaderIdAndEpoch { 10.., tag 0 },
    }

    /// A record at fault.
    BatchIndexAndErrorMessage {
        /// Its index in the batch.
        batch_index: i32 { 8.. },
        /// What is wrong with it.
        batch_index_error_message: Option<Str> { 8.., nullable 8.., default null },
    }

    /// A partition's leader.
    LeaderIdAndEpoch {
        /// The leader, or -1.
        leader_id: BrokerId { 10.., default -1 },
        /// Its epoch, or -1.
        leader_epoch: LeaderEpoch { 10.., default -1 },
    }

    /// Where a broker is.
    NodeEndpoint {
        /// The broker.
        node_id: BrokerId { 10.. },
        /// Its host name or address.
        host: Str { 10.. },
        /// Its port.
        port: i32 { 10.. },
        /// Its rack.
        rack: Option<Str> { 10.., nullable 10.., default null },
    }
}
