//! How requests and answers are saved in a recording.
//!
//! Rules:
//! - Of a request only its kind is saved. It comes back hollow: it can be queued and sent as the one that was, but not encoded.
//! - An answer is saved whole only if machines read answers of its kind ([`READ`]), and none of those has a secret in it; of all
//!   others, which are for users alone, only the error codes are saved: the client looks for them, wherever they stand.
//! - Of the batches in an answer to Fetch only their outlines are saved (`record/outline.rs`), unless data is kept.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::request::{AnyAnswer, AnyRequest, Codes, RequestKind};
use crate::protocol::fetch::FetchResponse;
use crate::protocol::{ApiKey, ErrorCode, Message, OfRequest, Request, of_request};
use crate::record::{outline, outlined};
use crate::saved::{MAX_DATA, keeps_data};
use crate::wire::{Event, Field, Frame, Visitor, WireError, WireFault};

/// The APIs whose answers machines read.
const READ: [ApiKey; 7] = [
    ApiKey::PRODUCE,
    ApiKey::FETCH,
    ApiKey::LIST_OFFSETS,
    ApiKey::METADATA,
    ApiKey::FIND_COORDINATOR,
    ApiKey::API_VERSIONS,
    ApiKey::INIT_PRODUCER_ID,
];

struct Kind;

impl OfRequest for Kind {
    type Told = &'static RequestKind;

    fn of<R: Request>() -> Self::Told {
        RequestKind::of::<R>()
    }
}

/// For `with`: a request's kind.
pub(crate) mod kind {
    use super::{ApiKey, Deserialize, Deserializer, Kind, RequestKind, Serialize, Serializer, of_request};
    use serde::de::Error as _;

    pub(crate) fn serialize<S: Serializer>(kind: &&'static RequestKind, s: S) -> Result<S::Ok, S::Error> {
        kind.key.serialize(s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<&'static RequestKind, D::Error> {
        let key = ApiKey::deserialize(d)?;
        of_request::<Kind>(key).ok_or_else(|| D::Error::custom(format!("{key} is not known here")))
    }
}

/// For `with`: a request, by its kind.
pub(crate) mod request {
    use super::{AnyRequest, Arc, Deserializer, Hollow, Serializer, kind};

    pub(crate) fn serialize<S: Serializer>(request: &Arc<dyn AnyRequest>, s: S) -> Result<S::Ok, S::Error> {
        kind::serialize(&request.kind(), s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Arc<dyn AnyRequest>, D::Error> {
        Ok(Arc::new(Hollow(kind::deserialize(d)?)))
    }
}

/// A request of which only the kind is left.
struct Hollow(&'static RequestKind);

impl fmt::Debug for Hollow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, f)
    }
}

impl AnyRequest for Hollow {
    fn kind(&self) -> &'static RequestKind {
        self.0
    }

    fn is_answered(&self, _: i16) -> bool {
        true
    }

    fn encode(self: Arc<Self>, version: i16, _: i32, _: &str) -> Result<Frame, WireError> {
        let (field, fault) = ("all of it".to_owned(), WireFault::NotInVersion);
        Err(WireError { message: self.0.key.name(), version, field, offset: 0, fault })
    }
}

#[derive(Serialize, Deserialize)]
struct Answer {
    #[serde(with = "kind")]
    kind: &'static RequestKind,
    version: i16,
    throttle: Duration,
    body: Body,
}

#[derive(Serialize, Deserialize)]
enum Body {
    Whole(Bytes),
    /// In the place of records are their outlines.
    Outlined(Bytes),
    Codes(Codes),
}

impl Serialize for AnyAnswer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let AnyAnswer { kind, version, throttle, .. } = *self;
        let save = of_request::<Save>(kind.key);
        let body =
            save.and_then(|save| save(self)).ok_or_else(|| S::Error::custom("an answer of no known kind"))?;
        Answer { kind, version, throttle, body }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for AnyAnswer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Answer { kind, version, throttle, body } = Answer::deserialize(deserializer)?;
        let load = of_request::<Load>(kind.key);
        let body = load.and_then(|load| load(body, version));
        let body =
            body.ok_or_else(|| D::Error::custom(format!("no answer to {kind:?} version {version}")))?;
        Ok(AnyAnswer { body, kind, version, broker: None, throttle, frame: None })
    }
}

struct Save;

impl OfRequest for Save {
    type Told = fn(&AnyAnswer) -> Option<Body>;

    fn of<R: Request>() -> Self::Told {
        |answer| {
            if let Some(Codes(codes)) = answer.body.downcast_ref() {
                return Some(Body::Codes(Codes(codes.clone())));
            }
            // Encoding needs it mutable; what is large in it is shared.
            let mut response: R::Response = answer.body.downcast_ref::<R::Response>()?.clone();
            if !READ.contains(&R::KEY) {
                let mut codes = CodeCollector(Vec::new());
                response.visit(answer.version, &mut codes);
                return Some(Body::Codes(Codes(codes.0)));
            }
            let outlined = !keeps_data() && R::KEY == ApiKey::FETCH;
            if outlined {
                each_records(&mut response, |records| Some(outline(records)));
            }
            let body = Bytes::from(response.encode(answer.version).ok()?.concat());
            Some(if outlined { Body::Outlined(body) } else { Body::Whole(body) })
        }
    }
}

struct Load;

impl OfRequest for Load {
    type Told = fn(Body, i16) -> Option<Box<dyn Any + Send>>;

    fn of<R: Request>() -> Self::Told {
        |body, version| match body {
            Body::Codes(codes) => Some(Box::new(codes)),
            Body::Whole(body) => Some(Box::new(R::Response::decode(body, version).ok()?)),
            Body::Outlined(body) => {
                let mut response = R::Response::decode(body, version).ok()?;
                let mut left = MAX_DATA;
                let sound = each_records(&mut response, |outline| {
                    let records = outlined(outline, left)?;
                    left -= records.len();
                    Some(records)
                });
                sound.then(|| -> Box<dyn Any + Send> { Box::new(response) })
            }
        }
    }
}

/// Changes every partition's records in an answer to Fetch; false if that can't be done to all.
fn each_records(response: &mut dyn Any, mut change: impl FnMut(&Bytes) -> Option<Bytes>) -> bool {
    let topics = response.downcast_mut::<FetchResponse>().into_iter().flat_map(|fetch| &mut fetch.responses);
    let mut records = topics.flat_map(|topic| &mut topic.partitions).filter_map(|data| data.records.as_mut());
    records.all(|records| change(records).map(|changed| *records = changed).is_some())
}

/// All error codes, in order.
struct CodeCollector(Vec<ErrorCode>);

impl Visitor for CodeCollector {
    fn event(&mut self, field: &'static Field, event: Event<'_>) {
        if let Event::Int(code) = event
            && code != 0
            && field.name() == "error_code"
        {
            self.0.extend(i16::try_from(code).map(ErrorCode));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::tests::Everything;
    use crate::protocol::{APIS, AnyMessage};

    struct Answered;

    impl OfRequest for Answered {
        type Told = fn() -> AnyAnswer;

        fn of<R: Request>() -> Self::Told {
            || {
                let version = *R::VERSIONS.end();
                let body = Box::new(R::Response::supplied(version, &mut Everything).unwrap());
                let (kind, throttle) = (RequestKind::of::<R>(), Duration::from_millis(7));
                AnyAnswer { body, kind, version, broker: None, throttle, frame: None }
            }
        }
    }

    #[test]
    fn no_secret_is_ever_saved_and_error_codes_are() {
        fn any(_: ErrorCode) -> bool {
            true
        }
        let mut secrets = 0;
        for api in APIS {
            let mut answer = of_request::<Answered>(api.key).unwrap()();
            for data in [false, true] {
                let saved = crate::saved::keeping(data, || postcard::to_allocvec(&answer)).unwrap();
                let sesame = saved.windows(6).any(|window| window == b"sesame");
                // The data of a fetch, if it is wanted.
                assert_eq!(sesame, data && api.key == ApiKey::FETCH, "{}", api.key);
                let mut loaded: AnyAnswer = postcard::from_bytes(&saved).unwrap();
                assert_eq!(loaded.find_code(any).is_some(), answer.find_code(any).is_some(), "{}", api.key);
                let told = |answer: &AnyAnswer| (answer.kind.key, answer.version, answer.throttle);
                assert_eq!(told(&loaded), told(&answer));
                assert_eq!(crate::saved::keeping(data, || postcard::to_allocvec(&loaded)).unwrap(), saved);
                secrets += usize::from(format!("{answer:?}").contains("<secret>"));
                assert!(!format!("{loaded:?}").contains("<secret>"), "{}", api.key);
            }
        }
        assert_eq!(secrets, 2 * 3, "APIs whose answers have one");
    }

    #[test]
    fn a_request_is_saved_by_its_kind() {
        for api in APIS {
            let saved = kind::serialize(
                &of_request::<Kind>(api.key).unwrap(),
                &mut postcard::Serializer { output: postcard::ser_flavors::AllocVec::new() },
            );
            assert!(saved.is_ok(), "{}", api.key);
            assert!(AnyMessage::request(api.key).is_some());
        }
        let hollow = Arc::new(Hollow(of_request::<Kind>(ApiKey::METADATA).unwrap()));
        assert_eq!(hollow.kind().key, ApiKey::METADATA);
        assert!(hollow.encode(1, 0, "c").is_err());
        assert!(of_request::<Kind>(ApiKey::VOTE).is_none());
    }
}
