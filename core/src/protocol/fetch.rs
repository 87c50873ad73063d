//! Fetch (key 1): read record batches.

use super::{BrokerId, ErrorCode, LeaderEpoch, ProducerId};
use crate::wire::{Packed, Str, Uuid};
use bytes::Bytes;

request! {
    /// Asks for record batches from offsets on; the answer waits until there are enough bytes or time is up.
    ///
    /// Version 3 bounds the whole response (KIP-74), 4 brings the isolation level (KIP-98), 5 the log's
    /// start, 7 sessions, in which only changes are told (KIP-227), 9 the leader epoch (KIP-320), 10 zstd
    /// (KIP-110), 11 racks, to read from the closest replica (KIP-392). Version 12 is flexible and lets the
    /// broker tell a diverging epoch (KIP-595); 13 names topics by id (KIP-516); 14 changes nothing but what
    /// a broker may answer on tiered storage (KIP-405); 15 moves the replica's id into a tag (KIP-903); 16
    /// lets the response name a new leader (KIP-951); 17 and 18 are for replicas (KIP-853, KIP-1166).
    FetchRequest: FETCH -> FetchResponse, versions 0..=18, flexible 12.. {
        /// The cluster's id, which replicas state.
        cluster_id: Option<Str> { 12.., nullable 12.., tag 0, default null, ignorable },
        /// The replica that asks; -1 for a consumer.
        replica_id: BrokerId { 0..=14, default -1 },
        /// The replica that asks.
        replica_state: ReplicaState { 15.., tag 1 },
        /// How long the broker may wait for `min_bytes`, in ms.
        max_wait_ms: i32 { 0.. },
        /// Bytes of records the answer waits for.
        min_bytes: i32 { 0.. },
        /// Bytes of records in the whole response at most; a first batch that is larger comes nevertheless.
        max_bytes: i32 { 3.., default 2147483647, ignorable },
        /// 0 to read everything, 1 to read what is committed, up to the last stable offset.
        isolation_level: i8 { 4.., ignorable },
        /// The fetch session, 0 for none yet.
        session_id: i32 { 7.., ignorable },
        /// The session's epoch: 0 to begin one, -1 to do without or to end it.
        session_epoch: i32 { 7.., default -1, ignorable },
        /// What to read; in a session, what is new or changed.
        topics: Vec<FetchTopic> { 0.. },
        /// What to leave out of the session from now on.
        forgotten_topics_data: Vec<ForgottenTopic> { 7.. },
        /// The client's rack.
        rack_id: Str { 11.., ignorable },
    }

    /// The replica that asks.
    ReplicaState {
        /// Its broker id; -1 for a consumer.
        replica_id: BrokerId { 15.., default -1 },
        /// Its epoch, or -1.
        replica_epoch: i64 { 15.., default -1 },
    }

    /// What to read of a topic.
    FetchTopic {
        /// The topic's name.
        topic: Str { 0..=12, ignorable },
        /// The topic's id.
        topic_id: Uuid { 13.., ignorable },
        /// What to read, by partition.
        partitions: Vec<FetchPartition> { 0.. },
    }

    /// What to read of a partition.
    FetchPartition {
        /// The partition.
        partition: i32 { 0.. },
        /// The leader's epoch as the client knows it, or -1.
        current_leader_epoch: LeaderEpoch { 9.., default -1, ignorable },
        /// The offset to read from.
        fetch_offset: i64 { 0.. },
        /// The epoch of the last record read, or -1.
        last_fetched_epoch: LeaderEpoch { 12.., default -1 },
        /// The first offset of the replica that asks; -1 for a consumer.
        log_start_offset: i64 { 5.., default -1, ignorable },
        /// Bytes of records of this partition at most, with the exception that `max_bytes` has.
        partition_max_bytes: i32 { 0.. },
        /// The log directory's id of the replica that asks.
        replica_directory_id: Uuid { 17.., tag 0, ignorable },
        /// The high watermark as the replica that asks knows it.
        high_watermark: i64 { 18.., tag 1, default 9223372036854775807, ignorable },
    }

    /// What to leave out of the session.
    ForgottenTopic {
        /// The topic's name.
        topic: Str { 7..=12, ignorable },
        /// The topic's id.
        topic_id: Uuid { 13.., ignorable },
        /// The partitions.
        partitions: Packed<i32> { 7.. },
    }
}

message! {
    /// Record batches, as they are in the log: a first one may begin before the offset asked for, a last one
    /// may be cut short.
    ///
    /// Version 1 brings the throttle time, 4 the last stable offset and aborted transactions, 5 the log's
    /// start, 7 sessions, 11 the replica to rather read from, 12 diverging epoch, leader and snapshot, 13
    /// topic ids, 16 where leaders are.
    FetchResponse: versions 0..=18, flexible 12.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 1.., ignorable },
        /// What went wrong with the session or the request as a whole.
        error_code: ErrorCode { 7.., ignorable },
        /// The session, 0 if there is none.
        session_id: i32 { 7.. },
        /// Results by topic; in a session, only partitions with something to tell.
        responses: Vec<FetchableTopicResponse> { 0.. },
        /// Where the new leaders that `current_leader` names are.
        node_endpoints: Vec<NodeEndpoint> { 16.., tag 0 },
    }

    /// A topic's results.
    FetchableTopicResponse {
        /// The topic's name.
        topic: Str { 0..=12, ignorable },
        /// The topic's id.
        topic_id: Uuid { 13.., ignorable },
        /// Results by partition.
        partitions: Vec<PartitionData> { 0.. },
    }

    /// A partition's result.
    PartitionData {
        /// The partition.
        partition_index: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// One past the last offset that all replicas in sync have.
        high_watermark: i64 { 0.. },
        /// The first offset of the oldest open transaction, or the high watermark.
        last_stable_offset: i64 { 4.., default -1, ignorable },
        /// The log's first offset.
        log_start_offset: i64 { 5.., default -1, ignorable },
        /// Where the log parts from what the client has read.
        diverging_epoch: EpochEndOffset { 12.., tag 0 },
        /// The leader, if it is not the broker that was asked or has another epoch.
        current_leader: LeaderIdAndEpoch { 12.., tag 1 },
        /// The snapshot a replica is to fetch instead.
        snapshot_id: SnapshotId { 12.., tag 2 },
        /// Transactions that were aborted in what was read, by producer. Null if everything is read.
        aborted_transactions: Option<Vec<AbortedTransaction>> { 4.., nullable 4.., ignorable },
        /// The replica to rather read from, or -1.
        preferred_read_replica: BrokerId { 11.., default -1 },
        /// The batches.
        records: Option<Bytes> { 0.., nullable 0.., default null },
    }

    /// The end of an epoch in the leader's log.
    EpochEndOffset {
        /// The epoch, or -1.
        epoch: LeaderEpoch { 12.., default -1 },
        /// One past its last offset, or -1.
        end_offset: i64 { 12.., default -1 },
    }

    /// A partition's leader.
    LeaderIdAndEpoch {
        /// The leader, or -1.
        leader_id: BrokerId { 12.., default -1 },
        /// Its epoch, or -1.
        leader_epoch: LeaderEpoch { 12.., default -1 },
    }

    /// A snapshot of the metadata log.
    SnapshotId {
        /// One past its last offset, or -1.
        end_offset: i64 { 0.., default -1 },
        /// The epoch of its last record, or -1.
        epoch: LeaderEpoch { 0.., default -1 },
    }

    /// A transaction that was aborted.
    AbortedTransaction {
        /// Its producer.
        producer_id: ProducerId { 4.. },
        /// Its first offset in the partition: from there to the abort marker the producer's records do not
        /// count.
        first_offset: i64 { 4.. },
    }

    /// Where a broker is.
    NodeEndpoint {
        /// The broker.
        node_id: BrokerId { 16.. },
        /// Its host name or address.
        host: Str { 16.. },
        /// Its port.
        port: i32 { 16.. },
        /// Its rack.
        rack: Option<Str> { 16.., nullable 16.., default null },
    }
}
