//! Groups of the classic protocol, and their offsets.

use bytes::Bytes;
use milena_core::protocol::delete_groups::DeletableGroupResult;
use milena_core::protocol::join_group::JoinGroupRequestProtocol;
use milena_core::protocol::leave_group::MemberIdentity;
use milena_core::protocol::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use milena_core::protocol::offset_fetch::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use milena_core::protocol::sync_group::SyncGroupRequestAssignment;
use milena_core::protocol::*;
use milena_core::wire::Str;

use super::Script;
use super::log::create;
use super::peer::Peer;

pub(super) const SCRIPTS: &[Script] = &[
    ("a group of one", alone),
    ("a group of two", two),
    ("static members", statics),
    ("wrong members", wrong),
    ("offsets of a simple consumer", simple),
];

/// A group's coordinator may have to be made first, and to load what it does not have.
fn find(peer: &Peer, group: &str) {
    peer.until(|peer| {
        let request = FindCoordinatorRequest { key: group.into(), ..Default::default() };
        let found = peer.call("find", request, 3).error_code.is_ok();
        found && peer.call("describe", describe(group), 0).groups[0].error_code.is_ok()
    });
}

fn describe(group: &str) -> DescribeGroupsRequest {
    DescribeGroupsRequest { groups: vec![group.into()], ..Default::default() }
}

fn join(group: &str, member: &Str, metadata: &[(&str, &str)]) -> JoinGroupRequest {
    let protocols = metadata.iter().map(|(name, metadata)| JoinGroupRequestProtocol {
        name: (*name).into(),
        metadata: Bytes::copy_from_slice(metadata.as_bytes()),
        ..Default::default()
    });
    JoinGroupRequest {
        group_id: group.into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        member_id: member.clone(),
        protocol_type: "consumer".into(),
        protocols: protocols.collect(),
        ..Default::default()
    }
}

fn sync(group: &str, member: &Str, generation_id: i32, assignments: &[(&Str, &str)]) -> SyncGroupRequest {
    let assignments = assignments.iter().map(|(member, assignment)| SyncGroupRequestAssignment {
        member_id: (*member).clone(),
        assignment: Bytes::copy_from_slice(assignment.as_bytes()),
        ..Default::default()
    });
    SyncGroupRequest {
        group_id: group.into(),
        generation_id,
        member_id: member.clone(),
        assignments: assignments.collect(),
        ..Default::default()
    }
}

fn heartbeat(group: &str, member: &Str, generation_id: i32) -> HeartbeatRequest {
    HeartbeatRequest {
        group_id: group.into(),
        generation_id,
        member_id: member.clone(),
        ..Default::default()
    }
}

fn leave(group: &str, member: &Str) -> LeaveGroupRequest {
    LeaveGroupRequest { group_id: group.into(), member_id: member.clone(), ..Default::default() }
}

fn commit(group: &str, member: &Str, generation: i32, topic: &str, offset: i64) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition {
        committed_offset: offset,
        committed_metadata: Some("mark".into()),
        ..Default::default()
    };
    let topic =
        OffsetCommitRequestTopic { name: topic.into(), partitions: vec![partition], ..Default::default() };
    OffsetCommitRequest {
        group_id: group.into(),
        generation_id_or_member_epoch: generation,
        member_id: member.clone(),
        topics: vec![topic],
        ..Default::default()
    }
}

fn fetch(group: &str, topics: Option<&[(&str, i32)]>) -> OffsetFetchRequest {
    let topics = topics.map(|topics| {
        let topics = topics.iter().map(|(name, partition)| OffsetFetchRequestTopic {
            name: (*name).into(),
            partition_indexes: vec![*partition].into(),
            ..Default::default()
        });
        topics.collect()
    });
    OffsetFetchRequest { group_id: group.into(), topics, ..Default::default() }
}

const RANGE: &[(&str, &str)] = &[("range", "m")];

fn alone(peer: &mut Peer) {
    create(peer, "truth-alone", 1, &[]);
    let (group, nobody) = ("truth-alone", Str::default());
    find(peer, group);
    peer.call("describe nothing", describe(group), 4);
    peer.call("heartbeat to nothing", heartbeat(group, &"m".into(), 1), 3);
    // Since version 4 a member is told its id first.
    let named = peer.call("join without an id", join(group, &nobody, RANGE), 5);
    let me = named.member_id;
    peer.call("describe who only has an id", describe(group), 4);
    let joined = peer.call("join", join(group, &me, RANGE), 5);
    let generation = joined.generation_id;
    peer.call("heartbeat before sync", heartbeat(group, &me, generation), 3);
    peer.call("commit before sync", commit(group, &me, generation, "truth-alone", 3), 7);
    peer.call("describe before sync", describe(group), 4);
    let assigned = sync(group, &me, generation, &[(&me, "all")]);
    peer.call("sync", assigned.clone(), 3);
    peer.call("sync again", assigned, 3);
    peer.call("heartbeat", heartbeat(group, &me, generation), 3);
    peer.call("heartbeat of the past", heartbeat(group, &me, generation - 1), 3);
    peer.call("heartbeat of the future", heartbeat(group, &me, generation + 1), 3);
    peer.each("describe", 0, |_| describe(group));
    for version in 2..=8 {
        let offset = i64::from(version);
        peer.call("commit", commit(group, &me, generation, "truth-alone", offset), version);
    }
    peer.call("commit of the past", commit(group, &me, generation - 1, "truth-alone", 1), 7);
    peer.call("commit of a stranger", commit(group, &"x".into(), generation, "truth-alone", 1), 7);
    peer.call("commit outside of the group", commit(group, &nobody, -1, "truth-alone", 1), 7);
    peer.call("commit to no such topic", commit(group, &me, generation, "truth-absent", 1), 7);
    for version in 1..=7 {
        let asked: &[_] = &[("truth-alone", 0), ("truth-absent", 0)];
        peer.call("fetch", fetch(group, Some(asked)), version);
        if version >= 2 {
            peer.call("fetch all", fetch(group, None), version);
        }
    }
    if peer.newest(ApiKey::OFFSET_FETCH) >= Some(8) {
        let topic = OffsetFetchRequestTopics {
            name: "truth-alone".into(),
            partition_indexes: vec![0].into(),
            ..Default::default()
        };
        let one = OffsetFetchRequestGroup {
            group_id: group.into(),
            member_id: None,
            topics: Some(vec![topic]),
            ..Default::default()
        };
        let all = OffsetFetchRequestGroup {
            group_id: "truth-never".into(),
            member_id: None,
            topics: None,
            ..Default::default()
        };
        let request = OffsetFetchRequest { groups: vec![one, all], ..Default::default() };
        peer.call("fetch of groups", request, 8);
    }
    let rejoined = peer.call("rejoin", join(group, &me, RANGE), 5);
    peer.call("sync", sync(group, &me, rejoined.generation_id, &[(&me, "again")]), 3);
    peer.call("delete while it lives", delete(group), 1);
    peer.call("leave", leave(group, &me), 2);
    peer.call("leave again", leave(group, &me), 2);
    peer.call("describe what is empty", describe(group), 4);
    peer.call("fetch of an empty group", fetch(group, Some(&[("truth-alone", 0)])), 5);
    let deleted = peer.call("delete", delete(group), 1);
    assert_eq!(deleted.results, [DeletableGroupResult { group_id: group.into(), ..Default::default() }]);
    peer.call("delete again", delete(group), 1);
    peer.call("describe what is deleted", describe(group), 4);
    if peer.newest(ApiKey::DESCRIBE_GROUPS) >= Some(6) {
        peer.call("describe what is deleted", describe(group), 6);
    }
    peer.call("fetch of what is deleted", fetch(group, Some(&[("truth-alone", 0)])), 5);
}

fn delete(group: &str) -> DeleteGroupsRequest {
    DeleteGroupsRequest { groups_names: vec![group.into()], ..Default::default() }
}

fn two(peer: &mut Peer) {
    let (group, nobody) = ("truth-two", Str::default());
    find(peer, group);
    let both: &[_] = &[("sticky", "s"), ("range", "r")];
    // Before version 4 a member joins with its first request.
    let one = peer.call("join", join(group, &nobody, both), 3);
    let leader = one.member_id.clone();
    peer.call("sync", sync(group, &leader, one.generation_id, &[(&leader, "all")]), 2);
    let mut second = peer.second();
    second.send(join(group, &nobody, RANGE), 3);
    // The first is told so by its heartbeats.
    peer.until(|other| {
        let answer = other.call("wait", heartbeat(group, &leader, one.generation_id), 2);
        answer.error_code == ErrorCode::REBALANCE_IN_PROGRESS
    });
    peer.call("heartbeat while it rebalances", heartbeat(group, &leader, one.generation_id), 2);
    peer.call("commit while it rebalances", commit(group, &leader, one.generation_id, "t", 1), 7);
    peer.call("sync while it rebalances", sync(group, &leader, one.generation_id, &[]), 2);
    let again = peer.call("join with the other", join(group, &leader, both), 3);
    second.ids_of(peer);
    let other = second.take::<JoinGroupRequest>("join second", 3);
    peer.join(second);
    let generation = again.generation_id;
    let mut second = peer.second();
    second.send(sync(group, &other.member_id, generation, &[]), 2);
    let assignment = sync(group, &leader, generation, &[(&leader, "a"), (&other.member_id, "b")]);
    peer.call("sync of the leader", assignment, 2);
    second.take::<SyncGroupRequest>("sync of the other", 2);
    peer.join(second);
    peer.call("a follower rejoins with nothing new", join(group, &other.member_id, RANGE), 3);
    peer.call("heartbeat of the leader", heartbeat(group, &leader, generation), 2);
    let both = [leader.clone(), other.member_id.clone(), "stranger".into()];
    let members = both.map(|member_id| MemberIdentity { member_id, ..Default::default() }).to_vec();
    let all = LeaveGroupRequest { group_id: group.into(), members, ..Default::default() };
    peer.call("all leave", all, 3);
    peer.call("describe", describe(group), 4);
}

fn statics(peer: &mut Peer) {
    let (group, nobody) = ("truth-static", Str::default());
    find(peer, group);
    let joins = |member: &Str, metadata| JoinGroupRequest {
        group_instance_id: Some("one".into()),
        ..join(group, member, metadata)
    };
    let first = peer.call("join", joins(&nobody, RANGE), 5);
    let me = first.member_id;
    let mine = |member: &Str| SyncGroupRequest {
        group_instance_id: Some("one".into()),
        ..sync(group, member, first.generation_id, &[(member, "all")])
    };
    peer.call("sync", mine(&me), 3);
    let restarted = peer.call("come back", joins(&nobody, RANGE), 5);
    let beat = |member: &Str, generation| HeartbeatRequest {
        group_instance_id: Some("one".into()),
        ..heartbeat(group, member, generation)
    };
    peer.call("heartbeat of who was before", beat(&me, first.generation_id), 3);
    peer.call("sync of who was before", mine(&me), 3);
    peer.call("join of who was before", joins(&me, RANGE), 5);
    let now = restarted.member_id;
    peer.call("heartbeat of who is now", beat(&now, restarted.generation_id), 3);
    let unknown =
        HeartbeatRequest { group_instance_id: Some("two".into()), ..beat(&now, restarted.generation_id) };
    peer.call("heartbeat of no such instance", unknown, 3);
    let members = vec![MemberIdentity { group_instance_id: Some("one".into()), ..Default::default() }];
    let gone = LeaveGroupRequest { group_id: group.into(), members, ..Default::default() };
    peer.call("an administrator removes it", gone.clone(), 3);
    peer.call("and again", gone, 3);
}

fn wrong(peer: &mut Peer) {
    let (group, nobody) = ("truth-wrong", Str::default());
    find(peer, group);
    find(peer, "");
    peer.call("no group", join("", &nobody, RANGE), 5);
    peer.call("no group", sync("", &"m".into(), 1, &[]), 3);
    peer.call("no group", heartbeat("", &"m".into(), 1), 3);
    peer.call("no group", leave("", &"m".into()), 2);
    peer.call(
        "a session too short",
        JoinGroupRequest { session_timeout_ms: 10, ..join(group, &nobody, RANGE) },
        5,
    );
    peer.call("too long", JoinGroupRequest { session_timeout_ms: 1 << 30, ..join(group, &nobody, RANGE) }, 5);
    peer.call("an unknown member", join(group, &"m".into(), RANGE), 5);
    peer.call("no protocols", join(group, &nobody, &[]), 5);
    peer.call(
        "no type",
        JoinGroupRequest { protocol_type: Str::default(), ..join(group, &nobody, RANGE) },
        5,
    );
    let one = peer.call("join", join(group, &nobody, RANGE), 3);
    peer.call("other protocols", join(group, &nobody, &[("sticky", "s")]), 3);
    peer.call(
        "another type",
        JoinGroupRequest { protocol_type: "connect".into(), ..join(group, &nobody, RANGE) },
        3,
    );
    peer.call("leave", leave(group, &one.member_id), 2);
}

fn simple(peer: &mut Peer) {
    create(peer, "truth-simple", 1, &[]);
    let (group, nobody) = ("truth-simple", Str::default());
    find(peer, group);
    peer.call("commit", commit(group, &nobody, -1, "truth-simple", 5), 7);
    peer.call("fetch", fetch(group, Some(&[("truth-simple", 0)])), 5);
    peer.call("describe", describe(group), 4);
    peer.call("commit with a generation", commit(group, &"m".into(), 3, "truth-simple", 5), 7);
    let mut long = commit(group, &nobody, -1, "truth-simple", 6);
    long.topics[0].partitions[0].committed_metadata = Some("x".repeat(5_000).into());
    peer.call("too much metadata", long, 7);
    let mut epoch = commit(group, &nobody, -1, "truth-simple", 7);
    epoch.topics[0].partitions[0].committed_leader_epoch = LeaderEpoch(4);
    peer.call("with an epoch", epoch, 7);
    peer.call("fetch with an epoch", fetch(group, Some(&[("truth-simple", 0)])), 5);
    peer.call("an empty group's offsets", commit("", &nobody, -1, "truth-simple", 5), 7);
    peer.call("delete", delete(group), 1);
}
