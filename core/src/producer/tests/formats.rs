//! Brokers that take older message formats, and those that change their release.

use super::*;
use crate::config::WriterConfig;
use crate::record::{Header, MessageFormat, RecordError, TimestampType, V2Only};

/// A writer without idempotence to brokers that speak Produce up to `newest`.
fn old(newest: i16, change: impl FnOnce(&mut WriterConfig)) -> World {
    let mut world = World::writing(&[(1, 0)], |_, writer| {
        writer.idempotence = false;
        change(writer);
    });
    release(&mut world, newest);
    world
}

/// The brokers come back as a release that speaks Produce up to `newest`.
fn release(world: &mut World, newest: i16) {
    world.ranges.insert(ApiKey::PRODUCE, (0, newest));
    if newest < 3 {
        world.ranges.remove(&ApiKey::INIT_PRODUCER_ID);
    }
}

fn write_with_header(world: &mut World, value: &[u8]) -> Delivery {
    let view = world.view.clone().unwrap().unwrap();
    let headers = [Header { key: "h", value: None }];
    let record = Record { headers: &headers, ..Record::new(value) };
    let (delivery, news) = view.partitions[0].append(world.now, &record, true).unwrap();
    if let Some(news) = news {
        world.writer(Command::Gathered { slot: 0, news });
    }
    delivery
}

/// Magic, codec, offset, timestamp and value.
type SentRecord = (i8, Compression, i64, i64, String);

/// What a request brings: its version, and its records.
fn sent(asked: &Asked) -> (i16, Vec<SentRecord>) {
    let mut brought = Vec::new();
    for batch in Batches::new(records(asked).remove(0)) {
        let batch = batch.unwrap();
        batch.verify_crc().unwrap();
        for record in batch.records(&Limits::default()).unwrap() {
            let record = record.unwrap();
            let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
            let codec = batch.compression().unwrap();
            brought.push((batch.magic(), codec, record.offset, record.timestamp, value));
        }
    }
    (asked.version, brought)
}

fn values_of(asked: &Asked) -> String {
    sent(asked).1.into_iter().map(|(.., value)| value).collect::<Vec<_>>().join(",")
}

fn needs_v2(delivery: &Delivery, magic: i8) {
    let error = failed(delivery);
    let cause = Error::Encode(RecordError::NeedsV2 { magic, what: V2Only::Headers });
    assert_eq!((error.fate, error.cause), (Fate::NotWritten, cause));
}

#[cfg(all(feature = "gzip", feature = "snappy", any(feature = "lz4", feature = "lz4-c")))]
#[test]
fn a_broker_of_old_gets_its_own_format() {
    for codec in [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4] {
        for (newest, magic) in [(0, 0), (1, 0), (2, 1), (3, 2)] {
            let mut world = old(newest, |writer| writer.compression = codec);
            let wall = world.now.wall;
            let time = |at| if magic == 0 { -1 } else { at };
            let a = world.write(0, b"a");
            world.now.wall += 7;
            let (b, c) = (world.write(0, b"b"), world.write(0, b"c"));
            let first = only(&mut world);
            assert_eq!(sent(&first), (newest, vec![(magic, codec, 0, time(wall), "a".into())]), "{codec}");
            world.accept(&first, 10);
            let second = only(&mut world);
            let expected = ["b", "c"].map(|value| value.to_owned()).into_iter().enumerate();
            let expected = expected.map(|(at, value)| (magic, codec, at as i64, time(wall + 7), value));
            assert_eq!(sent(&second), (newest, expected.collect()), "{codec}");
            world.accept(&second, 20);
            assert_eq!([offset(&a), offset(&b), offset(&c)], [Some(10), Some(20), Some(21)]);
            assert_eq!(world.budget.used(), 0);
        }
    }
}

/// Converting costs neither time nor a retry: what was learnt holds for the batches to come.
#[test]
fn what_a_broker_takes_is_learnt_once() {
    let mut world = old(2, |_| {});
    drop(world.write(0, b"a"));
    let asked = only(&mut world);
    world.hold_jobs = true;
    world.accept(&asked, 0);
    drop(world.write(0, b"b"));
    assert_eq!(world.jobs.len(), 1);
    world.hold_jobs = false;
    world.run();
    assert_eq!(sent(&only(&mut world)).1[0].0, 1);
    assert!(world.connects.len() <= 3, "{:?}", world.connects);
}

#[test]
fn an_idempotent_writer_says_that_old_brokers_are_not_for_it() {
    let mut world = World::new(|_| {});
    release(&mut world, 2);
    world.open_writer(WriterConfig::new("t"));
    for _ in 0..2 {
        let delivery = world.write(0, b"a");
        world.pass_ms(2_000);
        let error = failed(&delivery);
        assert_eq!(error.fate, Fate::NotWritten);
        assert!(error.to_string().contains("turn idempotence off"), "{error}");
    }
    assert!(produces(&mut world).is_empty());
    assert_eq!(world.budget.used(), 0);
    // Its brokers are replaced: the writer goes on.
    let ranges = crate::protocol::APIS.iter().map(|api| (api.key, (*api.versions.start(), api.stable)));
    world.ranges = ranges.collect();
    let conns: Vec<ConnId> = world.open.keys().copied().collect();
    conns.into_iter().for_each(|conn| world.hang_up(conn));
    world.pass_ms(3_000);
    drop(world.write(0, b"b"));
    world.pass_ms(2_000);
    assert_eq!(one(&only(&mut world)), (1001, 0, vec!["b".into()]));
}

/// The producer id is from a newer broker than the leader.
#[test]
fn an_idempotent_batch_for_an_old_leader_fails() {
    let mut world = World::writing(&[(1, 0)], |_, _| {});
    world.ranges.insert(ApiKey::PRODUCE, (0, 2));
    for _ in 0..2 {
        let delivery = world.write(0, b"a");
        let error = failed(&delivery);
        assert_eq!(error.fate, Fate::NotWritten);
        assert!(matches!(error.cause, Error::Unsupported { theirs: Some((0, 2)), .. }), "{error}");
        assert!(error.to_string().contains("before 0.11 take neither idempotence nor zstd"), "{error}");
    }
    assert!(produces(&mut world).is_empty());
}

#[cfg(any(feature = "zstd", feature = "zstd-c"))]
#[test]
fn zstd_is_not_for_old_brokers() {
    for newest in [1, 2, 6] {
        let mut world = old(newest, |writer| writer.compression = Compression::Zstd);
        for _ in 0..2 {
            let delivery = world.write(0, b"a");
            let error = failed(&delivery);
            assert_eq!(error.fate, Fate::NotWritten);
            let expected =
                Error::Unsupported { api: ApiKey::PRODUCE, ours: (7, 12), theirs: Some((0, newest)) };
            let Error::Unsupported { api, ours: (7, _), theirs } = error.cause else { panic!("{error}") };
            let Error::Unsupported { api: expected_api, theirs: expected, .. } = expected else { panic!() };
            assert_eq!((api, theirs), (expected_api, expected));
        }
        assert!(produces(&mut world).is_empty());
        assert_eq!(world.budget.used(), 0);
    }
}

/// Records with headers fail, the others are written around them, in order and each at its offset.
#[test]
fn records_with_headers_fail_alone() {
    let mut world = old(2, |_| {});
    let first = world.write(0, b"first");
    let before = world.write(0, b"a");
    let bad = write_with_header(&mut world, b"x");
    let middle = [world.write(0, b"b"), world.write(0, b"c")];
    let worse = [write_with_header(&mut world, b"y"), write_with_header(&mut world, b"z")];
    let after = world.write(0, b"d");
    let mut order = Vec::new();
    for end in (100..).step_by(100) {
        let Some(asked) = produces(&mut world).into_iter().next() else { break };
        order.push(values_of(&asked));
        assert_eq!(asked.version, 2);
        world.accept(&asked, end);
    }
    assert_eq!(order, ["first", "a", "b,c", "d"]);
    assert_eq!([offset(&first), offset(&before), offset(&after)], [Some(100), Some(200), Some(400)]);
    assert_eq!(middle.each_ref().map(offset), [Some(300), Some(301)]);
    [&bad, &worse[0], &worse[1]].into_iter().for_each(|delivery| needs_v2(delivery, 1));
    assert_eq!(world.budget.used(), 0);
    // Nothing is left of them: the writer goes on.
    let last = write_with_header(&mut world, b"w");
    needs_v2(&last, 1);
    let more = world.write(0, b"e");
    let asked = only(&mut world);
    world.accept(&asked, 500);
    assert_eq!(offset(&more), Some(500));
}

/// A broker that was upgraded while its connection was idle would never be asked otherwise.
#[test]
fn headers_that_failed_make_the_writer_ask_again() {
    let mut world = old(2, |_| {});
    drop(world.write(0, b"a"));
    let asked = only(&mut world);
    world.accept(&asked, 0);
    needs_v2(&write_with_header(&mut world, b"x"), 1);
    let idle: Vec<ConnId> = world.open.keys().copied().collect();
    release(&mut world, 7);
    idle.into_iter().for_each(|conn| world.hang_up(conn));
    world.pass_ms(1_000);
    let delivery = write_with_header(&mut world, b"y");
    world.pass_ms(1_000);
    let asked = only(&mut world);
    assert_eq!((asked.version, sent(&asked).1[0].0), (7, 2));
    world.accept(&asked, 1);
    assert_eq!(offset(&delivery), Some(1));
}

#[cfg(any(feature = "lz4", feature = "lz4-c"))]
#[test]
fn a_batch_is_converted_back_for_a_broker_that_came_back_newer() {
    for codec in [Compression::None, Compression::Lz4] {
        let mut world = old(2, |writer| writer.compression = codec);
        let wall = world.now.wall;
        drop(world.write(0, b"a"));
        let asked = only(&mut world);
        world.accept(&asked, 0);
        let deliveries = [world.write(0, b"b"), world.write(0, b"c")];
        let asked = only(&mut world);
        assert_eq!((asked.version, values_of(&asked)), (2, "b".into()));
        world.ranges.insert(ApiKey::PRODUCE, (3, 9));
        world.hang_up(asked.conn);
        world.pass_ms(1_000);
        let asked = only(&mut world);
        assert_eq!(sent(&asked), (9, vec![(2, codec, 0, wall, "b".into())]));
        world.accept(&asked, 1);
        let asked = only(&mut world);
        assert_eq!(sent(&asked), (9, vec![(2, codec, 0, wall, "c".into())]));
        world.accept(&asked, 2);
        assert_eq!(deliveries.each_ref().map(offset), [Some(1), Some(2)]);
        assert_eq!(world.budget.used(), 0);
    }
}

/// As brokers of 4.0 do: Produce is announced from 0 on, and taken from 3 on.
#[test]
fn a_version_that_is_announced_and_refused_is_not_tried_again() {
    let mut world = old(2, |_| {});
    let delivery = world.write(0, b"a");
    let asked = only(&mut world);
    assert_eq!(asked.version, 2);
    // The versions of a connection are those it began with.
    release(&mut world, 12);
    world.refuse(&asked, ErrorCode::UNSUPPORTED_VERSION);
    assert!(produces(&mut world).is_empty(), "no pause");
    world.pass_ms(130);
    let asked = only(&mut world);
    assert_eq!(asked.version, 2, "this connection knows no other");
    world.hang_up(asked.conn);
    world.pass_ms(1_000);
    let asked = only(&mut world);
    assert_eq!((asked.version, sent(&asked).1[0].0), (12, 2));
    world.accept(&asked, 3);
    assert_eq!(offset(&delivery), Some(3));
}

#[test]
fn a_leader_of_another_release_gets_its_own_format() {
    let mut world = World::writing(&[(1, 0)], |_, writer| writer.idempotence = false);
    let delivery = world.write(0, b"a");
    let asked = only(&mut world);
    assert_eq!(sent(&asked).1[0].0, 2);
    // Broker 2 is the only one of 0.10, and becomes the leader.
    world.topics.insert("t".into(), vec![(2, 1)]);
    world.ranges.insert(ApiKey::PRODUCE, (0, 2));
    world.refuse(&asked, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    let asked = loop {
        world.pass_ms(500);
        let asked = only(&mut world);
        if asked.port == 9002 {
            break asked;
        }
        world.refuse(&asked, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    };
    assert_eq!((asked.version, sent(&asked).1[0].0), (2, 1));
    world.accept(&asked, 7);
    assert_eq!(offset(&delivery), Some(7));
    assert_eq!(world.budget.used(), 0);
}

#[cfg(feature = "gzip")]
#[test]
fn a_batch_of_old_that_is_too_large_is_cut_in_two() {
    for codec in [Compression::None, Compression::Gzip] {
        let mut world = old(2, |writer| writer.compression = codec);
        drop(world.write(0, b"first"));
        let deliveries = ["a", "b", "c"].map(|value| world.write(0, value.as_bytes()));
        let asked = only(&mut world);
        world.accept(&asked, 0);
        let whole = only(&mut world);
        assert_eq!(values_of(&whole), "a,b,c");
        world.refuse(&whole, ErrorCode::MESSAGE_TOO_LARGE);
        for (expected, at) in [("a", 10), ("b,c", 20)] {
            let half = only(&mut world);
            let (version, brought) = sent(&half);
            assert_eq!((version, values_of(&half).as_str()), (2, expected));
            assert!(brought.iter().all(|(magic, found, ..)| (*magic, *found) == (1, codec)));
            world.accept(&half, at);
        }
        assert_eq!(deliveries.each_ref().map(offset), [Some(10), Some(20), Some(21)]);
        assert_eq!(world.budget.used(), 0);
    }
}

/// Its time goes on while it is converted.
#[test]
fn a_batch_that_is_being_converted_expires() {
    let mut world = old(2, |writer| writer.delivery_timeout = Duration::from_secs(2));
    world.hold_jobs = true;
    let delivery = world.write(0, b"a");
    assert!(world.run_job(), "sealed");
    world.run();
    assert!(matches!(world.jobs[0].work, Work::Convert { .. }), "{:?}", world.jobs);
    world.pass_ms(2_500);
    assert!(delivery.outcome().is_none());
    world.hold_jobs = false;
    world.run();
    world.pass_ms(10);
    // As any job's batch it left at once.
    assert_eq!(failed(&delivery).fate, Fate::Unknown);
    let asked = only(&mut world);
    world.accept(&asked, 0);
    assert_eq!(world.budget.used(), 0);
}

#[test]
fn a_batch_in_flight_when_the_writer_learns_keeps_its_bytes_counted() {
    // Many small records: in v1 they take several times as much.
    let mut world = old(2, |writer| writer.batch_bytes = 4096);
    drop(world.write(0, b"first"));
    let _deliveries: Vec<_> = (0..200).map(|_| world.write(0, b"")).collect();
    let asked = only(&mut world);
    world.accept(&asked, 0);
    let asked = only(&mut world);
    let bytes = records(&asked).remove(0);
    assert_eq!(bytes.len(), 200 * 34);
    assert_eq!(world.budget.used(), bytes.len());
    let batch = Batches::new(bytes).next().unwrap().unwrap();
    assert_eq!((batch.timestamp_type(), batch.base_offset()), (TimestampType::CreateTime, Some(0)));
    world.accept(&asked, 1);
    assert_eq!(world.budget.used(), 0);
    assert_eq!(MessageFormat::for_produce((0, 2)), Some(MessageFormat::V1));
}
