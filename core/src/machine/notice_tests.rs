//! What an operator is told, and when.

use std::time::Duration;

use super::tests::{Asked, World};
use super::{Command, Notice};
use crate::error::{CloseReason, Error};
use crate::protocol::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use crate::protocol::metadata::{MetadataRequest, MetadataResponse};
use crate::protocol::produce::ProduceRequest;
use crate::protocol::{ApiKey, BrokerId, ErrorCode, LeaderEpoch};

/// The notices since this was called last.
fn told(world: &mut World) -> Vec<Notice> {
    std::mem::take(&mut world.notices)
}

fn only(world: &mut World, key: ApiKey) -> Asked {
    let asked = world.take(key);
    assert_eq!(asked.len(), 1, "{asked:?}");
    asked[0].clone()
}

/// In words, without what is of no interest here.
fn words(world: &mut World) -> Vec<String> {
    told(world).iter().map(ToString::to_string).collect()
}

fn writing() -> World {
    let mut world = World::writing(&[(1, 4)], |_, writer| {
        writer.batch_bytes = 256;
        writer.delivery_timeout = Duration::from_secs(50);
    });
    told(&mut world);
    world
}

#[test]
fn a_connection_is_told_of_when_it_is_ready_refused_and_lost() {
    let mut world = World::new(|_| {});
    world.refused.insert(9001);
    world.start(Command::Connect);
    assert_eq!(words(&mut world), ["c0 to bootstrap server seed:9000 is ready"]);
    world.held.insert(ApiKey::INIT_PRODUCER_ID);
    let request = std::sync::Arc::new(InitProducerIdRequest::default());
    let ask = super::Ask::new(request, crate::Target::Broker(BrokerId(1)));
    let op = world.start(|op| Command::Ask(op, ask));
    let refused = Notice::ConnectionRefused {
        conn: super::ConnId(1),
        broker: Some(BrokerId(1)),
        address: "broker:9001".parse().unwrap(),
        reason: CloseReason::Connect(std::io::ErrorKind::ConnectionRefused, "refused".to_owned()),
    };
    assert_eq!(told(&mut world)[0], refused);
    world.refused.clear();
    world.pass_ms(500);
    let asked = only(&mut world, ApiKey::INIT_PRODUCER_ID);
    assert!(words(&mut world).contains(&format!("{} to broker 1 (broker:9001) is ready", asked.conn)));
    world.hang_up(asked.conn);
    let lost = format!(
        "{} to broker 1 (broker:9001) is lost with 1 unanswered: the broker closed the connection",
        asked.conn
    );
    assert_eq!(words(&mut world)[0], lost);
    assert!(world.done.contains_key(&op));
}

#[test]
fn what_is_overdue_and_what_is_throttled_is_told() {
    let mut world = writing();
    drop(world.write(0, b"a"));
    let asked = only(&mut world, ApiKey::PRODUCE);
    told(&mut world);
    world.pass(Duration::from_secs(31));
    let overdue =
        Notice::RequestOverdue { conn: asked.conn, api: ApiKey::PRODUCE, after: Duration::from_secs(30) };
    assert!(told(&mut world).contains(&overdue));

    let mut world = writing();
    drop(world.write(0, b"a"));
    let asked = only(&mut world, ApiKey::PRODUCE);
    told(&mut world);
    let mut response = super::tests::produced(&asked, ErrorCode::NONE, 0);
    response.throttle_time_ms = 250;
    world.answer::<ProduceRequest>(&asked, response);
    let pause = Duration::from_millis(250);
    assert_eq!(told(&mut world), [Notice::Throttled { conn: asked.conn, api: ApiKey::PRODUCE, pause }]);
}

#[test]
fn metadata_that_do_not_come_are_told() {
    let mut world = writing();
    world.held.insert(ApiKey::METADATA);
    world.command(Command::Refresh);
    world.pass_ms(200);
    let asked = only(&mut world, ApiKey::METADATA);
    told(&mut world);
    world.answer::<MetadataRequest>(&asked, MetadataResponse::default());
    let told = told(&mut world);
    let [Notice::MetadataFailed { error: Error::Rejected { code, .. } }, ..] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(*code, ErrorCode::BROKER_NOT_AVAILABLE);
}

#[test]
fn metadata_that_settle_nothing_are_told() {
    let mut world = writing();
    world.topics.insert("t".to_owned(), vec![(-1, 5)]);
    world.command(Command::Refresh);
    world.pass_ms(150);
    let expected = "no metadata: Metadata (3) was refused: LEADER_NOT_AVAILABLE (5): topic \"t\"";
    assert_eq!(words(&mut world)[1..], ["t/0: leader nobody after broker 1, epoch 5", expected]);
}

/// What gathers was told to be too old whatever it failed of.
#[test]
fn records_that_no_producer_id_is_given_for_have_not_expired() {
    let mut world = World::new(|_| {});
    world.held.insert(ApiKey::INIT_PRODUCER_ID);
    world.topics.insert("t".to_owned(), vec![(1, 4)]);
    world.open_writer(crate::WriterConfig::new("t"));
    let delivery = world.write(0, b"a");
    let asked = only(&mut world, ApiKey::INIT_PRODUCER_ID);
    let error_code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
    let response = InitProducerIdResponse { error_code, ..Default::default() };
    world.answer::<InitProducerIdRequest>(&asked, response);
    assert!(delivery.outcome().unwrap().is_err());
    let words = words(&mut world);
    assert!(!words.iter().any(|word| word.contains("its time is over")), "{words:?}");
}

#[test]
fn a_leader_that_moves_is_told_once() {
    let mut world = writing();
    world.topics.insert("t".to_owned(), vec![(2, 5)]);
    world.command(Command::Refresh);
    world.pass_ms(200);
    world.command(Command::Refresh);
    world.pass_ms(2_000);
    let moved = Notice::LeaderMoved {
        topic: "t".into(),
        partition: 0,
        from: Some(BrokerId(1)),
        to: Some(BrokerId(2)),
        epoch: LeaderEpoch(5),
    };
    let moves: Vec<_> =
        told(&mut world).into_iter().filter(|n| matches!(n, Notice::LeaderMoved { .. })).collect();
    assert_eq!(moves, [moved]);
}

#[test]
fn what_becomes_of_batches_is_told() {
    let mut world = writing();
    let _deliveries = (world.write(0, &[1; 60]), world.write(0, &[2; 60]));
    let first = only(&mut world, ApiKey::PRODUCE);
    world.accept(&first, 0);
    let second = only(&mut world, ApiKey::PRODUCE);
    told(&mut world);
    world.refuse(&second, ErrorCode::NOT_ENOUGH_REPLICAS);
    let Some(Notice::BatchRetried { batch, .. }) = told(&mut world).pop() else { panic!() };
    assert_eq!(batch.to_string(), "t/0: a batch of 1 records from sequence 1");

    let mut world = writing();
    world.hold_jobs = true;
    let _deliveries = (world.write(0, &[1; 60]), world.write(0, &[2; 60]));
    world.hold_jobs = false;
    world.run();
    let both = only(&mut world, ApiKey::PRODUCE);
    told(&mut world);
    world.refuse(&both, ErrorCode::MESSAGE_TOO_LARGE);
    assert_eq!(words(&mut world), ["t/0: a batch of 2 records from sequence 0 is cut in two"]);

    let mut world = writing();
    drop(world.write(0, b"a"));
    let asked = only(&mut world, ApiKey::PRODUCE);
    told(&mut world);
    world.refuse(&asked, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    let renumbered = "t/0: 1 batches numbered again under epoch 1".to_owned();
    assert!(words(&mut world).contains(&renumbered));

    // In flight, sealed, or still gathering when their time is up.
    let mut world = writing();
    let _deliveries: Vec<_> = (0..2).map(|_| world.write(0, &[1; 180])).collect();
    told(&mut world);
    world.pass(Duration::from_secs(51));
    let expired = words(&mut world).into_iter().filter(|word| word.ends_with("its time is over"));
    let batch = |sequence| {
        format!("t/0: a batch of 1 records from sequence {sequence} is given up: its time is over")
    };
    assert_eq!(expired.collect::<Vec<_>>(), [batch(0), batch(-1)]);
}
