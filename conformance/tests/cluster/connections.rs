//! The order of answers, versions, hostile bytes, faults ordered.

use std::time::Duration;

use bytes::Bytes;
use milena_conformance::cluster::Fault;
use milena_core::protocol::{
    ApiKey, ApiVersionsRequest, ErrorCode, FetchRequest, MetadataRequest, ProduceRequest, encode_request,
};

use crate::script::{Script, batch, fetch_request, metadata_request, numbered, produce_request};

#[test]
fn a_connections_requests_are_answered_in_order() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    let first = script.send(conn, fetch_request("t", 0, 0), 12);
    let second = script.send(conn, metadata_request("t"), 12);
    let third = script.send(conn, produce_request("t", 0, 1, batch(&["a"])), 12);
    assert!(script.answers.is_empty(), "the fetch holds them up");
    assert!(script.state.queued_bytes(conn) > 0);
    script.advance(500);
    assert_eq!(script.answer::<FetchRequest>(conn, 12).unwrap().0, first);
    assert_eq!(script.answer::<MetadataRequest>(conn, 12).unwrap().0, second);
    assert_eq!(script.answer::<ProduceRequest>(conn, 12).unwrap().0, third);
    assert_eq!(script.state.queued_bytes(conn), 0);
}

#[test]
fn a_disconnected_fetch_is_forgotten() {
    let mut script = Script::with_topic(1);
    let (reader, writer) = (script.connect(1), script.connect(1));
    script.send(reader, fetch_request("t", 0, 0), 12);
    script.state.disconnect(reader);
    assert_eq!(script.state.poll_timeout(), None);
    script.produced(writer, batch(&["a"]));
    assert!(!script.answers.contains_key(&reader));
}

#[test]
fn versions_are_those_of_the_release() {
    let ranges = [
        (
            "4.3.1",
            vec![
                (0, 0, 13),
                (1, 4, 18),
                (2, 1, 11),
                (3, 0, 13),
                (10, 0, 6),
                (18, 0, 4),
                (19, 2, 7),
                (20, 1, 6),
                (22, 0, 5),
            ],
        ),
        (
            "2.8.2",
            vec![
                (0, 0, 9),
                (1, 0, 12),
                (2, 0, 6),
                (3, 0, 11),
                (10, 0, 3),
                (18, 0, 3),
                (19, 0, 7),
                (20, 0, 6),
                (22, 0, 4),
            ],
        ),
        (
            "0.10.1",
            vec![(0, 0, 2), (1, 0, 3), (2, 0, 1), (3, 0, 2), (10, 0, 0), (18, 0, 0), (19, 0, 0), (20, 0, 0)],
        ),
    ];
    for (release, expected) in ranges {
        let mut script = Script::as_release(release);
        let conn = script.connect(1);
        let response = script.call(conn, ApiVersionsRequest::default(), 0);
        let listed: Vec<_> =
            response.api_keys.iter().map(|api| (api.api_key.0, api.min_version, api.max_version)).collect();
        let missing: Vec<_> = expected.iter().filter(|range| !listed.contains(range)).collect();
        assert!(missing.is_empty(), "{release}: {missing:?} of {listed:?}");
    }
}

#[test]
fn versions_out_of_range_close_the_connection() {
    let mut script = Script::as_release("2.8.2");
    for (close, version) in [(false, 11), (true, 12)] {
        let conn = script.connect(1);
        script.send(conn, metadata_request("t"), version);
        assert_eq!(script.closed.contains(&conn), close, "Metadata {version}");
    }
    let mut script = Script::as_release("4.0.0");
    for (close, version) in [(true, 2), (false, 3)] {
        let conn = script.connect(1);
        script.send(conn, produce_request("t", 0, 1, batch(&["a"])), version);
        assert_eq!(script.closed.contains(&conn), close, "Produce {version}, though 0 is listed");
    }
}

#[test]
fn api_versions_is_answered_in_any_version() {
    for (release, listed) in [("4.3", 1), ("2.4", 1), ("2.3", 0)] {
        let mut script = Script::as_release(release);
        let conn = script.connect(1);
        // Key 18, version 99, correlation id 7, no client id, and a body nobody knows.
        script.raw(conn, &[0, 18, 0, 99, 0, 0, 0, 7, 0xff, 0xff, 1, 2, 3]);
        let (correlation_id, response) = script.answer::<ApiVersionsRequest>(conn, 0).unwrap();
        assert_eq!((correlation_id, response.error_code), (7, ErrorCode::UNSUPPORTED_VERSION));
        assert_eq!(response.api_keys.len(), listed, "{release}");
        assert!(response.api_keys.iter().all(|api| api.api_key == ApiKey::API_VERSIONS));
        assert!(script.closed.is_empty());
    }
}

#[test]
fn software_names_are_checked_and_features_told() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    let named = |name: &str| ApiVersionsRequest {
        client_software_name: name.into(),
        client_software_version: "1.0".into(),
        ..Default::default()
    };
    for name in ["", "-a", "a b"] {
        assert_eq!(script.call(conn, named(name), 3).error_code, ErrorCode::INVALID_REQUEST, "{name:?}");
    }
    let response = script.call(conn, named("milena.test-1"), 4);
    assert_eq!(response.error_code, ErrorCode::NONE);
    assert_eq!(&*response.finalized_features[0].name, "transaction.version");
    assert_eq!(script.call(conn, named("a"), 3).supported_features, [], "a range from 0 needs version 4");
}

#[test]
fn hostile_frames_close_the_connection() {
    let mut script = Script::with_topic(1);
    let bodies: [&[u8]; 6] = [
        b"",
        b"\x00",
        b"GET / HTTP/1.1",
        // Key 77, which the cluster does not serve.
        &[0, 77, 0, 0, 0, 0, 0, 1, 0xff, 0xff],
        // Metadata 1 that announces 2147483647 topics.
        &[0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff],
        // Metadata 1 with a byte too many.
        &[0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0],
    ];
    for body in bodies {
        let conn = script.connect(1);
        script.raw(conn, body);
        assert_eq!(script.closed.last(), Some(&conn), "{body:?}");
    }
    assert!(script.answers.is_empty());
    let conn = script.connect(1);
    script.raw(conn, &[0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(
        script.answer::<MetadataRequest>(conn, 1).unwrap().1.topics.len(),
        1,
        "without it, all topics"
    );
}

#[test]
fn every_cut_and_every_flipped_byte_of_a_request_is_survived() {
    let mut script = Script::with_topic(1);
    let mut requests: Vec<Bytes> = vec![
        encode_request(&mut produce_request("t", 0, 1, numbered(1, 0, 0, 2)), 12, 1, None)
            .unwrap()
            .to_bytes(),
        encode_request(&mut fetch_request("t", 0, 0), 12, 1, None).unwrap().to_bytes(),
        encode_request(&mut metadata_request("t"), 12, 1, None).unwrap().to_bytes(),
    ];
    for request in &mut requests {
        let request = request.split_off(4);
        for at in 0..request.len() {
            let conn = script.connect(1);
            script.raw(conn, &request[..at]);
            assert!(script.closed.contains(&conn), "cut at {at}");
            let mut flipped = request.to_vec();
            for bit in [0x01, 0x80, 0xff] {
                flipped[at] ^= bit;
                let conn = script.connect(1);
                script.raw(conn, &flipped);
                script.state.disconnect(conn);
                flipped[at] ^= bit;
            }
        }
    }
    let conn = script.connect(1);
    assert_eq!(script.metadata(conn, "t", 12).topics[0].error_code, ErrorCode::NONE);
}

#[test]
fn faults_come_in_the_order_given() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    let code = ErrorCode::NOT_ENOUGH_REPLICAS;
    script.state.on_request(ApiKey::PRODUCE, Fault::Error(code));
    script.state.on_request(ApiKey::PRODUCE, Fault::Delay(Duration::from_millis(30)));
    script.state.on_request(ApiKey::PRODUCE, Fault::DelayAnswer(Duration::from_millis(30)));
    script.state.on_request(ApiKey::PRODUCE, Fault::CloseBefore);
    script.state.on_request(ApiKey::PRODUCE, Fault::CloseAfter);
    script.state.on_request(ApiKey::PRODUCE, Fault::NeverAnswer);
    let end = |script: &Script| script.state.offsets("t", 0).unwrap().1;

    script.metadata(conn, "t", 12);
    assert_eq!(script.produced(conn, batch(&["a"])), (code, -1));
    for stored_at_once in [false, true] {
        let before = end(&script);
        script.send(conn, produce_request("t", 0, 1, batch(&["a"])), 12);
        assert_eq!(end(&script) > before, stored_at_once);
        script.advance(29);
        assert!(script.answer::<ProduceRequest>(conn, 12).is_none());
        script.advance(1);
        assert!(script.answer::<ProduceRequest>(conn, 12).is_some());
        assert_eq!(end(&script), before + 1);
    }
    for stored in [2, 3] {
        let conn = script.connect(1);
        script.send(conn, produce_request("t", 0, 1, batch(&["a"])), 12);
        assert_eq!((script.closed.last(), end(&script)), (Some(&conn), stored));
    }
    script.send(conn, produce_request("t", 0, 1, batch(&["a"])), 12);
    script.send(conn, metadata_request("t"), 12);
    script.advance(1_000_000);
    assert!(script.answers[&conn].is_empty() && end(&script) == 3);
    let keys: Vec<_> = script.state.requests().iter().map(|entry| entry.key).collect();
    assert_eq!(keys[..2], [ApiKey::METADATA, ApiKey::PRODUCE]);
    assert_eq!(keys.len(), 7, "the one behind the unanswered request was never served");
}
