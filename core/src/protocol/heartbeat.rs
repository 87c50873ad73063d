//! Heartbeat (key 12): TODO

use super::ErrorCode;
use crate::wire::Str;

request! {
    /// TODO
    HeartbeatRequest: HEARTBEAT -> HeartbeatResponse, versions 0..=4, flexible 4.. {
        /// The group's id.
        group_id: Str { 0.. },
        /// TODO
        generation_id: i32 { 0.. },
        /// The member's id.
        member_id: Str { 0.. },
        /// TODO
        group_instance_id: Option<Str> { 3.., nullable 3.., default null },
    }
}

message! {
    /// TODO
    HeartbeatResponse: versions 0..=4, flexible 4.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 1.., ignorable },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
    }
}
