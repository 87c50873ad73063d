//! LeaveGroup (key 13): take members out of a group.

use super::ErrorCode;
use crate::wire::Str;

request! {
    /// Asks the group's coordinator to take members out, without waiting until their sessions time out. A
    /// member leaves by it, and administrators remove static members.
    ///
    /// Version 1 changes no field of the request, 2 nothing but when the broker throttles (KIP-219).
    /// Version 3 takes several members, by instance id too (KIP-345). Version 4 is flexible. Version 5
    /// brings the reason (KIP-800).
    LeaveGroupRequest: LEAVE_GROUP -> LeaveGroupResponse, versions 0..=5, flexible 4.. {
        /// The group's id.
        group_id: Str { 0.. },
        /// The member's id; from version 3 on see `members`.
        member_id: Str { 0..=2 },
        /// The members to take out.
        members: Vec<MemberIdentity> { 3.. },
    }

    /// A member to take out.
    MemberIdentity {
        /// The member's id; empty to go by the instance id alone.
        member_id: Str { 3.. },
        /// The instance id of a static member; null for a dynamic one.
        group_instance_id: Option<Str> { 3.., nullable 3.., default null },
        /// Why it leaves, in words, for the broker's log; null for no reason.
        reason: Option<Str> { 5.., nullable 5.., default null, ignorable },
    }
}

message! {
    /// Says whether the members are out.
    ///
    /// Version 1 brings the throttle time, 3 a result for each member (KIP-345).
    LeaveGroupResponse: versions 0..=5, flexible 4.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 1.., ignorable },
        /// What went wrong with the request as a whole; before version 3, with the member.
        error_code: ErrorCode { 0.. },
        /// Results by member.
        members: Vec<MemberResponse> { 3.. },
    }

    /// A member's result.
    MemberResponse {
        /// The member's id, as in the request.
        member_id: Str { 3.. },
        /// The instance id of a static member, as in the request; null for a dynamic one.
        group_instance_id: Option<Str> { 3.., nullable 3.. },
        /// What went wrong.
        error_code: ErrorCode { 3.. },
    }
}
