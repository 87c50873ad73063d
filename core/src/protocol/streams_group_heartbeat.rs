//! StreamsGroupHeartbeat (key 88): TODO

use super::ErrorCode;
use crate::wire::{Packed, Str};

request! {
    /// TODO
    StreamsGroupHeartbeatRequest: STREAMS_GROUP_HEARTBEAT -> StreamsGroupHeartbeatResponse, versions 0..=0, flexible 0.. {
        /// The group's id.
        group_id: Str { 0.. },
        /// The member's id.
        member_id: Str { 0.. },
        /// TODO
        member_epoch: i32 { 0.. },
        /// TODO
        endpoint_information_epoch: i32 { 0.. },
        /// TODO
        instance_id: Option<Str> { 0.., nullable 0.., default null },
        /// TODO
        rack_id: Option<Str> { 0.., nullable 0.., default null },
        /// TODO
        rebalance_timeout_ms: i32 { 0.., default -1 },
        /// TODO
        topology: Option<Topology> { 0.., nullable 0.., default null },
        /// TODO
        active_tasks: Option<Vec<TaskIds>> { 0.., nullable 0.., default null },
        /// TODO
        standby_tasks: Option<Vec<TaskIds>> { 0.., nullable 0.., default null },
        /// TODO
        warmup_tasks: Option<Vec<TaskIds>> { 0.., nullable 0.., default null },
        /// TODO
        process_id: Option<Str> { 0.., nullable 0.., default null },
        /// TODO
        user_endpoint: Option<Endpoint> { 0.., nullable 0.., default null },
        /// TODO
        client_tags: Option<Vec<KeyValue>> { 0.., nullable 0.., default null },
        /// TODO
        task_offsets: Option<Vec<TaskOffset>> { 0.., nullable 0.., default null },
        /// TODO
        task_end_offsets: Option<Vec<TaskOffset>> { 0.., nullable 0.., default null },
        /// TODO
        shutdown_application: bool { 0.. },
    }

    /// TODO
    Topology {
        /// TODO
        epoch: i32 { 0.. },
        /// TODO
        subtopologies: Vec<Subtopology> { 0.. },
    }

    /// TODO
    Subtopology {
        /// TODO
        subtopology_id: Str { 0.. },
        /// TODO
        source_topics: Vec<Str> { 0.. },
        /// TODO
        source_topic_regex: Vec<Str> { 0.. },
        /// TODO
        state_changelog_topics: Vec<TopicInfo> { 0.. },
        /// TODO
        repartition_sink_topics: Vec<Str> { 0.. },
        /// TODO
        repartition_source_topics: Vec<TopicInfo> { 0.. },
        /// TODO
        copartition_groups: Vec<CopartitionGroup> { 0.. },
    }

    /// TODO
    TopicInfo {
        /// TODO
        name: Str { 0.. },
        /// TODO
        partitions: i32 { 0.. },
        /// TODO
        replication_factor: i16 { 0.. },
        /// TODO
        topic_configs: Vec<KeyValue> { 0.. },
    }

    /// TODO
    KeyValue {
        /// TODO
        key: Str { 0.. },
        /// TODO
        value: Str { 0.. },
    }

    /// TODO
    CopartitionGroup {
        /// TODO
        source_topics: Packed<i16> { 0.. },
        /// TODO
        source_topic_regex: Packed<i16> { 0.. },
        /// TODO
        repartition_source_topics: Packed<i16> { 0.. },
    }

    /// TODO
    TaskIds {
        /// TODO
        subtopology_id: Str { 0.. },
        /// TODO
        partitions: Packed<i32> { 0.. },
    }

    /// TODO
    Endpoint {
        /// Its host name or address.
        host: Str { 0.. },
        /// Its port.
        port: u16 { 0.. },
    }

    /// TODO
    TaskOffset {
        /// TODO
        subtopology_id: Str { 0.. },
        /// The partition.
        partition: i32 { 0.. },
        /// TODO
        offset: i64 { 0.. },
    }
}

message! {
    /// TODO
    StreamsGroupHeartbeatResponse: versions 0..=0, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., default null },
        /// The member's id.
        member_id: Str { 0.. },
        /// TODO
        member_epoch: i32 { 0.. },
        /// TODO
        heartbeat_interval_ms: i32 { 0.. },
        /// TODO
        acceptable_recovery_lag: i32 { 0.. },
        /// TODO
        task_offset_interval_ms: i32 { 0.. },
        /// TODO
        status: Option<Vec<Status>> { 0.., nullable 0.. },
        /// TODO
        active_tasks: Option<Vec<TaskIds>> { 0.., nullable 0.., default null },
        /// TODO
        standby_tasks: Option<Vec<TaskIds>> { 0.., nullable 0.., default null },
        /// TODO
        warmup_tasks: Option<Vec<TaskIds>> { 0.., nullable 0.., default null },
        /// TODO
        endpoint_information_epoch: i32 { 0.. },
        /// TODO
        partitions_by_user_endpoint: Option<Vec<EndpointToPartitions>> { 0.., nullable 0.., default null },
    }

    /// TODO
    Status {
        /// TODO
        status_code: i8 { 0.. },
        /// TODO
        status_detail: Str { 0.. },
    }

    /// TODO
    EndpointToPartitions {
        /// TODO
        user_endpoint: Endpoint { 0.. },
        /// TODO
        active_partitions: Vec<TopicPartition> { 0.. },
        /// TODO
        standby_partitions: Vec<TopicPartition> { 0.. },
    }

    /// TODO
    TopicPartition {
        /// TODO
        topic: Str { 0.. },
        /// TODO
        partitions: Packed<i32> { 0.. },
    }
}
