//! DescribeGroups (key 15): states and members of classic groups.

use super::ErrorCode;
use crate::wire::Str;
use bytes::Bytes;

request! {
    /// Asks the groups' coordinator about groups of the classic protocol.
    ///
    /// Version 2 changes nothing but when the broker throttles (KIP-219). Version 3 can tell the operations
    /// the client may do (KIP-430). Version 4 is for the response. Version 5 is flexible. Version 6 makes a
    /// group that is not there, or not of the classic protocol, an error (KIP-1043); before, it is a group
    /// in state `Dead`.
    DescribeGroupsRequest: DESCRIBE_GROUPS -> DescribeGroupsResponse, versions 0..=6, flexible 5.. {
        /// The groups' ids, all of the one coordinator.
        groups: Vec<Str> { 0.. },
        /// Whether to tell what the client may do to the groups.
        include_authorized_operations: bool { 3.. },
    }
}

message! {
    /// The groups.
    ///
    /// Version 1 brings the throttle time, 3 authorized operations (KIP-430), 4 static members (KIP-345), 6
    /// the error's message and `GROUP_ID_NOT_FOUND` (KIP-1043).
    DescribeGroupsResponse: versions 0..=6, flexible 5.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 1.., ignorable },
        /// The groups, one for each id asked for.
        groups: Vec<DescribedGroup> { 0.. },
    }

    /// A group.
    DescribedGroup {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 6.., nullable 6.., default null },
        /// The group's id.
        group_id: Str { 0.. },
        /// Its state: `PreparingRebalance`, `CompletingRebalance`, `Stable`, `Empty` or `Dead`; empty with
        /// an error.
        group_state: Str { 0.. },
        /// What the group is for: `consumer` for consumers, `connect` for Kafka Connect; empty if nobody
        /// has joined.
        protocol_type: Str { 0.. },
        /// The protocol the members agreed on; for consumers the assignor's name, such as `range`. Empty
        /// unless the group is stable.
        protocol_data: Str { 0.. },
        /// Its members.
        members: Vec<DescribedGroupMember> { 0.. },
        /// What the client may do to it, as bits by operation; `i32::MIN` if it was not asked.
        authorized_operations: i32 { 3.., default -2147483648 },
    }

    /// A member of a group.
    DescribedGroupMember {
        /// The member's id.
        member_id: Str { 0.. },
        /// The id of a static member, null for a dynamic one.
        group_instance_id: Option<Str> { 4.., nullable 4.., default null, ignorable },
        /// The client id it gave when it joined.
        client_id: Str { 0.. },
        /// The address it joined from.
        client_host: Str { 0.. },
        /// What it told the group's leader when it joined, for consumers a `ConsumerProtocolSubscription`;
        /// empty unless the group is stable.
        member_metadata: Bytes { 0.. },
        /// What the group's leader assigned to it, for consumers a `ConsumerProtocolAssignment`; to be
        /// relied on only if the group is stable.
        member_assignment: Bytes { 0.. },
    }
}
