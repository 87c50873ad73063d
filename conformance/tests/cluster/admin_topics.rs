//! Topics and partitions, as administrators change them.

use milena_conformance::cluster::{ClusterOptions, ConnectionId};
use milena_core::protocol::alter_partition_reassignments::{ReassignablePartition, ReassignableTopic};
use milena_core::protocol::create_partitions::{CreatePartitionsAssignment, CreatePartitionsTopic};
use milena_core::protocol::create_topics::CreatableTopic;
use milena_core::protocol::delete_records::{DeleteRecordsPartition, DeleteRecordsTopic};
use milena_core::protocol::describe_topic_partitions::{Cursor, TopicRequest};
use milena_core::protocol::elect_leaders::TopicPartitions;
use milena_core::protocol::incremental_alter_configs::{AlterConfigsResource, AlterableConfig};
use milena_core::protocol::{
    AlterPartitionReassignmentsRequest, BrokerId, CreatePartitionsRequest, CreateTopicsRequest,
    DeleteRecordsRequest, DeleteTopicsRequest, DescribeLogDirsRequest, DescribeTopicPartitionsRequest,
    ElectLeadersRequest, ErrorCode, IncrementalAlterConfigsRequest, ListPartitionReassignmentsRequest,
};

use crate::script::{Script, batch, failed, fetch_request, fetched, values};

fn ids(numbers: &[i32]) -> Vec<BrokerId> {
    numbers.iter().copied().map(BrokerId).collect()
}

#[test]
fn partitions_are_added_and_never_taken_away() {
    let mut script = Script::with_topic(3);
    let conn = script.connect(1);
    let mut create = |name: &str, count, assignments: Option<&[&[i32]]>, validate_only| {
        let assignments = assignments.map(|given| {
            let given = given.iter().map(|replicas| CreatePartitionsAssignment {
                broker_ids: ids(replicas).into(),
                ..Default::default()
            });
            given.collect()
        });
        let topic = CreatePartitionsTopic { name: name.into(), count, assignments, ..Default::default() };
        let request = CreatePartitionsRequest {
            topics: vec![topic],
            validate_only,
            timeout_ms: 1_000,
            ..Default::default()
        };
        let result = script.call(conn, request, 3).results.remove(0);
        (result.error_code, result.error_message.unwrap_or_default().to_string())
    };
    let done = (ErrorCode::NONE, String::new());
    for (count, message) in [
        (2, "Topic already has 2 partition(s)."),
        (1, "The topic t currently has 2 partition(s); 1 would not be an increase."),
    ] {
        assert_eq!(create("t", count, None, false), (ErrorCode::INVALID_PARTITIONS, message.to_owned()));
    }
    assert_eq!(create("x", 3, None, false).0, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(create("t", 3, Some(&[]), false).0, ErrorCode::INVALID_REPLICA_ASSIGNMENT);
    assert_eq!(create("t", 3, Some(&[&[1, 9]]), false).0, ErrorCode::INVALID_REPLICA_ASSIGNMENT);
    assert_eq!(create("t", 3, Some(&[&[1, 1]]), false).0, ErrorCode::INVALID_REPLICA_ASSIGNMENT);
    assert_eq!(create("t", 4, None, true), done);
    assert_eq!(create("t", 3, Some(&[&[3, 1]]), false), done);
    assert_eq!(create("t", 4, None, false), done);
    let partitions = script.metadata(conn, "t", 12).topics.remove(0).partitions;
    assert_eq!(partitions.len(), 4);
    assert_eq!((partitions[2].leader_id, &partitions[2].replica_nodes), (BrokerId(3), &ids(&[3, 1]).into()));
    let leader = script.connect(partitions[3].leader_id.0);
    assert_eq!(script.produce(leader, 3, batch(&["a"])).error_code, ErrorCode::NONE);
}

#[test]
fn before_3_0_only_the_controller_adds_partitions() {
    let mut script = Script::new(ClusterOptions {
        nodes: 2,
        topics: vec![("t".to_owned(), 1)],
        as_version: "2.8".parse().unwrap(),
        ..ClusterOptions::default()
    });
    for (broker, code) in [(2, ErrorCode::NOT_CONTROLLER), (1, ErrorCode::NONE)] {
        let conn = script.connect(broker);
        let topic =
            CreatePartitionsTopic { name: "t".into(), count: 2, assignments: None, ..Default::default() };
        let request =
            CreatePartitionsRequest { topics: vec![topic], timeout_ms: 1_000, ..Default::default() };
        assert_eq!(script.call(conn, request, 2).results[0].error_code, code);
    }
}

fn delete_records(script: &mut Script, conn: ConnectionId, offset: i64) -> (ErrorCode, i64) {
    let partition = DeleteRecordsPartition { partition_index: 0, offset, ..Default::default() };
    let topic = DeleteRecordsTopic { name: "t".into(), partitions: vec![partition], ..Default::default() };
    let request = DeleteRecordsRequest { topics: vec![topic], ..Default::default() };
    let result = script.call(conn, request, 2).topics.remove(0).partitions.remove(0);
    (result.error_code, result.low_watermark)
}

#[test]
fn records_are_deleted_up_to_an_offset() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    for records in [&["a", "b"][..], &["c", "d"], &["e"]] {
        script.produced(conn, batch(records));
    }
    assert_eq!(delete_records(&mut script, conn, 3), (ErrorCode::NONE, 3), "inside of a batch");
    assert_eq!(script.state.offsets("t", 0), Some((3, 5)));
    let from = |script: &mut Script, offset| fetched(&script.call(conn, fetch_request("t", 0, offset), 12));
    assert_eq!(from(&mut script, 2), failed(ErrorCode::OFFSET_OUT_OF_RANGE));
    assert_eq!(from(&mut script, 3), values(&[(2, "c"), (3, "d"), (4, "e")]), "batches are sent whole");
    assert_eq!(delete_records(&mut script, conn, 1), (ErrorCode::NONE, 3), "it never goes back");
    assert_eq!(delete_records(&mut script, conn, 6), (ErrorCode::OFFSET_OUT_OF_RANGE, -1));
    assert_eq!(delete_records(&mut script, conn, -1), (ErrorCode::NONE, 5), "all there is");
    assert_eq!(script.produced(conn, batch(&["f"])), (ErrorCode::NONE, 5));
    assert_eq!(from(&mut script, 5), values(&[(5, "f")]));
}

#[test]
fn records_of_a_compacted_topic_are_not_deleted() {
    let mut script = Script::with_topic(2);
    let conn = script.connect(1);
    let config = AlterableConfig {
        name: "cleanup.policy".into(),
        value: Some("compact".into()),
        ..Default::default()
    };
    let resource = AlterConfigsResource {
        resource_type: 2,
        resource_name: "t".into(),
        configs: vec![config],
        ..Default::default()
    };
    script.call(conn, IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() }, 1);
    assert_eq!(delete_records(&mut script, conn, 0), (ErrorCode::POLICY_VIOLATION, -1));
    let conn = script.connect(2);
    assert_eq!(delete_records(&mut script, conn, 0), (ErrorCode::NOT_LEADER_OR_FOLLOWER, -1));
}

fn elect(script: &mut Script, conn: ConnectionId, election_type: i8, all: bool) -> Vec<ErrorCode> {
    let topic = TopicPartitions { topic: "t".into(), partitions: vec![0, 7].into(), ..Default::default() };
    let topic_partitions = (!all).then(|| vec![topic]);
    let request = ElectLeadersRequest { election_type, topic_partitions, ..Default::default() };
    let results = script.call(conn, request, 2).replica_election_results;
    results.iter().flat_map(|topic| &topic.partition_result).map(|one| one.error_code).collect()
}

#[test]
fn leaders_are_elected_on_request() {
    let mut script = Script::with_topic(3);
    let conn = script.connect(2);
    assert_eq!(
        elect(&mut script, conn, 0, false),
        [ErrorCode::ELECTION_NOT_NEEDED, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION]
    );
    script.state.move_leader("t", 0, BrokerId(2));
    assert_eq!(
        elect(&mut script, conn, 0, true),
        [ErrorCode::NONE],
        "those that are right already are left out"
    );
    assert_eq!(script.state.leader("t", 0).unwrap().0, BrokerId(1));
    script.state.stop_broker(BrokerId(1));
    assert_eq!(elect(&mut script, conn, 0, false)[0], ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE);
    assert_eq!(elect(&mut script, conn, 1, false)[0], ErrorCode::ELECTION_NOT_NEEDED);
}

#[test]
fn partitions_move_to_other_brokers_at_once() {
    let mut script = Script::with_topic(3);
    let conn = script.connect(3);
    let mut reassign = |index, replicas: Option<&[i32]>, may_change| {
        let partition = ReassignablePartition {
            partition_index: index,
            replicas: replicas.map(|numbers| ids(numbers).into()),
            ..Default::default()
        };
        let topic = ReassignableTopic { name: "t".into(), partitions: vec![partition], ..Default::default() };
        let request = AlterPartitionReassignmentsRequest {
            allow_replication_factor_change: may_change,
            topics: vec![topic],
            ..Default::default()
        };
        script.call(conn, request, 1).responses[0].partitions[0].error_code
    };
    assert_eq!(reassign(0, None, true), ErrorCode::NO_REASSIGNMENT_IN_PROGRESS);
    assert_eq!(reassign(9, Some(&[1]), true), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(reassign(0, Some(&[]), true), ErrorCode::INVALID_REPLICA_ASSIGNMENT);
    assert_eq!(reassign(0, Some(&[9]), true), ErrorCode::INVALID_REPLICA_ASSIGNMENT);
    assert_eq!(reassign(0, Some(&[3]), false), ErrorCode::INVALID_REPLICATION_FACTOR);
    assert_eq!(reassign(0, Some(&[3, 2]), true), ErrorCode::NONE);
    let partition = script.metadata(conn, "t", 12).topics.remove(0).partitions.remove(0);
    assert_eq!((partition.leader_id, partition.leader_epoch.0), (BrokerId(3), 1));
    assert_eq!((partition.replica_nodes, partition.isr_nodes), (ids(&[3, 2]).into(), ids(&[3, 2]).into()));
    assert_eq!(script.produced(conn, batch(&["a"])), (ErrorCode::NONE, 0));
    let list = ListPartitionReassignmentsRequest::default();
    assert!(script.call(conn, list, 0).topics.is_empty());
}

#[test]
fn partitions_are_described_page_by_page() {
    let mut script = Script::new(ClusterOptions {
        topics: [("a", 2), ("b", 3), ("c", 1)].map(|(name, count)| (name.to_owned(), count)).to_vec(),
        ..ClusterOptions::default()
    });
    let conn = script.connect(1);
    let mut pages = Vec::new();
    let mut cursor: Option<Cursor> = None;
    loop {
        let request = DescribeTopicPartitionsRequest {
            response_partition_limit: 3,
            cursor: cursor.take(),
            ..Default::default()
        };
        let response = script.call(conn, request, 0);
        let page = response.topics.iter().map(|topic| {
            let name = topic.name.as_deref().unwrap_or_default().to_owned();
            (name, topic.partitions.iter().map(|one| one.partition_index).collect::<Vec<_>>())
        });
        pages.push(page.collect::<Vec<_>>());
        cursor = response.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    let page = |topics: &[(&str, &[i32])]| {
        topics.iter().map(|(name, indexes)| ((*name).to_owned(), indexes.to_vec())).collect::<Vec<_>>()
    };
    assert_eq!(pages, [page(&[("a", &[0, 1]), ("b", &[0])]), page(&[("b", &[1, 2]), ("c", &[0])])]);
    let topics = ["c", "x"].map(|name| TopicRequest { name: name.into(), ..Default::default() }).to_vec();
    let request = DescribeTopicPartitionsRequest { topics, ..Default::default() };
    let codes: Vec<_> = script.call(conn, request, 0).topics.iter().map(|topic| topic.error_code).collect();
    assert_eq!(codes, [ErrorCode::NONE, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION]);
}

#[test]
fn logs_are_told_with_their_sizes() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    let records = batch(&["a"]);
    script.produced(conn, records.clone());
    let request = DescribeLogDirsRequest { topics: None, ..Default::default() };
    let dir = script.call(conn, request, 4).results.remove(0);
    assert_eq!(&*dir.log_dir, "/tmp/kafka-logs");
    let sizes: Vec<_> = dir.topics[0].partitions.iter().map(|one| one.partition_size).collect();
    assert_eq!(sizes, [records.len() as i64, 0]);
}

#[test]
fn topics_are_not_deleted_where_that_is_forbidden() {
    let mut script = Script::new(ClusterOptions {
        topics: vec![("t".to_owned(), 1)],
        configs: vec![("delete.topic.enable".to_owned(), "false".to_owned())],
        ..ClusterOptions::default()
    });
    let conn = script.connect(1);
    let request =
        DeleteTopicsRequest { topic_names: vec!["t".into()], timeout_ms: 1_000, ..Default::default() };
    let code = script.call(conn, request, 5).responses[0].error_code;
    assert_eq!(code, ErrorCode::TOPIC_DELETION_DISABLED);
}

#[test]
fn who_gives_the_controller_no_time_gets_nothing_done_since_3_0() {
    for (release, is_done) in [("2.8", true), ("4.3", false)] {
        for timeout_ms in [0, -1] {
            let mut script = Script::as_release(release);
            let conn = script.connect(1);
            let topic = CreatableTopic {
                name: "new".into(),
                num_partitions: 1,
                replication_factor: 1,
                ..Default::default()
            };
            let create = |validate_only| CreateTopicsRequest {
                topics: vec![topic.clone()],
                timeout_ms,
                validate_only,
                ..Default::default()
            };
            let late = ErrorCode::REQUEST_TIMED_OUT;
            let tried = script.call(conn, create(true), 5).topics[0].error_code;
            assert_eq!(tried, if is_done { ErrorCode::NONE } else { late }, "{release}");
            assert_eq!(script.call(conn, create(false), 5).topics[0].error_code, late);
            assert_eq!(script.state.leader("new", 0).is_some(), is_done, "{release}");

            let topic =
                CreatePartitionsTopic { name: "t".into(), count: 2, assignments: None, ..Default::default() };
            let more = CreatePartitionsRequest { topics: vec![topic], timeout_ms, ..Default::default() };
            assert_eq!(script.call(conn, more, 1).results[0].error_code, late);
            assert_eq!(script.state.leader("t", 1).is_some(), is_done, "{release}");

            let topic_names = vec!["t".into()];
            let delete = DeleteTopicsRequest { topic_names, timeout_ms, ..Default::default() };
            assert_eq!(script.call(conn, delete, 5).responses[0].error_code, late);
            assert_eq!(script.state.leader("t", 0).is_none(), is_done, "{release}");
        }
    }
}
