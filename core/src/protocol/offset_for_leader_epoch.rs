//! OffsetForLeaderEpoch (key 23): where a leader epoch ends in the log.

use super::{BrokerId, ErrorCode, LeaderEpoch};
use crate::wire::Str;

request! {
    /// Asks partition leaders for the end of leader epochs in their logs. Replicas learn by it where to cut
    /// off their own logs (KIP-101), consumers whether what they have read is still there (KIP-320).
    ///
    /// Version 1 changes no field of the request. Version 2 brings the leader's epoch, by which a client
    /// with outdated metadata is refused (KIP-320). Version 3 tells who asks. Version 4 is flexible.
    OffsetForLeaderEpochRequest: OFFSET_FOR_LEADER_EPOCH -> OffsetForLeaderEpochResponse,
        versions 0..=4, flexible 4.. {
        /// The replica that asks; -1 for a consumer, -2 for a client that may see what is past the high
        /// watermark.
        replica_id: BrokerId { 3.., default -2, ignorable },
        /// What to look up, by topic.
        topics: Vec<OffsetForLeaderTopic> { 0.. },
    }

    /// What to look up in a topic.
    OffsetForLeaderTopic {
        /// The topic's name.
        topic: Str { 0.. },
        /// What to look up, by partition.
        partitions: Vec<OffsetForLeaderPartition> { 0.. },
    }

    /// What to look up in a partition.
    OffsetForLeaderPartition {
        /// The partition.
        partition: i32 { 0.. },
        /// The leader's epoch as the client knows it, or -1. If it is older than the broker's, the answer
        /// is `FENCED_LEADER_EPOCH`, if newer `UNKNOWN_LEADER_EPOCH`.
        current_leader_epoch: LeaderEpoch { 2.., default -1, ignorable },
        /// The epoch to look up; a consumer takes that of the last record it read.
        leader_epoch: LeaderEpoch { 0.. },
    }
}

message! {
    /// The ends found.
    ///
    /// Version 1 tells which epoch was found (KIP-279), 2 brings the throttle time.
    OffsetForLeaderEpochResponse: versions 0..=4, flexible 4.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 2.., ignorable },
        /// Results by topic.
        topics: Vec<OffsetForLeaderTopicResult> { 0.. },
    }

    /// A topic's results.
    OffsetForLeaderTopicResult {
        /// The topic's name.
        topic: Str { 0.. },
        /// Results by partition.
        partitions: Vec<EpochEndOffset> { 0.. },
    }

    /// A partition's result.
    EpochEndOffset {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The partition.
        partition: i32 { 0.. },
        /// The epoch found: the newest in the leader's log that is not newer than the one asked for, or
        /// that one itself if all in the log are newer; -1 if nothing was found.
        leader_epoch: LeaderEpoch { 1.., default -1, ignorable },
        /// One past the epoch's last offset, for the newest epoch the end of the log; -1 if nothing was
        /// found. A consumer past it has read records that the log has lost.
        end_offset: i64 { 0.., default -1 },
    }
}
