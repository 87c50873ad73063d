//! CreateTopics and DeleteTopics.
//!
//! Rules: everything is done at once, so a request is late only if it gives no time at all. A controller leaves it then; with
//! a ZooKeeper it was done all the same, and only the answer did not wait for it.

use std::collections::{BTreeMap, BTreeSet};

use milena_core::protocol::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfigs, CreatableTopicResult,
};
use milena_core::protocol::delete_topics::{DeletableTopicResult, DeleteTopicState};
use milena_core::protocol::{
    BrokerId, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse, ErrorCode,
};
use milena_core::wire::{Str, Uuid};

use crate::cluster::admin::{CLUSTER, Operation, Overrides, ResourceType};
use crate::cluster::api::Call;
use crate::cluster::release::Release;
use crate::cluster::state::ClusterState;
use crate::cluster::topic::{MOST_PARTITIONS_CREATED, TopicError};

/// First versions that are refused what exceeds a quota (KIP-599).
const STRICT_CREATE: i16 = 6;
const STRICT_DELETE: i16 = 5;

/// What was created, or would have been.
struct Created {
    id: Uuid,
    partitions: usize,
    replicas: usize,
    configs: Overrides,
}

impl ClusterState {
    pub(in crate::cluster::admin) fn create_topics(
        &mut self,
        call: &Call,
        request: CreateTopicsRequest,
    ) -> CreateTopicsResponse {
        let mut times_named: BTreeMap<Str, u32> = BTreeMap::new();
        for topic in &request.topics {
            *times_named.entry(topic.name.clone()).or_default() += 1;
        }
        let mut budget = MOST_PARTITIONS_CREATED;
        let mut answered = BTreeSet::new();
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in request.topics {
            // While there was a ZooKeeper each of those named twice was answered.
            if !answered.insert(topic.name.clone()) && self.options.as_version >= Release::V3_0 {
                continue;
            }
            let created = match times_named.get(&topic.name) {
                Some(1) => self
                    .check_may_create(call, &topic.name)
                    .and_then(|()| self.check_given_time(request.timeout_ms))
                    .and_then(|()| self.create_one(call, &topic, request.validate_only, &mut budget))
                    .and_then(|created| {
                        self.check_waited(request.timeout_ms, request.validate_only).map(|()| created)
                    }),
                _ => Err(TopicError::new(ErrorCode::INVALID_REQUEST, "Duplicate topic name.")),
            };
            topics.push(match created {
                Ok(created) => self.told(call, topic.name, created),
                Err(error) => CreatableTopicResult {
                    name: topic.name,
                    error_code: error.code,
                    error_message: Some(error.message.into()),
                    configs: Some(Vec::new()),
                    ..Default::default()
                },
            });
        }
        let throttle_time_ms = self.throttle_time_ms(call.conn);
        CreateTopicsResponse { throttle_time_ms, topics, ..Default::default() }
    }

    /// A created topic; what it is like is for those to know who may read configurations.
    fn told(&self, call: &Call, name: Str, created: Created) -> CreatableTopicResult {
        let result = CreatableTopicResult {
            topic_id: created.id,
            error_message: None,
            configs: Some(Vec::new()),
            ..Default::default()
        };
        if !self.authorize(call, Operation::DescribeConfigs, ResourceType::Topic, &name) {
            let topic_config_error_code = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
            return CreatableTopicResult { name, topic_config_error_code, ..result };
        }
        let configs = match call.version {
            ..5 => Vec::new(),
            _ => self.told_topic_configs(&created.configs),
        };
        let configs = configs.into_iter().map(|(name, value, config_source)| CreatableTopicConfigs {
            name,
            value,
            config_source,
            ..Default::default()
        });
        CreatableTopicResult {
            name,
            num_partitions: created.partitions as i32,
            replication_factor: created.replicas as i16,
            configs: Some(configs.collect()),
            ..result
        }
    }

    /// Whether a request that gives no time is served.
    pub(super) fn check_given_time(&self, timeout_ms: i32) -> Result<(), TopicError> {
        match timeout_ms <= 0 && self.options.as_version >= Release::V3_0 {
            true => Err(late()),
            false => Ok(()),
        }
    }

    /// Whether the answer to a request waits for what was done.
    pub(super) fn check_waited(&self, timeout_ms: i32, validate_only: bool) -> Result<(), TopicError> {
        match timeout_ms <= 0 && !validate_only {
            true => Err(late()),
            false => Ok(()),
        }
    }

    /// Whether a topic may be created, as far as its name goes.
    fn check_may_create(&self, call: &Call, name: &str) -> Result<(), TopicError> {
        self.check_controller(call)?;
        if name == "__cluster_metadata" {
            let message = "Creation of internal topic __cluster_metadata is prohibited.";
            return Err(TopicError::new(ErrorCode::INVALID_REQUEST, message));
        }
        let may = |resource, name| self.authorize(call, Operation::Create, resource, name);
        match may(ResourceType::Cluster, CLUSTER) || may(ResourceType::Topic, name) {
            true => Ok(()),
            false => Err(TopicError::new(ErrorCode::TOPIC_AUTHORIZATION_FAILED, "Authorization failed.")),
        }
    }

    fn create_one(
        &mut self,
        call: &Call,
        topic: &CreatableTopic,
        validate_only: bool,
        budget: &mut usize,
    ) -> Result<Created, TopicError> {
        let assignment = if topic.assignments.is_empty() {
            let defaults_allowed = self.options.as_version >= Release::V2_4;
            if topic.num_partitions == -1 && !defaults_allowed {
                return Err(TopicError::new(
                    ErrorCode::INVALID_PARTITIONS,
                    "Number of partitions must be larger than 0.",
                ));
            }
            if topic.replication_factor == -1 && !defaults_allowed {
                let message = "Replication factor must be larger than 0.";
                return Err(TopicError::new(ErrorCode::INVALID_REPLICATION_FACTOR, message));
            }
            self.plan_topic(&topic.name, topic.num_partitions, topic.replication_factor)?
        } else {
            self.check_new_name(&topic.name)?;
            self.manual_assignment(topic)?
        };
        *budget = budget.checked_sub(assignment.len()).ok_or_else(|| {
            TopicError::new(
                ErrorCode::POLICY_VIOLATION,
                "Excessively large number of partitions per request.",
            )
        })?;
        self.count_mutations(call, assignment.len(), call.version >= STRICT_CREATE)
            .map_err(|(code, message)| TopicError::new(code, message))?;
        let configs = topic.configs.iter().map(|config| (&config.name, config.value.as_ref()));
        let configs =
            self.topic_overrides(configs).map_err(|(code, message)| TopicError::new(code, message))?;
        let (partitions, replicas) = (assignment.len(), assignment.first().map_or(0, Vec::len));
        let id = match validate_only {
            true if self.options.as_version < Release::V3_0 => Uuid::default(),
            // Controllers do all but keep it.
            true => self.random_uuid(),
            false => {
                let id = self.insert_topic(&topic.name, assignment, self.default_settings());
                self.configure_topic(&topic.name, configs.clone());
                self.announce(&topic.name, 0);
                self.on_leaders_changed();
                id
            }
        };
        Ok(Created { id, partitions, replicas, configs })
    }

    /// Brokers of a cluster without ZooKeeper forward to the controller; the others leave that to the client.
    pub(in crate::cluster::admin) fn check_controller(&self, call: &Call) -> Result<(), TopicError> {
        if let Some(code) = call.forced {
            return Err(TopicError::new(code, code.name()));
        }
        if self.options.as_version < Release::V3_0 && self.controller() != call.broker {
            let message = "This is not the correct controller for this cluster.";
            return Err(TopicError::new(ErrorCode::NOT_CONTROLLER, message));
        }
        Ok(())
    }

    fn manual_assignment(&self, topic: &CreatableTopic) -> Result<Vec<Vec<BrokerId>>, TopicError> {
        let invalid = |message: String| TopicError::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message);
        if topic.replication_factor != -1 || topic.num_partitions != -1 {
            let field =
                if topic.replication_factor != -1 { "replication factor" } else { "number of partitions" };
            let message =
                format!("A manual partition assignment was specified, but {field} was not set to -1.");
            return Err(TopicError::new(ErrorCode::INVALID_REQUEST, message));
        }
        let mut assigned: Vec<&CreatableReplicaAssignment> = topic.assignments.iter().collect();
        assigned.sort_by_key(|assignment| assignment.partition_index);
        let replicas = assigned.first().map_or(0, |first| first.broker_ids.len());
        for (assignment, expected) in assigned.iter().zip(0..) {
            if assignment.partition_index != expected {
                return Err(invalid(
                    "partitions should be a consecutive 0-based integer sequence".to_owned(),
                ));
            }
            let distinct: BTreeSet<_> = assignment.broker_ids.iter().collect();
            if assignment.broker_ids.is_empty() || distinct.len() != assignment.broker_ids.len() {
                return Err(invalid(format!(
                    "The replicas of partition {expected} are none, or one of them twice."
                )));
            }
            if assignment.broker_ids.len() != replicas {
                return Err(invalid(format!(
                    "Partition {expected} has another number of replicas than partition 0."
                )));
            }
            let exists = |id: &&BrokerId| self.broker(**id).is_some();
            if let Some(stranger) = assignment.broker_ids.iter().find(|id| !exists(&id)) {
                return Err(invalid(format!(
                    "The manual partition assignment includes broker {stranger}, unknown."
                )));
            }
        }
        Ok(assigned.into_iter().map(|assignment| assignment.broker_ids.iter().collect()).collect())
    }

    pub(in crate::cluster::admin) fn delete_topics(
        &mut self,
        call: &Call,
        request: DeleteTopicsRequest,
    ) -> DeleteTopicsResponse {
        let by_name = request.topic_names.into_iter();
        let asked = by_name.map(|name| DeleteTopicState { name: Some(name), ..Default::default() });
        let asked: Vec<_> = if call.version >= 6 { request.topics } else { asked.collect() };
        let responses = asked.into_iter().map(|topic| self.delete_one(call, topic, request.timeout_ms));
        let responses = responses.collect();
        let throttle_time_ms = self.throttle_time_ms(call.conn);
        DeleteTopicsResponse { throttle_time_ms, responses, ..Default::default() }
    }

    fn delete_one(&mut self, call: &Call, asked: DeleteTopicState, timeout_ms: i32) -> DeletableTopicResult {
        let is_either = asked.name.is_some() == asked.topic_id.is_zero();
        let checked =
            self.check_controller(call).and_then(|()| self.check_deletes(call)).and_then(
                |()| match is_either {
                    true => self.check_given_time(timeout_ms),
                    false => Ok(()),
                },
            );
        let (name, deletable) = match checked {
            Ok(()) => self.deletable(call, &asked),
            Err(error) => (asked.name, Err(error)),
        };
        let deleted = deletable.and_then(|(name, id)| {
            let partitions = self.topics.get(&*name).map_or(0, |topic| topic.partitions.len());
            self.count_mutations(call, partitions, call.version >= STRICT_DELETE)
                .map_err(|(code, message)| TopicError::new(code, message))?;
            self.remove_topic(&name);
            self.check_waited(timeout_ms, false).map(|()| id)
        });
        let error = deleted.as_ref().err();
        DeletableTopicResult {
            name,
            topic_id: deleted.as_ref().map_or(asked.topic_id, |id| *id),
            error_code: error.map_or(ErrorCode::NONE, |error| error.code),
            error_message: error.map(|error| error.message.as_str().into()),
            ..Default::default()
        }
    }

    fn check_deletes(&self, call: &Call) -> Result<(), TopicError> {
        if self.broker_config("delete.topic.enable") != *"false" {
            return Ok(());
        }
        let code = match call.version {
            ..3 => ErrorCode::INVALID_REQUEST,
            _ => ErrorCode::TOPIC_DELETION_DISABLED,
        };
        Err(TopicError::new(code, "Topic deletion is disabled."))
    }

    /// What is to be deleted, and the name to answer with: those who may not describe a topic are not told the name of an id.
    fn deletable(
        &self,
        call: &Call,
        asked: &DeleteTopicState,
    ) -> (Option<Str>, Result<(Str, Uuid), TopicError>) {
        let invalid = |why: &str| Err(TopicError::new(ErrorCode::INVALID_REQUEST, why));
        let (name, id) = match (&asked.name, asked.topic_id.is_zero()) {
            (Some(name), false) => {
                return (Some(name.clone()), invalid("You may not specify both topic name and topic id."));
            }
            (None, true) => return (None, invalid("Neither topic name nor id were specified.")),
            (Some(name), true) => (name, self.topics.get(&**name).map(|topic| topic.id)),
            (None, false) => match self.topic_names.get(&asked.topic_id) {
                Some(name) => (name, Some(asked.topic_id)),
                None => return (None, Err(unknown(ErrorCode::UNKNOWN_TOPIC_ID))),
            },
        };
        let by_controller = self.options.as_version >= Release::V3_0;
        let every = by_controller && self.authorize(call, Operation::Delete, ResourceType::Cluster, CLUSTER);
        let may = |operation| every || self.authorize(call, operation, ResourceType::Topic, name);
        let (describes, deletes) = (may(Operation::Describe), may(Operation::Delete));
        let told = asked.name.clone().or_else(|| describes.then(|| name.clone()));
        let deletable = match id {
            // Who may not describe a topic is not told whether it is there.
            _ if !describes || !by_controller && !deletes => Err(unauthorized()),
            None => Err(unknown(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)),
            Some(_) if !deletes => Err(unauthorized()),
            Some(id) => Ok((name.clone(), id)),
        };
        (told, deletable)
    }
}

fn late() -> TopicError {
    TopicError::new(ErrorCode::REQUEST_TIMED_OUT, "The request timed out.")
}

fn unauthorized() -> TopicError {
    TopicError::new(ErrorCode::TOPIC_AUTHORIZATION_FAILED, "Topic authorization failed.")
}

fn unknown(code: ErrorCode) -> TopicError {
    let message = match code {
        ErrorCode::UNKNOWN_TOPIC_ID => "This server does not host this topic ID.",
        _ => "This server does not host this topic-partition.",
    };
    TopicError::new(code, message)
}
