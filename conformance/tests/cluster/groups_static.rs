//! Static members (KIP-345) and what becomes of them when they start again, by release.

use milena_core::protocol::{ErrorCode, JoinGroupResponse};
use milena_core::wire::Str;

use crate::groups_member::{Member, commit_of};
use crate::script::Script;

/// A stable group of two static members, the first of which leads, in generation 2.
fn statics(release: &str, version: i16) -> (Script, Vec<Member>) {
    let mut script = Script::groups_as(release);
    let mut members: Vec<_> =
        ["one", "two"].iter().map(|name| Member { version, ..script.static_member(name) }).collect();
    assert_eq!(script.stabilise(&mut members), 2);
    (script, members)
}

/// A member as it is when its process starts again: without its id, on another connection.
fn restarted(script: &mut Script, member: &Member) -> Member {
    Member { id: Str::default(), conn: script.connect(1), ..member.clone() }
}

fn restart(script: &mut Script, member: &Member) -> (Member, JoinGroupResponse) {
    let mut again = restarted(script, member);
    script.join(&mut again);
    let joined = script.joined(&again).expect("an answer at once");
    assert_eq!(joined.error_code, ErrorCode::NONE);
    again.id = joined.member_id.clone();
    (again, joined)
}

#[test]
fn a_static_member_gets_its_id_at_once() {
    let (_, members) = statics("4.3", 9);
    assert!(members[0].id.starts_with("one-"), "{}", members[0].id);
    assert_eq!(members[0].id.len(), "one-".len() + 36);
}

#[test]
fn a_restarted_follower_keeps_its_assignment_and_the_old_one_is_fenced() {
    let (mut script, members) = statics("4.3", 9);
    let (again, joined) = restart(&mut script, &members[1]);
    assert_ne!(again.id, members[1].id);
    assert_eq!((joined.generation_id, &joined.leader), (2, &members[0].id));
    assert_eq!((joined.members.len(), joined.skip_assignment), (0, false));
    script.sync(&again, 2, &[]);
    assert_eq!(script.assignment(&again), (ErrorCode::NONE, "some".to_owned()));
    assert_eq!(script.beat(&members[0], 2), ErrorCode::NONE, "nobody else noticed");

    let mut old = members[1].clone();
    assert_eq!(script.beat(&old, 2), ErrorCode::FENCED_INSTANCE_ID);
    assert_eq!(script.commit(old.conn, commit_of(&old, 2)), ErrorCode::FENCED_INSTANCE_ID);
    script.sync(&old, 2, &[]);
    assert_eq!(script.assignment(&old).0, ErrorCode::FENCED_INSTANCE_ID);
    script.join(&mut old);
    assert_eq!(script.joined(&old).unwrap().error_code, ErrorCode::FENCED_INSTANCE_ID);
    let left = script.leave(old.conn, vec![old.identity()]);
    assert_eq!(left.members[0].error_code, ErrorCode::FENCED_INSTANCE_ID);
}

#[test]
fn a_restarted_leader_is_not_to_assign() {
    let (mut script, members) = statics("4.3", 9);
    let (again, joined) = restart(&mut script, &members[0]);
    assert_eq!((joined.generation_id, &joined.leader, joined.skip_assignment), (2, &again.id, true));
    assert_eq!(joined.members.len(), 2, "but it sees them, and may find that it has to");
    // It leads: when it joins again there is a rebalance.
    let mut again = again;
    script.join(&mut again);
    assert_eq!(script.beat(&members[1], 2), ErrorCode::REBALANCE_IN_PROGRESS);
}

#[test]
fn an_older_client_takes_itself_for_a_follower() {
    let (mut script, members) = statics("4.3", 8);
    let (again, joined) = restart(&mut script, &members[0]);
    assert_eq!((&joined.leader, joined.skip_assignment), (&members[0].id, false), "the leader's old id");
    assert_eq!(joined.members, []);
    script.sync(&again, 2, &[]);
    assert_eq!(script.assignment(&again), (ErrorCode::NONE, "some".to_owned()));
}

#[test]
fn a_restart_that_changes_the_protocol_rebalances_from_2_5_on() {
    for (release, version) in [("4.3", 9), ("2.5", 7), ("2.4", 6), ("2.3", 5)] {
        let mut script = Script::groups_as(release);
        let mut members: Vec<_> = ["one", "two"]
            .iter()
            .map(|name| Member {
                version,
                protocols: vec![("range", "t"), ("sticky", "t")],
                ..script.static_member(name)
            })
            .collect();
        script.stabilise(&mut members);
        let mut again = restarted(&mut script, &members[1]);
        again.protocols = vec![("sticky", "t")];
        script.join(&mut again);
        match version {
            7.. => {
                assert_eq!(script.joined(&again), None, "{release}");
                assert_eq!(script.beat(&members[0], 2), ErrorCode::REBALANCE_IN_PROGRESS);
            }
            _ => assert_eq!(script.generation(&mut again), (ErrorCode::NONE, 2), "{release}"),
        }
    }
}

#[test]
fn a_restart_while_a_generation_is_completed_begins_anew_from_2_5_on() {
    for (release, version) in [("4.3", 9), ("2.4", 6)] {
        let mut script = Script::groups_as(release);
        let mut one = Member { version, ..script.static_member("one") };
        let mut two = Member { version, ..script.static_member("two") };
        script.join(&mut one);
        script.generation(&mut one);
        script.join(&mut two);
        script.join(&mut one);
        assert_eq!(script.generation(&mut one), (ErrorCode::NONE, 2));
        assert_eq!(script.generation(&mut two), (ErrorCode::NONE, 2));
        script.sync(&two, 2, &[]);
        let mut again = restarted(&mut script, &two);
        script.join(&mut again);
        assert_eq!(script.assignment(&two).0, ErrorCode::FENCED_INSTANCE_ID, "{release}");
        match version {
            9 => {
                assert_eq!(script.joined(&again), None);
                assert_eq!(script.beat(&one, 2), ErrorCode::REBALANCE_IN_PROGRESS);
            }
            _ => assert_eq!(script.generation(&mut again), (ErrorCode::NONE, 2)),
        }
    }
}

#[test]
fn a_restart_while_it_waits_for_the_others_fences_the_join_that_waits() {
    let (mut script, mut members) = statics("4.3", 9);
    script.join(&mut members[0]);
    let mut again = restarted(&mut script, &members[0]);
    script.join(&mut again);
    let fenced = script.joined(&members[0]).unwrap();
    assert_eq!(
        (fenced.error_code, fenced.member_id, fenced.protocol_name),
        (ErrorCode::FENCED_INSTANCE_ID, members[0].id.clone(), None)
    );
    assert_eq!(script.joined(&again), None);
    script.join(&mut members[1]);
    assert_eq!(script.generation(&mut again), (ErrorCode::NONE, 3));
    assert_eq!(script.generation(&mut members[1]), (ErrorCode::NONE, 3));
}

#[test]
fn a_static_member_keeps_its_place_in_a_rebalance_it_does_not_join() {
    let (mut script, mut members) = statics("4.3", 9);
    members[0].session_ms = 300_000;
    let leader = members[0].clone();
    script.join(&mut members[0]);
    for _ in 0..5 {
        script.advance(9_000);
        script.beat(&members[1], 2);
    }
    script.advance(9_000);
    assert_eq!(script.beat(&members[1], 2), ErrorCode::REBALANCE_IN_PROGRESS);
    script.advance(6_000);
    let joined = script.joined(&members[0]).expect("the rebalance timeout is over");
    assert_eq!((joined.generation_id, joined.members.len()), (3, 2), "the other one is still assigned to");
    assert_eq!(joined.leader, leader.id);
    assert_eq!(script.beat(&members[1], 2), ErrorCode::ILLEGAL_GENERATION);
    // It is out when its session is.
    script.advance(10_000);
    assert_eq!(script.beat(&members[0], 3), ErrorCode::REBALANCE_IN_PROGRESS);
}

#[test]
fn a_leader_that_does_not_join_is_replaced_by_one_who_has() {
    let (mut script, mut members) = statics("4.3", 9);
    members[1].protocols = vec![("range", "u")];
    script.join(&mut members[1]);
    for _ in 0..6 {
        script.advance(9_000);
        script.beat(&members[0], 2);
    }
    script.advance(6_000);
    let joined = script.joined(&members[1]).unwrap();
    assert_eq!((joined.generation_id, &joined.leader), (3, &members[1].id));
    assert_eq!(joined.members.len(), 2);
}

#[test]
fn an_instance_can_be_removed_by_its_name() {
    let (mut script, members) = statics("4.3", 9);
    let named = |name: &str| Member { id: Str::default(), instance: Some(name.into()), ..members[0].clone() };
    let left = script.leave(members[0].conn, vec![named("two").identity(), named("three").identity()]);
    let codes: Vec<_> = left.members.iter().map(|member| member.error_code).collect();
    assert_eq!(codes, [ErrorCode::NONE, ErrorCode::UNKNOWN_MEMBER_ID]);
    assert_eq!(left.members[0].group_instance_id.as_deref(), Some("two"));
    assert_eq!(script.beat(&members[1], 2), ErrorCode::UNKNOWN_MEMBER_ID, "nobody has that instance id now");
    assert_eq!(script.beat(&members[0], 2), ErrorCode::REBALANCE_IN_PROGRESS);
}

#[test]
fn an_unknown_instance_with_an_id_is_no_member() {
    let (mut script, members) = statics("4.3", 9);
    let mut stranger = Member { instance: Some("three".into()), ..members[0].clone() };
    assert_eq!(script.beat(&stranger, 2), ErrorCode::UNKNOWN_MEMBER_ID);
    script.join(&mut stranger);
    assert_eq!(script.joined(&stranger).unwrap().error_code, ErrorCode::UNKNOWN_MEMBER_ID);
}
