//! What the vectors cannot show: faults, limits, headers, and the corners that no message of today has.

#![expect(unreachable_pub, reason = "the macros make public structs")]

use super::api_versions::ApiVersion;
use super::fetch::{FetchPartition, FetchableTopicResponse};
use super::metadata::{MetadataResponsePartition, MetadataResponseTopic};
use super::produce::{PartitionProduceData, TopicProduceData};
use super::*;
use crate::wire::{Event, Field, Packed, Str, TaggedField, Uuid, Visitor, WireError, WireFault};
use bytes::Bytes;

message! {
    /// Fields of the kinds that the real messages have too few of.
    Corners: versions 0..=3, flexible 2.. {
        /// A float.
        ratio: f64 { 0.. },
        /// Bytes that cannot be null.
        data: Bytes { 0.. },
        /// An unsigned integer.
        port: u16 { 0.. },
        /// A nullable struct: a plain one before version 3.
        maybe: Option<Inner> { 2.., nullable 3.., default null },
        /// A field that must not get lost.
        late: i32 { 3.., default 7 },
        /// A field that may.
        late_ignorable: i32 { 3.., ignorable },
        /// Tagged.
        one: i32 { 2.., tag 1, default -1 },
        /// Tagged.
        five: Option<Inner> { 2.., nullable 2.., tag 5, default null },
        /// Tagged, in a later version.
        six: Packed<i16> { 3.., tag 6 },
    }

    /// A struct.
    Inner {
        /// A number.
        number: i8 { 0.. },
        /// Tagged.
        tagged: bool { 2.., tag 0, default true },
    }
}

message! {
    /// A message from before flexible versions.
    Old: versions 0..=1, flexible never {
        /// Text.
        text: Str { 0.. },
    }
}

fn corners() -> Corners {
    Corners { maybe: Some(Inner::default()), ..Corners::default() }
}

fn unknown(tag: u32, data: &'static [u8]) -> TaggedField {
    TaggedField { tag, data: Bytes::from_static(data) }
}

fn bytes_of<M: Message>(mut message: M, version: i16) -> Vec<u8> {
    let bytes = message.encode(version).unwrap().concat();
    assert_eq!(message.size(version), Ok(bytes.len()));
    assert_eq!(M::decode(bytes.clone().into(), version).unwrap(), message);
    bytes
}

/// Field, offset and fault of decoding `bytes`.
fn fault_in<M: Message>(version: i16, bytes: &[u8]) -> (String, usize, WireFault) {
    let error = M::decode(Bytes::copy_from_slice(bytes), version).unwrap_err();
    assert_eq!((error.message, error.version), (M::NAME, version));
    (error.field, error.offset, error.fault)
}

/// Field and fault of encoding `message`, which measuring tells as well.
fn fault_of<M: Message>(version: i16, mut message: M) -> (String, WireFault) {
    let error = message.encode(version).unwrap_err();
    assert_eq!(message.size(version), Err(error.clone()));
    (error.field, error.fault)
}

fn at(field: &str, offset: usize, fault: WireFault) -> (String, usize, WireFault) {
    (field.to_owned(), offset, fault)
}

#[test]
fn bytes_that_end_too_early_or_too_late() {
    let short = WireFault::Truncated { needed: 4, remaining: 3 };
    assert_eq!(fault_in::<ResponseHeader>(0, &[0; 3]), at("correlation_id", 0, short));
    let trailing = WireFault::TrailingBytes { count: 2 };
    assert_eq!(fault_in::<ResponseHeader>(0, &[0; 6]), at("", 4, trailing));
    let text = WireFault::Truncated { needed: 5, remaining: 2 };
    assert_eq!(fault_in::<FindCoordinatorRequest>(0, b"\0\x05ab"), at("key", 2, text));
    let length = WireFault::Truncated { needed: 2, remaining: 1 };
    assert_eq!(fault_in::<FindCoordinatorRequest>(0, b"\0"), at("key", 0, length));
}

#[test]
fn versions_that_do_not_exist() {
    for version in [-1, 14, i16::MAX] {
        let fault = WireFault::UnknownVersion { known: 0..=13 };
        assert_eq!(fault_in::<ProduceRequest>(version, &[]), at("", 0, fault.clone()));
        assert_eq!(fault_of(version, ProduceRequest::default()), (String::new(), fault));
    }
}

#[test]
fn lengths_that_cannot_be() {
    type Request = FindCoordinatorRequest;
    assert_eq!(fault_in::<Request>(0, b"\xff\xfe"), at("key", 0, WireFault::NegativeLength(-2)));
    assert_eq!(fault_in::<Request>(0, b"\xff\xff"), at("key", 0, WireFault::UnexpectedNull));
    assert_eq!(fault_in::<Request>(3, b"\0"), at("key", 0, WireFault::UnexpectedNull));
    assert_eq!(fault_in::<Request>(3, b"\xff\xff\xff\xff\x1f"), at("key", 0, WireFault::BadVarint));
    assert_eq!(fault_in::<Request>(3, b"\xff\xff"), at("key", 0, WireFault::BadVarint));
    let long = WireFault::TooLong { length: 32_768, limit: 32_767 };
    assert_eq!(fault_in::<Request>(3, b"\x81\x80\x02"), at("key", 0, long));
    // Null is an answer from version 1 on: all topics.
    assert_eq!(fault_in::<MetadataRequest>(0, &[0xff; 4]), at("topics", 0, WireFault::UnexpectedNull));
    assert_eq!(MetadataRequest::decode(Bytes::from_static(&[0xff; 4]), 1).unwrap().topics, None);
}

#[test]
fn values_that_cannot_be() {
    let utf8 = at("key", 2, WireFault::InvalidUtf8);
    assert_eq!(fault_in::<FindCoordinatorRequest>(0, b"\0\x02\xc3\x28"), utf8);
    let boolean = at("allow_auto_topic_creation", 4, WireFault::InvalidBool(2));
    assert_eq!(fault_in::<MetadataRequest>(4, b"\0\0\0\0\x02"), boolean);
    let mut bytes = bytes_of(corners(), 3);
    assert_eq!(bytes[11], 1);
    bytes[11] = 2;
    assert_eq!(fault_in::<Corners>(3, &bytes), at("maybe", 11, WireFault::InvalidMarker(2)));
}

#[test]
fn arrays_beyond_what_is_left() {
    let count = |count, remaining| WireFault::ArrayTooLong { count, remaining };
    let plain = fault_in::<MetadataRequest>(0, b"\x7f\xff\xff\xff\0\0\0");
    assert_eq!(plain, at("topics", 4, count(i32::MAX as usize, 3)));
    let compact = fault_in::<MetadataRequest>(9, b"\x80\x80\x80\x80\x08\x01");
    assert_eq!(compact, at("topics", 5, count(i32::MAX as usize, 1)));
    let limit = WireFault::TooLong { length: u32::MAX as usize - 1, limit: i32::MAX as usize };
    assert_eq!(fault_in::<MetadataRequest>(9, b"\xff\xff\xff\xff\x0f"), at("topics", 0, limit));
    // The count fits what is left, the elements don't.
    let element = fault_in::<MetadataRequest>(9, b"\x05\x02a\0\x02b");
    assert_eq!(element, at("topics[1].unknown_tagged_fields", 6, WireFault::BadVarint));
}

#[test]
fn arrays_beyond_what_is_reserved() {
    let partitions: Packed<i32> = (0..50_000).collect();
    let forgotten_topics_data = vec![fetch::ForgottenTopic { partitions, ..Default::default() }];
    let bytes = bytes_of(FetchRequest { forgotten_topics_data, ..FetchRequest::default() }, 18);
    assert!(bytes.len() > 200_000);
}

#[test]
fn a_fault_tells_the_way_to_its_field() {
    let partition =
        || fetch::PartitionData { records: Some(Bytes::from_static(b"abc")), ..Default::default() };
    let topic = |partitions| FetchableTopicResponse { partitions, ..Default::default() };
    let responses = vec![topic(vec![]), topic(vec![partition(), partition()])];
    let bytes = bytes_of(FetchResponse { responses, ..FetchResponse::default() }, 4);
    let error = FetchResponse::decode(bytes[..bytes.len() - 1].to_vec().into(), 4).unwrap_err();
    assert_eq!(
        error.to_string(),
        "FetchResponse version 4, field responses[1].partitions[1].records, byte 83: 3 bytes needed, 2 left"
    );
}

#[test]
fn tags_must_rise_and_fit() {
    let tags = |tags: &[u8]| [b"\x01\x01", tags].concat();
    for (bytes, tag) in [(b"\x02\x05\x00\x05\x00", 5), (b"\x02\x05\x00\x04\x00", 4)] {
        let fault = WireFault::TagOrder { tag, previous: 5 };
        assert_eq!(fault_in::<ApiVersionsRequest>(3, &tags(bytes)), at("unknown_tagged_fields", 6, fault));
    }
    let cut = WireFault::Truncated { needed: 9, remaining: 1 };
    let cut = at("unknown_tagged_fields", 5, cut);
    assert_eq!(fault_in::<ApiVersionsRequest>(3, &tags(b"\x01\x05\x09a")), cut);

    let response = |tags: &[u8]| [b"\0\0\x01\0\0\0\0\x01", tags].concat();
    let long = fault_in::<ApiVersionsResponse>(3, &response(b"\x01\x09\0\0\0\0\0\0\0\0\0"));
    assert_eq!(long, at("unknown_tagged_fields", 18, WireFault::TagSize { tag: 1, size: 9, used: 8 }));
    // A value must not reach beyond its size, even if the frame goes on.
    let short = fault_in::<ApiVersionsResponse>(3, &response(b"\x01\x04\0\0\0\0\0\0\0\0\0"));
    assert_eq!(short, at("finalized_features_epoch", 10, WireFault::Truncated { needed: 8, remaining: 4 }));
}

#[test]
fn known_and_unknown_tags_share_one_order() {
    let mut message = corners();
    let before = bytes_of(message.clone(), 2).len() - 1;
    message.one = 2;
    message.five = Some(Inner { number: 3, tagged: false, ..Inner::default() });
    message.unknown_tagged_fields = vec![unknown(0, b""), unknown(4, b"ab"), unknown(300, b"c")];
    let bytes = bytes_of(message, 2);
    let expected = [
        &b"\x05"[..],
        b"\0\0",
        b"\x01\x04\0\0\0\x02",
        b"\x04\x02ab",
        b"\x05\x06\x01\x03\x01\0\x01\0",
        b"\xac\x02\x01c",
    ];
    assert_eq!(bytes[before..], expected.concat());
}

#[test]
fn a_tag_of_a_later_version_is_unknown_before() {
    let message = Corners { six: Packed::from([1, 2]), ..corners() };
    let bytes = bytes_of(message.clone(), 3);
    assert!(bytes.ends_with(b"\x01\x06\x05\x03\0\x01\0\x02"));
    let unknown = vec![unknown(6, b"\x03\0\x01\0\x02")];
    let bytes = bytes_of(Corners { unknown_tagged_fields: unknown.clone(), ..corners() }, 2);
    assert!(bytes.ends_with(b"\x01\x06\x05\x03\0\x01\0\x02"));
    assert_eq!(Corners::decode(bytes.into(), 2).unwrap().unknown_tagged_fields, unknown);
    assert_eq!(fault_of(2, message), ("six".to_owned(), WireFault::NotInVersion));
}

#[test]
fn unknown_tags_that_cannot_be_written() {
    let with = |unknown_tagged_fields| Corners { one: 2, unknown_tagged_fields, ..corners() };
    let order = |tag, previous| WireFault::TagOrder { tag, previous };
    let (_, fault) = fault_of(2, with(vec![unknown(9, b""), unknown(9, b"")]));
    assert_eq!(fault, order(9, 9));
    let (_, fault) = fault_of(2, with(vec![unknown(9, b""), unknown(8, b"")]));
    assert_eq!(fault, order(8, 9));
    let (_, fault) = fault_of(2, with(vec![unknown(1, b"")]));
    assert_eq!(fault, order(1, 1));
    let plain = ApiVersionsRequest { unknown_tagged_fields: vec![unknown(9, b"")], ..Default::default() };
    assert_eq!(fault_of(2, plain), ("unknown_tagged_fields".to_owned(), WireFault::NotInVersion));
}

#[test]
fn a_value_the_version_cannot_say_is_an_error_unless_ignorable() {
    let not_in_version = |field: &str| (field.to_owned(), WireFault::NotInVersion);
    let request = InitProducerIdRequest { producer_id: ProducerId(5), ..Default::default() };
    assert_eq!(fault_of(2, request.clone()), not_in_version("producer_id"));
    bytes_of(request, 3);

    let mut message = Corners { late_ignorable: 1, ..Corners::default() };
    assert_eq!(message.encode(0).unwrap().concat(), bytes_of(Corners::default(), 0));
    message.late = 0;
    assert_eq!(fault_of(0, message), not_in_version("late"));
    assert_eq!(fault_of(0, Corners { one: 0, ..Corners::default() }), not_in_version("one"));
    assert_eq!(
        fault_of(0, Corners { maybe: Some(Inner::default()), ..Corners::default() }),
        not_in_version("maybe")
    );
}

#[test]
fn null_and_length_that_the_version_cannot_say() {
    let null = MetadataRequest { topics: None, ..Default::default() };
    assert_eq!(fault_of(0, null.clone()), ("topics".to_owned(), WireFault::UnexpectedNull));
    bytes_of(null, 1);
    assert_eq!(fault_of(2, Corners::default()), ("maybe".to_owned(), WireFault::UnexpectedNull));
    for version in [0, 3] {
        let request = FindCoordinatorRequest { key: "x".repeat(40_000).into(), ..Default::default() };
        let fault = WireFault::TooLong { length: 40_000, limit: 32_767 };
        assert_eq!(fault_of(version, request), ("key".to_owned(), fault));
    }
}

#[test]
fn nullable_structs_have_a_marker_where_they_may_be_null() {
    let plain = bytes_of(corners(), 2);
    assert_eq!(plain, b"\0\0\0\0\0\0\0\0\x01\0\0\0\0\0");
    let marked = bytes_of(corners(), 3);
    assert_eq!(marked, b"\0\0\0\0\0\0\0\0\x01\0\0\x01\0\0\0\0\0\x07\0\0\0\0\0");
    let null = bytes_of(Corners::default(), 3);
    assert_eq!(null, b"\0\0\0\0\0\0\0\0\x01\0\0\xff\0\0\0\x07\0\0\0\0\0");
}

#[test]
fn a_message_that_is_never_flexible_has_no_tags() {
    let old = Old { text: "ab".into(), ..Old::default() };
    assert_eq!(bytes_of(old.clone(), 1), b"\0\x02ab");
    let tagged = Old { unknown_tagged_fields: vec![unknown(0, b"")], ..old };
    assert_eq!(fault_of(1, tagged), ("unknown_tagged_fields".to_owned(), WireFault::NotInVersion));
}

#[test]
fn floats_keep_every_bit() {
    for ratio in [-0.0, 5e-324, f64::MAX, f64::INFINITY, 0.1] {
        let bytes = bytes_of(Corners { ratio, ..Corners::default() }, 0);
        assert_eq!(bytes[..8], ratio.to_be_bytes());
    }
}

#[test]
fn a_visitor_is_told_what_the_version_has() {
    #[derive(Default)]
    struct Names(String);

    impl Visitor for Names {
        fn event(&mut self, field: &'static Field, event: Event<'_>) {
            self.0 += &format!("{}={event:?} ", field.name());
        }
    }

    let mut message = Corners { six: Packed::from([3]), port: 9092, ..corners() };
    message.unknown_tagged_fields = vec![unknown(9, b"x")];
    let mut told = |version| {
        let mut names = Names::default();
        message.visit(version, &mut names);
        names.0
    };
    assert_eq!(told(0), "=BeginStruct ratio=Float(0.0) data=Bytes(b\"\") port=Int(9092) =EndStruct ");
    let newest = told(3);
    assert!(newest.contains("maybe=BeginStruct number=Int(0) maybe=EndStruct late=Int(7) "), "{newest}");
    assert!(
        newest.contains("six=BeginArray(1) six=Int(3) six=EndArray unknown_tagged_fields=Tags("),
        "{newest}"
    );
    assert_eq!(told(4), "");
}

#[test]
fn records_are_sent_as_they_are() {
    let records = Bytes::from(vec![7; 100]);
    let partition = PartitionProduceData { records: Some(records.clone()), ..Default::default() };
    let partition_data = vec![partition.clone(), partition];
    let topic_data = vec![TopicProduceData { name: "t".into(), partition_data, ..Default::default() }];
    let mut request = ProduceRequest { topic_data, ..Default::default() };
    let frame = encode_request(&mut request, 9, 1, None).unwrap();
    let shared = frame.segments().iter().filter(|segment| segment.as_ptr() == records.as_ptr());
    assert_eq!(shared.count(), 2);
    let bytes = frame.to_bytes();
    assert_eq!(bytes.len(), frame.len());
    assert_eq!(bytes[..4], (frame.len() as i32 - 4).to_be_bytes());
    assert_eq!(frame.into_segments().concat(), bytes);

    let (_, body) = decode_request_header(bytes.slice(4..)).unwrap();
    let decoded = ProduceRequest::decode(body.clone(), 9).unwrap();
    assert_eq!(decoded, request);
    let sliced = decoded.topic_data[0].partition_data[1].records.as_ref().unwrap();
    assert!(body.as_ptr_range().contains(&sliced.as_ptr()), "decoded records are slices of the frame");
}

#[test]
fn request_headers_follow_key_and_version() {
    let header = |frame: &[u8]| decode_request_header(Bytes::copy_from_slice(frame)).unwrap();
    let plain =
        encode_request(&mut FindCoordinatorRequest::default(), 2, 258, Some("me")).unwrap().to_bytes();
    assert_eq!(plain, &b"\0\0\0\x0f\0\x0a\0\x02\0\0\x01\x02\0\x02me\0\0\0"[..]);
    let flexible = encode_request(&mut FindCoordinatorRequest::default(), 3, 258, None).unwrap().to_bytes();
    assert_eq!(flexible, &b"\0\0\0\x0e\0\x0a\0\x03\0\0\x01\x02\xff\xff\0\x01\0\0"[..]);

    let (decoded, body) = header(&flexible[4..]);
    assert_eq!((decoded.request_api_key, decoded.request_api_version), (ApiKey::FIND_COORDINATOR, 3));
    assert_eq!((decoded.correlation_id, decoded.client_id), (258, None));
    assert_eq!(FindCoordinatorRequest::decode(body, 3), Ok(FindCoordinatorRequest::default()));

    // What nobody knows is read as far as a broker needs to answer it.
    for (key_and_version, key) in [(b"\x03\xe7\0\0", ApiKey(999)), (b"\0\x12\0\x63", ApiKey::API_VERSIONS)] {
        let (decoded, body) = header(&[&key_and_version[..], b"\0\0\0\x07\0\x01c\xff\xff"].concat());
        assert_eq!((decoded.request_api_key, decoded.correlation_id), (key, 7));
        assert_eq!((decoded.client_id, &body[..]), (Some(Str::from("c")), &b"\xff\xff"[..]));
    }
    let error = decode_request_header(Bytes::from_static(b"\0\x12\0")).unwrap_err();
    assert_eq!((error.message, error.field.as_str()), ("RequestHeader", "request_api_version"));
}

#[test]
fn response_headers_follow_version_except_for_api_versions() {
    let frame = |frame: Result<crate::wire::Frame, WireError>| frame.unwrap().to_bytes().slice(4..);
    let plain = frame(encode_response::<DeleteTopicsRequest>(&mut Default::default(), 3, 7));
    assert_eq!(plain, &b"\0\0\0\x07\0\0\0\0\0\0\0\0"[..]);
    let flexible = frame(encode_response::<DeleteTopicsRequest>(&mut Default::default(), 4, 7));
    assert_eq!(flexible, &b"\0\0\0\x07\0\0\0\0\0\x01\0"[..]);
    let exception = frame(encode_response::<ApiVersionsRequest>(&mut Default::default(), 3, 7));
    assert_eq!(exception, &b"\0\0\0\x07\0\0\x01\0\0\0\0\0"[..]);

    assert_eq!(correlation_id(&flexible), Some(7));
    assert_eq!(correlation_id(&flexible[..3]), None);
    assert_eq!(decode_response::<DeleteTopicsRequest>(flexible.clone(), 4), Ok((7, Default::default())));
    let trailing =
        decode_response::<DeleteTopicsRequest>([&flexible[..], b"x"].concat().into(), 4).unwrap_err();
    assert_eq!((trailing.offset, trailing.fault), (11, WireFault::TrailingBytes { count: 1 }));
}

#[test]
fn an_unsupported_api_versions_request_is_answered_in_version_0() {
    let api_keys = vec![ApiVersion { api_key: ApiKey::API_VERSIONS, max_version: 2, ..Default::default() }];
    let error_code = ErrorCode::UNSUPPORTED_VERSION;
    let mut response = ApiVersionsResponse { error_code, api_keys, ..Default::default() };
    let frame = encode_response::<ApiVersionsRequest>(&mut response, 0, 1).unwrap().to_bytes().slice(4..);
    assert!(decode_response::<ApiVersionsRequest>(frame.clone(), 4).is_err());
    assert_eq!(decode_response::<ApiVersionsRequest>(frame, 0), Ok((1, response)));
}

#[test]
fn defaults_are_the_specifications() {
    let fetch = FetchRequest::default();
    assert_eq!((fetch.max_bytes, fetch.session_epoch, fetch.replica_id), (i32::MAX, -1, BrokerId::NONE));
    assert_eq!(FetchPartition::default().high_watermark, i64::MAX);
    assert_eq!(MetadataResponse::default().cluster_authorized_operations, i32::MIN);
    assert_eq!(MetadataRequest::default().topics, Some(vec![]));
    assert!(MetadataRequest::default().allow_auto_topic_creation);
    assert_eq!(ProduceRequest::default().transactional_id, None);
    assert_eq!(InitProducerIdRequest::default().transactional_id, Some(Str::default()));
    assert_eq!(PartitionProduceData::default().records, None);
    assert_eq!(MetadataResponsePartition::default().leader_id, BrokerId(0));
    assert_eq!(MetadataResponseTopic::default().topic_id, Uuid::ZERO);
}

#[test]
fn apis_are_listed_by_key_with_what_is_final() {
    let keys: Vec<ApiKey> = APIS.iter().map(|api| api.key).collect();
    assert!(keys.is_sorted() && keys.len() >= 9, "{keys:?}");
    for api in APIS {
        let unstable = if api.key == ApiKey::INIT_PRODUCER_ID { 1 } else { 0 };
        assert_eq!(api.stable + unstable, *api.versions.end(), "{}", api.key);
    }
    assert_eq!((InitProducerIdRequest::STABLE, ProduceRequest::STABLE), (5, 13));
    assert_eq!(ApiKey::DELETE_SHARE_GROUP_OFFSETS, ApiKey(92));
    assert_eq!((ApiKey(18).to_string(), ApiKey(93).name()), ("ApiVersions (18)".to_owned(), "UNKNOWN"));
    assert!((0..93).all(|key| ApiKey(key).name() != "UNKNOWN"));
}

#[test]
fn printing_leaves_out_defaults_secrets_and_data() {
    let auth_bytes = Bytes::from_static(b"\0user\0password");
    let login = SaslAuthenticateRequest { auth_bytes, ..Default::default() };
    assert_eq!(format!("{login:?}"), "SaslAuthenticateRequest { auth_bytes: <secret> }");
    let partition = fetch::PartitionData {
        partition_index: 3,
        error_code: ErrorCode::NOT_LEADER_OR_FOLLOWER,
        current_leader: fetch::LeaderIdAndEpoch { leader_id: BrokerId(2), ..Default::default() },
        records: Some(Bytes::from_static(b"records")),
        ..Default::default()
    };
    let topic = FetchableTopicResponse {
        topic: "t".into(),
        partitions: vec![partition, Default::default()],
        unknown_tagged_fields: vec![unknown(9, b"xy")],
        ..Default::default()
    };
    let response = FetchResponse { responses: vec![topic], ..Default::default() };
    let expected = "FetchResponse { responses: [{ topic: \"t\", partitions: [{ partition_index: 3, \
                    error_code: NOT_LEADER_OR_FOLLOWER (6), current_leader: { leader_id: 2 }, \
                    records: <7 bytes> }, {}], unknown_tagged_fields: [9: <2 bytes>] }] }";
    assert_eq!(format!("{response:?}"), expected);
    assert_eq!(format!("{:?}", HeartbeatRequest::default()), "HeartbeatRequest {}");
    let corners = Corners { ratio: -0.5, six: Packed::from([1, -2]), ..Default::default() };
    assert_eq!(format!("{corners:?}"), "Corners { ratio: -0.5, six: [1, -2] }");
}

/// Gives every field something, and each secret the same.
pub(crate) struct Everything;

impl crate::wire::Supplier for Everything {
    fn fixed(&mut self, _: &'static Field, _: Event<'_>, bytes: &mut [u8]) {
        bytes.fill(1);
    }
    fn text(&mut self, field: &'static Field, _: bool) -> Option<Str> {
        Some(if field.is_secret() { "sesame" } else { "plain" }.into())
    }
    fn bytes(&mut self, _: &'static Field, _: bool) -> Option<Bytes> {
        Some(Bytes::from_static(b"sesame"))
    }
    fn count(&mut self, _: &'static Field, _: bool) -> Option<usize> {
        Some(1)
    }
    fn is_present(&mut self, _: &'static Field) -> bool {
        true
    }
    fn unknown_tagged_fields(&mut self) -> Vec<TaggedField> {
        Vec::new()
    }
}

#[test]
fn every_message_that_carries_a_secret_hides_it() {
    struct Secrets(usize);
    impl Visitor for Secrets {
        fn event(&mut self, field: &'static Field, event: Event<'_>) {
            let holds_data = matches!(event, Event::Bytes(_) | Event::Text(_));
            self.0 += usize::from(holds_data && field.is_secret());
        }
    }
    let mut carriers = Vec::new();
    for api in APIS {
        for message in [AnyMessage::request(api.key), AnyMessage::response(api.key)] {
            let mut message = message.unwrap();
            let newest = message.shape().last;
            message.supply(newest, &mut Everything).unwrap();
            let mut secrets = Secrets(0);
            message.visit(newest, &mut secrets);
            if secrets.0 > 0 {
                carriers.push(message.shape().name);
                assert_eq!(format!("{message:?}").matches("<secret>").count(), secrets.0);
            }
            let body = message.encode(newest).unwrap().concat();
            message.decode(body.clone().into(), newest).unwrap();
            assert_eq!(message.encode(newest).unwrap().concat(), body, "{message:?}");
        }
    }
    assert_eq!(
        carriers,
        [
            "AlterConfigsRequest",
            "SaslAuthenticateRequest",
            "SaslAuthenticateResponse",
            "CreateDelegationTokenResponse",
            "RenewDelegationTokenRequest",
            "ExpireDelegationTokenRequest",
            "DescribeDelegationTokenResponse",
            "IncrementalAlterConfigsRequest",
            "AlterUserScramCredentialsRequest",
        ]
    );
}
