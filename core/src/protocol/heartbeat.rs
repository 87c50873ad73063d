//! Heartbeat (key 12): stay a member of a classic group.

use super::ErrorCode;
use crate::wire::Str;

request! {
    /// Tells the group's coordinator that a member of a classic group is alive, and asks whether a
    /// rebalance has begun.
    ///
    /// Version 1 is for the response; 2 changes nothing but when the broker throttles (KIP-219). Version 3
    /// brings static members (KIP-345). Version 4 is flexible.
    HeartbeatRequest: HEARTBEAT -> HeartbeatResponse, versions 0..=4, flexible 4.. {
        /// The group's id.
        group_id: Str { 0.. },
        /// The group's generation, as joining told it.
        generation_id: i32 { 0.. },
        /// The member's id.
        member_id: Str { 0.. },
        /// The id of a static member, null for a dynamic one.
        group_instance_id: Option<Str> { 3.., nullable 3.., default null },
    }
}

message! {
    /// Says whether the member still belongs to the generation.
    ///
    /// Version 1 brings the throttle time.
    HeartbeatResponse: versions 0..=4, flexible 4.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 1.., ignorable },
        /// What went wrong: with `REBALANCE_IN_PROGRESS` the member has to join again, with
        /// `ILLEGAL_GENERATION`, `UNKNOWN_MEMBER_ID` or `FENCED_INSTANCE_ID` it has lost its partitions.
        error_code: ErrorCode { 0.. },
    }
}
