//! Fetch and ListOffsets: limits, long polls, offsets.

use milena_conformance::cluster::ClusterOptions;
use milena_core::protocol::fetch::FetchPartition;
use milena_core::protocol::list_offsets::{ListOffsetsPartition, ListOffsetsTopic};
use milena_core::protocol::{BrokerId, ErrorCode, FetchRequest, LeaderEpoch, ListOffsetsRequest};

use crate::script::{Script, WALL_MS, batch, failed, fetch_request, fetched, values};

#[test]
fn what_is_produced_is_fetched() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    assert_eq!(script.produced(conn, batch(&["a", "b"])), (ErrorCode::NONE, 0));
    assert_eq!(script.produced(conn, batch(&["c"])), (ErrorCode::NONE, 2));
    let response = script.call(conn, fetch_request("t", 0, 0), 12);
    assert_eq!(fetched(&response), values(&[(0, "a"), (1, "b"), (2, "c")]));
    let partition = &response.responses[0].partitions[0];
    assert_eq!(
        (partition.high_watermark, partition.last_stable_offset, partition.log_start_offset),
        (3, 3, 0)
    );
    assert_eq!(response.session_id, 0);
    // Offset 1 is inside the first batch, which comes whole.
    let response = script.call(conn, fetch_request("t", 0, 1), 12);
    assert_eq!(fetched(&response).1.len(), 3);
    let response = script.call(conn, fetch_request("t", 0, 2), 12);
    assert_eq!(fetched(&response), values(&[(2, "c")]));
    let stored: Vec<_> = script.state.log("t", 0).map(|batch| (batch.base_offset(), batch.count())).collect();
    assert_eq!(stored, [(Some(0), Some(2)), (Some(2), Some(1))]);
}

#[test]
fn reads_joined_from_many_chunks_are_what_was_written() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    let mut expected = Vec::new();
    for number in 0..300 {
        let value = format!("{number}").repeat(100);
        script.produced(conn, batch(&[&value]));
        expected.push((number, value));
        // A reader at the end of the log freezes what was written.
        if number % 3 == 0 {
            let response = script.call(conn, fetch_request("t", 0, number), 12);
            assert_eq!(fetched(&response).1, expected[number as usize..]);
        }
    }
    for start in [0, 1, 150, 299, 0] {
        let mut read = Vec::new();
        while start + read.len() < 300 {
            let mut request = fetch_request("t", 0, (start + read.len()) as i64);
            request.topics[0].partitions[0].partition_max_bytes = 10_000;
            let (code, records) = fetched(&script.call(conn, request, 12));
            assert_eq!(code, ErrorCode::NONE);
            assert!(!records.is_empty(), "each fetch makes progress");
            read.extend(records);
        }
        assert_eq!(read, expected[start..]);
    }
}

#[test]
fn fetch_keeps_to_its_limits() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    let size = batch(&["0123456789"]).len() as i32;
    for _ in 0..5 {
        script.produced(conn, batch(&["0123456789"]));
    }
    let counts = |script: &mut Script, max_bytes, partition_max_bytes| {
        let mut request = fetch_request("t", 0, 1);
        request.max_bytes = max_bytes;
        request.topics[0].partitions[0].partition_max_bytes = partition_max_bytes;
        fetched(&script.call(conn, request, 12)).1.len()
    };
    assert_eq!(counts(&mut script, i32::MAX, 2 * size), 2);
    assert_eq!(counts(&mut script, i32::MAX, 2 * size - 1), 1);
    assert_eq!(counts(&mut script, 3 * size + 1, i32::MAX), 3);
    assert_eq!(counts(&mut script, 1, 1), 1, "a first batch larger than the limit comes anyway");
    // But only the first of the whole response.
    script.produce(conn, 1, batch(&["x"]));
    let mut request = fetch_request("t", 0, 0);
    request.max_bytes = 1;
    request.topics[0].partitions.push(FetchPartition {
        partition: 1,
        partition_max_bytes: 100,
        ..Default::default()
    });
    let response = script.call(conn, request, 12);
    let lengths: Vec<_> = response.responses[0]
        .partitions
        .iter()
        .map(|partition| partition.records.as_ref().unwrap().len())
        .collect();
    assert_eq!(lengths, [size as usize, 0]);
}

#[test]
fn real_brokers_cut_the_last_batch() {
    let mut script = Script::new(ClusterOptions {
        topics: vec![("t".to_owned(), 1)],
        cut_last_batch: true,
        ..ClusterOptions::default()
    });
    let conn = script.connect(1);
    let one = batch(&["0123456789"]);
    script.produced(conn, one.clone());
    script.produced(conn, one.clone());
    let mut request = fetch_request("t", 0, 0);
    request.topics[0].partitions[0].partition_max_bytes = one.len() as i32 + 7;
    let response = script.call(conn, request, 12);
    assert_eq!(response.responses[0].partitions[0].records.as_ref().unwrap().len(), one.len() + 7);
    assert_eq!(fetched(&response).1.len(), 1);
}

#[test]
fn offsets_out_of_range_are_refused() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    script.produced(conn, batch(&["a"]));
    for offset in [-1, 2] {
        let response = script.call(conn, fetch_request("t", 0, offset), 12);
        assert_eq!(fetched(&response), failed(ErrorCode::OFFSET_OUT_OF_RANGE));
        assert_eq!(response.responses[0].partitions[0].high_watermark, -1);
    }
    let response = script.call(conn, fetch_request("t", 9, 0), 12);
    assert_eq!(fetched(&response), failed(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
}

#[test]
fn a_fetch_waits_for_data_until_it_comes() {
    let mut script = Script::with_topic(1);
    let (reader, writer) = (script.connect(1), script.connect(1));
    script.send(reader, fetch_request("t", 0, 0), 12);
    script.advance(499);
    assert!(script.answers.is_empty());
    script.produce(writer, 1, batch(&["other partition"]));
    assert!(script.answer::<FetchRequest>(reader, 12).is_none());
    script.produced(writer, batch(&["a"]));
    let (_, response) = script.answer::<FetchRequest>(reader, 12).expect("woken at once");
    assert_eq!(fetched(&response), values(&[(0, "a")]));
    assert_eq!(script.state.poll_timeout(), None);
}

#[test]
fn a_fetch_that_waits_in_vain_is_answered_empty() {
    let mut script = Script::with_topic(1);
    let (reader, writer) = (script.connect(1), script.connect(1));
    script.produced(writer, batch(&["a"]));
    let mut request = fetch_request("t", 0, 0);
    request.min_bytes = 10_000;
    script.send(reader, request, 12);
    let mut request = fetch_request("t", 0, 1);
    request.max_wait_ms = 0;
    assert_eq!(fetched(&script.call(writer, request, 12)), values(&[]), "no wait, no data");
    script.advance(499);
    assert!(script.answer::<FetchRequest>(reader, 12).is_none());
    script.advance(1);
    let (_, response) = script.answer::<FetchRequest>(reader, 12).expect("its time is over");
    assert_eq!(fetched(&response), values(&[(0, "a")]), "with what there is");
}

#[test]
fn offsets_are_listed() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    script.produced(conn, batch(&["a", "b", "c"]));
    script.produced(conn, batch(&["d"]));
    let list = |script: &mut Script, timestamp, version| {
        let partition =
            ListOffsetsPartition { timestamp, current_leader_epoch: LeaderEpoch::NONE, ..Default::default() };
        let topic = ListOffsetsTopic { name: "t".into(), partitions: vec![partition], ..Default::default() };
        let request =
            ListOffsetsRequest { replica_id: BrokerId(-1), topics: vec![topic], ..Default::default() };
        let answer = script.call(conn, request, version).topics.remove(0).partitions.remove(0);
        (answer.error_code, answer.offset, answer.timestamp)
    };
    assert_eq!(list(&mut script, -1, 9), (ErrorCode::NONE, 4, -1));
    assert_eq!(list(&mut script, -2, 9), (ErrorCode::NONE, 0, -1));
    assert_eq!(list(&mut script, -3, 9), (ErrorCode::NONE, 2, WALL_MS + 2));
    assert_eq!(list(&mut script, -3, 6), (ErrorCode::UNSUPPORTED_VERSION, -1, -1));
    assert_eq!(list(&mut script, WALL_MS + 1, 9), (ErrorCode::NONE, 1, WALL_MS + 1));
    assert_eq!(list(&mut script, 0, 9), (ErrorCode::NONE, 0, WALL_MS));
    assert_eq!(list(&mut script, WALL_MS + 3, 9), (ErrorCode::NONE, -1, -1));

    let mut script = Script::as_release("3.9");
    let conn = script.connect(1);
    script.produced_at(conn, 3, batch(&["a", "b"]));
    let mut oldest = ListOffsetsPartition { timestamp: -1, max_num_offsets: 9, ..Default::default() };
    oldest.current_leader_epoch = LeaderEpoch::NONE;
    let topic = ListOffsetsTopic { name: "t".into(), partitions: vec![oldest], ..Default::default() };
    let request = ListOffsetsRequest { replica_id: BrokerId(-1), topics: vec![topic], ..Default::default() };
    assert_eq!(script.call(conn, request, 0).topics[0].partitions[0].old_style_offsets, [2, 0]);
}

#[test]
fn retention_moves_the_log_start_offset() {
    let one = batch(&["0123456789"]);
    let mut script = Script::new(ClusterOptions {
        topics: vec![("t".to_owned(), 1)],
        retention_bytes: 3 * one.len() as u64,
        ..ClusterOptions::default()
    });
    let conn = script.connect(1);
    for _ in 0..10 {
        script.produced(conn, one.clone());
        script.call(conn, FetchRequest { max_wait_ms: 0, ..fetch_request("t", 0, 0) }, 12);
    }
    assert_eq!(script.state.offsets("t", 0), Some((7, 10)));
    let response = script.call(conn, fetch_request("t", 0, 6), 12);
    assert_eq!(fetched(&response), failed(ErrorCode::OFFSET_OUT_OF_RANGE));
    let response = script.call(conn, fetch_request("t", 0, 7), 12);
    assert_eq!(fetched(&response).1.len(), 3);
    assert_eq!(response.responses[0].partitions[0].log_start_offset, 7);
}
