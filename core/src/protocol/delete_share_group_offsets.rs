//! DeleteShareGroupOffsets (key 92): delete a share group's offsets.

use super::ErrorCode;
use crate::wire::{Str, Uuid};

request! {
    /// Asks a share group's coordinator to forget how far the group has read topics (KIP-932). A group that
    /// still has members gets `NON_EMPTY_GROUP`.
    ///
    /// There is only version 0, which is flexible.
    DeleteShareGroupOffsetsRequest: DELETE_SHARE_GROUP_OFFSETS -> DeleteShareGroupOffsetsResponse,
        versions 0..=0, flexible 0.. {
        /// The group's id.
        group_id: Str { 0.. },
        /// The topics, each with all its partitions.
        topics: Vec<DeleteShareGroupOffsetsRequestTopic> { 0.. },
    }

    /// A topic whose offsets to delete.
    DeleteShareGroupOffsetsRequestTopic {
        /// The topic's name.
        topic_name: Str { 0.. },
    }
}

message! {
    /// What became of each topic.
    DeleteShareGroupOffsetsResponse: versions 0..=0, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong with the request as a whole.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., default null },
        /// Results by topic.
        responses: Vec<DeleteShareGroupOffsetsResponseTopic> { 0.. },
    }

    /// A topic's result.
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
