//! SyncGroup (key 14): hand out and fetch a classic group's assignment.

use super::ErrorCode;
use crate::wire::Str;
use bytes::Bytes;

request! {
    /// Asks the group's coordinator for the member's assignment, after JoinGroup; the group's leader hands in
    /// everybody's with it. The answers wait until the leader's request is there.
    ///
    /// Version 1 changes only the response. Version 2 changes nothing but when the broker throttles
    /// (KIP-219). Version 3 brings static members (KIP-345). Version 4 is flexible. Version 5 states the
    /// protocol, for the coordinator to compare (KIP-559).
    SyncGroupRequest: SYNC_GROUP -> SyncGroupResponse, versions 0..=5, flexible 4.. {
        /// The group's id.
        group_id: Str { 0.. },
        /// The group's generation, as JoinGroup's response told it.
        generation_id: i32 { 0.. },
        /// The member's id.
        member_id: Str { 0.. },
        /// The static member's name (`group.instance.id`); null if it is dynamic.
        group_instance_id: Option<Str> { 3.., nullable 3.., default null },
        /// The group's kind as JoinGroup's response told it, `consumer` for consumers. Brokers refuse null.
        protocol_type: Option<Str> { 5.., nullable 5.., default null, ignorable },
        /// The assignor that the group chose, as JoinGroup's response told it. Brokers refuse null.
        protocol_name: Option<Str> { 5.., nullable 5.., default null, ignorable },
        /// Everybody's assignments from the leader; empty from the other members.
        assignments: Vec<SyncGroupRequestAssignment> { 0.. },
    }

    /// A member's assignment.
    SyncGroupRequestAssignment {
        /// The member's id.
        member_id: Str { 0.. },
        /// What it gets, in a form the coordinator does not look into; for consumers a version as int16 and
        /// then a `ConsumerProtocolAssignment`.
        assignment: Bytes { 0.. },
    }
}

message! {
    /// The member's assignment.
    ///
    /// Version 1 brings the throttle time, 5 the protocol (KIP-559).
    SyncGroupResponse: versions 0..=5, flexible 4.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 1.., ignorable },
        /// What went wrong; after `REBALANCE_IN_PROGRESS` the member is to join again.
        error_code: ErrorCode { 0.. },
        /// The group's kind, `consumer` for consumers; null on an error.
        protocol_type: Option<Str> { 5.., nullable 5.., default null, ignorable },
        /// The assignor that the group chose; null on an error.
        protocol_name: Option<Str> { 5.., nullable 5.., default null, ignorable },
        /// What the member gets, as the leader wrote it; empty if the leader gave it nothing, and on an
        /// error.
        assignment: Bytes { 0.. },
    }
}
