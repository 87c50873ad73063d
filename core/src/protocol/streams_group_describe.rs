//! StreamsGroupDescribe (key 89): TODO

use super::ErrorCode;
use crate::wire::{Packed, Str};

request! {
    /// TODO
    StreamsGroupDescribeRequest: STREAMS_GROUP_DESCRIBE -> StreamsGroupDescribeResponse, versions 0..=0, flexible 0.. {
        /// TODO
        group_ids: Vec<Str> { 0.. },
        /// TODO
        include_authorized_operations: bool { 0.. },
    }
}

message! {
    /// TODO
    StreamsGroupDescribeResponse: versions 0..=0, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// TODO
        groups: Vec<DescribedGroup> { 0.. },
    }

    /// TODO
    DescribedGroup {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., default null },
        /// The group's id.
        group_id: Str { 0.. },
        /// TODO
        group_state: Str { 0.. },
        /// TODO
        group_epoch: i32 { 0.. },
        /// TODO
        assignment_epoch: i32 { 0.. },
        /// TODO
        topology: Option<Topology> { 0.., nullable 0.., default null },
        /// TODO
        members: Vec<Member> { 0.. },
        /// TODO
        authorized_operations: i32 { 0.., default -2147483648 },
    }

    /// TODO
    Topology {
        /// TODO
        epoch: i32 { 0.. },
        /// TODO
        subtopologies: Option<Vec<Subtopology>> { 0.., nullable 0.., default null },
    }

    /// TODO
    Subtopology {
        /// TODO
        subtopology_id: Str { 0.. },
        /// TODO
        source_topics: Vec<Str> { 0.. },
        /// TODO
        repartition_sink_topics: Vec<Str> { 0.. },
        /// TODO
        state_changelog_topics: Vec<TopicInfo> { 0.. },
        /// TODO
        repartition_source_topics: Vec<TopicInfo> { 0.. },
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
    Member {
        /// The member's id.
        member_id: Str { 0.. },
        /// TODO
        member_epoch: i32 { 0.. },
        /// TODO
        instance_id: Option<Str> { 0.., nullable 0.., default null },
        /// TODO
        rack_id: Option<Str> { 0.., nullable 0.., default null },
        /// TODO
        client_id: Str { 0.. },
        /// TODO
        client_host: Str { 0.. },
        /// TODO
        topology_epoch: i32 { 0.. },
        /// TODO
        process_id: Str { 0.. },
        /// TODO
        user_endpoint: Option<Endpoint> { 0.., nullable 0.., default null },
        /// TODO
        client_tags: Vec<KeyValue> { 0.. },
        /// TODO
        task_offsets: Vec<TaskOffset> { 0.. },
        /// TODO
        task_end_offsets: Vec<TaskOffset> { 0.. },
        /// TODO
        assignment: Assignment { 0.. },
        /// TODO
        target_assignment: Assignment { 0.. },
        /// TODO
        is_classic: bool { 0.. },
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

    /// TODO
    Assignment {
        /// TODO
        active_tasks: Vec<TaskIds> { 0.. },
        /// TODO
        standby_tasks: Vec<TaskIds> { 0.. },
        /// TODO
        warmup_tasks: Vec<TaskIds> { 0.. },
    }

    /// TODO
    TaskIds {
        /// TODO
        subtopology_id: Str { 0.. },
        /// TODO
        partitions: Packed<i32> { 0.. },
    }
}
