//! Transactions: what they make visible, markers that take time, coordinators that move; and the requests for all that.

use std::time::Duration;

use milena_conformance::cluster::{ClusterOptions, ConnectionId};
use milena_core::protocol::add_partitions_to_txn::AddPartitionsToTxnTopic;
use milena_core::protocol::fetch::PartitionData;
use milena_core::protocol::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, BrokerId, DescribeProducersRequest,
    DescribeTransactionsRequest, EndTxnRequest, ErrorCode, FetchRequest, FindCoordinatorRequest,
    InitProducerIdRequest, LeaderEpoch, ProducerId,
};
use milena_core::record::Producer;

use crate::script::{Script, batch, batch_with, fetch_request, produce_request};

/// A producer's id and epoch.
pub(crate) type Session = (i64, i16);

/// The newest version of each request, and the one before transaction version 2.
pub(crate) const PRODUCE: i16 = 12;
pub(crate) const PRODUCE_V1: i16 = 11;
pub(crate) const END: i16 = 5;
pub(crate) const END_V1: i16 = 4;

pub(crate) const NO_SESSION: (ErrorCode, Session) = (ErrorCode::NONE, (-1, -1));

pub(crate) fn refused(code: ErrorCode) -> (ErrorCode, Session) {
    (code, (-1, -1))
}

pub(crate) fn given(id: i64, epoch: i16) -> (ErrorCode, Session) {
    (ErrorCode::NONE, (id, epoch))
}

impl Script {
    /// A topic `t` of two partitions, and a coordinator for whoever asks.
    pub(crate) fn transactional(options: ClusterOptions) -> Self {
        let mut script = Script::new(ClusterOptions { topics: vec![("t".to_owned(), 2)], ..options });
        let conn = script.connect(1);
        for key_type in [0, 1] {
            script.find_coordinator(conn, "x", key_type);
        }
        script
    }

    fn find_coordinator(&mut self, conn: ConnectionId, key: &str, key_type: i8) -> i32 {
        let request = FindCoordinatorRequest { key: key.into(), key_type, ..Default::default() };
        self.call(conn, request, 1).node_id.0
    }

    /// A connection to the coordinator of a transactional id (1) or a group (0).
    pub(crate) fn coordinator(&mut self, key: &str, key_type: i8) -> ConnectionId {
        let any = self.state.brokers().find(|(_, up)| *up).map(|(id, _)| id.0).unwrap();
        let conn = self.connect(any);
        let node = self.find_coordinator(conn, key, key_type);
        self.connect(node)
    }

    /// A connection to the leader of a partition of `t`.
    pub(crate) fn leader(&mut self, partition: i32) -> ConnectionId {
        let (leader, _) = self.state.leader("t", partition).unwrap();
        self.connect(leader.0)
    }

    pub(crate) fn init(&mut self, id: &str, expected: Option<Session>, version: i16) -> (ErrorCode, Session) {
        let (producer_id, producer_epoch) = expected.unwrap_or((-1, -1));
        let conn = self.coordinator(id, 1);
        let request = InitProducerIdRequest {
            transactional_id: Some(id.into()),
            transaction_timeout_ms: 60_000,
            producer_id: ProducerId(producer_id),
            producer_epoch,
            ..Default::default()
        };
        let answer = self.call(conn, request, version);
        (answer.error_code, (answer.producer_id.0, answer.producer_epoch))
    }

    /// AddPartitionsToTxn for partitions of a topic: the code of each.
    pub(crate) fn add(
        &mut self,
        id: &str,
        producer: Session,
        topic: &str,
        partitions: &[i32],
        version: i16,
    ) -> Vec<ErrorCode> {
        let conn = self.coordinator(id, 1);
        let topic = AddPartitionsToTxnTopic {
            name: topic.into(),
            partitions: partitions.into(),
            ..Default::default()
        };
        let request = AddPartitionsToTxnRequest {
            v3_and_below_transactional_id: id.into(),
            v3_and_below_producer_id: ProducerId(producer.0),
            v3_and_below_producer_epoch: producer.1,
            v3_and_below_topics: vec![topic],
            ..Default::default()
        };
        let answer = self.call(conn, request, version);
        let results = &answer.results_by_topic_v3_and_below[0].results_by_partition;
        results.iter().map(|result| result.partition_error_code).collect()
    }

    pub(crate) fn end(
        &mut self,
        id: &str,
        producer: Session,
        committed: bool,
        version: i16,
    ) -> (ErrorCode, Session) {
        let conn = self.coordinator(id, 1);
        let request = EndTxnRequest {
            transactional_id: id.into(),
            producer_id: ProducerId(producer.0),
            producer_epoch: producer.1,
            committed,
            ..Default::default()
        };
        let answer = self.call(conn, request, version);
        (answer.error_code, (answer.producer_id.0, answer.producer_epoch))
    }

    /// Produces one record in a transaction: the code and the offset.
    pub(crate) fn put(
        &mut self,
        id: &str,
        producer: Session,
        partition: i32,
        base_sequence: i32,
        version: i16,
    ) -> (ErrorCode, i64) {
        let conn = self.leader(partition);
        let (producer_id, epoch) = producer;
        let numbers = Producer { id: ProducerId(producer_id), epoch, base_sequence, transactional: true };
        let mut request = produce_request("t", partition, -1, batch_with(&["v"], numbers));
        request.transactional_id = Some(id.into());
        let answer = self.call(conn, request, version).responses.remove(0).partition_responses.remove(0);
        (answer.error_code, answer.base_offset)
    }

    /// What a reader of committed records is told of a partition of `t`.
    pub(crate) fn read_committed(&mut self, partition: i32, from: i64) -> PartitionData {
        let conn = self.leader(partition);
        let request =
            FetchRequest { isolation_level: 1, max_wait_ms: 0, ..fetch_request("t", partition, from) };
        self.call(conn, request, 4).responses.remove(0).partitions.remove(0)
    }

    /// The last stable offset, and the producers and first offsets of aborted transactions.
    pub(crate) fn stable_offset(&mut self, partition: i32) -> (i64, Vec<(i64, i64)>) {
        let data = self.read_committed(partition, 0);
        let aborted = data.aborted_transactions.unwrap().into_iter();
        (data.last_stable_offset, aborted.map(|it| (it.producer_id.0, it.first_offset)).collect())
    }

    /// The state of a transactional id, its producer, and how many partitions are in the transaction.
    pub(crate) fn transaction_state(&mut self, id: &str) -> (String, Session, usize) {
        let conn = self.coordinator(id, 1);
        let request =
            DescribeTransactionsRequest { transactional_ids: vec![id.into()], ..Default::default() };
        let state = self.call(conn, request, 0).transaction_states.remove(0);
        assert_eq!(state.error_code, ErrorCode::NONE);
        let partitions = state.topics.iter().map(|topic| topic.partitions.len()).sum();
        (state.transaction_state.to_string(), (state.producer_id.0, state.producer_epoch), partitions)
    }

    /// What the leader knows of a producer: epoch, last sequence, coordinator epoch, first offset of its transaction.
    pub(crate) fn producer_state(&mut self, partition: i32, id: i64) -> Option<(i32, i32, i32, i64)> {
        let conn = self.leader(partition);
        let topic = milena_core::protocol::describe_producers::TopicRequest {
            name: "t".into(),
            partition_indexes: [partition].into(),
            ..Default::default()
        };
        let request = DescribeProducersRequest { topics: vec![topic], ..Default::default() };
        let partition = self.call(conn, request, 0).topics.remove(0).partitions.remove(0);
        assert_eq!(partition.error_code, ErrorCode::NONE);
        let state = partition.active_producers.into_iter().find(|state| state.producer_id.0 == id)?;
        Some((
            state.producer_epoch,
            state.last_sequence,
            state.coordinator_epoch,
            state.current_txn_start_offset,
        ))
    }
}

fn delayed(nodes: u16, marker_delay_ms: u64) -> Script {
    let marker_delay = Duration::from_millis(marker_delay_ms);
    Script::transactional(ClusterOptions { nodes, marker_delay, ..ClusterOptions::default() })
}

#[test]
fn commits_and_aborts_move_the_last_stable_offset() {
    let mut script = Script::transactional(ClusterOptions::default());
    let (code, one) = script.init("one", None, 5);
    assert_eq!((code, one), given(1000, 0));
    assert_eq!(script.put("one", one, 0, 0, PRODUCE), (ErrorCode::NONE, 0));
    assert_eq!(script.put("one", one, 0, 1, PRODUCE), (ErrorCode::NONE, 1));
    assert_eq!(script.stable_offset(0), (0, vec![]));
    assert_eq!(script.producer_state(0, 1000), Some((0, 1, -1, 0)));

    // A second one starts behind it, and what no transaction holds follows.
    let (_, two) = script.init("two", None, 5);
    assert_eq!(script.put("two", two, 0, 0, PRODUCE), (ErrorCode::NONE, 2));
    let leader = script.leader(0);
    assert_eq!(script.produced(leader, batch(&["plain"])), (ErrorCode::NONE, 3));

    assert_eq!(script.end("one", one, false, END), given(1000, 1));
    assert_eq!(script.stable_offset(0), (2, vec![(1000, 0)]), "the second one is undecided");
    assert_eq!(script.end("two", two, true, END), given(1001, 1));
    assert_eq!(script.stable_offset(0), (6, vec![(1000, 0)]));
    assert_eq!(script.producer_state(0, 1000), Some((1, -1, 0, -1)), "the marker has the new epoch");
    assert_eq!(script.state.offsets("t", 0), Some((0, 6)));
    let control: Vec<_> = script.state.log("t", 0).map(|batch| batch.is_control()).collect();
    assert_eq!(control, [false, false, false, false, true, true]);

    // The list holds those that have records in what is read.
    let aborted = |data: PartitionData| data.aborted_transactions.unwrap().len();
    assert_eq!(aborted(script.read_committed(0, 4)), 1, "its marker is at 4");
    assert_eq!(aborted(script.read_committed(0, 5)), 0);
}

#[test]
fn the_next_transaction_waits_for_the_markers() {
    let mut script = delayed(1, 50);
    let (_, first) = script.init("x", None, 5);
    for partition in [0, 1] {
        assert_eq!(script.put("x", first, partition, 0, PRODUCE), (ErrorCode::NONE, 0));
    }
    let (code, next) = script.end("x", first, true, END);
    assert_eq!((code, next), given(1000, 1));
    assert_eq!(script.transaction_state("x"), ("PrepareCommit".to_owned(), next, 2));
    assert_eq!(script.end("x", first, true, END), refused(ErrorCode::CONCURRENT_TRANSACTIONS));
    assert_eq!(script.init("x", None, 5), refused(ErrorCode::CONCURRENT_TRANSACTIONS));
    assert_eq!(script.add("x", next, "t", &[0], 3), [ErrorCode::CONCURRENT_TRANSACTIONS]);
    assert_eq!(script.put("x", next, 0, 0, PRODUCE), (ErrorCode::CONCURRENT_TRANSACTIONS, -1));
    assert_eq!(script.put("x", next, 0, 0, PRODUCE_V1), (ErrorCode::NOT_ENOUGH_REPLICAS, -1));
    assert_eq!((script.stable_offset(0).0, script.stable_offset(1).0), (0, 0));

    script.advance(50);
    assert_eq!((script.stable_offset(0).0, script.stable_offset(1).0), (2, 0), "one marker after the other");
    assert_eq!(script.transaction_state("x"), ("PrepareCommit".to_owned(), next, 1));
    script.advance(50);
    assert_eq!((script.stable_offset(0).0, script.stable_offset(1).0), (2, 2));
    assert_eq!(script.transaction_state("x"), ("CompleteCommit".to_owned(), next, 0));
    assert_eq!(script.put("x", next, 0, 0, PRODUCE), (ErrorCode::NONE, 2));
}

#[test]
fn readers_that_wait_are_woken_by_a_marker() {
    let mut script = delayed(1, 50);
    let (_, session) = script.init("x", None, 5);
    script.put("x", session, 0, 0, PRODUCE);
    script.end("x", session, true, END);
    let reader = script.leader(0);
    script.send(reader, FetchRequest { max_wait_ms: 5000, ..fetch_request("t", 0, 1) }, 11);
    assert!(script.answer::<FetchRequest>(reader, 11).is_none());
    script.advance(50);
    let (_, answer) = script.answer::<FetchRequest>(reader, 11).expect("the marker is data");
    assert!(!answer.responses[0].partitions[0].records.as_ref().unwrap().is_empty());
}

#[test]
fn a_marker_waits_for_a_leader() {
    let mut script = Script::transactional(ClusterOptions {
        nodes: 2,
        default_replication_factor: 1,
        coordinator_partitions: 1,
        ..ClusterOptions::default()
    });
    let (_, session) = script.init("x", None, 5);
    for partition in [0, 1] {
        assert_eq!(script.put("x", session, partition, 0, PRODUCE), (ErrorCode::NONE, 0));
    }
    let (coordinator, _) = script.state.leader("__transaction_state", 0).unwrap();
    let other = BrokerId(3 - coordinator.0);
    let lost = (0..2).find(|it| script.state.leader("t", *it).unwrap().0 == other).unwrap();
    assert!(script.state.stop_broker(other));
    script.drain();
    assert_eq!(script.end("x", session, true, END).0, ErrorCode::NONE);
    assert_eq!(script.transaction_state("x"), ("PrepareCommit".to_owned(), (1000, 1), 1));
    script.advance(1000);
    assert_eq!(script.transaction_state("x").0, "PrepareCommit");
    assert!(script.state.start_broker(other));
    script.advance(100);
    assert_eq!(script.transaction_state("x").0, "CompleteCommit");
    assert_eq!(script.stable_offset(lost).0, 2);
}

#[test]
fn a_deleted_topic_needs_no_marker() {
    let mut script = delayed(1, 50);
    let (_, session) = script.init("x", None, 5);
    script.put("x", session, 0, 0, PRODUCE);
    script.end("x", session, true, END);
    assert!(script.state.delete_topic("t"));
    script.advance(50);
    assert_eq!(script.transaction_state("x").0, "CompleteCommit");
}

#[test]
fn another_coordinator_ends_what_the_one_before_began() {
    let mut script = Script::transactional(ClusterOptions {
        nodes: 3,
        coordinator_partitions: 1,
        coordinator_load: Duration::from_millis(200),
        marker_delay: Duration::from_millis(50),
        ..ClusterOptions::default()
    });
    let (_, session) = script.init("x", None, 5);
    for partition in [0, 1] {
        script.put("x", session, partition, 0, PRODUCE);
    }
    let (_, next) = script.end("x", session, false, END);
    script.advance(50);
    assert_eq!((script.stable_offset(0).0, script.stable_offset(1).0), (2, 0));

    let (coordinator, _) = script.state.leader("__transaction_state", 0).unwrap();
    let other = BrokerId(coordinator.0 % 3 + 1);
    let old = script.connect(coordinator.0);
    assert!(script.state.move_leader("__transaction_state", 0, other));
    let end = |committed| EndTxnRequest {
        transactional_id: "x".into(),
        producer_id: ProducerId(session.0),
        producer_epoch: session.1,
        committed,
        ..Default::default()
    };
    assert_eq!(script.call(old, end(false), END).error_code, ErrorCode::NOT_COORDINATOR);
    assert_eq!(script.end("x", session, false, END).0, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    assert_eq!(script.put("x", next, 0, 0, PRODUCE).0, ErrorCode::NOT_ENOUGH_REPLICAS);
    script.advance(200);
    assert_eq!(script.end("x", session, false, END).0, ErrorCode::CONCURRENT_TRANSACTIONS);
    assert_eq!(script.transaction_state("x").2, 2, "it cannot know which were written");
    script.advance(100);
    assert_eq!(script.end("x", session, false, END), given(1000, 1), "the same end again");
    assert_eq!((script.stable_offset(0).0, script.stable_offset(1).0), (3, 2), "one marker came twice");
    assert_eq!(script.stable_offset(0).1, [(1000, 0)], "and is no second transaction");
    assert_eq!(script.producer_state(0, 1000), Some((1, -1, 1, -1)));
    assert_eq!(script.put("x", next, 0, 0, PRODUCE), (ErrorCode::NONE, 3));
}

#[test]
fn leaders_move_without_losing_transactions() {
    let mut script = Script::transactional(ClusterOptions { nodes: 3, ..ClusterOptions::default() });
    let (_, session) = script.init("x", None, 5);
    script.put("x", session, 0, 0, PRODUCE);
    let (leader, epoch) = script.state.leader("t", 0).unwrap();
    assert!(script.state.move_leader("t", 0, BrokerId(leader.0 % 3 + 1)));
    assert_eq!(script.put("x", session, 0, 1, PRODUCE), (ErrorCode::NONE, 1));
    assert_eq!(script.put("x", session, 0, 0, PRODUCE), (ErrorCode::NONE, 0), "a duplicate");
    script.end("x", session, true, END);
    assert_eq!(script.stable_offset(0).0, 3);
    let marker = script.state.log("t", 0).last().unwrap();
    assert_eq!(marker.partition_leader_epoch(), LeaderEpoch(epoch.0 + 1));
}

#[test]
fn offsets_are_a_partition_of_the_transaction() {
    let mut script = Script::transactional(ClusterOptions::default());
    let (_, session) = script.init("x", None, 5);
    let conn = script.coordinator("x", 1);
    let request = |id: &str, (producer_id, producer_epoch): Session| AddOffsetsToTxnRequest {
        transactional_id: id.into(),
        producer_id: ProducerId(producer_id),
        producer_epoch,
        group_id: "g".into(),
        ..Default::default()
    };
    let mut add = |id: &str, session, version| {
        let answer = script.call(conn, request(id, session), version);
        answer.error_code
    };
    assert_eq!(add("x", (1000, 7), 4), ErrorCode::PRODUCER_FENCED);
    assert_eq!(add("x", (1000, 7), 1), ErrorCode::INVALID_PRODUCER_EPOCH);
    assert_eq!(add("x", (1, 0), 4), ErrorCode::INVALID_PRODUCER_ID_MAPPING);
    assert_eq!(add("nobody", (1, 0), 4), ErrorCode::INVALID_PRODUCER_ID_MAPPING);
    assert_eq!(add("", (1, 0), 4), ErrorCode::INVALID_REQUEST);
    assert_eq!(add("x", session, 4), ErrorCode::NONE);
    assert_eq!(script.transaction_state("x"), ("Ongoing".to_owned(), session, 1));
    assert_eq!(script.end("x", session, true, END), given(1000, 1));
    assert_eq!(script.transaction_state("x"), ("CompleteCommit".to_owned(), (1000, 1), 0));
}

#[test]
fn a_coordinator_without_a_leader_aborts_when_it_is_back() {
    let mut script = Script::transactional(ClusterOptions::default());
    let (_, session) = script.init("x", None, 5);
    script.put("x", session, 0, 0, PRODUCE);
    assert!(script.state.stop_broker(BrokerId(1)));
    script.advance(120_000);
    script.state.handle_timeout(script.now);
    assert!(script.state.start_broker(BrokerId(1)));
    script.advance(0);
    assert_eq!(script.transaction_state("x"), ("CompleteAbort".to_owned(), (1000, 1), 0));
    assert_eq!(script.stable_offset(0), (2, vec![(1000, 0)]));
}

#[test]
fn one_end_answers_no_session_before_version_5() {
    let options = ClusterOptions { transaction_version: Some(1), ..ClusterOptions::default() };
    let mut script = Script::transactional(options);
    let (_, session) = script.init("x", None, 5);
    assert_eq!(script.add("x", session, "t", &[0, 1], 3), [ErrorCode::NONE; 2]);
    assert_eq!(script.put("x", session, 0, 0, PRODUCE_V1), (ErrorCode::NONE, 0));
    assert_eq!(script.end("x", session, true, END_V1), NO_SESSION);
    assert_eq!(script.producer_state(0, 1000), Some((0, 0, 0, -1)), "the epoch stays");
    assert_eq!(script.state.offsets("t", 1), Some((0, 1)), "a marker without a transaction");
    assert_eq!(script.stable_offset(1), (1, vec![]));
    // Sequences go on.
    assert_eq!(script.add("x", session, "t", &[0], 3), [ErrorCode::NONE]);
    assert_eq!(script.put("x", session, 0, 1, PRODUCE_V1), (ErrorCode::NONE, 2));
}
