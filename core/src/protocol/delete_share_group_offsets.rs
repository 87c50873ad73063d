//! DeleteShareGroupOffsets (key 92): TODO

use super::ErrorCode;
use crate::wire::{Str, Uuid};

request! {
    /// TODO
    DeleteShareGroupOffsetsRequest: DELETE_SHARE_GROUP_OFFSETS -> DeleteShareGroupOffsetsResponse, versions 0..=0, flexible 0.. {
        /// The group's id.
        group_id: Str { 0.. },
        /// TODO
        topics: Vec<DeleteShareGroupOffsetsRequestTopic> { 0.. },
    }

    /// TODO
    DeleteShareGroupOffsetsRequestTopic {
        /// The topic's name.
        topic_name: Str { 0.. },
    }
}

message! {
    /// TODO
    DeleteShareGroupOffsetsResponse: versions 0..=0, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., default null },
        /// TODO
        responses: Vec<DeleteShareGroupOffsetsResponseTopic> { 0.. },
    }

    /// TODO
    DeleteShareGroupOffsetsResponseTopic {
        /// The topic's name.
        topic_name: Str { 0.. },
        /// The topic's id.
        topic_id: Uuid { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., default null },
    }
}
