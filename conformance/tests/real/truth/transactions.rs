//! Transactions, as they were before KIP-890 and, where the release has it, since.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use milena_conformance::cluster::Release;
use milena_core::protocol::add_partitions_to_txn::AddPartitionsToTxnTopic;
use milena_core::protocol::describe_producers::TopicRequest;
use milena_core::protocol::offset_fetch::OffsetFetchRequestTopic;
use milena_core::protocol::txn_offset_commit::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use milena_core::protocol::*;
use milena_core::record::{BatchBuilder, Compression, Producer};
use milena_core::wire::Uuid;

use super::Script;
use super::log::{create, fetch};
use super::peer::{Peer, produce};

pub(super) const SCRIPTS: &[Script] = &[
    ("a transaction of the first kind", first_kind),
    ("a transaction of the second kind", second_kind),
    ("fenced producers", fenced),
    ("wrong transactions", wrong),
    ("offsets in transactions", offsets),
];

pub(super) fn find(peer: &Peer, id: &str) {
    peer.until(|peer| {
        let request = FindCoordinatorRequest { key: id.into(), key_type: 1, ..Default::default() };
        peer.call("find", request, 3).error_code.is_ok()
            && peer.call("look", end(id, (ProducerId(1), 0), true), 1).error_code
                == ErrorCode::INVALID_PRODUCER_ID_MAPPING
    });
}

pub(super) fn init(id: &str) -> InitProducerIdRequest {
    InitProducerIdRequest {
        transactional_id: Some(id.into()),
        transaction_timeout_ms: 60_000,
        producer_id: ProducerId(-1),
        producer_epoch: -1,
        ..Default::default()
    }
}

/// Starts a transactional id anew, and waits out what is still ending.
pub(super) fn started(peer: &mut Peer, id: &str, version: i16) -> (ProducerId, i16) {
    find(peer, id);
    let begun = peer.call("init", init(id), version);
    assert_eq!(begun.error_code, ErrorCode::NONE);
    (begun.producer_id, begun.producer_epoch)
}

pub(super) fn add(
    id: &str,
    producer: (ProducerId, i16),
    topic: &str,
    partition: i32,
) -> AddPartitionsToTxnRequest {
    let topic = AddPartitionsToTxnTopic {
        name: topic.into(),
        partitions: vec![partition].into(),
        ..Default::default()
    };
    AddPartitionsToTxnRequest {
        v3_and_below_transactional_id: id.into(),
        v3_and_below_producer_id: producer.0,
        v3_and_below_producer_epoch: producer.1,
        v3_and_below_topics: vec![topic],
        ..Default::default()
    }
}

pub(super) fn end(id: &str, producer: (ProducerId, i16), committed: bool) -> EndTxnRequest {
    EndTxnRequest {
        transactional_id: id.into(),
        producer_id: producer.0,
        producer_epoch: producer.1,
        committed,
        ..Default::default()
    }
}

pub(super) fn batch(producer: (ProducerId, i16), base_sequence: i32, value: &str) -> Bytes {
    let mut builder = BatchBuilder::with_capacity(200);
    // Of today: Kafka begins a new file when the time makes a leap, as it would from an older record to the marker.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("later than 1970");
    builder.append(now.as_millis() as i64, None, Some(value.as_bytes()), &[]);
    let producer = Producer { id: producer.0, epoch: producer.1, base_sequence, transactional: true };
    builder.seal(Compression::None, producer).unwrap()
}

pub(super) fn write(id: &str, topic: (&str, Uuid), records: Bytes) -> ProduceRequest {
    ProduceRequest { transactional_id: Some(id.into()), ..produce(topic, 0, -1, records) }
}

/// Reads with both levels of isolation.
fn read(peer: &mut Peer, what: &str, topic: (&str, Uuid)) {
    for isolation_level in [0, 1] {
        let request = FetchRequest { isolation_level, ..fetch(topic, &[(0, 0)]) };
        peer.call(&format!("{what}, isolation {isolation_level}"), request, 11);
    }
}

/// Markers take a moment; the next step is the same when they are written.
fn settled(peer: &Peer, topic: (&str, Uuid)) {
    peer.until(|peer| {
        let request = FetchRequest { isolation_level: 1, ..fetch(topic, &[(0, 0)]) };
        let answer = peer.call("wait", request, 11).responses.remove(0).partitions.remove(0);
        answer.last_stable_offset == answer.high_watermark
    });
}

fn first_kind(peer: &mut Peer) {
    let (id, topic) = ("truth-first", ("truth-first", create(peer, "truth-first", 1, &[])));
    let me = started(peer, id, 3);
    peer.call("end what has not begun", end(id, me, true), 1);
    for (round, committed) in [(0, true), (1, false), (2, true)] {
        peer.until(|peer| {
            peer.call("add", add(id, me, topic.0, 0), 1).results_by_topic_v3_and_below[0].results_by_partition
                [0]
            .partition_error_code
            .is_ok()
        });
        peer.call("add once more", add(id, me, topic.0, 0), 1);
        peer.call("write", write(id, topic, batch(me, 2 * round, "a")), 9);
        peer.call("write on", write(id, topic, batch(me, 2 * round + 1, "b")), 9);
        read(peer, "while it is open", topic);
        peer.call("end", end(id, me, committed), 1);
        settled(peer, topic);
        read(peer, "when it has ended", topic);
    }
    // The last marker is there a moment before the coordinator knows.
    peer.until(|peer| {
        peer.call("wait", end(id, me, true), 1).error_code != ErrorCode::CONCURRENT_TRANSACTIONS
    });
    peer.call("end again", end(id, me, true), 1);
    peer.call("end the other way", end(id, me, false), 1);
    peer.call("write without adding", write(id, topic, batch(me, 6, "c")), 9);
    let request =
        TopicRequest { name: topic.0.into(), partition_indexes: vec![0, 5].into(), ..Default::default() };
    if peer.newest(ApiKey::DESCRIBE_PRODUCERS).is_some() && peer.release.to_string() == "2.8" {
        peer.call("producers", DescribeProducersRequest { topics: vec![request], ..Default::default() }, 0);
    }
}

fn second_kind(peer: &mut Peer) {
    if peer.newest(ApiKey::END_TXN) < Some(5) {
        return;
    }
    let (id, topic) = ("truth-second", ("truth-second", create(peer, "truth-second", 1, &[])));
    let mut me = started(peer, id, 5);
    for committed in [true, false, true] {
        peer.call("write", write(id, topic, batch(me, 0, "a")), 12);
        peer.call("write on", write(id, topic, batch(me, 1, "b")), 12);
        peer.call("write again", write(id, topic, batch(me, 1, "b")), 12);
        read(peer, "while it is open", topic);
        let ended = peer.call("end", end(id, me, committed), 5);
        let before = me;
        me = (ended.producer_id, ended.producer_epoch);
        settled(peer, topic);
        read(peer, "when it has ended", topic);
        peer.until(|peer| {
            let again = peer.call("wait", end(id, before, committed), 5);
            again.error_code != ErrorCode::CONCURRENT_TRANSACTIONS
        });
        peer.call("end again", end(id, before, committed), 5);
        peer.call("write as before", write(id, topic, batch(before, 2, "late")), 12);
    }
    peer.call("end what has not begun", end(id, me, false), 5);
}

fn fenced(peer: &mut Peer) {
    let (id, topic) = ("truth-fenced", ("truth-fenced", create(peer, "truth-fenced", 1, &[])));
    let old = started(peer, id, 3);
    peer.call("add", add(id, old, topic.0, 0), 1);
    peer.call("write", write(id, topic, batch(old, 0, "a")), 9);
    let new = started_again(peer, id);
    peer.call("the old one writes", write(id, topic, batch(old, 1, "b")), 9);
    for version in [1, 2] {
        peer.call("the old one adds", add(id, old, topic.0, 0), version);
        peer.call("the old one ends", end(id, old, true), version);
    }
    let named = |producer: (ProducerId, i16)| InitProducerIdRequest {
        producer_id: producer.0,
        producer_epoch: producer.1,
        ..init(id)
    };
    peer.call("the old one begins anew", named(old), 3);
    peer.call("the old one begins anew", named(old), 4);
    peer.call("the new one begins anew", named(new), 4);
    settled(peer, topic);
    read(peer, "what was open is aborted", topic);
}

/// The one before is fenced, and its transaction aborted first.
fn started_again(peer: &mut Peer, id: &str) -> (ProducerId, i16) {
    peer.until(|peer| peer.call("init", init(id), 3).error_code.is_ok());
    let begun = peer.call("init", init(id), 3);
    (begun.producer_id, begun.producer_epoch)
}

fn wrong(peer: &mut Peer) {
    let (id, topic) = ("truth-wrong", ("truth-wrong", create(peer, "truth-wrong", 1, &[])));
    let me = started(peer, id, 3);
    peer.call("no such partition", add(id, me, topic.0, 7), 1);
    peer.call("another producer", add(id, (ProducerId(me.0.0 + 77), 0), topic.0, 0), 1);
    peer.call("another producer ends", end(id, (ProducerId(me.0.0 + 77), 0), true), 1);
    peer.call("an epoch ahead", end(id, (me.0, me.1 + 1), true), 1);
    peer.call("an unknown id", end("truth-nobody", me, true), 1);
    peer.call("an empty id", init(""), 3);
    peer.call("no time", InitProducerIdRequest { transaction_timeout_ms: 0, ..init(id) }, 3);
    peer.call("too much time", InitProducerIdRequest { transaction_timeout_ms: i32::MAX, ..init(id) }, 3);
    peer.call("a write without an id", produce(topic, 0, -1, batch(me, 0, "a")), 9);
    let described = DescribeTransactionsRequest {
        transactional_ids: vec![id.into(), "truth-nobody".into()],
        ..Default::default()
    };
    if peer.newest(ApiKey::DESCRIBE_TRANSACTIONS).is_some() {
        let mut answer = peer.second();
        let described = answer.call("describe", described, 0);
        let states = described
            .transaction_states
            .iter()
            .map(|state| (state.error_code, state.transaction_state.clone()));
        assert_eq!(
            states.collect::<Vec<_>>(),
            [(ErrorCode::NONE, "Empty".into()), (ErrorCode::TRANSACTIONAL_ID_NOT_FOUND, "".into())]
        );
    }
}

fn offsets(peer: &mut Peer) {
    let (id, topic) = ("truth-offsets-in", "truth-offsets-in");
    create(peer, topic, 1, &[]);
    let me = started(peer, id, 3);
    let group = "truth-txn-group";
    peer.until(|peer| {
        let request = FindCoordinatorRequest { key: group.into(), ..Default::default() };
        peer.call("find", request, 3).error_code.is_ok()
            && peer.call("look", committed(group, topic, false), 5).error_code.is_ok()
    });
    for (offset, commits) in [(5, true), (9, false)] {
        let request = AddOffsetsToTxnRequest {
            transactional_id: id.into(),
            producer_id: me.0,
            producer_epoch: me.1,
            group_id: group.into(),
            ..Default::default()
        };
        peer.until(|peer| peer.call("add offsets", request.clone(), 1).error_code.is_ok());
        peer.call("commit offsets", commit(id, me, group, topic, offset), 2);
        peer.call("not seen yet", committed(group, topic, false), 5);
        if peer.newest(ApiKey::OFFSET_FETCH) >= Some(7) {
            peer.call("unstable", committed(group, topic, true), 7);
        }
        peer.call("end", end(id, me, commits), 1);
        peer.until(|peer| {
            let version = if peer.newest(ApiKey::OFFSET_FETCH) >= Some(7) { 7 } else { 5 };
            let answer = peer.call("wait", committed(group, topic, version == 7), version);
            answer.topics[0].partitions[0].error_code.is_ok()
        });
        peer.call("seen or not", committed(group, topic, false), 5);
    }
    if peer.release < Release::V3_0 {
        peer.agreed("Kafka 2.8 has no words for what its own log tells it here: UNKNOWN_SERVER_ERROR");
    }
    peer.call("by an old epoch", commit(id, (me.0, me.1 - 1), group, topic, 11), 2);
    let mut stranger = commit(id, me, group, topic, 11);
    stranger.member_id = "stranger".into();
    stranger.generation_id = 4;
    peer.call("by no member", stranger, 3);
}

pub(super) fn commit(
    id: &str,
    me: (ProducerId, i16),
    group: &str,
    topic: &str,
    offset: i64,
) -> TxnOffsetCommitRequest {
    let partition = TxnOffsetCommitRequestPartition {
        committed_offset: offset,
        committed_metadata: Some("m".into()),
        ..Default::default()
    };
    let topic =
        TxnOffsetCommitRequestTopic { name: topic.into(), partitions: vec![partition], ..Default::default() };
    TxnOffsetCommitRequest {
        transactional_id: id.into(),
        group_id: group.into(),
        producer_id: me.0,
        producer_epoch: me.1,
        topics: vec![topic],
        ..Default::default()
    }
}

fn committed(group: &str, topic: &str, require_stable: bool) -> OffsetFetchRequest {
    let topic = OffsetFetchRequestTopic {
        name: topic.into(),
        partition_indexes: vec![0].into(),
        ..Default::default()
    };
    OffsetFetchRequest {
        group_id: group.into(),
        topics: Some(vec![topic]),
        require_stable,
        ..Default::default()
    }
}
