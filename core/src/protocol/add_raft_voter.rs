//! AddRaftVoter (key 80): add a controller to the voters of the metadata quorum.

use super::{BrokerId, ErrorCode};
use crate::wire::{Str, Uuid};

request! {
    /// Asks the leader of the metadata quorum, the active controller, to make a controller a voter
    /// (KIP-853); a broker passes the request on.
    ///
    /// The leader refuses while another change of the voters goes on, or while the new one's log is behind;
    /// it then answers `REQUEST_TIMED_OUT`. Every version is flexible. Version 1 lets the leader answer
    /// before the change is committed (KIP-1186).
    AddRaftVoterRequest: ADD_RAFT_VOTER -> AddRaftVoterResponse, versions 0..=1, flexible 0.. {
        /// The cluster's id, so that the wrong cluster refuses; null to leave that unchecked.
        cluster_id: Option<Str> { 0.., nullable 0.. },
        /// How long the change may take, in ms.
        timeout_ms: i32 { 0.. },
        /// The node id of the new voter. No voter may have it yet.
        voter_id: BrokerId { 0.. },
        /// The id of its metadata log's directory, which tells it from a controller of the same node id
        /// with another disk. Never zero.
        voter_directory_id: Uuid { 0.. },
        /// Where the voter can be reached: one entry for each controller listener, the one that the leader
        /// itself uses among them.
        listeners: Vec<Listener> { 0.. },
        /// Whether the answer waits until the new set of voters is committed; false to have it once the
        /// leader has written the change to its log. A controller that adds itself says false, as its own
        /// fetches may be needed to commit.
        ack_when_committed: bool { 1.., default true },
    }

    /// An endpoint of the new voter.
    Listener {
        /// The listener's name, such as `CONTROLLER`.
        name: Str { 0.. },
        /// Its host name or address.
        host: Str { 0.. },
        /// Its port.
        port: u16 { 0.. },
    }
}

message! {
    /// Says whether the controller becomes a voter.
    ///
    /// Version 1 changes no field.
    AddRaftVoterResponse: versions 0..=1, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., ignorable },
    }
}
