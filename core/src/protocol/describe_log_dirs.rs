//! DescribeLogDirs (key 35): TODO

use super::ErrorCode;
use crate::wire::{Packed, Str};

request! {
    /// TODO
    DescribeLogDirsRequest: DESCRIBE_LOG_DIRS -> DescribeLogDirsResponse, versions 0..=5, flexible 2.. {
        /// TODO
        topics: Option<Vec<DescribableLogDirTopic>> { 0.., nullable 0.. },
    }

    /// TODO
    DescribableLogDirTopic {
        /// TODO
        topic: Str { 0.. },
        /// TODO
        partitions: Packed<i32> { 0.. },
    }
}

message! {
    /// TODO
    DescribeLogDirsResponse: versions 0..=5, flexible 2.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 3.., ignorable },
        /// TODO
        results: Vec<DescribeLogDirsResult> { 0.. },
    }

    /// TODO
    DescribeLogDirsResult {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// TODO
        log_dir: Str { 0.. },
        /// TODO
        topics: Vec<DescribeLogDirsTopic> { 0.. },
        /// TODO
        total_bytes: i64 { 4.., default -1, ignorable },
        /// TODO
        usable_bytes: i64 { 4.., default -1, ignorable },
        /// TODO
        is_cordoned: bool { 5.., ignorable },
    }

    /// TODO
    DescribeLogDirsTopic {
        /// TODO
        name: Str { 0.. },
        /// TODO
        partitions: Vec<DescribeLogDirsPartition> { 0.. },
    }

    /// TODO
    DescribeLogDirsPartition {
        /// The partition.
        partition_index: i32 { 0.. },
        /// TODO
        partition_size: i64 { 0.. },
        /// TODO
        offset_lag: i64 { 0.. },
        /// TODO
        is_future_key: bool { 0.. },
    }
}
