//! Leaders, brokers that stop, topics, coordinators, producer ids.

use milena_conformance::cluster::ClusterOptions;
use milena_core::protocol::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use milena_core::protocol::delete_topics::DeleteTopicState;
use milena_core::protocol::metadata::MetadataRequestTopic;
use milena_core::protocol::{
    BrokerId, CreateTopicsRequest, DeleteTopicsRequest, ErrorCode, FetchRequest, FindCoordinatorRequest,
    InitProducerIdRequest, LeaderEpoch, MetadataRequest, ProducerId,
};
use milena_core::wire::{Str, Uuid};

use crate::script::{
    Script, batch, failed, fetch_request, fetched, metadata_request, produce_request, values,
};

#[test]
fn a_moved_leader_has_a_new_epoch() {
    let mut script = Script::with_topic(3);
    let conn = script.connect(1);
    let topic = &script.metadata(conn, "t", 12).topics[0];
    let (old, epoch) = (topic.partitions[0].leader_id, topic.partitions[0].leader_epoch);
    assert_eq!((epoch, topic.partitions[0].replica_nodes.len()), (LeaderEpoch(0), 3));
    let new = BrokerId(old.0 % 3 + 1);
    let at_old = script.connect(old.0);
    let waiting = script.connect(old.0);
    let mut fetch = fetch_request("t", 0, 0);
    fetch.topics[0].partitions[0].current_leader_epoch = LeaderEpoch(0);
    script.send(waiting, fetch.clone(), 12);
    assert!(script.state.move_leader("t", 0, new));
    script.drain();
    let (_, response) = script.answer::<FetchRequest>(waiting, 12).expect("woken by the move");
    assert_eq!(fetched(&response), failed(ErrorCode::FENCED_LEADER_EPOCH));

    let answer = script.produce(at_old, 0, batch(&["a"]));
    assert_eq!((answer.error_code, answer.base_offset), (ErrorCode::NOT_LEADER_OR_FOLLOWER, -1));
    assert_eq!(
        (answer.current_leader.leader_id, answer.current_leader.leader_epoch),
        (new, LeaderEpoch(1)),
        "KIP-951"
    );
    // A consumer's fetch may be served by a follower from version 11 on, not before.
    fetch.topics[0].partitions[0].current_leader_epoch = LeaderEpoch::NONE;
    fetch.max_wait_ms = 0;
    assert_eq!(fetched(&script.call(at_old, fetch.clone(), 11)), values(&[]));
    assert_eq!(fetched(&script.call(at_old, fetch.clone(), 10)), failed(ErrorCode::NOT_LEADER_OR_FOLLOWER));

    let at_new = script.connect(new.0);
    assert_eq!(script.produced(at_new, batch(&["a"])), (ErrorCode::NONE, 0));
    let epochs =
        [(0, ErrorCode::FENCED_LEADER_EPOCH), (1, ErrorCode::NONE), (2, ErrorCode::UNKNOWN_LEADER_EPOCH)];
    for (epoch, code) in epochs {
        fetch.topics[0].partitions[0].current_leader_epoch = LeaderEpoch(epoch);
        assert_eq!(fetched(&script.call(at_new, fetch.clone(), 12)).0, code);
    }
    assert_eq!(script.state.log("t", 0).next().unwrap().partition_leader_epoch(), LeaderEpoch(1));
    let partition = &script.metadata(conn, "t", 12).topics[0].partitions[0];
    assert_eq!((partition.leader_id, partition.leader_epoch), (new, LeaderEpoch(1)));
}

#[test]
fn a_stopped_broker_loses_its_leaders_and_connections() {
    let mut script = Script::with_topic(3);
    let other = script.connect(2);
    let (leader, _) = script.state.leader("t", 0).unwrap();
    assert_eq!(leader, BrokerId(1));
    let conn = script.connect(1);
    script.produced(conn, batch(&["a"]));
    script.send(conn, fetch_request("t", 0, 1), 12);
    assert!(script.state.stop_broker(BrokerId(1)));
    script.drain();
    assert_eq!(script.closed, [conn]);
    assert_eq!(script.state.connect(BrokerId(1)), None);
    let metadata = script.metadata(other, "t", 12);
    let alive: Vec<_> = metadata.brokers.iter().map(|broker| broker.node_id.0).collect();
    assert_eq!(alive, [2, 3]);
    let partition = &metadata.topics[0].partitions[0];
    assert_eq!((partition.leader_id, partition.leader_epoch), (BrokerId(2), LeaderEpoch(1)));
    assert_eq!(partition.isr_nodes, [BrokerId(2), BrokerId(3)]);
    assert_eq!(partition.offline_replicas, [BrokerId(1)]);
    assert_eq!(script.produced(other, batch(&["b"])), (ErrorCode::NONE, 1), "nothing was lost");
    assert!(script.state.start_broker(BrokerId(1)));
    let partition = &script.metadata(other, "t", 12).topics[0].partitions[0];
    assert_eq!((partition.leader_id, partition.leader_epoch), (BrokerId(2), LeaderEpoch(1)));
    assert_eq!(partition.isr_nodes.len(), 3);
    script.connect(1);
}

#[test]
fn the_only_replica_leads_again_when_it_is_back() {
    let mut script = Script::new(ClusterOptions {
        nodes: 2,
        topics: vec![("t".to_owned(), 1)],
        default_replication_factor: 1,
        ..ClusterOptions::default()
    });
    let other = script.connect(2);
    script.state.stop_broker(BrokerId(1));
    let partition = &script.metadata(other, "t", 12).topics[0].partitions[0];
    assert_eq!(
        (partition.error_code, partition.leader_id),
        (ErrorCode::LEADER_NOT_AVAILABLE, BrokerId::NONE)
    );
    assert_eq!(script.produced(other, batch(&["a"])).0, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    script.state.start_broker(BrokerId(1));
    assert_eq!(script.state.leader("t", 0), Some((BrokerId(1), LeaderEpoch(2))));
}

#[test]
fn metadata_answers_for_each_topic() {
    let mut script = Script::with_topic(1);
    script.state.set_address(BrokerId(1), "10.0.0.1", 1234);
    let conn = script.connect(1);
    let response = script.metadata(conn, "t", 12);
    assert_eq!((&*response.brokers[0].host, response.brokers[0].port), ("10.0.0.1", 1234));
    assert_eq!((response.controller_id, response.cluster_id.unwrap().len()), (BrokerId(1), 22));
    let id = response.topics[0].topic_id;
    assert!(!id.is_zero());
    for (name, code) in
        [("nope", ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), ("a b", ErrorCode::INVALID_TOPIC_EXCEPTION)]
    {
        assert_eq!(script.metadata(conn, name, 12).topics[0].error_code, code);
    }
    let by_id = |topic_id| MetadataRequest {
        topics: Some(vec![MetadataRequestTopic { topic_id, name: None, ..Default::default() }]),
        ..Default::default()
    };
    let topic = script.call(conn, by_id(id), 12).topics.remove(0);
    assert_eq!((topic.name.as_deref(), topic.partitions.len()), (Some("t"), 2));
    let topic = script.call(conn, by_id(Uuid([9; 16])), 12).topics.remove(0);
    assert_eq!((topic.name, topic.error_code), (None, ErrorCode::UNKNOWN_TOPIC_ID));
    // No topics: all of them in version 0, none afterwards.
    for (version, topics) in [(0, 1), (1, 0)] {
        let request = MetadataRequest {
            topics: Some(Vec::new()),
            allow_auto_topic_creation: true,
            ..Default::default()
        };
        assert_eq!(script.call(conn, request, version).topics.len(), topics);
    }
}

#[test]
fn topics_are_created_when_both_sides_allow_it() {
    for (release, first) in
        [("4.3", ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), ("2.8", ErrorCode::LEADER_NOT_AVAILABLE)]
    {
        let mut script = Script::as_release(release);
        let conn = script.connect(1);
        let declined = MetadataRequest { allow_auto_topic_creation: false, ..metadata_request("new") };
        for _ in 0..2 {
            let response = script.call(conn, declined.clone(), 9);
            assert_eq!(response.topics[0].error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        }
        assert_eq!(script.metadata(conn, "new", 9).topics[0].error_code, first, "{release}");
        assert_eq!(script.metadata(conn, "new", 9).topics[0].error_code, ErrorCode::NONE);
    }
}

#[test]
fn topic_ids_address_topics() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    let id = script.metadata(conn, "t", 12).topics[0].topic_id;
    for (topic_id, code) in [(id, ErrorCode::NONE), (Uuid([9; 16]), ErrorCode::UNKNOWN_TOPIC_ID)] {
        let mut request = produce_request("", 0, 1, batch(&["a"]));
        request.topic_data[0].topic_id = topic_id;
        let response = script.call(conn, request, 13);
        assert_eq!(response.responses[0].topic_id, topic_id);
        assert_eq!(response.responses[0].partition_responses[0].error_code, code);
        let mut request = fetch_request("", 0, 0);
        request.topics[0].topic_id = topic_id;
        let response = script.call(conn, request, 18);
        assert_eq!(fetched(&response).0, code);
    }
    // A fetch that waits by id is woken, and told when its topic goes.
    let reader = script.connect(1);
    let mut request = fetch_request("", 0, 1);
    request.topics[0].topic_id = id;
    script.send(reader, request, 13);
    assert!(script.state.delete_topic("t"));
    script.drain();
    let (_, response) = script.answer::<FetchRequest>(reader, 13).expect("woken");
    assert_eq!(fetched(&response), failed(ErrorCode::UNKNOWN_TOPIC_ID));
}

#[test]
fn topics_are_created_and_deleted_by_request() {
    let mut script = Script::with_topic(3);
    let conn = script.connect(2);
    let topic = |name: &str, num_partitions, replication_factor| CreatableTopic {
        name: name.into(),
        num_partitions,
        replication_factor,
        ..Default::default()
    };
    let assigned = |name: &str, brokers: &[&[i32]]| CreatableTopic {
        assignments: brokers
            .iter()
            .zip(0..)
            .map(|(ids, partition_index)| CreatableReplicaAssignment {
                partition_index,
                broker_ids: ids.iter().copied().map(BrokerId).collect(),
                ..Default::default()
            })
            .collect(),
        ..topic(name, -1, -1)
    };
    let config = CreatableTopicConfig {
        name: "max.message.bytes".into(),
        value: Some("many".into()),
        ..Default::default()
    };
    let cases = [
        (topic("a", 4, 2), ErrorCode::NONE, (4, 2)),
        (topic("b", -1, -1), ErrorCode::NONE, (1, 3)),
        (topic("c", 1, 4), ErrorCode::INVALID_REPLICATION_FACTOR, (-1, -1)),
        (topic("c", 1, 0), ErrorCode::INVALID_REPLICATION_FACTOR, (-1, -1)),
        (topic("c", 0, 1), ErrorCode::INVALID_PARTITIONS, (-1, -1)),
        (topic("c", 10_001, 1), ErrorCode::POLICY_VIOLATION, (-1, -1)),
        (topic("t", 1, 1), ErrorCode::TOPIC_ALREADY_EXISTS, (-1, -1)),
        (topic("c d", 1, 1), ErrorCode::INVALID_TOPIC_EXCEPTION, (-1, -1)),
        (assigned("m", &[&[3, 1], &[1, 2]]), ErrorCode::NONE, (2, 2)),
        (assigned("n", &[&[3, 9]]), ErrorCode::INVALID_REPLICA_ASSIGNMENT, (-1, -1)),
        (assigned("n", &[&[3], &[1, 2]]), ErrorCode::INVALID_REPLICA_ASSIGNMENT, (-1, -1)),
        (assigned("n", &[&[1, 1]]), ErrorCode::INVALID_REPLICA_ASSIGNMENT, (-1, -1)),
        (
            CreatableTopic { num_partitions: 1, ..assigned("n", &[&[1]]) },
            ErrorCode::INVALID_REQUEST,
            (-1, -1),
        ),
        (CreatableTopic { configs: vec![config], ..topic("n", 1, 1) }, ErrorCode::INVALID_CONFIG, (-1, -1)),
    ];
    for (topic, code, counts) in cases {
        let name = topic.name.clone();
        let request = CreateTopicsRequest { topics: vec![topic], ..Default::default() };
        let result = script.call(conn, request, 7).topics.remove(0);
        assert_eq!(
            (result.error_code, (result.num_partitions, result.replication_factor)),
            (code, counts),
            "{name}"
        );
        assert_eq!(result.topic_id.is_zero(), code != ErrorCode::NONE);
    }
    assert_eq!(script.state.leader("m", 0), Some((BrokerId(3), LeaderEpoch(0))));
    let twice =
        CreateTopicsRequest { topics: vec![topic("x", 1, 1), topic("x", 1, 1)], ..Default::default() };
    let results = script.call(conn, twice, 7).topics;
    assert_eq!((results.len(), results[0].error_code), (1, ErrorCode::INVALID_REQUEST));
    let only =
        CreateTopicsRequest { topics: vec![topic("x", 1, 1)], validate_only: true, ..Default::default() };
    assert_eq!(script.call(conn, only, 7).topics[0].error_code, ErrorCode::NONE);
    assert_eq!(script.state.leader("x", 0), None);

    let id = script.metadata(conn, "a", 12).topics[0].topic_id;
    let state = |name: Option<Str>, topic_id| DeleteTopicState { name, topic_id, ..Default::default() };
    let topics = vec![
        state(None, id),
        state(Some("b".into()), Uuid::default()),
        state(Some("a".into()), Uuid::default()),
        state(None, id),
        state(None, Uuid::default()),
        state(Some("m".into()), id),
    ];
    let response =
        script.call(conn, DeleteTopicsRequest { topics, timeout_ms: 1_000, ..Default::default() }, 6);
    let codes: Vec<_> = response.responses.iter().map(|result| result.error_code).collect();
    assert_eq!(
        codes,
        [
            ErrorCode::NONE,
            ErrorCode::NONE,
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            ErrorCode::UNKNOWN_TOPIC_ID,
            ErrorCode::INVALID_REQUEST,
            ErrorCode::INVALID_REQUEST,
        ]
    );
    assert_eq!(response.responses[0].name.as_deref(), Some("a"));
}

#[test]
fn only_the_controller_of_an_old_cluster_creates_topics() {
    let options =
        ClusterOptions { nodes: 2, as_version: "2.8".parse().unwrap(), ..ClusterOptions::default() };
    let mut script = Script::new(options);
    for (broker, code) in [(2, ErrorCode::NOT_CONTROLLER), (1, ErrorCode::NONE)] {
        let conn = script.connect(broker);
        let topic = CreatableTopic {
            name: "a".into(),
            num_partitions: 1,
            replication_factor: 1,
            ..Default::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], ..Default::default() };
        assert_eq!(script.call(conn, request, 5).topics[0].error_code, code);
    }
}

#[test]
fn producer_ids_are_given_out() {
    let mut script = Script::with_topic(3);
    let conn = script.connect(1);
    let idempotent = InitProducerIdRequest {
        transactional_id: None,
        producer_id: ProducerId(-1),
        producer_epoch: -1,
        transaction_timeout_ms: 1000,
        ..Default::default()
    };
    let first = script.call(conn, idempotent.clone(), 4);
    let second = script.call(conn, idempotent.clone(), 4);
    assert_eq!((first.error_code, first.producer_epoch, second.producer_epoch), (ErrorCode::NONE, 0, 0));
    assert_ne!(first.producer_id, second.producer_id);
    let half = InitProducerIdRequest { producer_id: ProducerId(5), ..idempotent.clone() };
    assert_eq!(script.call(conn, half, 4).error_code, ErrorCode::INVALID_REQUEST);

    let find =
        FindCoordinatorRequest { key_type: 1, coordinator_keys: vec!["tx".into()], ..Default::default() };
    let first = script.call(conn, find.clone(), 4).coordinators.remove(0);
    assert_eq!(first.error_code, ErrorCode::COORDINATOR_NOT_AVAILABLE, "its topic is only now created");
    let coordinator = script.call(conn, find, 4).coordinators.remove(0);
    assert_eq!(coordinator.error_code, ErrorCode::NONE);
    let transactional = InitProducerIdRequest { transactional_id: Some("tx".into()), ..idempotent };
    let stranger = script.connect(coordinator.node_id.0 % 3 + 1);
    assert_eq!(script.call(stranger, transactional.clone(), 4).error_code, ErrorCode::NOT_COORDINATOR);
    let conn = script.connect(coordinator.node_id.0);
    let first = script.call(conn, transactional.clone(), 4);
    let bumped = script.call(conn, transactional.clone(), 4);
    assert_eq!((bumped.producer_id, bumped.producer_epoch), (first.producer_id, first.producer_epoch + 1));
    let named = |epoch| InitProducerIdRequest {
        producer_id: first.producer_id,
        producer_epoch: epoch,
        ..transactional.clone()
    };
    assert_eq!(script.call(conn, named(1), 4).producer_epoch, 2);
    assert_eq!(script.call(conn, named(1), 4).producer_epoch, 2, "the same again");
    assert_eq!(script.call(conn, named(0), 4).error_code, ErrorCode::PRODUCER_FENCED);
    assert_eq!(script.call(conn, named(0), 3).error_code, ErrorCode::INVALID_PRODUCER_EPOCH);
}

#[test]
fn coordinators_are_found_singly_and_in_batches() {
    let mut script = Script::with_topic(3);
    let conn = script.connect(1);
    let keys: Vec<Str> = ["a", "b", "c", "group"].map(Str::from).to_vec();
    let many = FindCoordinatorRequest { coordinator_keys: keys.clone(), ..Default::default() };
    let first = script.call(conn, many.clone(), 4).coordinators.remove(0);
    assert_eq!(first.error_code, ErrorCode::COORDINATOR_NOT_AVAILABLE, "their topic is only now created");
    let found = script.call(conn, many.clone(), 4).coordinators;
    assert_eq!(found.iter().map(|one| one.key.clone()).collect::<Vec<_>>(), keys);
    for one in &found {
        let request = FindCoordinatorRequest { key: one.key.clone(), ..Default::default() };
        assert_eq!(script.call(conn, request, 3).node_id, one.node_id);
    }
    let spread: std::collections::BTreeSet<_> = found.iter().map(|one| one.node_id).collect();
    assert!(spread.len() > 1, "they are spread");
    script.state.stop_broker(found[0].node_id);
    script.drain();
    let survivor = (1..=3).find(|id| BrokerId(*id) != found[0].node_id).unwrap();
    let conn = script.connect(survivor);
    let moved = script.call(conn, many, 4).coordinators.remove(0);
    assert!(moved.error_code.is_ok() && moved.node_id != found[0].node_id);
    let topics = script.call(conn, MetadataRequest { topics: None, ..Default::default() }, 9).topics;
    let internal = topics.iter().find(|topic| topic.is_internal).expect("it is listed");
    assert_eq!((internal.name.as_deref(), internal.partitions.len()), (Some("__consumer_offsets"), 50));
    let wrong = FindCoordinatorRequest { key: "a".into(), key_type: 9, ..Default::default() };
    assert_eq!(script.call(conn, wrong, 3).error_code, ErrorCode::INVALID_REQUEST);
}

#[test]
fn the_same_inputs_give_the_same_cluster() {
    let ids = |seed| {
        let options = ClusterOptions { seed, topics: vec![("t".to_owned(), 1)], ..ClusterOptions::default() };
        let mut script = Script::new(options);
        let conn = script.connect(1);
        let response = script.metadata(conn, "t", 12);
        (response.cluster_id, response.topics[0].topic_id)
    };
    assert_eq!(ids(1), ids(1));
    assert_ne!(ids(1), ids(2));
}
