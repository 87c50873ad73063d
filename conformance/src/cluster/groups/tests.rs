//! Offsets in transactions, as the transaction coordinator stages and settles them.

use std::time::Duration;

use milena_core::protocol::offset_fetch::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use milena_core::protocol::{ApiKey, BrokerId, ErrorCode, LeaderEpoch, OffsetFetchRequest, ProducerId};
use milena_core::wire::Str;

use super::{Committer, StagedOffset};
use crate::cluster::api::Call;
use crate::cluster::{ClusterOptions, ClusterState, ConnectionId, Now};

const PRODUCER: ProducerId = ProducerId(1000);

fn cluster() -> ClusterState {
    let topics = vec![("t".to_owned(), 2), ("__consumer_offsets".to_owned(), 1)];
    let mut state = ClusterState::new(ClusterOptions { topics, ..ClusterOptions::default() });
    state.on_leaders_changed();
    state
}

fn outsider() -> Committer {
    Committer { group_id: "g".into(), member_id: Str::default(), group_instance_id: None, generation_id: -1 }
}

fn staged(partition: i32, offset: i64) -> StagedOffset {
    StagedOffset {
        partition: ("t".into(), partition),
        offset,
        leader_epoch: LeaderEpoch(2),
        metadata: Some("m".into()),
    }
}

fn call(key: ApiKey, version: i16) -> Call {
    Call {
        conn: ConnectionId(0),
        broker: BrokerId(1),
        key,
        version,
        correlation_id: 0,
        throttle: Duration::ZERO,
        forced: None,
    }
}

fn fetch(state: &mut ClusterState, partition: i32, require_stable: bool) -> (i64, ErrorCode) {
    let topic = OffsetFetchRequestTopics {
        name: "t".into(),
        partition_indexes: [partition].into(),
        ..Default::default()
    };
    let group =
        OffsetFetchRequestGroup { group_id: "g".into(), topics: Some(vec![topic]), ..Default::default() };
    let request = OffsetFetchRequest { groups: vec![group], require_stable, ..Default::default() };
    let response = state.offset_fetch(&call(ApiKey::OFFSET_FETCH, 8), request);
    let found = &response.groups[0].topics[0].partitions[0];
    (found.committed_offset, found.error_code)
}

#[test]
fn staged_offsets_count_when_their_transaction_commits() {
    let mut state = cluster();
    let codes = state.stage_offsets(&outsider(), PRODUCER, vec![staged(0, 5)]);
    assert_eq!(codes, Ok(vec![ErrorCode::NONE]));
    assert_eq!(fetch(&mut state, 0, false), (-1, ErrorCode::NONE));
    assert_eq!(fetch(&mut state, 0, true), (-1, ErrorCode::UNSTABLE_OFFSET_COMMIT));
    assert_eq!(fetch(&mut state, 1, true), (-1, ErrorCode::NONE), "another partition is stable");
    state.settle_staged(0, ProducerId(1001), true);
    assert_eq!(fetch(&mut state, 0, true).1, ErrorCode::UNSTABLE_OFFSET_COMMIT, "not its transaction");
    state.settle_staged(0, PRODUCER, true);
    assert_eq!(fetch(&mut state, 0, true), (5, ErrorCode::NONE));
    assert_eq!(
        state.stage_offsets(&outsider(), PRODUCER, vec![staged(0, 9)]).map(|codes| codes.len()),
        Ok(1)
    );
    state.settle_staged(0, PRODUCER, false);
    assert_eq!(fetch(&mut state, 0, true), (5, ErrorCode::NONE), "aborted");
}

#[test]
fn a_later_commit_outlives_a_transaction() {
    let mut state = cluster();
    state.stage_offsets(&outsider(), PRODUCER, vec![staged(0, 5), staged(1, 6)]).unwrap();
    state.stage_offsets(&outsider(), ProducerId(1001), vec![staged(0, 7)]).unwrap();
    state.settle_staged(0, ProducerId(1001), true);
    assert_eq!(fetch(&mut state, 0, true).1, ErrorCode::UNSTABLE_OFFSET_COMMIT, "the other one is open");
    state.settle_staged(0, PRODUCER, true);
    assert_eq!(fetch(&mut state, 0, true), (7, ErrorCode::NONE));
    assert_eq!(fetch(&mut state, 1, true), (6, ErrorCode::NONE));
}

#[test]
fn a_transaction_is_checked_like_a_commit() {
    let mut state = cluster();
    let of_generation = Committer { generation_id: 3, member_id: "m".into(), ..outsider() };
    assert_eq!(state.stage_offsets(&of_generation, PRODUCER, vec![]), Err(ErrorCode::ILLEGAL_GENERATION));
    let large = StagedOffset { metadata: Some("x".repeat(4097).into()), ..staged(0, 1) };
    let codes = state.stage_offsets(&outsider(), PRODUCER, vec![large, staged(1, 2)]);
    assert_eq!(codes, Ok(vec![ErrorCode::OFFSET_METADATA_TOO_LARGE, ErrorCode::NONE]));
    assert_eq!(state.stage_offsets(&of_generation, PRODUCER, vec![]), Err(ErrorCode::UNKNOWN_MEMBER_ID));
}

#[test]
fn a_group_with_an_open_transaction_does_not_expire() {
    let mut state = cluster();
    state.stage_offsets(&outsider(), PRODUCER, vec![staged(0, 5)]).unwrap();
    let days = |days: u64| {
        let elapsed = std::time::Duration::from_secs(days * 86_400);
        Now { elapsed, wall_ms: elapsed.as_millis() as i64 }
    };
    state.handle_timeout(days(30));
    assert_eq!(fetch(&mut state, 0, true).1, ErrorCode::UNSTABLE_OFFSET_COMMIT);
    state.settle_staged(0, PRODUCER, true);
    assert_eq!(fetch(&mut state, 0, true), (5, ErrorCode::NONE));
    state.handle_timeout(days(60));
    assert_eq!(fetch(&mut state, 0, true), (-1, ErrorCode::NONE));
    assert_eq!((state.poll_timeout(), state.groups.by_id.len()), (None, 0));
}
