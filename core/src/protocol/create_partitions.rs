//! CreatePartitions (key 37): TODO

use super::{BrokerId, ErrorCode};
use crate::wire::{Packed, Str};

request! {
    /// TODO
    CreatePartitionsRequest: CREATE_PARTITIONS -> CreatePartitionsResponse, versions 0..=3, flexible 2.. {
        /// TODO
        topics: Vec<CreatePartitionsTopic> { 0.. },
        /// TODO
        timeout_ms: i32 { 0.. },
        /// TODO
        validate_only: bool { 0.. },
    }

    /// TODO
    CreatePartitionsTopic {
        /// TODO
        name: Str { 0.. },
        /// TODO
        count: i32 { 0.. },
        /// TODO
        assignments: Option<Vec<CreatePartitionsAssignment>> { 0.., nullable 0.. },
    }

    /// TODO
    CreatePartitionsAssignment {
        /// TODO
        broker_ids: Packed<BrokerId> { 0.. },
    }
}

message! {
    /// TODO
    CreatePartitionsResponse: versions 0..=3, flexible 2.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// TODO
        results: Vec<CreatePartitionsTopicResult> { 0.. },
    }

    /// TODO
    CreatePartitionsTopicResult {
        /// TODO
        name: Str { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., default null },
    }
}
