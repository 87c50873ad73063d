//! DescribeTopicPartitions (KIP-966) and DescribeLogDirs.

use std::collections::BTreeSet;

use milena_core::protocol::describe_log_dirs::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use milena_core::protocol::describe_topic_partitions::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use milena_core::protocol::{
    DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse, ErrorCode,
};
use milena_core::wire::Str;

use crate::cluster::admin::{Operation, ResourceType};
use crate::cluster::api::{Call, Outcome};
use crate::cluster::coordinator::is_internal;
use crate::cluster::state::ClusterState;

/// First version whose answer has a code of its own.
const LOG_DIRS_FAIL: i16 = 3;

impl ClusterState {
    pub(in crate::cluster::admin) fn describe_topic_partitions(
        &mut self,
        call: &Call,
        request: DescribeTopicPartitionsRequest,
    ) -> Outcome {
        // Real brokers answer with INVALID_REQUEST, for which the response has no place but its topics.
        let start = match request.cursor {
            Some(cursor) if cursor.partition_index < 0 => return Outcome::Close,
            Some(cursor) => (cursor.topic_name, cursor.partition_index as usize),
            None => (Str::default(), 0),
        };
        let every = request.topics.is_empty();
        let may = |name: &Str| self.authorize(call, Operation::Describe, ResourceType::Topic, name);
        let known = self.topics.iter().filter(|(_, topic)| topic.is_known_to(call.broker));
        let names: BTreeSet<Str> = match every {
            true => known.map(|(name, _)| name).filter(|name| may(name)).cloned().collect(),
            false => request.topics.into_iter().map(|topic| topic.name).collect(),
        };
        let limit = self.broker_config_number("max.request.partition.size.limit");
        let mut left = i64::from(request.response_partition_limit).clamp(1, limit.max(1)) as usize;
        let mut response = DescribeTopicPartitionsResponse::default();
        for name in names.range(start.0.clone()..) {
            if left == 0 {
                let cursor = Cursor { topic_name: name.clone(), partition_index: 0, ..Default::default() };
                response.next_cursor = Some(cursor);
                break;
            }
            let first = if *name == start.0 { start.1 } else { 0 };
            let (topic, next) = self.describe_partitions(call, name, first, left);
            left -= topic.partitions.len().min(left);
            response.topics.push(topic);
            if let Some(partition_index) = next {
                let cursor = Cursor { topic_name: name.clone(), partition_index, ..Default::default() };
                response.next_cursor = Some(cursor);
                break;
            }
        }
        Outcome::Answer(call.answer::<DescribeTopicPartitionsRequest>(response))
    }

    /// Some of a topic's partitions, and the first one left out.
    fn describe_partitions(
        &self,
        call: &Call,
        name: &Str,
        first: usize,
        most: usize,
    ) -> (DescribeTopicPartitionsResponseTopic, Option<i32>) {
        let mut described =
            DescribeTopicPartitionsResponseTopic { name: Some(name.clone()), ..Default::default() };
        let refused = |error_code, described: DescribeTopicPartitionsResponseTopic| {
            (DescribeTopicPartitionsResponseTopic { error_code, ..described }, None)
        };
        if let Err(code) = self.check_access(call, Operation::Describe, ResourceType::Topic, name) {
            return refused(code, described);
        }
        described.topic_authorized_operations = self.authorized_operations(call, ResourceType::Topic, name);
        let Some(topic) = self.known_topic(call.broker, name) else {
            return refused(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, described);
        };
        let partitions =
            topic.known_to(call.broker).zip(0..).skip(first).take(most).map(|(partition, index)| {
                let told = self.leadership(call, partition, index);
                DescribeTopicPartitionsResponsePartition {
                    error_code: told.error_code,
                    partition_index: index,
                    leader_id: told.leader_id,
                    leader_epoch: told.leader_epoch,
                    replica_nodes: told.replica_nodes,
                    isr_nodes: told.isr_nodes,
                    eligible_leader_replicas: Some(Default::default()),
                    last_known_elr: Some(Default::default()),
                    offline_replicas: told.offline_replicas,
                    ..Default::default()
                }
            });
        let next = first.saturating_add(most);
        let next = (next < topic.known_to(call.broker).count()).then_some(next as i32);
        let described = DescribeTopicPartitionsResponseTopic {
            topic_id: topic.id,
            is_internal: is_internal(name),
            partitions: partitions.collect(),
            ..described
        };
        (described, next)
    }

    pub(in crate::cluster::admin) fn describe_log_dirs(
        &mut self,
        call: &Call,
        request: DescribeLogDirsRequest,
    ) -> DescribeLogDirsResponse {
        if let Err((code, _)) = self.check_cluster(call, Operation::Describe) {
            let error_code = if call.version >= LOG_DIRS_FAIL { code } else { ErrorCode::NONE };
            return DescribeLogDirsResponse { error_code, ..Default::default() };
        }
        let wanted = |name: &str, index: i32| {
            request.topics.as_ref().is_none_or(|topics| {
                let mut named = topics.iter().filter(|topic| topic.topic == *name);
                named.any(|topic| topic.partitions.iter().any(|partition| partition == index))
            })
        };
        let topics = self.topics.iter().map(|(name, topic)| {
            let here = topic.partitions.iter().zip(0..).filter(|(partition, index)| {
                partition.replicas.contains(&call.broker) && wanted(name, *index)
            });
            let partitions = here.map(|(partition, partition_index)| DescribeLogDirsPartition {
                partition_index,
                partition_size: partition.main.log.size_bytes() as i64,
                ..Default::default()
            });
            DescribeLogDirsTopic {
                name: name.clone(),
                partitions: partitions.collect(),
                ..Default::default()
            }
        });
        let result = DescribeLogDirsResult {
            log_dir: self.broker_config("log.dir"),
            topics: topics.filter(|topic| !topic.partitions.is_empty()).collect(),
            ..Default::default()
        };
        DescribeLogDirsResponse { results: vec![result], ..Default::default() }
    }
}
