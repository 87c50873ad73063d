//! Access rules in transactions: what those are told who may not use a transactional id, or what it is to be used for.

use milena_conformance::cluster::ConnectionId;
use milena_core::protocol::ErrorCode as Code;
use milena_core::protocol::add_partitions_to_txn::{AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction};
use milena_core::protocol::txn_offset_commit::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use milena_core::protocol::*;
use milena_core::record::Producer;
use milena_core::wire::Str;

use crate::admin_acls::{ALLOW, DESCRIBE, LITERAL, TOPIC, WRITE, rule};
use crate::admin_acls_refusals::{CLUSTER_ACTION, TOPICS, enforce, forbid_cluster, ruled, told, unruled};
use crate::script::{Script, batch, batch_with, numbered, produce_request};

fn producer(script: &mut Script, conn: ConnectionId, id: &str) -> (ProducerId, i16) {
    let request = InitProducerIdRequest {
        transactional_id: Some(id.into()),
        transaction_timeout_ms: 60_000,
        ..Default::default()
    };
    let given = script.call(conn, request, 4);
    (given.producer_id, given.producer_epoch)
}

fn partitions(topics: &[&str]) -> Vec<AddPartitionsToTxnTopic> {
    let topic = |name: &&str| AddPartitionsToTxnTopic {
        name: (*name).into(),
        partitions: [0].into(),
        ..Default::default()
    };
    topics.iter().map(topic).collect()
}

/// Code by topic of AddPartitionsToTxn from a client.
fn added(script: &mut Script, conn: ConnectionId, id: &str, topics: &[&str]) -> Vec<(String, Code)> {
    let me = producer(script, conn, "open");
    let request = AddPartitionsToTxnRequest {
        v3_and_below_transactional_id: id.into(),
        v3_and_below_producer_id: me.0,
        v3_and_below_producer_epoch: me.1,
        v3_and_below_topics: partitions(topics),
        ..Default::default()
    };
    let topics = script.call(conn, request, 3).results_by_topic_v3_and_below;
    let code = |topic: &add_partitions_to_txn::AddPartitionsToTxnTopicResult| {
        (topic.name.to_string(), topic.results_by_partition[0].partition_error_code)
    };
    topics.iter().map(code).collect()
}

#[test]
fn a_transaction_gets_all_partitions_or_none() {
    let (mut script, conn) = ruled();
    assert_eq!(added(&mut script, conn, "open", &["open"]), told(&[("open", Code::NONE)]));
    let each = [
        ("open", Code::OPERATION_NOT_ATTEMPTED),
        ("seen", Code::TOPIC_AUTHORIZATION_FAILED),
        ("shut", Code::TOPIC_AUTHORIZATION_FAILED),
        ("missing", Code::UNKNOWN_TOPIC_OR_PARTITION),
    ];
    assert_eq!(added(&mut script, conn, "open", &TOPICS), told(&each));
    for id in ["seen", "shut"] {
        let refused = TOPICS.map(|name| (name, Code::TRANSACTIONAL_ID_AUTHORIZATION_FAILED));
        assert_eq!(added(&mut script, conn, id, &TOPICS), told(&refused));
    }
}

#[test]
fn brokers_add_partitions_to_transactions_of_others() {
    let (mut script, conn) = unruled("4.3");
    let me = producer(&mut script, conn, "shut");
    enforce(&mut script);
    let transaction = AddPartitionsToTxnTransaction {
        transactional_id: "shut".into(),
        producer_id: me.0,
        producer_epoch: me.1,
        topics: partitions(&["shut"]),
        ..Default::default()
    };
    let request = AddPartitionsToTxnRequest { transactions: vec![transaction], ..Default::default() };
    let answer = script.call(conn, request.clone(), 5);
    let result = &answer.results_by_transaction[0].topic_results[0].results_by_partition[0];
    assert_eq!((answer.error_code, result.partition_error_code), (Code::NONE, Code::NONE));
    forbid_cluster(&mut script, &[DESCRIBE]);
    let answer = script.call(conn, request, 5);
    assert_eq!(answer.error_code, Code::CLUSTER_AUTHORIZATION_FAILED);
    assert!(answer.results_by_transaction.is_empty());
}

#[test]
fn offsets_in_transactions_take_three_rights() {
    let (mut script, conn) = unruled("4.3");
    let me = ["open", "seen", "shut"].map(|id| (id, producer(&mut script, conn, id)));
    enforce(&mut script);
    for (id, (producer_id, producer_epoch)) in me {
        for group in ["open", "seen", "shut"] {
            let expected = match (id, group) {
                ("open", "open") => Code::NONE,
                ("open", _) => Code::GROUP_AUTHORIZATION_FAILED,
                _ => Code::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            };
            let add = AddOffsetsToTxnRequest {
                transactional_id: id.into(),
                producer_id,
                producer_epoch,
                group_id: group.into(),
                ..Default::default()
            };
            assert_eq!(script.call(conn, add, 3).error_code, expected, "{id}, {group}");
            let topic = |name: &&str| TxnOffsetCommitRequestTopic {
                name: (*name).into(),
                partitions: vec![TxnOffsetCommitRequestPartition::default()],
                ..Default::default()
            };
            let commit = TxnOffsetCommitRequest {
                transactional_id: id.into(),
                group_id: group.into(),
                producer_id,
                producer_epoch,
                topics: TOPICS.iter().map(topic).collect(),
                ..Default::default()
            };
            let topics = script.call(conn, commit, 4).topics;
            let codes: Vec<_> = topics.iter().map(|topic| topic.partitions[0].error_code).collect();
            let of_topics = [
                Code::NONE,
                Code::TOPIC_AUTHORIZATION_FAILED,
                Code::TOPIC_AUTHORIZATION_FAILED,
                Code::UNKNOWN_TOPIC_OR_PARTITION,
            ];
            let all = if expected == Code::NONE { of_topics } else { [expected; 4] };
            assert_eq!(codes, all, "{id}, {group}");
        }
    }
}

/// The codes of a write of one transactional batch, to `open`, and one plain batch.
fn written(script: &mut Script, conn: ConnectionId, id: Option<&str>, me: (ProducerId, i16)) -> Vec<Code> {
    let me = Producer { id: me.0, epoch: me.1, base_sequence: 0, transactional: true };
    let mut request = produce_request("open", 0, -1, batch_with(&["a"], me));
    request.topic_data.extend(produce_request("seen", 0, -1, batch(&["b"])).topic_data);
    request.topic_data.extend(produce_request("missing", 0, -1, batch(&["b"])).topic_data);
    request.transactional_id = id.map(Str::from);
    let responses = script.call(conn, request, 12).responses;
    responses.iter().map(|topic| topic.partition_responses[0].error_code).collect()
}

#[test]
fn transactional_batches_are_written_by_those_who_may_use_the_id() {
    let (mut script, conn) = unruled("4.3");
    let [open, shut] = ["open", "shut"].map(|id| producer(&mut script, conn, id));
    enforce(&mut script);
    let each = [Code::NONE, Code::TOPIC_AUTHORIZATION_FAILED, Code::UNKNOWN_TOPIC_OR_PARTITION];
    assert_eq!(written(&mut script, conn, Some("open"), open), each);
    let refused = [Code::TRANSACTIONAL_ID_AUTHORIZATION_FAILED; 3];
    assert_eq!(written(&mut script, conn, Some("shut"), shut), refused, "plain batches beside it, too");
    assert_eq!(written(&mut script, conn, Some("seen"), open), refused);
    assert_eq!(written(&mut script, conn, None, open), refused);
    let end = |id: &str, me: (ProducerId, i16)| EndTxnRequest {
        transactional_id: id.into(),
        producer_id: me.0,
        producer_epoch: me.1,
        ..Default::default()
    };
    assert_eq!(script.call(conn, end("shut", shut), 4).error_code, refused[0]);
    assert_eq!(script.call(conn, end("open", open), 4).error_code, Code::NONE);
}

#[test]
fn before_2_8_idempotent_batches_took_a_right_of_their_own() {
    for (release, code) in [("2.7", Code::CLUSTER_AUTHORIZATION_FAILED), ("2.8", Code::NONE)] {
        let (mut script, conn) = unruled(release);
        forbid_cluster(&mut script, &[CLUSTER_ACTION]);
        script.state.add_acls([rule((TOPIC, "open", LITERAL), WRITE, ALLOW)]).unwrap();
        let write = produce_request("open", 0, -1, numbered(1, 0, 0, 1));
        let partition = script.call(conn, write, 8).responses.remove(0).partition_responses.remove(0);
        assert_eq!(partition.error_code, code, "{release}");
        let init = InitProducerIdRequest { transactional_id: None, ..Default::default() };
        assert_eq!(script.call(conn, init, 2).error_code, code, "{release}");
    }
}

#[test]
fn transactions_are_told_to_those_who_may_describe_them() {
    let (mut script, conn) = unruled("4.3");
    let me = producer(&mut script, conn, "seen");
    producer(&mut script, conn, "shut");
    let request = AddPartitionsToTxnRequest {
        v3_and_below_transactional_id: "seen".into(),
        v3_and_below_producer_id: me.0,
        v3_and_below_producer_epoch: me.1,
        v3_and_below_topics: partitions(&TOPICS[..3]),
        ..Default::default()
    };
    script.call(conn, request, 3);
    enforce(&mut script);
    let transactional_ids = ["seen", "shut"].map(Str::from).to_vec();
    let request = DescribeTransactionsRequest { transactional_ids, ..Default::default() };
    let states = script.call(conn, request, 0).transaction_states;
    let topics: Vec<_> = states[0].topics.iter().map(|topic| &*topic.topic).collect();
    assert_eq!((states[0].error_code, topics), (Code::NONE, vec!["open", "seen"]));
    assert_eq!(states[1].error_code, Code::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    let request = ListTransactionsRequest { transactional_id_pattern: None, ..Default::default() };
    let listed = script.call(conn, request, 1).transaction_states;
    assert_eq!(listed.iter().map(|state| &*state.transactional_id).collect::<Vec<_>>(), ["seen"]);
}
