//! ConsumerGroupDescribe (key 69): what consumer groups look like.

use super::ErrorCode;
use crate::wire::{Packed, Str, Uuid};

request! {
    /// Asks the groups' coordinator for the state, members and assignments of consumer groups, that is of
    /// groups whose partitions the coordinator assigns (KIP-848). Classic groups are asked for with
    /// DescribeGroups.
    ///
    /// Version 0 is flexible already. Version 1 changes no field of the request; the response tells the
    /// members' types (KIP-1099).
    ConsumerGroupDescribeRequest: CONSUMER_GROUP_DESCRIBE -> ConsumerGroupDescribeResponse,
        versions 0..=1, flexible 0.. {
        /// The groups; the broker asked must be the coordinator of each.
        group_ids: Vec<Str> { 0.. },
        /// Whether to tell what the client may do to the groups.
        include_authorized_operations: bool { 0.. },
    }
}

message! {
    /// The groups, as their coordinator knows them.
    ///
    /// Version 1 brings the members' types (KIP-1099).
    ConsumerGroupDescribeResponse: versions 0..=1, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// The groups asked for.
        groups: Vec<DescribedGroup> { 0.. },
    }

    /// A group.
    DescribedGroup {
        /// What went wrong; `GROUP_ID_NOT_FOUND` if there is no such group or it is of another kind.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., default null },
        /// The group's id.
        group_id: Str { 0.. },
        /// Its state: `Empty`, `Assigning` (a new target assignment is due), `Reconciling` (members are on
        /// the way to it), `Stable` or `Dead`; empty with an error.
        group_state: Str { 0.. },
        /// Its epoch, which rises whenever members, subscriptions or the topics' partitions change so that
        /// partitions must be assigned anew.
        group_epoch: i32 { 0.. },
        /// The group epoch that the target assignment was made for; behind `group_epoch` while a new one is
        /// due.
        assignment_epoch: i32 { 0.. },
        /// The coordinator's assignor in use, such as `uniform` or `range`.
        assignor_name: Str { 0.. },
        /// Its members.
        members: Vec<Member> { 0.. },
        /// What the client may do to it, as bits by operation; `i32::MIN` if it was not asked.
        authorized_operations: i32 { 0.., default -2147483648 },
    }

    /// A member.
    Member {
        /// The member's id.
        member_id: Str { 0.. },
        /// Its instance id, which outlives restarts; null if it is not a static member.
        instance_id: Option<Str> { 0.., nullable 0.., default null },
        /// Its rack, or null.
        rack_id: Option<Str> { 0.., nullable 0.., default null },
        /// The epoch of the assignment it has come to; behind `assignment_epoch` while it reconciles, -2
        /// for a static member that has left for a while.
        member_epoch: i32 { 0.. },
        /// The client id from its requests.
        client_id: Str { 0.. },
        /// The host it is connected from.
        client_host: Str { 0.. },
        /// The topics it subscribes to by name.
        subscribed_topic_names: Vec<Str> { 0.. },
        /// The regular expression it subscribes by, or null.
        subscribed_topic_regex: Option<Str> { 0.., nullable 0.., default null },
        /// The partitions it has now.
        assignment: Assignment { 0.. },
        /// The partitions it is to have in the end.
        target_assignment: Assignment { 0.. },
        /// Which protocol it speaks: 0 the classic one, 1 the consumer one; -1 not known.
        member_type: i8 { 1.., default -1, ignorable },
    }

    /// Partitions that a member has or is to have.
    Assignment {
        /// The partitions, by topic.
        topic_partitions: Vec<TopicPartitions> { 0.. },
    }

    /// Partitions of a topic.
    TopicPartitions {
        /// The topic's id.
        topic_id: Uuid { 0.. },
        /// The topic's name.
        topic_name: Str { 0.. },
        /// The partitions.
        partitions: Packed<i32> { 0.. },
    }
}
