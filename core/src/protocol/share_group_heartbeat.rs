//! ShareGroupHeartbeat (key 76): join a share group, stay in it, leave it.

use super::ErrorCode;
use crate::wire::{Packed, Str, Uuid};

request! {
    /// Tells the group's coordinator that a member of a share group is alive, joins or leaves, and asks
    /// what is assigned to it (KIP-932).
    ///
    /// Version 0 was an early one of 3.9 and 4.0, and is gone in 4.1. Version 1 is the first that is final;
    /// it is flexible.
    ShareGroupHeartbeatRequest: SHARE_GROUP_HEARTBEAT -> ShareGroupHeartbeatResponse,
        versions 1..=1, flexible 0.. {
        /// The group's id.
        group_id: Str { 0.. },
        /// The member's id, which the client makes up, as a rule a UUID, and keeps for as long as it lives.
        member_id: Str { 0.. },
        /// The member's epoch as the last response told it; 0 to join, -1 to leave.
        member_epoch: i32 { 0.. },
        /// The member's rack; null if it has none or has told it already.
        rack_id: Option<Str> { 0.., nullable 0.., default null },
        /// The topics to read; null if they are the same as before. Needed to join.
        subscribed_topic_names: Option<Vec<Str>> { 0.., nullable 0.., default null },
    }
}

message! {
    /// The member's epoch and, where it is new, its assignment.
    ShareGroupHeartbeatResponse: versions 1..=1, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong: with `UNKNOWN_MEMBER_ID` or `FENCED_MEMBER_EPOCH` the member has to join again.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., default null },
        /// The member's id, as in the request.
        member_id: Option<Str> { 0.., nullable 0.., default null },
        /// The epoch to send with the next heartbeat; -1 once the member has left.
        member_epoch: i32 { 0.. },
        /// When the next heartbeat is due, in ms from now.
        heartbeat_interval_ms: i32 { 0.. },
        /// All that is assigned to the member; null if that has not changed.
        assignment: Option<Assignment> { 0.., nullable 0.., default null },
    }

    /// What is assigned to a member; other members may have the same partitions.
    Assignment {
        /// Partitions, by topic.
        topic_partitions: Vec<TopicPartitions> { 0.. },
    }

    /// A topic's partitions.
    TopicPartitions {
        /// The topic's id.
        topic_id: Uuid { 0.. },
        /// The partitions.
        partitions: Packed<i32> { 0.. },
    }
}
