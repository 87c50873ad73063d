//! LeaveGroup (key 13): TODO

use super::ErrorCode;
use crate::wire::Str;

request! {
    /// TODO
    LeaveGroupRequest: LEAVE_GROUP -> LeaveGroupResponse, versions 0..=5, flexible 4.. {
        /// The group's id.
        group_id: Str { 0.. },
        /// The member's id.
        member_id: Str { 0..=2 },
        /// TODO
        members: Vec<MemberIdentity> { 3.. },
    }

    /// TODO
    MemberIdentity {
        /// The member's id.
        member_id: Str { 3.. },
        /// TODO
        group_instance_id: Option<Str> { 3.., nullable 3.., default null },
        /// TODO
        reason: Option<Str> { 5.., nullable 5.., default null, ignorable },
    }
}

message! {
    /// TODO
    LeaveGroupResponse: versions 0..=5, flexible 4.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 1.., ignorable },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// TODO
        members: Vec<MemberResponse> { 3.. },
    }

    /// TODO
    MemberResponse {
        /// The member's id.
        member_id: Str { 3.. },
        /// TODO
        group_instance_id: Option<Str> { 3.., nullable 3.. },
        /// What went wrong.
        error_code: ErrorCode { 3.. },
    }
}
