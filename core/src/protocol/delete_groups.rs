//! DeleteGroups (key 42): TODO

use super::ErrorCode;
use crate::wire::Str;

request! {
    /// TODO
    DeleteGroupsRequest: DELETE_GROUPS -> DeleteGroupsResponse, versions 0..=2, flexible 2.. {
        /// TODO
        groups_names: Vec<Str> { 0.. },
    }
}

message! {
    /// TODO
    DeleteGroupsResponse: versions 0..=2, flexible 2.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// TODO
        results: Vec<DeletableGroupResult> { 0.. },
    }

    /// TODO
    DeletableGroupResult {
        /// The group's id.
        group_id: Str { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
    }
}
