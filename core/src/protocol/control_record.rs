//! What the records of control batches say: the ends of transactions and, in the metadata log, news of its quorum.

use super::{BrokerId, Message, decode_versioned};
use crate::wire::{self, Str, Uuid, WireError, WireFault};
use bytes::Bytes;

message! {
    /// A control record's key, behind its version: what the record is.
    ControlRecordTypeSchema: versions 0..=0, flexible never {
        /// 0 abort, 1 commit, 2 leader change, 3 snapshot header, 4 snapshot footer, 5 KRaft version, 6 voters.
        r#type: i16 { 0.. },
    }
}

message! {
    /// The value of a commit or an abort marker, behind its version: a producer's transaction ends here (KIP-98).
    EndTxnMarker: versions 0..=0, flexible never {
        /// The epoch of the coordinator that wrote it.
        coordinator_epoch: i32 { 0.. },
    }
}

message! {
    /// The quorum has a new leader (KIP-595). Version 1 brings directory ids (KIP-853).
    LeaderChangeMessage: versions 0..=1, flexible 0.. {
        /// The message's own version.
        version: i16 { 0.. },
        /// The leader.
        leader_id: BrokerId { 0.. },
        /// Who could vote.
        voters: Vec<Voter> { 0.. },
        /// Who voted for the leader.
        granting_voters: Vec<Voter> { 0.. },
    }

    /// A voter.
    Voter {
        /// Its id.
        voter_id: BrokerId { 0.. },
        /// The id of its log directory.
        voter_directory_id: Uuid { 1.. },
    }
}

message! {
    /// A snapshot begins (KIP-630).
    SnapshotHeaderRecord: versions 0..=0, flexible 0.. {
        /// The message's own version.
        version: i16 { 0.. },
        /// The append time of the last record in it, in ms since the epoch.
        last_contained_log_timestamp: i64 { 0.. },
    }
}

message! {
    /// A snapshot ends.
    SnapshotFooterRecord: versions 0..=0, flexible 0.. {
        /// The message's own version.
        version: i16 { 0.. },
    }
}

message! {
    /// Which version of the quorum's protocol is spoken (KIP-853).
    KRaftVersionRecord: versions 0..=0, flexible 0.. {
        /// The message's own version.
        version: i16 { 0.. },
        /// The protocol's version: 0 without directory ids, 1 with them.
        k_raft_version: i16 { 0.. },
    }
}

message! {
    /// Who may vote from here on (KIP-853).
    VotersRecord: versions 0..=0, flexible 0.. {
        /// The message's own version.
        version: i16 { 0.. },
        /// The voters.
        voters: Vec<VotersRecordVoter> { 0.. },
    }

    /// A voter, and how to reach it.
    VotersRecordVoter {
        /// Its id.
        voter_id: BrokerId { 0.. },
        /// The id of its log directory.
        voter_directory_id: Uuid { 0.. },
        /// Where it listens, by listener name.
        endpoints: Vec<Endpoint> { 0.. },
        /// The versions of the quorum's protocol that it can speak.
        k_raft_version_feature: KRaftVersionFeature { 0.. },
    }

    /// Where a voter listens.
    Endpoint {
        /// The listener's name.
        name: Str { 0.. },
        /// Its host name or address.
        host: Str { 0.. },
        /// Its port.
        port: u16 { 0.. },
    }

    /// Versions of the quorum's protocol.
    KRaftVersionFeature {
        /// The oldest.
        min_supported_version: i16 { 0.. },
        /// The newest.
        max_supported_version: i16 { 0.. },
    }
}

/// A control record, by its key.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ControlRecord {
    /// The producer's transaction is aborted.
    Abort(EndTxnMarker),
    /// The producer's transaction is committed.
    Commit(EndTxnMarker),
    /// The quorum has a new leader.
    LeaderChange(LeaderChangeMessage),
    /// A snapshot begins.
    SnapshotHeader(SnapshotHeaderRecord),
    /// A snapshot ends.
    SnapshotFooter(SnapshotFooterRecord),
    /// Which version of the quorum's protocol is spoken.
    KRaftVersion(KRaftVersionRecord),
    /// Who may vote.
    Voters(VotersRecord),
    /// A type that this release does not know.
    Other {
        /// Its number.
        r#type: i16,
        /// The record's value, as it is.
        value: Bytes,
    },
}

impl ControlRecord {
    /// Reads a control record.
    ///
    /// # Errors
    ///
    /// Key or value are not what their type has.
    pub fn decode(key: &Bytes, value: &Bytes) -> Result<Self, WireError> {
        let (key, _) = decode_versioned::<ControlRecordTypeSchema>(key)?;
        Ok(match key.r#type {
            0 => Self::Abort(decode_versioned(value)?.0),
            1 => Self::Commit(decode_versioned(value)?.0),
            2 => Self::LeaderChange(self_versioned(value)?),
            3 => Self::SnapshotHeader(self_versioned(value)?),
            4 => Self::SnapshotFooter(self_versioned(value)?),
            5 => Self::KRaftVersion(self_versioned(value)?),
            6 => Self::Voters(self_versioned(value)?),
            r#type => Self::Other { r#type, value: value.clone() },
        })
    }
}

/// A message whose own first field is its version.
fn self_versioned<M: Message>(value: &Bytes) -> Result<M, WireError> {
    let version = value.first_chunk().map_or(0, |version| i16::from_be_bytes(*version));
    if version < 0 {
        let fault = WireFault::UnknownVersion { known: M::VERSIONS };
        return Err(WireError { message: M::NAME, version, field: String::new(), offset: 0, fault });
    }
    let mut message = M::default();
    wire::decode(&mut message, M::SHAPE, version.min(*M::VERSIONS.end()), value, 0)?;
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(key: &'static [u8], value: &'static [u8]) -> Result<ControlRecord, WireError> {
        ControlRecord::decode(&Bytes::from_static(key), &Bytes::from_static(value))
    }

    #[test]
    fn markers_and_quorum_news_are_told_apart() {
        let marker = EndTxnMarker { coordinator_epoch: 5, ..Default::default() };
        assert_eq!(decode(&[0; 4], &[0, 0, 0, 0, 0, 5]), Ok(ControlRecord::Abort(marker.clone())));
        assert_eq!(decode(&[0, 0, 0, 1], &[0, 0, 0, 0, 0, 5]), Ok(ControlRecord::Commit(marker)));
        let change = decode(&[0, 0, 0, 2], b"\0\0\0\0\0\x02\x02\0\0\0\x01\0\x01\0").unwrap();
        let ControlRecord::LeaderChange(change) = change else { panic!("{change:?}") };
        assert_eq!((change.leader_id, change.voters[0].voter_id), (BrokerId(2), BrokerId(1)));
        let other = ControlRecord::Other { r#type: 9, value: Bytes::from_static(b"?") };
        assert_eq!(decode(&[0, 0, 0, 9], b"?"), Ok(other));
    }

    #[test]
    fn damaged_ones_are_errors() {
        for (key, value) in [(&[0; 3][..], &[0; 6][..]), (&[0; 4], &[0; 5]), (&[0, 0, 0, 2], b"\xff\xff")] {
            decode(Box::leak(key.into()), Box::leak(value.into())).unwrap_err();
        }
    }
}
