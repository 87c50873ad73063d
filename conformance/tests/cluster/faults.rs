//! Faults to order, and the log of requests.

use std::time::Duration;

use milena_conformance::cluster::{Fault, Requests};
use milena_core::protocol::{
    ApiKey, BrokerId, ErrorCode, InitProducerIdRequest, InitProducerIdResponse, MetadataRequest,
    ProduceRequest, ProducerId,
};

use crate::script::{Script, batch, metadata_request, produce_request};

fn code(script: &mut Script, conn: milena_conformance::cluster::ConnectionId) -> ErrorCode {
    script.produced(conn, batch(&["v"])).0
}

#[test]
fn an_order_is_for_the_nth_request_of_an_api_on_a_broker() {
    let mut script = Script::with_topic(2);
    let (one, two) = (script.connect(1), script.connect(2));
    let error = Fault::Error(ErrorCode::KAFKA_STORAGE_ERROR);
    script.state.on_request(Requests::of(ApiKey::PRODUCE).at(BrokerId(1)).nth(2).times(2), error);
    script.metadata(one, "t", 9);
    let at_two = script.call(two, produce_request("t", 1, -1, batch(&["v"])), 9);
    assert_eq!(at_two.responses[0].partition_responses[0].error_code, ErrorCode::NONE, "another broker");
    let codes: Vec<_> = (0..4).map(|_| code(&mut script, one)).collect();
    let (ok, failed) = (ErrorCode::NONE, ErrorCode::KAFKA_STORAGE_ERROR);
    assert_eq!(codes, [ok, failed, failed, ok]);
    let log: Vec<_> = script.state.requests().iter().map(|entry| (entry.broker.0, entry.key)).collect();
    assert_eq!(log.iter().filter(|entry| **entry == (1, ApiKey::PRODUCE)).count(), 4);
}

#[test]
fn user_code_chooses_and_answers() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    let many = |request: ProduceRequest| request.timeout_ms == 77;
    script.state.on_request(Requests::that(many).always(), Fault::Error(ErrorCode::REQUEST_TIMED_OUT));
    assert_eq!(code(&mut script, conn), ErrorCode::NONE);
    for _ in 0..3 {
        let request = ProduceRequest { timeout_ms: 77, ..produce_request("t", 0, -1, batch(&["v"])) };
        let answer = script.call(conn, request, 9);
        assert_eq!(answer.responses[0].partition_responses[0].error_code, ErrorCode::REQUEST_TIMED_OUT);
    }
    assert_eq!(script.state.offsets("t", 0), Some((0, 1)), "a refused request changes nothing");
    script.state.clear_faults();
    let fault = Fault::answer(|request: InitProducerIdRequest| InitProducerIdResponse {
        producer_id: ProducerId(i64::from(request.transaction_timeout_ms)),
        ..Default::default()
    });
    script.state.on_request(Requests::any(), fault.clone());
    assert_eq!(script.metadata(conn, "t", 9).topics.len(), 1, "of another type: served as usual");
    script.state.on_request(ApiKey::INIT_PRODUCER_ID, fault);
    let request =
        InitProducerIdRequest { transactional_id: None, transaction_timeout_ms: 42, ..Default::default() };
    assert_eq!(script.call(conn, request, 4).producer_id, ProducerId(42));
}

#[test]
fn answers_come_late_twice_damaged_or_not_at_all() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    script.state.on_request(ApiKey::METADATA, Fault::DelayAnswer(Duration::from_millis(30)));
    script.send(conn, metadata_request("t"), 9);
    script.advance(29);
    assert!(script.answer::<MetadataRequest>(conn, 9).is_none());
    script.advance(1);
    let (_, whole) = script.answer::<MetadataRequest>(conn, 9).expect("it is late");
    script.state.on_request(ApiKey::METADATA, Fault::AnswerTwice);
    let sent = script.send(conn, metadata_request("t"), 9);
    let answers = [0; 2].map(|_| script.answer::<MetadataRequest>(conn, 9).expect("two answers"));
    assert!(answers.iter().all(|(id, answer)| *id == sent && *answer == whole));
    script.metadata(conn, "t", 9);
    let good = {
        script.send(conn, metadata_request("t"), 9);
        script.answers.remove(&conn).unwrap().remove(0)
    };
    script.state.on_request(ApiKey::METADATA, Fault::Corrupt);
    script.send(conn, metadata_request("t"), 9);
    let bad = script.answers.remove(&conn).unwrap().remove(0);
    let flipped: u32 = good[4..].iter().zip(&bad[4..]).map(|(good, bad)| (good ^ bad).count_ones()).sum();
    assert_eq!((flipped, good.len()), (1, bad.len()), "one bit, behind the correlation id");
    // An answer that has to wait is closed instead of sent, too.
    script.state.on_request(ApiKey::FETCH, Fault::CloseAfter);
    script.send(conn, crate::script::fetch_request("t", 0, 0), 12);
    assert!(script.closed.is_empty(), "it waits for data");
    script.advance(500);
    assert_eq!(script.closed, [conn]);
}

#[test]
fn a_slow_disk_delays_writes_and_nothing_else() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    let latency = Duration::from_millis(40);
    assert!(script.state.slow_disk(BrokerId(1), (latency, latency)));
    script.metadata(conn, "t", 9);
    script.send(conn, produce_request("t", 0, -1, batch(&["v"])), 9);
    script.advance(39);
    assert!(script.answer::<ProduceRequest>(conn, 9).is_none());
    script.advance(1);
    assert!(script.answer::<ProduceRequest>(conn, 9).is_some());
}
