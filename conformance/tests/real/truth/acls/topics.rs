//! Topics: written, read, described, configured, created and deleted.

use milena_conformance::cluster::Release;
use milena_core::protocol::alter_configs::AlterConfigsResource;
use milena_core::protocol::create_partitions::CreatePartitionsTopic;
use milena_core::protocol::create_topics::{CreatableTopic, CreatableTopicConfig};
use milena_core::protocol::delete_records::{DeleteRecordsPartition, DeleteRecordsTopic};
use milena_core::protocol::delete_topics::DeleteTopicState;
use milena_core::protocol::describe_configs::DescribeConfigsResource;
use milena_core::protocol::describe_producers::TopicRequest;
use milena_core::protocol::describe_topic_partitions::TopicRequest as DescribedTopic;
use milena_core::protocol::metadata::MetadataRequestTopic;
use milena_core::protocol::offset_for_leader_epoch::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use milena_core::protocol::*;

use super::super::log;
use super::super::peer::{Peer, produce};
use super::{TOPIC, Topic, enforce, ruled_topics};

pub(super) fn topics(peer: &mut Peer) {
    let names = ["acl-open", "acl-seen", "acl-shut", "acl-missing", "acl-unknown"];
    let (topics, made) = ruled_topics(peer, names);
    enforce(peer, made, "acl-sentinel");
    let release = peer.release;
    for topic in topics {
        let name = topic.0;
        peer.each(&format!("write to {name}"), 3, |_| produce(topic, 0, -1, log::batch(&["a"])));
        peer.each(&format!("read {name}"), 4, |_| log::fetch(topic, &[(0, 0)]));
        peer.each(&format!("metadata of {name}"), 4, |_| log::metadata(name));
        peer.each(&format!("metadata of {name}, with operations"), 8, |version| MetadataRequest {
            include_topic_authorized_operations: true,
            include_cluster_authorized_operations: version < 11,
            ..log::metadata(name)
        });
        peer.each(&format!("list {name}"), 1, |_| log::list(name, -1));
        peer.each(&format!("epoch of {name}"), 0, |_| epoch(&[name]));
        peer.each(&format!("producers of {name}"), 0, |_| producers(name));
        peer.each(&format!("configuration of {name}"), 0, |_| configuration(TOPIC, name));
        peer.each(&format!("configure {name}"), 0, |_| configure(TOPIC, name));
        peer.each(&format!("configure {name} more"), 0, |_| configure_more(TOPIC, name));
        peer.each(&format!("delete records of {name}"), 0, |_| delete_records(name));
        peer.each(&format!("partitions of {name}"), 0, |_| DescribeTopicPartitionsRequest {
            topics: vec![DescribedTopic { name: name.into(), ..Default::default() }],
            response_partition_limit: 100,
            ..Default::default()
        });
        peer.each(&format!("more partitions for {name}"), 0, |_| more_partitions(name));
        peer.each(&format!("create {name}"), 5, |_| create(name, release));
    }
    let by_id = |topic: Topic| MetadataRequest {
        topics: Some(vec![MetadataRequestTopic { topic_id: topic.1, name: None, ..Default::default() }]),
        ..Default::default()
    };
    for topic in topics {
        peer.each(&format!("metadata of {}, by id", topic.0), 12, |_| by_id(topic));
    }
    peer.each("epochs", 0, |_| epoch(&names));
    let mut writes = produce(topics[2], 0, -1, log::batch(&["a"]));
    writes.topic_data.extend(produce(topics[0], 0, -1, log::batch(&["b"])).topic_data);
    peer.each("write to two", 3, |_| writes.clone());
    for topic in topics {
        peer.each(&format!("delete {}", topic.0), 5, |version| delete(topic, version < 6));
    }
    peer.each("delete by id what may not be known of", 6, |_| delete_by_id(topics[2]));
}

pub(super) fn epoch(names: &[&str]) -> OffsetForLeaderEpochRequest {
    let topic = |name: &&str| OffsetForLeaderTopic {
        topic: (*name).into(),
        partitions: vec![OffsetForLeaderPartition::default()],
        ..Default::default()
    };
    OffsetForLeaderEpochRequest { topics: names.iter().map(topic).collect(), ..Default::default() }
}

fn producers(name: &str) -> DescribeProducersRequest {
    let topic = TopicRequest { name: name.into(), partition_indexes: vec![0].into(), ..Default::default() };
    DescribeProducersRequest { topics: vec![topic], ..Default::default() }
}

pub(super) fn configuration(resource_type: i8, name: &str) -> DescribeConfigsRequest {
    let resource = DescribeConfigsResource {
        resource_type,
        resource_name: name.into(),
        configuration_keys: Some(vec!["retention.ms".into()]),
        ..Default::default()
    };
    DescribeConfigsRequest { resources: vec![resource], ..Default::default() }
}

pub(super) fn configure(resource_type: i8, name: &str) -> AlterConfigsRequest {
    let resource = AlterConfigsResource { resource_type, resource_name: name.into(), ..Default::default() };
    AlterConfigsRequest { resources: vec![resource], validate_only: true, ..Default::default() }
}

pub(super) fn configure_more(resource_type: i8, name: &str) -> IncrementalAlterConfigsRequest {
    let resource = incremental_alter_configs::AlterConfigsResource {
        resource_type,
        resource_name: name.into(),
        ..Default::default()
    };
    IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: true, ..Default::default() }
}

fn delete_records(name: &str) -> DeleteRecordsRequest {
    let topic = DeleteRecordsTopic {
        name: name.into(),
        partitions: vec![DeleteRecordsPartition { offset: 0, ..Default::default() }],
        ..Default::default()
    };
    DeleteRecordsRequest { topics: vec![topic], timeout_ms: 5_000, ..Default::default() }
}

fn more_partitions(name: &str) -> CreatePartitionsRequest {
    let topic =
        CreatePartitionsTopic { name: name.into(), count: 2, assignments: None, ..Default::default() };
    CreatePartitionsRequest {
        topics: vec![topic],
        timeout_ms: 5_000,
        validate_only: true,
        ..Default::default()
    }
}

pub(super) fn create(name: &str, release: Release) -> CreateTopicsRequest {
    // The simulated brokers have limits of their own, and one default for all releases; and since 4.1 a cluster has some.
    let configs =
        [("retention.bytes", "-1"), ("min.insync.replicas", "1"), ("message.format.version", "2.8-IV1")];
    let has = |name: &str| name != "message.format.version" || release < Release::V3_0;
    let config = |(name, value): (&str, &str)| CreatableTopicConfig {
        name: name.into(),
        value: Some(value.into()),
        ..Default::default()
    };
    let topic = CreatableTopic {
        name: name.into(),
        num_partitions: 1,
        replication_factor: 1,
        configs: configs.iter().copied().filter(|(name, _)| has(name)).map(config).collect(),
        ..Default::default()
    };
    CreateTopicsRequest { topics: vec![topic], timeout_ms: 5_000, validate_only: true, ..Default::default() }
}

pub(super) fn delete(topic: Topic, old: bool) -> DeleteTopicsRequest {
    let request = DeleteTopicsRequest { timeout_ms: 5_000, ..Default::default() };
    match old {
        true => DeleteTopicsRequest { topic_names: vec![topic.0.into()], ..request },
        false => {
            let topic = DeleteTopicState { name: Some(topic.0.into()), ..Default::default() };
            DeleteTopicsRequest { topics: vec![topic], ..request }
        }
    }
}

pub(super) fn delete_by_id(topic: Topic) -> DeleteTopicsRequest {
    let topic = DeleteTopicState { topic_id: topic.1, ..Default::default() };
    DeleteTopicsRequest { topics: vec![topic], timeout_ms: 5_000, ..Default::default() }
}
