//! What a real leader answers when something goes wrong between its append and the in-sync replicas: that, and the offset.

use std::time::Duration;

use milena_conformance::kafka::{Kafka, available_for};
use milena_core::protocol::alter_partition_reassignments::{ReassignablePartition, ReassignableTopic};
use milena_core::protocol::create_topics::{CreatableReplicaAssignment, CreatableTopic};
use milena_core::protocol::elect_leaders::TopicPartitions;
use milena_core::protocol::produce::{PartitionProduceData, PartitionProduceResponse};
use milena_core::protocol::*;
use milena_core::record::{BatchBuilder, Compression, Producer};
use milena_core::{Call, Target};

use crate::calls::{Named, connect, produce};

const TOPIC: &str = "after-append";
/// The last version that names topics.
const VERSION: i16 = 12;

/// Writes a record at broker 1 with acks=all, which waits so long.
fn write(client: &milena_blocking::Client, timeout_ms: i32) -> PartitionProduceResponse {
    let mut builder = BatchBuilder::with_capacity(128);
    builder.append(1_700_000_000_000, None, Some(b"v"), &[]);
    let records = Some(builder.seal(Compression::None, Producer::NONE).unwrap());
    let topic = Named { name: TOPIC.to_owned(), ..Default::default() };
    let data = PartitionProduceData { index: 0, records, ..Default::default() };
    let request = ProduceRequest { timeout_ms, ..produce(-1, topic.produce(VERSION, vec![data])) };
    let call = Call::from(request).to(Target::Broker(BrokerId(1))).version(VERSION);
    let mut response = client.call(call).unwrap().response;
    response.responses.remove(0).partition_responses.remove(0)
}

fn quorum() -> DescribeQuorumRequest {
    let partitions = vec![describe_quorum::PartitionData::default()];
    let topic = describe_quorum::TopicData {
        topic_name: "__cluster_metadata".into(),
        partitions,
        ..Default::default()
    };
    DescribeQuorumRequest { topics: vec![topic], ..Default::default() }
}

fn told(answer: &PartitionProduceResponse) -> (ErrorCode, i64) {
    (answer.error_code, answer.base_offset)
}

#[test]
fn errors_after_the_append_come_with_the_offset() {
    if !available_for("errors after an append") {
        return;
    }
    // A node that says nothing stays in sync as long as this test takes.
    let kafka = Kafka::builder().version("4.3.1").nodes(3).property("broker.session.timeout.ms", "60000");
    let mut kafka = kafka.start().unwrap();
    let client = connect(&kafka);
    // The controller is to stay awake.
    let quorum = client.call(quorum()).unwrap().response;
    let controller = quorum.topics[0].partitions[0].leader_id;
    let (second, silent) = if controller == BrokerId(3) { (3, 2) } else { (2, 3) };
    let brokers = |ids: [i32; 3]| ids.map(BrokerId).into_iter().collect();
    let assignment = CreatableReplicaAssignment {
        partition_index: 0,
        broker_ids: brokers([1, second, silent]),
        ..Default::default()
    };
    let topic = CreatableTopic {
        name: TOPIC.into(),
        num_partitions: -1,
        replication_factor: -1,
        assignments: vec![assignment],
        ..Default::default()
    };
    let create = CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, ..Default::default() };
    let created = client.call(Call::from(create).to(Target::Controller)).unwrap().response;
    assert_eq!(created.topics[0].error_code, ErrorCode::NONE);
    // New leaders take a moment.
    let first = (0..100).map(|_| write(&client, 10_000)).find(|answer| {
        std::thread::sleep(Duration::from_millis(if answer.error_code.is_ok() { 0 } else { 100 }));
        answer.error_code.is_ok()
    });
    assert_eq!(first.as_ref().map(told), Some((ErrorCode::NONE, 0)));

    // In sync for a while, and silent.
    kafka.pause(silent as usize);
    let late = write(&client, 300);
    assert_eq!(told(&late), (ErrorCode::REQUEST_TIMED_OUT, 1));
    let waiting = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| write(&client, 20_000));
        std::thread::sleep(Duration::from_millis(300));
        let partition =
            ReassignablePartition { replicas: Some(brokers([second, 1, silent])), ..Default::default() };
        let topic =
            ReassignableTopic { name: TOPIC.into(), partitions: vec![partition], ..Default::default() };
        let preferred = AlterPartitionReassignmentsRequest { topics: vec![topic], ..Default::default() };
        client.call(Call::from(preferred).to(Target::Broker(BrokerId(second)))).unwrap();
        let partitions = TopicPartitions {
            topic: TOPIC.into(),
            partitions: [0].into_iter().collect(),
            ..Default::default()
        };
        let elect = ElectLeadersRequest { topic_partitions: Some(vec![partitions]), ..Default::default() };
        let elected = client.call(Call::from(elect).to(Target::Broker(BrokerId(second)))).unwrap().response;
        assert_eq!(elected.replica_election_results[0].partition_result[0].error_code, ErrorCode::NONE);
        waiting.join().unwrap()
    });
    kafka.resume(silent as usize);
    assert_eq!(told(&waiting), (ErrorCode::NOT_LEADER_OR_FOLLOWER, 2));
    // What it refuses at once has none.
    assert_eq!(told(&write(&client, 300)), (ErrorCode::NOT_LEADER_OR_FOLLOWER, -1));
    client.close();
    kafka.stop();
}
