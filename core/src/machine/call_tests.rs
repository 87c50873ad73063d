//! Calls on virtual time: to whom, in which version, how often, and what ends them.

use std::sync::Arc;
use std::time::Duration;

use super::tests::{Asked, World};
use super::{Ask, Command};
use crate::cluster::Target;
use crate::config::Config;
use crate::context::OpId;
use crate::error::{CloseReason, Error};
use crate::handle::Call;
use crate::protocol::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use crate::protocol::find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse};
use crate::protocol::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use crate::protocol::list_offsets::*;
use crate::protocol::metadata::MetadataRequest;
use crate::protocol::produce::ProduceRequest;
use crate::protocol::{self, ApiKey, BrokerId, ErrorCode, Request};
use crate::wire::WireFault;

/// A world that knows its brokers, and keeps the requests that these tests make.
fn connected(change: impl FnOnce(&mut Config)) -> World {
    let mut world = World::new(change);
    world.held.insert(ApiKey::INIT_PRODUCER_ID);
    world.start(Command::Connect);
    world
}

fn call<R: Request>(world: &mut World, call: impl Into<Call<R>>) -> OpId {
    let ask = call.into().checked(true).unwrap();
    world.start(|op| Command::Ask(op, ask))
}

/// The only request of this kind that waits for an answer.
fn only(world: &World, key: ApiKey) -> Asked {
    let asked: Vec<_> = world.asked.iter().filter(|asked| asked.key == key).collect();
    assert_eq!(asked.len(), 1, "{asked:?}");
    asked[0].clone()
}

fn list_offsets(partition: i32) -> Call<ListOffsetsRequest> {
    Call::new(ListOffsetsRequest::default()).to(Target::leader("t", partition))
}

fn offsets(code: ErrorCode) -> ListOffsetsResponse {
    let partition = ListOffsetsPartitionResponse { error_code: code, ..Default::default() };
    let topic = ListOffsetsTopicResponse { partitions: vec![partition], ..Default::default() };
    ListOffsetsResponse { topics: vec![topic], ..Default::default() }
}

fn begin(id: &str) -> Call<InitProducerIdRequest> {
    let request = InitProducerIdRequest { transactional_id: Some(id.into()), ..Default::default() };
    Call::new(request).to(Target::transaction(id))
}

fn begun(world: &mut World, code: ErrorCode) {
    let asked = only(world, ApiKey::INIT_PRODUCER_ID);
    let response = InitProducerIdResponse { error_code: code, ..Default::default() };
    world.answer::<InitProducerIdRequest>(&asked, response);
}

/// Answers the lookup under way: this broker, or this error.
fn found(world: &mut World, broker: i32, code: ErrorCode) {
    let asked = only(world, ApiKey::FIND_COORDINATOR);
    let request: FindCoordinatorRequest = asked.request();
    let coordinator = Coordinator {
        key: request.coordinator_keys.first().unwrap_or(&request.key).clone(),
        node_id: BrokerId(broker),
        host: "broker".into(),
        port: 9000 + broker,
        error_code: code,
        ..Default::default()
    };
    let response = match asked.version {
        4.. => FindCoordinatorResponse { coordinators: vec![coordinator], ..Default::default() },
        _ => FindCoordinatorResponse {
            node_id: coordinator.node_id,
            host: coordinator.host,
            port: coordinator.port,
            error_code: code,
            ..Default::default()
        },
    };
    world.answer::<FindCoordinatorRequest>(&asked, response);
}

/// Version and broker of the answer to a call that is done.
fn answered(world: &World, op: OpId) -> (i16, Option<i32>) {
    let answer = world.done[&op].as_ref().unwrap().as_ref().unwrap();
    (answer.version, answer.broker.map(|broker| broker.0))
}

fn error(world: &World, op: OpId) -> &Error {
    world.done.get(&op).expect("it waits still").as_ref().unwrap_err()
}

#[test]
fn any_is_a_bootstrap_server_at_first_and_a_broker_later() {
    let mut world = World::new(|_| {});
    let first = call(&mut world, MetadataRequest::default());
    assert_eq!((answered(&world, first), &world.connects[..]), ((13, None), &[9000][..]));
    world.start(Command::Connect);
    let second = call(&mut world, MetadataRequest::default());
    assert_eq!(answered(&world, second), (13, Some(1)));
}

#[test]
fn a_broker_is_waited_for_and_is_the_one_that_answers() {
    let mut world = World::new(|_| {});
    for (target, broker) in
        [(Target::Broker(BrokerId(3)), 3), (Target::Controller, 1), (Target::leader("t", 0), 1)]
    {
        let op = call(&mut world, Call::new(MetadataRequest::default()).to(target));
        world.pass_ms(200);
        assert_eq!(answered(&world, op).1, Some(broker));
    }
}

#[test]
fn a_version_is_the_one_that_was_named_or_the_newest_final_one_of_a_range() {
    let mut world = connected(|_| {});
    world.held.remove(&ApiKey::INIT_PRODUCER_ID);
    for version in InitProducerIdRequest::STABLE..=6 {
        world.ranges.insert(ApiKey::INIT_PRODUCER_ID, (0, version));
    }
    for version in 0..=6 {
        let op = call(&mut world, Call::new(InitProducerIdRequest::default()).version(version));
        assert_eq!(answered(&world, op).0, version);
    }
    let op = call(&mut world, InitProducerIdRequest::default());
    assert_eq!(answered(&world, op).0, 5, "6 is not final");
    let op = call(&mut world, Call::new(InitProducerIdRequest::default()).versions(2..=4));
    assert_eq!(answered(&world, op).0, 4);
    let op = call(&mut world, Call::new(InitProducerIdRequest::default()).versions(3..=99));
    assert_eq!(answered(&world, op).0, 6, "the range names it");
}

#[test]
fn a_version_that_cannot_be_is_an_error_before_anything_is_sent() {
    let refused = |call: Call<MetadataRequest>| call.checked(true).unwrap_err();
    for version in [-1, 14, i16::MAX] {
        let Error::InvalidRequest(cause) = refused(Call::new(MetadataRequest::default()).version(version))
        else {
            panic!()
        };
        assert_eq!((cause.message, cause.version), ("MetadataRequest", version));
        assert_eq!(cause.fault, WireFault::UnknownVersion { known: 0..=13 });
    }
    #[allow(clippy::reversed_empty_ranges, reason = "that is the mistake")]
    let empty = refused(Call::new(MetadataRequest::default()).versions(5..=3));
    assert!(matches!(empty, Error::Config { setting: "versions", .. }), "{empty:?}");

    let mut world = connected(|_| {});
    world.ranges.insert(ApiKey::METADATA, (1, 5));
    let asked = world.metadata_asked.len();
    let op = call(&mut world, Call::new(MetadataRequest::default()).version(12).to(Target::Controller));
    let expected = Error::Unsupported { api: ApiKey::METADATA, ours: (12, 12), theirs: Some((1, 5)) };
    assert_eq!(error(&world, op), &expected);
    world.ranges.remove(&ApiKey::LIST_OFFSETS);
    let op = call(&mut world, Call::new(ListOffsetsRequest::default()).to(Target::Broker(BrokerId(2))));
    let expected = Error::Unsupported { api: ApiKey::LIST_OFFSETS, ours: (0, 11), theirs: None };
    assert_eq!(error(&world, op), &expected);
    assert_eq!(world.metadata_asked.len(), asked);
    assert!(world.asked.is_empty(), "{:?}", world.asked);
}

#[test]
fn a_value_that_the_version_cannot_say_names_field_and_version() {
    let mut world = connected(|_| {});
    let request = FindCoordinatorRequest { coordinator_keys: vec!["g".into()], ..Default::default() };
    let op = call(&mut world, Call::new(request).version(3));
    let Error::InvalidRequest(cause) = error(&world, op) else { panic!("{:?}", world.done) };
    assert_eq!((cause.message, cause.version), ("FindCoordinatorRequest", 3));
    assert_eq!((cause.field.as_str(), &cause.fault), ("coordinator_keys", &WireFault::NotInVersion));
    assert!(world.asked.is_empty());
}

#[test]
fn the_leader_is_looked_up_once_and_again_when_it_moved() {
    let mut world = connected(|_| {});
    world.topics.insert("t".to_owned(), vec![(1, 0), (2, 0)]);
    let before = world.metadata_asked.len();
    for _ in 0..3 {
        call(&mut world, list_offsets(1));
        world.pass_ms(200);
        let asked = only(&world, ApiKey::LIST_OFFSETS);
        assert_eq!(asked.port, 9002);
        world.answer::<ListOffsetsRequest>(&asked, offsets(ErrorCode::NONE));
    }
    assert_eq!(world.metadata_asked.len(), before + 1);

    world.topics.insert("t".to_owned(), vec![(1, 0), (3, 1)]);
    world.held.insert(ApiKey::METADATA);
    let op = call(&mut world, list_offsets(1));
    let asked = only(&world, ApiKey::LIST_OFFSETS);
    world.answer::<ListOffsetsRequest>(&asked, offsets(ErrorCode::NOT_LEADER_OR_FOLLOWER));
    assert_eq!(answered(&world, op), (11, Some(2)), "the code is the caller's to read");
    let op = call(&mut world, list_offsets(1));
    world.pass_ms(200);
    assert!(
        world.take(ApiKey::LIST_OFFSETS).is_empty(),
        "it waits for metadata that are newer than the answer"
    );
    let asked = only(&world, ApiKey::METADATA);
    let metadata = world.metadata(&asked);
    world.answer::<MetadataRequest>(&asked, metadata);
    let asked = only(&world, ApiKey::LIST_OFFSETS);
    assert_eq!(asked.port, 9003);
    world.answer::<ListOffsetsRequest>(&asked, offsets(ErrorCode::NONE));
    assert_eq!(answered(&world, op), (11, Some(3)));
}

#[test]
fn a_leader_is_waited_for_while_there_is_none() {
    let mut world = connected(|config| config.api_timeout = Duration::from_secs(20));
    world.topics.insert("t".to_owned(), vec![(-1, 4)]);
    let never = call(&mut world, list_offsets(0));
    world.pass_ms(19_000);
    let late = call(&mut world, list_offsets(0));
    world.pass_ms(1_000);
    let Error::Timeout { operation: "ListOffsets", last: Some(last), .. } = error(&world, never) else {
        panic!("{:?}", world.done)
    };
    assert!(matches!(**last, Error::Rejected { code: ErrorCode::LEADER_NOT_AVAILABLE, .. }), "{last:?}");
    world.topics.insert("t".to_owned(), vec![(2, 5)]);
    world.pass_ms(2_000);
    let asked = only(&world, ApiKey::LIST_OFFSETS);
    assert_eq!(asked.port, 9002, "the call that was given up is not sent");
    world.answer::<ListOffsetsRequest>(&asked, offsets(ErrorCode::NONE));
    assert_eq!(answered(&world, late), (11, Some(2)));
}

#[test]
fn what_the_cluster_does_not_have_is_an_error_after_the_grace() {
    let mut world = connected(|_| {});
    let missing = Call::new(ListOffsetsRequest::default()).to(Target::leader("missing", 0));
    let topic = call(&mut world, missing);
    let partition = call(&mut world, list_offsets(7));
    let negative = call(&mut world, list_offsets(-1));
    let nobody = Call::new(MetadataRequest::default()).to(Target::Broker(BrokerId(99)));
    let broker = call(&mut world, nobody);
    world.pass_ms(300);
    let unknown = |partition| Error::UnknownPartition { topic: "t".to_owned(), partition, partitions: 1 };
    assert_eq!(error(&world, negative), &unknown(-1));
    world.pass_ms(2_500);
    assert_eq!(world.done.len(), 2, "{:?}", world.done);
    world.pass_ms(2_000);
    assert_eq!(error(&world, topic), &Error::UnknownTopic { topic: "missing".to_owned() });
    assert_eq!(error(&world, partition), &unknown(7));
    assert_eq!(error(&world, broker), &Error::UnknownBroker { broker: BrokerId(99) });
    // Nobody asks for what is missing any more, until someone does.
    let asked = world.metadata_asked.len();
    world.pass_ms(10_000);
    assert!(world.metadata_asked.len() <= asked + 1, "{:?}", &world.metadata_asked[asked..]);
    world.topics.insert("missing".to_owned(), vec![(2, 0)]);
    call(&mut world, Call::new(ListOffsetsRequest::default()).to(Target::leader("missing", 0)));
    world.pass_ms(300);
    assert_eq!(only(&world, ApiKey::LIST_OFFSETS).port, 9002);
}

#[test]
fn topics_of_calls_are_forgotten_when_they_were_not_called_for_long() {
    let mut world = connected(|_| {});
    world.held.remove(&ApiKey::LIST_OFFSETS);
    world.topics.insert("u".to_owned(), vec![(1, 0)]);
    let to_u = || Call::new(ListOffsetsRequest::default()).to(Target::leader("u", 0));
    call(&mut world, to_u());
    world.pass(Duration::from_secs(200));
    call(&mut world, to_u());
    world.held.insert(ApiKey::METADATA);
    for topics in [1, 0] {
        world.pass(Duration::from_secs(if topics == 1 { 101 } else { 301 }));
        let asked = only(&world, ApiKey::METADATA);
        assert_eq!(asked.request::<MetadataRequest>().topics.unwrap().len(), topics);
        let answer = world.metadata(&asked);
        world.answer::<MetadataRequest>(&asked, answer);
    }
}

#[test]
fn a_coordinator_is_looked_up_once_and_again_when_it_moved() {
    let mut world = connected(|_| {});
    let ops = [call(&mut world, begin("a")), call(&mut world, begin("a"))];
    found(&mut world, 2, ErrorCode::NONE);
    for asked in world.take(ApiKey::INIT_PRODUCER_ID) {
        assert_eq!(asked.port, 9002);
        world.answer::<InitProducerIdRequest>(&asked, InitProducerIdResponse::default());
    }
    ops.iter().for_each(|op| assert_eq!(answered(&world, *op), (5, Some(2))));

    let op = call(&mut world, begin("a"));
    begun(&mut world, ErrorCode::NOT_COORDINATOR);
    assert_eq!(answered(&world, op), (5, Some(2)), "the code is the caller's to read");
    let op = call(&mut world, begin("a"));
    found(&mut world, 3, ErrorCode::NONE);
    begun(&mut world, ErrorCode::CONCURRENT_TRANSACTIONS);
    assert_eq!(answered(&world, op), (5, Some(3)));
    call(&mut world, begin("a"));
    begun(&mut world, ErrorCode::NONE);

    // Of another kind it is another coordinator.
    call(&mut world, Call::new(InitProducerIdRequest::default()).to(Target::group("a")));
    assert_eq!(only(&world, ApiKey::FIND_COORDINATOR).request::<FindCoordinatorRequest>().key_type, 0);
}

#[test]
fn a_coordinator_that_hangs_up_is_looked_up_again() {
    let mut world = connected(|_| {});
    let lost = call(&mut world, begin("a"));
    found(&mut world, 2, ErrorCode::NONE);
    let asked = only(&world, ApiKey::INIT_PRODUCER_ID);
    world.hang_up(asked.conn);
    assert!(matches!(error(&world, lost), Error::Connection { .. }), "it was sent, and is not sent again");
    world.pass_ms(5_000);
    assert!(world.asked.is_empty());
    let again = call(&mut world, begin("a").repeatable());
    found(&mut world, 3, ErrorCode::NONE);
    let asked = only(&world, ApiKey::INIT_PRODUCER_ID);
    assert_eq!(asked.port, 9003);
    world.hang_up(asked.conn);
    world.pass_ms(200);
    found(&mut world, 1, ErrorCode::NONE);
    let conn = only(&world, ApiKey::INIT_PRODUCER_ID).conn;
    begun(&mut world, ErrorCode::NONE);
    assert_eq!(answered(&world, again), (5, Some(1)));
    // And so it is when nothing was under way there.
    world.hang_up(conn);
    call(&mut world, begin("a"));
    found(&mut world, 2, ErrorCode::NONE);
    assert_eq!(only(&world, ApiKey::INIT_PRODUCER_ID).port, 9002);
}

#[test]
fn a_lookup_is_repeated_while_the_reason_passes_and_only_then() {
    let mut world = connected(|_| {});
    let op = call(&mut world, begin("a"));
    for code in [ErrorCode::COORDINATOR_NOT_AVAILABLE, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS] {
        found(&mut world, -1, code);
        assert!(world.take(ApiKey::FIND_COORDINATOR).is_empty(), "not without a pause");
        world.pass_ms(300);
    }
    found(&mut world, -1, ErrorCode::NONE);
    world.pass_ms(500);
    found(&mut world, 1, ErrorCode::NONE);
    begun(&mut world, ErrorCode::NONE);
    assert_eq!(answered(&world, op), (5, Some(1)));

    let op = call(&mut world, begin("b"));
    found(&mut world, -1, ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    let expected = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    let Error::Rejected { api: ApiKey::FIND_COORDINATOR, code, .. } = error(&world, op) else { panic!() };
    assert_eq!(*code, expected);
}

/// Kafka 0.10 knows coordinators of groups only.
#[test]
fn an_old_broker_is_asked_for_what_it_knows() {
    let mut world = World::new(|_| {});
    world.held.insert(ApiKey::INIT_PRODUCER_ID);
    world.ranges.insert(ApiKey::FIND_COORDINATOR, (0, 0));
    let op = call(&mut world, begin("a"));
    let expected = Error::Unsupported { api: ApiKey::FIND_COORDINATOR, ours: (1, 6), theirs: Some((0, 0)) };
    assert_eq!(error(&world, op), &expected);
    let op = call(&mut world, Call::new(InitProducerIdRequest::default()).to(Target::group("a")));
    found(&mut world, 2, ErrorCode::NONE);
    begun(&mut world, ErrorCode::NONE);
    assert_eq!(answered(&world, op).1, Some(2));
}

#[test]
fn a_coordinator_that_the_metadata_lack_is_reached_where_the_lookup_says() {
    let mut world = connected(|_| {});
    let op = call(&mut world, begin("a"));
    found(&mut world, 9, ErrorCode::NONE);
    assert_eq!(only(&world, ApiKey::INIT_PRODUCER_ID).port, 9009);
    begun(&mut world, ErrorCode::NONE);
    assert_eq!(answered(&world, op).1, Some(9));
}

#[test]
fn what_was_given_up_is_not_sent() {
    let mut world = connected(|config| config.max_in_flight = 1);
    // Parked, for the lookup.
    let parked = call(&mut world, begin("a"));
    world.command(Command::Cancel(parked));
    found(&mut world, 2, ErrorCode::NONE);
    assert!(world.asked.is_empty());
    // Queued behind another on the connection.
    let first = call(&mut world, begin("a"));
    let second = call(&mut world, begin("a"));
    world.command(Command::Cancel(second));
    begun(&mut world, ErrorCode::NONE);
    assert!(world.asked.is_empty());
    assert_eq!(world.done.keys().filter(|op| **op == second || **op == parked).count(), 0);
    assert!(world.done[&first].is_ok());
    // Sent: its answer is nobody's, and the connection goes on.
    let third = call(&mut world, begin("a"));
    world.command(Command::Cancel(third));
    begun(&mut world, ErrorCode::NONE);
    let fourth = call(&mut world, begin("a"));
    begun(&mut world, ErrorCode::NONE);
    assert!(world.done[&fourth].is_ok() && !world.done.contains_key(&third));
}

#[test]
fn a_closed_client_ends_calls_wherever_they_are() {
    let mut world = connected(|_| {});
    let parked = call(&mut world, begin("a"));
    let sent = call(&mut world, InitProducerIdRequest::default());
    world.command(Command::Shutdown(Error::Closed));
    let late = call(&mut world, MetadataRequest::default());
    for op in [parked, sent, late] {
        assert_eq!(error(&world, op), &Error::Closed);
    }
    assert_eq!(world.client.poll_timeout(), None);
}

#[test]
fn a_call_has_the_time_that_it_says_and_so_has_the_broker() {
    let mut world = connected(|_| {});
    let hasty = Call::new(InitProducerIdRequest::default()).timeout(Duration::from_secs(1));
    let hasty = call(&mut world, hasty);
    let patient = Call::new(InitProducerIdRequest::default()).timeout(Duration::from_secs(300));
    let patient = call(&mut world, patient.to(Target::Broker(BrokerId(2))));
    world.pass_ms(1_000);
    assert!(matches!(error(&world, hasty), Error::Timeout { operation: "InitProducerId", .. }));
    assert_eq!(world.take(ApiKey::INIT_PRODUCER_ID).len(), 2, "its connection is left alone");
    world.pass_ms(290_000);
    let asked = only(&world, ApiKey::INIT_PRODUCER_ID);
    world.answer::<InitProducerIdRequest>(&asked, InitProducerIdResponse::default());
    assert_eq!(answered(&world, patient), (5, Some(2)));
}

#[test]
fn without_a_usable_server_a_call_says_why() {
    let mut world = World::new(|config| config.api_timeout = Duration::from_secs(5));
    world.refused.insert(9000);
    let any = call(&mut world, MetadataRequest::default());
    let controller = call(&mut world, Call::new(MetadataRequest::default()).to(Target::Controller));
    world.pass_ms(5_000);
    for op in [any, controller] {
        let Error::Timeout { last: Some(last), .. } = error(&world, op) else { panic!("{:?}", world.done) };
        assert!(last.to_string().contains("seed:9000"), "{last}");
    }
    // A peer that is no Kafka: nobody waits for a time-out.
    let mut world = World::new(|_| {});
    world.held.insert(ApiKey::API_VERSIONS);
    let op = call(&mut world, Call::new(MetadataRequest::default()).to(Target::Controller));
    let conn = only(&world, ApiKey::API_VERSIONS).conn;
    world.frame(conn, &[0, 0, 0, 7, 0, 0]);
    let Error::Bootstrap { attempts } = error(&world, op) else { panic!("{:?}", world.done) };
    assert_eq!(attempts[0].1, CloseReason::Correlation { expected: -1, got: 7 });
}

#[test]
fn a_produce_without_acks_is_done_when_sent_and_no_call_waits_for_its_answer() {
    let mut world = connected(|_| {});
    let produce = |acks| Call::new(ProduceRequest { acks, ..Default::default() });
    for (acks, answered) in [(0, true), (1, false), (-1, false)] {
        let error = produce(acks).checked(answered).unwrap_err();
        assert!(matches!(error, Error::Config { setting: "acks", .. }), "{error:?}");
    }
    let ask = produce(0).to(Target::leader("t", 0)).checked(false).unwrap();
    let op = world.start(|op| Command::Ask(op, ask));
    world.pass_ms(200);
    assert_eq!(only(&world, ApiKey::PRODUCE).port, 9001);
    assert!(matches!(world.done[&op], Ok(None)));
    // The next answer on that connection is that of the next request.
    world.asked.clear();
    let op = call(&mut world, Call::new(InitProducerIdRequest::default()).to(Target::Broker(BrokerId(1))));
    begun(&mut world, ErrorCode::NONE);
    assert_eq!(answered(&world, op), (5, Some(1)));
}

#[test]
fn an_answer_that_tells_versions_only_is_read_as_what_it_is() {
    let mut world = connected(|_| {});
    call(&mut world, Call::new(MetadataRequest::default()).to(Target::Broker(BrokerId(2))));
    world.held.insert(ApiKey::API_VERSIONS);
    for version in 0..=4 {
        let to = Call::new(ApiVersionsRequest::default()).version(version).to(Target::Broker(BrokerId(2)));
        let op = call(&mut world, to);
        let asked = only(&world, ApiKey::API_VERSIONS);
        assert_eq!(asked.version, version);
        let mut versions = world.versions();
        if version < 3 {
            world.answer::<ApiVersionsRequest>(&asked, versions);
            assert_eq!(answered(&world, op), (version, Some(2)));
            continue;
        }
        // A broker that has just become an older release.
        versions.error_code = ErrorCode::UNSUPPORTED_VERSION;
        let frame = protocol::encode_response::<ApiVersionsRequest>(&mut versions, 0, i32::from(version) + 1)
            .unwrap()
            .to_bytes();
        world.asked.clear();
        world.frame(asked.conn, &frame[4..]);
        assert_eq!(answered(&world, op), (0, Some(2)));
        let answer = world.done.remove(&op).unwrap().unwrap().unwrap();
        let answer: ApiVersionsResponse = answer.take::<ApiVersionsRequest>().unwrap();
        assert_eq!(answer.error_code, ErrorCode::UNSUPPORTED_VERSION);
        assert_eq!(answer.api_keys.len(), protocol::APIS.len());
    }
}

#[test]
fn an_answer_that_cannot_be_read_ends_its_call_alone() {
    let mut world = connected(|_| {});
    let bad = call(&mut world, Call::new(InitProducerIdRequest::default()).to(Target::Broker(BrokerId(2))));
    let conn = only(&world, ApiKey::INIT_PRODUCER_ID).conn;
    world.asked.clear();
    world.frame(conn, &[0, 0, 0, 0, 9]);
    let Error::Connection { reason: CloseReason::Decode(cause), .. } = error(&world, bad) else { panic!() };
    assert_eq!(cause.message, "ResponseHeader");
    let good = call(&mut world, Call::new(InitProducerIdRequest::default()).to(Target::Broker(BrokerId(2))));
    world.pass_ms(200);
    begun(&mut world, ErrorCode::NONE);
    assert_eq!(answered(&world, good), (5, Some(2)));
}

/// Found by the fuzz target `machine`: the lookup that was under way stayed outstanding.
#[test]
fn a_shutdown_ends_the_lookup_of_a_coordinator() {
    let mut world = connected(|_| {});
    world.held.insert(ApiKey::FIND_COORDINATOR);
    let op = call(&mut world, begin("t"));
    assert_eq!(world.client.outstanding().lookups, 1);
    world.command(Command::Shutdown(Error::Closed));
    assert_eq!(error(&world, op), &Error::Closed);
    assert_eq!(world.client.outstanding().lookups, 0);
}

/// Every request for metadata named it, and none could be put into bytes: the client knew no topic any more.
#[test]
fn a_topic_with_an_impossible_name_breaks_nothing() {
    let mut world = World::writing(&[(1, 0)], |_, _| {});
    let topic = "t".repeat(40_000).into();
    let ask = Ask::new(Arc::new(ListOffsetsRequest::default()), Target::Leader { topic, partition: 0 });
    let op = world.start(|op| Command::Ask(op, ask));
    let Some(Err(Error::Rejected { code, .. })) = world.done.remove(&op) else { panic!() };
    assert_eq!(code, ErrorCode::INVALID_TOPIC_EXCEPTION);
    let before = world.metadata_asked.len();
    world.command(Command::Refresh);
    world.pass_ms(1_000);
    assert_eq!(world.metadata_asked.len(), before + 1);
}
