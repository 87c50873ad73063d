//! DescribeGroups (key 15): TODO

use super::ErrorCode;
use crate::wire::Str;
use bytes::Bytes;

request! {
    /// TODO
    DescribeGroupsRequest: DESCRIBE_GROUPS -> DescribeGroupsResponse, versions 0..=6, flexible 5.. {
        /// TODO
        groups: Vec<Str> { 0.. },
        /// TODO
        include_authorized_operations: bool { 3.. },
    }
}

message! {
    /// TODO
    DescribeGroupsResponse: versions 0..=6, flexible 5.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 1.., ignorable },
        /// TODO
        groups: Vec<DescribedGroup> { 0.. },
    }

    /// TODO
    DescribedGroup {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 6.., nullable 6.., default null },
        /// The group's id.
        group_id: Str { 0.. },
        /// TODO
        group_state: Str { 0.. },
        /// TODO
        protocol_type: Str { 0.. },
        /// TODO
        protocol_data: Str { 0.. },
        /// TODO
        members: Vec<DescribedGroupMember> { 0.. },
        /// TODO
        authorized_operations: i32 { 3.., default -2147483648 },
    }

    /// TODO
    DescribedGroupMember {
        /// The member's id.
        member_id: Str { 0.. },
        /// TODO
        group_instance_id: Option<Str> { 4.., nullable 4.., default null, ignorable },
        /// TODO
        client_id: Str { 0.. },
        /// TODO
        client_host: Str { 0.. },
        /// TODO
        member_metadata: Bytes { 0.. },
        /// TODO
        member_assignment: Bytes { 0.. },
    }
}
