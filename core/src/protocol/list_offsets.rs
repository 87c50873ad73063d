//! ListOffsets (key 2): find offsets by time.

use super::{BrokerId, ErrorCode, LeaderEpoch};
use crate::wire::{Packed, Str};

request! {
    /// Asks partition leaders for the first offset at or after a time, or for a special one.
    ///
    /// Version 0 asks for several offsets before a time, by log segment; version 1 for the one offset
    /// (KIP-79). Version 2 brings the isolation level (KIP-98), 4 the leader epoch (KIP-320). Version 6 is
    /// flexible. Versions 7, 8, 9 and 11 bring special timestamps: -3, the highest timestamp's offset
    /// (KIP-734), -4, the first offset on local disk (KIP-405), -5, the last in tiered storage (KIP-1005),
    /// -6, the first that is still to be moved there (KIP-1023). Version 10 brings the timeout (KIP-1075).
    ListOffsetsRequest: LIST_OFFSETS -> ListOffsetsResponse, versions 0..=11, flexible 6.. {
        /// The replica that asks; -1 for a client.
        replica_id: BrokerId { 0.. },
        /// 0 to see everything, 1 to have the last stable offset as the latest.
        isolation_level: i8 { 2.. },
        /// What to look up, by topic.
        topics: Vec<ListOffsetsTopic> { 0.. },
        /// How long the broker may take to look in tiered storage, in ms.
        timeout_ms: i32 { 10.., ignorable },
    }

    /// What to look up in a topic.
    ListOffsetsTopic {
        /// The topic's name.
        name: Str { 0.. },
        /// What to look up, by partition.
        partitions: Vec<ListOffsetsPartition> { 0.. },
    }

    /// What to look up in a partition.
    ListOffsetsPartition {
        /// The partition.
        partition_index: i32 { 0.. },
        /// The leader's epoch as the client knows it, or -1.
        current_leader_epoch: LeaderEpoch { 4.., default -1, ignorable },
        /// The time in ms since the epoch, or -1 for the latest offset, -2 for the earliest, or a newer
        /// special value.
        timestamp: i64 { 0.. },
        /// How many offsets to tell at most.
        max_num_offsets: i32 { 0..=0, default 1 },
    }
}

message! {
    /// The offsets found.
    ///
    /// Version 1 tells one offset and its timestamp, 2 brings the throttle time, 4 the leader epoch.
    ListOffsetsResponse: versions 0..=11, flexible 6.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 2.., ignorable },
        /// Results by topic.
        topics: Vec<ListOffsetsTopicResponse> { 0.. },
    }

    /// A topic's results.
    ListOffsetsTopicResponse {
        /// The topic's name.
        name: Str { 0.. },
        /// Results by partition.
        partitions: Vec<ListOffsetsPartitionResponse> { 0.. },
    }

    /// A partition's result.
    ListOffsetsPartitionResponse {
        /// The partition.
        partition_index: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// Offsets before the time, the latest first.
        old_style_offsets: Packed<i64> { 0..=0 },
        /// The timestamp of the record found, or -1.
        timestamp: i64 { 1.., default -1 },
        /// The offset found, or -1.
        offset: i64 { 1.., default -1 },
        /// The epoch of the record found, or -1.
        leader_epoch: LeaderEpoch { 4.., default -1 },
    }
}
