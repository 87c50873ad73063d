//! Coordinators: which broker serves a group or a transactional id, and what happens when that changes.
//!
//! Rules: a key belongs to one partition of an internal topic, by its hash; that partition's leader is its coordinator.
//! The topic is created when somebody asks for a coordinator for the first time, who is told to come again, as by Kafka.
//! What coordinators know lives in one place and survives all crashes, as if each change were written to every replica
//! before it is answered; but a new leader has to load it first ([`ClusterOptions::coordinator_load`]), and whoever waits
//! at the old one is sent away.
//!
//! [`ClusterOptions::coordinator_load`]: super::ClusterOptions::coordinator_load

use std::collections::BTreeMap;
use std::time::Duration;

use milena_core::protocol::find_coordinator::Coordinator;
use milena_core::protocol::{
    BrokerId, ErrorCode, FindCoordinatorRequest, FindCoordinatorResponse, LeaderEpoch,
};
use milena_core::wire::Str;

use super::admin::{CLUSTER, Operation, ResourceType};
use super::api::Call;
use super::state::ClusterState;

/// `offsets.topic.replication.factor` and its kin, where there are that many brokers.
const MOST_REPLICAS: usize = 3;

/// What a coordinator is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum CoordinatorKind {
    Group,
    Transaction,
    Share,
}

impl CoordinatorKind {
    const ALL: [Self; 3] = [Self::Group, Self::Transaction, Self::Share];

    /// The internal topic whose leaders are the coordinators.
    pub(super) fn topic(self) -> &'static str {
        match self {
            CoordinatorKind::Group => "__consumer_offsets",
            CoordinatorKind::Transaction => "__transaction_state",
            CoordinatorKind::Share => "__share_group_state",
        }
    }

    /// What says how many partitions that topic has.
    fn partitions_config(self) -> &'static str {
        match self {
            CoordinatorKind::Group => "offsets.topic.num.partitions",
            CoordinatorKind::Transaction => "transaction.state.log.num.partitions",
            CoordinatorKind::Share => "share.coordinator.state.topic.num.partitions",
        }
    }
}

/// Whether a topic is the brokers' own.
pub(super) fn is_internal(topic: &str) -> bool {
    CoordinatorKind::ALL.iter().any(|kind| kind.topic() == topic)
}

/// Who coordinates what, as far as anybody has asked.
#[derive(Debug, Default)]
pub(super) struct Coordinators {
    /// The leader of each partition, its epoch, and when it is done with loading.
    seats: BTreeMap<(CoordinatorKind, i32), (BrokerId, LeaderEpoch, Duration)>,
}

impl ClusterState {
    /// The partition of a key; `None` while there is no such topic.
    pub(super) fn coordinator_partition(&self, kind: CoordinatorKind, key: &str) -> Option<i32> {
        self.topics.contains_key(kind.topic()).then(|| self.key_partition(kind, key))
    }

    /// The same, or what it will be once there is the topic.
    pub(super) fn key_partition(&self, kind: CoordinatorKind, key: &str) -> i32 {
        let partitions = match self.topics.get(kind.topic()) {
            Some(topic) => topic.partitions.len() as i32,
            None => self.options.coordinator_partitions.max(1),
        };
        let hash =
            key.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
        hash.checked_abs().unwrap_or(0) % partitions
    }

    /// Who serves a key now, and its epoch as a coordinator.
    pub(super) fn coordinator(
        &self,
        kind: CoordinatorKind,
        key: &str,
    ) -> Result<(BrokerId, LeaderEpoch), ErrorCode> {
        let partition = self.coordinator_partition(kind, key).ok_or(ErrorCode::COORDINATOR_NOT_AVAILABLE)?;
        match self.coordinators.seats.get(&(kind, partition)) {
            Some((leader, epoch, loaded)) if *leader != BrokerId::NONE => match self.now.elapsed < *loaded {
                true => Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
                false => Ok((*leader, *epoch)),
            },
            _ => Err(ErrorCode::COORDINATOR_NOT_AVAILABLE),
        }
    }

    /// Whether a broker still loads any partition of this kind.
    pub(super) fn is_loading(&self, kind: CoordinatorKind, broker: BrokerId) -> bool {
        let mut seats = self.coordinators.seats.iter().filter(|((of, _), _)| *of == kind);
        seats.any(|(_, (leader, _, loaded))| *leader == broker && self.now.elapsed < *loaded)
    }

    /// Whether this broker may serve a request for that key now.
    pub(super) fn check_coordinator(
        &self,
        call: &Call,
        kind: CoordinatorKind,
        key: &str,
    ) -> Result<(), ErrorCode> {
        if let Some(code) = call.forced {
            return Err(code);
        }
        let partition = self.coordinator_partition(kind, key).ok_or(ErrorCode::NOT_COORDINATOR)?;
        match self.coordinators.seats.get(&(kind, partition)) {
            Some((leader, _, loaded)) if *leader == call.broker => match self.now.elapsed < *loaded {
                true => Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
                false => Ok(()),
            },
            _ => Err(ErrorCode::NOT_COORDINATOR),
        }
    }

    /// From when on the coordinator for a partition knows what it has to; `None` while there is no coordinator.
    pub(super) fn coordinator_loaded(&self, kind: CoordinatorKind, partition: i32) -> Option<Duration> {
        let (leader, _, loaded) = self.coordinators.seats.get(&(kind, partition))?;
        (*leader != BrokerId::NONE).then_some(*loaded)
    }

    /// Leaders may have changed: coordinators have, where they were those of an internal topic.
    pub(super) fn on_leaders_changed(&mut self) {
        for kind in CoordinatorKind::ALL {
            let Some(topic) = self.topics.get(kind.topic()) else { continue };
            let mut moved = Vec::new();
            for (partition, index) in topic.partitions.iter().zip(0..) {
                let (leader, epoch) = (partition.now.leader, partition.now.epoch);
                let seat = self.coordinators.seats.get(&(kind, index));
                if seat.is_none_or(|(_, known, _)| *known != epoch) {
                    let loaded = match seat {
                        Some(_) => self.now.elapsed + self.options.coordinator_load,
                        None => Duration::ZERO,
                    };
                    self.coordinators.seats.insert((kind, index), (leader, epoch, loaded));
                    moved.push(index);
                }
            }
            for partition in moved {
                match kind {
                    CoordinatorKind::Group => self.on_groups_moved(partition),
                    CoordinatorKind::Transaction => self.on_transactions_moved(partition),
                    CoordinatorKind::Share => {}
                }
            }
        }
    }

    /// Creates the topic of a kind of coordinator; not if no broker is up.
    fn create_coordinators(&mut self, kind: CoordinatorKind) -> bool {
        let up = self.brokers.iter().filter(|broker| self.is_alive(broker.id)).count();
        let replicas = up.min(MOST_REPLICAS);
        let partitions = self.broker_config_number(kind.partitions_config()).clamp(1, i32::MAX.into()) as i32;
        let Ok(assignment) = self.plan_topic(kind.topic(), partitions, replicas as i16) else { return false };
        self.insert_topic(kind.topic(), assignment, self.default_settings());
        self.on_leaders_changed();
        true
    }

    pub(super) fn find_coordinator(
        &mut self,
        call: &Call,
        request: FindCoordinatorRequest,
    ) -> FindCoordinatorResponse {
        let mut find = |key: &Str| self.find_one(call, request.key_type, key);
        if call.version >= 4 {
            let coordinators = request.coordinator_keys.iter().map(find).collect();
            return FindCoordinatorResponse { coordinators, ..Default::default() };
        }
        let found = find(&request.key);
        FindCoordinatorResponse {
            error_code: found.error_code,
            error_message: found.error_message,
            node_id: found.node_id,
            host: found.host,
            port: found.port,
            ..Default::default()
        }
    }

    /// Whether a connection may know this coordinator.
    fn check_findable(&self, call: &Call, kind: CoordinatorKind, key: &str) -> Result<(), ErrorCode> {
        let (operation, resource, name) = match kind {
            CoordinatorKind::Group => (Operation::Describe, ResourceType::Group, key),
            CoordinatorKind::Transaction => (Operation::Describe, ResourceType::TransactionalId, key),
            CoordinatorKind::Share => (Operation::ClusterAction, ResourceType::Cluster, CLUSTER),
        };
        self.check_access(call, operation, resource, name)
    }

    fn find_one(&mut self, call: &Call, key_type: i8, key: &Str) -> Coordinator {
        let kind = match key_type {
            0 => Some(CoordinatorKind::Group),
            1 => Some(CoordinatorKind::Transaction),
            // A share coordinator's key is group, topic id and partition.
            2 if call.version >= 6 && key.split(':').count() == 3 => Some(CoordinatorKind::Share),
            _ => None,
        };
        let refused = |error_code: ErrorCode| Coordinator {
            key: key.clone(),
            node_id: BrokerId::NONE,
            port: -1,
            error_code,
            error_message: Some(error_code.name().into()),
            ..Default::default()
        };
        if let Some(code) = call.forced {
            return refused(code);
        }
        let Some(kind) = kind else { return refused(ErrorCode::INVALID_REQUEST) };
        if let Err(code) = self.check_findable(call, kind, key) {
            return refused(code);
        }
        let Some(partition) = self.coordinator_partition(kind, key) else {
            self.create_coordinators(kind);
            return refused(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        };
        let leader = self.leader(kind.topic(), partition).map(|(leader, _)| leader);
        let located = leader.and_then(|id| Some((id, self.address(id)?)));
        let Some((node_id, (host, port))) = located else {
            return refused(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        };
        Coordinator { key: key.clone(), node_id, host, port, ..Default::default() }
    }
}
