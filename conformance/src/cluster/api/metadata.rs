//! Metadata: brokers, topics, leaders.

use std::collections::BTreeSet;

use milena_core::protocol::metadata::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use milena_core::protocol::{BrokerId, ErrorCode, MetadataRequest, MetadataResponse};
use milena_core::wire::{Str, Uuid};

use super::Call;
use crate::cluster::admin::{CLUSTER, Operation, ResourceType};
use crate::cluster::coordinator::is_internal;
use crate::cluster::partition::Partition;
use crate::cluster::release::Release;
use crate::cluster::state::ClusterState;
use crate::cluster::topic;

/// The first version whose answer may have no name.
const NULLABLE_NAME: i16 = 12;

impl ClusterState {
    pub(super) fn metadata(&mut self, call: &Call, request: MetadataRequest) -> MetadataResponse {
        let asked = match request.topics {
            // Version 0 has no null: an empty list is all topics there.
            Some(topics) if topics.is_empty() && call.version == 0 => None,
            asked => asked,
        };
        let topics = match asked {
            None => {
                let known = self.topics.iter().filter(|(_, topic)| topic.is_known_to(call.broker));
                let names = known.map(|(name, _)| name);
                let visible =
                    names.filter(|name| self.may(call, Operation::Describe, name) || call.forced.is_some());
                visible.map(|name| self.described(call, name)).collect()
            }
            Some(topics) => {
                // A topic named twice is answered once.
                let mut seen = BTreeSet::new();
                let asked =
                    topics.into_iter().filter(|topic| seen.insert((topic.name.clone(), topic.topic_id)));
                let asked: Vec<_> = asked.collect();
                let create = request.allow_auto_topic_creation && self.options.auto_create_topics;
                asked
                    .into_iter()
                    .map(|topic| self.topic_asked(call, topic.name, topic.topic_id, create))
                    .collect()
            }
        };
        let topics = self.with_operations(call, request.include_topic_authorized_operations, topics);
        let listed = self.brokers.iter().filter(|broker| self.is_listed(call.broker, broker.id));
        let brokers = listed.map(|broker| MetadataResponseBroker {
            node_id: broker.id,
            host: broker.host.clone(),
            port: i32::from(broker.port),
            rack: broker.rack.clone(),
            ..Default::default()
        });
        MetadataResponse {
            brokers: brokers.collect(),
            cluster_id: Some(self.cluster_id.to_string().into()),
            controller_id: self.controller(),
            topics,
            cluster_authorized_operations: match request.include_cluster_authorized_operations {
                true => self.cluster_operations(call),
                false => i32::MIN,
            },
            ..Default::default()
        }
    }

    /// Adds what the connection may do with each topic that it may see (KIP-430), be it there or not.
    fn with_operations(
        &self,
        call: &Call,
        wanted: bool,
        mut topics: Vec<MetadataResponseTopic>,
    ) -> Vec<MetadataResponseTopic> {
        let hidden = [ErrorCode::TOPIC_AUTHORIZATION_FAILED, ErrorCode::UNKNOWN_TOPIC_ID];
        let seen = topics.iter_mut().filter(|topic| !hidden.contains(&topic.error_code));
        for topic in seen.filter(|_| wanted && call.forced.is_none()) {
            let name = topic.name.as_deref().unwrap_or_default();
            topic.topic_authorized_operations = self.authorized_operations(call, ResourceType::Topic, name);
        }
        topics
    }

    /// What the connection may do with the cluster; nothing is told to those who may not describe it.
    pub(in crate::cluster) fn cluster_operations(&self, call: &Call) -> i32 {
        match self.authorize(call, Operation::Describe, ResourceType::Cluster, CLUSTER) {
            true => self.authorized_operations(call, ResourceType::Cluster, CLUSTER),
            false => 0,
        }
    }

    /// The first broker that is alive.
    pub(in crate::cluster) fn controller(&self) -> BrokerId {
        let alive = self.brokers.iter().find(|broker| self.is_alive(broker.id));
        alive.map_or(BrokerId::NONE, |broker| broker.id)
    }

    fn topic_asked(
        &mut self,
        call: &Call,
        name: Option<Str>,
        id: Uuid,
        create: bool,
    ) -> MetadataResponseTopic {
        // An id counts, even where there is an empty name beside it.
        let Some(name) = name.filter(|_| id.is_zero()) else {
            return match self.topic_name(call, true, &Str::default(), &id) {
                Ok(name) if self.may(call, Operation::Describe, &name) => self.described(call, &name),
                Ok(_) => unknown(call, None, id, ErrorCode::TOPIC_AUTHORIZATION_FAILED),
                Err(code) => unknown(call, None, id, code),
            };
        };
        if !self.may(call, Operation::Describe, &name) {
            return unknown(call, Some(name), Uuid::default(), ErrorCode::TOPIC_AUTHORIZATION_FAILED);
        }
        if self.known_topic(call.broker, &name).is_some() {
            return self.described(call, &name);
        }
        let may_create = || {
            self.authorize(call, Operation::Create, ResourceType::Cluster, CLUSTER)
                || self.may(call, Operation::Create, &name)
        };
        if create && !may_create() {
            return unknown(call, Some(name), Uuid::default(), ErrorCode::TOPIC_AUTHORIZATION_FAILED);
        }
        let code = match topic::check_name(&name) {
            Err(error) => error.code,
            // A new topic is answered with an error once, as its leaders are not known yet.
            Ok(()) if create && call.forced.is_none() => match self.create_topic(&name, -1) {
                Err(error) if error.code != ErrorCode::TOPIC_ALREADY_EXISTS => error.code,
                _ if self.options.as_version >= Release::V3_0 => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                _ => ErrorCode::LEADER_NOT_AVAILABLE,
            },
            Ok(()) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        };
        unknown(call, Some(name), Uuid::default(), code)
    }

    fn may(&self, call: &Call, operation: Operation, topic: &str) -> bool {
        self.authorize(call, operation, ResourceType::Topic, topic)
    }

    fn described(&self, call: &Call, name: &Str) -> MetadataResponseTopic {
        let Some(topic) = self.known_topic(call.broker, name) else {
            return unknown(call, Some(name.clone()), Uuid::default(), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        };
        if let Some(code) = call.forced {
            return unknown(call, Some(name.clone()), topic.id, code);
        }
        let partitions = topic
            .known_to(call.broker)
            .zip(0..)
            .map(|(partition, index)| self.leadership(call, partition, index));
        MetadataResponseTopic {
            name: Some(name.clone()),
            topic_id: topic.id,
            is_internal: is_internal(name),
            partitions: partitions.collect(),
            ..Default::default()
        }
    }

    pub(in crate::cluster) fn leadership(
        &self,
        call: &Call,
        partition: &Partition,
        partition_index: i32,
    ) -> MetadataResponsePartition {
        let belief = partition.belief(call.broker);
        let leaderless = belief.leader == BrokerId::NONE;
        let offline =
            partition.replicas.iter().copied().filter(|replica| !self.is_listed(call.broker, *replica));
        MetadataResponsePartition {
            error_code: if leaderless { ErrorCode::LEADER_NOT_AVAILABLE } else { ErrorCode::NONE },
            partition_index,
            leader_id: belief.leader,
            leader_epoch: belief.epoch,
            replica_nodes: partition.replicas.clone().into(),
            isr_nodes: belief.in_sync.clone().into(),
            offline_replicas: offline.collect(),
            ..Default::default()
        }
    }

    /// Whether `broker` takes another for alive: who is cut off hears of no failure.
    fn is_listed(&self, broker: BrokerId, other: BrokerId) -> bool {
        self.is_isolated(broker) || self.broker(other).is_some_and(|known| !known.fenced)
    }
}

fn unknown(call: &Call, name: Option<Str>, topic_id: Uuid, error_code: ErrorCode) -> MetadataResponseTopic {
    let name = name.or((call.version < NULLABLE_NAME).then(Str::default));
    let error_code = call.forced.unwrap_or(error_code);
    MetadataResponseTopic { error_code, name, topic_id, ..Default::default() }
}
