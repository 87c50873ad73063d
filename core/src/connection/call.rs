//! A request of any kind, its answer's type known inside.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use bytes::Bytes;

use crate::protocol::produce::ProduceRequest;
use crate::protocol::{self, ApiKey, BrokerId, ErrorCode, Message, Request};
use crate::wire::{Event, Field, Frame, Struct, Visitor, WireError};

/// A request whose type is hidden, so that one queue holds them all.
pub(crate) trait Call: Send + fmt::Debug {
    fn key(&self) -> ApiKey;
    /// Every version that this client speaks.
    fn versions(&self) -> (i16, i16);
    /// The newest version whose layout is final.
    fn stable(&self) -> i16;
    /// Whether the broker will answer.
    fn is_answered(&self, version: i16) -> bool;
    fn encode(&mut self, version: i16, correlation: i32, client_id: &str) -> Result<Frame, WireError>;
    fn decode(&self, frame: Bytes, version: i16) -> Result<Answer, WireError>;
    /// The first error code in an answer, at whatever depth, that is one of those looked for.
    fn find_code(&self, answer: &mut Answer, wanted: fn(ErrorCode) -> bool) -> Option<ErrorCode>;
    /// The same request once more.
    fn again(&self) -> Box<dyn Call>;
}

/// The answer to a [`Call`]; only the asker knows its type.
pub(crate) struct Answer {
    body: Box<dyn Any + Send>,
    pub(crate) version: i16,
    /// Who answered, if that is known: bootstrap servers have no id yet.
    pub(crate) broker: Option<BrokerId>,
    pub(crate) throttle: Duration,
}

impl Answer {
    /// The answer to a request of type `R`; `None` if it was another request's.
    pub(crate) fn take<R: Request>(self) -> Option<R::Response> {
        self.body.downcast().ok().map(|body| *body)
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("version", &self.version).finish_non_exhaustive()
    }
}

impl<R: Request> Call for R {
    fn key(&self) -> ApiKey {
        R::KEY
    }

    fn versions(&self) -> (i16, i16) {
        (*R::VERSIONS.start(), *R::VERSIONS.end())
    }

    fn stable(&self) -> i16 {
        R::STABLE
    }

    fn is_answered(&self, _: i16) -> bool {
        // The only request of all that a broker may leave without an answer.
        (self as &dyn Any).downcast_ref::<ProduceRequest>().is_none_or(|produce| produce.acks != 0)
    }

    fn encode(&mut self, version: i16, correlation: i32, client_id: &str) -> Result<Frame, WireError> {
        protocol::encode_request(self, version, correlation, Some(client_id))
    }

    fn decode(&self, frame: Bytes, version: i16) -> Result<Answer, WireError> {
        decode::<R>(frame, version)
    }

    fn find_code(&self, answer: &mut Answer, wanted: fn(ErrorCode) -> bool) -> Option<ErrorCode> {
        find_code::<R>(answer, wanted)
    }

    fn again(&self) -> Box<dyn Call> {
        Box::new(self.clone())
    }
}

/// A request that is put differently in different versions: it is made when its version is known.
#[derive(Clone)]
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

impl<R: Request, F: Fn(i16) -> R + Clone + Send + 'static> Call for ByVersion<R, F> {
    fn key(&self) -> ApiKey {
        R::KEY
    }

    fn versions(&self) -> (i16, i16) {
        (*R::VERSIONS.start(), *R::VERSIONS.end())
    }

    fn stable(&self) -> i16 {
        R::STABLE
    }

    fn is_answered(&self, version: i16) -> bool {
        (self.make)(version).is_answered(version)
    }

    fn encode(&mut self, version: i16, correlation: i32, client_id: &str) -> Result<Frame, WireError> {
        protocol::encode_request(&mut (self.make)(version), version, correlation, Some(client_id))
    }

    fn decode(&self, frame: Bytes, version: i16) -> Result<Answer, WireError> {
        decode::<R>(frame, version)
    }

    fn find_code(&self, answer: &mut Answer, wanted: fn(ErrorCode) -> bool) -> Option<ErrorCode> {
        find_code::<R>(answer, wanted)
    }

    fn again(&self) -> Box<dyn Call> {
        Box::new(ByVersion::<R, F>::new(self.make.clone()))
    }
}

fn decode<R: Request>(frame: Bytes, version: i16) -> Result<Answer, WireError> {
    let version = if R::KEY == ApiKey::API_VERSIONS && tells_versions_only(&frame) { 0 } else { version };
    let (_, body) = protocol::decode_response::<R>(frame, version)?;
    let throttle = match version >= client_throttles_from(R::KEY) {
        true => Duration::from_millis(body.throttle_time_ms().max(0) as u64),
        false => Duration::ZERO,
    };
    Ok(Answer { body: Box::new(body), version, broker: None, throttle })
}

/// Whether an answer to ApiVersions is that of a broker which does not know the request's version: it is in version 0.
pub(super) fn tells_versions_only(frame: &[u8]) -> bool {
    // The error code is the body's first field in every version, and the header is always version 0's: 4 bytes.
    frame.get(4..6) == Some(&ErrorCode::UNSUPPORTED_VERSION.0.to_be_bytes())
}

struct CodeFinder {
    wanted: fn(ErrorCode) -> bool,
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

fn find_code<R: Request>(answer: &mut Answer, wanted: fn(ErrorCode) -> bool) -> Option<ErrorCode> {
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
