//! Transactions: what each request is refused with, by version and release, and what administrators see and do.

use std::time::Duration;

use milena_conformance::cluster::{ClusterOptions, ConnectionId, Fault};
use milena_core::protocol::add_partitions_to_txn::{AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction};
use milena_core::protocol::describe_producers::TopicRequest;
use milena_core::protocol::txn_offset_commit::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use milena_core::protocol::write_txn_markers::{WritableTxnMarker, WritableTxnMarkerTopic};
use milena_core::protocol::{
    AddPartitionsToTxnRequest, ApiKey, BrokerId, DescribeProducersRequest, DescribeTransactionsRequest,
    ErrorCode, InitProducerIdRequest, ListTransactionsRequest, ProducerId, TxnOffsetCommitRequest,
    WriteTxnMarkersRequest,
};
use milena_core::record::Producer;

use crate::script::{Script, batch_with, numbered, produce_request};
use crate::transactions::{END, PRODUCE, PRODUCE_V1, Session, given, refused};

const NONE: ErrorCode = ErrorCode::NONE;

fn script() -> Script {
    Script::transactional(ClusterOptions::default())
}

fn as_release(release: &str) -> Script {
    let as_version = release.parse().unwrap();
    Script::transactional(ClusterOptions { as_version, ..ClusterOptions::default() })
}

// ---- InitProducerId ----

#[test]
fn producers_are_initialized_only_by_sensible_requests() {
    let mut script = script();
    let coordinator = script.coordinator("x", 1);
    let mut init = |id: Option<&str>, timeout_ms, producer_id, producer_epoch| {
        let request = InitProducerIdRequest {
            transactional_id: id.map(Into::into),
            transaction_timeout_ms: timeout_ms,
            producer_id: ProducerId(producer_id),
            producer_epoch,
            ..Default::default()
        };
        let answer = script.call(coordinator, request, 5);
        (answer.error_code, (answer.producer_id.0, answer.producer_epoch))
    };
    let timeout = refused(ErrorCode::INVALID_TRANSACTION_TIMEOUT);
    assert_eq!(init(Some("x"), 0, -1, -1), timeout);
    assert_eq!(init(Some("x"), -1, -1, -1), timeout);
    assert_eq!(init(Some("x"), 900_001, -1, -1), timeout);
    assert_eq!(init(Some(""), 1, -1, -1), refused(ErrorCode::INVALID_REQUEST));
    assert_eq!(init(Some("x"), 1, 5, -1), refused(ErrorCode::INVALID_REQUEST));
    assert_eq!(init(Some("x"), 1, -1, 5), refused(ErrorCode::INVALID_REQUEST));
    assert_eq!(init(Some("x"), 900_000, -1, -1), given(1000, 0));
    assert_eq!(init(None, 0, -1, -1), given(1001, 0), "idempotent only: a new id each time");
    assert_eq!(init(None, 0, 1001, 0), given(1002, 0));
}

// ---- Produce ----

#[test]
fn leaders_verify_by_their_release() {
    // Release, version of Produce, code for a partition that is not in the transaction.
    let table = [
        ("0.11.0", 3, NONE),
        ("3.5", 9, NONE),
        ("3.6", 9, ErrorCode::INVALID_TXN_STATE),
        ("3.9", 10, ErrorCode::INVALID_TXN_STATE),
        ("3.9", 11, ErrorCode::TRANSACTION_ABORTABLE),
        ("4.3", 11, ErrorCode::TRANSACTION_ABORTABLE),
        ("4.3", 12, NONE),
    ];
    for (release, version, code) in table {
        let mut script = as_release(release);
        let (_, session) = script.init("x", None, 0);
        let add_version = if version < 9 { 0 } else { 3 };
        assert_eq!(script.add("x", session, "t", &[1], add_version), [NONE]);
        assert_eq!(script.put("x", session, 1, 0, version), (NONE, 0));
        assert_eq!(script.put("x", session, 0, 0, version).0, code, "{release} {version}");
        let end_version = if version >= 12 { END } else { 0 };
        assert_eq!(script.end("x", session, true, end_version).0, NONE);
        assert_eq!(script.stable_offset(1).0, 2);
    }
}

#[test]
fn what_a_transaction_refuses_comes_with_its_code() {
    let mut script = script();
    let (_, session) = script.init("x", None, 5);
    let put = |script: &mut Script, id: Option<&str>, (id_number, epoch): Session, transactional| {
        let numbers = Producer { id: ProducerId(id_number), epoch, base_sequence: 0, transactional };
        let mut request = produce_request("t", 0, -1, batch_with(&["v"], numbers));
        request.transactional_id = id.map(Into::into);
        let leader = script.leader(0);
        let answer = script.call(leader, request, PRODUCE);
        answer.responses[0].partition_responses[0].error_code
    };
    let nobodys = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    assert_eq!(put(&mut script, None, session, true), nobodys);
    let mapping = ErrorCode::INVALID_PRODUCER_ID_MAPPING;
    assert_eq!(put(&mut script, Some("nobody"), session, true), mapping);
    assert_eq!(put(&mut script, Some("x"), (1, 0), true), mapping);
    assert_eq!(put(&mut script, Some("x"), (1000, 5), true), ErrorCode::INVALID_PRODUCER_EPOCH);
    assert_eq!(script.transaction_state("x").0, "Empty", "none of them was added");
    // An idempotent batch needs no transaction, and may not come into one.
    assert_eq!(put(&mut script, Some("x"), session, false), NONE);
    assert_eq!(script.put("x", session, 1, 0, PRODUCE), (NONE, 0));
    let leader = script.leader(1);
    let code = script.produce(leader, 1, numbered(1000, 0, 1, 1)).error_code;
    assert_eq!(code, ErrorCode::INVALID_TXN_STATE);
    assert_eq!(script.state.offsets("t", 1), Some((0, 1)));
}

#[test]
fn a_transaction_starts_with_the_batch_that_was_refused_first() {
    // The markers of the transaction before are outstanding when the first batch comes, and gone with the second.
    let marker_delay = Duration::from_millis(50);
    let mut script = Script::transactional(ClusterOptions { marker_delay, ..ClusterOptions::default() });
    let (_, session) = script.init("x", None, 5);
    script.put("x", session, 1, 0, PRODUCE);
    let (_, next) = script.end("x", session, true, END);
    assert_eq!(script.put("x", next, 0, 0, PRODUCE).0, ErrorCode::CONCURRENT_TRANSACTIONS);
    script.advance(50);
    assert_eq!(script.put("x", next, 0, 1, PRODUCE).0, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_eq!(script.put("x", next, 0, 0, PRODUCE), (NONE, 0));
    assert_eq!(script.put("x", next, 0, 1, PRODUCE), (NONE, 1));
}

#[test]
fn where_only_a_marker_is_known_the_release_decides() {
    let table = [
        ("1.0", ErrorCode::UNKNOWN_PRODUCER_ID),
        ("2.4", ErrorCode::UNKNOWN_PRODUCER_ID),
        ("2.5", ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER),
    ];
    for (release, code) in table {
        let mut script = as_release(release);
        let (_, session) = script.init("x", None, 0);
        script.add("x", session, "t", &[0], 0);
        script.end("x", session, true, 0);
        assert_eq!(script.put("x", session, 0, 3, 3), (code, -1), "{release}");
        assert_eq!(script.put("x", session, 0, 0, 3), (NONE, 1), "{release}");
    }
    // Nothing at all is known: 4.2 insists on 0 where the request adds the partition (KAFKA-18202).
    for (release, version, code) in [
        ("4.3", PRODUCE, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER),
        ("4.1", PRODUCE, NONE),
        ("4.3", PRODUCE_V1, NONE),
    ] {
        let mut script = as_release(release);
        let (_, session) = script.init("x", None, 5);
        script.add("x", session, "t", &[0], 3);
        assert_eq!(script.put("x", session, 0, 3, version).0, code, "{release} {version}");
    }
}

#[test]
fn producers_expire_unless_their_transaction_is_open() {
    let mut script = script();
    let (_, session) = script.init("x", None, 5);
    script.put("x", session, 0, 0, PRODUCE);
    let leader = script.leader(0);
    assert_eq!(script.produced(leader, numbered(7, 0, 0, 1)), (NONE, 1));
    script.advance(10_000);
    script.state.expire_producers(Duration::from_secs(20));
    assert!(script.producer_state(0, 7).is_some());
    script.state.expire_producers(Duration::from_secs(10));
    assert_eq!(script.producer_state(0, 7), None);
    assert_eq!(script.producer_state(0, 1000), Some((0, 0, -1, 0)));
    assert_eq!(script.stable_offset(0).0, 0);
}

// ---- AddPartitionsToTxn ----

#[test]
fn all_partitions_are_added_or_none() {
    let mut script = script();
    let (_, session) = script.init("x", None, 5);
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let not_tried = ErrorCode::OPERATION_NOT_ATTEMPTED;
    assert_eq!(script.add("x", session, "t", &[0, 2, 1], 3), [not_tried, unknown, not_tried]);
    assert_eq!(script.add("x", session, "nope", &[0], 3), [unknown]);
    let internal = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
    assert_eq!(script.add("x", session, "__consumer_offsets", &[0], 3), [internal]);
    assert_eq!(script.transaction_state("x"), ("Empty".to_owned(), session, 0));
    assert_eq!(script.add("x", (1, 0), "t", &[0, 1], 3), [ErrorCode::INVALID_PRODUCER_ID_MAPPING; 2]);
    assert_eq!(script.add("nobody", session, "t", &[0], 3), [ErrorCode::INVALID_PRODUCER_ID_MAPPING]);
    assert_eq!(script.add("", session, "t", &[0], 3), [ErrorCode::INVALID_REQUEST]);
    assert_eq!(script.add("x", session, "t", &[0], 3), [NONE]);
    assert_eq!(script.add("x", session, "t", &[0, 1], 3), [NONE; 2]);
    assert_eq!(script.transaction_state("x"), ("Ongoing".to_owned(), session, 2));
    script.state.on_request(ApiKey::ADD_PARTITIONS_TO_TXN, Fault::Error(ErrorCode::NOT_COORDINATOR));
    assert_eq!(script.add("x", session, "t", &[0, 1], 3), [ErrorCode::NOT_COORDINATOR; 2]);
}

#[test]
fn brokers_ask_for_several_transactions_at_once() {
    let mut script = script();
    let (_, session) = script.init("x", None, 5);
    let coordinator = script.coordinator("x", 1);
    let mut ask = |verify_only, partitions: &[i32], version| {
        let topic =
            AddPartitionsToTxnTopic { name: "t".into(), partitions: partitions.into(), ..Default::default() };
        let of = |id: &str| AddPartitionsToTxnTransaction {
            transactional_id: id.into(),
            producer_id: ProducerId(session.0),
            producer_epoch: session.1,
            verify_only,
            topics: vec![topic.clone()],
            ..Default::default()
        };
        let transactions = vec![of("x"), of("nobody")];
        let request = AddPartitionsToTxnRequest { transactions, ..Default::default() };
        let results = script.call(coordinator, request, version).results_by_transaction;
        let codes = results.iter().map(|result| {
            let partitions = result.topic_results[0].results_by_partition.iter();
            partitions.map(|it| it.partition_error_code).collect::<Vec<_>>()
        });
        codes.collect::<Vec<_>>()
    };
    let mapping = ErrorCode::INVALID_PRODUCER_ID_MAPPING;
    assert_eq!(ask(true, &[0], 5), [[ErrorCode::TRANSACTION_ABORTABLE], [mapping]]);
    assert_eq!(ask(true, &[0], 4), [[ErrorCode::INVALID_TXN_STATE], [mapping]]);
    assert_eq!(ask(false, &[0], 5), [[NONE], [mapping]]);
    let (abortable, mappings) = (vec![NONE, ErrorCode::TRANSACTION_ABORTABLE], vec![mapping; 2]);
    assert_eq!(ask(true, &[0, 1], 5), [abortable, mappings]);
}

// ---- TxnOffsetCommit ----

fn commit(script: &mut Script, group: &str, session: Session, version: i16) -> Vec<ErrorCode> {
    let coordinator = script.coordinator(if group.is_empty() { "g" } else { group }, 0);
    let partition = |partition_index| TxnOffsetCommitRequestPartition {
        partition_index,
        committed_offset: 5,
        committed_metadata: (partition_index == 1).then(|| "m".repeat(4097).into()),
        ..Default::default()
    };
    let partitions = (0..3).map(partition).collect();
    let topic = TxnOffsetCommitRequestTopic { name: "t".into(), partitions, ..Default::default() };
    let request = TxnOffsetCommitRequest {
        transactional_id: "x".into(),
        group_id: group.into(),
        producer_id: ProducerId(session.0),
        producer_epoch: session.1,
        topics: vec![topic],
        ..Default::default()
    };
    let answer = script.call(coordinator, request, version);
    answer.topics[0].partitions.iter().map(|it| it.error_code).collect()
}

#[test]
fn offsets_are_committed_in_the_transaction_only() {
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let mut script = script();
    let (_, session) = script.init("x", None, 5);
    let all = |code| [code, code, unknown];
    assert_eq!(commit(&mut script, "", session, 5), all(ErrorCode::INVALID_GROUP_ID));
    assert_eq!(commit(&mut script, "g", (1, 0), 5), all(ErrorCode::INVALID_PRODUCER_ID_MAPPING));
    assert_eq!(commit(&mut script, "g", (1000, 1), 5), all(ErrorCode::INVALID_PRODUCER_EPOCH));
    assert_eq!(commit(&mut script, "g", session, 4), all(ErrorCode::TRANSACTION_ABORTABLE));
    assert_eq!(commit(&mut script, "g", session, 3), all(ErrorCode::INVALID_TXN_STATE));
    let staged = [NONE, ErrorCode::OFFSET_METADATA_TOO_LARGE, unknown];
    assert_eq!(commit(&mut script, "g", session, 5), staged, "it adds them");
    assert_eq!(script.transaction_state("x"), ("Ongoing".to_owned(), session, 1));
    assert_eq!(commit(&mut script, "g", session, 3), staged, "nobody is asked again");
    let (_, next) = script.end("x", session, true, END);
    assert_eq!(commit(&mut script, "g", session, 3), all(ErrorCode::INVALID_PRODUCER_EPOCH));
    assert_eq!(commit(&mut script, "g", next, 5), staged);
    script.state.on_request(ApiKey::TXN_OFFSET_COMMIT, Fault::Error(ErrorCode::NOT_COORDINATOR));
    assert_eq!(commit(&mut script, "g", next, 5), [ErrorCode::NOT_COORDINATOR; 3]);

    let mut script = as_release("3.5");
    let (_, session) = script.init("x", None, 4);
    assert_eq!(commit(&mut script, "g", session, 3), staged, "without being asked");
}

// ---- WriteTxnMarkers ----

/// The code for one partition of `t`.
fn write_marker(
    script: &mut Script,
    conn: ConnectionId,
    (id, epoch): Session,
    partition: i32,
    coordinator_epoch: i32,
    version: i16,
) -> ErrorCode {
    let topic = WritableTxnMarkerTopic {
        name: "t".into(),
        partition_indexes: [partition].into(),
        ..Default::default()
    };
    let marker = WritableTxnMarker {
        producer_id: ProducerId(id),
        producer_epoch: epoch,
        coordinator_epoch,
        topics: vec![topic],
        transaction_version: 2,
        ..Default::default()
    };
    let request = WriteTxnMarkersRequest { markers: vec![marker], ..Default::default() };
    script.call(conn, request, version).markers[0].topics[0].partitions[0].error_code
}

#[test]
fn administrators_end_a_transaction_that_hangs() {
    let mut script = Script::transactional(ClusterOptions { nodes: 2, ..ClusterOptions::default() });
    let (_, session) = script.init("x", None, 5);
    script.put("x", session, 0, 0, PRODUCE);
    let leader = script.leader(0);
    let (leader_id, _) = script.state.leader("t", 0).unwrap();
    let follower = script.connect(3 - leader_id.0);
    let no_leader = ErrorCode::NOT_LEADER_OR_FOLLOWER;
    assert_eq!(write_marker(&mut script, follower, session, 0, 5, 1), no_leader);
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    assert_eq!(write_marker(&mut script, leader, session, 9, 5, 1), unknown);
    let epoch = ErrorCode::INVALID_PRODUCER_EPOCH;
    assert_eq!(write_marker(&mut script, leader, (1000, -1), 0, 5, 1), epoch);
    assert_eq!(
        write_marker(&mut script, leader, session, 0, 5, 2),
        epoch,
        "each end has an epoch of its own"
    );
    assert_eq!(script.stable_offset(0).0, 0);
    assert_eq!(write_marker(&mut script, leader, session, 0, 5, 1), NONE);
    assert_eq!(script.stable_offset(0), (2, vec![(1000, 0)]));
    assert_eq!(script.producer_state(0, 1000), Some((0, 0, 5, -1)));
    assert_eq!(write_marker(&mut script, leader, session, 0, 5, 2), NONE, "it may come again");
    let fenced = ErrorCode::TRANSACTION_COORDINATOR_FENCED;
    assert_eq!(write_marker(&mut script, leader, session, 0, 4, 1), fenced);
    // So is the coordinator, whose epoch is lower: its transaction hangs.
    script.end("x", session, false, END);
    script.advance(60_000);
    assert_eq!(script.transaction_state("x").0, "PrepareAbort");
}

// ---- descriptions ----

#[test]
fn transactions_are_described_by_their_coordinator() {
    let mut script =
        Script::transactional(ClusterOptions { nodes: 2, coordinator_partitions: 1, ..Default::default() });
    let (_, session) = script.init("x", None, 5);
    script.advance(10);
    script.add("x", session, "t", &[0, 1], 3);
    let coordinator = script.coordinator("x", 1);
    let describe = |script: &mut Script, conn| {
        let transactional_ids = ["x", "nobody", ""].map(Into::into).into();
        let request = DescribeTransactionsRequest { transactional_ids, ..Default::default() };
        script.call(conn, request, 0).transaction_states
    };
    let states = describe(&mut script, coordinator);
    let codes: Vec<_> = states.iter().map(|state| state.error_code).collect();
    let not_found = ErrorCode::TRANSACTIONAL_ID_NOT_FOUND;
    assert_eq!(codes, [NONE, not_found, ErrorCode::INVALID_REQUEST]);
    let state = &states[0];
    assert_eq!((state.transaction_timeout_ms, state.transaction_state.as_str()), (60_000, "Ongoing"));
    assert_eq!(state.transaction_start_time_ms, crate::script::WALL_MS + 10);
    assert_eq!(state.topics[0].topic, "t");
    assert_eq!(state.topics[0].partitions, [0, 1]);
    let (leader, _) = script.state.leader("__transaction_state", 0).unwrap();
    let other = script.connect(3 - leader.0);
    let codes: Vec<_> = describe(&mut script, other).iter().map(|state| state.error_code).collect();
    let elsewhere = ErrorCode::NOT_COORDINATOR;
    assert_eq!(codes, [elsewhere, elsewhere, ErrorCode::INVALID_REQUEST]);
}

#[test]
fn transactions_are_listed_by_filters() {
    let coordinator_load = Duration::from_millis(100);
    let mut script =
        Script::transactional(ClusterOptions { nodes: 2, coordinator_load, ..Default::default() });
    let (_, one) = script.init("one", None, 5);
    script.init("two", None, 5);
    script.add("one", one, "t", &[0], 3);
    script.advance(500);
    let list = |script: &mut Script, request: ListTransactionsRequest| {
        let mut names = Vec::new();
        for broker in [1, 2] {
            let conn = script.connect(broker);
            let answer = script.call(conn, request.clone(), 2);
            assert_eq!(answer.error_code, NONE);
            names.extend(answer.transaction_states.iter().map(|it| it.transactional_id.to_string()));
        }
        names.sort();
        names
    };
    let all = ListTransactionsRequest { duration_filter: -1, ..Default::default() };
    assert_eq!(list(&mut script, all.clone()), ["one", "two"], "each by its coordinator");
    let of = |state: &str| ListTransactionsRequest { state_filters: vec![state.into()], ..all.clone() };
    assert_eq!(list(&mut script, of("Ongoing")), ["one"]);
    assert_eq!(list(&mut script, of("Empty")), ["two"]);
    assert_eq!(list(&mut script, of("Dead")), [""; 0]);
    let producer_id_filters = [ProducerId(1001)].into();
    assert_eq!(list(&mut script, ListTransactionsRequest { producer_id_filters, ..all.clone() }), ["two"]);
    let older = |duration_filter| ListTransactionsRequest { duration_filter, ..of("Ongoing") };
    assert_eq!(list(&mut script, older(499)), ["one"]);
    assert_eq!(list(&mut script, older(500)), [""; 0]);
    let like = |pattern: &str| ListTransactionsRequest {
        transactional_id_pattern: Some(pattern.into()),
        ..all.clone()
    };
    for (pattern, names) in
        [("t.*", &["two"][..]), (".*", &["one", "two"]), ("one", &["one"]), ("o", &[]), ("o.*.", &["one"])]
    {
        assert_eq!(list(&mut script, like(pattern)), names, "{pattern}");
    }

    let conn = script.connect(1);
    let answer = script.call(conn, of("ongoing"), 2);
    assert_eq!(answer.unknown_state_filters, ["ongoing"]);
    assert_eq!(script.call(conn, like("(a"), 2).error_code, ErrorCode::INVALID_REGULAR_EXPRESSION);
    script.state.move_leader("__transaction_state", 0, BrokerId(2));
    script.state.move_leader("__transaction_state", 0, BrokerId(1));
    assert_eq!(script.call(conn, all, 2).error_code, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
}

#[test]
fn producers_are_described_by_replicas() {
    let mut script = Script::transactional(ClusterOptions {
        nodes: 2,
        default_replication_factor: 1,
        ..ClusterOptions::default()
    });
    let (leader, _) = script.state.leader("t", 0).unwrap();
    let describe = |script: &mut Script, broker, topic: &str, partition: i32| {
        let conn = script.connect(broker);
        let topic =
            TopicRequest { name: topic.into(), partition_indexes: [partition].into(), ..Default::default() };
        let request = DescribeProducersRequest { topics: vec![topic], ..Default::default() };
        script.call(conn, request, 0).topics.remove(0).partitions.remove(0).error_code
    };
    assert_eq!(describe(&mut script, leader.0, "t", 0), NONE);
    assert_eq!(describe(&mut script, 3 - leader.0, "t", 0), ErrorCode::NOT_LEADER_OR_FOLLOWER);
    assert_eq!(describe(&mut script, 1, "t", 7), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(describe(&mut script, 1, "nope", 0), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(describe(&mut script, 1, "a b", 0), ErrorCode::INVALID_TOPIC_EXCEPTION);
}
