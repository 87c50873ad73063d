//! CreateTopics (key 19): create topics.

use super::{BrokerId, ErrorCode};
use crate::wire::{Packed, Str, Uuid};

request! {
    /// Asks the controller to create topics.
    ///
    /// Version 1 brings trying without doing. Version 4 lets the broker choose partitions and replication
    /// (KIP-464). Version 5 is flexible. Version 6 may be refused by a quota (KIP-599).
    CreateTopicsRequest: CREATE_TOPICS -> CreateTopicsResponse, versions 0..=7, flexible 5.. {
        /// The topics.
        topics: Vec<CreatableTopic> { 0.. },
        /// How long to wait until the topics are there, in ms.
        timeout_ms: i32 { 0.., default 60000 },
        /// Whether to check everything and create nothing.
        validate_only: bool { 1.. },
    }

    /// A topic to create.
    CreatableTopic {
        /// Its name.
        name: Str { 0.. },
        /// How many partitions; -1 for the broker's default, or with `assignments`.
        num_partitions: i32 { 0.. },
        /// How many replicas of each; -1 for the broker's default, or with `assignments`.
        replication_factor: i16 { 0.. },
        /// Where the replicas go; empty to let the broker choose.
        assignments: Vec<CreatableReplicaAssignment> { 0.. },
        /// Its configuration, where it is not the default.
        configs: Vec<CreatableTopicConfig> { 0.. },
    }

    /// Where a partition's replicas go.
    CreatableReplicaAssignment {
        /// The partition.
        partition_index: i32 { 0.. },
        /// The brokers, the preferred leader first.
        broker_ids: Packed<BrokerId> { 0.. },
    }

    /// A topic's setting.
    CreatableTopicConfig {
        /// Its name.
        name: Str { 0.. },
        /// Its value.
        value: Option<Str> { 0.., nullable 0.. },
    }
}

message! {
    /// What became of each topic.
    ///
    /// Version 1 brings the error's message, 2 the throttle time, 5 the topic's properties (KIP-525), 7 its
    /// id (KIP-516).
    CreateTopicsResponse: versions 0..=7, flexible 5.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 2.., ignorable },
        /// Results by topic.
        topics: Vec<CreatableTopicResult> { 0.. },
    }

    /// A topic's result.
    CreatableTopicResult {
        /// Its name.
        name: Str { 0.. },
        /// Its id.
        topic_id: Uuid { 7.., ignorable },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The error in words.
        error_message: Option<Str> { 1.., nullable 0.., ignorable },
        /// Why `configs` are missing, though the topic was created.
        topic_config_error_code: ErrorCode { 5.., tag 0, ignorable },
        /// How many partitions it has.
        num_partitions: i32 { 5.., default -1, ignorable },
        /// How many replicas of each.
        replication_factor: i16 { 5.., default -1, ignorable },
        /// Its configuration; null if the client may not see it.
        configs: Option<Vec<CreatableTopicConfigs>> { 5.., nullable 5.., ignorable },
    }

    /// A topic's setting.
    CreatableTopicConfigs {
        /// Its name.
        name: Str { 5.. },
        /// Its value.
        value: Option<Str> { 5.., nullable 5.. },
        /// Whether it cannot be changed.
        read_only: bool { 5.. },
        /// Where the value is from: 1 topic, 2 broker, 3 all brokers, 4 broker's file, 5 default; -1 not
        /// known.
        config_source: i8 { 5.., default -1, ignorable },
        /// Whether the value is a secret, and so is not told.
        is_sensitive: bool { 5.. },
    }
}
