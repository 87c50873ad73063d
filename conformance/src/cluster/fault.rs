//! Faults to order: what is to go wrong with which requests.
//!
//! Rules: each order counts the requests it is meant for, and is carried out from its n-th on, as many times as it was
//! given. Of several orders that are due for a request the one given first is carried out, and the others wait for the
//! next.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use milena_core::protocol::{ApiKey, BrokerId, ErrorCode, Request, RequestHeader, encode_response};
use milena_core::wire::Frame;

/// What a broker does with one request, instead of serving it at once.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Serve it this much later; the requests behind it on its connection wait too.
    Delay(Duration),
    /// Serve it now and send the answer this much later than otherwise.
    DelayAnswer(Duration),
    /// Serve it and have the client pause, as for a quota exceeded: the answer says so, and the connection is not read from
    /// for that time.
    Throttle(Duration),
    /// Answer with this code, at each place where the response has one for what was asked, and change nothing.
    Error(ErrorCode),
    /// Answer what user code says, and change nothing; see [`Fault::answer`].
    Answer(Answerer),
    /// Close the connection and change nothing.
    CloseBefore,
    /// Serve it and close the connection instead of answering.
    CloseAfter,
    /// Neither serve nor answer it, nor what follows on its connection.
    NeverAnswer,
    /// Serve it and answer twice.
    AnswerTwice,
    /// Serve it and change one bit of the answer, anywhere behind its correlation id.
    Corrupt,
}

impl Fault {
    /// What kind it is, in a few words.
    pub fn name(&self) -> &'static str {
        match self {
            Fault::Delay(_) => "request delayed",
            Fault::DelayAnswer(_) => "answer delayed",
            Fault::Throttle(_) => "throttled",
            Fault::Error(_) => "error code",
            Fault::Answer(_) => "answered by user code",
            Fault::CloseBefore => "closed before serving",
            Fault::CloseAfter => "closed after serving",
            Fault::NeverAnswer => "never answered",
            Fault::AnswerTwice => "answered twice",
            Fault::Corrupt => "corrupt answer",
        }
    }

    /// Lets user code answer a request of this type; requests of other types are served as usual.
    ///
    /// ```
    /// use milena_conformance::cluster::Fault;
    /// use milena_core::protocol::{ErrorCode, InitProducerIdRequest, InitProducerIdResponse};
    ///
    /// let fault = Fault::answer(|_: InitProducerIdRequest| InitProducerIdResponse {
    ///     error_code: ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
    ///     ..Default::default()
    /// });
    /// ```
    pub fn answer<R: Request>(respond: impl Fn(R) -> R::Response + Send + Sync + 'static) -> Fault {
        Fault::Answer(Answerer(Arc::new(move |header, body| {
            let version = header.request_api_version;
            let request =
                (header.request_api_key == R::KEY).then(|| R::decode(body, version).ok()).flatten()?;
            encode_response::<R>(&mut respond(request), version, header.correlation_id).ok()
        })))
    }
}

type Respond = dyn Fn(&RequestHeader, Bytes) -> Option<Frame> + Send + Sync;

/// User code that answers requests.
#[derive(Clone)]
pub struct Answerer(Arc<Respond>);

impl Answerer {
    pub(super) fn respond(&self, header: &RequestHeader, body: Bytes) -> Option<Frame> {
        (self.0)(header, body)
    }
}

impl fmt::Debug for Answerer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answerer")
    }
}

/// A request as those see it who choose which ones are to fail.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Who is asked.
    pub broker: BrokerId,
    /// What its header says.
    pub header: RequestHeader,
    /// The rest.
    pub body: Bytes,
}

impl Asked {
    /// The request, if it is one of this type.
    pub fn decode<R: Request>(&self) -> Option<R> {
        let of_type = self.header.request_api_key == R::KEY;
        of_type.then(|| R::decode(self.body.clone(), self.header.request_api_version).ok()).flatten()
    }
}

type Predicate = dyn Fn(&Asked) -> bool + Send + Sync;

/// Which requests are meant: the next one, of any API, on any broker, until told otherwise.
///
/// ```
/// use milena_conformance::cluster::{ClusterOptions, ClusterState, Fault, Requests};
/// use milena_core::protocol::{ApiKey, BrokerId, ProduceRequest};
///
/// let mut cluster = ClusterState::new(ClusterOptions { nodes: 3, ..Default::default() });
/// cluster.on_request(Requests::of(ApiKey::PRODUCE).at(BrokerId(2)).nth(3), Fault::CloseAfter);
/// let large = |produce: ProduceRequest| produce.topic_data.len() > 1;
/// cluster.on_request(Requests::that(large).always(), Fault::NeverAnswer);
/// ```
#[derive(Clone)]
pub struct Requests {
    key: Option<ApiKey>,
    broker: Option<BrokerId>,
    predicate: Option<Arc<Predicate>>,
    nth: u64,
    times: u64,
}

impl Requests {
    /// Of any API.
    pub fn any() -> Requests {
        Requests { key: None, broker: None, predicate: None, nth: 1, times: 1 }
    }

    /// Of one API.
    pub fn of(key: ApiKey) -> Requests {
        Requests { key: Some(key), ..Requests::any() }
    }

    /// Of one type and for which user code says so.
    pub fn that<R: Request>(fits: impl Fn(R) -> bool + Send + Sync + 'static) -> Requests {
        Requests::of(R::KEY).when(move |asked| asked.decode().is_some_and(&fits))
    }

    /// To one broker only.
    pub fn at(mut self, broker: BrokerId) -> Requests {
        self.broker = Some(broker);
        self
    }

    /// Only those for which user code says so.
    pub fn when(mut self, fits: impl Fn(&Asked) -> bool + Send + Sync + 'static) -> Requests {
        self.predicate = Some(Arc::new(fits));
        self
    }

    /// The n-th of them, counted from 1.
    pub fn nth(mut self, nth: u64) -> Requests {
        self.nth = nth.max(1);
        self
    }

    /// As many of them, one after another.
    pub fn times(mut self, times: u64) -> Requests {
        self.times = times;
        self
    }

    /// All of them from then on.
    pub fn always(self) -> Requests {
        self.times(u64::MAX)
    }

    fn meant(&self, asked: &Asked) -> bool {
        self.key.is_none_or(|key| key == asked.header.request_api_key)
            && self.broker.is_none_or(|broker| broker == asked.broker)
            && self.predicate.as_ref().is_none_or(|fits| fits(asked))
    }
}

impl From<ApiKey> for Requests {
    fn from(key: ApiKey) -> Requests {
        Requests::of(key)
    }
}

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requests")
            .field("key", &self.key)
            .field("broker", &self.broker)
            .field("nth", &self.nth)
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}

/// What was ordered and is not done yet, in order.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// With how many requests each has counted.
    ordered: Vec<(Requests, Fault, u64)>,
    /// How many requests met each kind of fault.
    pub(super) met: BTreeMap<&'static str, u64>,
}

impl Faults {
    pub(super) fn order(&mut self, requests: Requests, fault: Fault) {
        self.ordered.push((requests, fault, 0));
    }

    pub(super) fn clear(&mut self) {
        self.ordered.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ordered.is_empty()
    }

    pub(super) fn take(&mut self, asked: &Asked) -> Option<Fault> {
        let mut taken = None;
        for (requests, fault, counted) in &mut self.ordered {
            if !requests.meant(asked) {
                continue;
            }
            *counted += 1;
            if taken.is_none() && *counted >= requests.nth && requests.times > 0 {
                requests.times -= 1;
                *self.met.entry(fault.name()).or_default() += 1;
                taken = Some(fault.clone());
            }
        }
        self.ordered.retain(|(requests, _, _)| requests.times > 0);
        taken
    }
}
