//! A request of any kind, its answer's type known inside.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::error::Error;
use crate::protocol::produce::ProduceRequest;
use crate::protocol::{self, ApiKey, BrokerId, ErrorCode, Message, Request};
use crate::wire::{Event, Field, Frame, Struct, Visitor, WireError};

/// Why a request has no answer.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Whether it may have reached the broker.
    pub sent: bool,
    /// Why.
    pub error: Error,
}

/// What there is to know of a request's type: how its answers are read, whoever asked.
pub struct RequestKind {
    /// Its API key.
    pub key: ApiKey,
    /// Every version that this client speaks.
    pub versions: (i16, i16),
    /// The newest version whose layout is final.
    pub stable: i16,
    decode: fn(Bytes, i16) -> Result<AnyAnswer, WireError>,
    find_code: fn(&mut AnyAnswer, Wanted) -> Option<ErrorCode>,
    debug: fn(&AnyAnswer, &mut fmt::Formatter<'_>) -> fmt::Result,
}

/// Error codes that are looked for.
type Wanted = fn(ErrorCode) -> bool;

impl RequestKind {
    /// The kind of one request type.
    pub const fn of<R: Request>() -> &'static RequestKind {
        const {
            &RequestKind {
                key: R::KEY,
                versions: (*R::VERSIONS.start(), *R::VERSIONS.end()),
                stable: R::STABLE,
                decode: decode::<R>,
                find_code: find_code::<R>,
                debug: |answer, f| match answer.body.downcast_ref::<R::Response>() {
                    Some(response) => fmt::Debug::fmt(response, f),
                    None => f.write_str(R::NAME),
                },
            }
        }
    }

    /// An answer's frame, without its length, as a value.
    ///
    /// # Errors
    /// It is no answer to such a request in this version.
    pub fn decode(&self, frame: Bytes, version: i16) -> Result<AnyAnswer, WireError> {
        (self.decode)(frame, version)
    }
}

impl fmt::Debug for RequestKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.key)
    }
}

/// A request whose type is hidden, so that one queue holds them all.
///
/// It is made by user code or holds much data: it is made, put into bytes and dropped outside of every lock.
pub trait AnyRequest: fmt::Debug + Send + Sync {
    /// Its type.
    fn kind(&self) -> &'static RequestKind;

    /// Whether the broker will answer.
    fn is_answered(&self, version: i16) -> bool;

    /// Bytes of record data that it brings: what makes it large, if it is.
    fn record_bytes(&self) -> usize {
        0
    }

    /// The request as a frame.
    ///
    /// # Errors
    /// The version can't say it.
    fn encode(self: Arc<Self>, version: i16, correlation: i32, client_id: &str) -> Result<Frame, WireError>;
}

/// A request on its way out, to be put into bytes by its connection's [`Channel`](super::Channel).
#[derive(Clone, Debug)]
pub struct Transmit {
    /// The request.
    pub request: Arc<dyn AnyRequest>,
    /// The version that both sides know.
    pub version: i16,
    /// What its answer will be known by.
    pub correlation: i32,
    /// Whether there will be an answer.
    pub answered: bool,
}

/// The answer to an [`AnyRequest`]; only the asker knows its type.
pub struct AnyAnswer {
    pub(super) body: Box<dyn Any + Send>,
    /// What it answers.
    pub kind: &'static RequestKind,
    /// The version it came in.
    pub version: i16,
    /// Who answered, if that is known: bootstrap servers have no id yet.
    pub broker: Option<BrokerId>,
    /// For how long the broker wants nothing more to be sent on this connection (KIP-219).
    pub throttle: Duration,
    /// What it was decoded from, if that is large.
    pub(super) frame: Option<Bytes>,
}

/// From here on a frame is freed outside of locks.
const LARGE_FRAME: usize = 64 << 10;

/// What a recording has of an answer that is for users alone: all of its error codes.
#[cfg(feature = "recording")]
#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct Codes(pub(super) Vec<ErrorCode>);

impl AnyAnswer {
    /// The answer to a request of type `R`; `None` if it was another request's.
    pub fn take<R: Request>(self) -> Option<R::Response> {
        self.body.downcast().ok().map(|body| *body)
    }

    /// A share of what it was decoded from, if that takes time to free.
    pub(crate) fn large_frame(&self) -> Option<Bytes> {
        self.frame.clone()
    }

    /// The first error code in it, at whatever depth, that is one of those looked for.
    pub(crate) fn find_code(&mut self, wanted: Wanted) -> Option<ErrorCode> {
        #[cfg(feature = "recording")]
        if let Some(Codes(codes)) = self.body.downcast_ref() {
            return codes.iter().copied().find(|code| wanted(*code));
        }
        (self.kind.find_code)(self, wanted)
    }
}

impl fmt::Debug for AnyAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{} ", self.version)?;
        #[cfg(feature = "recording")]
        if let Some(Codes(codes)) = self.body.downcast_ref() {
            return write!(f, "error codes {codes:?}");
        }
        (self.kind.debug)(self, f)
    }
}

/// The answer to a request of type `R`, if there is one.
pub(crate) fn response_to<R: Request>(
    result: Result<Option<AnyAnswer>, Failure>,
) -> Result<R::Response, Failure> {
    let none = || Error::Rejected {
        api: R::KEY,
        code: ErrorCode::UNKNOWN_SERVER_ERROR,
        message: Some("the answer is none to this request".to_owned()),
    };
    let answer = result?.and_then(|answer| answer.take::<R>());
    answer.ok_or_else(|| Failure { sent: true, error: none() })
}

impl<R: Request> AnyRequest for R {
    fn kind(&self) -> &'static RequestKind {
        RequestKind::of::<R>()
    }

    fn is_answered(&self, _: i16) -> bool {
        // The only request of all that a broker may leave without an answer.
        (self as &dyn Any).downcast_ref::<ProduceRequest>().is_none_or(|produce| produce.acks != 0)
    }

    fn record_bytes(&self) -> usize {
        let produce = (self as &dyn Any).downcast_ref::<ProduceRequest>();
        let topics = produce.into_iter().flat_map(|produce| &produce.topic_data);
        let partitions = topics.flat_map(|topic| &topic.partition_data);
        partitions.filter_map(|partition| partition.records.as_ref()).map(Bytes::len).sum()
    }

    fn encode(self: Arc<Self>, version: i16, correlation: i32, client_id: &str) -> Result<Frame, WireError> {
        // A copy is made only of one that may be sent again.
        protocol::encode_request(&mut Arc::unwrap_or_clone(self), version, correlation, Some(client_id))
    }
}

/// A request that is put differently in different versions: it is made when its version is known.
pub(crate) struct ByVersion<R, F> {
    make: F,
    request: PhantomData<fn() -> R>,
}

impl<R: Request, F: Fn(i16) -> R> ByVersion<R, F> {
    pub(crate) fn new(make: F) -> Self {
        ByVersion { make, request: PhantomData }
    }
}

impl<R: Request, F> fmt::Debug for ByVersion<R, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(R::NAME)
    }
}

impl<R: Request, F: Fn(i16) -> R + Send + Sync> AnyRequest for ByVersion<R, F> {
    fn kind(&self) -> &'static RequestKind {
        RequestKind::of::<R>()
    }

    fn is_answered(&self, version: i16) -> bool {
        (self.make)(version).is_answered(version)
    }

    fn encode(self: Arc<Self>, version: i16, correlation: i32, client_id: &str) -> Result<Frame, WireError> {
        protocol::encode_request(&mut (self.make)(version), version, correlation, Some(client_id))
    }
}

fn decode<R: Request>(frame: Bytes, version: i16) -> Result<AnyAnswer, WireError> {
    let version = if R::KEY == ApiKey::API_VERSIONS && tells_versions_only(&frame) { 0 } else { version };
    let large = Some(&frame).filter(|frame| frame.len() >= LARGE_FRAME).cloned();
    let (_, body) = protocol::decode_response::<R>(frame, version)?;
    let throttle = match version >= client_throttles_from(R::KEY) {
        true => Duration::from_millis(body.throttle_time_ms().max(0) as u64),
        false => Duration::ZERO,
    };
    let (body, kind) = (Box::new(body), RequestKind::of::<R>());
    Ok(AnyAnswer { body, kind, version, broker: None, throttle, frame: large })
}

/// Whether an answer to ApiVersions is that of a broker which does not know the request's version: it is in version 0.
fn tells_versions_only(frame: &[u8]) -> bool {
    // The error code is the body's first field in every version, and the header is always version 0's: 4 bytes.
    frame.get(4..6) == Some(&ErrorCode::UNSUPPORTED_VERSION.0.to_be_bytes())
}

struct CodeFinder {
    wanted: Wanted,
    found: Option<ErrorCode>,
}

impl Visitor for CodeFinder {
    fn event(&mut self, field: &'static Field, event: Event<'_>) {
        if self.found.is_none()
            && field.name() == "error_code"
            && let Event::Int(code) = event
        {
            self.found = i16::try_from(code).ok().map(ErrorCode).filter(|code| (self.wanted)(*code));
        }
    }
}

fn find_code<R: Request>(answer: &mut AnyAnswer, wanted: Wanted) -> Option<ErrorCode> {
    let mut finder = CodeFinder { wanted, found: None };
    answer.body.downcast_mut::<R::Response>()?.visit(answer.version, &mut finder);
    finder.found
}

/// The version of an API from which the broker answers first and expects the client to pause; before, the broker held
/// its answer back (KIP-219).
///
/// Kafka 2.0 raised every API that tells a throttle time by one version to say so. APIs that came later began with it.
fn client_throttles_from(key: ApiKey) -> i16 {
    match key {
        ApiKey::FETCH => 8,
        ApiKey::PRODUCE | ApiKey::METADATA => 6,
        ApiKey::OFFSET_COMMIT | ApiKey::OFFSET_FETCH => 4,
        ApiKey::LIST_OFFSETS | ApiKey::JOIN_GROUP | ApiKey::CREATE_TOPICS => 3,
        ApiKey::FIND_COORDINATOR
        | ApiKey::HEARTBEAT
        | ApiKey::LEAVE_GROUP
        | ApiKey::SYNC_GROUP
        | ApiKey::DESCRIBE_GROUPS
        | ApiKey::LIST_GROUPS
        | ApiKey::API_VERSIONS
        | ApiKey::DELETE_TOPICS
        | ApiKey::DESCRIBE_CONFIGS => 2,
        // The newest that Kafka 1.1 had: all of these had version 0 alone.
        key if key <= ApiKey::DELETE_GROUPS => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By key: the newest version of Kafka 1.1, and one more.
    #[test]
    fn brokers_since_kafka_2_0_answer_before_they_throttle() {
        let newest_of_1_1: [(i16, i16); 35] = [
            (0, 5),
            (1, 7),
            (2, 2),
            (3, 5),
            (8, 3),
            (9, 3),
            (10, 1),
            (11, 2),
            (12, 1),
            (13, 1),
            (14, 1),
            (15, 1),
            (16, 1),
            (18, 1),
            (19, 2),
            (20, 1),
            (21, 0),
            (22, 0),
            (24, 0),
            (25, 0),
            (26, 0),
            (28, 0),
            (29, 0),
            (30, 0),
            (31, 0),
            (32, 1),
            (33, 0),
            (34, 0),
            (35, 0),
            (37, 0),
            (38, 0),
            (39, 0),
            (40, 0),
            (41, 0),
            (42, 0),
        ];
        for (key, newest) in newest_of_1_1 {
            assert_eq!(client_throttles_from(ApiKey(key)), newest + 1, "{:?}", ApiKey(key));
        }
        for key in [ApiKey::ELECT_LEADERS, ApiKey::OFFSET_DELETE, ApiKey::DELETE_SHARE_GROUP_OFFSETS] {
            assert_eq!(client_throttles_from(key), 0, "{key:?}");
        }
    }
}
