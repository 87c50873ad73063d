//! DeleteGroups (key 42): delete groups.

use super::ErrorCode;
use crate::wire::Str;

request! {
    /// Asks the groups' coordinator to delete groups and their committed offsets (KIP-229). A group that
    /// still has members gets `NON_EMPTY_GROUP`, one that another broker coordinates `NOT_COORDINATOR`.
    ///
    /// Version 1 changes nothing but when the broker throttles (KIP-219). Version 2 is flexible.
    DeleteGroupsRequest: DELETE_GROUPS -> DeleteGroupsResponse, versions 0..=2, flexible 2.. {
        /// The groups' ids.
        groups_names: Vec<Str> { 0.. },
    }
}

message! {
    /// What became of each group.
    ///
    /// No version changes a field. Version 2 is flexible.
    DeleteGroupsResponse: versions 0..=2, flexible 2.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// Results by group.
        results: Vec<DeletableGroupResult> { 0.. },
    }

    /// A group's result.
    DeletableGroupResult {
        /// The group's id.
        group_id: Str { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
    }
}
