//! ListGroups (key 16): which groups a broker coordinates.

use super::ErrorCode;
use crate::wire::Str;

request! {
    /// Asks a broker for the groups it coordinates; who wants all groups asks every broker.
    ///
    /// Version 1 changes only the response, 2 nothing but when the broker throttles (KIP-219). Version 3 is
    /// flexible. Version 4 can select by state (KIP-518), 5 by type (KIP-848).
    ListGroupsRequest: LIST_GROUPS -> ListGroupsResponse, versions 0..=5, flexible 3.. {
        /// The states asked for, empty for all: `Empty`, `Stable`, `Dead`; in classic groups
        /// `PreparingRebalance`, `CompletingRebalance`; in consumer and streams groups `Assigning`,
        /// `Reconciling`; in streams groups `NotReady`.
        states_filter: Vec<Str> { 4.. },
        /// The types asked for, empty for all: `classic`, `consumer`, `share`, `streams`.
        types_filter: Vec<Str> { 5.. },
    }
}

message! {
    /// The groups, as far as the client may see them.
    ///
    /// Version 1 brings the throttle time, 4 the state (KIP-518), 5 the type (KIP-848). Version 3 is
    /// flexible.
    ListGroupsResponse: versions 0..=5, flexible 3.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 1.., ignorable },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The groups that the filters let through.
        groups: Vec<ListedGroup> { 0.. },
    }

    /// A group.
    ListedGroup {
        /// The group's id.
        group_id: Str { 0.. },
        /// What the group is for: `consumer`, `connect`, `share`, `streams` or what else its members agreed
        /// on; empty for a classic group that has only committed offsets.
        protocol_type: Str { 0.. },
        /// Its state, as in `states_filter`.
        group_state: Str { 4.., ignorable },
        /// Its type, as in `types_filter`.
        group_type: Str { 5.., ignorable },
    }
}
