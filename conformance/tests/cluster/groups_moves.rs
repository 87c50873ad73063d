//! Coordinators that move: what the next one finds, and what it does not.

use std::time::Duration;

use milena_conformance::cluster::{ClusterOptions, ConnectionId};
use milena_core::protocol::{BrokerId, ErrorCode, FindCoordinatorRequest};

use crate::groups_member::{Member, commit_of, commit_request};
use crate::script::Script;

const OFFSETS: &str = "__consumer_offsets";

/// Two brokers, the first of which coordinates all groups.
fn two_brokers(release: &str, coordinator_load: Duration) -> Script {
    let mut script = Script::with_groups(ClusterOptions {
        nodes: 2,
        coordinator_partitions: 1,
        coordinator_load,
        as_version: release.parse().unwrap(),
        ..Default::default()
    });
    move_to(&mut script, 1);
    script.advance(u64::try_from(coordinator_load.as_millis()).unwrap());
    script
}

fn move_to(script: &mut Script, broker: i32) {
    assert!(script.state.move_leader(OFFSETS, 0, BrokerId(broker)));
    script.drain();
}

fn at(member: &Member, conn: ConnectionId) -> Member {
    Member { conn, ..member.clone() }
}

#[test]
fn what_waits_is_sent_away_and_the_stored_generation_goes_on() {
    let mut script = two_brokers("4.3", Duration::ZERO);
    let mut members = script.stable(2);
    script.commit(members[0].conn, commit_of(&members[0], 2));
    let mut newcomer = script.member();
    script.join(&mut newcomer);
    script.join(&mut members[0]);
    script.advance(1_000);
    assert_eq!(script.beat(&members[1], 2), ErrorCode::REBALANCE_IN_PROGRESS);
    move_to(&mut script, 2);
    for member in [&members[0], &newcomer] {
        let refused = script.joined(member).unwrap();
        assert_eq!((refused.error_code, &refused.member_id), (ErrorCode::NOT_COORDINATOR, &member.id));
    }
    assert_eq!(script.beat(&members[1], 2), ErrorCode::NOT_COORDINATOR);
    let conn = script.connect(1);
    let found = script.call(conn, FindCoordinatorRequest { key: "g".into(), ..Default::default() }, 0);
    assert_eq!(found.node_id, BrokerId(2));

    let conn = script.connect(2);
    assert_eq!(script.fetch_offset(conn, "t", 0).0, 7, "nothing committed is lost");
    script.advance(9_999);
    assert_eq!(script.beat(&at(&members[0], conn), 2), ErrorCode::NONE, "sessions begin anew");
    assert_eq!(script.beat(&at(&newcomer, conn), 2), ErrorCode::UNKNOWN_MEMBER_ID, "it was in no generation");
    let mut second = at(&members[1], conn);
    script.sync(&second, 2, &[]);
    assert_eq!(script.assignment(&second), (ErrorCode::NONE, "some".to_owned()));
    script.advance(1);
    second.protocols = vec![("range", "u")];
    script.join(&mut second);
    assert_eq!(script.generation(&mut second).0, ErrorCode::UNKNOWN_MEMBER_ID, "late by a moment");
}

#[test]
fn a_generation_without_an_assignment_is_lost() {
    let mut script = two_brokers("4.3", Duration::ZERO);
    let mut members = script.stable(2);
    for member in &mut members {
        member.protocols = vec![("range", "u")];
        script.join(member);
    }
    for member in &mut members {
        assert_eq!(script.generation(member), (ErrorCode::NONE, 3));
    }
    script.sync(&members[1], 3, &[]);
    move_to(&mut script, 2);
    assert_eq!(script.assignment(&members[1]).0, ErrorCode::NOT_COORDINATOR);
    let conn = script.connect(2);
    assert_eq!(script.beat(&at(&members[0], conn), 3), ErrorCode::ILLEGAL_GENERATION);
    assert_eq!(script.beat(&at(&members[0], conn), 2), ErrorCode::NONE);
    assert_eq!(script.state_of(conn), "Stable");
}

#[test]
fn a_group_that_stored_nothing_is_forgotten_and_from_4_0_on_empty() {
    for (release, state) in [("4.3", "Empty"), ("3.9", "Dead")] {
        let mut script = two_brokers(release, Duration::ZERO);
        let mut a = script.member();
        script.join(&mut a);
        assert_eq!(script.generation(&mut a), (ErrorCode::NONE, 1));
        move_to(&mut script, 2);
        let conn = script.connect(2);
        assert_eq!(script.state_of(conn), state, "{release}");
        let mut a = at(&a, conn);
        script.join(&mut a);
        assert_eq!(script.generation(&mut a).0, ErrorCode::UNKNOWN_MEMBER_ID);
    }
}

#[test]
fn a_coordinator_that_loads_says_so_or_says_nothing_against_a_member() {
    for (release, of_sync) in [
        ("4.3", ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
        ("3.9", ErrorCode::REBALANCE_IN_PROGRESS),
        ("1.1", ErrorCode::UNKNOWN_MEMBER_ID),
    ] {
        let mut script = two_brokers(release, Duration::from_secs(20));
        let mut a = Member { version: 2, ..script.member() };
        script.join(&mut a);
        script.generation(&mut a);
        script.sync(&a, 1, &[]);
        script.assignment(&a);
        move_to(&mut script, 2);
        let mut a = at(&a, script.connect(2));
        script.advance(15_000);
        assert_eq!(script.beat(&a, 1), ErrorCode::NONE);
        script.sync(&a, 1, &[]);
        assert_eq!(script.assignment(&a).0, of_sync, "{release}");
        script.join(&mut a);
        assert_eq!(script.joined(&a).unwrap().error_code, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
        let commit = script.commit_at(a.conn, commit_request("t", 0, 1), 2);
        assert_eq!(commit, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
        let listed = script.call(a.conn, milena_core::protocol::ListGroupsRequest::default(), 0);
        assert_eq!(listed.error_code, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
        // Its session is one of 10 s from when it was loaded.
        script.advance(14_999);
        assert_eq!(script.beat(&a, 1), ErrorCode::NONE, "{release}");
        script.advance(10_000);
        assert_eq!(script.beat(&a, 1), ErrorCode::UNKNOWN_MEMBER_ID);
    }
}

#[test]
fn without_a_coordinator_no_session_ends() {
    let mut script = two_brokers("4.3", Duration::ZERO);
    let a = script.stable(1).remove(0);
    script.state.stop_broker(BrokerId(2));
    script.state.stop_broker(BrokerId(1));
    script.drain();
    script.advance(3_600_000);
    script.state.handle_timeout(script.now);
    script.state.start_broker(BrokerId(1));
    let a = at(&a, script.connect(1));
    assert_eq!(script.beat(&a, 1), ErrorCode::NONE);
    script.advance(10_000);
    assert_eq!(script.beat(&a, 1), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn a_restarted_static_member_is_known_to_the_next_coordinator() {
    let mut script = two_brokers("4.3", Duration::ZERO);
    let mut members = vec![script.static_member("one")];
    script.stabilise(&mut members);
    let mut again = Member { id: Default::default(), conn: script.connect(1), ..members[0].clone() };
    script.join(&mut again);
    script.generation(&mut again);
    move_to(&mut script, 2);
    let conn = script.connect(2);
    assert_eq!(script.beat(&at(&again, conn), 1), ErrorCode::NONE);
    assert_eq!(script.beat(&at(&members[0], conn), 1), ErrorCode::FENCED_INSTANCE_ID);
}
