//! Quotas: told, found, and acted on.

use std::time::Duration;

use milena_conformance::cluster::{ClusterOptions, ConnectionId, Fault};
use milena_core::protocol::alter_client_quotas::{EntityData, EntryData, OpData};
use milena_core::protocol::create_topics::CreatableTopic;
use milena_core::protocol::describe_client_quotas::ComponentData;
use milena_core::protocol::{
    AlterClientQuotasRequest, ApiKey, CreateTopicsRequest, DescribeClientQuotasRequest, ErrorCode,
    FetchRequest, FindCoordinatorRequest, MetadataRequest, ProduceRequest,
};

use crate::script::{Script, batch, fetch_request, fetched, metadata_request, produce_request, values};

type Part<'a> = (&'a str, Option<&'a str>);

fn set(
    script: &mut Script,
    conn: ConnectionId,
    entity: &[Part<'_>],
    quotas: &[(&str, Option<f64>)],
) -> (ErrorCode, String) {
    let entity = entity.iter().map(|(kind, name)| EntityData {
        entity_type: (*kind).into(),
        entity_name: name.map(Into::into),
        ..Default::default()
    });
    let ops = quotas.iter().map(|(key, value)| OpData {
        key: (*key).into(),
        value: value.unwrap_or(0.0),
        remove: value.is_none(),
        ..Default::default()
    });
    let entry = EntryData { entity: entity.collect(), ops: ops.collect(), ..Default::default() };
    let request = AlterClientQuotasRequest { entries: vec![entry], ..Default::default() };
    let result = script.call(conn, request, 1).entries.remove(0);
    (result.error_code, result.error_message.unwrap_or_default().to_string())
}

fn done() -> (ErrorCode, String) {
    (ErrorCode::NONE, String::new())
}

/// Bytes of one batch whose value has this length, as a request.
fn produce(len: usize) -> ProduceRequest {
    produce_request("t", 0, -1, batch(&["x".repeat(len).as_str()]))
}

fn throttled(script: &mut Script, conn: ConnectionId, request: ProduceRequest) -> i32 {
    script.call(conn, request, 9).throttle_time_ms
}

#[test]
fn who_writes_too_much_is_told_and_not_read_from() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    set(&mut script, conn, &[("client-id", Some("test"))], &[("producer_byte_rate", Some(100.0))]);
    assert_eq!(throttled(&mut script, conn, produce(800)), 0, "ten seconds' worth may come at once");
    let pause = throttled(&mut script, conn, produce(800)) as u64;
    assert!((6_000..10_000).contains(&pause), "about 1,800 bytes in 10 seconds, for 100 a second: {pause}");
    script.send(conn, metadata_request("t"), 12);
    script.advance(pause - 1);
    assert_eq!(script.answer::<MetadataRequest>(conn, 12), None, "muted");
    script.advance(1);
    assert!(script.answer::<MetadataRequest>(conn, 12).is_some());
    // Another connection of the same client is throttled with its own request, another client is not.
    set(&mut script, conn, &[("client-id", Some("test"))], &[("producer_byte_rate", None)]);
    assert_eq!(throttled(&mut script, conn, produce(5000)), 0);
}

#[test]
fn acks_0_is_muted_without_an_answer() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    set(&mut script, conn, &[("user", Some("ANONYMOUS"))], &[("producer_byte_rate", Some(100.0))]);
    let mut request = produce(1900);
    request.acks = 0;
    script.send(conn, request, 9);
    script.send(conn, metadata_request("t"), 12);
    assert_eq!(script.answer::<MetadataRequest>(conn, 12), None);
    script.advance(60_000);
    assert!(script.answer::<MetadataRequest>(conn, 12).is_some());
}

#[test]
fn before_2_0_the_answer_itself_comes_later() {
    let mut script = Script::as_release("1.1");
    script.state.set_quota(Some("ANONYMOUS"), None, "producer_byte_rate", 100.0);
    let conn = script.connect(1);
    script.send(conn, produce(1900), 5);
    script.advance(5_000);
    assert_eq!(script.answer::<ProduceRequest>(conn, 5), None);
    script.advance(10_000);
    let (_, response) = script.answer::<ProduceRequest>(conn, 5).unwrap();
    assert!((8_000..12_000).contains(&response.throttle_time_ms), "{}", response.throttle_time_ms);
}

#[test]
fn a_fetch_above_the_quota_gets_no_data() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    script.produced(conn, batch(&["x".repeat(600).as_str()]));
    set(&mut script, conn, &[("user", None)], &[("consumer_byte_rate", Some(100.0))]);
    let first = script.call(conn, fetch_request("t", 0, 0), 12);
    assert_eq!((first.throttle_time_ms, fetched(&first).1.len()), (0, 1));
    let second = script.call(conn, fetch_request("t", 0, 0), 12);
    assert!(second.responses.is_empty() && second.throttle_time_ms > 3_000, "{second:?}");
    script.send(conn, fetch_request("t", 0, 0), 12);
    script.advance(second.throttle_time_ms as u64 - 1);
    assert_eq!(script.answer::<FetchRequest>(conn, 12), None);
    script.advance(12_000);
    let (_, third) = script.answer::<FetchRequest>(conn, 12).unwrap();
    assert_eq!(third.throttle_time_ms > 0, third.responses.is_empty());
    script.advance(30_000);
    let last = script.call(conn, fetch_request("t", 0, 0), 12);
    assert_eq!(fetched(&last), values(&[(0, "x".repeat(600).as_str())]));
}

#[test]
fn the_most_exact_quota_counts() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    let rate = |value| [("producer_byte_rate", Some(value))];
    let (user, client) = (("user", Some("ANONYMOUS")), ("client-id", Some("test")));
    for entity in [
        &[("client-id", None)][..],
        &[client],
        &[("user", None)],
        &[("user", None), ("client-id", None)],
        &[("user", None), client],
        &[user],
        &[user, ("client-id", None)],
        &[user, client],
    ] {
        // What was set before, less exact, would throttle.
        assert_eq!(set(&mut script, conn, entity, &rate(1_000_000.0)), done());
        assert_eq!(throttled(&mut script, conn, produce(2000)), 0, "{entity:?}");
        assert_eq!(set(&mut script, conn, entity, &rate(1.0)), done());
    }
    assert!(throttled(&mut script, conn, produce(2000)) > 0);
}

#[test]
fn topics_are_not_created_by_who_created_too_many() {
    let create = |name: &str, partitions| {
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions: partitions,
            replication_factor: 1,
            ..Default::default()
        };
        CreateTopicsRequest { topics: vec![topic], ..Default::default() }
    };
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    set(&mut script, conn, &[("user", None)], &[("controller_mutation_rate", Some(1.0))]);
    let first = script.call(conn, create("a", 13), 6);
    assert_eq!(
        (first.topics[0].error_code, first.throttle_time_ms),
        (ErrorCode::NONE, 0),
        "a burst of 11, exceeded once"
    );
    let second = script.call(conn, create("b", 1), 6);
    assert_eq!(
        (second.topics[0].error_code, second.throttle_time_ms),
        (ErrorCode::THROTTLING_QUOTA_EXCEEDED, 2000)
    );
    script.advance(2000);
    // Versions without that error are served, and throttled.
    let third = script.call(conn, create("c", 3), 5);
    assert_eq!((third.topics[0].error_code, third.throttle_time_ms), (ErrorCode::NONE, 3000));
}

#[test]
fn quotas_are_told_by_their_entities() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    let quota = [("request_percentage", Some(50.5))];
    for entity in
        [&[("user", Some("a"))][..], &[("user", None)], &[("user", Some("a")), ("client-id", Some("c"))]]
    {
        assert_eq!(set(&mut script, conn, entity, &quota), done());
    }
    let mut count = |components: &[(&str, i8, Option<&str>)], strict| {
        let components = components.iter().map(|(kind, match_type, name)| ComponentData {
            entity_type: (*kind).into(),
            match_type: *match_type,
            r#match: name.map(Into::into),
            ..Default::default()
        });
        let request =
            DescribeClientQuotasRequest { components: components.collect(), strict, ..Default::default() };
        let response = script.call(conn, request, 1);
        response.entries.map(|entries| entries.len()).ok_or(response.error_code)
    };
    assert_eq!(count(&[], false), Ok(3));
    assert_eq!(count(&[("user", 0, Some("a"))], false), Ok(2));
    assert_eq!(count(&[("user", 0, Some("a"))], true), Ok(1));
    assert_eq!(count(&[("user", 1, None)], false), Ok(1));
    assert_eq!(count(&[("user", 2, None)], true), Ok(2));
    assert_eq!(count(&[("colour", 2, None)], true), Err(ErrorCode::UNSUPPORTED_VERSION));
    assert_eq!(count(&[("user", 2, None), ("user", 1, None)], true), Err(ErrorCode::INVALID_REQUEST));
}

#[test]
fn wrong_quotas_are_refused() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    for (entity, key, value, message) in [
        (&[][..], "producer_byte_rate", 1.0, "Invalid empty client quota entity"),
        (&[("colour", None)], "producer_byte_rate", 1.0, "Unhandled client quota entity type: colour"),
        (&[("user", Some(""))], "producer_byte_rate", 1.0, "Empty user not supported"),
        (&[("user", None)], "speed", 1.0, "Invalid configuration key speed"),
        (&[("user", None)], "producer_byte_rate", 0.0, "Quota producer_byte_rate must be greater than 0"),
        (&[("user", None)], "producer_byte_rate", 1.5, "producer_byte_rate cannot be a fractional value."),
        (&[("ip", None)], "producer_byte_rate", 1.0, "Invalid configuration key producer_byte_rate"),
    ] {
        let refused = set(&mut script, conn, entity, &[(key, Some(value))]);
        assert_eq!(refused, (ErrorCode::INVALID_REQUEST, message.to_owned()));
    }
}

#[test]
fn a_fault_throttles_any_request() {
    let mut script =
        Script::new(ClusterOptions { topics: vec![("t".to_owned(), 1)], ..ClusterOptions::default() });
    let conn = script.connect(1);
    script.state.on_request(ApiKey::METADATA, Fault::Throttle(Duration::from_millis(250)));
    assert_eq!(script.metadata(conn, "t", 12).throttle_time_ms, 250);
    script.send(conn, FindCoordinatorRequest { key: "g".into(), ..Default::default() }, 3);
    script.advance(249);
    assert_eq!(script.answer::<FindCoordinatorRequest>(conn, 3), None);
    script.advance(1);
    assert_eq!(script.answer::<FindCoordinatorRequest>(conn, 3).unwrap().1.throttle_time_ms, 0);
}
