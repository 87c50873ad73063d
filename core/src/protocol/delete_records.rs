//! DeleteRecords (key 21): TODO

use super::ErrorCode;
use crate::wire::Str;

request! {
    /// TODO
    DeleteRecordsRequest: DELETE_RECORDS -> DeleteRecordsResponse, versions 0..=2, flexible 2.. {
        /// TODO
        topics: Vec<DeleteRecordsTopic> { 0.. },
        /// TODO
        timeout_ms: i32 { 0.. },
    }

    /// TODO
    DeleteRecordsTopic {
        /// TODO
        name: Str { 0.. },
        /// TODO
        partitions: Vec<DeleteRecordsPartition> { 0.. },
    }

    /// TODO
    DeleteRecordsPartition {
        /// The partition.
        partition_index: i32 { 0.. },
        /// TODO
        offset: i64 { 0.. },
    }
}

message! {
    /// TODO
    DeleteRecordsResponse: versions 0..=2, flexible 2.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// TODO
        topics: Vec<DeleteRecordsTopicResult> { 0.. },
    }

    /// TODO
    DeleteRecordsTopicResult {
        /// TODO
        name: Str { 0.. },
        /// TODO
        partitions: Vec<DeleteRecordsPartitionResult> { 0.. },
    }

    /// TODO
    DeleteRecordsPartitionResult {
        /// The partition.
        partition_index: i32 { 0.. },
        /// TODO
        low_watermark: i64 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
    }
}
