use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::config::{Isolation, ReaderConfig, Reset, Start, Until};
use crate::consumer::{Chunk, Command, Opened};
use crate::error::Error;
use crate::machine::Notice;
use crate::machine::tests::{Asked, World};
use crate::protocol::fetch::{
    AbortedTransaction, FetchRequest, FetchResponse, FetchableTopicResponse, PartitionData,
};
use crate::protocol::list_offsets::{
    ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use crate::protocol::{ApiKey, ErrorCode, LeaderEpoch, ProducerId};
use crate::record::{
    BatchBuilder, Compression, ControlType, Producer, RecordError, end_transaction_marker, set_base_offset,
};
use crate::wire::Uuid;

fn placed(batch: Bytes, base_offset: i64) -> Bytes {
    let mut batch = BytesMut::from(&*batch);
    set_base_offset(&mut batch, base_offset, LeaderEpoch(0));
    batch.freeze()
}

/// A batch with a record for each letter.
fn batch_of(base_offset: i64, letters: &str, producer: Producer) -> Bytes {
    let mut builder = BatchBuilder::with_capacity(1 << 10);
    for letter in letters.chars() {
        builder.append(0, None, Some(letter.to_string().as_bytes()), &[]);
    }
    placed(builder.seal(Compression::None, producer).unwrap(), base_offset)
}

fn batch(base_offset: i64, letters: &str) -> Bytes {
    batch_of(base_offset, letters, Producer::NONE)
}

fn of_producer(base_offset: i64, letters: &str, id: i64, transactional: bool) -> Bytes {
    let producer = Producer { id: ProducerId(id), epoch: 0, base_sequence: 0, transactional };
    batch_of(base_offset, letters, producer)
}

fn marker(base_offset: i64, kind: ControlType, id: i64) -> Bytes {
    placed(end_transaction_marker(kind, ProducerId(id), 0, 0, 0), base_offset)
}

fn open(config: &ReaderConfig, from: i64, end: i64, aborted: &[(i64, i64)], batches: &[Bytes]) -> Opened {
    let aborted = aborted.iter().map(|(id, first)| (ProducerId(*id), *first)).collect();
    let records = Bytes::from(batches.concat());
    Opened::new(Chunk { partition: 0, records, from, end, log_end: 100, aborted }, config)
}

/// The records shown, by their letters, and the position behind them; read one by one and batch by batch.
fn shown(from: i64, end: i64, aborted: &[(i64, i64)], batches: &[Bytes]) -> (String, i64) {
    let config = ReaderConfig::new("t");
    let mut opened = open(&config, from, end, aborted, batches);
    let mut letters = String::new();
    while let Some(message) = opened.next_message() {
        letters.push_str(std::str::from_utf8(&message.unwrap().value.unwrap()).unwrap());
    }
    let mut by_batch = open(&config, from, end, aborted, batches);
    let mut again = String::new();
    while let Some(batch) = by_batch.next_batch() {
        let mut batch = batch.unwrap();
        while let Some(record) = batch.next_record() {
            again.push_str(std::str::from_utf8(record.unwrap().value.unwrap()).unwrap());
        }
    }
    assert_eq!((&again, by_batch.position), (&letters, opened.position));
    (letters, opened.position)
}

#[test]
fn records_before_the_position_and_from_the_end_on_are_skipped() {
    let batches = [batch(10, "abc"), batch(13, "def")];
    for (from, end, letters, position) in [
        (10, 100, "abcdef", 16),
        (11, 100, "bcdef", 16),
        (13, 100, "def", 16),
        (15, 100, "f", 16),
        (10, 14, "abcd", 14),
        (12, 13, "c", 13),
        (16, 100, "", 16),
    ] {
        assert_eq!(shown(from, end, &[], &batches), (letters.into(), position), "{from}..{end}");
    }
}

#[test]
fn gaps_of_compaction_are_passed_over() {
    assert_eq!(shown(3, 100, &[], &[batch(5, "a"), batch(20, "bc")]), ("abc".into(), 22));
    assert_eq!(shown(3, 10, &[], &[batch(5, "a"), batch(20, "bc")]), ("a".into(), 10));
}

#[test]
fn aborted_transactions_are_hidden_up_to_their_marker_and_nothing_else_is() {
    let log = [
        of_producer(0, "a", 1, true),
        of_producer(1, "b", 2, true),
        of_producer(2, "c", 1, false),
        batch(3, "d"),
        marker(4, ControlType::Abort, 1),
        of_producer(5, "e", 1, true),
        marker(6, ControlType::Commit, 2),
        marker(7, ControlType::Commit, 1),
        of_producer(8, "f", 1, true),
        of_producer(9, "g", 2, true),
        marker(10, ControlType::Abort, 1),
        marker(11, ControlType::Commit, 2),
    ];
    for (from, aborted, letters) in [
        (0, &[][..], "abcdefg"),
        (0, &[(1, 0), (1, 8)][..], "bcdeg"),
        (0, &[(1, 0)][..], "bcdefg"),
        (0, &[(1, 8)][..], "abcdeg"),
        (0, &[(2, 1)][..], "acdef"),
        // A producer's transaction may have begun before what was fetched.
        (5, &[(1, 8)][..], "eg"),
    ] {
        assert_eq!(shown(from, 100, aborted, &log), (letters.into(), 12), "{from} {aborted:?}");
    }
    // From the middle of an aborted transaction.
    let log = [of_producer(3, "x", 1, true), marker(4, ControlType::Abort, 1), of_producer(5, "y", 1, true)];
    assert_eq!(shown(3, 100, &[(1, 0)], &log), ("y".into(), 6));
}

#[test]
fn a_spoilt_batch_is_an_error_with_its_offset_and_what_follows_is_read() {
    let config = ReaderConfig::new("t");
    let mut spoilt = BytesMut::from(&*batch(2, "b"));
    *spoilt.last_mut().unwrap() ^= 1;
    let mut opened = open(&config, 0, 100, &[], &[batch(0, "aa"), spoilt.freeze(), batch(3, "c")]);
    assert_eq!(opened.next_message().unwrap().unwrap().offset, 0);
    assert_eq!(opened.next_message().unwrap().unwrap().offset, 1);
    let Some(Err(Error::CorruptBatch { offset: 2, cause: RecordError::Crc { .. }, .. })) =
        opened.next_message()
    else {
        panic!("no error")
    };
    assert_eq!(opened.next_message().unwrap().unwrap().offset, 3);
    assert!(opened.next_message().is_none());
}

fn reading(partitions: &[(i32, i32)], change: impl FnOnce(&mut ReaderConfig)) -> World {
    World::reading(partitions, |_, reader| {
        reader.start = Start::Offset(0);
        change(reader);
    })
}

fn fetches(world: &mut World) -> Vec<Asked> {
    world.take(ApiKey::FETCH)
}

fn fetch(world: &mut World) -> Asked {
    let mut asked = fetches(world);
    assert_eq!(asked.len(), 1, "fetches in flight");
    asked.remove(0)
}

/// Partitions and positions that a fetch asks for, in its order.
fn positions(asked: &Asked) -> Vec<(i32, i64)> {
    let request: FetchRequest = asked.request();
    let partitions = request.topics.into_iter().flat_map(|topic| topic.partitions);
    partitions.map(|partition| (partition.partition, partition.fetch_offset)).collect()
}

fn serve(world: &mut World, asked: &Asked, partitions: Vec<PartitionData>) {
    let topic = asked.request::<FetchRequest>().topics.remove(0);
    let topic = FetchableTopicResponse {
        topic: topic.topic,
        topic_id: topic.topic_id,
        partitions,
        ..Default::default()
    };
    let response = FetchResponse { responses: vec![topic], ..Default::default() };
    world.answer::<FetchRequest>(asked, response);
}

fn data(partition_index: i32, batches: &[Bytes]) -> PartitionData {
    PartitionData {
        partition_index,
        records: Some(batches.concat().into()),
        high_watermark: 100,
        last_stable_offset: 90,
        ..Default::default()
    }
}

fn error(partition_index: i32, error_code: ErrorCode) -> PartitionData {
    PartitionData { partition_index, error_code, ..Default::default() }
}

/// Timestamps that are looked up, by partition.
fn lookups(world: &mut World) -> Vec<(Asked, Vec<(i32, i64)>)> {
    let all = world.take(ApiKey::LIST_OFFSETS).into_iter();
    all.map(|asked| {
        let request: ListOffsetsRequest = asked.request();
        let partitions = request.topics.into_iter().flat_map(|topic| topic.partitions);
        (asked, partitions.map(|partition| (partition.partition_index, partition.timestamp)).collect())
    })
    .collect()
}

/// Answers a look-up with this offset for each partition.
fn tell(world: &mut World, asked: &Asked, code: ErrorCode, offset: i64) {
    let request: ListOffsetsRequest = asked.request();
    let topics = request.topics.into_iter().map(|topic| ListOffsetsTopicResponse {
        partitions: (topic.partitions.iter())
            .map(|partition| ListOffsetsPartitionResponse {
                partition_index: partition.partition_index,
                error_code: code,
                offset,
                ..Default::default()
            })
            .collect(),
        name: topic.name,
        ..Default::default()
    });
    let response = ListOffsetsResponse { topics: topics.collect(), ..Default::default() };
    world.answer::<ListOffsetsRequest>(asked, response);
}

#[test]
fn the_position_moves_by_whole_batches_before_they_are_read() {
    let mut world = reading(&[(1, 0)], |_| {});
    let asked = fetch(&mut world);
    assert_eq!(positions(&asked), [(0, 0)]);
    // Compaction left a gap.
    serve(&mut world, &asked, vec![data(0, &[batch(0, "abc"), batch(7, "de")])]);
    assert_eq!(positions(&fetch(&mut world)), [(0, 9)]);
    let chunk = world.chunks.remove(0);
    assert_eq!((chunk.from, chunk.end, chunk.log_end), (0, i64::MAX, 90));
}

#[test]
fn each_start_is_looked_up_by_its_timestamp() {
    for (start, timestamp) in [(Start::First, -2), (Start::Last, -1), (Start::Timestamp(77), 77)] {
        let mut world = reading(&[(1, 0)], |reader| reader.start = start);
        let (asked, timestamps) = lookups(&mut world).remove(0);
        assert_eq!(timestamps, [(0, timestamp)]);
        assert!(fetches(&mut world).is_empty());
        tell(&mut world, &asked, ErrorCode::NONE, 42);
        assert_eq!(positions(&fetch(&mut world)), [(0, 42)]);
    }
}

#[test]
fn a_timestamp_later_than_all_records_means_the_end() {
    let mut world = reading(&[(1, 0)], |reader| reader.start = Start::Timestamp(77));
    let (asked, _) = lookups(&mut world).remove(0);
    tell(&mut world, &asked, ErrorCode::NONE, -1);
    let (asked, timestamps) = lookups(&mut world).remove(0);
    assert_eq!(timestamps, [(0, -1)]);
    tell(&mut world, &asked, ErrorCode::NONE, 9);
    assert_eq!(positions(&fetch(&mut world)), [(0, 9)]);
}

#[test]
fn a_look_up_that_fails_for_a_while_is_made_again() {
    let mut world = reading(&[(1, 0)], |reader| reader.start = Start::First);
    let (asked, _) = lookups(&mut world).remove(0);
    tell(&mut world, &asked, ErrorCode::NOT_LEADER_OR_FOLLOWER, -1);
    assert!(lookups(&mut world).is_empty(), "no pause");
    world.pass_ms(130);
    let (asked, _) = lookups(&mut world).remove(0);
    tell(&mut world, &asked, ErrorCode::TOPIC_AUTHORIZATION_FAILED, -1);
    let Some(Some(Error::Rejected { code, .. })) = &world.ended else { panic!("{:?}", world.ended) };
    assert_eq!(*code, ErrorCode::TOPIC_AUTHORIZATION_FAILED);
}

#[test]
fn it_ends_exactly_at_the_end() {
    let mut world = reading(&[(1, 0)], |reader| reader.until = Until::End);
    let (asked, timestamps) = lookups(&mut world).remove(0);
    assert_eq!(timestamps, [(0, -1)]);
    tell(&mut world, &asked, ErrorCode::NONE, 5);
    let asked = fetch(&mut world);
    serve(&mut world, &asked, vec![data(0, &[batch(0, "abcd")])]);
    assert_eq!(world.ended, None);
    let asked = fetch(&mut world);
    serve(&mut world, &asked, vec![data(0, &[batch(4, "ef")])]);
    assert_eq!(world.ended, Some(None));
    assert!(fetches(&mut world).is_empty());
    assert_eq!(world.chunks[1].end, 5);
}

#[test]
fn an_empty_topic_ends_at_once() {
    let mut world = reading(&[(1, 0), (2, 0)], |reader| {
        (reader.start, reader.until) = (Start::First, Until::End);
    });
    while let Some((asked, _)) = lookups(&mut world).into_iter().next() {
        tell(&mut world, &asked, ErrorCode::NONE, 0);
    }
    assert_eq!(world.ended, Some(None));
    assert!(fetches(&mut world).is_empty());
}

#[test]
fn an_offset_out_of_range_is_reset_or_an_error() {
    for (reset, timestamp) in [(Reset::First, Some(-2)), (Reset::Last, Some(-1)), (Reset::Error, None)] {
        let mut world = reading(&[(1, 0)], |reader| {
            (reader.start, reader.reset) = (Start::Offset(50), reset);
        });
        let asked = fetch(&mut world);
        serve(&mut world, &asked, vec![error(0, ErrorCode::OFFSET_OUT_OF_RANGE)]);
        let Some(timestamp) = timestamp else {
            let expected = Error::OffsetOutOfRange { topic: "t".into(), partition: 0, offset: 50 };
            assert_eq!(world.ended, Some(Some(expected)));
            continue;
        };
        assert!(lookups(&mut world).is_empty(), "not without a pause: it could go round and round");
        world.pass(Duration::from_millis(150));
        let (asked, timestamps) = lookups(&mut world).remove(0);
        assert_eq!(timestamps, [(0, timestamp)]);
        tell(&mut world, &asked, ErrorCode::NONE, 30);
        assert_eq!(positions(&fetch(&mut world)), [(0, 30)]);
    }
}

#[test]
fn fetching_stops_while_the_buffer_is_full_and_goes_on_when_it_is_read() {
    let mut world = reading(&[(1, 0)], |reader| {
        (reader.buffer_bytes, reader.partition_bytes) = (1 << 16, 1 << 16);
    });
    let big = batch(0, &"x".repeat(6_000));
    let bytes = big.len();
    assert!(bytes > 1 << 15);
    let asked = fetch(&mut world);
    serve(&mut world, &asked, vec![data(0, &[big])]);
    world.pass(Duration::from_secs(100));
    assert!(fetches(&mut world).is_empty());
    world.reader(Command::Consumed(bytes));
    assert_eq!(positions(&fetch(&mut world)), [(0, 6_000)]);
}

/// With default settings: the first two brokers asked for all of the buffer, and the third waited for ever.
#[test]
fn every_broker_is_asked_even_while_all_are_idle() {
    let mut world = reading(&[(1, 0), (2, 0), (3, 0)], |_| {});
    let mut ports: Vec<u16> = fetches(&mut world).iter().map(|asked| asked.port).collect();
    ports.sort();
    assert_eq!(ports, [9001, 9002, 9003]);
    let bytes: i32 = fetches(&mut world).iter().map(|asked| asked.request::<FetchRequest>().max_bytes).sum();
    assert!(bytes <= 64 << 20);
}

/// A long poll longer than requests may take ended each connection.
#[test]
fn a_long_poll_may_be_longer_than_a_request() {
    let mut world = reading(&[(1, 0)], |reader| reader.max_wait = Duration::from_secs(100));
    let asked = fetch(&mut world);
    world.pass(Duration::from_secs(100));
    assert_eq!(fetch(&mut world), asked);
    world.pass(Duration::from_secs(31));
    assert_ne!(fetch(&mut world).conn, asked.conn, "but not for ever");
}

#[test]
fn partitions_that_were_not_asked_for_count_for_nothing() {
    let mut world = reading(&[(1, 0), (1, 0)], |reader| reader.partitions = Some(vec![0]));
    let asked = fetch(&mut world);
    let strange = [1, 7, -1].map(|partition| data(partition, &[batch(0, "a")]));
    serve(&mut world, &asked, strange.into());
    assert!(world.chunks.is_empty() && world.ended.is_none());
    world.pass_ms(130);
    assert_eq!(positions(&fetch(&mut world)), [(0, 0)]);
    // Nor does a second answer for the same one.
    let asked = fetch(&mut world);
    serve(&mut world, &asked, vec![data(0, &[batch(0, "a")]), data(0, &[batch(0, "a")])]);
    assert_eq!(world.chunks.len(), 1);
}

#[test]
fn a_topic_that_was_not_asked_for_counts_for_nothing() {
    let mut world = reading(&[(1, 0)], |_| {});
    let asked = fetch(&mut world);
    let partitions = vec![data(0, &[batch(0, "a")])];
    let topic = FetchableTopicResponse { topic_id: Uuid([9; 16]), partitions, ..Default::default() };
    let response = FetchResponse { responses: vec![topic], ..Default::default() };
    world.answer::<FetchRequest>(&asked, response);
    assert!(world.chunks.is_empty());
    world.pass_ms(130);
    assert_eq!(positions(&fetch(&mut world)), [(0, 0)]);
}

#[test]
fn empty_answers_that_did_not_wait_are_followed_by_growing_pauses() {
    let mut world = reading(&[(1, 0)], |_| {});
    let mut asked = fetch(&mut world);
    for expected in [100, 200, 400] {
        serve(&mut world, &asked, vec![data(0, &[])]);
        world.pass_ms(expected * 4 / 5 - 1);
        assert!(fetches(&mut world).is_empty(), "sooner than {expected} ms");
        world.pass_ms(expected * 2 / 5 + 2);
        asked = fetch(&mut world);
    }
    world.pass_ms(500);
    serve(&mut world, &asked, vec![data(0, &[])]);
    assert_eq!(fetches(&mut world).len(), 1, "this one has waited");
}

#[test]
fn an_error_of_one_partition_pauses_that_one() {
    let mut world = reading(&[(1, 0), (1, 0)], |_| {});
    let asked = fetch(&mut world);
    serve(&mut world, &asked, vec![error(0, ErrorCode::NOT_LEADER_OR_FOLLOWER), data(1, &[batch(0, "a")])]);
    let asked = fetch(&mut world);
    assert_eq!(positions(&asked), [(1, 1)]);
    world.pass_ms(200);
    serve(&mut world, &asked, vec![data(1, &[batch(1, "b")])]);
    let mut both = positions(&fetch(&mut world));
    both.sort();
    assert_eq!(both, [(0, 0), (1, 2)]);
}

/// Found by the fuzz target `machine`: data that came later, or with the error, was told after the end.
#[test]
fn nothing_follows_the_end_of_a_reader() {
    let mut world = reading(&[(1, 0), (2, 0), (1, 0)], |_| {});
    let asked = fetches(&mut world);
    let (refused, other): (Vec<_>, Vec<_>) = asked.into_iter().partition(|asked| asked.port == 9001);
    let refusal = error(0, ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    serve(&mut world, &refused[0], vec![refusal, data(2, &[batch(0, "a")])]);
    assert!(matches!(world.ended, Some(Some(Error::Rejected { .. }))));
    serve(&mut world, &other[0], vec![data(1, &[batch(0, "b")])]);
    assert!(world.chunks.is_empty(), "{:?}", world.chunks);
    assert_eq!(world.client.outstanding().fetched_bytes, 0);
}

#[test]
fn a_lost_connection_fetches_from_the_same_position() {
    let mut world = reading(&[(1, 0)], |reader| reader.start = Start::Offset(5));
    let asked = fetch(&mut world);
    world.hang_up(asked.conn);
    world.pass_ms(500);
    assert_eq!(positions(&fetch(&mut world)), [(0, 5)]);
}

#[test]
fn a_moved_leader_is_followed() {
    let mut world = reading(&[(1, 0)], |_| {});
    let asked = fetch(&mut world);
    world.topics.insert("t".into(), vec![(3, 1)]);
    world.pass_ms(1_000);
    serve(&mut world, &asked, vec![error(0, ErrorCode::NOT_LEADER_OR_FOLLOWER)]);
    world.pass_ms(130);
    assert_eq!(fetch(&mut world).port, 9003);
}

#[test]
fn aborted_transactions_are_told_in_order_and_only_to_those_who_skip_them() {
    for (isolation, expected, log_end) in [
        (Isolation::ReadCommitted, vec![(ProducerId(2), 3), (ProducerId(1), 8)], 90),
        (Isolation::ReadUncommitted, vec![], 100),
    ] {
        let mut world = reading(&[(1, 0)], |reader| reader.isolation = isolation);
        let asked = fetch(&mut world);
        let aborted = |id, first_offset| AbortedTransaction {
            producer_id: ProducerId(id),
            first_offset,
            ..Default::default()
        };
        let data = PartitionData {
            aborted_transactions: Some(vec![aborted(1, 8), aborted(2, 3)]),
            ..data(0, &[batch(0, "a")])
        };
        serve(&mut world, &asked, vec![data]);
        assert_eq!((&world.chunks[0].aborted, world.chunks[0].log_end), (&expected, log_end));
    }
}

fn strange_batch(base_offset: i64) -> Bytes {
    let mut strange = BytesMut::from(&*batch(base_offset, "b"));
    strange[16] = 9;
    strange.freeze()
}

/// Once they ended the reader, though the next answer was sound.
#[test]
fn bytes_that_are_no_batch_are_asked_for_again_behind_what_came_before() {
    let mut world = reading(&[(1, 0)], |_| {});
    let asked = fetch(&mut world);
    serve(&mut world, &asked, vec![data(0, &[batch(0, "a"), strange_batch(1)])]);
    assert_eq!((world.chunks.len(), &world.ended), (1, &None));
    assert!(world.take(ApiKey::FETCH).is_empty(), "without a pause");
    world.pass_ms(200);
    let asked = fetch(&mut world);
    serve(&mut world, &asked, vec![data(0, &[batch(1, "b")])]);
    assert_eq!((world.chunks.len(), world.chunks[1].from, &world.ended), (2, 1, &None));
}

#[test]
fn bytes_that_are_no_batch_again_and_again_end_the_reader() {
    let mut world = reading(&[(1, 0)], |_| {});
    let asked = fetch(&mut world);
    serve(&mut world, &asked, vec![data(0, &[batch(0, "a")])]);
    for time in 1..=5 {
        assert_eq!(world.ended, None, "after {} times", time - 1);
        world.pass_ms(200);
        let asked = fetch(&mut world);
        serve(&mut world, &asked, vec![data(0, &[strange_batch(1)])]);
    }
    assert_eq!(world.chunks.len(), 1, "nothing of it is shown");
    let Some(Some(Error::CorruptBatch { offset, .. })) = &world.ended else { panic!("{:?}", world.ended) };
    assert_eq!(*offset, 1);
}

/// The same for answers that are none: an end of the connection each time, and an error only after five.
#[test]
fn answers_that_cannot_be_read_are_asked_for_again_and_end_the_reader_at_last() {
    for times in [4, 5] {
        let mut world = reading(&[(1, 0)], |_| {});
        for _ in 0..times {
            let asked = fetch(&mut world);
            world.garble(&asked);
            world.pass_ms(2_000);
        }
        match times {
            5 => assert!(matches!(world.ended, Some(Some(Error::Connection { .. }))), "{:?}", world.ended),
            _ => {
                let asked = fetch(&mut world);
                serve(&mut world, &asked, vec![data(0, &[batch(0, "a")])]);
                assert_eq!((world.chunks.len(), &world.ended), (1, &None));
            }
        }
    }
}

/// Nine partitions, each of which is looked up by a request of its own.
fn looking_up_each(change: impl FnOnce(&mut crate::Config)) -> World {
    let mut world = World::reading(&[(1, 0); 9], |client, _| change(client));
    let asked = world.take(ApiKey::LIST_OFFSETS).remove(0);
    let refused = |partition_index| ListOffsetsPartitionResponse {
        partition_index,
        error_code: ErrorCode::LEADER_NOT_AVAILABLE,
        ..Default::default()
    };
    let partitions = (0..9).map(refused).collect();
    let topic = ListOffsetsTopicResponse { name: "t".into(), partitions, ..Default::default() };
    let response = ListOffsetsResponse { topics: vec![topic], ..Default::default() };
    world.answer::<ListOffsetsRequest>(&asked, response);
    world.pass_ms(200);
    world
}

/// Each of the requests that failed with one connection once counted as a damaged answer of its own.
#[test]
fn one_answer_that_cannot_be_read_counts_once_however_many_requests_wait_behind_it() {
    let mut world = looking_up_each(|_| {});
    let asked = world.take(ApiKey::LIST_OFFSETS);
    assert_eq!(asked.len(), 5, "each after a pause of its own");
    world.garble(&asked[0]);
    assert_eq!(world.ended, None);
    world.pass_ms(400);
    assert_eq!(world.take(ApiKey::LIST_OFFSETS).len(), 5);
}

/// What had not left yet was sent although nobody waited for it any more.
#[test]
fn a_closed_reader_looks_nothing_up() {
    let mut world = looking_up_each(|client| client.max_in_flight = 1);
    let asked = world.take(ApiKey::LIST_OFFSETS).remove(0);
    world.reader(Command::Close);
    world.answer::<ListOffsetsRequest>(&asked, ListOffsetsResponse::default());
    assert!(world.take(ApiKey::LIST_OFFSETS).is_empty());
}

/// It was asked again at once, as fast as the broker answered; or the log was taken for an empty one.
#[test]
fn a_start_or_an_end_that_is_not_known_is_asked_for_with_pauses() {
    unknown_offsets(Start::Last, Until::Forever);
    unknown_offsets(Start::First, Until::Forever);
    unknown_offsets(Start::Offset(0), Until::End);
}

fn unknown_offsets(start: Start, until: Until) {
    let mut world = World::reading(&[(1, 0)], |_, reader| (reader.start, reader.until) = (start, until));
    let mut times = 0;
    for _ in 0..100 {
        for asked in world.take(ApiKey::LIST_OFFSETS) {
            times += 1;
            let request: ListOffsetsRequest = asked.request();
            let partitions = request.topics[0].partitions.iter().map(|asked| ListOffsetsPartitionResponse {
                partition_index: asked.partition_index,
                offset: -1,
                ..Default::default()
            });
            let topic = ListOffsetsTopicResponse {
                name: "t".into(),
                partitions: partitions.collect(),
                ..Default::default()
            };
            let response = ListOffsetsResponse { topics: vec![topic], ..Default::default() };
            world.answer::<ListOffsetsRequest>(&asked, response);
        }
        world.pass_ms(10);
    }
    assert!((2..=6).contains(&times), "{start:?}: {times} times in a second");
    assert!(world.ended.is_none() && world.take(ApiKey::FETCH).is_empty(), "{start:?}");
}

#[test]
fn a_reset_is_told() {
    let mut world = reading(&[(1, 0)], |reader| reader.start = Start::Offset(7));
    let asked = fetch(&mut world);
    let lost = PartitionData { error_code: ErrorCode::OFFSET_OUT_OF_RANGE, ..data(0, &[]) };
    serve(&mut world, &asked, vec![lost]);
    world.pass_ms(200);
    let (asked, _) = lookups(&mut world).remove(0);
    tell(&mut world, &asked, ErrorCode::NONE, 3);
    let reset = Notice::OffsetReset { topic: "t".into(), partition: 0, from: 7, to: 3 };
    assert!(world.notices.contains(&reset), "{:?}", world.notices);
}

#[test]
fn a_partition_that_does_not_exist_ends_the_reader() {
    let world = reading(&[(1, 0)], |reader| reader.partitions = Some(vec![1]));
    let expected = Error::UnknownPartition { topic: "t".into(), partition: 1, partitions: 1 };
    assert_eq!(world.ended, Some(Some(expected)));
}

#[test]
fn partitions_that_come_later_are_read_from_their_start() {
    let mut world = reading(&[(1, 0)], |reader| reader.start = Start::Last);
    world.topics.insert("t".into(), vec![(1, 0), (2, 0)]);
    world.pass(Duration::from_secs(301));
    let asked: Vec<_> = lookups(&mut world).into_iter().flat_map(|(_, partitions)| partitions).collect();
    assert!(asked.contains(&(1, -2)), "{asked:?}");
}
