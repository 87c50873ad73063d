//! Calls of the protocol to a real Apache Kafka, in each version that both sides know.

use std::time::{Duration, Instant};

use milena_conformance::kafka::{Kafka, available_for};
use milena_core::protocol::create_topics::CreatableTopic;
use milena_core::protocol::delete_topics::DeleteTopicState;
use milena_core::protocol::fetch::FetchPartition;
use milena_core::protocol::list_offsets::{ListOffsetsPartition, ListOffsetsTopic};
use milena_core::protocol::metadata::MetadataRequestTopic;
use milena_core::protocol::produce::PartitionProduceData;
use milena_core::protocol::*;
use milena_core::record::{BatchBuilder, Compression, Producer};
use milena_core::{Call, Error, NewTopic, Target};

use crate::calls::{Named, Session, api_versions, connect, fetch, produce};

fn batch() -> bytes::Bytes {
    let mut batch = BatchBuilder::with_capacity(100);
    batch.append(1_700_000_000_000, None, Some(b"v"), &[]);
    batch.seal(Compression::None, Producer::NONE).unwrap()
}

fn write(version: i16, topic: &Named, acks: i16) -> ProduceRequest {
    let partition = PartitionProduceData { index: 1, records: Some(batch()), ..Default::default() };
    produce(acks, topic.produce(version, vec![partition]))
}

fn list_offsets(_: i16) -> ListOffsetsRequest {
    let partition = ListOffsetsPartition { partition_index: 1, timestamp: -1, ..Default::default() };
    let topic = ListOffsetsTopic { name: "t".into(), partitions: vec![partition], ..Default::default() };
    ListOffsetsRequest { topics: vec![topic], ..Default::default() }
}

fn end_offset(answer: &ListOffsetsResponse) -> i64 {
    assert_eq!(answer.topics[0].partitions[0].error_code, ErrorCode::NONE);
    answer.topics[0].partitions[0].offset
}

#[test]
fn kafka_4_3() {
    every_version_of_every_target("4.3.1", 0, (1, 11));
}

#[test]
fn kafka_2_8() {
    every_version_of_every_target("2.8.2", 7, (0, 6));
}

/// `unknown`: a version of ListOffsets that this release, which knows those of `theirs`, does not.
fn every_version_of_every_target(release: &str, unknown: i16, theirs: (i16, i16)) {
    if !available_for(&format!("calls of the protocol to Kafka {release}")) {
        return;
    }
    let kafka = Kafka::builder().version(release).start().unwrap();
    let client = connect(&kafka);
    client.create_topic(NewTopic::new("t", 2)).unwrap();
    let started = Instant::now();

    let mut session = Session::new(client.clone());
    session.each(0, &Target::Any, api_versions, |_, answer| {
        assert_eq!((answer.error_code, answer.api_keys.len() > 40), (ErrorCode::NONE, true));
    });
    let metadata = |version: i16| {
        let topic = MetadataRequestTopic { name: Some("t".into()), ..Default::default() };
        // Before version 4 a broker's own setting decides.
        MetadataRequest {
            topics: Some(vec![topic]),
            allow_auto_topic_creation: version < 4,
            ..Default::default()
        }
    };
    session.each(0, &Target::Any, metadata, |_, answer| {
        assert_eq!((answer.brokers.len(), answer.topics[0].partitions.len()), (1, 2));
    });
    let id = client.call(Call::by_version(metadata)).unwrap().response.topics[0].topic_id;
    let topic = Named { name: "t".to_owned(), id };

    let before = session.calls;
    session.each(
        3,
        &Target::leader("t", 1),
        {
            let topic = topic.clone();
            move |version| write(version, &topic, -1)
        },
        |version, answer| {
            let partition = &answer.responses[0].partition_responses[0];
            assert_eq!(
                (partition.error_code, partition.base_offset),
                (ErrorCode::NONE, i64::from(version) - 3)
            );
        },
    );
    let written = (session.calls - before) as i64;
    // Version 0 answers with a list of offsets instead.
    session.each(1, &Target::leader("t", 1), list_offsets, |_, answer| {
        assert_eq!(end_offset(&answer), written);
    });
    let to = topic.clone();
    let silent = Call::by_version(move |version| write(version, &to, 0)).to(Target::leader("t", 1));
    client.send_unanswered(silent).unwrap();
    let next = client.call(Call::new(list_offsets(0)).to(Target::leader("t", 1))).unwrap();
    assert_eq!(end_offset(&next.response), written + 1);

    let read = move |version| {
        let partition = FetchPartition { partition: 1, partition_max_bytes: 1 << 20, ..Default::default() };
        fetch(vec![topic.fetch(version, vec![partition])])
    };
    session.each(0, &Target::leader("t", 1), read, |_, answer| {
        let partition = &answer.responses[0].partitions[0];
        assert_eq!((partition.error_code, partition.high_watermark), (ErrorCode::NONE, written + 1));
        assert!(partition.records.as_ref().is_some_and(|records| records.len() > 100));
    });

    let find = |version| match version {
        ..4 => FindCoordinatorRequest { key: "g".into(), ..Default::default() },
        _ => FindCoordinatorRequest { coordinator_keys: vec!["g".into()], ..Default::default() },
    };
    // The first question creates the topic behind the group; a call to the group waits for it.
    let group = client.call(Call::by_version(find).to(Target::group("g"))).unwrap();
    assert_eq!(group.broker, Some(BrokerId(1)));
    session.each(0, &Target::group("g"), find, |version, answer| {
        let (code, id) = match answer.coordinators.first() {
            Some(found) => (found.error_code, found.node_id),
            None => (answer.error_code, answer.node_id),
        };
        assert_eq!((version >= 4, code, id), (!answer.coordinators.is_empty(), ErrorCode::NONE, BrokerId(1)));
    });
    let begin = |_| InitProducerIdRequest {
        transactional_id: Some("id".into()),
        transaction_timeout_ms: 10_000,
        ..Default::default()
    };
    // One that has just begun to coordinate loads what it must know first, or is not yet told that it is to: it says so.
    let begun = || {
        let answer = client.call(Call::by_version(begin).to(Target::transaction("id"))).unwrap().response;
        (!answer.error_code.is_retriable()).then_some(answer)
    };
    let first = std::iter::from_fn(|| {
        std::thread::sleep(Duration::from_millis(50));
        Some(begun())
    });
    assert_eq!(first.take(200).flatten().next().map(|answer| answer.producer_epoch), Some(0));
    session.each(0, &Target::transaction("id"), begin, |version, answer| {
        assert_eq!((answer.error_code, answer.producer_epoch), (ErrorCode::NONE, version + 1));
    });

    let create = |version: i16| {
        let topic = CreatableTopic {
            name: format!("created-in-{version}").as_str().into(),
            num_partitions: 1,
            replication_factor: 1,
            ..Default::default()
        };
        CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, ..Default::default() }
    };
    session.each(2, &Target::Controller, create, |_, answer| {
        assert_eq!(answer.topics[0].error_code, ErrorCode::NONE, "{answer:?}");
    });
    let delete = |version: i16| {
        let name: milena_core::wire::Str = format!("created-in-{version}").as_str().into();
        let topic = DeleteTopicState { name: Some(name.clone()), ..Default::default() };
        DeleteTopicsRequest {
            topics: if version >= 6 { vec![topic] } else { Vec::new() },
            topic_names: if version >= 6 { Vec::new() } else { vec![name] },
            timeout_ms: 10_000,
            ..Default::default()
        }
    };
    session.each(2, &Target::Controller, delete, |_, answer| {
        assert_eq!(answer.responses[0].error_code, ErrorCode::NONE, "{answer:?}");
    });

    let refused = client.call(Call::new(list_offsets(0)).version(unknown)).unwrap_err();
    let ours = (unknown, unknown);
    let expected = Error::Unsupported { api: ApiKey::LIST_OFFSETS, ours, theirs: Some(theirs) };
    assert_eq!(refused, expected);
    println!("{} calls in {:.2?}", session.calls, started.elapsed());
}
