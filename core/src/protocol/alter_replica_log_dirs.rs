//! AlterReplicaLogDirs (key 34): move replicas between a broker's log directories.

use super::ErrorCode;
use crate::wire::{Packed, Str};

request! {
    /// Asks a broker to move replicas it holds to other log directories of its own (KIP-113). The answer does
    /// not wait for the move: DescribeLogDirs tells how far it is.
    ///
    /// Version 1 changes nothing but when the broker throttles (KIP-219). Version 2 is flexible. Brokers of
    /// 4.0 and later no longer take version 0 (KIP-896).
    AlterReplicaLogDirsRequest: ALTER_REPLICA_LOG_DIRS -> AlterReplicaLogDirsResponse,
        versions 0..=2, flexible 2.. {
        /// What to move where, by directory.
        dirs: Vec<AlterReplicaLogDir> { 0.. },
    }

    /// A directory and what is to move there.
    AlterReplicaLogDir {
        /// Its absolute path, one of the broker's `log.dirs`.
        path: Str { 0.. },
        /// The replicas to move there, by topic.
        topics: Vec<AlterReplicaLogDirTopic> { 0.. },
    }

    /// Replicas of a topic to move.
    AlterReplicaLogDirTopic {
        /// The topic's name.
        name: Str { 0.. },
        /// The partitions whose replicas on this broker are to move.
        partitions: Packed<i32> { 0.. },
    }
}

message! {
    /// What became of each replica.
    ///
    /// No version changes a field. Version 2 is flexible.
    AlterReplicaLogDirsResponse: versions 0..=2, flexible 2.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// Results by topic.
        results: Vec<AlterReplicaLogDirTopicResult> { 0.. },
    }

    /// A topic's results.
    AlterReplicaLogDirTopicResult {
        /// The topic's name.
        topic_name: Str { 0.. },
        /// Results by partition.
        partitions: Vec<AlterReplicaLogDirPartitionResult> { 0.. },
    }

    /// A replica's result.
    AlterReplicaLogDirPartitionResult {
        /// The partition.
        partition_index: i32 { 0.. },
        /// What went wrong. With `REPLICA_NOT_AVAILABLE` the broker has no such replica, but keeps the
        /// directory in mind in case it gets one.
        error_code: ErrorCode { 0.. },
    }
}
