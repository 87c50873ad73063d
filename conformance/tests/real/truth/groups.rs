//! Groups of the classic protocol, static members, offsets.

use bytes::Bytes;
use milena_core::protocol::consumer_protocol::ConsumerProtocolSubscription;
use milena_core::protocol::join_group::JoinGroupRequestProtocol;
use milena_core::protocol::leave_group::MemberIdentity;
use milena_core::protocol::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use milena_core::protocol::offset_delete::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use milena_core::protocol::offset_fetch::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use milena_core::protocol::sync_group::SyncGroupRequestAssignment;
use milena_core::protocol::*;
use milena_core::wire::{Str, Uuid};

use super::Script;
use super::log::create;
use super::peer::Peer;

pub(super) const SCRIPTS: &[Script] = &[
    ("groups that are not there", absent),
    ("joins that are refused", refused),
    ("a group's life", life),
    ("two members", two_members),
    ("static members", static_members),
    ("committed offsets", offsets),
];

const ORDER: &str = "the order of members is by chance, as is that of equal candidates";

/// Waits until the broker coordinates a group: its first group has to wait for an internal topic.
pub(super) fn ready(peer: &mut Peer, group: &str) {
    peer.until(|other| {
        let find = FindCoordinatorRequest { key: group.into(), ..Default::default() };
        let found = other.call("wait", find, 1).error_code.is_ok();
        let fetched = || fetch(group, Some(&[]), 2);
        found && other.call("wait", fetched(), 2).error_code.is_ok()
    });
}

pub(super) fn join(group: &str, member_id: &Str, topic: &str) -> JoinGroupRequest {
    let metadata = ConsumerProtocolSubscription { topics: vec![topic.into()], ..Default::default() }
        .to_metadata(1)
        .unwrap();
    JoinGroupRequest {
        group_id: group.into(),
        session_timeout_ms: 20_000,
        rebalance_timeout_ms: 20_000,
        member_id: member_id.clone(),
        protocol_type: "consumer".into(),
        protocols: vec![JoinGroupRequestProtocol { name: "range".into(), metadata, ..Default::default() }],
        ..Default::default()
    }
}

pub(super) fn sync(group: &str, member_id: &Str, generation_id: i32, assigned: &[&Str]) -> SyncGroupRequest {
    let assignments = assigned.iter().map(|id| SyncGroupRequestAssignment {
        member_id: (*id).clone(),
        assignment: Bytes::from_static(b"some"),
        ..Default::default()
    });
    SyncGroupRequest {
        group_id: group.into(),
        generation_id,
        member_id: member_id.clone(),
        protocol_type: Some("consumer".into()),
        protocol_name: Some("range".into()),
        assignments: assignments.collect(),
        ..Default::default()
    }
}

pub(super) fn beat(group: &str, member_id: &Str, generation_id: i32) -> HeartbeatRequest {
    HeartbeatRequest {
        group_id: group.into(),
        member_id: member_id.clone(),
        generation_id,
        ..Default::default()
    }
}

pub(super) fn leave(group: &str, member_id: &Str, version: i16) -> LeaveGroupRequest {
    let member = MemberIdentity { member_id: member_id.clone(), ..Default::default() };
    match version {
        ..3 => {
            LeaveGroupRequest { group_id: group.into(), member_id: member_id.clone(), ..Default::default() }
        }
        _ => LeaveGroupRequest { group_id: group.into(), members: vec![member], ..Default::default() },
    }
}

pub(super) fn commit(
    group: &str,
    topic: (&str, Uuid),
    member_id: &Str,
    generation: i32,
) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition {
        committed_offset: 5,
        committed_metadata: Some("mine".into()),
        ..Default::default()
    };
    let topic = OffsetCommitRequestTopic {
        name: topic.0.into(),
        topic_id: topic.1,
        partitions: vec![partition],
        ..Default::default()
    };
    OffsetCommitRequest {
        group_id: group.into(),
        member_id: member_id.clone(),
        generation_id_or_member_epoch: generation,
        topics: vec![topic],
        ..Default::default()
    }
}

/// Partition 0 of these topics, or all that there is.
pub(super) fn fetch(group: &str, topics: Option<&[(&str, Uuid)]>, version: i16) -> OffsetFetchRequest {
    let group_id = Str::from(group);
    let old = topics.map(|topics| {
        let topic = |(name, _): &(&str, Uuid)| OffsetFetchRequestTopic {
            name: (*name).into(),
            partition_indexes: [0].into(),
            ..Default::default()
        };
        topics.iter().map(topic).collect()
    });
    let new = topics.map(|topics| {
        let topic = |(name, topic_id): &(&str, Uuid)| OffsetFetchRequestTopics {
            name: (*name).into(),
            topic_id: *topic_id,
            partition_indexes: [0].into(),
            ..Default::default()
        };
        topics.iter().map(topic).collect()
    });
    match version {
        ..8 => OffsetFetchRequest { group_id, topics: old, ..Default::default() },
        _ => {
            let groups = vec![OffsetFetchRequestGroup { group_id, topics: new, ..Default::default() }];
            OffsetFetchRequest { groups, ..Default::default() }
        }
    }
}

pub(super) fn delete_offset(group: &str, topic: &str) -> OffsetDeleteRequest {
    let topic = OffsetDeleteRequestTopic {
        name: topic.into(),
        partitions: vec![OffsetDeleteRequestPartition::default()],
        ..Default::default()
    };
    OffsetDeleteRequest { group_id: group.into(), topics: vec![topic], ..Default::default() }
}

pub(super) fn describe(group: &str, version: i16) -> DescribeGroupsRequest {
    let include_authorized_operations = version >= 3;
    DescribeGroupsRequest { groups: vec![group.into()], include_authorized_operations, ..Default::default() }
}

pub(super) fn delete(group: &str) -> DeleteGroupsRequest {
    DeleteGroupsRequest { groups_names: vec![group.into(), group.into()], ..Default::default() }
}

fn absent(peer: &mut Peer) {
    let id = create(peer, "groups-absent", 2, &[]);
    let (group, topic) = ("absent", ("groups-absent", id));
    ready(peer, group);
    let nobody = Str::from("nobody");
    peer.each("describe", 0, |version| describe(group, version));
    peer.each("heartbeat", 0, |_| beat(group, &nobody, 1));
    peer.each("sync", 0, |_| sync(group, &nobody, 1, &[]));
    peer.each("leave", 0, |version| leave(group, &nobody, version));
    peer.each("join", 0, |_| join(group, &nobody, topic.0));
    peer.each("commit", 1, |_| commit(group, topic, &nobody, 3));
    peer.each("fetch", 1, |version| fetch(group, Some(&[topic]), version));
    peer.each("fetch all", 2, |version| fetch(group, None, version));
    peer.each("delete", 0, |_| delete(group));
    peer.each("delete offsets", 0, |_| delete_offset(group, topic.0));
    peer.each("no name: heartbeat", 0, |_| beat("", &nobody, 1));
    peer.each("no name: sync", 0, |_| sync("", &nobody, 1, &[]));
    peer.each("no name: leave", 0, |version| leave("", &nobody, version));
    peer.each("no name: join", 0, |_| join("", &nobody, topic.0));
    peer.each("no name: delete offsets", 0, |_| delete_offset("", topic.0));
}

fn refused(peer: &mut Peer) {
    ready(peer, "refused");
    let new = Str::default();
    for session_timeout_ms in [5_999, 1_800_001] {
        peer.each("session", 0, |_| JoinGroupRequest { session_timeout_ms, ..join("refused", &new, "t") });
    }
    peer.each("no protocols", 0, |_| JoinGroupRequest { protocols: vec![], ..join("refused", &new, "t") });
    peer.each("no type", 0, |_| JoinGroupRequest {
        protocol_type: Str::default(),
        ..join("refused", &new, "t")
    });
    peer.call("an empty group is left", delete("refused"), 1);
    let newest = peer.newest(ApiKey::JOIN_GROUP).unwrap();
    for version in 0..=newest {
        let group = format!("refused-{version}");
        ready(peer, &group);
        let response = peer.call("new", join(&group, &new, "t"), version);
        let id = response.member_id;
        if response.error_code == ErrorCode::MEMBER_ID_REQUIRED {
            peer.call("with its id", join(&group, &id, "t"), version);
        }
        let mut other = join(&group, &new, "t");
        other.protocols[0].name = "other".into();
        peer.call("another protocol", other, version);
        let other = JoinGroupRequest { protocol_type: "connect".into(), ..join(&group, &new, "t") };
        peer.call("another type", other, version);
        peer.call("leave", leave(&group, &id, 2), 2);
        peer.call("delete", delete(&group), 1);
    }
}

fn life(peer: &mut Peer) {
    let id = create(peer, "groups-life", 2, &[]);
    create(peer, "groups-other", 1, &[]);
    let (group, topic) = ("life", ("groups-life", id));
    ready(peer, group);
    let newest = peer.newest(ApiKey::JOIN_GROUP).unwrap();
    let me = peer.call("join", join(group, &Str::default(), topic.0), newest).member_id;
    peer.call("join with the id", join(group, &me, topic.0), newest);
    peer.call("join again", join(group, &me, topic.0), newest);
    peer.each("heartbeat before sync", 0, |_| beat(group, &me, 1));
    peer.each("commit before sync", 1, |_| commit(group, topic, &me, 1));
    peer.each("describe before sync", 0, |version| describe(group, version));
    peer.call("old sync", sync(group, &me, 0, &[]), 3);
    peer.call("sync", sync(group, &me, 1, &[&me]), 3);
    peer.each("sync again", 0, |_| sync(group, &me, 1, &[]));
    let other_name = SyncGroupRequest { protocol_name: Some("other".into()), ..sync(group, &me, 1, &[]) };
    peer.call("sync under another name", other_name.clone(), 5);
    peer.call("sync without a name", SyncGroupRequest { protocol_name: None, ..other_name }, 5);
    peer.each("heartbeat", 0, |_| beat(group, &me, 1));
    peer.each("another generation", 0, |_| beat(group, &me, 2));
    peer.each("a stranger", 0, |_| beat(group, &Str::from("stranger"), 1));
    peer.each("describe", 0, |version| describe(group, version));
    peer.each("commit", 1, |_| commit(group, topic, &me, 1));
    peer.each("commit of an old generation", 1, |_| commit(group, topic, &me, 0));
    peer.each("commit of a stranger", 1, |_| commit(group, topic, &Str::from("stranger"), 1));
    peer.each("commit from outside", 1, |_| commit(group, topic, &Str::default(), -1));
    peer.each("fetch", 1, |version| fetch(group, Some(&[topic]), version));
    peer.each("list", 0, |_| ListGroupsRequest::default());
    for states in [vec!["Stable".into()], vec!["Empty".into(), "Dead".into()]] {
        peer.each("list by state", 4, |_| ListGroupsRequest {
            states_filter: states.clone(),
            ..Default::default()
        });
    }
    peer.each("list by type", 5, |_| ListGroupsRequest {
        types_filter: vec!["Consumer".into()],
        ..Default::default()
    });
    peer.each("delete", 0, |_| delete(group));
    for topic in [topic.0, "groups-other", "groups-missing"] {
        peer.call("delete offsets", delete_offset(group, topic), 0);
    }
    // The leader may always begin anew.
    peer.call("join a second time", join(group, &me, topic.0), newest);
    peer.call("sync a second time", sync(group, &me, 2, &[&me]), 3);
    peer.each("leave", 3, |version| leave(group, &me, version));
    peer.each("describe when empty", 0, |version| describe(group, version));
    peer.each("heartbeat when empty", 0, |_| beat(group, &me, 2));
    peer.each("commit when empty", 1, |_| commit(group, topic, &Str::default(), -1));
    peer.each("commit of a member that left", 1, |_| commit(group, topic, &me, 2));
    peer.each("fetch all", 2, |version| fetch(group, None, version));
    peer.call("delete offsets when empty", delete_offset(group, topic.0), 0);
    peer.call("offsets after that", fetch(group, None, 5), 5);
    peer.call("delete when empty", delete(group), 1);
    peer.call("describe when deleted", describe(group, 4), 4);
}

fn two_members(peer: &mut Peer) {
    let group = "two";
    ready(peer, group);
    let mut second = peer.second();
    let newest = peer.newest(ApiKey::JOIN_GROUP).unwrap();
    let new = Str::default();
    let one = peer.call("one", join(group, &new, "t"), newest).member_id;
    peer.call("one, with its id", join(group, &one, "t"), newest);
    peer.call("one syncs", sync(group, &one, 1, &[&one]), 3);
    let two = second.call("two", join(group, &new, "t"), newest).member_id;
    second.send(join(group, &two, "t"), newest);
    peer.until(|other| {
        &*other.call("wait", describe(group, 4), 4).groups[0].group_state == "PreparingRebalance"
    });
    peer.each("one is told", 0, |_| beat(group, &one, 1));
    peer.call("sync is too late", sync(group, &one, 1, &[]), 3);
    peer.agreed(ORDER).call("describe", describe(group, 4), 4);
    peer.agreed(ORDER).call("one joins", join(group, &one, "t"), newest);
    second.take::<JoinGroupRequest>("two has joined", newest);
    second.send(sync(group, &two, 2, &[]), 3);
    peer.call("one assigns", sync(group, &one, 2, &[&two]), 3);
    second.take::<SyncGroupRequest>("two is assigned to", 3);
    second.call("two joins again unchanged", join(group, &two, "t"), newest);
    second.call("two syncs again", sync(group, &two, 2, &[]), 3);
    peer.call("nobody noticed", beat(group, &one, 2), 3);
    second.send(join(group, &two, "u"), newest);
    peer.until(|other| {
        &*other.call("wait", describe(group, 4), 4).groups[0].group_state == "PreparingRebalance"
    });
    peer.call("one leaves", leave(group, &one, 3), 3);
    second.take::<JoinGroupRequest>("two is alone", newest);
    second.call("two leaves", leave(group, &two, 3), 3);
    second.call("delete", delete(group), 1);
    peer.join(second);
}

fn static_members(peer: &mut Peer) {
    let group = "static";
    let newest = peer.newest(ApiKey::JOIN_GROUP).unwrap();
    let instance =
        |request: JoinGroupRequest| JoinGroupRequest { group_instance_id: Some("i".into()), ..request };
    for version in 5..=newest {
        let group = format!("{group}-{version}");
        let group = group.as_str();
        ready(peer, group);
        let old = peer.call("join", instance(join(group, &Str::default(), "t")), version).member_id;
        peer.call("sync", sync(group, &old, 1, &[&old]), 3);
        let new = peer.call("start again", instance(join(group, &Str::default(), "t")), version).member_id;
        let named = |member_id: &Str| HeartbeatRequest {
            group_instance_id: Some("i".into()),
            ..beat(group, member_id, 1)
        };
        peer.call("the old one's heartbeat", named(&old), 3);
        peer.call("its id alone", beat(group, &old, 1), 3);
        peer.call("the new one's heartbeat", named(&new), 3);
        peer.call("the old one joins", instance(join(group, &old, "t")), version);
        let stranger = JoinGroupRequest { group_instance_id: Some("j".into()), ..join(group, &new, "t") };
        peer.call("an unknown instance", stranger, version);
        peer.call("the new one syncs", sync(group, &new, 1, &[]), 3);
        peer.call("describe", describe(group, 4), 4);
        let mut other = instance(join(group, &Str::default(), "t"));
        other.protocols[0].name = "other".into();
        peer.call("start again with another protocol", other, version);
        let gone = |instance: &str| MemberIdentity {
            group_instance_id: Some(instance.into()),
            ..Default::default()
        };
        let members = vec![gone("j"), gone("i")];
        let request = LeaveGroupRequest { group_id: group.into(), members, ..Default::default() };
        peer.call("removed by name", request, 3);
        peer.call("delete", delete(group), 1);
    }
}

fn offsets(peer: &mut Peer) {
    let id = create(peer, "groups-offsets", 2, &[]);
    let (group, topic) = ("offsets", ("groups-offsets", id));
    ready(peer, group);
    let nobody = Str::default();
    peer.each("commit", 1, |_| commit(group, topic, &nobody, -1));
    let mut epoch = commit(group, topic, &nobody, -1);
    epoch.topics[0].partitions[0].committed_leader_epoch = LeaderEpoch(3);
    peer.call("commit with an epoch", epoch, 7);
    let mut large = commit(group, topic, &nobody, -1);
    large.topics[0].partitions[0].committed_metadata = Some("x".repeat(4097).into());
    peer.call("too much metadata", large, 7);
    let missing = ("groups-missing", Uuid([9; 16]));
    peer.each("commit for a topic that is not there", 1, |_| commit(group, missing, &nobody, -1));
    let mut beyond = commit(group, topic, &nobody, -1);
    beyond.topics[0].partitions[0].partition_index = 7;
    peer.each("commit for a partition that is not there", 2, |_| beyond.clone());
    for topic in [topic, missing] {
        peer.each("fetch", 1, |version| fetch(group, Some(&[topic]), version));
    }
    peer.each("fetch all", 2, |version| fetch(group, None, version));
    peer.each("fetch stable ones", 7, |version| OffsetFetchRequest {
        require_stable: true,
        ..fetch(group, Some(&[topic]), version)
    });
    peer.each("describe", 0, |version| describe(group, version));
    peer.call("no name", commit("", topic, &nobody, -1), 7);
    peer.call("no name: fetch", fetch("", Some(&[topic]), 5), 5);
    peer.call("delete offsets", delete_offset(group, topic.0), 0);
    peer.call("delete", delete(group), 1);
    peer.call("no name: delete", delete(""), 1);
}
