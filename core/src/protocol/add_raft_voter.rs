//! AddRaftVoter (key 80): TODO

use super::{BrokerId, ErrorCode};
use crate::wire::{Str, Uuid};

request! {
    /// TODO
    AddRaftVoterRequest: ADD_RAFT_VOTER -> AddRaftVoterResponse, versions 0..=1, flexible 0.. {
        /// TODO
        cluster_id: Option<Str> { 0.., nullable 0.. },
        /// TODO
        timeout_ms: i32 { 0.. },
        /// TODO
        voter_id: BrokerId { 0.. },
        /// TODO
        voter_directory_id: Uuid { 0.. },
        /// TODO
        listeners: Vec<Listener> { 0.. },
        /// TODO
        ack_when_committed: bool { 1.., default true },
    }

    /// TODO
    Listener {
        /// TODO
        name: Str { 0.. },
        /// Its host name or address.
        host: Str { 0.. },
        /// Its port.
        port: u16 { 0.. },
    }
}

message! {
    /// TODO
    AddRaftVoterResponse: versions 0..=1, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., ignorable },
    }
}
