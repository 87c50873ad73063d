//! Topics, writing, reading, offsets.

use bytes::Bytes;
use milena_core::protocol::create_topics::{CreatableTopic, CreatableTopicConfig};
use milena_core::protocol::fetch::{FetchPartition, FetchTopic, ForgottenTopic};
use milena_core::protocol::list_offsets::{ListOffsetsPartition, ListOffsetsTopic};
use milena_core::protocol::metadata::MetadataRequestTopic;
use milena_core::protocol::offset_for_leader_epoch::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use milena_core::protocol::*;
use milena_core::record::{BatchBuilder, Compression, Encoding, MessageFormat, Producer};
use milena_core::wire::Uuid;

use super::Script;
use super::peer::{Peer, produce};

pub(super) const SCRIPTS: &[Script] = &[
    ("topics", topics),
    ("batches", batches),
    ("old formats", old_formats),
    ("idempotence", idempotence),
    ("limits of a fetch", limits),
    ("sessions", sessions),
    ("offsets", offsets),
];

/// Records of these scripts are written at about this time.
const TIME_MS: i64 = 1_700_000_000_000;

fn batch_of(values: &[&str], codec: Compression, producer: Producer) -> Bytes {
    let mut builder = BatchBuilder::with_capacity(1024);
    for (value, time) in values.iter().zip(TIME_MS..) {
        builder.append(time, Some(b"k"), Some(value.as_bytes()), &[]);
    }
    builder.seal(codec, producer).unwrap()
}

pub(super) fn batch(values: &[&str]) -> Bytes {
    batch_of(values, Compression::None, Producer::NONE)
}

/// Creates a topic whose records do not expire, and waits until it has leaders.
pub(super) fn create(peer: &mut Peer, name: &str, partitions: i32, configs: &[(&str, &str)]) -> Uuid {
    let config = |(name, value): &(&str, &str)| CreatableTopicConfig {
        name: (*name).into(),
        value: Some((*value).into()),
        ..Default::default()
    };
    let topic = CreatableTopic {
        name: name.into(),
        num_partitions: partitions,
        replication_factor: 1,
        configs: configs.iter().chain(&[("retention.ms", "-1")]).map(config).collect(),
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, ..Default::default() };
    let version = 4;
    assert_eq!(peer.call("create", request, version).topics[0].error_code, ErrorCode::NONE);
    // A new topic's leaders are known first and lead a moment later.
    for _ in 0..200 {
        let mut other = peer.second();
        let version = if peer.newest(ApiKey::METADATA) >= Some(12) { 12 } else { 9 };
        let topic = other.call("wait", metadata(name), version).topics.remove(0);
        let mut leads = |index| {
            let mut request = list(name, -1);
            request.topics[0].partitions[0].partition_index = index;
            other.call("wait", request, 5).topics[0].partitions[0].error_code.is_ok()
        };
        if topic.error_code.is_ok() && (0..partitions).all(&mut leads) {
            return topic.topic_id;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("topic {name} has no leaders");
}

pub(super) fn metadata(topic: &str) -> MetadataRequest {
    let topic = MetadataRequestTopic { name: Some(topic.into()), ..Default::default() };
    MetadataRequest { topics: Some(vec![topic]), allow_auto_topic_creation: false, ..Default::default() }
}

pub(super) fn fetch(topic: (&str, Uuid), offsets: &[(i32, i64)]) -> FetchRequest {
    let partition = |(partition, fetch_offset): &(i32, i64)| FetchPartition {
        partition: *partition,
        fetch_offset: *fetch_offset,
        partition_max_bytes: 1 << 20,
        ..Default::default()
    };
    let topic = FetchTopic {
        topic: topic.0.into(),
        topic_id: topic.1,
        partitions: offsets.iter().map(partition).collect(),
        ..Default::default()
    };
    FetchRequest { min_bytes: 1, topics: vec![topic], ..Default::default() }
}

fn topics(peer: &mut Peer) {
    let topic = |name: &str, partitions, replicas| CreatableTopic {
        name: name.into(),
        num_partitions: partitions,
        replication_factor: replicas,
        ..Default::default()
    };
    let mut misconfigured = topic("misconfigured", 1, 1);
    misconfigured.configs.push(CreatableTopicConfig {
        name: "max.message.bytes".into(),
        value: Some("many".into()),
        ..Default::default()
    });
    let mut unknown = topic("unknown-config", 1, 1);
    let config =
        CreatableTopicConfig { name: "no.such".into(), value: Some("1".into()), ..Default::default() };
    unknown.configs.push(config);
    let asked = [
        topic("truth-topics", 2, 1),
        topic("bad name", 1, 1),
        topic("..", 1, 1),
        topic("truth-none", 0, 1),
        topic("truth-replicas", 1, 9),
        topic("truth-no-replicas", 1, 0),
        topic("truth-twice", 1, 1),
        topic("truth-twice", 1, 1),
        topic("truth-default", -1, -1),
        misconfigured,
        unknown,
    ];
    for asked in asked.chunks(1) {
        let request =
            CreateTopicsRequest { topics: asked.to_vec(), timeout_ms: 10_000, ..Default::default() };
        peer.call(&format!("create {:?}", asked[0].name), request, 4);
    }
    let twice =
        CreateTopicsRequest { topics: asked[6..8].to_vec(), timeout_ms: 10_000, ..Default::default() };
    peer.call("create one twice", twice, 4);
    let again = CreateTopicsRequest { topics: asked[..1].to_vec(), timeout_ms: 10_000, ..Default::default() };
    peer.call("create again", again, 4);
    let id = create(peer, "truth.dots", 1, &[]);
    let collides = CreateTopicsRequest { topics: vec![topic("truth_dots", 1, 1)], ..Default::default() };
    peer.call("create what collides", CreateTopicsRequest { timeout_ms: 10_000, ..collides }, 4);
    peer.each("metadata", 0, |version| MetadataRequest {
        allow_auto_topic_creation: version < 4,
        ..metadata("truth.dots")
    });
    for name in ["truth-absent", "bad name", ""] {
        peer.call(&format!("metadata of {name:?}"), metadata(name), 8);
    }
    if peer.newest(ApiKey::METADATA) >= Some(12) {
        for topic_id in [id, Uuid([7; 16])] {
            let topic = MetadataRequestTopic { topic_id, ..Default::default() };
            let request = MetadataRequest { topics: Some(vec![topic]), ..Default::default() };
            peer.call("metadata by id", request, 12);
        }
    }
    for name in ["truth.dots", "truth.dots", "truth-absent"] {
        let topic_names = vec![name.into()];
        let request = DeleteTopicsRequest { topic_names, timeout_ms: 10_000, ..Default::default() };
        peer.call(&format!("delete {name}"), request, 5);
    }
}

fn batches(peer: &mut Peer) {
    let id = create(peer, "truth-batches", 2, &[("max.message.bytes", "500")]);
    let topic = ("truth-batches", id);
    for codec in
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd]
    {
        let bytes = batch_of(&["a", "b", "c"], codec, Producer::NONE);
        peer.each(&format!("write {codec}"), 3, |_| produce(topic, 0, -1, bytes.clone()));
    }
    let good = batch(&["a"]);
    let changed = |at: usize, to: u8| {
        let mut bytes = good.to_vec();
        bytes[at] = to;
        Bytes::from(bytes)
    };
    let large = "x".repeat(600);
    let cases = [
        ("a wrong crc", changed(17, 0x55)),
        ("a wrong magic", changed(16, 1)),
        ("magic 3", changed(16, 3)),
        ("a truncated batch", good.slice(..good.len() - 1)),
        ("nothing", Bytes::new()),
        ("two batches", [good.clone(), good.clone()].concat().into()),
        ("too large a batch", batch(&[&large])),
    ];
    for (what, bytes) in cases {
        peer.call(what, produce(topic, 0, -1, bytes), 7);
    }
    peer.call("no such partition", produce(topic, 9, -1, good.clone()), 7);
    peer.call("no such topic", produce(("truth-absent", Uuid::default()), 0, -1, good.clone()), 7);
    peer.call("acks 2", produce(topic, 0, 2, good.clone()), 7);
    peer.call("acks 1", produce(topic, 1, 1, good.clone()), 7);
    if peer.newest(ApiKey::PRODUCE) >= Some(13) {
        peer.call("no such id", produce(("", Uuid([9; 16])), 0, -1, good), 13);
    }
    peer.each("read", 4, |_| fetch(topic, &[(0, 0), (1, 0)]));
    peer.each("read on", 4, |_| fetch(topic, &[(0, 7)]));
    let stamped = create(peer, "truth-stamped", 1, &[("message.timestamp.type", "LogAppendTime")]);
    peer.call("write, stamped", produce(("truth-stamped", stamped), 0, -1, batch(&["a"])), 7);
    peer.call("read, stamped", fetch(("truth-stamped", stamped), &[(0, 0)]), 11);
}

fn old_formats(peer: &mut Peer) {
    let Some(oldest) = peer.release.speaks(ApiKey::PRODUCE).map(|range| *range.start()) else { return };
    if oldest > 2 {
        return;
    }
    let topic = ("truth-formats", create(peer, "truth-formats", 2, &[]));
    for (partition, codec) in [(0, Compression::None), (1, Compression::Gzip)] {
        for (version, format) in [(0, MessageFormat::V0), (1, MessageFormat::V0), (2, MessageFormat::V1)] {
            let mut builder = BatchBuilder::with_capacity(200);
            for (value, time) in ["a", "b", "c"].iter().zip(TIME_MS..) {
                builder.append(time, Some(b"k"), Some(value.as_bytes()), &[]);
            }
            let encoding = Encoding { format, compression: codec, level: None };
            let set = builder.seal(encoding, Producer::NONE).unwrap();
            peer.call(&format!("write {codec}"), produce(topic, partition, -1, set), version);
        }
        peer.call("write v2", produce(topic, partition, -1, batch_of(&["d", "e"], codec, Producer::NONE)), 3);
    }
    for offset in [0, 1, 4, 10] {
        for version in 0..=4 {
            if version < 4 {
                peer.agreed("a real broker cuts what it converts at the size that it had before, and pads what is left");
            }
            peer.call(&format!("read from {offset}"), fetch(topic, &[(0, offset), (1, offset)]), version);
        }
    }
    let mut damaged = batch_of(&["a"], Compression::None, Producer::NONE).to_vec();
    damaged[16] = 1;
    peer.call("damaged", produce(topic, 0, -1, damaged.into()), 2);
}

fn idempotence(peer: &mut Peer) {
    let id = create(peer, "truth-idempotence", 2, &[]);
    let topic = ("truth-idempotence", id);
    let init = InitProducerIdRequest {
        transactional_id: None,
        transaction_timeout_ms: 1_000,
        producer_id: ProducerId(-1),
        producer_epoch: -1,
        ..Default::default()
    };
    peer.until(|peer| peer.call("a first id", init.clone(), 3).error_code.is_ok());
    let first = peer.call("an id", init.clone(), 3);
    peer.call("another id", init.clone(), 3);
    peer.call("half an id", InitProducerIdRequest { producer_id: ProducerId(5), ..init.clone() }, 3);
    peer.call(
        "an empty transactional id",
        InitProducerIdRequest { transactional_id: Some("".into()), ..init },
        3,
    );
    let numbered = |epoch, base_sequence, count| {
        let producer = Producer { id: first.producer_id, epoch, base_sequence, transactional: false };
        batch_of(&vec!["v"; count], Compression::None, producer)
    };
    let mut write = |what: &str, partition, epoch, sequence, count| {
        peer.call(what, produce(topic, partition, -1, numbered(epoch, sequence, count)), 7);
    };
    write("0", 0, 0, 0, 2);
    write("0 again", 0, 0, 0, 2);
    write("2", 0, 0, 2, 1);
    write("a gap", 0, 0, 4, 1);
    write("part of a duplicate", 0, 0, 1, 1);
    for sequence in 3..9 {
        write("one after another", 0, 0, sequence, 1);
    }
    write("the fifth last", 0, 0, 4, 1);
    write("the sixth last", 0, 0, 3, 1);
    write("a new epoch not from 0", 0, 1, 9, 1);
    write("a new epoch", 0, 1, 0, 1);
    write("an old epoch", 0, 0, 9, 1);
    write("unknown here, not from 0", 1, 0, 5, 1);
    write("then on", 1, 0, 6, 1);
    let negative = Producer { id: first.producer_id, epoch: 1, base_sequence: -1, transactional: false };
    let batch = batch_of(&["v"], Compression::None, negative);
    peer.call("no sequence", produce(topic, 0, -1, batch), 7);
    peer.call("read", fetch(topic, &[(0, 0), (1, 0)]), 11);
}

fn limits(peer: &mut Peer) {
    let id = create(peer, "truth-limits", 2, &[]);
    let topic = ("truth-limits", id);
    let value = "x".repeat(100);
    for partition in 0..2 {
        for _ in 0..3 {
            peer.call("write", produce(topic, partition, -1, batch(&[&value])), 7);
        }
    }
    let size = batch(&[&value]).len() as i32;
    for version in [4, 11] {
        for max_bytes in [1, size, size + 1, 2 * size, 4 * size, 100 * size] {
            let request = FetchRequest { max_bytes, ..fetch(topic, &[(0, 0), (1, 0)]) };
            peer.call(&format!("{max_bytes} bytes"), request, version);
            let mut request = fetch(topic, &[(0, 1), (1, 0)]);
            request.topics[0].partitions.iter_mut().for_each(|asked| asked.partition_max_bytes = max_bytes);
            peer.call(&format!("{max_bytes} bytes of each"), request, version);
        }
    }
    for (what, partition, offset) in [("the end", 0, 3), ("past the end", 0, 4), ("before the start", 0, -5)]
    {
        peer.call(what, fetch(topic, &[(partition, offset)]), 11);
    }
    peer.call("no such partition", fetch(topic, &[(5, 0)]), 11);
    peer.call("no such topic", fetch(("truth-absent", Uuid::default()), &[(0, 0)]), 11);
    let mut epochs = fetch(topic, &[(0, 0)]);
    epochs.topics[0].partitions[0].current_leader_epoch = LeaderEpoch(1);
    peer.call("a newer epoch", epochs.clone(), 11);
    if peer.newest(ApiKey::FETCH) >= Some(13) {
        peer.call("no such id", fetch(("", Uuid([9; 16])), &[(0, 0)]), 13);
        epochs.topics[0].partitions[0].current_leader_epoch = LeaderEpoch(0);
        for (epoch, offset) in [(0, 3), (0, 4), (1, 3)] {
            epochs.topics[0].partitions[0].last_fetched_epoch = LeaderEpoch(epoch);
            epochs.topics[0].partitions[0].fetch_offset = offset;
            peer.call("with the epoch read last", epochs.clone(), 12);
        }
    }
    let waits = FetchRequest { max_wait_ms: 100, min_bytes: 1 << 20, ..fetch(topic, &[(0, 0)]) };
    peer.call("waits in vain", waits, 11);
}

fn sessions(peer: &mut Peer) {
    let id = create(peer, "truth-sessions", 2, &[]);
    let topic = ("truth-sessions", id);
    for version in [7, 11, 12, 13] {
        if peer.newest(ApiKey::FETCH) < Some(version) {
            continue;
        }
        let call = |peer: &mut Peer, what: &str, session_id, session_epoch, request: FetchRequest| {
            peer.call(what, FetchRequest { session_id, session_epoch, ..request }, version)
        };
        let nothing = || FetchRequest { topics: Vec::new(), ..fetch(topic, &[]) };
        let both = || fetch(topic, &[(0, 0), (1, 0)]);
        let session = call(peer, "open", 0, 0, both()).session_id;
        call(peer, "all or no change", session, 1, nothing());
        peer.call("write", produce(topic, 1, -1, batch(&["a"])), 7);
        call(peer, "a change", session, 2, nothing());
        call(peer, "go on", session, 3, fetch(topic, &[(1, 100)]));
        call(peer, "back", session, 4, fetch(topic, &[(1, 0)]));
        let forgotten = ForgottenTopic {
            topic: topic.0.into(),
            topic_id: id,
            partitions: vec![1].into(),
            ..Default::default()
        };
        let request = FetchRequest { forgotten_topics_data: vec![forgotten], ..nothing() };
        call(peer, "forget", session, 5, request);
        call(peer, "wrong epoch", session, 5, nothing());
        call(peer, "no such session", 12345, 1, nothing());
        call(peer, "close", session, -1, both());
        call(peer, "is closed", session, 6, nothing());
    }
}

fn offsets(peer: &mut Peer) {
    let id = create(peer, "truth-offsets", 1, &[]);
    let topic = ("truth-offsets", id);
    peer.each("of nothing", 1, |_| list("truth-offsets", -1));
    for values in [&["a", "b"][..], &["c"]] {
        peer.call("write", produce(topic, 0, -1, batch(values)), 7);
    }
    for timestamp in [-1, -2, -3, -4, -5, -9, 0, TIME_MS, TIME_MS + 1, TIME_MS + 2] {
        peer.each(&format!("of {timestamp}"), 1, |_| list("truth-offsets", timestamp));
    }
    peer.each("of no such topic", 1, |_| list("truth-absent", -1));
    let mut epochs = list("truth-offsets", -1);
    epochs.topics[0].partitions[0].current_leader_epoch = LeaderEpoch(3);
    peer.call("of a newer epoch", epochs, 5);
    for leader_epoch in [-1, 0, 1, 5] {
        let partition =
            OffsetForLeaderPartition { leader_epoch: LeaderEpoch(leader_epoch), ..Default::default() };
        let topic = OffsetForLeaderTopic {
            topic: "truth-offsets".into(),
            partitions: vec![partition],
            ..Default::default()
        };
        peer.each(&format!("end of epoch {leader_epoch}"), 0, |_| OffsetForLeaderEpochRequest {
            topics: vec![topic.clone()],
            ..Default::default()
        });
    }
}

pub(super) fn list(topic: &str, timestamp: i64) -> ListOffsetsRequest {
    let partition = ListOffsetsPartition { timestamp, ..Default::default() };
    let topic = ListOffsetsTopic { name: topic.into(), partitions: vec![partition], ..Default::default() };
    ListOffsetsRequest { topics: vec![topic], ..Default::default() }
}
