//! ConsumerGroupHeartbeat (key 68): join a consumer group, stay in it and leave it.

use super::ErrorCode;
use crate::wire::{Packed, Str, Uuid};

request! {
    /// Tells the group's coordinator that a member is alive and which partitions it owns. This one request is
    /// for joining, staying, being assigned partitions and leaving, in groups in which the broker makes the
    /// assignment (KIP-848).
    ///
    /// A member states everything when it joins and after an error, and else only what changed. Version 0 is
    /// flexible. Version 1 brings subscriptions by regular expression, which the broker evaluates, and from
    /// it on the client makes the member's id (KIP-1082).
    ConsumerGroupHeartbeatRequest: CONSUMER_GROUP_HEARTBEAT -> ConsumerGroupHeartbeatResponse,
        versions 0..=1, flexible 0.. {
        /// The group's id.
        group_id: Str { 0.. },
        /// The member's id, which it keeps as long as it runs: a UUID that the client makes. In version 0 it
        /// may be empty to join, and the coordinator makes one.
        member_id: Str { 0.. },
        /// The epoch the coordinator last gave the member; 0 to join, -1 to leave, -2 for a static member
        /// that leaves and will come back.
        member_epoch: i32 { 0.. },
        /// A static member's `group.instance.id`; null if there is none or it did not change.
        instance_id: Option<Str> { 0.., nullable 0.., default null },
        /// The member's rack; null if there is none or it did not change.
        rack_id: Option<Str> { 0.., nullable 0.., default null },
        /// How long the coordinator may wait for the member to give up partitions, in ms; -1 if it did not
        /// change. To join it must be stated.
        rebalance_timeout_ms: i32 { 0.., default -1 },
        /// The names of the topics subscribed to; null if they did not change.
        subscribed_topic_names: Option<Vec<Str>> { 0.., nullable 0.., default null },
        /// A regular expression, in RE2/J's syntax, that a topic's whole name is to match; null if it did not
        /// change, empty to take it back.
        subscribed_topic_regex: Option<Str> { 1.., nullable 1.., default null },
        /// The name of the assignor the broker is to use, as `uniform` or `range`; null to leave it to the
        /// broker or if it did not change.
        server_assignor: Option<Str> { 0.., nullable 0.., default null },
        /// The partitions the member owns, by topic; null if they did not change, empty to join. What is
        /// missing here it has given up.
        topic_partitions: Option<Vec<TopicPartitions>> { 0.., nullable 0.., default null },
    }

    /// Partitions of a topic.
    TopicPartitions {
        /// The topic's id.
        topic_id: Uuid { 0.. },
        /// The partitions.
        partitions: Packed<i32> { 0.. },
    }
}

message! {
    /// Tells the member its epoch and its partitions. It gives up what is not among them and says so in a
    /// heartbeat; only then does another member get it.
    ///
    /// Version 1 changes no field.
    ConsumerGroupHeartbeatResponse: versions 0..=1, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., default null },
        /// The member's id, which in version 0 the coordinator may have made; null with an error.
        member_id: Option<Str> { 0.., nullable 0.., default null },
        /// The member's epoch from now on, to be stated in its next heartbeat; -1 or -2 if it left.
        member_epoch: i32 { 0.. },
        /// How often the member is to send heartbeats, in ms.
        heartbeat_interval_ms: i32 { 0.. },
        /// What the member is to own; null if it did not change.
        assignment: Option<Assignment> { 0.., nullable 0.., default null },
    }

    /// What a member is to own.
    Assignment {
        /// All partitions it may read from now on, by topic.
        topic_partitions: Vec<TopicPartitions> { 0.. },
    }
}
