//! JoinGroup (key 11): TODO

use super::ErrorCode;
use crate::wire::Str;
use bytes::Bytes;

request! {
    /// TODO
    JoinGroupRequest: JOIN_GROUP -> JoinGroupResponse, versions 0..=9, flexible 6.. {
        /// The group's id.
        group_id: Str { 0.. },
        /// TODO
        session_timeout_ms: i32 { 0.. },
        /// TODO
        rebalance_timeout_ms: i32 { 1.., default -1, ignorable },
        /// The member's id.
        member_id: Str { 0.. },
        /// TODO
        group_instance_id: Option<Str> { 5.., nullable 5.., default null },
        /// TODO
        protocol_type: Str { 0.. },
        /// TODO
        protocols: Vec<JoinGroupRequestProtocol> { 0.. },
        /// TODO
        reason: Option<Str> { 8.., nullable 8.., default null, ignorable },
    }

    /// TODO
    JoinGroupRequestProtocol {
        /// TODO
        name: Str { 0.. },
        /// TODO
        metadata: Bytes { 0.. },
    }
}

message! {
    /// TODO
    JoinGroupResponse: versions 0..=9, flexible 6.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 2.., ignorable },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// TODO
        generation_id: i32 { 0.., default -1 },
        /// TODO
        protocol_type: Option<Str> { 7.., nullable 7.., default null, ignorable },
        /// TODO
        protocol_name: Option<Str> { 0.., nullable 7.. },
        /// TODO
        leader: Str { 0.. },
        /// TODO
        skip_assignment: bool { 9.. },
        /// The member's id.
        member_id: Str { 0.. },
        /// TODO
        members: Vec<JoinGroupResponseMember> { 0.. },
    }

    /// TODO
    JoinGroupResponseMember {
        /// The member's id.
        member_id: Str { 0.. },
        /// TODO
        group_instance_id: Option<Str> { 5.., nullable 5.., default null, ignorable },
        /// TODO
        metadata: Bytes { 0.. },
    }
}
