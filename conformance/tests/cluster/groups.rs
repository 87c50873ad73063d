//! Groups of the classic protocol: joining, syncing, heartbeats, leaving, and what time does to them.

use std::time::Duration;

use milena_conformance::cluster::{ClusterOptions, Fault};
use milena_core::protocol::join_group::JoinGroupRequestProtocol;
use milena_core::protocol::{
    ApiKey, ErrorCode, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest,
};
use milena_core::wire::Str;

use crate::groups_member::{Member, commit_of};
use crate::script::Script;

fn new_script() -> Script {
    Script::with_groups(ClusterOptions::default())
}

const WAITED: (ErrorCode, i32) = (ErrorCode::NONE, 2);

#[test]
fn the_first_member_leads_alone() {
    let mut script = new_script();
    let mut a = script.member();
    script.join(&mut a);
    let joined = script.joined(&a).unwrap();
    assert_eq!((joined.error_code, joined.generation_id), (ErrorCode::NONE, 1));
    assert_eq!((&joined.member_id, &joined.leader, joined.skip_assignment), (&a.id, &a.id, false));
    assert_eq!(joined.protocol_type.as_deref(), Some("consumer"));
    assert_eq!(joined.protocol_name.as_deref(), Some("range"));
    assert_eq!(joined.members.len(), 1);
    assert_eq!(joined.members[0].metadata, a.request().protocols[0].metadata);
    assert!(a.id.starts_with("test-") && a.id.len() == "test-".len() + 36, "{}: client id and a UUID", a.id);

    script.sync(&a, 1, &[(&a, "all")]);
    let synced = script.synced(&a).unwrap();
    assert_eq!((synced.error_code, &synced.assignment[..]), (ErrorCode::NONE, &b"all"[..]));
    assert_eq!(script.beat(&a, 1), ErrorCode::NONE);
    // The same again: the leader has only to ask.
    script.sync(&a, 1, &[]);
    assert_eq!(script.assignment(&a), (ErrorCode::NONE, "all".to_owned()));
}

#[test]
fn a_second_member_begins_a_rebalance() {
    let mut script = new_script();
    let mut a = script.stable(1).remove(0);
    let mut b = script.member();
    script.join(&mut b);
    assert_eq!(script.joined(&b), None, "it waits for the first");
    assert_eq!(script.state_of(a.conn), "PreparingRebalance");
    assert_eq!(script.beat(&a, 1), ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(
        script.commit(a.conn, commit_of(&a, 1)),
        ErrorCode::NONE,
        "the old generation may still commit"
    );
    script.sync(&a, 1, &[]);
    assert_eq!(script.assignment(&a).0, ErrorCode::REBALANCE_IN_PROGRESS);

    script.join(&mut a);
    let (of_a, of_b) = (script.joined(&a).unwrap(), script.joined(&b).unwrap());
    assert_eq!((of_a.generation_id, of_b.generation_id), (2, 2));
    assert_eq!((&of_a.leader, &of_b.leader), (&a.id, &a.id), "the leader stays");
    let mut ids: Vec<_> = of_a.members.iter().map(|member| member.member_id.clone()).collect();
    let mut expected = [a.id.clone(), b.id.clone()];
    ids.sort();
    expected.sort();
    assert_eq!(ids, expected);
    assert_eq!(of_b.members, [], "only the leader is told of the members");

    assert_eq!(script.commit(a.conn, commit_of(&a, 2)), ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(script.beat(&b, 2), ErrorCode::NONE, "heartbeats count while it is completed");
    script.sync(&b, 2, &[]);
    assert_eq!(script.synced(&b), None, "it waits for the leader");
    assert_eq!(script.state_of(a.conn), "CompletingRebalance");
    script.sync(&a, 2, &[(&b, "of b")]);
    assert_eq!(script.assignment(&b), (ErrorCode::NONE, "of b".to_owned()));
    assert_eq!(script.assignment(&a), (ErrorCode::NONE, String::new()), "left out: nothing");
    assert_eq!(script.state_of(a.conn), "Stable");
    assert_eq!(script.commit(b.conn, commit_of(&b, 2)), ErrorCode::NONE);
}

#[test]
fn strangers_and_old_generations_are_refused() {
    let mut script = new_script();
    let members = script.stable(2);
    let a = &members[0];
    for generation in [1, 3] {
        assert_eq!(script.beat(a, generation), ErrorCode::ILLEGAL_GENERATION);
        assert_eq!(script.commit(a.conn, commit_of(a, generation)), ErrorCode::ILLEGAL_GENERATION);
        script.sync(a, generation, &[]);
        assert_eq!(script.assignment(a).0, ErrorCode::ILLEGAL_GENERATION);
    }
    let mut stranger = Member { id: "stranger".into(), ..a.clone() };
    assert_eq!(script.beat(&stranger, 2), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(script.commit(a.conn, commit_of(&stranger, 2)), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(
        script.commit(a.conn, commit_of(&Member { id: Str::default(), ..a.clone() }, -1)),
        ErrorCode::UNKNOWN_MEMBER_ID
    );
    script.sync(&stranger, 2, &[]);
    assert_eq!(script.assignment(&stranger).0, ErrorCode::UNKNOWN_MEMBER_ID);
    script.join(&mut stranger);
    let refused = script.joined(&stranger).unwrap();
    assert_eq!((refused.error_code, &*refused.member_id), (ErrorCode::UNKNOWN_MEMBER_ID, "stranger"));
    assert_eq!(refused.protocol_name, None);
    assert_eq!(script.state_of(a.conn), "Stable", "nothing of this disturbs the group");
}

#[test]
fn a_group_that_is_not_there_has_no_members() {
    let mut script = new_script();
    let mut member = Member { id: "somebody".into(), ..script.member() };
    script.join(&mut member);
    assert_eq!(script.joined(&member).unwrap().error_code, ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(script.beat(&member, 1), ErrorCode::UNKNOWN_MEMBER_ID);
    script.sync(&member, 1, &[]);
    assert_eq!(script.assignment(&member).0, ErrorCode::UNKNOWN_MEMBER_ID);
    let left = script.leave(member.conn, vec![member.identity()]);
    assert_eq!(
        (left.error_code, left.members[0].error_code),
        (ErrorCode::NONE, ErrorCode::UNKNOWN_MEMBER_ID)
    );
    assert_eq!(script.state_of(member.conn), "Dead");
}

#[test]
fn a_follower_that_joins_again_unchanged_disturbs_nobody() {
    let mut script = new_script();
    let mut members = script.stable(2);
    script.join(&mut members[1]);
    let again = script.joined(&members[1]).unwrap();
    assert_eq!((again.generation_id, &again.leader, again.members.len()), (2, &members[0].id, 0));
    assert_eq!(script.state_of(members[0].conn), "Stable");
    // With other metadata it does.
    members[1].protocols = vec![("range", "u")];
    script.join(&mut members[1]);
    assert_eq!(script.joined(&members[1]), None);
    assert_eq!(script.beat(&members[0], 2), ErrorCode::REBALANCE_IN_PROGRESS);
}

#[test]
fn a_leader_that_joins_again_begins_a_rebalance() {
    let mut script = new_script();
    let mut members = script.stable(2);
    script.join(&mut members[0]);
    assert_eq!(script.joined(&members[0]), None);
    assert_eq!(script.beat(&members[1], 2), ErrorCode::REBALANCE_IN_PROGRESS);
    script.join(&mut members[1]);
    for member in &mut members {
        assert_eq!(script.generation(member), (ErrorCode::NONE, 3));
    }
}

#[test]
fn a_join_that_is_repeated_before_the_sync_is_answered_again() {
    let mut script = new_script();
    let mut members: Vec<_> = (0..2).map(|_| script.member()).collect();
    members.iter_mut().for_each(|member| script.join(member));
    script.generation(&mut members[0]);
    script.join(&mut members[0]);
    members.iter_mut().for_each(|member| assert_eq!(script.generation(member), WAITED));
    script.join(&mut members[0]);
    let leader = script.joined(&members[0]).unwrap();
    assert_eq!((leader.generation_id, leader.members.len()), (2, 2));
    script.join(&mut members[1]);
    assert_eq!(script.joined(&members[1]).unwrap().members, []);
    // With other metadata it begins anew, and a sync that waits fails.
    script.sync(&members[1], 2, &[]);
    members[0].protocols = vec![("range", "u")];
    script.join(&mut members[0]);
    assert_eq!(script.assignment(&members[1]).0, ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(script.joined(&members[0]), None);
}

#[test]
fn a_join_takes_the_place_of_the_one_before() {
    let mut script = new_script();
    let mut members = script.stable(2);
    script.join(&mut members[0]);
    let first = members[0].conn;
    members[0].conn = script.connect(1);
    script.join(&mut members[0]);
    script.join(&mut members[1]);
    assert_eq!(script.generation(&mut members[0]), (ErrorCode::NONE, 3));
    assert_eq!(script.answer::<JoinGroupRequest>(first, 9), None, "whoever asked there has gone");
}

#[test]
fn the_rebalance_timeout_shuts_out_who_is_late() {
    let mut script = new_script();
    let mut members = script.stable(3);
    let mut late = members.remove(0);
    let others = &mut members[..];
    late.rebalance_ms = 1;
    others[0].protocols = vec![("range", "u")];
    script.join(&mut others[0]);
    script.join(&mut others[1]);
    assert_eq!(script.state_of(late.conn), "PreparingRebalance");
    for _ in 0..11 {
        script.advance(5_000);
        assert_eq!(script.beat(&late, 2), ErrorCode::REBALANCE_IN_PROGRESS, "alive, but it does not join");
    }
    script.advance(4_999);
    assert_eq!(script.joined(&others[1]), None);
    script.advance(1);
    let joined: Vec<_> = others.iter().map(|member| script.joined(member).unwrap()).collect();
    assert_eq!(joined[0].generation_id, 3);
    assert_ne!(joined[0].leader, late.id, "the late leader is replaced");
    assert_eq!(joined.iter().map(|joined| joined.members.len()).sum::<usize>(), 2);
    assert_eq!(script.beat(&late, 2), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn the_longest_rebalance_timeout_counts() {
    let mut script = new_script();
    let mut a = Member { rebalance_ms: 20_000, ..script.member() };
    let mut b = Member { rebalance_ms: 5_000, session_ms: 30_000, ..script.member() };
    a.session_ms = 30_000;
    script.join(&mut a);
    script.generation(&mut a);
    script.join(&mut b);
    script.advance(19_999);
    assert_eq!(script.joined(&b), None);
    script.advance(1);
    assert_eq!(script.generation(&mut b), WAITED);
}

#[test]
fn version_0_has_one_timeout_for_both() {
    let mut script = new_script();
    let mut a = Member { version: 0, session_ms: 8_000, ..script.member() };
    script.join(&mut a);
    script.generation(&mut a);
    let mut b = Member { version: 0, session_ms: 8_000, ..script.member() };
    script.join(&mut b);
    script.advance(7_999);
    assert_eq!((script.beat(&a, 1), script.joined(&b)), (ErrorCode::REBALANCE_IN_PROGRESS, None));
    script.advance(1);
    assert_eq!(script.generation(&mut b), WAITED, "not 60 s");
}

#[test]
fn a_session_ends_without_signs_of_life() {
    let mut script = new_script();
    let members = script.stable(2);
    let (a, b) = (&members[0], &members[1]);
    script.state.disconnect(b.conn);
    script.advance(9_999);
    assert_eq!(script.beat(a, 2), ErrorCode::NONE, "a closed connection alone is no reason");
    script.advance(1);
    assert_eq!(script.beat(a, 2), ErrorCode::REBALANCE_IN_PROGRESS);
    let mut a = a.clone();
    script.join(&mut a);
    let joined = script.joined(&a).unwrap();
    assert_eq!((joined.generation_id, joined.members.len()), (3, 1), "nobody else to wait for");
}

#[test]
fn commits_are_signs_of_life() {
    let mut script = new_script();
    let a = script.stable(1).remove(0);
    for _ in 0..3 {
        script.advance(9_000);
        assert_eq!(script.commit(a.conn, commit_of(&a, 1)), ErrorCode::NONE);
    }
    script.advance(10_000);
    assert_eq!(script.beat(&a, 1), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(script.state_of(a.conn), "Empty");
}

#[test]
fn who_waits_does_not_expire() {
    let mut script = new_script();
    let mut members = script.stable(2);
    script.join(&mut members[0]);
    for _ in 0..5 {
        script.advance(9_000);
        script.beat(&members[1], 2);
    }
    script.join(&mut members[1]);
    assert_eq!(script.generation(&mut members[0]), (ErrorCode::NONE, 3));
    assert_eq!(script.generation(&mut members[1]), (ErrorCode::NONE, 3));
    // The same while it waits for the leader's sync.
    script.sync(&members[1], 3, &[]);
    for _ in 0..5 {
        script.advance(9_000);
        script.beat(&members[0], 3);
    }
    script.sync(&members[0], 3, &[]);
    assert_eq!(script.assignment(&members[1]).0, ErrorCode::NONE);
    script.advance(9_999);
    assert_eq!(script.beat(&members[1], 3), ErrorCode::NONE, "its session began with the answer");
}

#[test]
fn a_leader_that_dies_before_its_sync_sends_all_back() {
    let mut script = new_script();
    let mut members: Vec<_> = (0..2).map(|_| script.member()).collect();
    members.iter_mut().for_each(|member| script.join(member));
    script.generation(&mut members[0]);
    script.join(&mut members[0]);
    members.iter_mut().for_each(|member| assert_eq!(script.generation(member), WAITED));
    script.sync(&members[1], 2, &[]);
    script.advance(9_999);
    assert_eq!(script.synced(&members[1]), None);
    script.advance(1);
    assert_eq!(script.assignment(&members[1]).0, ErrorCode::REBALANCE_IN_PROGRESS);
    script.join(&mut members[1]);
    let joined = script.joined(&members[1]).unwrap();
    assert_eq!((joined.generation_id, &joined.leader), (3, &members[1].id));
}

#[test]
fn who_does_not_sync_in_time_is_out() {
    for (release, state) in [("2.8", "PreparingRebalance"), ("2.7", "Stable")] {
        let mut script = Script::groups_as(release);
        let mut members: Vec<_> = (0..2).map(|_| Member { version: 5, ..script.member() }).collect();
        members.iter_mut().for_each(|member| script.join(member));
        script.generation(&mut members[0]);
        script.join(&mut members[0]);
        members.iter_mut().for_each(|member| assert_eq!(script.generation(member), WAITED));
        script.sync(&members[0], 2, &[]);
        assert_eq!(script.assignment(&members[0]).0, ErrorCode::NONE);
        for _ in 0..7 {
            script.advance(9_000);
            members.iter().for_each(|member| _ = script.beat(member, 2));
        }
        assert_eq!(script.state_of(members[0].conn), state, "{release}: 60 s are over");
        let expected = if release == "2.8" { ErrorCode::UNKNOWN_MEMBER_ID } else { ErrorCode::NONE };
        assert_eq!(script.beat(&members[1], 2), expected);
    }
}

#[test]
fn an_id_that_is_not_used_delays_a_rebalance_until_it_expires() {
    let mut script = new_script();
    let mut a = script.stable(1).remove(0);
    let undecided = script.member();
    script.send(undecided.conn, undecided.request(), 4);
    assert_eq!(
        script.joined(&Member { version: 4, ..undecided }).unwrap().error_code,
        ErrorCode::MEMBER_ID_REQUIRED
    );
    assert_eq!(script.state_of(a.conn), "Stable", "it is no member yet");
    script.join(&mut a);
    script.advance(9_999);
    assert_eq!(script.joined(&a), None);
    script.advance(1);
    assert_eq!(script.generation(&mut a), WAITED);
}

#[test]
fn an_id_that_expired_is_unknown() {
    let mut script = new_script();
    let mut a = script.member();
    script.send(a.conn, a.request(), 9);
    a.id = script.joined(&a).unwrap().member_id;
    script.advance(10_000);
    script.join(&mut a);
    assert_eq!(script.generation(&mut a), (ErrorCode::UNKNOWN_MEMBER_ID, -1));
}

#[test]
fn before_version_4_a_member_is_one_at_once() {
    let mut script = new_script();
    let mut a = Member { version: 3, ..script.member() };
    script.join(&mut a);
    assert_eq!(script.generation(&mut a), (ErrorCode::NONE, 1));
    // And if its client never gets to know, it is in the way for five minutes.
    let mut b = Member { version: 3, rebalance_ms: 600_000, ..script.member() };
    script.join(&mut b);
    script.state.disconnect(b.conn);
    for _ in 0..33 {
        script.advance(9_000);
        assert_eq!(script.beat(&a, 1), ErrorCode::REBALANCE_IN_PROGRESS);
    }
    assert_eq!(script.describe(a.conn).members.len(), 2);
    script.advance(3_000);
    assert_eq!(script.describe(a.conn).members.len(), 1);
}

#[test]
fn the_initial_delay_gathers_members_and_is_prolonged_for_each() {
    let delay = Duration::from_secs(3);
    let mut script =
        Script::with_groups(ClusterOptions { group_initial_rebalance_delay: delay, ..Default::default() });
    let mut members: Vec<_> = (0..3).map(|_| script.member()).collect();
    script.join(&mut members[0]);
    let observer = script.connect(1);
    assert_eq!(script.state_of(observer), "PreparingRebalance");
    script.advance(2_000);
    script.join(&mut members[1]);
    script.advance(1_000);
    assert_eq!(script.joined(&members[0]), None, "somebody came, so it goes on for 3 s");
    script.advance(2_999);
    script.join(&mut members[2]);
    script.advance(1);
    assert_eq!(script.joined(&members[0]), None);
    script.advance(2_999);
    assert_eq!(script.joined(&members[0]), None);
    script.advance(1);
    for member in &mut members {
        assert_eq!(script.generation(member), (ErrorCode::NONE, 1), "all in the first generation");
    }
    // Only a group's first rebalance waits.
    for member in &mut members {
        member.protocols = vec![("range", "u")];
        script.join(member);
    }
    for member in &mut members {
        assert_eq!(script.generation(member), WAITED);
    }
}

#[test]
fn the_initial_delay_ends_with_the_rebalance_timeout() {
    let delay = Duration::from_secs(3);
    let mut script =
        Script::with_groups(ClusterOptions { group_initial_rebalance_delay: delay, ..Default::default() });
    let mut first = Member { rebalance_ms: 7_000, ..script.member() };
    script.join(&mut first);
    for _ in 0..6 {
        script.advance(1_000);
        let mut next = Member { rebalance_ms: 7_000, ..script.member() };
        script.join(&mut next);
    }
    script.advance(999);
    assert_eq!(script.joined(&first), None);
    script.advance(1);
    assert_eq!(script.joined(&first).unwrap().members.len(), 7);
}

#[test]
fn protocols_are_chosen_by_votes() {
    let mut script = new_script();
    let likes = [
        vec![("a", "t"), ("b", "t"), ("x", "t")],
        vec![("b", "t"), ("a", "t")],
        vec![("b", "t"), ("a", "t"), ("y", "t")],
    ];
    let mut members: Vec<_> = likes.map(|protocols| Member { protocols, ..script.member() }).to_vec();
    members.iter_mut().for_each(|member| script.join(member));
    let first = script.joined(&members[0]).unwrap();
    assert_eq!(first.protocol_name.as_deref(), Some("a"), "alone it had its will");
    script.join(&mut members[0]);
    for member in &members {
        assert_eq!(script.joined(member).unwrap().protocol_name.as_deref(), Some("b"));
    }
}

#[test]
fn a_member_without_a_common_protocol_is_refused() {
    let mut script = new_script();
    let a = script.stable(1).remove(0);
    let refused = |script: &mut Script, request: JoinGroupRequest| {
        let conn = script.connect(1);
        script.call(conn, request, 9).error_code
    };
    let other = Member { protocols: vec![("sticky", "t")], id: Str::default(), ..a.clone() };
    assert_eq!(refused(&mut script, other.request()), ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    let joins = |protocol_type: &str| JoinGroupRequest {
        protocol_type: protocol_type.into(),
        member_id: Str::default(),
        ..a.request()
    };
    assert_eq!(refused(&mut script, joins("connect")), ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    for (protocol_type, protocols) in [("", a.request().protocols), ("consumer", vec![])] {
        let request = JoinGroupRequest {
            group_id: "new".into(),
            protocol_type: protocol_type.into(),
            protocols,
            ..joins("")
        };
        assert_eq!(refused(&mut script, request), ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    }
    assert_eq!(script.state_of(a.conn), "Stable");
}

#[test]
fn a_sync_under_another_protocol_is_refused() {
    let mut script = new_script();
    let a = script.stable(1).remove(0);
    let request = |protocol_type: Option<&str>, protocol_name: Option<&str>| SyncGroupRequest {
        group_id: "g".into(),
        generation_id: 1,
        member_id: a.id.clone(),
        protocol_type: protocol_type.map(Str::from),
        protocol_name: protocol_name.map(Str::from),
        ..Default::default()
    };
    let inconsistent = [
        (None, Some("range")),
        (Some("consumer"), None),
        (Some("x"), Some("range")),
        (Some("consumer"), Some("x")),
    ];
    for (of_type, name) in inconsistent {
        let answer = script.call(a.conn, request(of_type, name), 5);
        assert_eq!(answer.error_code, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    }
    let answer = script.call(a.conn, request(Some("consumer"), Some("range")), 5);
    assert_eq!((answer.error_code, answer.protocol_name.as_deref()), (ErrorCode::NONE, Some("range")));
    assert_eq!(script.call(a.conn, request(None, None), 4).error_code, ErrorCode::NONE, "before version 5");
}

#[test]
fn sessions_have_bounds() {
    let mut script = new_script();
    for (session_ms, code) in [
        (5_999, ErrorCode::INVALID_SESSION_TIMEOUT),
        (6_000, ErrorCode::MEMBER_ID_REQUIRED),
        (1_800_000, ErrorCode::MEMBER_ID_REQUIRED),
        (1_800_001, ErrorCode::INVALID_SESSION_TIMEOUT),
        (-1, ErrorCode::INVALID_SESSION_TIMEOUT),
    ] {
        let member = Member { session_ms, ..script.member() };
        assert_eq!(script.call(member.conn, member.request(), 9).error_code, code, "{session_ms}");
    }
}

#[test]
fn members_need_a_group_with_a_name() {
    for (release, others) in [("4.3", ErrorCode::INVALID_GROUP_ID), ("1.1", ErrorCode::UNKNOWN_MEMBER_ID)] {
        let mut script = Script::groups_as(release);
        let conn = script.connect(1);
        let join =
            JoinGroupRequest { session_timeout_ms: 10_000, member_id: "m".into(), ..Default::default() };
        let joined = script.call(conn, join, 1);
        assert_eq!((joined.error_code, &*joined.member_id), (ErrorCode::INVALID_GROUP_ID, "m"));
        assert_eq!(script.call(conn, SyncGroupRequest::default(), 1).error_code, others, "{release}");
        assert_eq!(script.call(conn, HeartbeatRequest::default(), 1).error_code, others, "{release}");
        assert_eq!(script.call(conn, LeaveGroupRequest::default(), 1).error_code, others, "{release}");
    }
}

#[test]
fn a_full_group_takes_no_more() {
    let mut script = Script::with_groups(ClusterOptions { group_max_size: 2, ..Default::default() });
    let mut members = script.stable(2);
    let third = script.member();
    let refused = script.call(third.conn, third.request(), 9);
    assert_eq!((refused.error_code, &*refused.member_id), (ErrorCode::GROUP_MAX_SIZE_REACHED, ""));
    // In a rebalance the places are for who comes first.
    script.join(&mut members[0]);
    let mut third = script.member();
    script.join(&mut third);
    script.join(&mut members[1]);
    assert_eq!(script.joined(&members[1]).unwrap().error_code, ErrorCode::GROUP_MAX_SIZE_REACHED);
    assert_eq!(script.generation(&mut members[0]), (ErrorCode::NONE, 3));
    assert_eq!(script.generation(&mut third), (ErrorCode::NONE, 3));
}

#[test]
fn leaving_begins_a_rebalance_and_the_last_one_leaves_an_empty_group() {
    let mut script = new_script();
    let mut members = script.stable(2);
    let left = script.leave(members[0].conn, vec![members[0].identity()]);
    assert_eq!((left.error_code, left.members[0].error_code), (ErrorCode::NONE, ErrorCode::NONE));
    assert_eq!(left.members[0].member_id, members[0].id);
    assert_eq!(script.beat(&members[0], 2), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(script.beat(&members[1], 2), ErrorCode::REBALANCE_IN_PROGRESS);
    script.join(&mut members[1]);
    let joined = script.joined(&members[1]).unwrap();
    assert_eq!((joined.generation_id, &joined.leader), (3, &members[1].id));
    let request =
        LeaveGroupRequest { group_id: "g".into(), member_id: members[1].id.clone(), ..Default::default() };
    assert_eq!(script.call(members[1].conn, request.clone(), 2).error_code, ErrorCode::NONE);
    assert_eq!(script.state_of(members[1].conn), "Empty");
    assert_eq!(script.call(members[1].conn, request, 2).error_code, ErrorCode::UNKNOWN_MEMBER_ID);
    // A group goes on counting.
    let mut next = script.member();
    script.join(&mut next);
    assert_eq!(script.generation(&mut next), (ErrorCode::NONE, 5));
}

#[test]
fn several_leave_at_once() {
    let mut script = new_script();
    let members = script.stable(3);
    let mut leaving: Vec<_> = members[1..].iter().map(Member::identity).collect();
    leaving.push(Default::default());
    let left = script.leave(members[0].conn, leaving);
    let codes: Vec<_> = left.members.iter().map(|member| member.error_code).collect();
    assert_eq!(codes, [ErrorCode::NONE, ErrorCode::NONE, ErrorCode::UNKNOWN_MEMBER_ID]);
    assert_eq!(script.beat(&members[0], 2), ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(script.describe(members[0].conn).members.len(), 1);
}

#[test]
fn leaving_ends_the_wait_of_others_and_of_oneself() {
    let mut script = new_script();
    let mut members = script.stable(3);
    script.join(&mut members[0]);
    script.join(&mut members[1]);
    members[1].protocols = vec![("range", "u")];
    script.join(&mut members[1]);
    let conn = script.connect(1);
    script.leave(conn, vec![members[0].identity()]);
    let refused = script.joined(&members[0]).unwrap();
    assert_eq!((refused.error_code, &*refused.member_id), (ErrorCode::UNKNOWN_MEMBER_ID, ""));
    assert_eq!(script.joined(&members[1]), None);
    script.leave(conn, vec![members[2].identity()]);
    assert_eq!(script.generation(&mut members[1]), (ErrorCode::NONE, 3));
}

#[test]
fn heartbeats_while_a_generation_is_completed_count_from_2_6_on() {
    for (release, code) in [("2.6", ErrorCode::NONE), ("2.5", ErrorCode::REBALANCE_IN_PROGRESS)] {
        let mut script = Script::groups_as(release);
        let mut a = Member { version: 5, ..script.member() };
        script.join(&mut a);
        script.generation(&mut a);
        assert_eq!(script.beat(&a, 1), code, "{release}");
        assert_eq!(script.beat(&a, 7), ErrorCode::ILLEGAL_GENERATION, "{release}");
        script.advance(9_000);
        script.beat(&a, 1);
        script.advance(1_000);
        let left = if release == "2.6" { 1 } else { 0 };
        assert_eq!(script.describe(a.conn).members.len(), left, "{release}");
    }
}

#[test]
fn changed_timeouts_count_from_3_3_on() {
    for (release, alive) in [("3.3", true), ("3.2", false)] {
        let mut script = Script::groups_as(release);
        let mut a = Member { version: 5, ..script.member() };
        script.join(&mut a);
        script.generation(&mut a);
        script.sync(&a, 1, &[]);
        script.assignment(&a);
        a.session_ms = 20_000;
        script.join(&mut a);
        assert_eq!(script.generation(&mut a), WAITED);
        script.advance(10_000);
        assert_eq!(script.describe(a.conn).members.len() == 1, alive, "{release}");
    }
}

#[test]
fn before_2_2_an_error_has_generation_0_and_no_second_request_is_needed() {
    let mut script = Script::groups_as("2.1");
    let mut a = Member { version: 3, ..script.member() };
    script.join(&mut a);
    assert_eq!(script.generation(&mut a), (ErrorCode::NONE, 1));
    let mut stranger = Member { id: "x".into(), ..a.clone() };
    script.join(&mut stranger);
    let refused = script.joined(&stranger).unwrap();
    assert_eq!((refused.error_code, refused.generation_id), (ErrorCode::UNKNOWN_MEMBER_ID, 0));
    assert_eq!(refused.protocol_name.as_deref(), Some(""));
}

#[test]
fn faults_reach_group_requests() {
    let mut script = new_script();
    let a = script.stable(1).remove(0);
    script.state.on_request(ApiKey::HEARTBEAT, Fault::Error(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS));
    assert_eq!(script.beat(&a, 1), ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    script.state.on_request(ApiKey::JOIN_GROUP, Fault::Error(ErrorCode::NOT_COORDINATOR));
    let refused = script.call(a.conn, a.request(), 9);
    assert_eq!((refused.error_code, refused.member_id), (ErrorCode::NOT_COORDINATOR, a.id.clone()));
    script.state.on_request(ApiKey::SYNC_GROUP, Fault::Error(ErrorCode::REBALANCE_IN_PROGRESS));
    script.sync(&a, 1, &[]);
    assert_eq!(script.assignment(&a).0, ErrorCode::REBALANCE_IN_PROGRESS);
    script.state.on_request(ApiKey::OFFSET_COMMIT, Fault::Error(ErrorCode::NOT_COORDINATOR));
    assert_eq!(script.commit(a.conn, commit_of(&a, 1)), ErrorCode::NOT_COORDINATOR);
    // An answer that is there at once can come late.
    script.state.on_request(ApiKey::SYNC_GROUP, Fault::DelayAnswer(Duration::from_millis(100)));
    script.sync(&a, 1, &[]);
    assert_eq!(script.synced(&a), None);
    script.advance(100);
    assert_eq!(script.assignment(&a), (ErrorCode::NONE, "some".to_owned()));
    assert_eq!(script.state_of(a.conn), "Stable");
}

#[test]
fn the_order_of_protocols_is_metadata_too() {
    let mut script = new_script();
    let both = vec![("a", "t"), ("b", "t")];
    let mut members: Vec<_> = (0..2).map(|_| Member { protocols: both.clone(), ..script.member() }).collect();
    script.stabilise(&mut members);
    members[1].protocols.reverse();
    let names: Vec<_> = members[1]
        .request()
        .protocols
        .into_iter()
        .map(|JoinGroupRequestProtocol { name, .. }| name)
        .collect();
    assert_eq!(names, ["b", "a"]);
    script.join(&mut members[1]);
    assert_eq!(script.joined(&members[1]), None);
}
