//! Peers that are no Kafka brokers, or bad ones: what `connect` says.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use bytes::BufMut;
use milena_core::protocol::{ApiKey, ApiVersionsResponse, ErrorCode, MetadataResponse};
use milena_core::protocol::{ApiVersionsRequest, MetadataRequest};
use milena_core::wire::{FrameError, LooksLike};
use milena_core::{CloseReason, Config, Error, Fault, NewTopic, ReaderConfig, Record};

use crate::face::{Face, config, on_each, writer};
use crate::fake::{Act, Fake, spoilt};

/// Longer than the impatient settings by what a loaded machine takes.
const SOON: Duration = Duration::from_millis(2500);

/// What `connect` says, in bounded time.
fn refused(face: Face, config: Config) -> Error {
    let start = Instant::now();
    let error = face.connect(config).unwrap_err();
    assert!(start.elapsed() < SOON, "{:?}: {error}", start.elapsed());
    println!("{face:?}: {error}");
    error
}

/// The one attempt of a failed bootstrap.
fn reason(error: &Error, address: &str) -> CloseReason {
    match error {
        Error::Bootstrap { attempts } => match &attempts[..] {
            [(tried, reason)] if tried == address => reason.clone(),
            _ => panic!("{error:?}"),
        },
        _ => panic!("{error:?}"),
    }
}

/// What `connect` to a fake says, which is to be said at once.
fn at_once(face: Face, fake: &Fake) -> (Error, CloseReason) {
    within(Duration::from_secs(1), face, fake)
}

fn within(limit: Duration, face: Face, fake: &Fake) -> (Error, CloseReason) {
    let start = Instant::now();
    // It would be tried for long.
    let mut config = config(&fake.address());
    config.bootstrap_timeout = Duration::from_secs(60);
    let error = refused(face, config);
    assert!(start.elapsed() < limit, "{:?}", start.elapsed());
    assert_eq!(error.fault(), Fault::Peer, "{error}");
    assert!(!error.is_retriable(), "{error}");
    let reason = reason(&error, &fake.address());
    (error, reason)
}

/// A port that nobody listens on.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn nobody_listens() {
    on_each(|face| {
        let address = nobody();
        let error = refused(face, config(&address));
        let reason = reason(&error, &address);
        assert!(
            matches!(reason, CloseReason::Connect(std::io::ErrorKind::ConnectionRefused, _)),
            "{reason:?}"
        );
        assert_eq!(error.fault(), Fault::Network);
        assert!(error.is_retriable());
        assert!(error.to_string().contains(&address), "{error}");
    });
}

#[test]
fn each_address_is_told() {
    on_each(|face| {
        let (one, other) = (nobody(), nobody());
        let error = refused(face, config(&format!("{one},{other}")));
        let text = error.to_string();
        assert!(text.contains(&one) && text.contains(&other), "{text}");
    });
}

#[test]
fn one_good_address_is_enough() {
    on_each(|face| {
        let fake = Fake::start(|asked| asked.honestly());
        let html = Fake::saying(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        face.connect(config(&format!("{},{},{}", nobody(), html.address(), fake.address()))).unwrap();
    });
}

#[test]
fn a_name_that_does_not_resolve() {
    on_each(|face| {
        let error = refused(face, config("no-such-host.invalid:9092"));
        let reason = reason(&error, "no-such-host.invalid:9092");
        assert!(matches!(reason, CloseReason::Resolve(_)), "{reason:?}");
        assert!(error.to_string().contains("can't be resolved"), "{error}");
    });
}

/// Nobody listens: neither writer nor reader nor another call hangs, and each names the cause.
#[test]
fn without_a_broker_every_call_ends() {
    on_each(|face| {
        let address = nobody();
        let start = Instant::now();
        let error = face.write(config(&address), writer(), &[Record::new("v")]).remove(0).unwrap_err();
        println!("{face:?}: {error}");
        assert!(matches!(error.cause, Error::Timeout { .. }), "{error:?}");
        assert!(error.to_string().contains(&address), "{error}");
        assert!(start.elapsed() < SOON + Duration::from_secs(1));

        let error = face.create_topic(config(&address), NewTopic::new("new", 1)).unwrap_err();
        println!("{face:?}: {error}");
        assert!(matches!(error, Error::Timeout { .. }), "{error:?}");
        assert!(error.to_string().contains(&address), "{error}");

        let start = Instant::now();
        let mut items = face.read(config(&address), ReaderConfig::new("t"), 2);
        let error = items.remove(0).unwrap_err();
        println!("{face:?}: {error}");
        assert!(items.is_empty(), "{items:?}");
        assert!(matches!(reason(&error, &address), CloseReason::Connect(..)), "{error:?}");
        assert!(start.elapsed() < SOON);
    });
}

/// A peer that is surely no Kafka: nobody waits for a time-out.
#[test]
fn no_kafka_ends_every_call_at_once() {
    on_each(|face| {
        let fake = Fake::saying(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let mut patient = config(&fake.address());
        patient.bootstrap_timeout = Duration::from_secs(60);
        let mut items = face.read(patient, ReaderConfig::new("t"), 2);
        let error = items.remove(0).unwrap_err();
        assert!(error.to_string().contains("HTTP"), "{error}");
        assert!(items.is_empty());
    });
}

#[test]
fn a_web_server() {
    on_each(|face| {
        let fake = Fake::saying(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        let (error, reason) = at_once(face, &fake);
        assert!(
            matches!(reason, CloseReason::Frame(FrameError::TooLarge { looks_like: LooksLike::Http, .. })),
            "{reason:?}"
        );
        assert!(error.to_string().contains("HTTP"), "{error}");
    });
}

#[test]
fn a_tls_listener() {
    on_each(|face| {
        // An alert, fatal: the protocol version is not supported.
        let fake = Fake::saying(b"\x15\x03\x03\x00\x02\x02\x46");
        let (error, reason) = at_once(face, &fake);
        assert!(
            matches!(reason, CloseReason::Frame(FrameError::TooLarge { looks_like: LooksLike::Tls, .. })),
            "{reason:?}"
        );
        assert!(error.to_string().contains("TLS"), "{error}");
    });
}

#[test]
fn other_bytes() {
    on_each(|face| {
        let (_, reason) = at_once(face, &Fake::saying(b"SSH-2.0-OpenSSH_9.6\r\n"));
        assert!(matches!(reason, CloseReason::Frame(FrameError::TooLarge { .. })), "{reason:?}");
        let (_, reason) = at_once(face, &Fake::saying(b"\x7f\xff\xff\xff...."));
        assert!(
            matches!(reason, CloseReason::Frame(FrameError::TooLarge { length: 0x7fff_ffff, .. })),
            "{reason:?}"
        );
        let (_, reason) = at_once(face, &Fake::saying(b"\x80\x00\x00\x01...."));
        assert_eq!(reason, CloseReason::Frame(FrameError::Negative(i32::MIN + 1)));
        let (_, reason) = at_once(face, &Fake::saying(b"\xff\xff\xff\xff...."));
        assert_eq!(reason, CloseReason::Frame(FrameError::Negative(-1)));
        // A frame, but too short for a correlation id.
        let (_, reason) = at_once(face, &Fake::saying(b"\0\0\0\x02ab"));
        assert_eq!(reason, CloseReason::Unasked);
        let (_, reason) = at_once(face, &Fake::saying(b"\0\0\0\0"));
        assert_eq!(reason, CloseReason::Unasked);
        // One with somebody else's correlation id.
        let (_, reason) = at_once(face, &Fake::saying(b"\0\0\0\x06\0\0\0\x05ab"));
        assert!(matches!(reason, CloseReason::Correlation { got: 5, .. }), "{reason:?}");
    });
}

#[test]
fn random_bytes() {
    on_each(|face| {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..20 {
            let words: Vec<u8> = (0..200)
                .map(|_| {
                    seed =
                        seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    (seed >> 56) as u8
                })
                .collect();
            let fake = Fake::saying(words.leak());
            let mut config = config(&fake.address());
            config.bootstrap_timeout = Duration::from_millis(300);
            let error = face.connect(config).unwrap_err();
            assert!(matches!(error, Error::Bootstrap { .. }), "{error:?}");
        }
    });
}

#[test]
fn closes_at_once() {
    on_each(|face| {
        let fake = Fake::saying(b"");
        let error = refused(face, config(&fake.address()));
        let reason = reason(&error, &fake.address());
        assert!(
            matches!(reason, CloseReason::Eof { before_first_answer: true, mid_frame: false }),
            "{reason:?}"
        );
        assert!(error.to_string().contains("TLS"), "{error}");
    });
}

#[test]
fn closes_in_the_middle_of_an_answer() {
    on_each(|face| {
        let fake = Fake::saying(b"\0\0\0\x40\xff\xff\xff\xff\0\0");
        let error = refused(face, config(&fake.address()));
        let reason = reason(&error, &fake.address());
        assert!(matches!(reason, CloseReason::Eof { mid_frame: true, .. }), "{reason:?}");
        assert!(error.to_string().contains("in the middle of an answer"), "{error}");
    });
}

#[test]
fn never_answers() {
    on_each(|face| {
        let fake = Fake::start(|_| Act::Nothing);
        let mut short = config(&fake.address());
        short.request_timeout = Duration::from_millis(300);
        let error = refused(face, short);
        let found = reason(&error, &fake.address());
        assert!(matches!(found, CloseReason::RequestTimeout { api: ApiKey::API_VERSIONS, .. }), "{found:?}");

        // The usual settings wait longer for an answer than for a cluster: what is waited for is told all the same.
        let mut long = config(&fake.address());
        long.request_timeout = Duration::from_secs(30);
        let error = refused(face, long);
        let found = reason(&error, &fake.address());
        assert!(matches!(found, CloseReason::RequestTimeout { api: ApiKey::API_VERSIONS, .. }), "{found:?}");
    });
}

#[test]
fn never_answers_but_for_versions() {
    on_each(|face| {
        let fake = Fake::start(|asked| match asked.key() {
            ApiKey::API_VERSIONS => asked.honestly(),
            _ => Act::Nothing,
        });
        for request_timeout in [Duration::from_millis(300), Duration::from_secs(30)] {
            let mut config = config(&fake.address());
            config.request_timeout = request_timeout;
            let error = refused(face, config);
            let found = reason(&error, &fake.address());
            assert!(matches!(found, CloseReason::RequestTimeout { api: ApiKey::METADATA, .. }), "{found:?}");
        }
    });
}

/// Brokers before 0.10 know no ApiVersions, and some proxies none but version 0: they hang up on it.
#[test]
fn hangs_up_on_newer_versions_of_api_versions() {
    on_each(|face| {
        let fake = Fake::start(|asked| match asked.key() {
            ApiKey::API_VERSIONS if asked.header.request_api_version > 0 => Act::Close,
            _ => asked.honestly(),
        });
        face.connect(config(&fake.address())).unwrap();
        let written = face.write(config(&fake.address()), writer(), &[Record::new("v")]).remove(0).unwrap();
        assert_eq!(written.offset, Some(0));
        assert!(fake.asked(ApiKey::API_VERSIONS).contains(&0));
    });
}

#[test]
fn refuses_newer_versions_of_api_versions() {
    on_each(|face| {
        let fake = Fake::start(|asked| match asked.header.request_api_version {
            1.. if asked.key() == ApiKey::API_VERSIONS => {
                let mut response =
                    ApiVersionsResponse { error_code: ErrorCode::UNSUPPORTED_VERSION, ..Default::default() };
                let frame = milena_core::protocol::encode_response::<ApiVersionsRequest>(
                    &mut response,
                    0,
                    asked.header.correlation_id,
                );
                Act::Send(frame.unwrap().to_bytes())
            }
            _ => asked.honestly(),
        });
        face.connect(config(&fake.address())).unwrap();
        assert_eq!(fake.asked(ApiKey::API_VERSIONS).last(), Some(&0));
    });
}

#[test]
fn wrong_correlation_id() {
    on_each(|face| {
        let fake = Fake::start(|asked| match asked.key() {
            ApiKey::METADATA => spoilt(asked.honestly(), |answer| answer[7] ^= 0x40),
            _ => asked.honestly(),
        });
        let (error, reason) = at_once(face, &fake);
        assert!(matches!(reason, CloseReason::Correlation { expected: 0, got: 0x40 }), "{reason:?}");
        assert!(error.to_string().contains("correlation id 64"), "{error}");
    });
}

#[test]
fn an_answer_that_nobody_asked_for() {
    on_each(|face| {
        let fake = Fake::start(|asked| match asked.key() {
            ApiKey::API_VERSIONS => {
                spoilt(asked.honestly(), |answer| answer.put_slice(b"\0\0\0\x08\0\0\0\x09oops"))
            }
            _ => Act::Nothing,
        });
        let (_, reason) = at_once(face, &fake);
        // Metadata may have been asked for already when it comes.
        assert!(
            matches!(reason, CloseReason::Unasked | CloseReason::Correlation { got: 9, .. }),
            "{reason:?}"
        );
    });
}

#[test]
fn undecodable_answers() {
    on_each(|face| {
        for key in [ApiKey::API_VERSIONS, ApiKey::METADATA] {
            let fake = Fake::start(move |asked| match asked.key() == key {
                // Cut behind the correlation id.
                true => spoilt(asked.honestly(), |answer| {
                    answer.truncate(12);
                    answer[..4].copy_from_slice(&8_u32.to_be_bytes());
                }),
                false => asked.honestly(),
            });
            // Once, it may have been damaged on its way: five times it is asked, with pauses of a second and a half in all.
            let (error, reason) = within(Duration::from_secs(15), face, &fake);
            assert!(matches!(reason, CloseReason::Decode(_)), "{reason:?}");
            assert!(error.to_string().contains(key.name()), "{error}");
            assert_eq!(fake.asked(key).len(), 5);
        }
    });
}

#[test]
fn refuses_to_negotiate() {
    on_each(|face| {
        let fake = Fake::start(|asked| {
            asked.answer::<ApiVersionsRequest>(ApiVersionsResponse {
                error_code: ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
                ..Default::default()
            })
        });
        let (error, reason) = at_once(face, &fake);
        assert_eq!(reason, CloseReason::Negotiation(ErrorCode::CLUSTER_AUTHORIZATION_FAILED));
        assert!(error.to_string().contains("CLUSTER_AUTHORIZATION_FAILED"), "{error}");
    });
}

#[test]
fn speaks_no_version_that_this_client_knows() {
    on_each(|face| {
        let fake = Fake::start(|asked| match asked.key() {
            ApiKey::API_VERSIONS => asked.versions(&[ApiKey::METADATA]),
            _ => asked.honestly(),
        });
        let error = refused(face, config(&fake.address()));
        let Error::Timeout { last: Some(last), .. } = &error else { panic!("{error:?}") };
        assert!(matches!(**last, Error::Unsupported { api: ApiKey::METADATA, theirs: None, .. }), "{last:?}");
    });
}

#[test]
fn knows_no_brokers() {
    on_each(|face| {
        let fake = Fake::start(|asked| match asked.key() {
            ApiKey::METADATA => asked.answer::<MetadataRequest>(MetadataResponse::default()),
            _ => asked.honestly(),
        });
        let error = refused(face, config(&fake.address()));
        let Error::Timeout { last: Some(last), .. } = &error else { panic!("{error:?}") };
        assert!(matches!(**last, Error::Rejected { api: ApiKey::METADATA, .. }), "{last:?}");
    });
}
