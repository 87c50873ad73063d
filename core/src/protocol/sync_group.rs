//! SyncGroup (key 14): TODO

use super::ErrorCode;
use crate::wire::Str;
use bytes::Bytes;

request! {
    /// TODO
    SyncGroupRequest: SYNC_GROUP -> SyncGroupResponse, versions 0..=5, flexible 4.. {
        /// The group's id.
        group_id: Str { 0.. },
        /// TODO
        generation_id: i32 { 0.. },
        /// The member's id.
        member_id: Str { 0.. },
        /// TODO
        group_instance_id: Option<Str> { 3.., nullable 3.., default null },
        /// TODO
        protocol_type: Option<Str> { 5.., nullable 5.., default null, ignorable },
        /// TODO
        protocol_name: Option<Str> { 5.., nullable 5.., default null, ignorable },
        /// TODO
        assignments: Vec<SyncGroupRequestAssignment> { 0.. },
    }

    /// TODO
    SyncGroupRequestAssignment {
        /// The member's id.
        member_id: Str { 0.. },
        /// TODO
        assignment: Bytes { 0.. },
    }
}

message! {
    /// TODO
    SyncGroupResponse: versions 0..=5, flexible 4.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 1.., ignorable },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// TODO
        protocol_type: Option<Str> { 5.., nullable 5.., default null, ignorable },
        /// TODO
        protocol_name: Option<Str> { 5.., nullable 5.., default null, ignorable },
        /// TODO
        assignment: Bytes { 0.. },
    }
}
