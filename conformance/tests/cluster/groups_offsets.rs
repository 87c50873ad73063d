//! Offsets: committed, fetched, deleted, expired.

use std::time::Duration;

use milena_conformance::cluster::{ClusterOptions, Fault};
use milena_core::protocol::offset_commit::OffsetCommitRequestPartition;
use milena_core::protocol::offset_delete::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use milena_core::protocol::offset_fetch::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use milena_core::protocol::{
    ApiKey, ErrorCode, LeaderEpoch, OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest,
};
use milena_core::wire::{Str, Uuid};

use crate::groups_member::{Member, commit_of, commit_request};
use crate::script::{Script, WALL_MS};

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

fn new_script() -> Script {
    Script::with_groups(ClusterOptions::default())
}

fn nothing(code: ErrorCode) -> (i64, i32, String, ErrorCode) {
    (-1, -1, String::new(), code)
}

#[test]
fn an_offset_is_kept_with_epoch_and_metadata() {
    let mut script = new_script();
    let conn = script.connect(1);
    assert_eq!(script.fetch_offset(conn, "t", 0), nothing(ErrorCode::NONE), "there is not even a group");
    let mut request = commit_request("t", 0, 41);
    request.topics[0].partitions[0].committed_leader_epoch = LeaderEpoch(3);
    request.topics[0].partitions[0].committed_metadata = Some("mine".into());
    assert_eq!(script.commit(conn, request), ErrorCode::NONE);
    assert_eq!(script.fetch_offset(conn, "t", 0), (41, 3, "mine".to_owned(), ErrorCode::NONE));
    assert_eq!(script.fetch_offset(conn, "t", 1), nothing(ErrorCode::NONE));
    assert_eq!(script.commit(conn, commit_request("t", 0, 40)), ErrorCode::NONE, "backwards too");
    assert_eq!(script.fetch_offset(conn, "t", 0), (40, -1, String::new(), ErrorCode::NONE));
    assert_eq!(script.state_of(conn), "Empty");
}

#[test]
fn partitions_are_answered_one_by_one() {
    let mut script = new_script();
    let conn = script.connect(1);
    let mut request = commit_request("t", 0, 1);
    let partition = |partition_index, metadata: usize| OffsetCommitRequestPartition {
        partition_index,
        committed_offset: 9,
        committed_metadata: Some("x".repeat(metadata).into()),
        ..Default::default()
    };
    request.topics[0].partitions = vec![partition(0, 4096), partition(1, 4097), partition(2, 0)];
    request.topics.extend(commit_request("missing", 0, 1).topics);
    let response = script.call(conn, request, 9);
    let codes =
        |topic: usize| response.topics[topic].partitions.iter().map(|it| it.error_code).collect::<Vec<_>>();
    let expected =
        [ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, ErrorCode::NONE, ErrorCode::OFFSET_METADATA_TOO_LARGE];
    assert_eq!(codes(0), expected, "what is not there comes first");
    assert_eq!(codes(1), [ErrorCode::UNKNOWN_TOPIC_OR_PARTITION]);
    assert_eq!((script.fetch_offset(conn, "t", 0).0, script.fetch_offset(conn, "t", 1).0), (9, -1));
}

#[test]
fn before_2_0_only_the_topic_has_to_be_there() {
    for (release, code) in [("1.1", ErrorCode::NONE), ("2.0", ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)] {
        let mut script = Script::groups_as(release);
        let conn = script.connect(1);
        assert_eq!(script.commit_at(conn, commit_request("t", 9, 1), 2), code, "{release}");
        let missing = script.commit_at(conn, commit_request("missing", 0, 1), 2);
        assert_eq!(missing, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    }
}

#[test]
fn who_is_not_in_the_group_may_commit_only_while_it_is_empty() {
    let mut script = new_script();
    let a = script.stable(1).remove(0);
    assert_eq!(script.commit(a.conn, commit_request("t", 0, 1)), ErrorCode::UNKNOWN_MEMBER_ID);
    script.leave(a.conn, vec![a.identity()]);
    assert_eq!(script.commit(a.conn, commit_request("t", 0, 1)), ErrorCode::NONE);
    assert_eq!(script.commit(a.conn, commit_of(&a, 1)), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(script.fetch_offset(a.conn, "t", 0).0, 1);
}

#[test]
fn a_generation_of_an_unknown_group_is_illegal_or_the_group_not_found() {
    for (release, version, code) in [
        ("4.3", 9, ErrorCode::GROUP_ID_NOT_FOUND),
        ("4.3", 8, ErrorCode::ILLEGAL_GENERATION),
        ("3.9", 9, ErrorCode::ILLEGAL_GENERATION),
    ] {
        let mut script = Script::groups_as(release);
        let member = Member { id: "m".into(), ..script.member() };
        assert_eq!(script.commit_at(member.conn, commit_of(&member, 3), version), code, "{release}");
        assert_eq!(script.state_of(member.conn), "Dead");
    }
}

#[test]
fn before_2_4_nobody_commits_while_a_generation_is_completed() {
    for (release, code) in [("2.3", ErrorCode::REBALANCE_IN_PROGRESS), ("2.4", ErrorCode::UNKNOWN_MEMBER_ID)]
    {
        let mut script = Script::groups_as(release);
        let mut a = Member { version: 5, ..script.member() };
        script.join(&mut a);
        script.generation(&mut a);
        assert_eq!(script.commit(a.conn, commit_of(&a, 1)), ErrorCode::REBALANCE_IN_PROGRESS);
        let stranger = Member { id: "x".into(), ..a.clone() };
        assert_eq!(script.commit(a.conn, commit_of(&stranger, 1)), code, "{release}");
    }
}

#[test]
fn a_group_without_a_name_may_store_offsets() {
    let mut script = new_script();
    let conn = script.connect(1);
    let request = OffsetCommitRequest { group_id: Str::default(), ..commit_request("t", 0, 5) };
    assert_eq!(script.commit(conn, request), ErrorCode::NONE);
    let listed = script.list(conn, &[], &[]);
    assert_eq!((listed.len(), &*listed[0].group_id), (1, ""));
}

#[test]
fn several_groups_and_all_their_topics_are_fetched_at_once() {
    let mut script = new_script();
    let conn = script.connect(1);
    script.commit(conn, commit_request("t", 1, 3));
    script.commit(conn, commit_request("t", 0, 2));
    script.commit(conn, commit_request("u", 0, 4));
    let group =
        |name: &str| OffsetFetchRequestGroup { group_id: name.into(), topics: None, ..Default::default() };
    let request = OffsetFetchRequest { groups: vec![group("g"), group("none")], ..Default::default() };
    let response = script.call(conn, request, 9);
    let seen: Vec<_> = response.groups[0]
        .topics
        .iter()
        .map(|topic| {
            let partitions = topic.partitions.iter().map(|it| (it.partition_index, it.committed_offset));
            (&*topic.name, partitions.collect::<Vec<_>>())
        })
        .collect();
    assert_eq!(seen, [("t", vec![(0, 2), (1, 3)]), ("u", vec![(0, 4)])]);
    assert_eq!((&*response.groups[1].group_id, response.groups[1].error_code), ("none", ErrorCode::NONE));
    assert_eq!(response.groups[1].topics, []);
    // One group's, as before version 8.
    let all = OffsetFetchRequest { group_id: "g".into(), topics: None, ..Default::default() };
    for version in [2, 5, 7] {
        let response = script.call(conn, all.clone(), version);
        assert_eq!((response.error_code, response.topics.len()), (ErrorCode::NONE, 2));
    }
}

#[test]
fn an_error_of_the_whole_is_where_its_version_has_room() {
    let mut script = new_script();
    let conn = script.connect(1);
    let topic =
        OffsetFetchRequestTopic { name: "t".into(), partition_indexes: [0, 1].into(), ..Default::default() };
    let request =
        OffsetFetchRequest { group_id: "g".into(), topics: Some(vec![topic]), ..Default::default() };
    let mut fetch = |request: &OffsetFetchRequest, version| {
        script.state.on_request(ApiKey::OFFSET_FETCH, Fault::Error(ErrorCode::NOT_COORDINATOR));
        script.call(conn, request.clone(), version)
    };
    let first = fetch(&request, 1);
    let codes: Vec<_> =
        first.topics[0].partitions.iter().map(|it| (it.committed_offset, it.error_code)).collect();
    assert_eq!(codes, [(-1, ErrorCode::NOT_COORDINATOR); 2]);
    let second = fetch(&request, 2);
    assert_eq!((second.error_code, second.topics.len()), (ErrorCode::NOT_COORDINATOR, 0));
    let group = OffsetFetchRequestGroup { group_id: "g".into(), ..Default::default() };
    let eighth = fetch(&OffsetFetchRequest { groups: vec![group], ..Default::default() }, 8);
    assert_eq!(eighth.groups[0].error_code, ErrorCode::NOT_COORDINATOR);
}

#[test]
fn from_version_10_on_topics_have_ids() {
    let mut script = new_script();
    let conn = script.connect(1);
    let id = script.metadata(conn, "t", 12).topics[0].topic_id;
    let by_id = |topic_id| {
        let mut request = commit_request("", 0, 8);
        request.topics[0].topic_id = topic_id;
        request
    };
    let stranger = Uuid([7; 16]);
    let committed = script.call(conn, by_id(id), 10);
    assert_eq!(
        (committed.topics[0].topic_id, committed.topics[0].partitions[0].error_code),
        (id, ErrorCode::NONE)
    );
    assert_eq!(script.commit_at(conn, by_id(stranger), 10), ErrorCode::UNKNOWN_TOPIC_ID);
    let topic =
        |topic_id| OffsetFetchRequestTopics { topic_id, partition_indexes: [0].into(), ..Default::default() };
    let fetch = |topics| {
        let group = OffsetFetchRequestGroup { group_id: "g".into(), topics, ..Default::default() };
        OffsetFetchRequest { groups: vec![group], ..Default::default() }
    };
    let response = script.call(conn, fetch(Some(vec![topic(id), topic(stranger)])), 10);
    let seen: Vec<_> = response.groups[0]
        .topics
        .iter()
        .map(|topic| (topic.topic_id, topic.partitions[0].committed_offset, topic.partitions[0].error_code))
        .collect();
    assert_eq!(seen, [(id, 8, ErrorCode::NONE), (stranger, -1, ErrorCode::UNKNOWN_TOPIC_ID)]);
    let all = script.call(conn, fetch(None), 10);
    assert_eq!(all.groups[0].topics.iter().map(|topic| topic.topic_id).collect::<Vec<_>>(), [id]);
    assert_eq!(script.fetch_offset(conn, "t", 0).0, 8, "by name it is the same");
}

#[test]
fn version_0_means_zookeeper() {
    let mut script = Script::groups_as("2.8");
    let conn = script.connect(1);
    assert_eq!(script.commit_at(conn, commit_request("t", 0, 5), 0), ErrorCode::NONE);
    assert_eq!(script.old_offset(conn, 1), (-1, ErrorCode::NONE), "these are other offsets");
    assert_eq!(script.old_offset(conn, 0), (5, ErrorCode::NONE));
    let mut other = commit_request("t", 0, 6);
    other.group_id = "other".into();
    script.commit_at(conn, other, 1);
    assert_eq!(script.old_offset(conn, 0), (5, ErrorCode::NONE));

    let mut script = Script::groups_as("2.8");
    let conn = script.connect(1);
    assert_eq!(
        script.old_offset(conn, 0),
        (-1, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        "no offset is an error"
    );

    let mut script = Script::groups_as("3.9");
    let conn = script.connect(1);
    assert_eq!(script.commit_at(conn, commit_request("t", 0, 5), 0), ErrorCode::UNSUPPORTED_VERSION);
    assert_eq!(script.old_offset(conn, 0), (-1, ErrorCode::UNSUPPORTED_VERSION));
}

fn delete_request(topic: &str) -> OffsetDeleteRequest {
    let partitions = vec![OffsetDeleteRequestPartition::default()];
    let topic = OffsetDeleteRequestTopic { name: topic.into(), partitions, ..Default::default() };
    OffsetDeleteRequest { group_id: "g".into(), topics: vec![topic], ..Default::default() }
}

#[test]
fn offsets_in_use_are_not_deleted() {
    let mut script = new_script();
    let conn = script.connect(1);
    let delete = |script: &mut Script, topic: &str| {
        let response = script.call(conn, delete_request(topic), 0);
        (response.error_code, response.topics.first().map(|topic| topic.partitions[0].error_code))
    };
    assert_eq!(delete(&mut script, "t"), (ErrorCode::GROUP_ID_NOT_FOUND, None));
    script.commit(conn, commit_request("t", 0, 1));
    script.commit(conn, commit_request("u", 0, 1));
    let a = script.stable(1).remove(0);
    let done = |code| (ErrorCode::NONE, Some(code));
    assert_eq!(delete(&mut script, "t"), done(ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC));
    assert_eq!(delete(&mut script, "missing"), done(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    assert_eq!(delete(&mut script, "u"), done(ErrorCode::NONE));
    assert_eq!((script.fetch_offset(conn, "t", 0).0, script.fetch_offset(conn, "u", 0).0), (1, -1));
    script.leave(conn, vec![a.identity()]);
    assert_eq!(delete(&mut script, "t"), done(ErrorCode::NONE));
    assert_eq!(script.fetch_offset(conn, "t", 0).0, -1);
}

#[test]
fn members_that_are_no_consumers_keep_all_their_offsets() {
    let mut script = new_script();
    let conn = script.connect(1);
    let mut request = script.member().request();
    request.protocol_type = "connect".into();
    let id = script.call(conn, request.clone(), 9).member_id;
    request.member_id = id;
    assert_eq!(script.call(conn, request, 9).error_code, ErrorCode::NONE);
    assert_eq!(script.call(conn, delete_request("t"), 0).error_code, ErrorCode::NON_EMPTY_GROUP);
}

#[test]
fn before_4_0_a_group_without_members_goes_with_its_last_offset() {
    for (release, state) in [("3.9", "Dead"), ("4.0", "Empty")] {
        let mut script = Script::groups_as(release);
        let conn = script.connect(1);
        script.commit(conn, commit_request("t", 0, 1));
        script.call(conn, delete_request("t"), 0);
        assert_eq!(script.state_of(conn), state, "{release}");
        script.advance(600_000);
        assert_eq!(script.state_of(conn), "Dead", "the next cleaning up takes it");
    }
}

#[test]
fn offsets_go_with_their_topic() {
    let mut script = new_script();
    let conn = script.connect(1);
    script.commit(conn, commit_request("t", 0, 1));
    script.commit(conn, commit_request("u", 0, 2));
    assert!(script.state.delete_topic("t"));
    assert_eq!(script.fetch_offset(conn, "t", 0), nothing(ErrorCode::NONE));
    script.state.create_topic("t", 1).unwrap();
    assert_eq!(script.fetch_offset(conn, "t", 0), nothing(ErrorCode::NONE), "another topic of that name");
    assert_eq!(script.fetch_offset(conn, "u", 0).0, 2);
}

#[test]
fn offsets_are_kept_from_when_the_group_became_empty() {
    let mut script = new_script();
    let a = script.stable(1).remove(0);
    assert_eq!(script.commit(a.conn, commit_of(&a, 1)), ErrorCode::NONE);
    let mut a = a;
    a.session_ms = 1_800_000;
    script.join(&mut a);
    script.generation(&mut a);
    script.sync(&a, 2, &[]);
    script.assignment(&a);
    for _ in 0..8 * 48 {
        script.advance(HOUR_MS / 2 - 1);
        assert_eq!(script.beat(&a, 2), ErrorCode::NONE);
    }
    assert_eq!(script.fetch_offset(a.conn, "t", 0).0, 7, "after 8 days, as it is in use");
    script.leave(a.conn, vec![a.identity()]);
    script.advance(7 * DAY_MS - 1);
    assert_eq!(script.fetch_offset(a.conn, "t", 0).0, 7);
    script.advance(600_000);
    assert_eq!(script.fetch_offset(a.conn, "t", 0), nothing(ErrorCode::NONE));
    assert_eq!(script.state_of(a.conn), "Dead", "and the group with them");
    assert_eq!(script.state.poll_timeout(), None, "nothing is left to do");
}

#[test]
fn offsets_without_members_are_kept_from_the_commit() {
    let retention = Duration::from_secs(3600);
    let mut script =
        Script::with_groups(ClusterOptions { offsets_retention: retention, ..Default::default() });
    let conn = script.connect(1);
    script.commit(conn, commit_request("t", 0, 1));
    script.advance(HOUR_MS / 2);
    script.commit(conn, commit_request("u", 0, 2));
    script.advance(HOUR_MS / 2 - 1);
    assert_eq!(script.fetch_offset(conn, "t", 0).0, 1);
    script.advance(1);
    assert_eq!((script.fetch_offset(conn, "t", 0).0, script.fetch_offset(conn, "u", 0).0), (-1, 2));
    script.commit(conn, commit_request("u", 0, 3));
    script.advance(HOUR_MS - 1);
    assert_eq!(script.fetch_offset(conn, "u", 0).0, 3, "a commit renews it");
    script.advance(1);
    assert_eq!(script.fetch_offset(conn, "u", 0).0, -1);
}

#[test]
fn topics_that_a_group_gave_up_expire_while_it_reads_others() {
    let retention = Duration::from_secs(3600);
    for (release, left) in [("4.3", -1), ("2.3", 2)] {
        let as_version = release.parse().unwrap();
        let options = ClusterOptions { offsets_retention: retention, as_version, ..Default::default() };
        let mut script = Script::with_groups(options);
        let conn = script.connect(1);
        for topic in ["t", "u"] {
            script.commit_at(conn, commit_request(topic, 0, 2), 7);
        }
        let mut a = Member { version: 5, session_ms: 1_800_000, ..script.member() };
        script.join(&mut a);
        script.generation(&mut a);
        script.sync(&a, 1, &[]);
        script.assignment(&a);
        for _ in 0..4 {
            script.advance(HOUR_MS / 3);
            assert_eq!(script.beat(&a, 1), ErrorCode::NONE);
        }
        assert_eq!(script.old_offset(conn, 1), (2, ErrorCode::NONE), "in use");
        let all = OffsetFetchRequest { group_id: "g".into(), topics: None, ..Default::default() };
        let topics = script.call(conn, all, 2).topics;
        let of_u = topics.iter().find(|topic| &*topic.name == "u");
        assert_eq!(of_u.map_or(-1, |topic| topic.partitions[0].committed_offset), left, "{release}");
    }
}

#[test]
fn a_commit_may_say_how_long_it_lasts() {
    for release in ["1.1", "3.9"] {
        let mut script = Script::groups_as(release);
        let conn = script.connect(1);
        let request = OffsetCommitRequest { retention_time_ms: HOUR_MS as i64, ..commit_request("t", 0, 1) };
        assert_eq!(script.commit_at(conn, request, 2), ErrorCode::NONE);
        script.advance(HOUR_MS - 1);
        assert_eq!(script.old_offset(conn, 1).0, 1);
        script.advance(600_001);
        assert_eq!(script.old_offset(conn, 1).0, -1, "{release}");
    }
}

#[test]
fn before_2_1_each_offset_lasts_from_its_own_time() {
    let retention = Duration::from_secs(3600);
    let mut script = Script::with_groups(ClusterOptions {
        offsets_retention: retention,
        as_version: "1.1".parse().unwrap(),
        ..Default::default()
    });
    let mut a = Member { version: 2, session_ms: 1_800_000, ..script.member() };
    script.join(&mut a);
    script.generation(&mut a);
    script.sync(&a, 1, &[]);
    script.assignment(&a);
    let mut request = commit_of(&a, 1);
    request.topics[0].partitions[0].commit_timestamp = WALL_MS - HOUR_MS as i64 / 2;
    assert_eq!(script.commit_at(a.conn, request, 1), ErrorCode::NONE);
    script.advance(HOUR_MS / 3);
    script.beat(&a, 1);
    assert_eq!(script.old_offset(a.conn, 1).0, 7);
    script.advance(HOUR_MS / 3);
    assert_eq!(script.beat(&a, 1), ErrorCode::NONE);
    assert_eq!(script.old_offset(a.conn, 1).0, -1, "though the group is in use");
}
