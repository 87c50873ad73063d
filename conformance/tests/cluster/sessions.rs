//! Fetch sessions (KIP-227).

use milena_conformance::cluster::{ClusterOptions, ConnectionId};
use milena_core::protocol::fetch::ForgottenTopic;
use milena_core::protocol::{ErrorCode, FetchRequest, FetchResponse};

use crate::script::{Script, batch, fetch_request, produce_request};

const VERSION: i16 = 12;

fn session(
    script: &mut Script,
    conn: ConnectionId,
    id: i32,
    epoch: i32,
    request: FetchRequest,
) -> FetchResponse {
    let request = FetchRequest { session_id: id, session_epoch: epoch, max_wait_ms: 0, ..request };
    script.call(conn, request, VERSION)
}

/// Both partitions of the topic, each from its offset.
fn both(offsets: [i64; 2]) -> FetchRequest {
    let mut request = fetch_request("t", 0, offsets[0]);
    let second = fetch_request("t", 1, offsets[1]).topics.remove(0).partitions.remove(0);
    request.topics[0].partitions.push(second);
    request
}

fn nothing() -> FetchRequest {
    FetchRequest { topics: Vec::new(), ..fetch_request("t", 0, 0) }
}

/// Partition, high watermark, bytes.
fn told(response: &FetchResponse) -> Vec<(i32, i64, usize)> {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
    let told = partitions.map(|partition| {
        let bytes = partition.records.as_ref().map_or(0, |records| records.len());
        (partition.partition_index, partition.high_watermark, bytes)
    });
    told.collect()
}

#[test]
fn a_session_tells_what_changed_and_nothing_else() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    let opened = session(&mut script, conn, 0, 0, both([0, 0]));
    let id = opened.session_id;
    assert!(id > 0 && told(&opened) == [(0, 0, 0), (1, 0, 0)], "the first answer tells all");
    assert_eq!(told(&session(&mut script, conn, id, 1, nothing())), []);
    script.produced(conn, batch(&["a"]));
    let size = batch(&["a"]).len();
    let answer = session(&mut script, conn, id, 2, nothing());
    assert_eq!((answer.session_id, told(&answer)), (id, vec![(0, 1, size)]));
    // The position is what the consumer said last: it has to say that it went on.
    assert_eq!(told(&session(&mut script, conn, id, 3, nothing())), [(0, 1, size)]);
    assert_eq!(told(&session(&mut script, conn, id, 4, fetch_request("t", 0, 1))), []);
    let forgotten = ForgottenTopic { topic: "t".into(), partitions: vec![0].into(), ..Default::default() };
    let request = FetchRequest { forgotten_topics_data: vec![forgotten], ..nothing() };
    assert_eq!(told(&session(&mut script, conn, id, 5, request)), []);
    script.produced(conn, batch(&["b"]));
    assert_eq!(told(&session(&mut script, conn, id, 6, nothing())), [], "0 is forgotten");
    script.call(conn, produce_request("t", 1, -1, batch(&["c"])), 9);
    assert_eq!(told(&session(&mut script, conn, id, 7, nothing())), [(1, 1, size)]);
}

#[test]
fn an_error_is_told_until_it_is_over() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    let id = session(&mut script, conn, 0, 0, both([0, 5])).session_id;
    for epoch in 1..3 {
        let answer = session(&mut script, conn, id, epoch, nothing());
        let partition = &answer.responses[0].partitions[0];
        assert_eq!((partition.partition_index, partition.error_code), (1, ErrorCode::OFFSET_OUT_OF_RANGE));
    }
    let answer = session(&mut script, conn, id, 3, fetch_request("t", 1, 0));
    assert_eq!(told(&answer), [(1, 0, 0)], "its bounds, anew");
}

#[test]
fn partitions_take_turns_when_not_all_fit() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    let id = session(&mut script, conn, 0, 0, both([0, 0])).session_id;
    for partition in 0..2 {
        script.call(conn, produce_request("t", partition, -1, batch(&["a"])), 9);
    }
    let size = batch(&["a"]).len();
    let small = || FetchRequest { max_bytes: 1, ..nothing() };
    let first = told(&session(&mut script, conn, id, 1, small()));
    assert_eq!(first[0], (0, 1, size));
    let second = session(&mut script, conn, id, 2, small());
    let with_records: Vec<_> = told(&second).into_iter().filter(|(_, _, bytes)| *bytes > 0).collect();
    assert_eq!(with_records, [(1, 1, size)], "0 was served last");
}

#[test]
fn sessions_are_known_by_their_broker_id_and_epoch() {
    let options = ClusterOptions { fetch_sessions: 1, ..Default::default() };
    let mut script = Script::new(ClusterOptions { nodes: 2, topics: vec![("t".to_owned(), 2)], ..options });
    let (conn, other) = (script.connect(1), script.connect(2));
    let refused = |script: &mut Script, conn, id, epoch| {
        let answer = session(script, conn, id, epoch, nothing());
        assert!(answer.responses.is_empty());
        answer.error_code
    };
    assert_eq!(refused(&mut script, conn, 5, 1), ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
    let id = session(&mut script, conn, 0, 0, both([0, 0])).session_id;
    assert_eq!(refused(&mut script, other, id, 1), ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
    assert_eq!(refused(&mut script, conn, id, 2), ErrorCode::INVALID_FETCH_SESSION_EPOCH);
    assert_eq!(refused(&mut script, conn, id, 1), ErrorCode::NONE);
    assert_eq!(session(&mut script, conn, 0, 0, both([0, 0])).session_id, 0, "there is room for one");
    script.advance(121_000);
    let second = session(&mut script, conn, 0, 0, both([0, 0])).session_id;
    assert!(second != 0 && second != id, "the first was not used for two minutes");
    assert_eq!(refused(&mut script, conn, id, 2), ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
    let closed = session(&mut script, conn, second, -1, both([0, 0]));
    assert_eq!((closed.session_id, told(&closed).len()), (0, 2));
    assert_eq!(refused(&mut script, conn, second, 1), ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
}
