//! StreamsGroupDescribe (key 89): tell the state of streams groups.

use super::ErrorCode;
use crate::wire::{Packed, Str};

request! {
    /// Asks the groups' coordinator how groups of Kafka Streams stand (KIP-1071).
    ///
    /// There is only version 0, which is flexible.
    StreamsGroupDescribeRequest: STREAMS_GROUP_DESCRIBE -> StreamsGroupDescribeResponse,
        versions 0..=0, flexible 0.. {
        /// The groups' ids, all of which the broker asked must coordinate.
        group_ids: Vec<Str> { 0.. },
        /// Whether to tell what the client may do to the groups.
        include_authorized_operations: bool { 0.. },
    }
}

message! {
    /// The state of each group.
    StreamsGroupDescribeResponse: versions 0..=0, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// Results by group.
        groups: Vec<DescribedGroup> { 0.. },
    }

    /// A group.
    DescribedGroup {
        /// What went wrong; `GROUP_ID_NOT_FOUND` if there is no such streams group.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., default null },
        /// The group's id.
        group_id: Str { 0.. },
        /// How it stands: `Empty`, `NotReady`, `Assigning`, `Reconciling`, `Stable` or `Dead`; empty on an
        /// error.
        group_state: Str { 0.. },
        /// The group's epoch, which rises when its members, its topology or the topics' metadata change.
        group_epoch: i32 { 0.. },
        /// The group epoch that the target assignment was made for; behind `group_epoch` while a new one is
        /// due.
        assignment_epoch: i32 { 0.. },
        /// What the application computes; null if there is none yet, and on an error.
        topology: Option<Topology> { 0.., nullable 0.., default null },
        /// The members.
        members: Vec<Member> { 0.. },
        /// What the client may do to the group, as bits by operation; `i32::MIN` if it was not asked.
        authorized_operations: i32 { 0.., default -2147483648 },
    }

    /// An application's topology.
    Topology {
        /// Its epoch, which rises when the application's topology changes.
        epoch: i32 { 0.. },
        /// Its subtopologies, with patterns resolved to topics; null if that cannot be done yet, for instance
        /// because source topics are missing.
        subtopologies: Option<Vec<Subtopology>> { 0.., nullable 0.., default null },
    }

    /// A subtopology: a part of the topology that is run as one task for each partition.
    Subtopology {
        /// Its id, unique in the topology and the same at every member.
        subtopology_id: Str { 0.. },
        /// The topics it reads that the application does not make itself.
        source_topics: Vec<Str> { 0.. },
        /// The repartition topics it writes to.
        repartition_sink_topics: Vec<Str> { 0.. },
        /// The changelogs of its state stores.
        state_changelog_topics: Vec<TopicInfo> { 0.. },
        /// The repartition topics it reads.
        repartition_source_topics: Vec<TopicInfo> { 0.. },
    }

    /// A topic that the group makes for itself.
    TopicInfo {
        /// Its name.
        name: Str { 0.. },
        /// How many partitions it has; 0 if the number is not settled.
        partitions: i32 { 0.. },
        /// How many replicas of each; 0 for the broker's default.
        replication_factor: i16 { 0.. },
        /// Its configuration, where it is not the default.
        topic_configs: Vec<KeyValue> { 0.. },
    }

    /// A name and a value.
    KeyValue {
        /// The name: of a topic's setting or of a client's tag.
        key: Str { 0.. },
        /// The value.
        value: Str { 0.. },
    }

    /// A member.
    Member {
        /// The member's id.
        member_id: Str { 0.. },
        /// The member's epoch: the group epoch of the assignment it has come to.
        member_epoch: i32 { 0.. },
        /// The static member's name (`group.instance.id`); null if it is dynamic.
        instance_id: Option<Str> { 0.., nullable 0.., default null },
        /// The member's rack; null if it states none.
        rack_id: Option<Str> { 0.., nullable 0.., default null },
        /// The client id in the header of its requests.
        client_id: Str { 0.. },
        /// The address it connects from.
        client_host: Str { 0.. },
        /// The epoch of the topology that the member runs, which may be older or newer than the group's.
        topology_epoch: i32 { 0.. },
        /// The application's instance that the member is a thread of; its members share the state on disk.
        process_id: Str { 0.. },
        /// Where the instance answers interactive queries (`application.server`); null if it does not.
        user_endpoint: Option<Endpoint> { 0.., nullable 0.., default null },
        /// The instance's tags, by which standby tasks are spread over racks or zones.
        client_tags: Vec<KeyValue> { 0.. },
        /// How far the member is with its tasks' changelogs.
        task_offsets: Vec<TaskOffset> { 0.. },
        /// Where those changelogs end; the difference is what the member has still to restore.
        task_end_offsets: Vec<TaskOffset> { 0.. },
        /// The tasks it has.
        assignment: Assignment { 0.. },
        /// The tasks it is to have.
        target_assignment: Assignment { 0.. },
        /// Whether it still speaks the classic protocol: JoinGroup, SyncGroup, Heartbeat.
        is_classic: bool { 0.. },
    }

    /// Where an application's instance is.
    Endpoint {
        /// Its host name or address.
        host: Str { 0.. },
        /// Its port.
        port: u16 { 0.. },
    }

    /// A task's offset.
    TaskOffset {
        /// The task's subtopology.
        subtopology_id: Str { 0.. },
        /// The task's partition.
        partition: i32 { 0.. },
        /// The offsets of the task's changelogs, added up.
        offset: i64 { 0.. },
    }

    /// A member's tasks.
    Assignment {
        /// The tasks it runs.
        active_tasks: Vec<TaskIds> { 0.. },
        /// The tasks whose state it keeps a copy of, to take them over if another member fails.
        standby_tasks: Vec<TaskIds> { 0.. },
        /// The tasks whose state it restores, to run them when it has caught up.
        warmup_tasks: Vec<TaskIds> { 0.. },
    }

    /// Tasks of a subtopology.
    TaskIds {
        /// The subtopology.
        subtopology_id: Str { 0.. },
        /// The partitions, each of which is a task.
        partitions: Packed<i32> { 0.. },
    }
}
