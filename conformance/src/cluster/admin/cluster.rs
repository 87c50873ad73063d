//! What there is to tell and to change of the cluster itself: brokers, controllers, features.

use milena_core::protocol::describe_cluster::DescribeClusterBroker;
use milena_core::protocol::describe_quorum::{
    Listener, Node, PartitionDataResponse, ReplicaState, TopicDataResponse,
};
use milena_core::protocol::update_features::{FeatureUpdateKey, UpdatableFeatureResult};
use milena_core::protocol::{
    DescribeClusterRequest, DescribeClusterResponse, DescribeQuorumRequest, DescribeQuorumResponse,
    ErrorCode, LeaderEpoch, UnregisterBrokerRequest, UnregisterBrokerResponse, UpdateFeaturesRequest,
    UpdateFeaturesResponse,
};

use super::{Operation, Refusal};
use crate::cluster::api::Call;
use crate::cluster::release::Release;
use crate::cluster::state::{Broker, ClusterState};

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;
const METADATA_TOPIC: &str = "__cluster_metadata";
/// Controllers write something this often, in ms, even if nothing happens (`metadata.max.idle.interval.ms`).
const IDLE_INTERVAL_MS: u128 = 500;

/// The one feature of the simulated brokers, since 4.0.
pub(in crate::cluster) const TRANSACTION_VERSION: &str = "transaction.version";
const TRANSACTION_VERSIONS: std::ops::RangeInclusive<i16> = 0..=2;

/// Finalized levels of features.
#[derive(Clone, Copy, Debug)]
pub(in crate::cluster) struct Features {
    pub(in crate::cluster) epoch: i64,
    pub(in crate::cluster) transaction_version: i16,
}

impl Default for Features {
    fn default() -> Self {
        Features::new(None)
    }
}

impl Features {
    pub(super) fn new(transaction_version: Option<i8>) -> Self {
        let level = transaction_version.map_or(*TRANSACTION_VERSIONS.end(), i16::from);
        Features { epoch: 1, transaction_version: level }
    }
}

impl ClusterState {
    pub(super) fn describe_cluster(
        &mut self,
        call: &Call,
        request: DescribeClusterRequest,
    ) -> DescribeClusterResponse {
        let endpoint = match request.endpoint_type {
            BROKERS => Ok(()),
            CONTROLLERS => Err((
                ErrorCode::MISMATCHED_ENDPOINT_TYPE,
                "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER",
            )),
            _ => Err((ErrorCode::UNSUPPORTED_ENDPOINT_TYPE, "Unsupported endpoint type")),
        };
        let forced = call.forced.map_or(Ok(()), |code| Err((code, code.name())));
        if let Err((error_code, message)) = forced.and(endpoint) {
            return DescribeClusterResponse {
                error_code,
                error_message: Some(message.into()),
                endpoint_type: request.endpoint_type,
                ..Default::default()
            };
        }
        let told = |broker: &&Broker| broker.up || request.include_fenced_brokers;
        let brokers = self.brokers.iter().filter(told).map(|broker| DescribeClusterBroker {
            broker_id: broker.id,
            host: broker.host.clone(),
            port: i32::from(broker.port),
            is_fenced: !broker.up,
            ..Default::default()
        });
        DescribeClusterResponse {
            cluster_id: self.cluster_id.to_string().into(),
            controller_id: self.controller(),
            brokers: brokers.collect(),
            cluster_authorized_operations: match request.include_cluster_authorized_operations {
                true => self.cluster_operations(call),
                false => i32::MIN,
            },
            ..Default::default()
        }
    }

    /// Every broker is a voter of the controllers' quorum, as with `process.roles=broker,controller`.
    pub(super) fn describe_quorum(
        &mut self,
        call: &Call,
        request: DescribeQuorumRequest,
    ) -> DescribeQuorumResponse {
        if let Err((error_code, message)) = self.check_cluster(call, Operation::Describe) {
            let error_message = Some(message.into());
            return DescribeQuorumResponse { error_code, error_message, ..Default::default() };
        }
        let (leader, high_watermark) =
            (self.controller(), (self.now.elapsed.as_millis() / IDLE_INTERVAL_MS) as i64 + 1);
        let voters = self.brokers.iter().map(|broker| ReplicaState {
            replica_id: broker.id,
            log_end_offset: if broker.up { high_watermark } else { 0 },
            last_fetch_timestamp: if broker.up { self.now.wall_ms } else { -1 },
            last_caught_up_timestamp: if broker.up { self.now.wall_ms } else { -1 },
            ..Default::default()
        });
        let voters: Vec<_> = voters.collect();
        let topics = request.topics.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|asked| {
                let partition_index = asked.partition_index;
                if topic.topic_name != *METADATA_TOPIC || partition_index != 0 {
                    let error_code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
                    return PartitionDataResponse { partition_index, error_code, ..Default::default() };
                }
                PartitionDataResponse {
                    partition_index,
                    leader_id: leader,
                    leader_epoch: LeaderEpoch(1),
                    high_watermark,
                    current_voters: voters.clone(),
                    ..Default::default()
                }
            });
            TopicDataResponse {
                partitions: partitions.collect(),
                topic_name: topic.topic_name.clone(),
                ..Default::default()
            }
        });
        let nodes = self.brokers.iter().filter(|_| call.version >= 2).map(|broker| Node {
            node_id: broker.id,
            listeners: vec![Listener {
                name: "CONTROLLER".into(),
                host: broker.host.clone(),
                port: broker.port,
                ..Default::default()
            }],
            ..Default::default()
        });
        DescribeQuorumResponse { topics: topics.collect(), nodes: nodes.collect(), ..Default::default() }
    }

    pub(super) fn update_features(
        &mut self,
        call: &Call,
        request: UpdateFeaturesRequest,
    ) -> UpdateFeaturesResponse {
        let refused = |(error_code, message): Refusal| UpdateFeaturesResponse {
            error_code,
            error_message: Some(message.into()),
            ..Default::default()
        };
        let controller = self.check_controller(call).map_err(|error| (error.code, error.message));
        if let Err(refusal) = self.check_cluster(call, Operation::Alter).and(controller) {
            return refused(refusal);
        }
        let mut features = self.admin.features;
        let updates = request.feature_updates.into_iter();
        let updated = updates.map(|update| {
            let updated =
                self.update_feature(call, &update).map(|level| features.transaction_version = level);
            (update.feature, updated)
        });
        let updated: Vec<_> = updated.collect();
        let failed = updated.iter().find_map(|(_, result)| result.clone().err());
        // All updates are made, or none.
        if failed.is_none() && !request.validate_only {
            features.epoch += 1;
            self.admin.features = features;
        }
        if call.version >= 2 {
            return failed.map_or_else(UpdateFeaturesResponse::default, refused);
        }
        let results = updated.into_iter().map(|(feature, result)| {
            let (error_code, error_message) = match result {
                Ok(()) => (ErrorCode::NONE, None),
                Err((code, message)) => (code, Some(message.into())),
            };
            UpdatableFeatureResult { feature, error_code, error_message, ..Default::default() }
        });
        UpdateFeaturesResponse { results: results.collect(), ..Default::default() }
    }

    /// The level that a feature gets.
    fn update_feature(&self, call: &Call, update: &FeatureUpdateKey) -> Result<i16, Refusal> {
        let (feature, level) = (&update.feature, update.max_version_level);
        let invalid = |why: String| {
            let message = format!("Invalid update version {level} for feature {feature}. {why}");
            Err((ErrorCode::INVALID_UPDATE_VERSION, message))
        };
        if *feature != *TRANSACTION_VERSION || self.options.as_version < Release::V4_0 {
            return invalid("Controllers do not support this feature.".to_owned());
        }
        if !TRANSACTION_VERSIONS.contains(&level) {
            let (first, last) = (TRANSACTION_VERSIONS.start(), TRANSACTION_VERSIONS.end());
            return invalid(format!("Controllers only support versions {first}-{last}"));
        }
        let is_upgrade = match call.version {
            0 => !update.allow_downgrade,
            _ => update.upgrade_type == 1,
        };
        let current = self.admin.features.transaction_version;
        if level < current && is_upgrade {
            return invalid(
                "Can't downgrade the version of this feature without setting the upgrade type to either safe or \
                 unsafe downgrade."
                    .to_owned(),
            );
        }
        if level > current && !is_upgrade {
            return invalid("Can't downgrade to a newer version.".to_owned());
        }
        Ok(level)
    }

    /// A broker that is not known cannot be unregistered; any other registers again as soon as it is up.
    pub(super) fn unregister_broker(
        &mut self,
        call: &Call,
        request: UnregisterBrokerRequest,
    ) -> UnregisterBrokerResponse {
        let known = self.broker(request.broker_id).is_some();
        let unknown = || {
            let message = format!("Broker ID {} is not currently registered", request.broker_id);
            (ErrorCode::BROKER_ID_NOT_REGISTERED, message)
        };
        let checked = self.check_cluster(call, Operation::Alter);
        let (error_code, error_message) = match checked.and(known.then_some(()).ok_or_else(unknown)) {
            Ok(()) => (ErrorCode::NONE, None),
            Err((code, message)) => (code, Some(message.into())),
        };
        UnregisterBrokerResponse { error_code, error_message, ..Default::default() }
    }
}
