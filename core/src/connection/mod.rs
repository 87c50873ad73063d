//! One connection to one broker, as a machine.
//!
//! Rules:
//! - Its life is (`Resting` →) `Connecting` → `Negotiating` → `Ready` → `Closed`; nothing but ApiVersions is sent before `Ready`.
//! - Requests leave in the order in which they were queued, at most `max_in_flight` without an answer. A broker answers
//!   in that order too: an answer belongs to the oldest request in flight, and another correlation id ends the connection.
//! - [`Connection::poll_transmit`] is pulled when the socket has room; a request's version is chosen there, from the
//!   ranges that both sides speak on this very connection, and its time starts there. Waiting in the queue has a limit too.
//! - An answer's throttle time stops sending on this connection, not the caller (KIP-219).
//! - Bytes are not its business: it hands out requests with a version and a correlation id, and takes decoded answers. A
//!   [`Channel`] is between it and the socket, and tells what it could not encode.
//! - When it ends, each request in flight fails as sent (its fate is unknown), each queued one as not sent.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

mod channel;
mod id;
mod request;
#[cfg(feature = "recording")]
pub(crate) mod saved;
#[cfg(test)]
mod tests;

pub use channel::{Answered, Channel, Encoded};
pub use id::ConnId;
pub use request::{AnyAnswer, AnyRequest, Failure, RequestKind, Transmit};
pub(crate) use request::{ByVersion, response_to};

use crate::config::{Address, Config};
use crate::error::{CloseReason, Error};
use crate::protocol::api_versions::ApiVersionsRequest;
use crate::protocol::{ApiKey, ErrorCode, Request};
use crate::time::Instant;
use crate::wire::Str;

/// A request on its way to a connection.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Outgoing<T> {
    /// The request.
    #[cfg_attr(feature = "recording", serde(with = "saved::request"))]
    pub request: Arc<dyn AnyRequest>,
    /// Comes back with the answer.
    pub tag: T,
    /// Versions that the caller can fill in and understand, of those that Milena speaks.
    pub versions: (i16, i16),
    /// How long the broker may take.
    pub timeout: Duration,
    /// False for a request that gets no answer, which only Produce with acks 0 does: it is done when written.
    pub answered: bool,
}

/// What became of a request: its answer (none for one that gets none), or why there is none.
#[derive(Debug)]
pub struct Reply<T> {
    /// The request's tag.
    pub tag: T,
    /// What became of it.
    pub result: Result<Option<AnyAnswer>, Failure>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
enum State {
    /// Its node failed shortly before: the connect waits.
    Resting {
        until: Instant,
    },
    Connecting {
        deadline: Instant,
    },
    /// `sent`: when ApiVersions left.
    Negotiating {
        version: i16,
        sent: Option<Instant>,
    },
    Ready,
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
struct InFlight<T> {
    correlation: i32,
    deadline: Instant,
    timeout: Duration,
    #[cfg_attr(feature = "recording", serde(with = "saved::kind"))]
    kind: &'static RequestKind,
    answered: bool,
    tag: T,
}

/// The correlation id of version negotiation: no other request has it.
const NEGOTIATION: i32 = -1;

/// One connection to one broker. `T` is what the caller knows its requests by.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Connection<T> {
    address: Address,
    config: Arc<Config>,
    state: State,
    versions: BTreeMap<ApiKey, (i16, i16)>,
    /// With the time until which it may wait there.
    queue: VecDeque<(Instant, Outgoing<T>)>,
    in_flight: VecDeque<InFlight<T>>,
    next_correlation: i32,
    throttled_until: Option<Instant>,
    answers: u64,
}

/// # Inputs: what happens to it.
/// [`queue`](Self::queue), [`take_back`](Self::take_back), [`on_connected`](Self::on_connected), [`on_answer`](Self::on_answer),
/// [`on_encoded`](Self::on_encoded), [`on_timeout`](Self::on_timeout), [`on_close`](Self::on_close). What became of requests is
/// pushed to `replies`; an error ends the connection, and `on_close` is to follow.
///
/// # Polls: what it wants.
/// [`poll_connect`](Self::poll_connect), [`poll_transmit`](Self::poll_transmit), [`poll_timeout`](Self::poll_timeout).
impl<T> Connection<T> {
    /// A connection to be made at `connect_at`; `negotiate_at` is the version of ApiVersions to try first.
    pub fn new(config: Arc<Config>, connect_at: Instant, address: Address, negotiate_at: i16) -> Self {
        Connection {
            address,
            config,
            state: State::Resting { until: connect_at },
            versions: BTreeMap::from([(ApiKey::API_VERSIONS, (negotiate_at, negotiate_at))]),
            queue: VecDeque::new(),
            in_flight: VecDeque::new(),
            next_correlation: 0,
            throttled_until: None,
            answers: 0,
        }
    }

    /// Where it leads.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Whether to connect now.
    pub fn poll_connect(&mut self, now: Instant) -> bool {
        let due = matches!(self.state, State::Resting { until } if until <= now);
        if due {
            self.state = State::Connecting { deadline: now + self.config.connect_timeout };
        }
        due
    }

    /// Whether ApiVersions was sent in a version that this peer may not know and was never answered.
    pub fn hung_up_on_negotiation(&self) -> bool {
        self.answers == 0 && matches!(self.state, State::Negotiating { version: 1.., sent: Some(_) })
    }

    /// Whether versions are agreed upon.
    pub fn is_ready(&self) -> bool {
        self.state == State::Ready
    }

    /// Whether its peer has ever answered.
    pub fn has_answered(&self) -> bool {
        self.answers > 0
    }

    /// Whether no request waits here, for its turn or for its answer.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.in_flight.is_empty()
    }

    /// How many requests wait for their turn, and how many for their answer.
    pub fn load(&self) -> (usize, usize) {
        (self.queue.len(), self.in_flight.len())
    }

    /// The version in which this connection would send a request of `key`, if it is ready and both sides know one.
    fn version(&self, ours: (i16, i16), key: ApiKey) -> Result<i16, Error> {
        let theirs = self.versions.get(&key).copied();
        match theirs {
            Some((min, max)) if max.min(ours.1) >= min.max(ours.0) => Ok(max.min(ours.1)),
            _ => Err(Error::Unsupported { api: key, ours, theirs }),
        }
    }

    /// Appends a request.
    pub fn queue(&mut self, now: Instant, outgoing: Outgoing<T>) {
        // A request waits for its turn as long as it may take itself: behind a stuck connection it fails with it.
        self.queue.push_back((now + outgoing.timeout, outgoing));
    }

    /// The socket is connected.
    pub fn on_connected(&mut self) {
        if let State::Connecting { .. } = self.state {
            let version = self.versions[&ApiKey::API_VERSIONS].1;
            self.state = State::Negotiating { version, sent: None };
        }
    }

    /// Takes back requests that have not left yet, by their tags; false if there is none.
    pub fn take_back(&mut self, unwanted: impl Fn(&T) -> bool) -> bool {
        let before = self.queue.len();
        self.queue.retain(|(_, outgoing)| !unwanted(&outgoing.tag));
        self.queue.len() < before
    }

    /// Whether [`poll_transmit`](Self::poll_transmit) has a frame.
    pub fn can_transmit(&self, now: Instant) -> bool {
        match self.state {
            State::Resting { .. } | State::Connecting { .. } => false,
            State::Negotiating { sent, .. } => sent.is_none(),
            State::Ready => {
                !self.queue.is_empty()
                    && self.in_flight.len() < self.config.max_in_flight
                    && self.throttled_until.is_none_or(|until| until <= now)
            }
        }
    }

    /// The next request to be sent; to be called when the socket has room, until there is none.
    pub fn poll_transmit(&mut self, now: Instant, replies: &mut Vec<Reply<T>>) -> Option<Transmit> {
        while self.can_transmit(now) {
            if let State::Negotiating { version, sent } = &mut self.state {
                *sent = Some(now);
                let request = ApiVersionsRequest {
                    client_software_name: Str::from_static("milena"),
                    client_software_version: Str::from_static(env!("CARGO_PKG_VERSION")),
                    ..Default::default()
                };
                let request = Arc::new(request);
                return Some(Transmit {
                    request,
                    version: *version,
                    correlation: NEGOTIATION,
                    answered: true,
                });
            }
            let (_, outgoing) = self.queue.pop_front()?;
            let Outgoing { request, tag, versions, timeout, answered } = outgoing;
            let kind = request.kind();
            let ours = (kind.versions.0.max(versions.0), kind.versions.1.min(versions.1));
            let version = match self.version(ours, kind.key) {
                Ok(version) => version,
                Err(error) => {
                    replies.push(Reply { tag, result: Err(Failure { sent: false, error }) });
                    continue;
                }
            };
            let correlation = self.next_correlation;
            self.next_correlation = correlation.checked_add(1).unwrap_or(0);
            let deadline = now + timeout;
            self.in_flight.push_back(InFlight { correlation, deadline, timeout, kind, answered, tag });
            return Some(Transmit { request, version, correlation, answered });
        }
        None
    }

    /// A request was put into bytes, or could not be.
    pub fn on_encoded(
        &mut self,
        correlation: i32,
        result: Result<(), Error>,
        replies: &mut Vec<Reply<T>>,
    ) -> Result<(), CloseReason> {
        let Some(index) = self.in_flight.iter().position(|request| request.correlation == correlation) else {
            return if correlation == NEGOTIATION { Err(CloseReason::Unasked) } else { Ok(()) };
        };
        let result = match result {
            Ok(()) if self.in_flight[index].answered => return Ok(()),
            Ok(()) => Ok(None),
            Err(error) => Err(Failure { sent: false, error }),
        };
        let request = self.in_flight.remove(index);
        replies.extend(request.map(|request| Reply { tag: request.tag, result }));
        Ok(())
    }

    /// Takes an answer.
    ///
    /// # Errors
    /// It is not the one to the oldest request: the connection ends.
    pub fn on_answer(
        &mut self,
        now: Instant,
        correlation: i32,
        answer: AnyAnswer,
        replies: &mut Vec<Reply<T>>,
    ) -> Result<(), CloseReason> {
        match self.state {
            State::Negotiating { version, sent: Some(_) } => {
                if correlation != NEGOTIATION {
                    return Err(CloseReason::Correlation { expected: NEGOTIATION, got: correlation });
                }
                self.obey(now, answer.throttle);
                self.on_versions(version, answer)?;
                self.answers += 1;
                return Ok(());
            }
            State::Ready => {}
            _ => return Err(CloseReason::Unasked),
        }
        // One that gets no answer waits only for the word that it was put into bytes.
        let oldest =
            self.in_flight.iter().position(|request| request.answered).ok_or(CloseReason::Unasked)?;
        let expected = self.in_flight[oldest].correlation;
        if correlation != expected {
            return Err(CloseReason::Correlation { expected, got: correlation });
        }
        if self.in_flight[oldest].kind.key != answer.kind.key {
            return Err(CloseReason::Unasked);
        }
        let Some(request) = self.in_flight.remove(oldest) else { return Err(CloseReason::Unasked) };
        self.answers += 1;
        self.obey(now, answer.throttle);
        replies.push(Reply { tag: request.tag, result: Ok(Some(answer)) });
        Ok(())
    }

    /// Sends nothing for a while.
    fn obey(&mut self, now: Instant, throttle: Duration) {
        if !throttle.is_zero() {
            // No longer than a request may take: a hostile value must not stop a connection for weeks.
            let until = now + throttle.min(self.config.request_timeout);
            self.throttled_until = self.throttled_until.max(Some(until));
        }
    }

    /// A broker that does not know our version of ApiVersions answers in version 0, with error 35 and its own range.
    fn on_versions(&mut self, version: i16, answer: AnyAnswer) -> Result<(), CloseReason> {
        let told_in = answer.version;
        let answer = answer.take::<ApiVersionsRequest>().ok_or(CloseReason::Unasked)?;
        let ranges = answer.api_keys.iter().map(|api| (api.api_key, (api.min_version, api.max_version)));
        if told_in == 0 && answer.error_code == ErrorCode::UNSUPPORTED_VERSION && version > 0 {
            let theirs = ranges.into_iter().find(|(key, _)| *key == ApiKey::API_VERSIONS);
            let next = theirs.map_or(0, |(_, (_, max))| max).clamp(0, version - 1);
            self.state = State::Negotiating { version: next, sent: None };
            return Ok(());
        }
        if !answer.error_code.is_ok() {
            return Err(CloseReason::Negotiation(answer.error_code));
        }
        self.versions = ranges.collect();
        self.state = State::Ready;
        Ok(())
    }

    /// What its peer does not do just now, and for how long already.
    pub fn waits_for(&self, now: Instant) -> Option<CloseReason> {
        match (self.state, self.in_flight.front()) {
            (State::Connecting { deadline }, _) => {
                let left = deadline.since(now);
                Some(CloseReason::ConnectTimeout(self.config.connect_timeout.saturating_sub(left)))
            }
            (State::Negotiating { sent: Some(sent), .. }, _) => {
                Some(CloseReason::RequestTimeout { api: ApiVersionsRequest::KEY, after: now.since(sent) })
            }
            (State::Ready, Some(request)) => {
                let after = request.timeout.saturating_sub(request.deadline.since(now));
                Some(CloseReason::RequestTimeout { api: request.kind.key, after })
            }
            _ => None,
        }
    }

    /// When [`on_timeout`](Self::on_timeout) has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let state = match self.state {
            State::Resting { until: at } | State::Connecting { deadline: at } => Some(at),
            State::Negotiating { sent, .. } => sent.map(|sent| sent + self.config.request_timeout),
            State::Ready => None,
        };
        // Requests of one lane have like time-outs, so the oldest is the first to expire or very near to it.
        let in_flight = self.in_flight.front().map(|request| request.deadline);
        let queued = self.queue.front().map(|(deadline, _)| *deadline);
        let throttled = self.throttled_until.filter(|_| !self.queue.is_empty());
        [state, in_flight, queued, throttled].into_iter().flatten().min()
    }

    /// Fails what waited too long in the queue.
    ///
    /// # Errors
    /// What was sent is overdue, and blocks all the rest: the connection ends.
    pub fn on_timeout(&mut self, now: Instant, replies: &mut Vec<Reply<T>>) -> Result<(), CloseReason> {
        if self.throttled_until.is_some_and(|until| until <= now) {
            self.throttled_until = None;
        }
        match self.state {
            State::Connecting { deadline } if deadline <= now => {
                return Err(CloseReason::ConnectTimeout(self.config.connect_timeout));
            }
            State::Negotiating { sent: Some(sent), .. } if sent + self.config.request_timeout <= now => {
                let after = self.config.request_timeout;
                return Err(CloseReason::RequestTimeout { api: ApiVersionsRequest::KEY, after });
            }
            _ => {}
        }
        if let Some(overdue) = self.in_flight.iter().find(|request| request.deadline <= now) {
            return Err(CloseReason::RequestTimeout { api: overdue.kind.key, after: overdue.timeout });
        }
        while let Some((deadline, _)) = self.queue.front() {
            if *deadline > now {
                break;
            }
            let Some((_, outgoing)) = self.queue.pop_front() else { break };
            let blocked = self
                .waits_for(now)
                .map(|reason| Arc::new(Error::Connection { address: self.address.to_string(), reason }));
            let error = Error::Timeout {
                operation: "waiting for a connection's turn",
                after: outgoing.timeout,
                last: blocked,
            };
            replies.push(Reply { tag: outgoing.tag, result: Err(Failure { sent: false, error }) });
        }
        Ok(())
    }

    /// It has ended: fails everything that still waits.
    pub fn on_close(self, reason: &CloseReason, replies: &mut Vec<Reply<T>>) {
        let error = Error::Connection { address: self.address.to_string(), reason: reason.clone() };
        let sent = self.in_flight.into_iter().map(|request| (true, request.tag));
        let queued = self.queue.into_iter().map(|(_, outgoing)| (false, outgoing.tag));
        for (sent, tag) in sent.chain(queued) {
            replies.push(Reply { tag, result: Err(Failure { sent, error: error.clone() }) });
        }
    }
}
