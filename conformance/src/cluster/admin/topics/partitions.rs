//! CreatePartitions and DeleteRecords.

use milena_core::protocol::create_partitions::{CreatePartitionsTopic, CreatePartitionsTopicResult};
use milena_core::protocol::delete_records::{
    DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use milena_core::protocol::{
    BrokerId, CreatePartitionsRequest, CreatePartitionsResponse, DeleteRecordsRequest, DeleteRecordsResponse,
    ErrorCode, LeaderEpoch,
};

use crate::cluster::admin::{Operation, ResourceType};
use crate::cluster::api::Call;
use crate::cluster::coordinator::is_internal;
use crate::cluster::partition::Partition;
use crate::cluster::state::ClusterState;
use crate::cluster::topic::{MOST_PARTITIONS_CREATED, TopicError};

/// First version that is refused what exceeds a quota.
const STRICT: i16 = 3;
/// Up to what is written now.
const HIGH_WATERMARK: i64 = -1;

impl ClusterState {
    pub(in crate::cluster::admin) fn create_partitions(
        &mut self,
        call: &Call,
        request: CreatePartitionsRequest,
    ) -> CreatePartitionsResponse {
        let mut results: Vec<CreatePartitionsTopicResult> = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            if results.iter().any(|result| result.name == topic.name) {
                continue;
            }
            let times = request.topics.iter().filter(|other| other.name == topic.name).count();
            let created = match times {
                1 => self.add_to_topic(call, topic, &request),
                _ => Err(TopicError::new(ErrorCode::INVALID_REQUEST, "Duplicate topic name.")),
            };
            results.push(match created {
                Ok(()) => CreatePartitionsTopicResult { name: topic.name.clone(), ..Default::default() },
                Err(error) => CreatePartitionsTopicResult {
                    name: topic.name.clone(),
                    error_code: error.code,
                    error_message: Some(error.message.into()),
                    ..Default::default()
                },
            });
        }
        let throttle_time_ms = self.throttle_time_ms(call.conn);
        CreatePartitionsResponse { throttle_time_ms, results, ..Default::default() }
    }

    fn add_to_topic(
        &mut self,
        call: &Call,
        asked: &CreatePartitionsTopic,
        request: &CreatePartitionsRequest,
    ) -> Result<(), TopicError> {
        self.check_controller(call)?;
        let name = &asked.name;
        if !self.authorize(call, Operation::Alter, ResourceType::Topic, name) {
            let message = "The topic authorization is failed.";
            return Err(TopicError::new(ErrorCode::TOPIC_AUTHORIZATION_FAILED, message));
        }
        self.check_given_time(request.timeout_ms)?;
        let Some(topic) = self.topics.get(&**name) else {
            let message = "This server does not host this topic-partition.";
            return Err(TopicError::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, message));
        };
        let current = topic.partitions.len();
        let wanted = usize::try_from(asked.count).unwrap_or(0);
        let invalid = |message: String| Err(TopicError::new(ErrorCode::INVALID_PARTITIONS, message));
        if wanted == current {
            return invalid(format!("Topic already has {current} partition(s)."));
        }
        if wanted < current {
            return invalid(format!(
                "The topic {name} currently has {current} partition(s); {} would not be an increase.",
                asked.count
            ));
        }
        let added = wanted - current;
        if added > MOST_PARTITIONS_CREATED {
            let message = "Excessively large number of partitions per request.";
            return Err(TopicError::new(ErrorCode::POLICY_VIOLATION, message));
        }
        let replicas = topic.partitions.first().map_or(1, |first| first.replicas.len());
        let assignment = match &asked.assignments {
            Some(given) => {
                if given.len() != added {
                    let message = format!(
                        "Attempted to add {added} additional partition(s), but only {} assignment(s) were specified.",
                        given.len()
                    );
                    return Err(TopicError::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message));
                }
                let given = given.iter().map(|one| one.broker_ids.iter().collect::<Vec<_>>());
                let given: Vec<_> = given.collect();
                given.iter().try_for_each(|ids| self.check_replicas(ids))?;
                given
            }
            None => self.spread(current, added, replicas)?,
        };
        self.count_mutations(call, added, call.version >= STRICT)
            .map_err(|(code, message)| TopicError::new(code, message))?;
        if request.validate_only {
            return Ok(());
        }
        let up = self.alive();
        let new = assignment.into_iter().map(|replicas| Partition::new(replicas, |id| up.contains(&id)));
        let new: Vec<_> = new.collect();
        if let Some(topic) = self.topics.get_mut(&**name) {
            topic.partitions.extend(new);
        }
        self.announce(name, current);
        self.on_leaders_changed();
        self.check_waited(request.timeout_ms, false)
    }

    /// Checks one partition's replicas, as somebody names them.
    pub(super) fn check_replicas(&self, replicas: &[BrokerId]) -> Result<(), TopicError> {
        let invalid = |message: String| Err(TopicError::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message));
        if replicas.is_empty() {
            return invalid("The manual partition assignment includes an empty replica list.".to_owned());
        }
        for (at, id) in replicas.iter().enumerate() {
            if replicas[..at].contains(id) {
                return invalid(format!(
                    "The manual partition assignment includes the broker {id} more than once."
                ));
            }
            if self.broker(*id).is_none() {
                return invalid(format!(
                    "The manual partition assignment includes broker {id}, but no such broker is registered."
                ));
            }
        }
        Ok(())
    }

    /// Replicas for more partitions, on the brokers that are up.
    fn spread(&self, first: usize, count: usize, replicas: usize) -> Result<Vec<Vec<BrokerId>>, TopicError> {
        let up = self.alive();
        if up.len() < replicas {
            let message = format!(
                "Unable to replicate the partition {replicas} time(s): The target replication factor of {replicas} \
                 cannot be reached because only {} broker(s) are registered.",
                up.len()
            );
            return Err(TopicError::new(ErrorCode::INVALID_REPLICATION_FACTOR, message));
        }
        let spread = (first..first + count)
            .map(|partition| (0..replicas).map(|replica| up[(partition + replica) % up.len()]).collect());
        Ok(spread.collect())
    }

    pub(in crate::cluster::admin) fn delete_records(
        &mut self,
        call: &Call,
        request: DeleteRecordsRequest,
    ) -> DeleteRecordsResponse {
        let topics = request.topics.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|asked| {
                let deleted = self.delete_records_of(call, &topic.name, asked);
                DeleteRecordsPartitionResult {
                    partition_index: asked.partition_index,
                    low_watermark: deleted.unwrap_or(-1),
                    error_code: deleted.err().unwrap_or_default(),
                    ..Default::default()
                }
            });
            DeleteRecordsTopicResult {
                partitions: partitions.collect(),
                name: topic.name.clone(),
                ..Default::default()
            }
        });
        let topics = topics.collect();
        self.settle();
        DeleteRecordsResponse { topics, ..Default::default() }
    }

    /// Deletes a partition's first records; the offset of the first one left.
    fn delete_records_of(
        &mut self,
        call: &Call,
        name: &str,
        asked: &DeleteRecordsPartition,
    ) -> Result<i64, ErrorCode> {
        if let Some(code) = call.forced {
            return Err(code);
        }
        if !self.authorize(call, Operation::Delete, ResourceType::Topic, name) {
            return Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
        }
        let topic = self.topics.get_mut(name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        if is_internal(name) {
            return Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
        }
        let deletes = topic.settings.delete;
        let partition =
            topic.partition_mut(asked.partition_index).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        partition.check(call.broker, LeaderEpoch::NONE, true)?;
        if !deletes {
            return Err(ErrorCode::POLICY_VIOLATION);
        }
        let end = partition.main.high_watermark;
        let offset = if asked.offset == HIGH_WATERMARK { end } else { asked.offset };
        if !(0..=end).contains(&offset) {
            return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
        }
        let start = self.delete_records_before(name, asked.partition_index, offset);
        start.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
    }
}
