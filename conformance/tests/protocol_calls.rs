//! Calls of the protocol over TCP against the simulated cluster, on every runtime.

use std::pin::pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use milena_conformance::cluster::{Cluster, Fault};
use milena_core::protocol::create_topics::CreatableTopic;
use milena_core::protocol::list_offsets::{ListOffsetsPartition, ListOffsetsTopic};
use milena_core::protocol::produce::{PartitionProduceData, TopicProduceData};
use milena_core::protocol::*;
use milena_core::record::{BatchBuilder, Compression, Producer};
use milena_core::{Answer, Call, CloseReason, Config, Error, NewTopic, Target};

/// A client on a runtime, with blocking calls.
enum Face {
    Tokio(tokio::runtime::Runtime, milena_core::Client),
    Blocking(milena_blocking::Client),
}

impl Face {
    fn each(cluster: &Cluster, change: impl Fn(&mut Config)) -> [Face; 2] {
        let config = || {
            let mut config = Config::new(&cluster.bootstrap()).unwrap();
            config.request_timeout = Duration::from_secs(1);
            config.api_timeout = Duration::from_secs(5);
            config.topic_grace = Duration::from_millis(300);
            change(&mut config);
            config
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let client = runtime.block_on(async { milena_tokio::client(config()).unwrap() });
        [Face::Tokio(runtime, client), Face::Blocking(milena_blocking::client(config()).unwrap())]
    }

    fn call<R: Request>(&self, call: impl Into<Call<R>>) -> Result<Answer<R::Response>, Error> {
        match self {
            Face::Tokio(runtime, client) => runtime.block_on(client.call(call)),
            Face::Blocking(client) => client.call(call),
        }
    }

    fn send_unanswered<R: Request>(&self, call: impl Into<Call<R>>) -> Result<(), Error> {
        match self {
            Face::Tokio(runtime, client) => runtime.block_on(client.send_unanswered(call)),
            Face::Blocking(client) => client.send_unanswered(call),
        }
    }

    fn close(&self) {
        match self {
            Face::Tokio(_, client) => client.close(),
            Face::Blocking(client) => client.close(),
        }
    }
}

fn cluster() -> Cluster {
    Cluster::builder().nodes(3).topic("t", 3).start().unwrap()
}

fn list_offsets(partition_index: i32) -> Call<ListOffsetsRequest> {
    let partition = ListOffsetsPartition { partition_index, timestamp: -1, ..Default::default() };
    let topic = ListOffsetsTopic { name: "t".into(), partitions: vec![partition], ..Default::default() };
    let request = ListOffsetsRequest { topics: vec![topic], ..Default::default() };
    Call::new(request).to(Target::leader("t", partition_index))
}

fn listed(answer: &Answer<ListOffsetsResponse>) -> (ErrorCode, i64) {
    let partition = &answer.response.topics[0].partitions[0];
    (partition.error_code, partition.offset)
}

fn begin(id: &str) -> Call<InitProducerIdRequest> {
    let request = InitProducerIdRequest {
        transactional_id: Some(id.into()),
        transaction_timeout_ms: 60_000,
        ..Default::default()
    };
    Call::new(request).to(Target::transaction(id))
}

fn produce(acks: i16) -> Call<ProduceRequest> {
    let mut batch = BatchBuilder::with_capacity(100);
    batch.append(1_700_000_000_000, None, Some(b"v"), &[]);
    let records = batch.seal(Compression::None, Producer::NONE).unwrap();
    let partition = PartitionProduceData { index: 0, records: Some(records), ..Default::default() };
    let topic = TopicProduceData { name: "t".into(), partition_data: vec![partition], ..Default::default() };
    let request = ProduceRequest { acks, timeout_ms: 1000, topic_data: vec![topic], ..Default::default() };
    Call::new(request).to(Target::leader("t", 0)).versions(3..=12)
}

fn times(cluster: &Cluster, key: ApiKey) -> usize {
    cluster.requests().iter().filter(|request| request.key == key).count()
}

#[test]
fn every_target_in_every_version() {
    let cluster = cluster();
    for face in Face::each(&cluster, |_| {}) {
        for version in 0..=4 {
            let request = ApiVersionsRequest {
                client_software_name: "test".into(),
                client_software_version: "1".into(),
                ..Default::default()
            };
            let answer = face.call(Call::new(request).version(version)).unwrap();
            assert_eq!((answer.version, answer.response.error_code), (version, ErrorCode::NONE));
            assert!(answer.response.api_keys.len() >= 9);
        }
        for version in 1..=11 {
            let partition = i32::from(version % 3);
            let answer = face.call(list_offsets(partition).version(version)).unwrap();
            assert_eq!((answer.version, listed(&answer)), (version, (ErrorCode::NONE, 0)));
            assert_eq!(answer.broker, cluster.leader("t", partition).map(|(leader, _)| leader));
        }
        for version in 0..=5 {
            let answer = face.call(begin("id").version(version)).unwrap();
            assert_eq!((answer.version, answer.response.error_code), (version, ErrorCode::NONE));
        }
        for (version, partitions) in (2..=7).zip(1..) {
            let topic = CreatableTopic {
                name: "u".into(),
                num_partitions: partitions,
                replication_factor: 1,
                ..Default::default()
            };
            let request =
                CreateTopicsRequest { topics: vec![topic], validate_only: true, ..Default::default() };
            let answer = face.call(Call::new(request).version(version).to(Target::Controller)).unwrap();
            assert_eq!((answer.version, answer.response.topics[0].error_code), (version, ErrorCode::NONE));
        }
        for id in 1..=3 {
            let call = Call::new(MetadataRequest::default()).to(Target::Broker(BrokerId(id)));
            assert_eq!(face.call(call).unwrap().broker, Some(BrokerId(id)));
        }
        let nobody = Call::new(MetadataRequest::default()).to(Target::Broker(BrokerId(4)));
        assert_eq!(face.call(nobody).unwrap_err(), Error::UnknownBroker { broker: BrokerId(4) });
        let beyond = Error::UnknownPartition { topic: "t".to_owned(), partition: 3, partitions: 3 };
        assert_eq!(face.call(list_offsets(3)).unwrap_err(), beyond);
        let missing = list_offsets(0).to(Target::leader("missing", 0));
        assert_eq!(face.call(missing).unwrap_err(), Error::UnknownTopic { topic: "missing".to_owned() });
    }
}

#[test]
fn a_leader_and_a_coordinator_that_move_are_followed() {
    let cluster = cluster();
    for face in Face::each(&cluster, |_| {}) {
        let old = face.call(list_offsets(1)).unwrap().broker.unwrap();
        let new = BrokerId(old.0 % 3 + 1);
        assert!(cluster.move_leader("t", 1, new));
        let answer = face.call(list_offsets(1)).unwrap();
        assert_eq!((answer.broker, listed(&answer).0), (Some(old), ErrorCode::NOT_LEADER_OR_FOLLOWER));
        let answer = face.call(list_offsets(1)).unwrap();
        assert_eq!((answer.broker, listed(&answer).0), (Some(new), ErrorCode::NONE));

        // The first question of all creates the coordinators' topic, and is asked again.
        face.call(begin("first")).unwrap();
        let lookups = || times(&cluster, ApiKey::FIND_COORDINATOR);
        let before = lookups();
        let coordinator = face.call(begin("moves")).unwrap().broker.unwrap();
        face.call(begin("moves")).unwrap();
        assert_eq!(lookups(), before + 1);
        cluster.on_request(ApiKey::INIT_PRODUCER_ID, Fault::Error(ErrorCode::NOT_COORDINATOR));
        let answer = face.call(begin("moves")).unwrap();
        assert_eq!(answer.response.error_code, ErrorCode::NOT_COORDINATOR);
        assert_eq!(face.call(begin("moves")).unwrap().response.error_code, ErrorCode::NONE);
        assert_eq!(lookups(), before + 2);
        assert!(cluster.stop_broker(coordinator));
        let answer = face.call(begin("moves").repeatable()).unwrap();
        assert_ne!(answer.broker, Some(coordinator));
        assert_eq!(answer.response.error_code, ErrorCode::NONE);
        assert!(cluster.start_broker(coordinator).unwrap());
    }
}

#[test]
fn a_call_is_sent_once_unless_twice_is_as_good() {
    let cluster = cluster();
    for face in Face::each(&cluster, |_| {}) {
        face.call(list_offsets(0)).unwrap();
        let sent = || times(&cluster, ApiKey::LIST_OFFSETS);
        let before = sent();
        for (fault, reason) in [
            (Fault::CloseAfter, None),
            (Fault::CloseBefore, None),
            (
                Fault::NeverAnswer,
                Some(CloseReason::RequestTimeout {
                    api: ApiKey::LIST_OFFSETS,
                    after: Duration::from_secs(1),
                }),
            ),
        ] {
            cluster.on_request(ApiKey::LIST_OFFSETS, fault.clone());
            let error = face.call(list_offsets(0)).unwrap_err();
            let Error::Connection { reason: got, .. } = error else { panic!("{fault:?}: {error:?}") };
            assert!(reason.is_none_or(|reason| reason == got), "{fault:?}: {got:?}");
        }
        assert_eq!(sent(), before + 3);
        cluster.on_request(ApiKey::LIST_OFFSETS, Fault::CloseAfter);
        assert_eq!(listed(&face.call(list_offsets(0).repeatable()).unwrap()).0, ErrorCode::NONE);
        assert_eq!(sent(), before + 5);
    }
}

/// Long calls hold up neither metadata nor what writers and the client's own calls send.
#[test]
fn a_call_that_waits_has_the_time_it_asks_for_and_a_connection_of_its_own() {
    let cluster = cluster();
    for face in Face::each(&cluster, |_| {}) {
        cluster.on_request(ApiKey::LIST_OFFSETS, Fault::DelayAnswer(Duration::from_millis(1500)));
        let started = Instant::now();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| face.call(list_offsets(0).timeout(Duration::from_secs(4))));
            std::thread::sleep(Duration::from_millis(100));
            if let Face::Blocking(client) = &face {
                client.create_topic(NewTopic::new("beside", 1)).unwrap();
                assert!(started.elapsed() < Duration::from_millis(1400), "{:?}", started.elapsed());
            }
            assert_eq!(listed(&waiting.join().unwrap().unwrap()).0, ErrorCode::NONE);
        });
        cluster.on_request(ApiKey::LIST_OFFSETS, Fault::DelayAnswer(Duration::from_millis(700)));
        let error = face.call(list_offsets(0).timeout(Duration::from_millis(200))).unwrap_err();
        assert!(matches!(error, Error::Timeout { operation: "ListOffsets", .. }), "{error:?}");
        assert_eq!(listed(&face.call(list_offsets(0)).unwrap()).0, ErrorCode::NONE);
    }
}

#[test]
fn a_produce_without_acks_leaves_the_connection_in_order() {
    let cluster = cluster();
    for (face, first) in Face::each(&cluster, |_| {}).into_iter().zip([0, 6]) {
        for n in 0..5 {
            face.send_unanswered(produce(0)).unwrap();
            let answer = face.call(list_offsets(0)).unwrap();
            assert_eq!(listed(&answer), (ErrorCode::NONE, first + n + 1));
        }
        let answer = face.call(produce(-1)).unwrap();
        assert_eq!(answer.response.responses[0].partition_responses[0].base_offset, first + 5);
        assert!(matches!(face.call(produce(0)), Err(Error::Config { setting: "acks", .. })));
        assert!(matches!(face.send_unanswered(produce(1)), Err(Error::Config { setting: "acks", .. })));
        let one = cluster.requests().into_iter().filter(|request| request.key == ApiKey::PRODUCE);
        assert!(one.count() as i64 == first + 6);
    }
}

#[test]
fn a_dropped_call_and_a_closed_client() {
    let cluster = cluster();
    for face in Face::each(&cluster, |_| {}) {
        if let Face::Tokio(runtime, client) = &face {
            runtime.block_on(async {
                client.call(list_offsets(0)).await.unwrap();
                let before = times(&cluster, ApiKey::LIST_OFFSETS);
                // Parked: its topic is not known.
                let waiting = client.call(list_offsets(0).to(Target::leader("missing", 0)));
                assert!(pin!(waiting).poll(&mut Context::from_waker(Waker::noop())).is_pending());
                assert_eq!(listed(&client.call(list_offsets(0)).await.unwrap()).0, ErrorCode::NONE);
                assert_eq!(times(&cluster, ApiKey::LIST_OFFSETS), before + 1);
                // Calls of many tasks at once.
                let calls = (0..100).map(|n| {
                    let client = client.clone();
                    tokio::spawn(async move { client.call(list_offsets(n % 3)).await })
                });
                for call in calls.collect::<Vec<_>>() {
                    assert_eq!(listed(&call.await.unwrap().unwrap()).0, ErrorCode::NONE);
                }
            });
        }
        cluster.on_request(ApiKey::LIST_OFFSETS, Fault::NeverAnswer);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| face.call(list_offsets(0)));
            std::thread::sleep(Duration::from_millis(200));
            face.close();
            assert_eq!(waiting.join().unwrap().unwrap_err(), Error::Closed);
        });
        assert_eq!(face.call(MetadataRequest::default()).unwrap_err(), Error::Closed);
    }
}

/// Brokers before 2.7 name the topics to delete in another field than later ones.
#[test]
fn a_topic_is_deleted_on_old_and_new_releases() {
    for release in ["0.11.0", "2.4.1", "4.3.1"] {
        let cluster = Cluster::builder().topic("t", 1).as_version(release).start().unwrap();
        let client = milena_blocking::connect(Config::new(&cluster.bootstrap()).unwrap()).unwrap();
        client.delete_topic("t").unwrap();
        assert_eq!(cluster.offsets("t", 0), None, "{release}");
    }
}
