//! Encoding and decoding, Milena beside the crate `kafka-protocol`: the same bytes, the same process, turn by turn.
//!
//! ```sh
//! cargo run --release --manifest-path conformance/rivals/Cargo.toml [WORD OF A MESSAGE'S LINE]...
//! ```

use std::alloc::System;
use std::hint::black_box;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::{Decodable, Encodable};
use milena_core::protocol::fetch::{FetchableTopicResponse, PartitionData};
use milena_core::protocol::metadata::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use milena_core::protocol::produce::{PartitionProduceData, TopicProduceData};
use milena_core::protocol::{
    BrokerId, FetchResponse, LeaderEpoch, Message, MetadataResponse, ProduceRequest,
};
use milena_core::wire::Uuid;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Turns of which the fastest counts: the machine has other work.
const TURNS: usize = 15;

struct Figures {
    nanoseconds: f64,
    allocations: f64,
}

/// The fastest of several turns, per call.
fn measure(calls: usize, mut work: impl FnMut()) -> Figures {
    let mut figures = Figures { nanoseconds: f64::MAX, allocations: 0.0 };
    for _ in 0..TURNS {
        let (allocations, started) = (ALLOCATOR.stats().allocations, Instant::now());
        for _ in 0..calls {
            work();
        }
        let took = started.elapsed().as_nanos() as f64 / calls as f64;
        figures.nanoseconds = figures.nanoseconds.min(took);
        figures.allocations = (ALLOCATOR.stats().allocations - allocations) as f64 / calls as f64;
    }
    figures
}

/// One message in both libraries, both ways; `partitions` is what a figure is divided by.
fn compare<M, T>(name: &str, mut message: M, version: i16, partitions: usize)
where
    M: Message,
    T: Decodable + Encodable,
{
    if !std::env::args().skip(1).all(|word| name.contains(&word)) {
        return;
    }
    let body: Bytes = message.encode(version).unwrap().concat().into();
    let calls = (20_000_000 / (body.len() / 8 + 2_000 * partitions)).max(3);
    let other = T::decode(&mut body.clone(), version).unwrap();
    let mut check = BytesMut::new();
    other.encode(&mut check, version).unwrap();
    assert_eq!(check, body, "both write the same bytes");

    let line = |what: &str, ours: Figures, theirs: Figures| {
        let per = |figure: f64| figure / partitions as f64;
        println!(
            "| {name} | {what} | {:.1} | {:.1} | {:.1}× | {:.3} | {:.3} | {:.1}× |",
            per(ours.nanoseconds),
            per(theirs.nanoseconds),
            theirs.nanoseconds / ours.nanoseconds,
            per(ours.allocations),
            per(theirs.allocations),
            theirs.allocations / ours.allocations.max(f64::MIN_POSITIVE),
        );
    };
    let ours = measure(calls, || {
        black_box(M::decode(black_box(body.clone()), version).unwrap());
    });
    let rival = measure(calls, || {
        black_box(T::decode(&mut black_box(body.clone()), version).unwrap());
    });
    line("decode", ours, rival);
    let ours = measure(calls, || {
        black_box(black_box(&mut message).encode(version).unwrap());
    });
    let rival = measure(calls, || {
        let mut buffer = BytesMut::new();
        black_box(&other).encode(&mut buffer, version).unwrap();
        black_box(buffer);
    });
    line("encode", ours, rival);
}

fn produce(partitions: usize) -> ProduceRequest {
    let records = Bytes::from(vec![7; (1 << 20) / partitions]);
    let partition_data = (0..partitions as i32)
        .map(|index| PartitionProduceData { index, records: Some(records.clone()), ..Default::default() })
        .collect();
    ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData { name: "events".into(), partition_data, ..Default::default() }],
        ..Default::default()
    }
}

fn fetch(partitions: usize) -> FetchResponse {
    let records = Bytes::from(vec![7; (1 << 20) / partitions]);
    let partitions = (0..partitions as i32)
        .map(|partition_index| PartitionData {
            partition_index,
            high_watermark: 1_000_000,
            last_stable_offset: 1_000_000,
            log_start_offset: 0,
            aborted_transactions: None,
            records: Some(records.clone()),
            ..Default::default()
        })
        .collect();
    let responses = vec![FetchableTopicResponse { topic: "events".into(), partitions, ..Default::default() }];
    FetchResponse { session_id: 7, responses, ..Default::default() }
}

fn metadata(topics: usize, partitions: usize) -> MetadataResponse {
    let brokers = (1..=9)
        .map(|id| MetadataResponseBroker {
            node_id: BrokerId(id),
            host: format!("broker-{id}.example.org").into(),
            port: 9092,
            rack: Some(format!("zone-{}", id % 3).into()),
            ..Default::default()
        })
        .collect();
    let partition = |index: i32| MetadataResponsePartition {
        partition_index: index,
        leader_id: BrokerId(1 + index % 9),
        leader_epoch: LeaderEpoch(3),
        replica_nodes: [BrokerId(1 + index % 9), BrokerId(1 + (index + 1) % 9), BrokerId(1 + (index + 2) % 9)].into(),
        isr_nodes: [BrokerId(1 + index % 9), BrokerId(1 + (index + 1) % 9), BrokerId(1 + (index + 2) % 9)].into(),
        ..Default::default()
    };
    let topics = (0..topics)
        .map(|topic| MetadataResponseTopic {
            name: Some(format!("topic-number-{topic}").into()),
            topic_id: Uuid([topic as u8; 16]),
            partitions: (0..partitions as i32).map(partition).collect(),
            ..Default::default()
        })
        .collect();
    MetadataResponse {
        brokers,
        cluster_id: Some("cluster".into()),
        controller_id: BrokerId(1),
        topics,
        ..Default::default()
    }
}

fn main() {
    println!("Per partition; the fastest of {TURNS} turns.\n");
    println!("| message | | Milena ns | kafka-protocol ns | ratio | Milena allocs | kafka-protocol allocs | ratio |");
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    compare::<_, theirs::ProduceRequest>("Produce 9, 1 MiB, 1 partition", produce(1), 9, 1);
    compare::<_, theirs::ProduceRequest>("Produce 9, 1 MiB, 100 partitions", produce(100), 9, 100);
    compare::<_, theirs::FetchResponse>("Fetch 12, 1 MiB, 1 partition", fetch(1), 12, 1);
    compare::<_, theirs::FetchResponse>("Fetch 12, 1 MiB, 100 partitions", fetch(100), 12, 100);
    compare::<_, theirs::MetadataResponse>("Metadata 12, 1 topic of 10,000", metadata(1, 10_000), 12, 10_000);
    compare::<_, theirs::MetadataResponse>("Metadata 12, 1,000 topics of 10", metadata(1_000, 10), 12, 10_000);
}
