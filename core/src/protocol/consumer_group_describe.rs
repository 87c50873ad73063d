//! ConsumerGroupDescribe (key 69): TODO

use super::ErrorCode;
use crate::wire::{Packed, Str, Uuid};

request! {
    /// TODO
    ConsumerGroupDescribeRequest: CONSUMER_GROUP_DESCRIBE -> ConsumerGroupDescribeResponse, versions 0..=1, flexible 0.. {
        /// TODO
        group_ids: Vec<Str> { 0.. },
        /// TODO
        include_authorized_operations: bool { 0.. },
    }
}

message! {
    /// TODO
    ConsumerGroupDescribeResponse: versions 0..=1, flexible 0.. {
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
        assignor_name: Str { 0.. },
        /// TODO
        members: Vec<Member> { 0.. },
        /// TODO
        authorized_operations: i32 { 0.., default -2147483648 },
    }

    /// TODO
    Member {
        /// The member's id.
        member_id: Str { 0.. },
        /// TODO
        instance_id: Option<Str> { 0.., nullable 0.., default null },
        /// TODO
        rack_id: Option<Str> { 0.., nullable 0.., default null },
        /// TODO
        member_epoch: i32 { 0.. },
        /// TODO
        client_id: Str { 0.. },
        /// TODO
        client_host: Str { 0.. },
        /// TODO
        subscribed_topic_names: Vec<Str> { 0.. },
        /// TODO
        subscribed_topic_regex: Option<Str> { 0.., nullable 0.., default null },
        /// TODO
        assignment: Assignment { 0.. },
        /// TODO
        target_assignment: Assignment { 0.. },
        /// TODO
        member_type: i8 { 1.., default -1, ignorable },
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
        /// The topic's name.
        topic_name: Str { 0.. },
        /// TODO
        partitions: Packed<i32> { 0.. },
    }
}
