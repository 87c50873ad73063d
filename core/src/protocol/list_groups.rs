//! ListGroups (key 16): TODO

use super::ErrorCode;
use crate::wire::Str;

request! {
    /// TODO
    ListGroupsRequest: LIST_GROUPS -> ListGroupsResponse, versions 0..=5, flexible 3.. {
        /// TODO
        states_filter: Vec<Str> { 4.. },
        /// TODO
        types_filter: Vec<Str> { 5.. },
    }
}

message! {
    /// TODO
    ListGroupsResponse: versions 0..=5, flexible 3.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 1.., ignorable },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// TODO
        groups: Vec<ListedGroup> { 0.. },
    }

    /// TODO
    ListedGroup {
        /// The group's id.
        group_id: Str { 0.. },
        /// TODO
        protocol_type: Str { 0.. },
        /// TODO
        group_state: Str { 4.., ignorable },
        /// TODO
        group_type: Str { 5.., ignorable },
    }
}
