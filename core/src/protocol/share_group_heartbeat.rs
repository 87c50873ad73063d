//! ShareGroupHeartbeat (key 76): TODO

use super::ErrorCode;
use crate::wire::{Packed, Str, Uuid};

request! {
    /// TODO
    ShareGroupHeartbeatRequest: SHARE_GROUP_HEARTBEAT -> ShareGroupHeartbeatResponse, versions 1..=1, flexible 0.. {
        /// The group's id.
        group_id: Str { 0.. },
        /// The member's id.
        member_id: Str { 0.. },
        /// TODO
        member_epoch: i32 { 0.. },
        /// TODO
        rack_id: Option<Str> { 0.., nullable 0.., default null },
        /// TODO
        subscribed_topic_names: Option<Vec<Str>> { 0.., nullable 0.., default null },
    }
}

message! {
    /// TODO
    ShareGroupHeartbeatResponse: versions 1..=1, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., default null },
        /// The member's id.
        member_id: Option<Str> { 0.., nullable 0.., default null },
        /// TODO
        member_epoch: i32 { 0.. },
        /// TODO
        heartbeat_interval_ms: i32 { 0.. },
        /// TODO
        assignment: Option<Assignment> { 0.., nullable 0.., default null },
    }

    /// TODO
    Assignment {
        /// TODO
        topic_partitions: Vec<TopicPartitions> { 0.. },
    }

    /// TODO
    TopicPartitions {
        /// The topic's id.
        topic_id: Uuid { 0.. },
        /// TODO
        partitions: Packed<i32> { 0.. },
    }
}
