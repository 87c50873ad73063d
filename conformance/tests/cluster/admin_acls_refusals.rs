//! Access rules: what each API tells those who may not.
//!
//! Everybody may do everything, but `seen` may only be described and `shut` not be known of, be it a topic, a group or a
//! transactional id.

use milena_conformance::cluster::{ClusterOptions, ConnectionId};
use milena_core::protocol::ErrorCode as Code;
use milena_core::protocol::create_topics::CreatableTopic;
use milena_core::protocol::delete_topics::DeleteTopicState;
use milena_core::protocol::describe_producers::TopicRequest;
use milena_core::protocol::elect_leaders::TopicPartitions;
use milena_core::protocol::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use milena_core::protocol::offset_delete::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use milena_core::protocol::offset_fetch::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use milena_core::protocol::offset_for_leader_epoch::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use milena_core::protocol::*;
use milena_core::wire::Str;

use crate::admin_acls::{ALLOW, CLUSTER, DENY, DESCRIBE, GROUP, LITERAL, TOPIC, rule};
use crate::script::Script;

const TRANSACTIONAL_ID: i8 = 5;
const ALL: i8 = 2;
pub(crate) const CLUSTER_ACTION: i8 = 9;

pub(crate) const TOPICS: [&str; 4] = ["open", "seen", "shut", "missing"];

/// A broker without rules that has served coordinators.
pub(crate) fn unruled(release: &str) -> (Script, ConnectionId) {
    let mut script = Script::new(ClusterOptions {
        topics: TOPICS[..3].iter().map(|name| ((*name).to_owned(), 1)).collect(),
        as_version: release.parse().unwrap(),
        authorizer: true,
        allow_everyone: true,
        ..ClusterOptions::default()
    });
    let conn = script.connect(1);
    for key_type in [0, 1] {
        let request = FindCoordinatorRequest { key: "x".into(), key_type, ..Default::default() };
        script.call(conn, request, 1);
    }
    (script, conn)
}

pub(crate) fn enforce(script: &mut Script) {
    for kind in [TOPIC, GROUP, TRANSACTIONAL_ID] {
        let rules =
            [rule((kind, "seen", LITERAL), DESCRIBE, ALLOW), rule((kind, "shut", LITERAL), ALL, DENY)];
        script.state.add_acls(rules).unwrap();
    }
}

pub(crate) fn ruled() -> (Script, ConnectionId) {
    let (mut script, conn) = unruled("4.3");
    enforce(&mut script);
    (script, conn)
}

/// Takes all of the cluster but some operations.
pub(crate) fn forbid_cluster(script: &mut Script, but: &[i8]) {
    let rules = but.iter().map(|operation| rule((CLUSTER, "kafka-cluster", LITERAL), *operation, ALLOW));
    script.state.add_acls(rules).unwrap();
}

fn commit(group: &str) -> OffsetCommitRequest {
    let topic = |name: &&str| OffsetCommitRequestTopic {
        name: (*name).into(),
        partitions: vec![OffsetCommitRequestPartition { committed_offset: 5, ..Default::default() }],
        ..Default::default()
    };
    OffsetCommitRequest {
        group_id: group.into(),
        generation_id_or_member_epoch: -1,
        topics: TOPICS.iter().map(topic).collect(),
        ..Default::default()
    }
}

/// Code by topic of a commit.
fn committed(script: &mut Script, conn: ConnectionId, group: &str, version: i16) -> Vec<(String, Code)> {
    let topics = script.call(conn, commit(group), version).topics;
    topics.iter().map(|topic| (topic.name.to_string(), topic.partitions[0].error_code)).collect()
}

pub(crate) fn told(answers: &[(&str, Code)]) -> Vec<(String, Code)> {
    answers.iter().map(|(name, code)| ((*name).to_owned(), *code)).collect()
}

#[test]
fn offsets_are_committed_for_topics_that_may_be_read() {
    let (mut script, conn) = ruled();
    let each = told(&[
        ("seen", Code::TOPIC_AUTHORIZATION_FAILED),
        ("shut", Code::TOPIC_AUTHORIZATION_FAILED),
        ("missing", Code::UNKNOWN_TOPIC_OR_PARTITION),
        ("open", Code::NONE),
    ]);
    assert_eq!(committed(&mut script, conn, "open", 9), each);
    let offsets = TOPICS.map(|name| script.state.committed("open", name, 0));
    assert_eq!(offsets, [Some(5), None, None, None]);
    for group in ["seen", "shut"] {
        let refused = TOPICS.map(|name| (name, Code::GROUP_AUTHORIZATION_FAILED));
        assert_eq!(committed(&mut script, conn, group, 9), told(&refused), "the group comes first");
    }
}

fn fetch(script: &mut Script, conn: ConnectionId, topics: Option<&[&str]>) -> Vec<(String, Code, i64)> {
    let topic = |name: &&str| OffsetFetchRequestTopics {
        name: (*name).into(),
        partition_indexes: [0].into(),
        ..Default::default()
    };
    let topics = topics.map(|names| names.iter().map(topic).collect());
    let group = OffsetFetchRequestGroup { group_id: "open".into(), topics, ..Default::default() };
    let request = OffsetFetchRequest { groups: vec![group], ..Default::default() };
    let group = script.call(conn, request, 9).groups.remove(0);
    assert_eq!(group.error_code, Code::NONE);
    let topics = group.topics.iter().map(|topic| (topic.name.to_string(), &topic.partitions[0]));
    topics.map(|(name, partition)| (name, partition.error_code, partition.committed_offset)).collect()
}

#[test]
fn offsets_are_told_and_deleted_for_topics_that_one_may() {
    let (mut script, conn) = unruled("4.3");
    committed(&mut script, conn, "open", 9);
    enforce(&mut script);
    let each = |answers: &[(&str, Code, i64)]| {
        answers.iter().map(|(name, code, offset)| ((*name).to_owned(), *code, *offset)).collect::<Vec<_>>()
    };
    let named = [
        ("open", Code::NONE, 5),
        ("seen", Code::NONE, 5),
        ("missing", Code::NONE, -1),
        ("shut", Code::TOPIC_AUTHORIZATION_FAILED, -1),
    ];
    assert_eq!(fetch(&mut script, conn, Some(&TOPICS)), each(&named));
    assert_eq!(fetch(&mut script, conn, None), each(&named[..2]), "what may not be known of is left out");

    let topic = |name: &&str| OffsetDeleteRequestTopic {
        name: (*name).into(),
        partitions: vec![OffsetDeleteRequestPartition::default()],
        ..Default::default()
    };
    let topics = TOPICS.iter().map(topic).collect();
    let request = OffsetDeleteRequest { group_id: "open".into(), topics, ..Default::default() };
    let topics = script.call(conn, request, 0).topics;
    let deleted: Vec<_> =
        topics.iter().map(|topic| (topic.name.to_string(), topic.partitions[0].error_code)).collect();
    let refused = [
        ("seen", Code::TOPIC_AUTHORIZATION_FAILED),
        ("shut", Code::TOPIC_AUTHORIZATION_FAILED),
        ("missing", Code::UNKNOWN_TOPIC_OR_PARTITION),
        ("open", Code::NONE),
    ];
    assert_eq!(deleted, told(&refused));
    let left = TOPICS.map(|name| script.state.committed("open", name, 0));
    assert_eq!(left, [None, Some(5), Some(5), None]);
}

#[test]
fn groups_are_described_listed_and_deleted_by_those_who_may() {
    for (release, operations) in [("3.9", [3, 6, 8].as_slice()), ("4.3", &[3, 6, 8, 10, 11])] {
        let (mut script, conn) = unruled(release);
        for group in ["open", "seen", "shut"] {
            committed(&mut script, conn, group, 8);
        }
        enforce(&mut script);
        let groups = ["open", "seen", "shut"].map(Str::from).to_vec();
        let request =
            DescribeGroupsRequest { groups, include_authorized_operations: true, ..Default::default() };
        let described = script.call(conn, request, 5).groups;
        let described: Vec<_> = described
            .iter()
            .map(|group| (&*group.group_id, group.error_code, group.authorized_operations))
            .collect();
        let bits = operations.iter().fold(0, |bits, operation| bits | 1 << operation);
        let expected = [
            ("shut", Code::GROUP_AUTHORIZATION_FAILED, i32::MIN),
            ("open", Code::NONE, bits),
            ("seen", Code::NONE, 1 << DESCRIBE),
        ];
        assert_eq!(described, expected, "{release}");
        let list = |script: &mut Script| {
            let listed = script.call(conn, ListGroupsRequest::default(), 4);
            listed.groups.iter().map(|group| group.group_id.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(list(&mut script), ["open", "seen", "shut"], "who may describe the cluster sees all");
        forbid_cluster(&mut script, &[CLUSTER_ACTION]);
        assert_eq!(list(&mut script), ["open", "seen"]);
        let groups_names = ["seen", "shut", "open"].map(Str::from).to_vec();
        let deleted =
            script.call(conn, DeleteGroupsRequest { groups_names, ..Default::default() }, 2).results;
        let deleted: Vec<_> = deleted.iter().map(|it| (it.group_id.to_string(), it.error_code)).collect();
        let refused = Code::GROUP_AUTHORIZATION_FAILED;
        assert_eq!(deleted, told(&[("open", Code::NONE), ("seen", refused), ("shut", refused)]));
    }
}

#[test]
fn before_2_1_groups_are_listed_by_those_who_may_describe_the_cluster() {
    for (release, code) in [("2.0", Code::CLUSTER_AUTHORIZATION_FAILED), ("2.1", Code::NONE)] {
        let (mut script, conn) = unruled(release);
        forbid_cluster(&mut script, &[CLUSTER_ACTION]);
        assert_eq!(script.call(conn, ListGroupsRequest::default(), 2).error_code, code, "{release}");
    }
}

#[test]
fn epochs_and_producers_are_told_by_topic() {
    let topics: Vec<_> = TOPICS
        .iter()
        .map(|name| OffsetForLeaderTopic {
            topic: (*name).into(),
            partitions: vec![OffsetForLeaderPartition::default()],
            ..Default::default()
        })
        .collect();
    let (mut script, conn) = ruled();
    let request = OffsetForLeaderEpochRequest { topics, ..Default::default() };
    let epochs = |script: &mut Script| {
        let topics = script.call(conn, request.clone(), 3).topics;
        let code = |topic: &offset_for_leader_epoch::OffsetForLeaderTopicResult| {
            (topic.topic.to_string(), topic.partitions[0].error_code)
        };
        topics.iter().map(code).collect::<Vec<_>>()
    };
    let missing = ("missing", Code::UNKNOWN_TOPIC_OR_PARTITION);
    let as_broker = [("open", Code::NONE), ("seen", Code::NONE), ("shut", Code::NONE), missing];
    assert_eq!(epochs(&mut script), told(&as_broker), "as if a broker asked");
    forbid_cluster(&mut script, &[DESCRIBE]);
    let shut = ("shut", Code::TOPIC_AUTHORIZATION_FAILED);
    assert_eq!(epochs(&mut script), told(&[("open", Code::NONE), ("seen", Code::NONE), missing, shut]));

    let topic = |name: &&str| TopicRequest {
        name: (*name).into(),
        partition_indexes: vec![0].into(),
        ..Default::default()
    };
    let request =
        DescribeProducersRequest { topics: TOPICS.iter().map(topic).collect(), ..Default::default() };
    let topics = script.call(conn, request, 0).topics;
    let codes: Vec<_> = topics.iter().map(|topic| topic.partitions[0].error_code).collect();
    let refused = Code::TOPIC_AUTHORIZATION_FAILED;
    assert_eq!(codes, [Code::NONE, refused, refused, Code::UNKNOWN_TOPIC_OR_PARTITION]);
}

#[test]
fn before_2_1_epochs_were_for_brokers() {
    for (release, code) in [("2.0", Code::CLUSTER_AUTHORIZATION_FAILED), ("2.1", Code::NONE)] {
        let (mut script, conn) = unruled(release);
        forbid_cluster(&mut script, &[DESCRIBE]);
        let partitions = vec![OffsetForLeaderPartition::default()];
        let topic = OffsetForLeaderTopic { topic: "open".into(), partitions, ..Default::default() };
        let request = OffsetForLeaderEpochRequest { topics: vec![topic], ..Default::default() };
        let answer = script.call(conn, request, 0).topics.remove(0).partitions.remove(0);
        assert_eq!(answer.error_code, code, "{release}");
    }
}

#[test]
fn who_may_delete_the_cluster_s_topics_may_delete_any() {
    let (mut script, conn) = ruled();
    let shut = script.metadata(conn, "open", 12).topics.remove(0).topic_id;
    let by_name = |name: &str| DeleteTopicState { name: Some(name.into()), ..Default::default() };
    let delete = |script: &mut Script, topic: DeleteTopicState| {
        let request = DeleteTopicsRequest { topics: vec![topic], timeout_ms: 1_000, ..Default::default() };
        let result = script.call(conn, request, 6).responses.remove(0);
        (result.name.map(|name| name.to_string()), result.error_code)
    };
    assert_eq!(delete(&mut script, by_name("shut")), (Some("shut".to_owned()), Code::NONE));
    forbid_cluster(&mut script, &[DESCRIBE]);
    let refused = Code::TOPIC_AUTHORIZATION_FAILED;
    assert_eq!(delete(&mut script, by_name("shut")), (Some("shut".to_owned()), refused), "is it there?");
    assert_eq!(delete(&mut script, by_name("seen")), (Some("seen".to_owned()), refused));
    script.state.add_acls([rule((TOPIC, "open", LITERAL), ALL, DENY)]).unwrap();
    let by_id = DeleteTopicState { topic_id: shut, ..Default::default() };
    assert_eq!(delete(&mut script, by_id), (None, refused), "an id does not tell the name");
}

#[test]
fn a_refused_election_says_so_of_each_partition() {
    let (mut script, conn) = ruled();
    forbid_cluster(&mut script, &[DESCRIBE]);
    let refused = Code::CLUSTER_AUTHORIZATION_FAILED;
    for version in 0..=2 {
        let code = if version == 0 { Code::NONE } else { refused };
        let all = ElectLeadersRequest { topic_partitions: None, ..Default::default() };
        let answer = script.call(conn, all, version);
        assert_eq!((answer.error_code, answer.replica_election_results.len()), (code, 0));
        let topic = TopicPartitions { topic: "open".into(), partitions: [0].into(), ..Default::default() };
        let one = ElectLeadersRequest { topic_partitions: Some(vec![topic]), ..Default::default() };
        let answer = script.call(conn, one, version);
        let partition = &answer.replica_election_results[0].partition_result[0];
        assert_eq!((answer.error_code, partition.error_code), (code, refused), "version {version}");
    }
}

#[test]
fn a_topic_that_would_be_created_has_an_id() {
    let (mut script, conn) = ruled();
    let topic =
        CreatableTopic { name: "new".into(), num_partitions: 1, replication_factor: 1, ..Default::default() };
    let request = CreateTopicsRequest { topics: vec![topic], validate_only: true, ..Default::default() };
    assert!(!script.call(conn, request, 7).topics[0].topic_id.is_zero());
    let known = MetadataRequest {
        include_topic_authorized_operations: true,
        ..crate::script::metadata_request("new")
    };
    let told = script.call(conn, known, 12).topics.remove(0);
    let all = [3, 4, 5, 6, 7, 8, 10, 11].iter().fold(0, |bits, operation| bits | 1 << operation);
    assert_eq!(told.error_code, Code::UNKNOWN_TOPIC_OR_PARTITION, "it is not there");
    assert_eq!(told.topic_authorized_operations, all, "but what might be done with it is told");
}

#[test]
fn a_key_whose_hash_is_negative_belongs_to_the_partition_of_its_opposite() {
    let options = ClusterOptions { nodes: 3, coordinator_partitions: 3, ..ClusterOptions::default() };
    let mut script = Script::new(options);
    let conn = script.connect(1);
    let find = |script: &mut Script| {
        // Its hash is -41,937,501.
        let request = FindCoordinatorRequest { key: "acl-t-group".into(), ..Default::default() };
        script.call(conn, request, 3).node_id
    };
    find(&mut script);
    let found = find(&mut script);
    let leaders = [0, 1, 2].map(|partition| script.state.leader("__consumer_offsets", partition).unwrap().0);
    assert_eq!(leaders.iter().filter(|leader| **leader == found).count(), 1, "{leaders:?}");
    assert_eq!(found, leaders[0]);
}
