//! The machine of one transactional id by its table, and what no request shows: staged offsets.

use std::time::Duration;

use milena_core::protocol::{BrokerId, ErrorCode, LeaderEpoch, ProducerId};

use super::metadata::{ProducerIdAndEpoch, ProducerIds, State, TransactionMetadata};
use crate::cluster::Now;
use crate::cluster::coordinator::CoordinatorKind;
use crate::cluster::groups::{Committer, StagedOffset};
use crate::cluster::producers::Marker;
use crate::cluster::{ClusterOptions, ClusterState};

const STATES: [State; 6] = [
    State::Empty,
    State::Ongoing,
    State::PrepareCommit,
    State::PrepareAbort,
    State::CompleteCommit,
    State::CompleteAbort,
];

fn session(epoch: i16) -> ProducerIdAndEpoch {
    ProducerIdAndEpoch { id: ProducerId(7), epoch }
}

/// A transactional id at epoch 5, in any state.
fn metadata(state: State) -> TransactionMetadata {
    let mut metadata = TransactionMetadata::new(ProducerId(7));
    metadata.producer.epoch = 5;
    metadata.timeout = Duration::from_secs(60);
    metadata.state = state;
    metadata
}

#[test]
fn ends_follow_the_table() {
    // For each state, with each version: what commit and abort make of it, by the epoch before and the one of now.
    let row = |state, version| {
        let outcome = |epoch, commit| {
            let mut metadata = metadata(state);
            let ended =
                metadata.end(session(epoch), commit, version, Now::default(), &mut ProducerIds::default());
            match ended {
                Ok(next) if metadata.state == state => format!("same {}", next.epoch),
                Ok(next) => format!("{} {}", metadata.state.name(), next.epoch),
                Err(code) => code.name().to_owned(),
            }
        };
        [outcome(4, true), outcome(4, false), outcome(5, true), outcome(5, false)]
    };
    let (fenced, state, wait) = ("PRODUCER_FENCED", "INVALID_TXN_STATE", "CONCURRENT_TRANSACTIONS");
    let version_1 = [
        [fenced, fenced, state, state],
        [fenced, fenced, "PrepareCommit 5", "PrepareAbort 5"],
        [fenced, fenced, wait, wait],
        [fenced, fenced, wait, wait],
        [fenced, fenced, "same 5", state],
        [fenced, fenced, state, "same 5"],
    ];
    let version_2 = [
        [fenced, fenced, state, "CompleteAbort 6"],
        [fenced, fenced, "PrepareCommit 6", "PrepareAbort 6"],
        [wait, wait, wait, wait],
        [wait, wait, wait, wait],
        ["same 5", state, state, "CompleteAbort 6"],
        [state, "same 5", state, "same 6"],
    ];
    for ((state, version_1), version_2) in STATES.into_iter().zip(version_1).zip(version_2) {
        assert_eq!(row(state, 1), version_1, "version 1, {}", state.name());
        assert_eq!(row(state, 2), version_2, "version 2, {}", state.name());
    }
}

#[test]
fn adding_and_starting_follow_the_table() {
    let (wait, fenced) = (Err(ErrorCode::CONCURRENT_TRANSACTIONS), Err(ErrorCode::PRODUCER_FENCED));
    for state in STATES {
        let add = |epoch, waits_first| {
            let mut metadata = metadata(state);
            metadata.add(session(epoch), [("t".into(), 0)], waits_first, Now::default())
        };
        let init = |version| {
            let mut metadata = metadata(state);
            let (now, mut ids) = (Now::default(), ProducerIds::default());
            let given = metadata.init(None, Duration::from_secs(1), version, now, &mut ids);
            (given.map(|producer| producer.epoch), metadata.state, metadata.producer.epoch)
        };
        let is_ending = matches!(state, State::PrepareCommit | State::PrepareAbort);
        assert_eq!(add(5, false), if is_ending { wait } else { Ok(()) }, "{state:?}");
        assert_eq!(add(4, true), if is_ending { wait } else { fenced }, "{state:?}");
        assert_eq!(add(4, false), fenced, "{state:?}");
        for version in [1, 2] {
            let expected = match state {
                State::Ongoing => (Err(ErrorCode::CONCURRENT_TRANSACTIONS), State::PrepareAbort, 6),
                _ if is_ending => (Err(ErrorCode::CONCURRENT_TRANSACTIONS), state, 5),
                _ => (Ok(6), State::Empty, 6),
            };
            assert_eq!(init(version), expected, "{state:?}");
        }
    }
}

#[test]
fn staged_offsets_count_with_the_marker_of_a_commit() {
    let mut state = ClusterState::new(ClusterOptions::default());
    let marker = |producer_epoch, coordinator_epoch, commit| Marker {
        producer_id: ProducerId(7),
        producer_epoch,
        coordinator_epoch,
        commit,
        transaction_version: 2,
    };
    let unknown = Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(state.settle_offsets(0, &marker(0, 0, true)), unknown, "there is no such topic yet");
    let topic = CoordinatorKind::Group.topic();
    state.create_topic(topic, 1).unwrap();

    let stage = |state: &mut ClusterState, producer_epoch, offset| {
        let who = Committer {
            group_id: "g".into(),
            member_id: "".into(),
            group_instance_id: None,
            generation_id: -1,
        };
        let offset =
            StagedOffset { partition: ("t".into(), 0), offset, leader_epoch: LeaderEpoch(1), metadata: None };
        state.stage_in_transaction(
            &who,
            0,
            ProducerIdAndEpoch { id: ProducerId(7), epoch: producer_epoch },
            vec![offset],
        )
    };
    let committed = |state: &ClusterState| state.committed("g", "t", 0);
    assert_eq!(stage(&mut state, 3, 10), Ok(vec![ErrorCode::NONE]));
    assert_eq!(committed(&state), None);
    assert_eq!(state.settle_offsets(0, &marker(2, 1, true)), Err(ErrorCode::INVALID_PRODUCER_EPOCH));
    assert_eq!(state.settle_offsets(0, &marker(4, 1, true)), Ok(()));
    assert_eq!(committed(&state), Some(10));
    assert!(stage(&mut state, 4, 20).is_ok());
    assert_eq!(state.settle_offsets(0, &marker(5, 0, true)), Err(ErrorCode::TRANSACTION_COORDINATOR_FENCED));
    state.stop_broker(BrokerId(1));
    assert_eq!(state.settle_offsets(0, &marker(5, 1, false)), Err(ErrorCode::NOT_LEADER_OR_FOLLOWER));
    state.start_broker(BrokerId(1));
    assert_eq!(state.settle_offsets(0, &marker(5, 1, false)), Ok(()));
    assert_eq!(state.settle_offsets(0, &marker(5, 1, true)), Ok(()), "nothing is staged any more");
    assert_eq!(committed(&state), Some(10));
}
