//! OffsetCommit (key 8): store how far a group has read.

use super::{ErrorCode, LeaderEpoch};
use crate::wire::{Str, Uuid};

request! {
    /// Asks the group's coordinator to store offsets for a group.
    ///
    /// Version 0 stores them in ZooKeeper, 1 in Kafka, with the member's id and generation to keep out
    /// those that are no longer members. Version 2 has a retention time for the whole in place of a
    /// timestamp for each; 5 leaves retention to the broker (KIP-211). Version 3 is for the response; 4
    /// changes nothing but when the broker throttles (KIP-219). Version 6 brings the leader epoch
    /// (KIP-320), 7 static members (KIP-345). Version 8 is flexible. Version 9 may be used by members of
    /// KIP-848's groups, 10 names topics by id (KIP-848). Versions 0 and 1 are gone in 4.0.
    OffsetCommitRequest: OFFSET_COMMIT -> OffsetCommitResponse, versions 0..=10, flexible 8.. {
        /// The group's id.
        group_id: Str { 0.. },
        /// The group's generation, or the member's epoch in a group of KIP-848; -1 from outside the group,
        /// which is allowed only while the group is empty.
        generation_id_or_member_epoch: i32 { 1.., default -1, ignorable },
        /// The member's id; empty from outside the group.
        member_id: Str { 1.., ignorable },
        /// The id of a static member, null for a dynamic one.
        group_instance_id: Option<Str> { 7.., nullable 7.., default null },
        /// How long to keep the offsets, in ms; -1 for as long as the broker is set to.
        retention_time_ms: i64 { 2..=4, default -1, ignorable },
        /// What to store, by topic.
        topics: Vec<OffsetCommitRequestTopic> { 0.. },
    }

    /// What to store for a topic.
    OffsetCommitRequestTopic {
        /// The topic's name.
        name: Str { 0..=9, ignorable },
        /// The topic's id.
        topic_id: Uuid { 10.., ignorable },
        /// What to store, by partition.
        partitions: Vec<OffsetCommitRequestPartition> { 0.. },
    }

    /// What to store for a partition.
    OffsetCommitRequestPartition {
        /// The partition.
        partition_index: i32 { 0.. },
        /// The offset to go on from: one past the last record that is done with.
        committed_offset: i64 { 0.. },
        /// The leader epoch of the last record that is done with, by which a later reader notices that the
        /// log was truncated; -1 if not known.
        committed_leader_epoch: LeaderEpoch { 6.., default -1, ignorable },
        /// The time of the commit, from which retention counts, in ms since the epoch; -1 for when the
        /// broker gets it.
        commit_timestamp: i64 { 1..=1, default -1 },
        /// Anything the client wants to keep with the offset, of bounded length; null counts as empty.
        committed_metadata: Option<Str> { 0.., nullable 0.. },
    }
}

message! {
    /// What became of each partition.
    ///
    /// Version 3 brings the throttle time, 10 topic ids. From version 9 on the coordinator can tell
    /// `STALE_MEMBER_EPOCH` and `GROUP_ID_NOT_FOUND`.
    OffsetCommitResponse: versions 0..=10, flexible 8.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 3.., ignorable },
        /// Results by topic.
        topics: Vec<OffsetCommitResponseTopic> { 0.. },
    }

    /// A topic's results.
    OffsetCommitResponseTopic {
        /// The topic's name.
        name: Str { 0..=9, ignorable },
        /// The topic's id.
        topic_id: Uuid { 10.., ignorable },
        /// Results by partition.
        partitions: Vec<OffsetCommitResponsePartition> { 0.. },
    }

    /// A partition's result.
    OffsetCommitResponsePartition {
        /// The partition.
        partition_index: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
    }
}
