//! StreamsGroupHeartbeat (key 88): join a streams group, stay in it and leave it.

use super::ErrorCode;
use crate::wire::{Packed, Str};

request! {
    /// Tells the group's coordinator that a member of a Kafka Streams application is alive and which tasks it
    /// has. This one request is for joining, staying, being assigned tasks and leaving, in groups in which
    /// the broker makes the assignment (KIP-1071). A task is one subtopology at work on one partition number.
    ///
    /// A member states everything when it joins, and then only what changed. There is only version 0, which
    /// is flexible; it is final since 4.2.
    StreamsGroupHeartbeatRequest: STREAMS_GROUP_HEARTBEAT -> StreamsGroupHeartbeatResponse,
        versions 0..=0, flexible 0.. {
        /// The group's id.
        group_id: Str { 0.. },
        /// The member's id, which the client makes and keeps as long as it runs.
        member_id: Str { 0.. },
        /// The epoch the coordinator last gave the member; 0 to join, -1 to leave, -2 for a static member
        /// that leaves and will come back.
        member_epoch: i32 { 0.. },
        /// The newest `endpoint_information_epoch` the member was told: the coordinator sends endpoints if it
        /// has newer ones.
        endpoint_information_epoch: i32 { 0.. },
        /// A static member's `group.instance.id`; null if there is none or it did not change.
        instance_id: Option<Str> { 0.., nullable 0.., default null },
        /// The member's rack; null if there is none or it did not change.
        rack_id: Option<Str> { 0.., nullable 0.., default null },
        /// How long the coordinator may wait for the member to give up tasks, in ms; -1 if it did not change.
        /// To join it must be stated.
        rebalance_timeout_ms: i32 { 0.., default -1 },
        /// What the application does; stated to join, else null.
        topology: Option<Topology> { 0.., nullable 0.., default null },
        /// The tasks the member runs; null if none of the three lists of tasks changed, empty to join.
        active_tasks: Option<Vec<TaskIds>> { 0.., nullable 0.., default null },
        /// The tasks whose state the member keeps a copy of, in case it has to take over; null and empty as
        /// `active_tasks`.
        standby_tasks: Option<Vec<TaskIds>> { 0.., nullable 0.., default null },
        /// The tasks whose state the member restores in order to run them later; null and empty as
        /// `active_tasks`.
        warmup_tasks: Option<Vec<TaskIds>> { 0.., nullable 0.., default null },
        /// The process the member is part of, which may have several members; null if it did not change.
        process_id: Option<Str> { 0.., nullable 0.., default null },
        /// Where the process answers queries of its state (`application.server`); null if nowhere or if it
        /// did not change.
        user_endpoint: Option<Endpoint> { 0.., nullable 0.., default null },
        /// Tags of the client, by which tasks are spread over racks and the like; null if they did not
        /// change.
        client_tags: Option<Vec<KeyValue>> { 0.., nullable 0.., default null },
        /// How far each task's state is, as offsets in its changelogs; null if they did not change.
        task_offsets: Option<Vec<TaskOffset>> { 0.., nullable 0.., default null },
        /// How far each task's state could be, as end offsets of its changelogs; null if they did not change.
        task_end_offsets: Option<Vec<TaskOffset>> { 0.., nullable 0.., default null },
        /// Whether all members of the group are to shut down.
        shutdown_application: bool { 0.. },
    }

    /// What a Kafka Streams application does.
    Topology {
        /// The topology's epoch, which the coordinator compares with that of the topology the group has.
        epoch: i32 { 0.. },
        /// The parts of the topology.
        subtopologies: Vec<Subtopology> { 0.. },
    }

    /// A part of a topology; topics are all that connects it with other parts.
    Subtopology {
        /// Its id, which follows from the topology and so is the same in all members.
        subtopology_id: Str { 0.. },
        /// The topics it reads that are not the application's own.
        source_topics: Vec<Str> { 0.. },
        /// Regular expressions for topics it reads. Brokers of 4.3 do not take any yet.
        source_topic_regex: Vec<Str> { 0.. },
        /// The topics its state is kept in, which the coordinator creates if they are missing.
        state_changelog_topics: Vec<TopicInfo> { 0.. },
        /// The repartition topics it writes.
        repartition_sink_topics: Vec<Str> { 0.. },
        /// The repartition topics it reads, which the coordinator creates if they are missing.
        repartition_source_topics: Vec<TopicInfo> { 0.. },
        /// Which of the topics it reads must have the same number of partitions.
        copartition_groups: Vec<CopartitionGroup> { 0.. },
    }

    /// A topic of the application's own.
    TopicInfo {
        /// Its name.
        name: Str { 0.. },
        /// How many partitions; 0 where the coordinator is to work it out, always so for a changelog.
        partitions: i32 { 0.. },
        /// How many replicas of each; 0 for the broker's default.
        replication_factor: i16 { 0.. },
        /// Its configuration, where it is not the default.
        topic_configs: Vec<KeyValue> { 0.. },
    }

    /// A setting or a tag.
    KeyValue {
        /// Its name.
        key: Str { 0.. },
        /// Its value.
        value: Str { 0.. },
    }

    /// Topics that must have the same number of partitions, each named by its index in a list of the
    /// subtopology.
    CopartitionGroup {
        /// Indexes into `source_topics`.
        source_topics: Packed<i16> { 0.. },
        /// Indexes into `source_topic_regex`.
        source_topic_regex: Packed<i16> { 0.. },
        /// Indexes into `repartition_source_topics`.
        repartition_source_topics: Packed<i16> { 0.. },
    }

    /// Tasks of a subtopology.
    TaskIds {
        /// The subtopology's id.
        subtopology_id: Str { 0.. },
        /// The tasks' partition numbers.
        partitions: Packed<i32> { 0.. },
    }

    /// Where a process answers queries of its state.
    Endpoint {
        /// Its host name or address.
        host: Str { 0.. },
        /// Its port.
        port: u16 { 0.. },
    }

    /// How far a task's state is or could be.
    TaskOffset {
        /// The id of the task's subtopology.
        subtopology_id: Str { 0.. },
        /// The task's partition number.
        partition: i32 { 0.. },
        /// The offsets in its changelogs, added up.
        offset: i64 { 0.. },
    }
}

message! {
    /// Tells the member its epoch and its tasks. It gives up what is not among them and says so in a
    /// heartbeat; only then does another member get it.
    StreamsGroupHeartbeatResponse: versions 0..=0, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., default null },
        /// The member's id, as in the request.
        member_id: Str { 0.. },
        /// The member's epoch from now on, to be stated in its next heartbeat; -1 or -2 if it left.
        member_epoch: i32 { 0.. },
        /// How often the member is to send heartbeats, in ms.
        heartbeat_interval_ms: i32 { 0.. },
        /// How far a warm-up task may lag behind and still count as caught up, in offsets.
        acceptable_recovery_lag: i32 { 0.. },
        /// How often the member is to state `task_offsets` and `task_end_offsets`, in ms.
        task_offset_interval_ms: i32 { 0.. },
        /// What is to be known of the group, empty if nothing; null, from early brokers, if that did not
        /// change.
        status: Option<Vec<Status>> { 0.., nullable 0.. },
        /// The tasks to run; null if they did not change.
        active_tasks: Option<Vec<TaskIds>> { 0.., nullable 0.., default null },
        /// The tasks whose state to keep a copy of; null if they did not change.
        standby_tasks: Option<Vec<TaskIds>> { 0.., nullable 0.., default null },
        /// The tasks whose state to restore; null if they did not change.
        warmup_tasks: Option<Vec<TaskIds>> { 0.., nullable 0.., default null },
        /// The epoch of the group's endpoints, to be stated in the next heartbeat.
        endpoint_information_epoch: i32 { 0.. },
        /// Which process has the state of which partitions, for the whole group, so that the member can
        /// answer or pass on queries; null if the member has the newest.
        partitions_by_user_endpoint: Option<Vec<EndpointToPartitions>> { 0.., nullable 0.., default null },
    }

    /// A thing to be known of the group.
    Status {
        /// 0 the member's topology is older than the group's, 1 source topics are missing, 2 topics have a
        /// wrong number of partitions, 3 topics of the application's own are missing and the coordinator
        /// tries to create them, 4 a member asked all to shut down, 5 the assignment is put off for now.
        status_code: i8 { 0.. },
        /// The same in words, with the topics' names.
        status_detail: Str { 0.. },
    }

    /// A process and the partitions it has the state of.
    EndpointToPartitions {
        /// Where the process answers queries.
        user_endpoint: Endpoint { 0.. },
        /// The partitions its active tasks read.
        active_partitions: Vec<TopicPartition> { 0.. },
        /// The partitions its standby tasks have a copy of the state for.
        standby_partitions: Vec<TopicPartition> { 0.. },
    }

    /// Partitions of a topic.
    TopicPartition {
        /// The topic's name.
        topic: Str { 0.. },
        /// The partitions.
        partitions: Packed<i32> { 0.. },
    }
}
