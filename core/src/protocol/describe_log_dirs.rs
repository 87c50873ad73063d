//! DescribeLogDirs (key 35): tell a broker's disks and what is on them.

use super::ErrorCode;
use crate::wire::{Packed, Str};

request! {
    /// Asks one broker about its own log directories and the replicas in them (KIP-113); a client asks every
    /// broker it wants to know of.
    ///
    /// Version 1 changes nothing but when the broker throttles (KIP-219). Version 2 is flexible. Versions 3
    /// to 5 change only the response.
    DescribeLogDirsRequest: DESCRIBE_LOG_DIRS -> DescribeLogDirsResponse, versions 0..=5, flexible 2.. {
        /// The partitions asked about, by topic; null for all. The directories are told in any case.
        topics: Option<Vec<DescribableLogDirTopic>> { 0.., nullable 0.. },
    }

    /// A topic asked about.
    DescribableLogDirTopic {
        /// The topic's name.
        topic: Str { 0.. },
        /// The partitions; those the broker has no replica of are left out of the response.
        partitions: Packed<i32> { 0.. },
    }
}

message! {
    /// The broker's log directories.
    ///
    /// Version 3 brings an error for the whole (KIP-784), where older ones just tell no directories; 4 the
    /// volumes' sizes (KIP-827), 5 whether a directory is cordoned (KIP-1066).
    DescribeLogDirsResponse: versions 0..=5, flexible 2.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong with the request as a whole.
        error_code: ErrorCode { 3.., ignorable },
        /// Results by directory.
        results: Vec<DescribeLogDirsResult> { 0.. },
    }

    /// A log directory.
    DescribeLogDirsResult {
        /// What went wrong; `KAFKA_STORAGE_ERROR` if the directory is offline.
        error_code: ErrorCode { 0.. },
        /// Its absolute path.
        log_dir: Str { 0.. },
        /// The replicas in it, by topic.
        topics: Vec<DescribeLogDirsTopic> { 0.. },
        /// Bytes of the volume it is on, used or not; -1 if not known.
        total_bytes: i64 { 4.., default -1, ignorable },
        /// Bytes of the volume that are still free for the broker; -1 if not known.
        usable_bytes: i64 { 4.., default -1, ignorable },
        /// Whether it is cordoned: no new replica is put into it.
        is_cordoned: bool { 5.., ignorable },
    }

    /// A topic's replicas in the directory.
    DescribeLogDirsTopic {
        /// The topic's name.
        name: Str { 0.. },
        /// The replicas, by partition.
        partitions: Vec<DescribeLogDirsPartition> { 0.. },
    }

    /// A replica's log.
    DescribeLogDirsPartition {
        /// The partition.
        partition_index: i32 { 0.. },
        /// Bytes of its segments on this disk.
        partition_size: i64 { 0.. },
        /// How many offsets its end is behind the high watermark or, for a future log, behind the end of the
        /// log it is to replace; -1 if not known.
        offset_lag: i64 { 0.. },
        /// Whether it is a future log: a copy that AlterReplicaLogDirs began and that takes the log's place
        /// when it has caught up.
        is_future_key: bool { 0.. },
    }
}
