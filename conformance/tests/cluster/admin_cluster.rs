//! What is told and changed of the cluster itself.

use milena_conformance::cluster::Release;
use milena_core::protocol::describe_quorum::{PartitionData, TopicData};
use milena_core::protocol::update_features::FeatureUpdateKey;
use milena_core::protocol::{
    ApiKey, ApiVersionsRequest, BrokerId, DescribeClusterRequest, DescribeQuorumRequest, ErrorCode,
    UnregisterBrokerRequest, UpdateFeaturesRequest,
};

use crate::script::Script;

#[test]
fn brokers_are_described_even_those_that_are_down() {
    let mut script = Script::with_topic(2);
    let conn = script.connect(1);
    script.state.stop_broker(BrokerId(2));
    let request =
        DescribeClusterRequest { include_cluster_authorized_operations: true, ..Default::default() };
    let response = script.call(conn, request.clone(), 1);
    assert_eq!(
        (response.controller_id, response.brokers.len(), response.cluster_id.len()),
        (BrokerId(1), 1, 22)
    );
    assert!(response.cluster_authorized_operations > 0);
    let fenced = DescribeClusterRequest { include_fenced_brokers: true, ..request.clone() };
    let brokers = script.call(conn, fenced, 2).brokers;
    assert_eq!(brokers.iter().map(|broker| broker.is_fenced).collect::<Vec<_>>(), [false, true]);
    let controllers = DescribeClusterRequest { endpoint_type: 2, ..request };
    assert_eq!(script.call(conn, controllers, 1).error_code, ErrorCode::MISMATCHED_ENDPOINT_TYPE);
}

#[test]
fn the_quorum_is_that_of_the_brokers() {
    let mut script = Script::with_topic(3);
    let conn = script.connect(1);
    let ask = |topic: &str| {
        let topic = TopicData {
            topic_name: topic.into(),
            partitions: vec![PartitionData::default()],
            ..Default::default()
        };
        DescribeQuorumRequest { topics: vec![topic], ..Default::default() }
    };
    let response = script.call(conn, ask("__cluster_metadata"), 2);
    let partition = &response.topics[0].partitions[0];
    assert_eq!(
        (partition.leader_id, partition.current_voters.len(), response.nodes.len()),
        (BrokerId(1), 3, 3)
    );
    let before = partition.high_watermark;
    script.advance(1000);
    assert_eq!(
        script.call(conn, ask("__cluster_metadata"), 1).topics[0].partitions[0].high_watermark,
        before + 2
    );
    let unknown = script.call(conn, ask("t"), 0).topics[0].partitions[0].error_code;
    assert_eq!(unknown, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    let with_zookeeper: Release = "2.8".parse().unwrap();
    assert_eq!(with_zookeeper.versions(ApiKey::DESCRIBE_QUORUM), None);
}

#[test]
fn features_are_updated_as_api_versions_tells() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    let level = |script: &mut Script| {
        let response = script.call(
            conn,
            ApiVersionsRequest {
                client_software_name: "a".into(),
                client_software_version: "1".into(),
                ..Default::default()
            },
            4,
        );
        (response.finalized_features_epoch, response.finalized_features[0].max_version_level)
    };
    let update = |feature: &str, max_version_level, upgrade_type| {
        let update = FeatureUpdateKey {
            feature: feature.into(),
            max_version_level,
            upgrade_type,
            ..Default::default()
        };
        UpdateFeaturesRequest { feature_updates: vec![update], ..Default::default() }
    };
    assert_eq!(level(&mut script), (1, 2));
    for (feature, version, upgrade_type) in
        [("transaction.version", 1, 1), ("transaction.version", 3, 1), ("colour", 1, 1)]
    {
        let response = script.call(conn, update(feature, version, upgrade_type), 2);
        assert_eq!(response.error_code, ErrorCode::INVALID_UPDATE_VERSION, "{feature} {version}");
        let response = script.call(conn, update(feature, version, upgrade_type), 1);
        assert_eq!(response.results[0].error_code, ErrorCode::INVALID_UPDATE_VERSION);
    }
    assert_eq!(script.call(conn, update("transaction.version", 1, 2), 2).error_code, ErrorCode::NONE);
    assert_eq!(level(&mut script), (2, 1));
}

#[test]
fn only_known_brokers_are_unregistered() {
    let mut script = Script::with_topic(2);
    let conn = script.connect(1);
    for (id, code) in [(2, ErrorCode::NONE), (9, ErrorCode::BROKER_ID_NOT_REGISTERED)] {
        let request = UnregisterBrokerRequest { broker_id: BrokerId(id), ..Default::default() };
        assert_eq!(script.call(conn, request, 0).error_code, code);
    }
}
