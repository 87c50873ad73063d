//! RemoveRaftVoter (key 81): take a controller out of the voters of the metadata quorum.

use super::{BrokerId, ErrorCode};
use crate::wire::{Str, Uuid};

request! {
    /// Asks the leader of the metadata quorum, the active controller, to let a controller be a voter no
    /// longer (KIP-853); a broker passes the request on.
    ///
    /// The leader refuses with `REQUEST_TIMED_OUT` while another change of the voters goes on. One that
    /// removes itself resigns afterwards. Version 0 is flexible.
    RemoveRaftVoterRequest: REMOVE_RAFT_VOTER -> RemoveRaftVoterResponse, versions 0..=0, flexible 0.. {
        /// The cluster's id, so that the wrong cluster refuses; null to leave that unchecked.
        cluster_id: Option<Str> { 0.., nullable 0.. },
        /// The node id of the voter.
        voter_id: BrokerId { 0.. },
        /// The id of its metadata log's directory; a voter is removed only if both ids fit. Never zero.
        voter_directory_id: Uuid { 0.. },
    }
}

message! {
    /// Says whether the controller is a voter no longer, once the new set of voters is committed.
    RemoveRaftVoterResponse: versions 0..=0, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., ignorable },
    }
}
