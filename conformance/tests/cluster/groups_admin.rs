//! Groups as administrators see them: described, listed, deleted.

use milena_conformance::cluster::{ClusterOptions, Fault};
use milena_core::protocol::{
    ApiKey, DeleteGroupsRequest, DescribeGroupsRequest, ErrorCode, FindCoordinatorRequest, ListGroupsRequest,
};

use crate::groups_member::{Member, commit_request};
use crate::script::Script;

fn describe_request() -> DescribeGroupsRequest {
    DescribeGroupsRequest {
        groups: vec!["g".into()],
        include_authorized_operations: true,
        ..Default::default()
    }
}

#[test]
fn a_stable_group_is_described_with_its_members() {
    let mut script = Script::with_groups(ClusterOptions::default());
    let mut members = vec![script.static_member("one"), script.member()];
    members[1].protocols = vec![("range", "u")];
    script.stabilise(&mut members);
    let group = script.call(members[0].conn, describe_request(), 6).groups.remove(0);
    assert_eq!((group.error_code, group.error_message), (ErrorCode::NONE, None));
    assert_eq!((&*group.group_id, &*group.group_state), ("g", "Stable"));
    assert_eq!((&*group.protocol_type, &*group.protocol_data), ("consumer", "range"));
    assert_eq!(group.authorized_operations, 3400, "READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS");
    assert_eq!(group.members.len(), 2);
    for member in &members {
        let described = group.members.iter().find(|described| described.member_id == member.id).unwrap();
        assert_eq!(described.group_instance_id, member.instance);
        assert_eq!((&*described.client_id, &*described.client_host), ("test", "/127.0.0.1"));
        assert_eq!(described.member_metadata, member.request().protocols[0].metadata);
        assert_eq!(&described.member_assignment[..], b"some");
    }
    let unasked = DescribeGroupsRequest { include_authorized_operations: false, ..describe_request() };
    let group = script.call(members[0].conn, unasked, 6).groups.remove(0);
    assert_eq!(group.authorized_operations, i32::MIN);
}

#[test]
fn metadata_is_shown_of_stable_groups_only() {
    for (release, assignment) in [("4.3", &b"some"[..]), ("3.9", b"")] {
        let mut script = Script::groups_as(release);
        let mut a = script.stable(1).remove(0);
        let conn = script.connect(1);
        let mut b = script.member();
        script.join(&mut b);
        let group = script.call(conn, describe_request(), 5).groups.remove(0);
        assert_eq!((&*group.group_state, &*group.protocol_data), ("PreparingRebalance", ""));
        let described = group.members.iter().find(|described| described.member_id == a.id).unwrap();
        assert_eq!(
            (&described.member_metadata[..], &described.member_assignment[..]),
            (&b""[..], assignment)
        );
        assert_eq!(group.authorized_operations, if release == "4.3" { 3400 } else { 328 });
        script.join(&mut a);
        assert_eq!(script.state_of(conn), "CompletingRebalance");
    }
}

#[test]
fn a_group_that_is_not_there_is_dead_and_from_version_6_on_not_found() {
    let mut script = Script::with_groups(ClusterOptions::default());
    let conn = script.connect(1);
    let group = script.call(conn, describe_request(), 5).groups.remove(0);
    assert_eq!((group.error_code, &*group.group_state, group.members.len()), (ErrorCode::NONE, "Dead", 0));
    let group = script.call(conn, describe_request(), 6).groups.remove(0);
    assert_eq!((group.error_code, &*group.group_state), (ErrorCode::GROUP_ID_NOT_FOUND, "Dead"));
    assert_eq!(group.error_message.as_deref(), Some("Group g not found."));
    assert_eq!((&*group.group_id, group.authorized_operations), ("g", i32::MIN));
    script.state.on_request(ApiKey::DESCRIBE_GROUPS, Fault::Error(ErrorCode::NOT_COORDINATOR));
    let group = script.call(conn, describe_request(), 5).groups.remove(0);
    assert_eq!((group.error_code, &*group.group_state), (ErrorCode::NOT_COORDINATOR, ""));
}

#[test]
fn groups_are_listed_by_state_and_type() {
    let mut script = Script::with_groups(ClusterOptions::default());
    let conn = script.connect(1);
    assert_eq!(script.list(conn, &[], &[]), []);
    let a = script.stable(1).remove(0);
    let mut simple = commit_request("t", 0, 5);
    simple.group_id = "simple".into();
    script.commit(conn, simple);
    let listed = script.list(conn, &[], &[]);
    let seen: Vec<_> = listed
        .iter()
        .map(|it| (&*it.group_id, &*it.protocol_type, &*it.group_state, &*it.group_type))
        .collect();
    assert_eq!(seen, [("g", "consumer", "Stable", "classic"), ("simple", "", "Empty", "classic")]);
    let count = |script: &mut Script, states: &[&str], types: &[&str]| script.list(conn, states, types).len();
    assert_eq!(count(&mut script, &["Stable"], &[]), 1);
    assert_eq!(count(&mut script, &["sTABLE", "empty"], &["Classic"]), 2, "in any case");
    assert_eq!(count(&mut script, &["Dead"], &[]), 0);
    assert_eq!(count(&mut script, &[], &["consumer"]), 0);
    assert_eq!(count(&mut script, &[], &["nonsense"]), 0);
    let old = script.call(a.conn, ListGroupsRequest::default(), 0).groups;
    assert_eq!(old.len(), 2);
}

#[test]
fn before_3_8_states_are_asked_for_by_their_exact_name() {
    let mut script = Script::groups_as("3.7");
    let a = script.stable(1).remove(0);
    for (state, count) in [("Stable", 1), ("stable", 0)] {
        let request = ListGroupsRequest { states_filter: vec![state.into()], ..Default::default() };
        assert_eq!(script.call(a.conn, request, 4).groups.len(), count);
    }
}

#[test]
fn a_broker_lists_the_groups_that_it_coordinates() {
    let mut script = Script::with_groups(ClusterOptions { nodes: 3, ..Default::default() });
    let mut at = std::collections::BTreeMap::new();
    for name in ["a", "b", "c", "d", "e", "f"] {
        let conn = script.connect(1);
        let found = script.call(conn, FindCoordinatorRequest { key: name.into(), ..Default::default() }, 0);
        let conn = script.connect(found.node_id.0);
        let mut commit = commit_request("t", 0, 5);
        commit.group_id = name.into();
        assert_eq!(script.commit(conn, commit), ErrorCode::NONE);
        at.entry(found.node_id.0).or_insert_with(Vec::new).push(name.to_owned());
    }
    assert!(at.len() > 1, "{at:?}");
    for (broker, names) in at {
        let conn = script.connect(broker);
        let listed: Vec<_> = script.list(conn, &[], &[]).iter().map(|it| it.group_id.to_string()).collect();
        assert_eq!(listed, names);
    }
}

#[test]
fn only_empty_groups_are_deleted_with_their_offsets() {
    let mut script = Script::with_groups(ClusterOptions::default());
    let a = script.stable(1).remove(0);
    assert_eq!(script.commit(a.conn, crate::groups_member::commit_of(&a, 1)), ErrorCode::NONE);
    assert_eq!(script.delete_group(a.conn), ErrorCode::NON_EMPTY_GROUP);
    script.leave(a.conn, vec![a.identity()]);
    assert_eq!(script.fetch_offset(a.conn, "t", 0).0, 7);
    let twice = DeleteGroupsRequest { groups_names: vec!["g".into(), "g".into()], ..Default::default() };
    let results = script.call(a.conn, twice, 2).results;
    assert_eq!((results.len(), results[0].error_code), (1, ErrorCode::NONE));
    assert_eq!(script.fetch_offset(a.conn, "t", 0).0, -1);
    assert_eq!(script.delete_group(a.conn), ErrorCode::GROUP_ID_NOT_FOUND);
    assert_eq!(script.state_of(a.conn), "Dead");
    // The next group of that name begins anew.
    let mut next = Member { id: Default::default(), ..a };
    script.join(&mut next);
    assert_eq!(script.generation(&mut next), (ErrorCode::NONE, 1));
}
