//! Produce: idempotence, refusals, acks.

use bytes::Bytes;
use milena_core::protocol::{ErrorCode, ProducerId};
use milena_core::record::{BatchBuilder, Compression, Producer};

use crate::script::{Script, WALL_MS, batch, batch_with, numbered, produce_request};

#[test]
fn duplicates_are_answered_with_their_first_offset() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    for sequence in 0..7 {
        let produced = script.produced(conn, numbered(7, 0, sequence * 2, 2));
        assert_eq!(produced, (ErrorCode::NONE, i64::from(sequence) * 2));
    }
    // The last five batches are remembered.
    for sequence in 2..7 {
        let produced = script.produced(conn, numbered(7, 0, sequence * 2, 2));
        assert_eq!(produced, (ErrorCode::NONE, i64::from(sequence) * 2));
    }
    assert_eq!(script.produced(conn, numbered(7, 0, 2, 2)), (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, -1));
    // Part of a remembered batch is no duplicate.
    assert_eq!(script.produced(conn, numbered(7, 0, 12, 1)), (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, -1));
    assert_eq!(script.state.offsets("t", 0), Some((0, 14)));
    // Another partition has a state of its own, and a producer unknown to it may start anywhere.
    assert_eq!(script.produce(conn, 1, numbered(7, 0, 14, 1)).error_code, ErrorCode::NONE);
}

#[test]
fn gaps_and_old_epochs_are_refused() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    assert_eq!(script.produced(conn, numbered(7, 3, 0, 1)), (ErrorCode::NONE, 0));
    assert_eq!(script.produced(conn, numbered(7, 3, 2, 1)), (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, -1));
    assert_eq!(script.produced(conn, numbered(7, 3, 1, 1)), (ErrorCode::NONE, 1));
    assert_eq!(script.produced(conn, numbered(7, 2, 2, 1)), (ErrorCode::INVALID_PRODUCER_EPOCH, -1));
    assert_eq!(script.produced(conn, numbered(7, 4, 2, 1)), (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, -1));
    assert_eq!(script.produced(conn, numbered(7, 4, 0, 1)), (ErrorCode::NONE, 2));
    assert_eq!(script.produced(conn, numbered(7, 3, 2, 1)), (ErrorCode::INVALID_PRODUCER_EPOCH, -1));
    assert_eq!(script.produced(conn, numbered(7, 4, -1, 1)), (ErrorCode::INVALID_RECORD, -1));
}

#[test]
fn sequences_wrap() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    assert_eq!(script.produced(conn, numbered(7, 0, i32::MAX - 1, 3)), (ErrorCode::NONE, 0));
    assert_eq!(script.produced(conn, numbered(7, 0, 1, 1)), (ErrorCode::NONE, 3));
    assert_eq!(script.produced(conn, numbered(7, 0, i32::MAX - 1, 3)), (ErrorCode::NONE, 0), "a duplicate");
    assert_eq!(script.produced(conn, numbered(8, 0, i32::MAX, 1)), (ErrorCode::NONE, 4));
    assert_eq!(script.produced(conn, numbered(8, 0, 0, 1)), (ErrorCode::NONE, 5));
}

#[test]
fn unknown_producers_are_judged_by_their_release() {
    let codes = [
        ("0.11.0.3", ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER),
        ("1.0", ErrorCode::UNKNOWN_PRODUCER_ID),
        ("2.4", ErrorCode::UNKNOWN_PRODUCER_ID),
        ("2.5", ErrorCode::NONE),
    ];
    for (release, code) in codes {
        let mut script = Script::as_release(release);
        let conn = script.connect(1);
        let response = script.call(conn, produce_request("t", 0, -1, numbered(7, 0, 5, 1)), 3);
        assert_eq!(response.responses[0].partition_responses[0].error_code, code, "{release}");
    }
}

#[test]
fn bad_batches_are_refused_with_their_codes() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    let good = batch(&["a", "b"]);
    let changed = |at: usize, bytes: &[u8]| {
        let mut bad = good.to_vec();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        Bytes::from(bad)
    };
    let flipped = changed(good.len() - 1, &[good[good.len() - 1] ^ 1]);
    assert_eq!(script.produced(conn, flipped), (ErrorCode::CORRUPT_MESSAGE, -1));
    assert_eq!(script.produced(conn, changed(8, &1i32.to_be_bytes())), (ErrorCode::CORRUPT_MESSAGE, -1));
    assert_eq!(script.produced(conn, changed(16, &[1])), (ErrorCode::INVALID_RECORD, -1));
    assert_eq!(script.produced(conn, changed(0, &5i64.to_be_bytes())), (ErrorCode::INVALID_RECORD, -1));
    assert_eq!(
        script.produced(conn, [&good[..], &good[..]].concat().into()),
        (ErrorCode::INVALID_RECORD, -1)
    );
    assert_eq!(script.produced(conn, Bytes::new()), (ErrorCode::INVALID_RECORD, -1));
    assert_eq!(script.produced(conn, good.slice(..good.len() - 1)), (ErrorCode::INVALID_RECORD, -1));
    let large = batch(&[&"x".repeat(1_048_588)]);
    assert_eq!(script.produced(conn, large), (ErrorCode::MESSAGE_TOO_LARGE, -1));
    let mut ahead = BatchBuilder::with_capacity(100);
    ahead.append(WALL_MS + 3_600_001, None, None, &[]);
    let ahead = ahead.seal(Compression::None, Producer::NONE).unwrap();
    assert_eq!(script.produced(conn, ahead), (ErrorCode::INVALID_TIMESTAMP, -1));
    let transactional = Producer { id: ProducerId(1), epoch: 0, base_sequence: 0, transactional: true };
    let nobodys = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    assert_eq!(script.produced(conn, batch_with(&["a"], transactional)), (nobodys, -1));
    assert_eq!(script.state.offsets("t", 0), Some((0, 0)), "nothing was written");
    let response = script.call(conn, produce_request("t", 0, 2, good.clone()), 12);
    assert_eq!(response.responses[0].partition_responses[0].error_code, ErrorCode::INVALID_REQUIRED_ACKS);
    let response = script.call(conn, produce_request("nope", 0, 1, good), 12);
    assert_eq!(
        response.responses[0].partition_responses[0].error_code,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    );
    assert!(script.closed.is_empty());
}

#[test]
fn zstd_needs_produce_7_and_old_releases_say_corrupt_for_invalid() {
    let mut builder = BatchBuilder::with_capacity(100);
    builder.append(WALL_MS, None, Some(b"v"), &[]);
    let zstd = builder.seal(Compression::Zstd, Producer::NONE).unwrap();
    let two = Bytes::from([batch(&["a"]), batch(&["b"])].concat());
    for (release, invalid) in [("2.3", ErrorCode::CORRUPT_MESSAGE), ("3.9", ErrorCode::INVALID_RECORD)] {
        let mut script = Script::as_release(release);
        let conn = script.connect(1);
        let mut produced = |version, records: &Bytes| {
            let response = script.call(conn, produce_request("t", 0, 1, records.clone()), version);
            response.responses[0].partition_responses[0].error_code
        };
        assert_eq!(produced(6, &zstd), ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
        assert_eq!(produced(7, &zstd), ErrorCode::NONE);
        assert_eq!(produced(7, &two), invalid);
    }
}

#[test]
fn acks_0_gets_no_answer_and_a_failure_closes() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    script.send(conn, produce_request("t", 0, 0, batch(&["a"])), 12);
    assert!(script.answers.is_empty() && script.closed.is_empty());
    assert_eq!(script.state.offsets("t", 0), Some((0, 1)));
    script.send(conn, produce_request("nope", 0, 0, batch(&["a"])), 12);
    assert_eq!(script.closed, [conn]);
}
