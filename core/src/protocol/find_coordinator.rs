//! FindCoordinator (key 10): which broker looks after a group or a transactional id.

use super::{BrokerId, ErrorCode};
use crate::wire::Str;

request! {
    /// Asks any broker for the coordinator of groups or of transactional ids.
    ///
    /// Version 0 knows only groups, 1 brings transactions (KIP-98). Version 3 is flexible. Version 4 asks for
    /// several keys at once (KIP-699); 5 lets a transaction's error be told precisely (KIP-890); 6 brings
    /// share groups (KIP-932).
    FindCoordinatorRequest: FIND_COORDINATOR -> FindCoordinatorResponse, versions 0..=6, flexible 3.. {
        /// The group's id or the transactional id.
        key: Str { 0..=3 },
        /// 0 for a group, 1 for a transactional id, 2 for a share group's partition.
        key_type: i8 { 1.. },
        /// The groups' ids or the transactional ids.
        coordinator_keys: Vec<Str> { 4.. },
    }
}

message! {
    /// The coordinators.
    ///
    /// Version 1 brings the throttle time and the error's message, 4 an answer for each of several keys.
    FindCoordinatorResponse: versions 0..=6, flexible 3.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 1.., ignorable },
        /// What went wrong.
        error_code: ErrorCode { 0..=3 },
        /// The error in words.
        error_message: Option<Str> { 1..=3, nullable 1..=3, ignorable },
        /// The coordinator.
        node_id: BrokerId { 0..=3 },
        /// Its host name or address.
        host: Str { 0..=3 },
        /// Its port.
        port: i32 { 0..=3 },
        /// An answer for each key.
        coordinators: Vec<Coordinator> { 4.. },
    }

    /// One key's coordinator.
    Coordinator {
        /// The group's id or the transactional id.
        key: Str { 4.. },
        /// The coordinator.
        node_id: BrokerId { 4.. },
        /// Its host name or address.
        host: Str { 4.. },
        /// Its port.
        port: i32 { 4.. },
        /// What went wrong.
        error_code: ErrorCode { 4.. },
        /// The error in words.
        error_message: Option<Str> { 4.., nullable 4.., ignorable },
    }
}
