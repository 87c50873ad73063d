//! ShareGroupDescribe (key 77): states and members of share groups.

use super::ErrorCode;
use crate::wire::{Packed, Str, Uuid};

request! {
    /// Asks the groups' coordinator about share groups (KIP-932).
    ///
    /// Version 0 was an early one of 3.9 and 4.0, and is gone in 4.1. Version 1 is the first that is final;
    /// it is flexible.
    ShareGroupDescribeRequest: SHARE_GROUP_DESCRIBE -> ShareGroupDescribeResponse,
        versions 1..=1, flexible 0.. {
        /// The groups' ids, all of the one coordinator.
        group_ids: Vec<Str> { 0.. },
        /// Whether to tell what the client may do to the groups.
        include_authorized_operations: bool { 0.. },
    }
}

message! {
    /// The groups.
    ShareGroupDescribeResponse: versions 1..=1, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// The groups, one for each id asked for.
        groups: Vec<DescribedGroup> { 0.. },
    }

    /// A group.
    DescribedGroup {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., default null },
        /// The group's id.
        group_id: Str { 0.. },
        /// Its state: `Empty`, `Stable` or `Dead`; empty with an error.
        group_state: Str { 0.. },
        /// The group's epoch, which rises when members, subscriptions or topics change.
        group_epoch: i32 { 0.. },
        /// The group's epoch that the current assignment was worked out for.
        assignment_epoch: i32 { 0.. },
        /// The assignor the coordinator uses.
        assignor_name: Str { 0.. },
        /// Its members.
        members: Vec<Member> { 0.. },
        /// What the client may do to it, as bits by operation; `i32::MIN` if it was not asked.
        authorized_operations: i32 { 0.., default -2147483648 },
    }

    /// A member of a group.
    Member {
        /// The member's id.
        member_id: Str { 0.. },
        /// Its rack, or null.
        rack_id: Option<Str> { 0.., nullable 0.., default null },
        /// The epoch it has caught up with.
        member_epoch: i32 { 0.. },
        /// Its client id.
        client_id: Str { 0.. },
        /// The address it is connected from.
        client_host: Str { 0.. },
        /// The topics it has subscribed to.
        subscribed_topic_names: Vec<Str> { 0.. },
        /// What is assigned to it.
        assignment: Assignment { 0.. },
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
        /// The topic's name.
        topic_name: Str { 0.. },
        /// The partitions.
        partitions: Packed<i32> { 0.. },
    }
}
