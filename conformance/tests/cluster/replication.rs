//! Followers, high watermarks, elections, and brokers that have not heard of them.

use std::time::Duration;

use milena_conformance::cluster::ClusterOptions;
use milena_core::protocol::create_partitions::CreatePartitionsTopic;
use milena_core::protocol::list_offsets::{ListOffsetsPartition, ListOffsetsTopic};
use milena_core::protocol::metadata::MetadataRequestTopic;
use milena_core::protocol::offset_for_leader_epoch::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use milena_core::protocol::{
    BrokerId, CreatePartitionsRequest, ErrorCode, FetchRequest, LeaderEpoch, ListOffsetsRequest,
    MetadataRequest, OffsetForLeaderEpochRequest, ProduceRequest,
};

use crate::script::{Script, batch, failed, fetch_request, fetched, numbered, produce_request, values};

const ONE: BrokerId = BrokerId(1);
const TWO: BrokerId = BrokerId(2);
const THREE: BrokerId = BrokerId(3);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Three brokers of which 1 leads; followers take exactly so long to copy.
fn lagging(lag_ms: u64, change: impl FnOnce(&mut ClusterOptions)) -> Script {
    let mut options = ClusterOptions {
        nodes: 3,
        topics: vec![("t".to_owned(), 1)],
        replication_lag: (ms(lag_ms), ms(lag_ms)),
        ..Default::default()
    };
    change(&mut options);
    let script = Script::new(options);
    assert_eq!(script.state.leader("t", 0), Some((ONE, LeaderEpoch(0))));
    script
}

fn now(request: FetchRequest) -> FetchRequest {
    FetchRequest { max_wait_ms: 0, ..request }
}

fn latest(timestamp: i64) -> ListOffsetsRequest {
    let partition = ListOffsetsPartition { timestamp, ..Default::default() };
    let topic = ListOffsetsTopic { name: "t".into(), partitions: vec![partition], ..Default::default() };
    ListOffsetsRequest { topics: vec![topic], ..Default::default() }
}

#[test]
fn acks_all_waits_for_the_in_sync_replicas_and_consumers_for_the_high_watermark() {
    let mut script = lagging(100, |_| {});
    let (writer, reader) = (script.connect(1), script.connect(1));
    assert_eq!(script.call(writer, produce_request("t", 0, 1, batch(&["a"])), 9).responses.len(), 1);
    script.send(writer, produce_request("t", 0, -1, batch(&["b"])), 9);
    assert!(script.answer::<ProduceRequest>(writer, 9).is_none(), "the followers have nothing yet");
    assert_eq!(script.state.high_watermark("t", 0), Some(0));
    assert_eq!(fetched(&script.call(reader, now(fetch_request("t", 0, 0)), 12)), values(&[]));
    script.send(reader, fetch_request("t", 0, 0), 12);
    script.advance(99);
    assert!(script.answer::<FetchRequest>(reader, 12).is_none());
    script.advance(1);
    let (_, produced) = script.answer::<ProduceRequest>(writer, 9).expect("all have it");
    assert_eq!(produced.responses[0].partition_responses[0].base_offset, 1);
    let (_, read) = script.answer::<FetchRequest>(reader, 12).expect("the high watermark moved");
    assert_eq!(fetched(&read), values(&[(0, "a"), (1, "b")]));
}

#[test]
fn acks_all_times_out_when_a_follower_does_not_copy_until_it_is_out_of_sync() {
    let mut script = lagging(10, |options| options.replica_lag_max = ms(5_000));
    script.state.stall_follower(THREE, true);
    let writer = script.connect(1);
    script.send(writer, produce_request("t", 0, -1, batch(&["a"])), 9);
    script.advance(1_000);
    let (_, answer) = script.answer::<ProduceRequest>(writer, 9).expect("its time is up");
    assert_eq!(answer.responses[0].partition_responses[0].error_code, ErrorCode::REQUEST_TIMED_OUT);
    assert_eq!(script.state.offsets("t", 0), Some((0, 1)), "it was written nevertheless");
    script.advance(4_000);
    assert_eq!(script.state.in_sync("t", 0), [ONE, TWO]);
    assert_eq!(script.state.high_watermark("t", 0), Some(1));
    script.state.stall_follower(THREE, false);
    script.advance(20);
    assert_eq!(script.state.in_sync("t", 0), [ONE, TWO, THREE]);
}

#[test]
fn too_few_in_sync_replicas_refuse_acks_all_before_and_after_the_append() {
    let mut script = lagging(100, |options| options.min_in_sync_replicas = 2);
    script.state.stop_broker(THREE);
    let writer = script.connect(1);
    script.send(writer, produce_request("t", 0, -1, batch(&["a"])), 9);
    script.state.stop_broker(TWO);
    script.advance(0);
    let (_, answer) = script.answer::<ProduceRequest>(writer, 9).expect("nobody is left to wait for");
    let code = answer.responses[0].partition_responses[0].error_code;
    assert_eq!(code, ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND);
    assert_eq!(script.produced(writer, batch(&["b"])), (ErrorCode::NOT_ENOUGH_REPLICAS, -1));
    let relaxed = script.call(writer, produce_request("t", 0, 1, batch(&["c"])), 9);
    assert_eq!(relaxed.responses[0].partition_responses[0].base_offset, 1, "b was not written");
}

#[test]
fn a_new_leader_cuts_off_what_it_never_had() {
    let mut script = lagging(100, |_| {});
    let writer = script.connect(1);
    let one = |script: &mut Script, batch| script.call(writer, produce_request("t", 0, 1, batch), 9);
    one(&mut script, numbered(7, 0, 0, 1));
    script.advance(200);
    one(&mut script, numbered(7, 0, 1, 1));
    assert_eq!(script.state.offsets("t", 0), Some((0, 2)));
    script.state.stop_broker(ONE);
    assert_eq!(script.state.leader("t", 0), Some((TWO, LeaderEpoch(1))));
    assert_eq!(script.state.offsets("t", 0), Some((0, 1)), "the second was acknowledged by the leader alone");
    let writer = script.connect(2);
    let again = script.produced(writer, numbered(7, 0, 2, 1));
    assert_eq!(
        again.0,
        ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
        "producers are known by the log that is left"
    );
    script.send(writer, produce_request("t", 0, -1, numbered(7, 0, 1, 1)), 9);
    script.advance(200);
    let (_, answer) = script.answer::<ProduceRequest>(writer, 9).expect("3 has it");
    assert_eq!(answer.responses[0].partition_responses[0].base_offset, 1);

    // Where a consumer that read the lost record is told that it is lost.
    let mut request = now(fetch_request("t", 0, 2));
    request.topics[0].partitions[0].last_fetched_epoch = LeaderEpoch(0);
    let answer = script.call(writer, request, 12).responses.remove(0).partitions.remove(0);
    let diverging = (answer.diverging_epoch.epoch, answer.diverging_epoch.end_offset);
    assert_eq!((answer.error_code, diverging), (ErrorCode::NONE, (LeaderEpoch(0), 1)));
    let asked = |leader_epoch| {
        let partition = OffsetForLeaderPartition { leader_epoch, ..Default::default() };
        let topic =
            OffsetForLeaderTopic { topic: "t".into(), partitions: vec![partition], ..Default::default() };
        OffsetForLeaderEpochRequest { topics: vec![topic], ..Default::default() }
    };
    for (epoch, expected) in [(0, (0, 1)), (1, (1, 2)), (2, (-1, -1))] {
        let mut answer = script.call(writer, asked(LeaderEpoch(epoch)), 4);
        let end = answer.topics.remove(0).partitions.remove(0);
        assert_eq!((end.leader_epoch.0, end.end_offset), expected, "epoch {epoch}");
    }
}

#[test]
fn a_new_leader_lists_no_end_before_it_knows_it() {
    let mut script = lagging(100, |_| {});
    let writer = script.connect(1);
    script.call(writer, produce_request("t", 0, 1, batch(&["a"])), 9);
    script.advance(100);
    // 2 and 3 have the record, but have not heard that all do.
    script.state.stop_broker(ONE);
    let conn = script.connect(2);
    for (version, code) in [(4, ErrorCode::LEADER_NOT_AVAILABLE), (5, ErrorCode::OFFSET_NOT_AVAILABLE)] {
        let answer = script.call(conn, latest(-1), version);
        assert_eq!(answer.topics[0].partitions[0].error_code, code);
    }
    script.advance(100);
    let answer = script.call(conn, latest(-1), 5);
    assert_eq!(
        (answer.topics[0].partitions[0].error_code, answer.topics[0].partitions[0].offset),
        (ErrorCode::NONE, 1)
    );
}

#[test]
fn an_unclean_leader_loses_what_was_acknowledged() {
    let mut script = lagging(0, |_| {});
    let writer = script.connect(1);
    script.state.stop_broker(THREE);
    assert_eq!(script.produced(writer, batch(&["a"])), (ErrorCode::NONE, 0));
    script.state.stop_broker(TWO);
    script.state.stop_broker(ONE);
    script.state.start_broker(THREE);
    assert_eq!(script.state.leader("t", 0).unwrap().0, BrokerId::NONE, "3 is not in sync");
    assert!(script.state.elect_unclean("t", 0, THREE));
    assert_eq!((script.state.offsets("t", 0), script.state.in_sync("t", 0)), (Some((0, 0)), vec![THREE]));
    script.state.start_broker(ONE);
    assert_eq!(script.state.in_sync("t", 0), [THREE, ONE], "1 gives up what it had");
    let mut script = lagging(0, |options| options.unclean_leader_election = true);
    for broker in [THREE, TWO, ONE] {
        script.state.stop_broker(broker);
    }
    script.state.start_broker(THREE);
    assert_eq!(script.state.leader("t", 0).unwrap().0, THREE, "the setting allows it");
}

#[test]
fn a_leader_that_is_cut_off_goes_on_alone_and_loses_that() {
    let mut script = lagging(10, |options| options.broker_session = ms(9_000));
    let (at_one, other) = (script.connect(1), script.connect(2));
    script.state.isolate_broker(ONE);
    script.send(at_one, produce_request("t", 0, -1, batch(&["a"])), 9);
    script.advance(1_000);
    let (_, answer) = script.answer::<ProduceRequest>(at_one, 9).expect("its time is up");
    assert_eq!(answer.responses[0].partition_responses[0].error_code, ErrorCode::REQUEST_TIMED_OUT);
    script.advance(8_000);
    assert_eq!(script.state.leader("t", 0), Some((TWO, LeaderEpoch(1))));
    let metadata = |script: &mut Script, conn| {
        let answer = script.metadata(conn, "t", 12);
        let partition = &answer.topics[0].partitions[0];
        (partition.leader_id, partition.leader_epoch.0, answer.brokers.len())
    };
    assert_eq!(metadata(&mut script, at_one), (ONE, 0, 3), "it has heard of nothing");
    assert_eq!(metadata(&mut script, other), (TWO, 1, 2));
    let alone = script.call(at_one, produce_request("t", 0, 1, batch(&["b"])), 9);
    assert_eq!(alone.responses[0].partition_responses[0].base_offset, 1, "on a line of its own");
    script.send(other, produce_request("t", 0, -1, batch(&["c"])), 9);
    script.advance(10);
    let (_, answer) = script.answer::<ProduceRequest>(other, 9).expect("3 has it");
    assert_eq!(answer.responses[0].partition_responses[0].base_offset, 0);
    script.send(at_one, produce_request("t", 0, -1, batch(&["d"])), 9);
    script.state.rejoin_broker(ONE);
    script.advance(0);
    let (_, answer) = script.answer::<ProduceRequest>(at_one, 9).expect("it hears the truth");
    assert_eq!(answer.responses[0].partition_responses[0].error_code, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    script.advance(20);
    assert_eq!(script.state.in_sync("t", 0), [TWO, THREE, ONE]);
    assert_eq!(fetched(&script.call(other, now(fetch_request("t", 0, 0)), 12)), values(&[(0, "c")]));
}

#[test]
fn the_only_replica_keeps_what_it_wrote_while_cut_off() {
    let mut script = lagging(0, |options| options.default_replication_factor = 1);
    let conn = script.connect(1);
    script.state.isolate_broker(ONE);
    assert_eq!(script.state.leader("t", 0), Some((BrokerId::NONE, LeaderEpoch(1))));
    assert_eq!(script.produced(conn, batch(&["a"])), (ErrorCode::NONE, 0), "acknowledged by all in sync");
    script.state.rejoin_broker(ONE);
    assert_eq!(script.state.leader("t", 0), Some((ONE, LeaderEpoch(2))));
    assert_eq!(fetched(&script.call(conn, now(fetch_request("t", 0, 0)), 12)), values(&[(0, "a")]));
}

/// Found by the simulator: what it had acknowledged while cut off was lost when it crashed before it rejoined.
#[test]
fn the_only_replica_keeps_what_it_wrote_while_cut_off_through_a_crash() {
    let mut script = lagging(0, |options| options.default_replication_factor = 1);
    let conn = script.connect(1);
    script.state.isolate_broker(ONE);
    assert_eq!(script.produced(conn, batch(&["a"])), (ErrorCode::NONE, 0));
    script.state.crash_broker(ONE, false);
    script.state.start_broker(ONE);
    let conn = script.connect(1);
    assert_eq!(fetched(&script.call(conn, now(fetch_request("t", 0, 0)), 12)), values(&[(0, "a")]));
}

/// Found by the simulator: the partition stayed without a leader for ever.
#[test]
fn a_broker_that_was_cut_off_while_the_leader_restarted_leads_when_it_is_back() {
    let mut script = lagging(0, |options| options.broker_session = ms(9_000));
    script.state.isolate_broker(TWO);
    script.state.isolate_broker(THREE);
    script.state.crash_broker(ONE, false);
    script.state.start_broker(ONE);
    assert_eq!(script.state.leader("t", 0).unwrap().0, BrokerId::NONE, "2 and 3 are in sync, but not there");
    script.state.rejoin_broker(TWO);
    assert_eq!(script.state.leader("t", 0).unwrap().0, TWO);
}

#[test]
fn brokers_hear_of_a_new_leader_later() {
    let mut script = lagging(0, |options| options.metadata_lag = (ms(50), ms(50)));
    let (old, new) = (script.connect(1), script.connect(2));
    assert!(script.state.move_leader("t", 0, TWO));
    assert_eq!(script.produced(new, batch(&["a"])).0, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    assert_eq!(script.metadata(new, "t", 12).topics[0].partitions[0].leader_id, ONE);
    let late = script.call(old, produce_request("t", 0, 1, batch(&["lost"])), 9);
    assert_eq!(late.responses[0].partition_responses[0].error_code, ErrorCode::NONE);
    let mut ahead = now(fetch_request("t", 0, 0));
    ahead.topics[0].partitions[0].current_leader_epoch = LeaderEpoch(1);
    assert_eq!(fetched(&script.call(new, ahead, 12)), failed(ErrorCode::UNKNOWN_LEADER_EPOCH));
    script.advance(50);
    assert_eq!(script.produced(old, batch(&["b"])).0, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    assert_eq!(script.produced(new, batch(&["c"])), (ErrorCode::NONE, 0));
    assert_eq!(fetched(&script.call(new, now(fetch_request("t", 0, 0)), 12)), values(&[(0, "c")]));
}

#[test]
fn a_crash_is_noticed_after_the_brokers_session() {
    let mut script = lagging(0, |options| options.broker_session = ms(9_000));
    let other = script.connect(2);
    script.state.crash_broker(ONE, false);
    script.advance(8_999);
    assert_eq!(script.metadata(other, "t", 12).topics[0].partitions[0].leader_id, ONE);
    script.advance(1);
    assert_eq!(script.metadata(other, "t", 12).topics[0].partitions[0].leader_id, TWO);
}

#[test]
fn a_lost_page_cache_costs_only_what_nobody_else_has() {
    for seed in 0..20 {
        let mut script = lagging(0, |options| options.seed = seed);
        let writer = script.connect(1);
        for _ in 0..10 {
            script.produced(writer, batch(&["x"]));
        }
        script.state.crash_broker(ONE, true);
        assert_eq!(script.state.offsets("t", 0), Some((0, 10)), "2 leads, and has all");
        script.state.start_broker(ONE);
        for broker in [THREE, TWO] {
            script.state.crash_broker(broker, false);
        }
        assert_eq!(script.state.offsets("t", 0), Some((0, 10)), "1 has copied what it lost");
        script.state.crash_broker(ONE, true);
        script.state.start_broker(ONE);
        let (_, end) = script.state.offsets("t", 0).unwrap();
        assert!((0..=10).contains(&end), "nobody else had it: {end}");
        let conn = script.connect(1);
        let metadata = script.metadata(conn, "t", 12);
        assert_eq!(metadata.topics[0].partitions[0].leader_id, ONE);
    }
}

#[test]
fn consumers_are_sent_to_a_replica_in_their_rack() {
    let racks = ["a", "b", "c"].map(str::to_owned).to_vec();
    let mut script = lagging(100, |options| options.racks = racks);
    let (leader, follower) = (script.connect(1), script.connect(2));
    script.call(leader, produce_request("t", 0, 1, batch(&["x"])), 9);
    let from =
        |rack: &str, offset| FetchRequest { rack_id: rack.into(), ..now(fetch_request("t", 0, offset)) };
    let answer = script.call(leader, from("b", 0), 12).responses.remove(0).partitions.remove(0);
    assert_eq!((answer.preferred_read_replica, answer.records.unwrap().len()), (TWO, 0));
    for rack in ["a", "z", ""] {
        let answer = script.call(leader, from(rack, 0), 12).responses.remove(0).partitions.remove(0);
        assert_eq!(answer.preferred_read_replica, BrokerId::NONE, "{rack:?}");
    }
    script.advance(100);
    assert_eq!(fetched(&script.call(leader, from("a", 0), 12)), values(&[(0, "x")]));
    assert_eq!(
        fetched(&script.call(follower, from("b", 0), 12)),
        values(&[]),
        "it has not heard that all have it"
    );
    script.advance(100);
    assert_eq!(fetched(&script.call(follower, from("b", 0), 12)), values(&[(0, "x")]));
    assert_eq!(fetched(&script.call(follower, from("b", 2), 12)), failed(ErrorCode::OFFSET_OUT_OF_RANGE));
    assert_eq!(fetched(&script.call(follower, from("b", 0), 10)), failed(ErrorCode::NOT_LEADER_OR_FOLLOWER));
}

#[test]
fn compaction_keeps_the_newest_record_of_each_key() {
    use milena_core::record::{BatchBuilder, Compression, Producer};
    let mut script = lagging(0, |_| {});
    let conn = script.connect(1);
    for (keys, codec) in
        [(["a", "b"], Compression::Gzip), (["a", "c"], Compression::None), (["b", "a"], Compression::Lz4)]
    {
        let mut builder = BatchBuilder::with_capacity(100);
        for key in keys {
            builder.append(
                crate::script::WALL_MS,
                Some(key.as_bytes()),
                Some(format!("{key}{codec}").as_bytes()),
                &[],
            );
        }
        assert_eq!(script.produced(conn, builder.seal(codec, Producer::NONE).unwrap()).0, ErrorCode::NONE);
    }
    let size = |script: &Script| script.state.log("t", 0).map(|batch| batch.size_bytes()).sum::<usize>();
    let before = size(&script);
    assert_eq!(script.state.compact("t"), 1);
    assert!(size(&script) < before);
    let left = fetched(&script.call(conn, now(fetch_request("t", 0, 0)), 12));
    assert_eq!(left, values(&[(3, "cnone"), (4, "blz4"), (5, "alz4")]));
    assert_eq!(script.state.offsets("t", 0), Some((0, 6)));
    assert_eq!(script.state.delete_records_before("t", 0, 4), Some(4));
    assert_eq!(script.state.offsets("t", 0), Some((4, 6)));
    assert_eq!(
        fetched(&script.call(conn, now(fetch_request("t", 0, 3)), 12)),
        failed(ErrorCode::OFFSET_OUT_OF_RANGE)
    );
    script.advance(8 * 24 * 60 * 60 * 1000);
    script.state.handle_timeout(script.now);
    assert_eq!(script.state.delete_expired("t"), 1);
    assert_eq!(script.state.offsets("t", 0), Some((6, 6)));
}

/// The leader keeps the offset in its answer when it loses its place while it waits.
#[test]
fn a_leader_that_loses_its_place_tells_where_it_wrote_what_waited() {
    let mut script = lagging(100, |_| {});
    let writer = script.connect(1);
    script.send(writer, produce_request("t", 0, -1, batch(&["a"])), 9);
    assert!(script.state.elect_unclean("t", 0, TWO));
    script.drain();
    let (_, answer) = script.answer::<ProduceRequest>(writer, 9).expect("it waits no more");
    let answer = &answer.responses[0].partition_responses[0];
    assert_eq!((answer.error_code, answer.base_offset), (ErrorCode::NOT_LEADER_OR_FOLLOWER, 0));
    // What it refuses at once has none.
    let answer = script.call(writer, produce_request("t", 0, -1, batch(&["a"])), 9);
    let answer = &answer.responses[0].partition_responses[0];
    assert_eq!((answer.error_code, answer.base_offset), (ErrorCode::NOT_LEADER_OR_FOLLOWER, -1));
}

/// What a broker says of a topic: the error, and how many partitions it has.
fn told(script: &mut Script, broker: i32, topic: &str) -> (ErrorCode, usize) {
    let conn = script.connect(broker);
    let topic = script.metadata(conn, topic, 12).topics.remove(0);
    (topic.error_code, topic.partitions.len())
}

#[test]
fn brokers_hear_of_a_new_topic_and_of_new_partitions_each_at_its_time() {
    let unknown = (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, 0);
    let mut script = lagging(0, |options| {
        options.metadata_lag = (ms(100), ms(100));
        options.auto_create_topics = true;
        options.default_replication_factor = 2;
    });
    assert!(script.state.isolate_broker(TWO));
    assert_eq!(told(&mut script, 3, "new"), unknown, "it was not there, and is created");
    let writer = script.connect(3);
    let (leader, _) = script.state.leader("new", 0).expect("the controller has it");
    script.advance(99);
    let all: Vec<_> = (1..=3).map(|broker| told(&mut script, broker, "new")).collect();
    assert_eq!(all, [unknown; 3]);
    let write = |script: &mut Script, conn| {
        let answer = script.call(conn, produce_request("new", 0, 1, batch(&["a"])), 9);
        answer.responses[0].partition_responses[0].error_code
    };
    assert_eq!(write(&mut script, writer), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    script.advance(1);
    let all: Vec<_> = (1..=3).map(|broker| told(&mut script, broker, "new")).collect();
    assert_eq!(all, [(ErrorCode::NONE, 1), unknown, (ErrorCode::NONE, 1)]);
    assert!(script.state.rejoin_broker(TWO));
    assert_eq!(told(&mut script, 2, "new"), unknown);
    script.advance(100);
    assert_eq!(told(&mut script, 2, "new"), (ErrorCode::NONE, 1));
    let writer = script.connect(leader.0);
    assert_eq!(write(&mut script, writer), ErrorCode::NONE);

    let more =
        CreatePartitionsTopic { name: "new".into(), count: 3, assignments: None, ..Default::default() };
    let more = CreatePartitionsRequest { topics: vec![more], timeout_ms: 1_000, ..Default::default() };
    let admin = script.connect(1);
    assert_eq!(script.call(admin, more, 3).results[0].error_code, ErrorCode::NONE);
    assert_eq!(told(&mut script, 1, "new"), (ErrorCode::NONE, 1));
    script.advance(100);
    assert_eq!(told(&mut script, 1, "new"), (ErrorCode::NONE, 3));
}

#[test]
fn a_topic_is_asked_for_by_an_id_that_not_every_broker_has_heard_of() {
    let mut script = lagging(0, |options| {
        options.metadata_lag = (ms(100), ms(100));
        options.default_replication_factor = 2;
    });
    assert!(script.state.isolate_broker(TWO));
    script.state.create_topic("new", 1).unwrap();
    script.advance(100);
    let conn = script.connect(1);
    let topic_id = script.metadata(conn, "new", 12).topics[0].topic_id;
    let by_id = |script: &mut Script, broker| {
        let conn = script.connect(broker);
        let asked = MetadataRequestTopic { topic_id, name: None, ..Default::default() };
        let asked = MetadataRequest { topics: Some(vec![asked]), ..Default::default() };
        script.call(conn, asked, 12).topics[0].error_code
    };
    assert_eq!(
        [by_id(&mut script, 1), by_id(&mut script, 2)],
        [ErrorCode::NONE, ErrorCode::UNKNOWN_TOPIC_ID]
    );
}
