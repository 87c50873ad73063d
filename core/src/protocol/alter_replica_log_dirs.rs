//! AlterReplicaLogDirs (key 34): TODO

use super::ErrorCode;
use crate::wire::{Packed, Str};

request! {
    /// TODO
    AlterReplicaLogDirsRequest: ALTER_REPLICA_LOG_DIRS -> AlterReplicaLogDirsResponse, versions 0..=2, flexible 2.. {
        /// TODO
        dirs: Vec<AlterReplicaLogDir> { 0.. },
    }

    /// TODO
    AlterReplicaLogDir {
        /// TODO
        path: Str { 0.. },
        /// TODO
        topics: Vec<AlterReplicaLogDirTopic> { 0.. },
    }

    /// TODO
    AlterReplicaLogDirTopic {
        /// TODO
        name: Str { 0.. },
        /// TODO
        partitions: Packed<i32> { 0.. },
    }
}

message! {
    /// TODO
    AlterReplicaLogDirsResponse: versions 0..=2, flexible 2.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// TODO
        results: Vec<AlterReplicaLogDirTopicResult> { 0.. },
    }

    /// TODO
    AlterReplicaLogDirTopicResult {
        /// The topic's name.
        topic_name: Str { 0.. },
        /// TODO
        partitions: Vec<AlterReplicaLogDirPartitionResult> { 0.. },
    }

    /// TODO
    AlterReplicaLogDirPartitionResult {
        /// The partition.
        partition_index: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
    }
}
