//! Access rules: what those are told who may not.
//!
//! Rule: everybody is `User:ANONYMOUS`, the brokers among themselves, too, and may do everything to what no rule is about.
//! The script about the cluster comes last: it takes from itself the right to undo what it did.

use milena_core::protocol::add_partitions_to_txn::AddPartitionsToTxnTransaction;
use milena_core::protocol::alter_configs::AlterConfigsResource;
use milena_core::protocol::create_acls::AclCreation;
use milena_core::protocol::create_partitions::CreatePartitionsTopic;
use milena_core::protocol::create_topics::CreatableTopic;
use milena_core::protocol::delete_acls::DeleteAclsFilter;
use milena_core::protocol::delete_records::{DeleteRecordsPartition, DeleteRecordsTopic};
use milena_core::protocol::delete_topics::DeleteTopicState;
use milena_core::protocol::describe_configs::DescribeConfigsResource;
use milena_core::protocol::describe_producers::TopicRequest;
use milena_core::protocol::describe_topic_partitions::TopicRequest as DescribedTopic;
use milena_core::protocol::metadata::MetadataRequestTopic;
use milena_core::protocol::offset_for_leader_epoch::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use milena_core::protocol::write_txn_markers::{WritableTxnMarker, WritableTxnMarkerTopic};
use milena_core::protocol::*;
use milena_core::wire::{Str, Uuid};

use super::Script;
use super::peer::{Peer, produce};
use super::{groups, log, transactions};

pub(super) const SCRIPTS: &[Script] = &[
    ("rules about topics", topics),
    ("rules about groups", of_groups),
    ("rules about transactional ids", of_transactions),
    ("rules about the cluster", of_cluster),
];

const TOPIC: i8 = 2;
const GROUP: i8 = 3;
const CLUSTER: i8 = 4;
const TRANSACTIONAL_ID: i8 = 5;
const ALL: i8 = 2;
const DESCRIBE: i8 = 8;
const CLUSTER_ACTION: i8 = 9;
const DENY: i8 = 2;
const ALLOW: i8 = 3;

type Topic<'a> = (&'a str, Uuid);

fn rule(resource_type: i8, name: &str, operation: i8, permission_type: i8) -> AclCreation {
    AclCreation {
        resource_type,
        resource_name: name.into(),
        resource_pattern_type: 3,
        principal: "User:ANONYMOUS".into(),
        host: "*".into(),
        operation,
        permission_type,
        ..Default::default()
    }
}

fn rules(creations: Vec<AclCreation>) -> CreateAclsRequest {
    CreateAclsRequest { creations, ..Default::default() }
}

/// Makes rules, the last of which is one about a topic that may not be described; with it all are in force.
fn enforce(peer: &mut Peer, mut made: Vec<AclCreation>, sentinel: &str) {
    made.push(rule(TOPIC, sentinel, ALL, DENY));
    peer.call("make rules", rules(made), 2);
    peer.until(|peer| {
        let told = peer.call("wait", log::metadata(sentinel), 9).topics.remove(0);
        told.error_code == ErrorCode::TOPIC_AUTHORIZATION_FAILED
    });
}

/// Topics of which the first may be used, the second only be described, and the third not be known of; and two that are not
/// there, the second of which would not be known of.
fn ruled_topics<'a>(peer: &mut Peer, names: [&'a str; 5]) -> ([Topic<'a>; 5], Vec<AclCreation>) {
    let mut id = |name| (name, create_if(peer, name));
    let [open, seen, shut, missing, unknown] = names;
    let topics =
        [id(open), id(seen), id(shut), (missing, Uuid([9; 16])), (unknown, Uuid([8; 16]))];
    let made = vec![
        rule(TOPIC, seen, DESCRIBE, ALLOW),
        rule(TOPIC, shut, ALL, DENY),
        rule(TOPIC, unknown, ALL, DENY),
    ];
    (topics, made)
}

fn create_if(peer: &mut Peer, name: &str) -> Uuid {
    log::create(peer, name, 1, &[])
}

fn topics(peer: &mut Peer) {
    let names = ["acl-open", "acl-seen", "acl-shut", "acl-missing", "acl-unknown"];
    let (topics, made) = ruled_topics(peer, names);
    enforce(peer, made, "acl-sentinel");
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
        peer.each(&format!("create {name}"), 5, |_| create(name));
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

fn epoch(names: &[&str]) -> OffsetForLeaderEpochRequest {
    let topic = |name: &&str| OffsetForLeaderTopic {
        topic: (*name).into(),
        partitions: vec![OffsetForLeaderPartition::default()],
        ..Default::default()
    };
    OffsetForLeaderEpochRequest { topics: names.iter().map(topic).collect(), ..Default::default() }
}

fn producers(name: &str) -> DescribeProducersRequest {
    let topic =
        TopicRequest { name: name.into(), partition_indexes: vec![0].into(), ..Default::default() };
    DescribeProducersRequest { topics: vec![topic], ..Default::default() }
}

fn configuration(resource_type: i8, name: &str) -> DescribeConfigsRequest {
    let resource = DescribeConfigsResource {
        resource_type,
        resource_name: name.into(),
        configuration_keys: Some(vec!["retention.ms".into()]),
        ..Default::default()
    };
    DescribeConfigsRequest { resources: vec![resource], ..Default::default() }
}

fn configure(resource_type: i8, name: &str) -> AlterConfigsRequest {
    let resource =
        AlterConfigsResource { resource_type, resource_name: name.into(), ..Default::default() };
    AlterConfigsRequest { resources: vec![resource], validate_only: true, ..Default::default() }
}

fn configure_more(resource_type: i8, name: &str) -> IncrementalAlterConfigsRequest {
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

fn create(name: &str) -> CreateTopicsRequest {
    let topic =
        CreatableTopic { name: name.into(), num_partitions: 1, replication_factor: 1, ..Default::default() };
    CreateTopicsRequest { topics: vec![topic], timeout_ms: 5_000, validate_only: true, ..Default::default() }
}

fn delete(topic: Topic, old: bool) -> DeleteTopicsRequest {
    let request = DeleteTopicsRequest { timeout_ms: 5_000, ..Default::default() };
    match old {
        true => DeleteTopicsRequest { topic_names: vec![topic.0.into()], ..request },
        false => {
            let topic = DeleteTopicState { name: Some(topic.0.into()), ..Default::default() };
            DeleteTopicsRequest { topics: vec![topic], ..request }
        }
    }
}

fn delete_by_id(topic: Topic) -> DeleteTopicsRequest {
    let topic = DeleteTopicState { topic_id: topic.1, ..Default::default() };
    DeleteTopicsRequest { topics: vec![topic], timeout_ms: 5_000, ..Default::default() }
}

fn of_groups(peer: &mut Peer) {
    let (topics, mut made) = ruled_topics(
        peer,
        ["acl-g-open", "acl-g-seen", "acl-g-shut", "acl-g-missing", "acl-g-unknown"],
    );
    let nobody = Str::default();
    let commit = |group: &str| {
        let mut request = groups::commit(group, topics[0], &nobody, -1);
        let more = topics[1..].iter().flat_map(|topic| groups::commit(group, *topic, &nobody, -1).topics);
        request.topics.extend(more);
        request
    };
    let all = ["acl-group", "acl-group-seen", "acl-group-shut"];
    let [open, seen, shut] = all;
    for group in all {
        groups::ready(peer, group);
        peer.call("commit before there are rules", commit(group), 7);
    }
    made.push(rule(GROUP, seen, DESCRIBE, ALLOW));
    made.push(rule(GROUP, shut, ALL, DENY));
    enforce(peer, made, "acl-g-sentinel");
    for group in all {
        peer.each(&format!("find {group}"), 1, |version| FindCoordinatorRequest {
            key: if version < 4 { group.into() } else { Str::default() },
            coordinator_keys: if version < 4 { Vec::new() } else { vec![group.into()] },
            ..Default::default()
        });
        peer.each(&format!("commit for {group}"), 1, |_| commit(group));
        peer.each(&format!("fetch of {group}"), 1, |version| groups::fetch(group, Some(&topics), version));
        peer.each(&format!("fetch all of {group}"), 2, |version| groups::fetch(group, None, version));
        peer.each(&format!("sync with {group}"), 0, |_| groups::sync(group, &"m".into(), 1, &[]));
        peer.each(&format!("heartbeat to {group}"), 0, |_| groups::beat(group, &"m".into(), 1));
        peer.each(&format!("leave {group}"), 0, |version| groups::leave(group, &"m".into(), version));
        peer.each(&format!("describe {group}"), 0, |version| groups::describe(group, version));
        peer.each(&format!("describe {group}, with operations"), 3, |version| DescribeGroupsRequest {
            include_authorized_operations: true,
            ..groups::describe(group, version)
        });
        peer.each(&format!("offsets of {group}"), 0, |_| {
            let mut request = groups::delete_offset(group, topics[0].0);
            let more = topics[1..].iter().flat_map(|topic| groups::delete_offset(group, topic.0).topics);
            request.topics.extend(more);
            request
        });
    }
    let stranger = Str::from("stranger");
    peer.each("join without a name", 0, |_| groups::join("", &stranger, "t"));
    for group in [seen, shut] {
        peer.each(&format!("join {group}"), 0, |_| groups::join(group, &nobody, topics[0].0));
    }
    peer.each("describe all", 0, |version| {
        let mut request = groups::describe(open, version);
        request.groups.extend([seen.into(), shut.into()]);
        request
    });
    peer.each("delete all", 0, |_| {
        let mut request = groups::delete(shut);
        request.groups_names.extend([seen.into(), open.into()]);
        request
    });
}

fn of_transactions(peer: &mut Peer) {
    let (topics, mut made) = ruled_topics(
        peer,
        ["acl-t-open", "acl-t-seen", "acl-t-shut", "acl-t-missing", "acl-t-unknown"],
    );
    let all = ["acl-tx", "acl-tx-seen", "acl-tx-shut"];
    let [_, seen, shut] = all;
    let add = |id, me| {
        let mut request = transactions::add(id, me, topics[0].0, 0);
        let more = topics[1..3].iter().flat_map(|topic| {
            transactions::add(id, me, topic.0, 0).v3_and_below_topics
        });
        request.v3_and_below_topics.extend(more);
        request
    };
    let producers: Vec<_> = all.map(|id| transactions::started(peer, id, 3)).to_vec();
    for (id, me) in all.into_iter().zip(&producers) {
        peer.call("add before there are rules", add(id, *me), 1);
    }
    groups::ready(peer, "acl-t-group");
    groups::ready(peer, "acl-t-group-shut");
    made.push(rule(GROUP, "acl-t-group-shut", ALL, DENY));
    made.push(rule(TRANSACTIONAL_ID, seen, DESCRIBE, ALLOW));
    made.push(rule(TRANSACTIONAL_ID, shut, ALL, DENY));
    enforce(peer, made, "acl-t-sentinel");
    for (id, me) in all.into_iter().zip(producers) {
        peer.each(&format!("find {id}"), 1, |version| FindCoordinatorRequest {
            key: if version < 4 { id.into() } else { Str::default() },
            coordinator_keys: if version < 4 { Vec::new() } else { vec![id.into()] },
            key_type: 1,
            ..Default::default()
        });
        let last = peer.newest(ApiKey::ADD_PARTITIONS_TO_TXN).unwrap_or(0).min(3);
        for version in 0..=last {
            let mut request = add(id, me);
            peer.call(&format!("add for {id}"), request.clone(), version);
            request.v3_and_below_topics.truncate(1);
            peer.call(&format!("add one for {id}"), request, version);
            let missing = transactions::add(id, me, topics[3].0, 0);
            peer.call(&format!("add a missing one for {id}"), missing, version);
        }
        for group in ["acl-t-group", "acl-t-group-shut"] {
            peer.each(&format!("add {group} for {id}"), 0, |_| AddOffsetsToTxnRequest {
                transactional_id: id.into(),
                producer_id: me.0,
                producer_epoch: me.1,
                group_id: group.into(),
                ..Default::default()
            });
            peer.each(&format!("offsets of {group} for {id}"), 0, |_| {
                let mut request = transactions::commit(id, me, group, topics[0].0, 5);
                let more = topics[1..]
                    .iter()
                    .flat_map(|topic| transactions::commit(id, me, group, topic.0, 5).topics);
                request.topics.extend(more);
                request
            });
        }
        for (topic, sequence) in topics.into_iter().zip([0, 0, 0, 0, 0]) {
            let records = transactions::batch(me, sequence, "a");
            peer.call(&format!("write to {} for {id}", topic.0), transactions::write(id, topic, records), 9);
        }
        let mut writes = transactions::write(id, topics[0], transactions::batch(me, 1, "b"));
        writes.topic_data.extend(produce(topics[0], 0, -1, log::batch(&["b"])).topic_data);
        peer.each(&format!("describe {id}"), 0, |_| DescribeTransactionsRequest {
            transactional_ids: vec![id.into()],
            ..Default::default()
        });
        peer.call(&format!("init {id} as another"), InitProducerIdRequest {
            producer_id: ProducerId(-1),
            producer_epoch: 4,
            ..transactions::init(id)
        }, 3);
    }
    let nameless = produce(topics[0], 0, -1, transactions::batch((ProducerId(1), 0), 0, "a"));
    peer.call("write without a name", nameless, 9);
    peer.each("list", 0, |_| ListTransactionsRequest {
        transactional_id_pattern: None,
        ..Default::default()
    });
    for (id, me) in all.into_iter().map(|id| (id, (ProducerId(1), 0))) {
        peer.call(&format!("end {id}"), transactions::end(id, me, true), 1);
    }
    for id in all {
        peer.call(&format!("init {id}"), transactions::init(id), 3);
    }
}

fn of_cluster(peer: &mut Peer) {
    let topic = ("acl-cluster", create_if(peer, "acl-cluster"));
    groups::ready(peer, "acl-c-group");
    groups::ready(peer, "acl-c-seen");
    transactions::find(peer, "acl-c-tx");
    peer.call("commit", groups::commit("acl-c-group", topic, &Str::default(), -1), 7);
    peer.call("commit", groups::commit("acl-c-seen", topic, &Str::default(), -1), 7);
    let made = vec![
        rule(GROUP, "acl-c-seen", DESCRIBE, ALLOW),
        rule(GROUP, "acl-c-group", ALL, DENY),
        rule(TOPIC, topic.0, ALL, ALLOW),
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
    peer.each("list groups", 0, |_| ListGroupsRequest::default());
    peer.each("create", 5, |_| create("acl-new"));
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
        let request =
            AddPartitionsToTxnRequest { transactions: vec![transaction], ..Default::default() };
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
