//! DeleteRecords (key 21): delete the oldest records of partitions.

use super::ErrorCode;
use crate::wire::Str;

request! {
    /// Asks partition leaders to delete the records before an offset, by moving the log's start (KIP-107).
    ///
    /// Only topics whose `cleanup.policy` has `delete` allow it, and Kafka's own never do. Version 1
    /// changes nothing but when the broker throttles (KIP-219). Version 2 is flexible.
    DeleteRecordsRequest: DELETE_RECORDS -> DeleteRecordsResponse, versions 0..=2, flexible 2.. {
        /// What to delete, by topic.
        topics: Vec<DeleteRecordsTopic> { 0.. },
        /// How long the leader may wait until every live replica has moved its log's start, in ms.
        timeout_ms: i32 { 0.. },
    }

    /// What to delete in a topic.
    DeleteRecordsTopic {
        /// The topic's name.
        name: Str { 0.. },
        /// What to delete, by partition.
        partitions: Vec<DeleteRecordsPartition> { 0.. },
    }

    /// What to delete in a partition.
    DeleteRecordsPartition {
        /// The partition.
        partition_index: i32 { 0.. },
        /// The first offset to keep; -1 for the high watermark, which deletes all that is there.
        offset: i64 { 0.. },
    }
}

message! {
    /// What became of each partition.
    ///
    /// No version changes a field.
    DeleteRecordsResponse: versions 0..=2, flexible 2.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// Results by topic.
        topics: Vec<DeleteRecordsTopicResult> { 0.. },
    }

    /// A topic's results.
    DeleteRecordsTopicResult {
        /// The topic's name.
        name: Str { 0.. },
        /// Results by partition.
        partitions: Vec<DeleteRecordsPartitionResult> { 0.. },
    }

    /// A partition's result.
    DeleteRecordsPartitionResult {
        /// The partition.
        partition_index: i32 { 0.. },
        /// The lowest log start of all live replicas: no record before it is left. -1 with an error.
        low_watermark: i64 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
    }
}
