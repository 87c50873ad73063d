//! ElectLeaders, AlterPartitionReassignments and ListPartitionReassignments.
//!
//! Rule: replicas have every record, so partitions move to other brokers at once, and none is ever on its way.

use milena_core::protocol::alter_partition_reassignments::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use milena_core::protocol::elect_leaders::{PartitionResult, ReplicaElectionResult};
use milena_core::protocol::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, BrokerId, ElectLeadersRequest,
    ElectLeadersResponse, ErrorCode, ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};
use milena_core::wire::Str;

use crate::cluster::admin::{Operation, Refusal};
use crate::cluster::api::Call;
use crate::cluster::partition::Partition;
use crate::cluster::state::ClusterState;

/// An election type: any replica that is up, even if it lacks records. The other is the preferred leader, the first replica.
const UNCLEAN: i8 = 1;

impl ClusterState {
    /// Whether a request about all partitions can be served here.
    fn check_partitions(&self, call: &Call, operation: Operation) -> Result<(), Refusal> {
        self.check_cluster(call, operation)?;
        self.check_controller(call).map_err(|error| (error.code, error.message))
    }

    pub(in crate::cluster::admin) fn elect_leaders(
        &mut self,
        call: &Call,
        request: ElectLeadersRequest,
    ) -> ElectLeadersResponse {
        let checked = self.check_partitions(call, Operation::Alter);
        let every = request.topic_partitions.is_none();
        let all = || {
            let of_topic = |(name, topic): (&Str, &crate::cluster::topic::Topic)| {
                (name.clone(), (0..topic.partitions.len() as i32).collect::<Vec<_>>())
            };
            self.topics.iter().map(of_topic).collect::<Vec<_>>()
        };
        let asked = match &request.topic_partitions {
            None => all(),
            Some(topics) => {
                topics.iter().map(|topic| (topic.topic.clone(), topic.partitions.iter().collect())).collect()
            }
        };
        let code = checked.as_ref().err().map_or(ErrorCode::NONE, |(code, _)| *code);
        // Version 0 has only the partitions' codes.
        let error_code = if call.version >= 1 { code } else { ErrorCode::NONE };
        if every && code != ErrorCode::NONE {
            return ElectLeadersResponse { error_code, ..Default::default() };
        }
        let mut results = Vec::with_capacity(asked.len());
        for (name, indexes) in asked {
            let elected = indexes.into_iter().map(|index| {
                let elected = checked
                    .clone()
                    .and_then(|()| self.elect_asked(&name, index, request.election_type == UNCLEAN));
                (index, elected)
            });
            // Who asks for all is not told of those that have the right leader already.
            let told = elected.filter(|(_, elected)| {
                !every || !matches!(elected, Err((ErrorCode::ELECTION_NOT_NEEDED, _)))
            });
            let partition_result = told.map(|(partition_id, elected)| PartitionResult {
                partition_id,
                error_code: elected.as_ref().err().map_or(ErrorCode::NONE, |(code, _)| *code),
                error_message: elected.err().map(|(_, message)| message.into()),
                ..Default::default()
            });
            let partition_result: Vec<_> = partition_result.collect();
            if !partition_result.is_empty() {
                results.push(ReplicaElectionResult { topic: name, partition_result, ..Default::default() });
            }
        }
        self.on_leaders_changed();
        ElectLeadersResponse { error_code, replica_election_results: results, ..Default::default() }
    }

    fn elect_asked(&mut self, name: &str, index: i32, unclean: bool) -> Result<(), Refusal> {
        let up = self.alive();
        let partition = self.named_partition(name, index)?;
        let needless = || {
            Err((
                ErrorCode::ELECTION_NOT_NEEDED,
                "Leader election not needed for topic partition.".to_owned(),
            ))
        };
        let mut candidates = partition.replicas.iter().copied().filter(|id| up.contains(id));
        let leader = match unclean {
            true if partition.now.leader != BrokerId::NONE => return needless(),
            true => candidates.next().ok_or_else(|| {
                let message = "Eligible topic partition leaders are not available.";
                (ErrorCode::ELIGIBLE_LEADERS_NOT_AVAILABLE, message.to_owned())
            })?,
            false => {
                let preferred = partition.replicas.first().copied().unwrap_or(BrokerId::NONE);
                if partition.now.leader == preferred {
                    return needless();
                }
                if !up.contains(&preferred) || !partition.now.in_sync.contains(&preferred) {
                    let message = "The preferred leader was not available.";
                    return Err((ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE, message.to_owned()));
                }
                preferred
            }
        };
        self.elect(&(name.into(), index), leader);
        Ok(())
    }

    fn named_partition(&mut self, name: &str, index: i32) -> Result<&mut Partition, Refusal> {
        let unknown = |what: String| (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, what);
        let topic = self.topics.get_mut(name).ok_or_else(|| unknown(format!("No such topic as {name}")))?;
        topic.partition_mut(index).ok_or_else(|| unknown(format!("No such partition as {name}-{index}")))
    }

    pub(in crate::cluster::admin) fn alter_partition_reassignments(
        &mut self,
        call: &Call,
        request: AlterPartitionReassignmentsRequest,
    ) -> AlterPartitionReassignmentsResponse {
        if let Err((error_code, message)) = self.check_partitions(call, Operation::Alter) {
            return AlterPartitionReassignmentsResponse {
                error_code,
                error_message: Some(message.into()),
                ..Default::default()
            };
        }
        let may_change = request.allow_replication_factor_change;
        let mut responses = Vec::with_capacity(request.topics.len());
        for topic in request.topics {
            let partitions = topic.partitions.iter().map(|asked| {
                let replicas = asked.replicas.as_ref().map(|ids| ids.iter().collect::<Vec<_>>());
                let moved = self.reassign(&topic.name, asked.partition_index, replicas, may_change);
                ReassignablePartitionResponse {
                    partition_index: asked.partition_index,
                    error_code: moved.as_ref().err().map_or(ErrorCode::NONE, |(code, _)| *code),
                    error_message: moved.err().map(|(_, message)| message.into()),
                    ..Default::default()
                }
            });
            let partitions = partitions.collect();
            responses.push(ReassignableTopicResponse { name: topic.name, partitions, ..Default::default() });
        }
        self.on_leaders_changed();
        AlterPartitionReassignmentsResponse {
            allow_replication_factor_change: may_change,
            error_message: None,
            responses,
            ..Default::default()
        }
    }

    fn reassign(
        &mut self,
        name: &str,
        index: i32,
        replicas: Option<Vec<BrokerId>>,
        may_change: bool,
    ) -> Result<(), Refusal> {
        let before = self.named_partition(name, index)?.replicas.len();
        let Some(replicas) = replicas else {
            let code = ErrorCode::NO_REASSIGNMENT_IN_PROGRESS;
            return Err((code, "No partition reassignment is in progress.".to_owned()));
        };
        self.check_replicas(&replicas).map_err(|error| (error.code, error.message))?;
        if !may_change && replicas.len() != before {
            let message = format!("The replication factor is changed from {before} to {}", replicas.len());
            return Err((ErrorCode::INVALID_REPLICATION_FACTOR, message));
        }
        let up: Vec<BrokerId> = replicas.iter().copied().filter(|id| self.is_alive(*id)).collect();
        let Some(first) = up.first().copied() else {
            // A real cluster would wait for one of them.
            let message = "None of the new replicas is up.";
            return Err((ErrorCode::INVALID_REPLICA_ASSIGNMENT, message.to_owned()));
        };
        let partition = self.named_partition(name, index)?;
        up.iter().for_each(|id| partition.add_replica(*id));
        if !up.contains(&partition.now.leader) {
            self.elect(&(name.into(), index), first);
        }
        self.named_partition(name, index)?.keep_replicas(replicas);
        Ok(())
    }

    pub(in crate::cluster::admin) fn list_partition_reassignments(
        &mut self,
        call: &Call,
        _: ListPartitionReassignmentsRequest,
    ) -> ListPartitionReassignmentsResponse {
        let (error_code, error_message) = match self.check_partitions(call, Operation::Describe) {
            Ok(()) => (ErrorCode::NONE, None),
            Err((code, message)) => (code, Some(message.into())),
        };
        ListPartitionReassignmentsResponse { error_code, error_message, ..Default::default() }
    }
}
