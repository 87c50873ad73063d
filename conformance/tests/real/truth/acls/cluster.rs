//! The cluster: its rules, brokers, configurations and users.

use milena_core::protocol::add_partitions_to_txn::AddPartitionsToTxnTransaction;
use milena_core::protocol::delete_acls::DeleteAclsFilter;
use milena_core::protocol::write_txn_markers::{WritableTxnMarker, WritableTxnMarkerTopic};
use milena_core::protocol::*;
use milena_core::wire::Str;

use super::super::peer::Peer;
use super::super::{groups, log, transactions};
use super::topics::{configuration, configure, configure_more, create, delete, delete_by_id, epoch};
use super::{
    ALL, ALLOW, CLUSTER, CLUSTER_ACTION, DENY, DESCRIBE, GROUP, TOPIC, enforce, new_topic, rule, rules,
};

pub(super) fn cluster(peer: &mut Peer) {
    let release = peer.release;
    let topics = ["acl-cluster", "acl-c-seen", "acl-c-shut"].map(|name| new_topic(peer, name));
    let [topic, seen, shut] = topics;
    groups::ready(peer, "acl-c-group");
    groups::ready(peer, "acl-c-seen");
    transactions::find(peer, "acl-c-tx");
    peer.call("commit", groups::commit("acl-c-group", topic, &Str::default(), -1), 7);
    peer.call("commit", groups::commit("acl-c-seen", topic, &Str::default(), -1), 7);
    let made = vec![
        rule(GROUP, "acl-c-seen", DESCRIBE, ALLOW),
        rule(GROUP, "acl-c-group", ALL, DENY),
        rule(TOPIC, topic.0, ALL, ALLOW),
        rule(TOPIC, seen.0, DESCRIBE, ALLOW),
        rule(TOPIC, shut.0, ALL, DENY),
    ];
    peer.each("a rule about nothing", 2, |_| rules(vec![rule(TOPIC, "", ALL, DENY)]));
    peer.call("rules", rules(made), 2);
    peer.each("rules about a topic", 1, |_| about(topic.0));
    peer.each("delete no rules", 1, |_| DeleteAclsRequest {
        filters: vec![filter("acl-nothing")],
        ..Default::default()
    });
    enforce(peer, vec![rule(CLUSTER, "kafka-cluster", CLUSTER_ACTION, ALLOW)], "acl-c-sentinel");
    peer.each("rules about a topic", 1, |_| about(topic.0));
    peer.each("make a rule", 1, |_| rules(vec![rule(TOPIC, topic.0, ALL, DENY)]));
    peer.each("delete a rule", 1, |_| DeleteAclsRequest {
        filters: vec![filter(topic.0)],
        ..Default::default()
    });
    for version in 0..=peer.newest(ApiKey::LIST_GROUPS).unwrap_or(0) {
        // There are those of other scripts, too.
        let listed = peer.second().call("list", ListGroupsRequest::default(), version).groups;
        let ours = listed.iter().map(|group| &*group.group_id).filter(|id| id.starts_with("acl-c-"));
        assert_eq!(ours.collect::<Vec<_>>(), ["acl-c-seen"], "version {version}");
    }
    for topic in [shut, seen] {
        peer.each(&format!("delete {}", topic.0), 5, |version| delete(topic, version < 6));
        peer.each(&format!("delete {} by id", topic.0), 6, |_| delete_by_id(topic));
    }
    peer.each("create", 5, |_| create("acl-new", release));
    peer.each("metadata, with operations", 8, |version| MetadataRequest {
        include_cluster_authorized_operations: version < 11,
        ..log::metadata(topic.0)
    });
    peer.each("the cluster", 0, |_| DescribeClusterRequest {
        include_cluster_authorized_operations: true,
        ..Default::default()
    });
    peer.each("log dirs", 0, |_| DescribeLogDirsRequest::default());
    peer.each("configuration of a broker", 0, |_| configuration(CLUSTER, "1"));
    peer.each("configure brokers", 0, |_| configure(CLUSTER, ""));
    peer.each("configure brokers more", 0, |_| configure_more(CLUSTER, ""));
    peer.each("elect", 0, |_| elect(Some(topic.0)));
    peer.each("elect all", 0, |_| elect(None));
    peer.each("reassign", 0, |_| AlterPartitionReassignmentsRequest::default());
    peer.each("reassignments", 0, |_| ListPartitionReassignmentsRequest::default());
    peer.each("quotas", 0, |_| DescribeClientQuotasRequest::default());
    peer.each("set quotas", 0, |_| AlterClientQuotasRequest::default());
    peer.each("users", 0, |_| DescribeUserScramCredentialsRequest::default());
    peer.each("set users", 0, |_| AlterUserScramCredentialsRequest::default());
    peer.each("features", 0, |_| UpdateFeaturesRequest { timeout_ms: 1_000, ..Default::default() });
    peer.each("quorum", 0, |_| DescribeQuorumRequest::default());
    peer.each("forget a broker", 0, |_| UnregisterBrokerRequest {
        broker_id: BrokerId(77),
        ..Default::default()
    });
    peer.each("config resources", 0, |_| ListConfigResourcesRequest::default());
    peer.each("epoch as a broker", 0, |_| epoch(&[topic.0, "acl-c-sentinel"]));
    peer.call("an id", InitProducerIdRequest { transactional_id: None, ..transactions::init("") }, 3);
    let markers = WriteTxnMarkersRequest {
        markers: vec![WritableTxnMarker {
            producer_id: ProducerId(1),
            topics: vec![WritableTxnMarkerTopic {
                name: "acl-nowhere".into(),
                partition_indexes: vec![0].into(),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    peer.call("markers as a broker", markers, 1);
    if peer.newest(ApiKey::ADD_PARTITIONS_TO_TXN) >= Some(5) {
        let transaction = AddPartitionsToTxnTransaction {
            transactional_id: "acl-c-tx".into(),
            producer_id: ProducerId(1),
            topics: transactions::add("", (ProducerId(1), 0), topic.0, 0).v3_and_below_topics,
            ..Default::default()
        };
        let request = AddPartitionsToTxnRequest { transactions: vec![transaction], ..Default::default() };
        peer.call("add as a broker", request, 5);
    }
}

fn about(topic: &str) -> DescribeAclsRequest {
    DescribeAclsRequest {
        resource_type_filter: TOPIC,
        resource_name_filter: Some(topic.into()),
        pattern_type_filter: 3,
        principal_filter: None,
        host_filter: None,
        operation: 1,
        permission_type: 1,
        ..Default::default()
    }
}

fn filter(topic: &str) -> DeleteAclsFilter {
    DeleteAclsFilter {
        resource_type_filter: TOPIC,
        resource_name_filter: Some(topic.into()),
        pattern_type_filter: 3,
        principal_filter: None,
        host_filter: None,
        operation: 1,
        permission_type: 1,
        ..Default::default()
    }
}

fn elect(topic: Option<&str>) -> ElectLeadersRequest {
    let partitions = topic.map(|topic| {
        vec![elect_leaders::TopicPartitions {
            topic: topic.into(),
            partitions: vec![0].into(),
            ..Default::default()
        }]
    });
    ElectLeadersRequest { topic_partitions: partitions, timeout_ms: 5_000, ..Default::default() }
}
