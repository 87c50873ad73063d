//! Requests of one's own, and topics.

use std::collections::BTreeSet;
use std::time::Duration;

use milena_core::protocol::create_partitions::CreatePartitionsTopic;
use milena_core::protocol::list_offsets::{ListOffsetsPartition, ListOffsetsTopic};
use milena_core::protocol::{
    CreatePartitionsRequest, ErrorCode, FindCoordinatorRequest, HeartbeatRequest, ListOffsetsRequest,
    MetadataRequest,
};
use milena_core::{Call, Error, Fate, Record, Target, WriterConfig};

use crate::face::{Client, Writer};
use crate::suite::place::Place;
use crate::suite::scene::{Outcome, Scene, code, failed, holds, on_all_brokers, same};
use crate::suite::stage::BROKERS;

/// To any broker, to each, to a leader, to a coordinator, to the controller.
pub(super) async fn calls_to_everyone<P: Place>(scene: Scene<P>) -> Outcome {
    let client = scene.client()?;
    let topic = scene.topic(&client, 3).await?;
    let writer = client.writer(WriterConfig::new(&topic))?;
    writer.write(Record { partition: Some(1), ..Record::new("v") }).await?;

    scene.step("calling each broker");
    let brokers = client.call(Call::new(MetadataRequest::default())).await?.response.brokers;
    let ids: BTreeSet<_> = brokers.iter().map(|broker| broker.node_id).collect();
    same("how many brokers", ids.len(), usize::from(BROKERS))?;
    for id in ids {
        let call = Call::new(MetadataRequest::default()).to(Target::Broker(id)).version(4);
        let answer = client.call(call).await?;
        same("who answered, in which version", (answer.broker, answer.version), (Some(id), 4))?;
    }

    scene.step("calling leaders");
    for (partition, (leader, _)) in (0..).zip(scene.leaders(&client, &topic).await?) {
        let asked = ListOffsetsPartition { partition_index: partition, timestamp: -1, ..Default::default() };
        let asked =
            ListOffsetsTopic { name: topic.as_str().into(), partitions: vec![asked], ..Default::default() };
        let request = ListOffsetsRequest { topics: vec![asked], ..Default::default() };
        let answer = client.call(Call::new(request).to(Target::leader(&topic, partition))).await?;
        same("who answered", answer.broker, Some(leader))?;
        let found = &answer.response.topics[0].partitions[0];
        let wanted = (ErrorCode::NONE, i64::from(partition == 1));
        same("the end", (found.error_code, found.offset), wanted)?;
    }

    scene.step("calling a coordinator");
    let group = scene.name();
    let heartbeat = HeartbeatRequest {
        group_id: group.as_str().into(),
        member_id: "nobody".into(),
        ..Default::default()
    };
    let mut attempts = 0;
    let answer = loop {
        let answer = client.call(Call::new(heartbeat.clone()).to(Target::group(&group))).await?;
        // While it loads what it coordinates, it is content with everybody.
        let loading = answer.response.error_code.is_ok() || answer.response.error_code.is_retriable();
        match loading && attempts < 100 {
            true => attempts += 1,
            false => break answer,
        }
        scene.sleep(Duration::from_millis(100)).await;
    };
    same("a stranger's heartbeat", answer.response.error_code, ErrorCode::UNKNOWN_MEMBER_ID)?;
    let find = Call::by_version(move |version| match version {
        ..4 => FindCoordinatorRequest { key: group.as_str().into(), ..Default::default() },
        _ => FindCoordinatorRequest { coordinator_keys: vec![group.as_str().into()], ..Default::default() },
    });
    let found = client.call(find).await?.response;
    let coordinator = found.coordinators.first().map_or(found.node_id, |coordinator| coordinator.node_id);
    same("who answered", answer.broker, Some(coordinator))
}

/// Created, written to, deleted, and created again with other partitions.
pub(super) async fn topics_come_and_go<P: Place>(scene: Scene<P>) -> Outcome {
    let client = scene.client()?;
    let topic = scene.topic(&client, 1).await?;
    let twice = client.create_topic(on_all_brokers(&topic, 1)).await.err();
    same("creating it twice", twice.as_ref().and_then(code), Some(ErrorCode::TOPIC_ALREADY_EXISTS))?;
    let never = client.delete_topic(&scene.name()).await.err();
    same("deleting another", never.as_ref().and_then(code), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))?;
    let writer = client.writer(WriterConfig::new(&topic))?;
    same("the offset", writer.write(Record::new("old")).await?.offset, Some(0))?;

    scene.step("deleting");
    client.delete_topic(&topic).await?;
    let mut attempts = 0;
    // Brokers delete in the background, and until then the name is taken.
    while let Err(error) = client.create_topic(on_all_brokers(&topic, 2)).await {
        attempts += 1;
        let waits = code(&error) == Some(ErrorCode::TOPIC_ALREADY_EXISTS) && attempts < 100;
        holds("creating it again", waits, &error)?;
        scene.sleep(Duration::from_millis(100)).await;
    }
    scene.step("writing to the new one");
    let client = scene.client()?;
    let writer = client.writer(WriterConfig::new(&topic))?;
    for partition in [1, 0] {
        let mut attempts = 0;
        let written = loop {
            match writer.write(Record { partition: Some(partition), ..Record::new("new") }).await {
                // A broker may not have heard yet that there is another of that name.
                Err(error) if attempts < 100 && error.fate == Fate::NotWritten => attempts += 1,
                result => break result?,
            }
            scene.sleep(Duration::from_millis(100)).await;
        };
        same("the place", (written.partition, written.offset), (partition, Some(0)))?;
    }
    let mut messages = scene.read_all(&client, &topic).await?;
    let message = messages.pop().ok_or_else(|| failed("the new topic is empty"))?;
    same("the value", message.value.as_deref(), Some(&b"new"[..]))?;
    same("records in the new topic", messages.len() + 1, 2)
}

/// A writer that had found a partition missing finds it soon after it has come. (Once it never looked again.)
pub(super) async fn a_topic_grows<P: Place>(scene: Scene<P>) -> Outcome {
    let client = scene.client()?;
    let topic = scene.topic(&client, 1).await?;
    let writer = client.writer(WriterConfig::new(&topic))?;
    writer.write(Record::new("v")).await?;
    let record = Record { partition: Some(2), ..Record::new("v") };
    let missing = writer.write(record).await.err().map(|error| error.cause);
    same("a write before", missing, Some(unknown(&topic)))?;
    let grown = CreatePartitionsTopic {
        name: topic.as_str().into(),
        count: 3,
        assignments: None,
        ..Default::default()
    };
    let request = CreatePartitionsRequest { topics: vec![grown], timeout_ms: 10_000, ..Default::default() };
    let answer = client.call(Call::new(request).to(Target::Controller)).await?.response;
    same("its growth", answer.results[0].error_code, ErrorCode::NONE)?;
    scene.step("writing to the new partition");
    for _ in 0..200 {
        match writer.write(record).await {
            Err(error) if error.cause == unknown(&topic) => scene.sleep(Duration::from_millis(100)).await,
            written => return same("the offset", written?.offset, Some(0)),
        }
    }
    Err(failed("the partition is still not known"))
}

fn unknown(topic: &str) -> Error {
    Error::UnknownPartition { topic: topic.to_owned(), partition: 2, partitions: 1 }
}
