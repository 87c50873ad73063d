//! CreatePartitions (key 37): give topics more partitions.

use super::{BrokerId, ErrorCode};
use crate::wire::{Packed, Str};

request! {
    /// Asks the controller to give topics more partitions; there is no way to take some away.
    ///
    /// Version 1 changes nothing but when the broker throttles (KIP-219). Version 2 is flexible. Version 3
    /// may be refused by a quota (KIP-599).
    CreatePartitionsRequest: CREATE_PARTITIONS -> CreatePartitionsResponse, versions 0..=3, flexible 2.. {
        /// The topics, each once.
        topics: Vec<CreatePartitionsTopic> { 0.. },
        /// How long to wait until the partitions are there, in ms.
        timeout_ms: i32 { 0.. },
        /// Whether to check everything and create nothing.
        validate_only: bool { 0.. },
    }

    /// A topic that is to grow.
    CreatePartitionsTopic {
        /// Its name.
        name: Str { 0.. },
        /// How many partitions it is to have in all, which must be more than it has.
        count: i32 { 0.. },
        /// Where the replicas of the new partitions go, one entry for each, by rising partition; null to let
        /// the controller choose.
        assignments: Option<Vec<CreatePartitionsAssignment>> { 0.., nullable 0.. },
    }

    /// Where a new partition's replicas go.
    CreatePartitionsAssignment {
        /// The brokers, the preferred leader first; as many as the topic's other partitions have.
        broker_ids: Packed<BrokerId> { 0.. },
    }
}

message! {
    /// What became of each topic.
    ///
    /// Version 3 can tell `THROTTLING_QUOTA_EXCEEDED`.
    CreatePartitionsResponse: versions 0..=3, flexible 2.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// Results by topic.
        results: Vec<CreatePartitionsTopicResult> { 0.. },
    }

    /// A topic's result.
    CreatePartitionsTopicResult {
        /// Its name.
        name: Str { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., default null },
    }
}
