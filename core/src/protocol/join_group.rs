//! JoinGroup (key 11): become a member of a classic group.

use super::ErrorCode;
use crate::wire::Str;
use bytes::Bytes;

request! {
    /// Asks the group's coordinator to let a member into the group, or into its next generation; the answer
    /// waits until all members have asked or the rebalance timeout is over. SyncGroup follows.
    ///
    /// Version 1 brings the rebalance timeout (KIP-62). Version 2 changes no field of the request, 3
    /// nothing but when the broker throttles (KIP-219). From version 4 on a new member is sent back with
    /// `MEMBER_ID_REQUIRED` and its id, to ask again with that (KIP-394). Version 5 brings static members
    /// (KIP-345). Version 6 is flexible. Version 7 lets the response tell the protocol type (KIP-559).
    /// Version 8 brings the reason (KIP-800). Version 9 lets the response stop the leader from assigning
    /// (KIP-814).
    JoinGroupRequest: JOIN_GROUP -> JoinGroupResponse, versions 0..=9, flexible 6.. {
        /// The group's id.
        group_id: Str { 0.. },
        /// How long the coordinator may be without a heartbeat until it takes the member for dead, in ms.
        session_timeout_ms: i32 { 0.. },
        /// How long the coordinator waits for the member to join again in a rebalance, in ms. Version 0
        /// goes by the session timeout.
        rebalance_timeout_ms: i32 { 1.., default -1, ignorable },
        /// The member's id, as the coordinator gave it; empty to get one.
        member_id: Str { 0.. },
        /// The instance id of a static member, which outlives restarts; null for a dynamic one.
        group_instance_id: Option<Str> { 5.., nullable 5.., default null },
        /// What the group is for, the same for all members: `consumer` for consumers, `connect` for Kafka
        /// Connect.
        protocol_type: Str { 0.. },
        /// The protocols the member speaks, the one it likes best first; for a consumer these are
        /// assignors. The members must have one in common.
        protocols: Vec<JoinGroupRequestProtocol> { 0.. },
        /// Why the member joins, in words, for the broker's log; null for no reason.
        reason: Option<Str> { 8.., nullable 8.., default null, ignorable },
    }

    /// A protocol the member speaks.
    JoinGroupRequestProtocol {
        /// Its name, for a consumer such as `range` or `cooperative-sticky`.
        name: Str { 0.. },
        /// What the leader is to know of the member; for a consumer its subscription, as
        /// ConsumerProtocolSubscription. The broker hands it on.
        metadata: Bytes { 0.. },
    }
}

message! {
    /// The new generation, and for its leader all members.
    ///
    /// Version 2 brings the throttle time, 5 instance ids (KIP-345), 7 the protocol type (KIP-559), 9
    /// whether the leader is to assign (KIP-814).
    JoinGroupResponse: versions 0..=9, flexible 6.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 2.., ignorable },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The group's generation, which the member states from now on; -1 with an error.
        generation_id: i32 { 0.., default -1 },
        /// What the group is for; null with an error. The member checks that it is what it asked for.
        protocol_type: Option<Str> { 7.., nullable 7.., default null, ignorable },
        /// The protocol the coordinator chose from those all members speak. With an error it is null, or
        /// empty before version 7.
        protocol_name: Option<Str> { 0.., nullable 7.. },
        /// The member id of the leader, who assigns.
        leader: Str { 0.. },
        /// Whether the leader is to assign nothing, as the group keeps its assignment; so when a static
        /// leader comes back.
        skip_assignment: bool { 9.. },
        /// The member's id, new if the request had none.
        member_id: Str { 0.. },
        /// All members, if this one is the leader; else empty.
        members: Vec<JoinGroupResponseMember> { 0.. },
    }

    /// A member, for the leader.
    JoinGroupResponseMember {
        /// The member's id.
        member_id: Str { 0.. },
        /// The instance id of a static member; null for a dynamic one.
        group_instance_id: Option<Str> { 5.., nullable 5.., default null, ignorable },
        /// What it said of itself under the chosen protocol.
        metadata: Bytes { 0.. },
    }
}
