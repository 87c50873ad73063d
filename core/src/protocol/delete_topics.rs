//! DeleteTopics (key 20): delete topics.

use super::ErrorCode;
use crate::wire::{Str, Uuid};

request! {
    /// Asks the controller to delete topics.
    ///
    /// Version 4 is flexible. Version 5 may be refused by a quota (KIP-599). Version 6 can name topics by id
    /// (KIP-516).
    DeleteTopicsRequest: DELETE_TOPICS -> DeleteTopicsResponse, versions 0..=6, flexible 4.. {
        /// The topics, each by name or by id.
        topics: Vec<DeleteTopicState> { 6.. },
        /// The topics' names.
        topic_names: Vec<Str> { 0..=5, ignorable },
        /// How long to wait until the topics are gone, in ms.
        timeout_ms: i32 { 0.. },
    }

    /// A topic to delete.
    DeleteTopicState {
        /// Its name, or null where it is named by id.
        name: Option<Str> { 6.., nullable 6.., default null },
        /// Its id, or zero where it is named by name.
        topic_id: Uuid { 6.. },
    }
}

message! {
    /// What became of each topic.
    ///
    /// Version 1 brings the throttle time, 5 the error's message, 6 topic ids.
    DeleteTopicsResponse: versions 0..=6, flexible 4.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 1.., ignorable },
        /// Results by topic.
        responses: Vec<DeletableTopicResult> { 0.. },
    }

    /// A topic's result.
    DeletableTopicResult {
        /// Its name; null where it was named by an id that is not known.
        name: Option<Str> { 0.., nullable 6.. },
        /// Its id.
        topic_id: Uuid { 6.., ignorable },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The error in words.
        error_message: Option<Str> { 5.., nullable 5.., default null, ignorable },
    }
}
