mod chance;
mod formats;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::balancer::Record;
use crate::config::Acks;
use crate::connection::ConnId;
use crate::error::{Error, Fate, WriteError};
use crate::machine::Input;
use crate::machine::tests::{Asked, WRITER, World};
use crate::producer::job::{Batch, Work};
use crate::producer::{Budget, Command, Delivery, Gather, Job};
use crate::protocol::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use crate::protocol::produce::{
    LeaderIdAndEpoch, PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceResponse,
};
use crate::protocol::{ApiKey, BrokerId, ErrorCode, LeaderEpoch, ProducerId};
use crate::record::{self, Batches, Compression, Limits};
use crate::time::{Instant, Now};

/// What a request brings: partition, producer id, first sequence number, values.
type Brought = (i32, i64, i32, Vec<String>);

fn records(asked: &Asked) -> Vec<Bytes> {
    let request: ProduceRequest = asked.request();
    let partitions = request.topic_data.into_iter().flat_map(|topic| topic.partition_data);
    partitions.map(|partition| partition.records.unwrap()).collect()
}

fn brought(asked: &Asked) -> Vec<Brought> {
    let request: ProduceRequest = asked.request();
    let partitions = request.topic_data.into_iter().flat_map(|topic| topic.partition_data);
    partitions
        .map(|partition| {
            let batch = Batches::new(partition.records.unwrap()).next().unwrap().unwrap();
            batch.verify_crc().unwrap();
            let values = batch.records(&Limits::default()).unwrap();
            let values = values.map(|r| String::from_utf8(r.unwrap().value.unwrap().to_vec()).unwrap());
            (partition.index, batch.producer_id().0, batch.base_sequence(), values.collect())
        })
        .collect()
}

fn one(asked: &Asked) -> (i64, i32, Vec<String>) {
    let mut brought = brought(asked);
    assert_eq!(brought.len(), 1);
    let (_, id, sequence, values) = brought.remove(0);
    (id, sequence, values)
}

fn values(asked: &Asked) -> String {
    one(asked).2.join(",")
}

fn offset(delivery: &Delivery) -> Option<i64> {
    delivery.outcome().expect("no outcome").unwrap().offset
}

fn failed(delivery: &Delivery) -> WriteError {
    delivery.outcome().expect("no outcome").unwrap_err()
}

fn last(error: &WriteError) -> ErrorCode {
    let Error::Timeout { last: Some(last), .. } = &error.cause else { panic!("{error:?}") };
    let Error::Rejected { code, .. } = **last else { panic!("{error:?}") };
    code
}

fn produces(world: &mut World) -> Vec<Asked> {
    world.take(ApiKey::PRODUCE)
}

fn only(world: &mut World) -> Asked {
    let mut asked = produces(world);
    assert_eq!(asked.len(), 1, "requests in flight");
    asked.remove(0)
}

/// A batch holds two records of this size.
fn big(name: char) -> Vec<u8> {
    vec![name as u8; 100]
}

fn small_batches(_: &mut crate::Config, writer: &mut crate::WriterConfig) {
    writer.batch_bytes = 256;
}

/// A world with batches of at most one record, and the first of them acknowledged at offset 0.
fn proven(change: impl FnOnce(&mut crate::WriterConfig)) -> World {
    let mut world = World::writing(&[(1, 0)], |_, writer| {
        writer.batch_bytes = 256;
        change(writer);
    });
    let delivery = world.write(0, b"first");
    let asked = only(&mut world);
    world.accept(&asked, 0);
    assert_eq!(offset(&delivery), Some(0));
    world
}

/// Writes batches of one large record each; the last one stays open, so one more is needed to seal it.
fn write_each(world: &mut World, names: &str) -> Vec<Delivery> {
    names.chars().map(|name| world.write(0, &[name as u8; 180])).collect()
}

fn first_letters(requests: &[Asked]) -> String {
    requests.iter().map(|asked| one(asked).2[0][..1].to_owned()).collect()
}

fn letter(asked: &Asked) -> String {
    first_letters(std::slice::from_ref(asked))
}

#[test]
fn numbers_continue_and_what_comes_while_one_is_in_flight_gathers() {
    let mut world = World::writing(&[(1, 0)], |_, _| {});
    let a = world.write(0, b"a");
    let (b, c) = (world.write(0, b"b"), world.write(0, b"c"));
    let first = only(&mut world);
    assert_eq!(one(&first), (1001, 0, vec!["a".into()]));
    world.accept(&first, 40);
    let second = only(&mut world);
    assert_eq!(one(&second), (1001, 1, vec!["b".into(), "c".into()]));
    world.accept(&second, 41);
    assert_eq!([offset(&a), offset(&b), offset(&c)], [Some(40), Some(41), Some(42)]);
    drop(world.write(0, b"d"));
    assert_eq!(one(&only(&mut world)).1, 3);
}

#[test]
fn one_in_flight_until_proven_then_five() {
    let mut world = World::writing(&[(1, 0)], small_batches);
    let _deliveries = write_each(&mut world, "abcdefgh");
    let asked = only(&mut world);
    assert_eq!(letter(&asked), "a");
    world.accept(&asked, 0);
    let asked = produces(&mut world);
    assert_eq!(first_letters(&asked), "bcdef");
    assert_eq!(asked.iter().map(|asked| one(asked).1).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    world.accept(&asked[0], 1);
    assert_eq!(first_letters(&produces(&mut world)), "cdefg");
}

#[test]
fn without_idempotence_one_is_in_flight_and_has_no_numbers() {
    let mut world = World::writing(&[(1, 0)], |_, writer| {
        writer.batch_bytes = 256;
        writer.idempotence = false;
    });
    let _deliveries = write_each(&mut world, "abcd");
    let asked = only(&mut world);
    assert_eq!((one(&asked).0, one(&asked).1), (-1, -1));
    world.accept(&asked, 0);
    assert_eq!(first_letters(&produces(&mut world)), "b");
    // It can't have lost its place: the broker's word on order is final.
    let asked = only(&mut world);
    world.refuse(&asked, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_eq!(failed(&_deliveries[1]).fate, Fate::Rejected);
}

#[cfg(feature = "gzip")]
#[test]
fn a_retry_is_the_same_bytes() {
    for code in [ErrorCode::NOT_ENOUGH_REPLICAS, ErrorCode::REQUEST_TIMED_OUT, ErrorCode::CORRUPT_MESSAGE] {
        let mut world = World::writing(&[(1, 0)], |_, writer| writer.compression = Compression::Gzip);
        let delivery = world.write(0, b"a");
        let first = only(&mut world);
        world.refuse(&first, code);
        assert!(produces(&mut world).is_empty(), "no pause");
        drop(world.write(0, b"later"));
        world.pass_ms(79);
        assert!(produces(&mut world).is_empty(), "paused too short");
        world.pass_ms(42);
        let again = only(&mut world);
        assert_eq!(records(&again), records(&first));
        world.accept(&again, 3);
        assert_eq!(offset(&delivery), Some(3));
    }
}

#[test]
fn a_lost_connection_sends_the_same_bytes_over_another() {
    let mut world = World::writing(&[(1, 0)], |_, _| {});
    let delivery = world.write(0, b"a");
    let first = only(&mut world);
    world.hang_up(first.conn);
    world.pass_ms(300);
    let again = only(&mut world);
    assert_ne!(again.conn, first.conn);
    assert_eq!(records(&again), records(&first));
    world.accept(&again, 0);
    assert_eq!(offset(&delivery), Some(0));
}

#[test]
fn order_is_kept_when_one_in_the_middle_fails() {
    let mut world = proven(|_| {});
    let deliveries = write_each(&mut world, "abcdx");
    let asked = produces(&mut world);
    assert_eq!(first_letters(&asked), "abcd");
    world.accept(&asked[0], 1);
    world.refuse(&asked[1], ErrorCode::NOT_ENOUGH_REPLICAS);
    world.refuse(&asked[2], ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    world.refuse(&asked[3], ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    let mut written = vec!['a'];
    for (log_end, before) in (2..).zip(&asked[1..]) {
        world.pass_ms(2_000);
        let again = only(&mut world);
        assert_eq!(records(&again), records(before), "same bytes, one at a time");
        written.push(values(&again).chars().next().unwrap());
        world.accept(&again, log_end);
    }
    assert_eq!(written, ['a', 'b', 'c', 'd']);
    assert_eq!(deliveries[..4].iter().map(offset).collect::<Vec<_>>(), [Some(1), Some(2), Some(3), Some(4)]);
}

fn epoch(asked: &Asked) -> i16 {
    crate::record::Batches::new(records(asked).remove(0)).next().unwrap().unwrap().producer_epoch()
}

#[test]
fn a_gap_at_the_oldest_renumbers_all_that_is_left_under_a_new_epoch() {
    let mut world = proven(|_| {});
    let deliveries = write_each(&mut world, "abcx");
    let asked = produces(&mut world);
    assert_eq!(first_letters(&asked), "abc");
    // The first fails for good: its numbers are a gap.
    world.refuse(&asked[0], ErrorCode::INVALID_RECORD);
    assert_eq!(failed(&deliveries[0]).fate, Fate::Rejected);
    world.refuse(&asked[1], ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    world.refuse(&asked[2], ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    world.pass_ms(2_000);
    let again = only(&mut world);
    assert_eq!((one(&again).0, epoch(&again), one(&again).1, letter(&again)), (1001, 1, 0, "b".into()));
    world.accept(&again, 1);
    let then = only(&mut world);
    assert_eq!((one(&then).0, epoch(&then), one(&then).1, letter(&then)), (1001, 1, 1, "c".into()));
    world.accept(&then, 2);
    let then = only(&mut world);
    assert_eq!((one(&then).0, epoch(&then), one(&then).1, letter(&then)), (1001, 1, 2, "x".into()));
}

#[test]
fn a_forgotten_producer_raises_its_epoch_and_an_outdated_one_gets_a_new_id() {
    for (code, expected) in
        [(ErrorCode::UNKNOWN_PRODUCER_ID, (1001, 1)), (ErrorCode::INVALID_PRODUCER_EPOCH, (1002, 0))]
    {
        let mut world = proven(|_| {});
        drop(world.write(0, b"a"));
        let asked = only(&mut world);
        assert_eq!(one(&asked).1, 1);
        world.refuse(&asked, code);
        world.pass_ms(200);
        let again = only(&mut world);
        assert_eq!((one(&again).0, epoch(&again)), expected);
        assert_eq!((one(&again).1, letter(&again)), (0, "a".into()));
    }
}

#[test]
fn a_new_id_asked_for_by_one_partition_leaves_the_others_alone() {
    let mut world = World::writing(&[(1, 0), (2, 0)], |_, _| {});
    drop((world.write(0, b"a"), world.write(1, b"b")));
    world.held.insert(ApiKey::INIT_PRODUCER_ID);
    let asked = produces(&mut world);
    world.refuse(&asked[0], ErrorCode::INVALID_PRODUCER_EPOCH);
    assert_eq!(world.take(ApiKey::INIT_PRODUCER_ID).len(), 1);
    world.accept(&asked[1], 0);
    drop(world.write(1, b"c"));
    assert_eq!(brought(&only(&mut world)), [(1, 1001, 1, vec!["c".into()])]);
}

#[test]
fn a_duplicate_is_a_success_without_an_offset() {
    let mut world = World::writing(&[(1, 0)], |_, _| {});
    let delivery = world.write(0, b"a");
    let asked = only(&mut world);
    world.refuse(&asked, ErrorCode::DUPLICATE_SEQUENCE_NUMBER);
    assert_eq!(offset(&delivery), None);
    assert_eq!(world.budget.used(), 0);
}

#[test]
fn without_acks_a_record_is_done_when_it_was_sent() {
    let mut world = World::writing(&[(1, 0)], |_, writer| *writer = writer.clone().acks(Acks::None));
    let (a, b) = (world.write(0, b"a"), world.write(0, b"b"));
    assert_eq!((offset(&a), offset(&b)), (None, None));
    assert_eq!(first_letters(&produces(&mut world)), "ab");
    assert_eq!(world.budget.used(), 0);
}

#[test]
fn a_record_that_gathers_too_long_was_not_written() {
    // No leader: it is never sealed.
    let mut world = World::writing(&[(-1, 0)], |_, writer| writer.delivery_timeout = Duration::from_secs(5));
    let delivery = world.write(0, b"a");
    world.pass_ms(4_999);
    assert!(delivery.outcome().is_none());
    world.pass_ms(1);
    assert_eq!(failed(&delivery).fate, Fate::NotWritten);
    assert_eq!(world.budget.used(), 0);
}

#[test]
fn only_what_is_too_old_expires() {
    let mut world = World::writing(&[(-1, 0)], |_, writer| {
        writer.delivery_timeout = Duration::from_secs(5);
        writer.batch_bytes = 256;
    });
    let old = world.write(0, &[b'a'; 180]);
    world.pass_ms(2_000);
    let young = world.write(0, &[b'b'; 180]);
    world.pass_ms(3_000);
    assert_eq!(failed(&old).fate, Fate::NotWritten);
    assert!(young.outcome().is_none());
    world.topics.insert("t".into(), vec![(1, 1)]);
    world.pass_ms(1_900);
    let asked = only(&mut world);
    assert_eq!(letter(&asked), "b");
    world.accept(&asked, 0);
    assert_eq!(offset(&young), Some(0));
}

#[test]
fn a_sealed_batch_that_was_refused_until_its_time_was_up_was_not_written() {
    for (code, fate) in [
        (ErrorCode::NOT_LEADER_OR_FOLLOWER, Fate::NotWritten),
        (ErrorCode::NOT_ENOUGH_REPLICAS, Fate::NotWritten),
        (ErrorCode::REQUEST_TIMED_OUT, Fate::Unknown),
        (ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND, Fate::Unknown),
    ] {
        let mut world =
            World::writing(&[(1, 0)], |_, writer| writer.delivery_timeout = Duration::from_secs(5));
        let delivery = world.write(0, b"a");
        while delivery.outcome().is_none() {
            for asked in produces(&mut world) {
                world.refuse(&asked, code);
            }
            world.pass_ms(50);
        }
        let error = failed(&delivery);
        assert_eq!((error.fate, last(&error)), (fate, code));
        assert_eq!(world.budget.used(), 0);
    }
}

#[test]
fn a_batch_in_flight_when_its_time_is_up_has_an_unknown_fate_and_keeps_its_memory() {
    let mut world = World::writing(&[(1, 0)], |_, writer| writer.delivery_timeout = Duration::from_secs(5));
    let delivery = world.write(0, b"a");
    world.pass_ms(5_000);
    assert_eq!(failed(&delivery).fate, Fate::Unknown);
    assert!(world.budget.used() > 0, "its bytes are still the connection's");
    let asked = only(&mut world);
    world.accept(&asked, 0);
    assert_eq!(failed(&delivery).fate, Fate::Unknown);
    assert_eq!(world.budget.used(), 0);
    drop(world.write(0, b"b"));
    assert_eq!(one(&only(&mut world)).1, 1);
}

#[test]
fn a_batch_too_large_is_cut_in_two_with_the_numbers_that_its_records_had() {
    let mut world = World::writing(&[(1, 0)], |_, _| {});
    drop(world.write(0, b"first"));
    let deliveries: Vec<Delivery> =
        ["a", "b", "c", "d", "e"].map(|value| world.write(0, value.as_bytes())).into();
    let asked = only(&mut world);
    world.accept(&asked, 0);
    let whole = only(&mut world);
    assert_eq!((one(&whole).1, values(&whole)), (1, "a,b,c,d,e".into()));
    world.refuse(&whole, ErrorCode::MESSAGE_TOO_LARGE);
    let halves = produces(&mut world);
    assert_eq!((one(&halves[0]).1, values(&halves[0])), (1, "a,b".into()));
    assert_eq!((one(&halves[1]).1, values(&halves[1])), (3, "c,d,e".into()));
    // Between the halves another producer appends.
    world.accept(&halves[0], 10);
    world.accept(&halves[1], 20);
    let offsets: Vec<_> = deliveries.iter().map(offset).collect();
    assert_eq!(offsets, [Some(10), Some(11), Some(20), Some(21), Some(22)]);
    assert_eq!(world.budget.used(), 0);
    drop(world.write(0, b"f"));
    assert_eq!(one(&only(&mut world)).1, 6);
}

/// Numbers wrap within a batch, in the halves of one that is cut, and where batches are numbered anew.
#[test]
fn numbers_wrap_to_zero_wherever_they_are_given() {
    let budget = std::sync::Arc::new(Budget::new(1 << 20));
    let gather = std::sync::Arc::new(Gather::new("t".into(), 0, 0, 1 << 16, budget));
    let now = Now { mono: Instant::default(), wall: 0 };
    for value in ["a", "b", "c", "d"] {
        drop(gather.append(now, &Record::new(value), true).unwrap());
    }
    let producer =
        record::Producer { base_sequence: i32::MAX - 1, id: ProducerId(1), epoch: 0, transactional: false };
    let run = |work| {
        let batches = Job { writer: WRITER, slot: 0, work }.run(&*gather).result.into_batches();
        let of_wire =
            |batch: &Batch| Batches::new(batch.bytes.clone()).next().unwrap().unwrap().base_sequence();
        let sequences: Vec<_> = batches.iter().map(|batch| (batch.sequence, of_wire(batch))).collect();
        (batches, sequences)
    };
    let encoding = Compression::None.into();
    let (mut batches, sequences) = run(Work::Seal { producer, encoding, order: 0 });
    assert_eq!(sequences, [(i32::MAX - 1, i32::MAX - 1)]);
    let (batches, sequences) = run(Work::Split { producer, encoding, batch: batches.remove(0) });
    assert_eq!(sequences, [(i32::MAX - 1, i32::MAX - 1), (0, 0)]);
    let producer = record::Producer { base_sequence: i32::MAX, ..producer };
    let (_, sequences) = run(Work::Restamp { producer, batches });
    assert_eq!(sequences, [(i32::MAX, i32::MAX), (1, 1)]);
}

#[test]
fn a_single_record_too_large_fails() {
    let mut world = World::writing(&[(1, 0)], |_, _| {});
    let delivery = world.write(0, b"a");
    let asked = only(&mut world);
    world.refuse(&asked, ErrorCode::MESSAGE_TOO_LARGE);
    let error = failed(&delivery);
    assert_eq!(error.fate, Fate::Rejected);
    assert!(matches!(error.cause, Error::Rejected { code: ErrorCode::MESSAGE_TOO_LARGE, .. }));
    // Nothing came after it: its number is free again.
    drop(world.write(0, b"b"));
    assert_eq!(one(&only(&mut world)).1, 0);
}

/// All batches of a request once waited for the one that took longest to be sealed.
#[test]
fn a_batch_leaves_when_it_is_sealed_not_when_the_slowest_of_all_is() {
    let mut world = World::writing(&[(1, 0); 2], |_, writer| writer.linger = Duration::from_millis(10));
    world.hold_jobs = true;
    drop((world.write(0, b"a"), world.write(1, b"b")));
    world.pass_ms(10);
    assert_eq!(world.jobs.len(), 2);
    for (partition, value) in [(0, "a"), (1, "b")] {
        assert!(world.run_job());
        world.run();
        let asked = produces(&mut world).pop().expect("it waits for the other");
        let brought = brought(&asked);
        assert_eq!((brought[0].0, &brought[0].3[..]), (partition, &[value.to_owned()][..]));
    }
}

/// What an old leader took says nothing of what the new one knows: there, one batch goes ahead.
#[test]
fn a_late_answer_of_the_old_leader_proves_nothing_of_the_new_one() {
    let mut world = proven(|_| {});
    let _deliveries = write_each(&mut world, "abcdef");
    let at_the_old_one = produces(&mut world);
    assert_eq!(at_the_old_one.len(), 5);
    world.topics.insert("t".to_owned(), vec![(2, 1)]);
    world.command(crate::machine::Command::Refresh);
    world.pass_ms(200);
    for (asked, offset) in at_the_old_one.iter().zip(1..) {
        world.accept(asked, offset);
    }
    drop(write_each(&mut world, "ghij"));
    let at_the_new_one = produces(&mut world);
    assert!(at_the_new_one.iter().all(|asked| asked.port == 9002));
    assert_eq!(at_the_new_one.len(), 1, "more than one before it has proven itself");
}

/// It was taken, and every batch then refused.
#[test]
fn a_negative_producer_id_is_none() {
    for (id, epoch) in [(-1, 0), (7, -1)] {
        let mut world = World::new(|_| {});
        world.held.insert(ApiKey::INIT_PRODUCER_ID);
        world.open_writer(crate::WriterConfig::new("t"));
        drop(world.write(0, b"a"));
        let answer = |world: &mut World, id, producer_epoch| {
            let asked = world.take(ApiKey::INIT_PRODUCER_ID).remove(0);
            let response =
                InitProducerIdResponse { producer_id: ProducerId(id), producer_epoch, ..Default::default() };
            world.answer::<InitProducerIdRequest>(&asked, response);
        };
        answer(&mut world, id, epoch);
        assert!(produces(&mut world).is_empty());
        assert!(world.take(ApiKey::INIT_PRODUCER_ID).is_empty(), "without a pause");
        world.pass_ms(150);
        answer(&mut world, 7, 0);
        assert_eq!(one(&only(&mut world)).0, 7);
    }
}

/// A caller who waited in vain was once told of a partition's error that had long passed.
#[test]
fn a_wait_in_vain_tells_what_stands_in_the_way_now() {
    let mut world = World::writing(&[(1, 0), (2, 0)], |_, writer| {
        writer.delivery_timeout = Duration::from_secs(10);
    });
    drop(world.write(0, b"a"));
    while world.now.mono < Instant::from_micros(13_000_000) {
        for asked in produces(&mut world) {
            world.refuse(&asked, ErrorCode::NOT_ENOUGH_REPLICAS);
        }
        world.pass_ms(200);
    }
    let wait = |world: &mut World| {
        let until = world.now.mono + Duration::from_secs(1);
        let command = |op| crate::machine::Command::Writer(WRITER, Command::Wait { op, until });
        let op = world.start(command);
        drop(world.write(1, b"b"));
        for asked in produces(world) {
            world.refuse(&asked, ErrorCode::KAFKA_STORAGE_ERROR);
        }
        world.pass_ms(1_000);
        world.done.remove(&op).expect("its time is up").unwrap_err()
    };
    let Error::Rejected { code, .. } = wait(&mut world) else { panic!() };
    assert_eq!(code, ErrorCode::KAFKA_STORAGE_ERROR);
}

/// A wait for room named any topic of the client that had no leader.
#[test]
fn a_wait_in_vain_does_not_tell_of_another_topic() {
    let mut world = World::writing(&[(1, 0)], |_, _| {});
    world.topics.insert("other".to_owned(), vec![(-1, 0)]);
    let other = crate::ReaderConfig::new("other");
    world.reader(crate::consumer::Command::Open(Arc::new(other)));
    let until = world.now.mono + Duration::from_secs(1);
    let op = world.start(|op| crate::machine::Command::Writer(WRITER, Command::Wait { op, until }));
    drop(world.write(0, b"a"));
    world.pass_ms(1_000);
    assert!(matches!(world.done[&op], Ok(None)), "{:?}", world.done[&op]);
    world.writer(Command::Topic("other".into()));
    let until = world.now.mono + Duration::from_secs(1);
    let op = world.start(|op| crate::machine::Command::Writer(WRITER, Command::Wait { op, until }));
    world.topics.insert("another".to_owned(), Vec::new());
    world.writer(Command::Topic("another".into()));
    world.pass_ms(1_000);
    assert!(matches!(world.done[&op], Err(Error::Rejected { .. })), "{:?}", world.done[&op]);
}

/// While a batch is cut, those behind it come back as out of order: that is no gap, and needs no new producer id.
#[test]
fn batches_behind_one_that_is_being_cut_wait_for_it() {
    let mut world = World::writing(&[(1, 0)], small_batches);
    drop(world.write(0, b"first"));
    drop((world.write(0, &big('a')[..60]), world.write(0, &big('b')[..60])));
    let _rest = write_each(&mut world, "cd");
    let asked = only(&mut world);
    world.accept(&asked, 0);
    let asked = produces(&mut world);
    assert_eq!(first_letters(&asked), "ac");
    assert_eq!(one(&asked[0]).2.len(), 2);
    world.hold_jobs = true;
    world.refuse(&asked[0], ErrorCode::MESSAGE_TOO_LARGE);
    world.refuse(&asked[1], ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    world.hold_jobs = false;
    world.run();
    let mut order = Vec::new();
    for offset in 1.. {
        world.pass_ms(2_000);
        let Some(asked) = produces(&mut world).into_iter().next() else { break };
        order.push((one(&asked).0, one(&asked).1, letter(&asked)));
        world.accept(&asked, offset);
    }
    let expected = [(1001, 1, "a"), (1001, 2, "b"), (1001, 3, "c"), (1001, 4, "d")];
    assert_eq!(order, expected.map(|(id, sequence, name)| (id, sequence, name.to_owned())));
}

/// A seal and a cut may be under way at once: nothing leaves until both are done.
#[test]
fn a_seal_that_ends_first_does_not_overtake_a_cut() {
    let mut world = World::writing(&[(1, 0)], |_, _| {});
    drop(world.write(0, b"first"));
    drop((world.write(0, b"a"), world.write(0, b"b")));
    let asked = only(&mut world);
    world.accept(&asked, 0);
    let whole = only(&mut world);
    assert_eq!(values(&whole), "a,b");
    world.hold_jobs = true;
    world.refuse(&whole, ErrorCode::MESSAGE_TOO_LARGE);
    drop(world.write(0, b"c"));
    world.pass_ms(10);
    // Newest first.
    while let Some(job) = world.jobs.pop_back() {
        world.jobs.push_front(job);
        world.run_job();
        world.run();
    }
    assert_eq!(first_letters(&produces(&mut world)[..2]), "ab");
}

#[test]
fn a_moved_leader_is_looked_up_and_gets_the_batch() {
    let mut world = World::writing(&[(1, 0)], |_, _| {});
    drop(world.write(0, b"a"));
    let first = only(&mut world);
    assert_eq!(first.port, 9001);
    world.topics.insert("t".into(), vec![(2, 1)]);
    world.pass_ms(1_000);
    let before = world.metadata_asked.len();
    world.refuse(&first, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    assert_eq!(world.metadata_asked.len(), before + 1);
    world.pass_ms(130);
    let again = only(&mut world);
    assert_eq!((again.port, records(&again)), (9002, records(&first)));
}

#[test]
fn a_hint_at_the_new_leader_is_followed_without_metadata() {
    let mut world = World::writing(&[(1, 0)], |_, _| {});
    drop(world.write(0, b"a"));
    let first = only(&mut world);
    world.held.insert(ApiKey::METADATA);
    let request: ProduceRequest = first.request();
    let partition = PartitionProduceResponse {
        error_code: ErrorCode::NOT_LEADER_OR_FOLLOWER,
        current_leader: LeaderIdAndEpoch {
            leader_id: BrokerId(3),
            leader_epoch: LeaderEpoch(1),
            ..Default::default()
        },
        ..Default::default()
    };
    let topic = TopicProduceResponse {
        topic_id: request.topic_data[0].topic_id,
        partition_responses: vec![partition],
        ..Default::default()
    };
    let response = ProduceResponse { responses: vec![topic], ..Default::default() };
    world.answer::<ProduceRequest>(&first, response);
    world.pass_ms(130);
    assert_eq!(only(&mut world).port, 9003);
}

#[test]
fn nothing_overtakes_what_is_in_flight_at_the_old_leader() {
    let mut world = proven(|_| {});
    let _deliveries = write_each(&mut world, "abx");
    assert_eq!(first_letters(&produces(&mut world)), "ab");
    world.topics.insert("t".into(), vec![(2, 1)]);
    world.pass(Duration::from_secs(25));
    world.writer(Command::Topic("t".into()));
    let asked = produces(&mut world);
    world.refuse(&asked[0], ErrorCode::NOT_LEADER_OR_FOLLOWER);
    world.pass_ms(2_000);
    assert_eq!(produces(&mut world), [asked[1].clone()], "b may still be on its way");
    world.refuse(&asked[1], ErrorCode::NOT_LEADER_OR_FOLLOWER);
    world.pass_ms(2_000);
    let again = only(&mut world);
    assert_eq!((again.port, letter(&again)), (9002, "a".into()));
}

/// A broker's address changes while requests are in flight: two connections, whose answers come in any order.
#[test]
fn an_answer_counts_for_the_batch_that_was_asked_about() {
    let mut world = proven(|_| {});
    let a = write_each(&mut world, "ax").remove(0);
    let first = only(&mut world);
    world.base_port += 100;
    world.pass(Duration::from_secs(2));
    // Fresh metadata, as another topic's writer would ask for them.
    world.writer(Command::Topic("other".into()));
    world.pass_ms(500);
    let b = write_each(&mut world, "by").remove(0);
    let asked = produces(&mut world);
    let second = asked.iter().find(|asked| asked.port == 9101).expect("no new connection").clone();
    world.accept(&second, 50);
    assert!(a.outcome().is_none(), "the answer was b's");
    world.refuse(&first, ErrorCode::NOT_ENOUGH_REPLICAS);
    assert!(a.outcome().is_none(), "it is sent again");
    assert!(matches!(b.outcome(), None | Some(Ok(_))));
}

#[test]
fn linger_gathers_and_its_end_sends() {
    let mut world = World::writing(&[(1, 0)], |_, writer| writer.linger = Duration::from_millis(20));
    drop(world.write(0, b"a"));
    world.pass_ms(19);
    drop(world.write(0, b"b"));
    assert!(produces(&mut world).is_empty());
    world.pass_ms(1);
    assert_eq!(values(&only(&mut world)), "a,b");
    // Another one does not wait for the first's answer, but it does wait for its linger and for the proof.
    drop(world.write(0, b"c"));
    world.pass_ms(100);
    let asked = only(&mut world);
    world.accept(&asked, 0);
    assert_eq!(values(&only(&mut world)), "c");
}

#[test]
fn a_full_batch_does_not_linger() {
    let mut world = World::writing(&[(1, 0)], |_, writer| {
        writer.batch_bytes = 256;
        writer.linger = Duration::from_secs(1);
    });
    drop(write_each(&mut world, "a"));
    assert!(produces(&mut world).is_empty());
    drop(write_each(&mut world, "b"));
    assert_eq!(letter(&only(&mut world)), "a");
}

#[test]
fn a_flush_sends_what_is_there_without_its_linger() {
    let mut world = World::writing(&[(1, 0)], |_, writer| writer.linger = Duration::from_secs(60));
    drop(world.write(0, b"a"));
    assert!(produces(&mut world).is_empty());
    world.writer(Command::Flush);
    assert_eq!(values(&only(&mut world)), "a");
}

/// The full batch leaves first: what is behind it was there too when the flush was asked for.
#[test]
fn a_flush_overrides_the_linger_of_a_batch_behind_a_full_one() {
    let mut world = World::writing(&[(1, 0)], |_, writer| {
        writer.batch_bytes = 256;
        writer.linger = Duration::from_secs(60);
    });
    world.hold_jobs = true;
    let _deliveries = write_each(&mut world, "ab");
    world.writer(Command::Flush);
    world.hold_jobs = false;
    world.run();
    let first = only(&mut world);
    assert_eq!(letter(&first), "a");
    world.accept(&first, 0);
    let second = only(&mut world);
    assert_eq!(letter(&second), "b");
    world.accept(&second, 1);
    world.pass_ms(1);
    drop(write_each(&mut world, "c"));
    world.pass_ms(59_000);
    assert!(produces(&mut world).is_empty(), "c came after the flush");
}

/// A record is appended between the job and the news of its end.
#[test]
fn a_record_that_comes_while_its_batch_is_sealed_is_not_forgotten() {
    let mut world = World::writing(&[(1, 0)], |_, _| {});
    world.hold_jobs = true;
    drop(world.write(0, b"a"));
    let job = world.jobs.pop_front().unwrap();
    let worked = world.work(job);
    drop(world.write(0, b"b"));
    world.hold_jobs = false;
    world.handle(Input::Worked(vec![worked]));
    let asked = only(&mut world);
    assert_eq!(values(&asked), "a");
    world.accept(&asked, 0);
    assert_eq!(values(&only(&mut world)), "b");
}

#[test]
fn the_budget_refuses_what_is_over_it_until_a_batch_is_gone() {
    let mut world = World::writing(&[(1, 0)], |_, writer| {
        writer.batch_bytes = 256;
        writer.buffer_bytes = 600;
    });
    let _deliveries = write_each(&mut world, "ab");
    let view = world.view.clone().unwrap().unwrap();
    let record = [b'c'; 180];
    let refused = view.partitions[0].append(world.now, &Record::new(&record), true);
    assert!(matches!(refused, Err(crate::producer::Refused::NoRoom)));
    let asked = only(&mut world);
    world.accept(&asked, 0);
    assert!(view.partitions[0].append(world.now, &Record::new(&record), true).is_ok());
}

#[test]
fn a_request_carries_a_batch_of_each_partition_and_no_more_than_its_bytes() {
    let mut world = World::writing(&[(1, 0); 4], |_, writer| {
        writer.batch_bytes = 256;
        writer.request_bytes = 512;
    });
    world.held.insert(ApiKey::INIT_PRODUCER_ID);
    for partition in 0..4 {
        drop(world.write(partition, &[b'a'; 180]));
    }
    let init = world.take(ApiKey::INIT_PRODUCER_ID).remove(0);
    world.held.remove(&ApiKey::INIT_PRODUCER_ID);
    let response =
        InitProducerIdResponse { producer_id: crate::protocol::ProducerId(7), ..Default::default() };
    world.answer::<InitProducerIdRequest>(&init, response);
    let first = only(&mut world);
    assert_eq!(brought(&first).iter().map(|b| b.0).collect::<Vec<_>>(), [0, 1]);
    world.accept(&first, 0);
    let second = only(&mut world);
    assert_eq!(brought(&second).iter().map(|b| b.0).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn a_partition_that_an_answer_lacks_may_be_written() {
    let mut world = World::writing(&[(1, 0)], |_, writer| writer.delivery_timeout = Duration::from_secs(2));
    let delivery = world.write(0, b"a");
    let asked = only(&mut world);
    world.answer::<ProduceRequest>(&asked, ProduceResponse::default());
    world.pass_ms(200);
    let asked = only(&mut world);
    world.refuse(&asked, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    while delivery.outcome().is_none() {
        for asked in produces(&mut world) {
            world.refuse(&asked, ErrorCode::NOT_LEADER_OR_FOLLOWER);
        }
        world.pass_ms(100);
    }
    assert_eq!(failed(&delivery).fate, Fate::Unknown);
}

/// A leader that loses its place while the batch waits for the in-sync replicas tells the offset that it had given.
#[test]
fn a_batch_that_was_refused_with_an_offset_may_be_written() {
    for (base_offset, expected) in [(0, Fate::Unknown), (-1, Fate::NotWritten)] {
        let mut world =
            World::writing(&[(1, 0)], |_, writer| writer.delivery_timeout = Duration::from_secs(2));
        let delivery = world.write(0, b"a");
        let asked = only(&mut world);
        world.produced(&asked, ErrorCode::NOT_LEADER_OR_FOLLOWER, base_offset);
        while delivery.outcome().is_none() {
            for asked in produces(&mut world) {
                world.refuse(&asked, ErrorCode::NOT_LEADER_OR_FOLLOWER);
            }
            world.pass_ms(100);
        }
        assert_eq!(failed(&delivery).fate, expected, "{base_offset}");
    }
}

#[test]
fn every_partition_gets_its_answer_when_a_connection_ends() {
    let mut world = World::writing(&[(1, 0), (1, 0), (2, 0)], |_, _| {});
    let deliveries: Vec<_> = (0..3).map(|partition| world.write(partition, b"a")).collect();
    let conns: std::collections::BTreeSet<ConnId> =
        produces(&mut world).iter().map(|asked| asked.conn).collect();
    conns.into_iter().for_each(|conn| world.hang_up(conn));
    for _ in 0..40 {
        world.pass_ms(100);
        for asked in produces(&mut world) {
            world.accept(&asked, 0);
        }
    }
    assert!(deliveries.iter().all(|delivery| offset(delivery) == Some(0)));
    assert_eq!(world.budget.used(), 0);
}

/// The broker might not know the halves as duplicates of the whole.
#[test]
fn a_batch_that_may_be_written_is_not_cut() {
    let mut world = World::writing(&[(1, 0)], |_, _| {});
    drop(world.write(0, b"first"));
    let deliveries = [world.write(0, b"a"), world.write(0, b"b")];
    let asked = only(&mut world);
    world.accept(&asked, 0);
    let asked = only(&mut world);
    world.refuse(&asked, ErrorCode::REQUEST_TIMED_OUT);
    world.pass_ms(130);
    let asked = only(&mut world);
    world.refuse(&asked, ErrorCode::MESSAGE_TOO_LARGE);
    assert!(deliveries.iter().all(|delivery| failed(delivery).fate == Fate::Unknown));
}
