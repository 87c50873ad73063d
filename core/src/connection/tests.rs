use std::time::Duration;

use super::*;
use crate::machine::tests::World;
use crate::machine::{Command, Input};
use crate::protocol;
use crate::protocol::api_versions::{ApiVersion, ApiVersionsResponse};
use crate::protocol::fetch::{FetchRequest, FetchResponse};
use crate::protocol::metadata::{MetadataRequest, MetadataResponse};
use crate::protocol::produce::ProduceRequest;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

fn at(ms: u64) -> Instant {
    Instant::from_micros(ms * 1_000)
}

/// One connection, its broker played by the test; tags are numbers.
struct Script {
    connection: Connection<u32>,
    channel: Channel,
    replies: Vec<Reply<u32>>,
}

impl Script {
    fn connecting() -> Script {
        let config = Arc::new(Config::new("seed").unwrap());
        let address = "broker:1".parse().unwrap();
        let newest = ApiVersionsRequest::STABLE;
        let channel = Channel::new(ConnId(0), &config);
        let mut connection = Connection::new(config, at(0), address, newest);
        assert!(connection.poll_connect(at(0)));
        Script { connection, channel, replies: Vec::new() }
    }

    fn negotiating() -> Script {
        let mut script = Script::connecting();
        script.connection.on_connected();
        assert_eq!(script.sent(0), Some((ApiKey::API_VERSIONS, ApiVersionsRequest::STABLE, -1)));
        script
    }

    /// Ready, with a broker that knows one API in these versions.
    fn ready(key: ApiKey, theirs: (i16, i16)) -> Script {
        let mut script = Script::negotiating();
        assert_eq!(script.versions(ApiVersionsRequest::STABLE, ErrorCode::NONE, key, theirs), Ok(()));
        assert!(script.connection.is_ready());
        script
    }

    fn versions(
        &mut self,
        version: i16,
        code: ErrorCode,
        key: ApiKey,
        range: (i16, i16),
    ) -> Result<(), CloseReason> {
        let api =
            ApiVersion { api_key: key, min_version: range.0, max_version: range.1, ..Default::default() };
        let mut response =
            ApiVersionsResponse { error_code: code, api_keys: vec![api], ..Default::default() };
        let frame = protocol::encode_response::<ApiVersionsRequest>(&mut response, version, -1).unwrap();
        self.frame(0, &frame.to_bytes())
    }

    /// Bytes come from the broker.
    fn frame(&mut self, ms: u64, bytes: &[u8]) -> Result<(), CloseReason> {
        let received = self.channel.receive(bytes);
        while let Some(Answered { correlation, answer, .. }) = self.channel.poll_answer() {
            self.connection.on_answer(at(ms), correlation, answer, &mut self.replies)?;
        }
        received
    }

    fn queue(&mut self, ms: u64, tag: u32, call: impl AnyRequest + 'static) {
        self.queue_as(ms, tag, call, (0, i16::MAX), true);
    }

    fn queue_as(
        &mut self,
        ms: u64,
        tag: u32,
        call: impl AnyRequest + 'static,
        versions: (i16, i16),
        answered: bool,
    ) {
        let request = Arc::new(call);
        let outgoing = Outgoing { request, tag, versions, timeout: REQUEST_TIMEOUT, answered };
        self.connection.queue(at(ms), outgoing);
    }

    /// Key, version and correlation id of the next frame.
    fn sent(&mut self, ms: u64) -> Option<(ApiKey, i16, i32)> {
        let transmit = self.connection.poll_transmit(at(ms), &mut self.replies)?;
        if let Some(Encoded { correlation, result, .. }) = self.channel.send(transmit) {
            self.connection.on_encoded(correlation, result, &mut self.replies).unwrap();
        }
        let mut bytes = Vec::new();
        let write = |segments: &[std::io::IoSlice<'_>]| {
            segments.iter().for_each(|segment| bytes.extend_from_slice(segment));
            Ok::<_, ()>(segments.iter().map(|segment| segment.len()).sum())
        };
        self.channel.write_with(write).unwrap();
        let (header, _) = protocol::decode_request_header(bytes.split_off(4).into()).unwrap();
        assert_eq!(header.client_id.as_deref(), Some("milena"));
        Some((header.request_api_key, header.request_api_version, header.correlation_id))
    }

    fn correlations(&mut self, ms: u64) -> Vec<i32> {
        std::iter::from_fn(|| self.sent(ms)).map(|(_, _, correlation)| correlation).collect()
    }

    /// The broker's answer to a metadata request in version 12.
    fn answer(&mut self, ms: u64, correlation: i32, throttle_time_ms: i32) -> Result<(), CloseReason> {
        let mut response = MetadataResponse { throttle_time_ms, ..Default::default() };
        let frame = protocol::encode_response::<MetadataRequest>(&mut response, 12, correlation).unwrap();
        self.frame(ms, &frame.to_bytes())
    }

    /// Tag, and whether there is an answer; else whether it was sent.
    fn outcomes(&mut self) -> Vec<(u32, Result<bool, bool>)> {
        let outcome = |reply: Reply<u32>| {
            (reply.tag, reply.result.map(|answer| answer.is_some()).map_err(|failure| failure.sent))
        };
        self.replies.drain(..).map(outcome).collect()
    }
}

fn metadata() -> Script {
    Script::ready(ApiKey::METADATA, (0, 12))
}

#[test]
fn nothing_but_version_negotiation_leaves_before_it_is_done() {
    let mut script = Script::connecting();
    script.queue(0, 1, MetadataRequest::default());
    assert_eq!(script.sent(0), None);
    script.connection.on_connected();
    assert_eq!(script.sent(0).map(|sent| sent.0), Some(ApiKey::API_VERSIONS));
    assert_eq!(script.sent(0), None);
    script.versions(ApiVersionsRequest::STABLE, ErrorCode::NONE, ApiKey::METADATA, (0, 12)).unwrap();
    assert_eq!(script.sent(0), Some((ApiKey::METADATA, 12, 0)));
}

/// Every pair of ranges of five versions against each other, and a caller that allows fewer.
#[test]
fn the_version_is_the_newest_that_both_sides_know() {
    let ranges = || (0..5i16).flat_map(|min| (min..5).map(move |max| (min, max)));
    for theirs in ranges() {
        for ours in ranges() {
            let mut script = Script::ready(ApiKey::METADATA, theirs);
            script.queue_as(
                0,
                1,
                MetadataRequest {
                    topics: Some(Vec::new()),
                    allow_auto_topic_creation: true,
                    ..Default::default()
                },
                ours,
                true,
            );
            let both = (theirs.0.max(ours.0), theirs.1.min(ours.1));
            let sent = script.sent(0).map(|(_, version, _)| version);
            assert_eq!(sent, (both.0 <= both.1).then_some(both.1), "{ours:?} {theirs:?}");
            if sent.is_none() {
                let failure = script.replies.pop().unwrap().result.unwrap_err();
                let expected = Error::Unsupported { api: ApiKey::METADATA, ours, theirs: Some(theirs) };
                assert_eq!((failure.sent, failure.error), (false, expected));
            }
        }
    }
}

#[test]
fn an_api_that_the_broker_lacks_is_unsupported_and_the_next_request_leaves() {
    let mut script = metadata();
    script.queue(0, 1, FetchRequest::default());
    script.queue(0, 2, MetadataRequest::default());
    assert_eq!(script.sent(0), Some((ApiKey::METADATA, 12, 0)));
    let failure = script.replies.pop().unwrap().result.unwrap_err();
    let ours = (*<FetchRequest as crate::protocol::Message>::VERSIONS.start(), FetchRequest::STABLE);
    assert_eq!(failure.error, Error::Unsupported { api: ApiKey::FETCH, ours, theirs: None });
}

#[test]
fn at_most_five_are_in_flight_and_leave_in_order() {
    let mut script = metadata();
    (0..7).for_each(|tag| script.queue(0, tag, MetadataRequest::default()));
    assert_eq!(script.correlations(0), [0, 1, 2, 3, 4]);
    assert!(!script.connection.can_transmit(at(0)));
    script.answer(0, 0, 0).unwrap();
    assert_eq!(script.correlations(0), [5]);
    assert_eq!(script.outcomes(), [(0, Ok(true))]);
}

#[test]
fn another_correlation_id_ends_the_connection() {
    for (wrong, in_flight) in [(1, 2), (-1, 1), (i32::MAX, 1)] {
        let mut script = metadata();
        (0..in_flight).for_each(|tag| script.queue(0, tag, MetadataRequest::default()));
        script.correlations(0);
        let expected = CloseReason::Correlation { expected: 0, got: wrong };
        assert_eq!(script.answer(0, wrong, 0), Err(expected));
    }
    let mut script = metadata();
    assert_eq!(script.answer(0, 0, 0), Err(CloseReason::Unasked));
    let mut script = Script::connecting();
    assert_eq!(script.answer(0, -1, 0), Err(CloseReason::Unasked), "before anything was asked");
    let mut script = Script::negotiating();
    assert_eq!(script.answer(0, 0, 0), Err(CloseReason::Correlation { expected: -1, got: 0 }));
}

#[test]
fn an_answer_that_is_none_ends_the_connection_and_its_request_was_sent() {
    let mut script = metadata();
    script.queue(0, 1, MetadataRequest::default());
    script.correlations(0);
    let result = script.frame(0, &[0, 0, 0, 6, 0, 0, 0, 0, 0, 0xff]);
    let Err(reason @ CloseReason::Decode(_)) = &result else { panic!("{result:?}") };
    script.connection.clone().on_close(reason, &mut script.replies);
    assert_eq!(script.outcomes(), [(1, Err(true))]);
}

/// A broker that does not know the version answers in version 0, with its own range.
#[test]
fn unsupported_negotiation_goes_on_with_the_brokers_newest() {
    for (theirs, next) in [((0, 2), 2), ((0, 0), 0), ((0, 9), 3), ((-5, -1), 0)] {
        let mut script = Script::negotiating();
        let code = ErrorCode::UNSUPPORTED_VERSION;
        assert_eq!(script.versions(0, code, ApiKey::API_VERSIONS, theirs), Ok(()));
        assert!(!script.connection.is_ready());
        assert_eq!(script.sent(0), Some((ApiKey::API_VERSIONS, next, -1)), "{theirs:?}");
        assert_eq!(script.versions(next, ErrorCode::NONE, ApiKey::METADATA, (0, 1)), Ok(()));
        assert!(script.connection.is_ready());
    }
}

#[test]
fn negotiation_that_only_ever_is_refused_ends() {
    let mut script = Script::negotiating();
    for _ in 0..5 {
        let code = ErrorCode::UNSUPPORTED_VERSION;
        if let Err(reason) = script.versions(0, code, ApiKey::API_VERSIONS, (0, 99)) {
            return assert_eq!(reason, CloseReason::Negotiation(code));
        }
        assert!(script.sent(0).is_some());
    }
    panic!("it goes on for ever");
}

#[test]
fn an_overdue_answer_ends_the_connection_what_left_was_sent_what_did_not_was_not() {
    let mut script = metadata();
    (0..7).for_each(|tag| script.queue(0, tag, MetadataRequest::default()));
    script.correlations(1_000);
    script.queue(20_000, 7, MetadataRequest::default());
    assert_eq!(script.connection.poll_timeout(), Some(at(30_000)), "the queue's oldest");
    assert_eq!(script.connection.on_timeout(at(30_000), &mut script.replies), Ok(()));
    assert_eq!(script.outcomes(), [(5, Err(false)), (6, Err(false))]);
    assert_eq!(script.connection.poll_timeout(), Some(at(31_000)));
    let reason = script.connection.on_timeout(at(31_000), &mut script.replies).unwrap_err();
    assert_eq!(reason, CloseReason::RequestTimeout { api: ApiKey::METADATA, after: REQUEST_TIMEOUT });
    script.connection.on_close(&reason, &mut script.replies);
    let outcomes: Vec<_> =
        script.replies.iter().map(|r| (r.tag, r.result.as_ref().unwrap_err().sent)).collect();
    assert_eq!(outcomes, [(0, true), (1, true), (2, true), (3, true), (4, true), (7, false)]);
}

#[test]
fn a_connect_and_a_negotiation_have_their_time() {
    let mut script = Script::connecting();
    assert_eq!(script.connection.poll_timeout(), Some(at(10_000)));
    let reason = script.connection.on_timeout(at(10_000), &mut script.replies);
    assert_eq!(reason, Err(CloseReason::ConnectTimeout(Duration::from_secs(10))));
    let mut script = Script::negotiating();
    assert_eq!(script.connection.on_timeout(at(29_999), &mut script.replies), Ok(()));
    let reason = script.connection.on_timeout(at(30_000), &mut script.replies);
    assert!(matches!(reason, Err(CloseReason::RequestTimeout { api: ApiKey::API_VERSIONS, .. })));
}

#[test]
fn a_throttle_stops_sending_until_it_is_over_and_no_longer_than_a_request() {
    for (throttle, until) in [(500, 500), (i32::MAX, 30_000)] {
        let mut script = metadata();
        script.queue(0, 1, MetadataRequest::default());
        script.correlations(0);
        script.answer(0, 0, throttle).unwrap();
        assert_eq!(script.outcomes(), [(1, Ok(true))], "the caller does not wait");
        script.queue(1, 2, MetadataRequest::default());
        assert_eq!(script.connection.poll_timeout(), Some(at(until)));
        assert_eq!(script.correlations(until - 1), []);
        assert_eq!(script.correlations(until), [1]);
    }
    // The first answer can say so, too.
    let mut script = Script::negotiating();
    let versions = ApiVersion { api_key: ApiKey::METADATA, max_version: 12, ..Default::default() };
    let mut response =
        ApiVersionsResponse { api_keys: vec![versions], throttle_time_ms: 700, ..Default::default() };
    let newest = ApiVersionsRequest::STABLE;
    let frame = protocol::encode_response::<ApiVersionsRequest>(&mut response, newest, -1).unwrap();
    script.queue(0, 1, MetadataRequest::default());
    script.frame(0, &frame.to_bytes()).unwrap();
    assert_eq!((script.correlations(699), script.correlations(700)), (vec![], vec![0]));
    // A negative time is none.
    let mut script = metadata();
    script.queue(0, 1, MetadataRequest::default());
    script.correlations(0);
    script.answer(0, 0, -1).unwrap();
    script.queue(0, 2, MetadataRequest::default());
    assert_eq!(script.correlations(0), [1]);
}

#[test]
fn a_request_without_an_answer_takes_no_place_among_those_that_wait_for_one() {
    let mut script = Script::ready(ApiKey::PRODUCE, (3, 9));
    for tag in 0..8 {
        script.queue_as(0, tag, ProduceRequest::default(), (0, i16::MAX), false);
    }
    assert_eq!(script.correlations(0).len(), 8);
    assert_eq!(script.outcomes(), (0..8).map(|tag| (tag, Ok(false))).collect::<Vec<_>>());
    assert!(script.connection.is_idle());
    assert_eq!(script.connection.poll_timeout(), None);
}

#[test]
fn a_peer_that_hangs_up_on_negotiation_is_asked_in_version_zero_next() {
    let mut world = World::new(|_| {});
    world.held.insert(ApiKey::API_VERSIONS);
    let op = world.start(Command::Connect);
    let first = world.take(ApiKey::API_VERSIONS).remove(0);
    assert_eq!(first.version, ApiVersionsRequest::STABLE);
    world.hang_up(first.conn);
    world.pass_ms(1_000);
    let second = world.take(ApiKey::API_VERSIONS).remove(0);
    assert_eq!(second.version, 0);
    world.held.clear();
    let versions = world.versions();
    world.answer::<ApiVersionsRequest>(&second, versions);
    assert!(matches!(world.done[&op], Ok(None)));
}

#[test]
fn a_throttled_connection_leaves_the_others_alone() {
    let mut world = World::reading(&[(1, 0), (2, 0)], |_, reader| reader.start = crate::Start::Offset(0));
    let asked = world.take(ApiKey::FETCH);
    let response = FetchResponse { throttle_time_ms: 10_000, ..Default::default() };
    world.answer::<FetchRequest>(&asked[0], response);
    world.answer::<FetchRequest>(&asked[1], FetchResponse::default());
    world.pass_ms(5_000);
    let again: Vec<u16> = world.take(ApiKey::FETCH).iter().map(|asked| asked.port).collect();
    assert_eq!(again, [asked[1].port]);
    world.pass_ms(5_000);
    assert_eq!(world.take(ApiKey::FETCH).len(), 2);
}

#[test]
fn news_of_a_connection_that_is_gone_count_for_nothing() {
    let mut world = World::new(|_| {});
    world.start(Command::Connect);
    let conn = ConnId(0);
    assert!(!world.open.contains_key(&conn));
    world.handle(Input::Connected { conn });
    world.frame(conn, &[0; 8]);
    world.handle(Input::Closed { conn, reason: CloseReason::Shutdown });
    assert!(world.open.is_empty());
}

fn transmit(request: impl AnyRequest + 'static, version: i16, correlation: i32) -> Transmit {
    Transmit { request: Arc::new(request), version, correlation, answered: true }
}

fn channel() -> Channel {
    Channel::new(ConnId(3), &Config::new("seed").unwrap())
}

/// What a channel has to write, all of it.
fn unsent(channel: &Channel) -> Vec<u8> {
    let mut bytes = Vec::new();
    while channel.has_unsent() {
        let write = |segments: &[std::io::IoSlice<'_>]| {
            bytes.extend_from_slice(&segments[0]);
            Ok::<_, ()>(segments[0].len())
        };
        channel.write_with(write).unwrap();
    }
    bytes
}

#[test]
fn a_channel_gives_the_same_answers_for_any_chunking() {
    let stream: Vec<u8> = (0..3)
        .flat_map(|correlation| {
            let mut response = MetadataResponse { throttle_time_ms: correlation, ..Default::default() };
            protocol::encode_response::<MetadataRequest>(&mut response, 12, correlation).unwrap().to_bytes()
        })
        .collect();
    for piece in [1, 7, stream.len()] {
        let channel = channel();
        for correlation in 0..3 {
            assert!(channel.send(transmit(MetadataRequest::default(), 12, correlation)).is_none());
        }
        let mut answers = Vec::new();
        for bytes in stream.chunks(piece) {
            channel.receive(bytes).unwrap();
            answers.extend(std::iter::from_fn(|| channel.poll_answer()));
        }
        let told: Vec<_> = answers.iter().map(|answered| (answered.conn, answered.correlation)).collect();
        assert_eq!(told, [0, 1, 2].map(|correlation| (ConnId(3), correlation)));
        assert_eq!(answers[2].answer.throttle, Duration::from_millis(2));
        let response = answers.pop().unwrap().answer.take::<MetadataRequest>().unwrap();
        assert_eq!(response.throttle_time_ms, 2);
    }
}

#[test]
fn a_channels_end_is_told_again_and_again_and_what_came_before_it_can_be_taken() {
    let mut response = MetadataResponse::default();
    let answer = protocol::encode_response::<MetadataRequest>(&mut response, 12, 0).unwrap().to_bytes();
    let unasked = [0, 0, 0, 4, 0, 0, 0, 9];
    for (bytes, end) in [
        (&unasked[..], CloseReason::Unasked),
        (&[][..], CloseReason::Eof { mid_frame: false, before_first_answer: false }),
        (&[0xff; 4][..], CloseReason::Frame(crate::wire::FrameError::Negative(-1))),
    ] {
        let channel = channel();
        assert!(channel.send(transmit(MetadataRequest::default(), 12, 0)).is_none());
        channel.receive(&answer).unwrap();
        assert_eq!(channel.receive(bytes), Err(end.clone()));
        assert_eq!(channel.receive(&answer), Err(end));
        assert_eq!(channel.poll_answer().map(|answered| answered.correlation), Some(0));
        assert!(channel.poll_answer().is_none());
    }
}

#[test]
fn a_channel_tells_what_it_cannot_encode_and_expects_no_answer_to_it() {
    let channel = channel();
    let unsayable = MetadataRequest { topics: None, ..Default::default() };
    let told = channel.send(transmit(unsayable, 0, 0)).expect("version 0 has no null");
    assert!(matches!(told.result, Err(Error::InvalidRequest(_))), "{told:?}");
    assert!(!channel.has_unsent());
    // One without an answer tells that it is on its way.
    let unanswered = Transmit { answered: false, ..transmit(ProduceRequest::default(), 9, 1) };
    assert!(matches!(channel.send(unanswered), Some(Encoded { correlation: 1, result: Ok(()), .. })));
    assert!(channel.send(transmit(MetadataRequest::default(), 12, 2)).is_none());
    let mut response = MetadataResponse::default();
    let answer = protocol::encode_response::<MetadataRequest>(&mut response, 12, 2).unwrap().to_bytes();
    channel.receive(&answer).unwrap();
    assert_eq!(channel.poll_answer().map(|answered| answered.correlation), Some(2));
}

/// Nobody waits for a socket that takes nothing: what is sent meanwhile comes after what is being written.
#[test]
fn a_request_can_be_sent_while_others_are_written() {
    let (apart, together) = (channel(), channel());
    let mut expected = Vec::new();
    for correlation in 0..2 {
        apart.send(transmit(MetadataRequest::default(), 12, correlation));
        expected.extend(unsent(&apart));
    }
    together.send(transmit(MetadataRequest::default(), 12, 0));
    let mut written = Vec::new();
    let write = |segments: &[std::io::IoSlice<'_>]| {
        together.send(transmit(MetadataRequest::default(), 12, 1));
        written.extend_from_slice(&segments[0][..5]);
        Ok::<_, ()>(5)
    };
    together.write_with(write).unwrap();
    written.extend(unsent(&together));
    assert_eq!(written, expected);
}
