//! One connection to one broker, as a machine.
//!
//! Rules:
//! - Its life is (`Resting` →) `Connecting` → `Negotiating` → `Ready` → `Closed`; nothing but ApiVersions is sent before `Ready`.
//! - Requests leave in the order in which they were queued, at most `max_in_flight` without an answer. A broker answers
//!   in that order too: an answer belongs to the oldest request in flight, and another correlation id ends the connection.
//! - [`Connection::poll_transmit`] is pulled when the socket has room; a request's version is chosen there, from the
//!   ranges that both sides speak on this very connection, and its time starts there. Waiting in the queue has a limit too.
//! - An answer's throttle time stops sending on this connection, not the caller (KIP-219).
//! - When it ends, each request in flight fails as sent (its fate is unknown), each queued one as not sent.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

mod call;
#[cfg(test)]
mod tests;

pub(crate) use call::{Answer, ByVersion, Call};

use crate::config::{Address, Config};
use crate::error::{CloseReason, Error};
use crate::protocol::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use crate::protocol::{self, ApiKey, BrokerId, Request};
use crate::time::Instant;
use crate::wire::{Frame, Str};

/// Names one connection, from the wish to connect to its end; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", self.0)
    }
}

/// Whom a connection leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Node {
    /// The bootstrap server with this index; which broker it is does not matter.
    Seed(usize),
    Broker(BrokerId),
}

/// A broker answers the requests of one connection in order, so what waits long has a connection of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    General,
    Produce,
    /// What users call themselves: nobody knows how long it takes.
    Call,
    /// The long polls of one reader.
    Fetch(u64),
}

/// A request on its way to a connection.
#[derive(Debug)]
pub(crate) struct Outgoing<T> {
    pub(crate) call: Box<dyn Call>,
    /// Comes back with the answer.
    pub(crate) tag: T,
    /// Versions that the caller can fill in and understand, of those that Milena speaks.
    pub(crate) versions: (i16, i16),
    /// How long the broker may take.
    pub(crate) timeout: Duration,
    /// A produce request with acks 0 gets no answer: it is done when written.
    pub(crate) answered: bool,
}

/// Why a request has no answer.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// Whether it may have reached the broker.
    pub(crate) sent: bool,
    pub(crate) error: Error,
}

/// What became of a request: its answer (none for one that gets none), or why there is none.
pub(crate) struct Reply<T> {
    pub(crate) tag: T,
    pub(crate) result: Result<Option<Answer>, Failure>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

#[derive(Debug)]
struct InFlight<T> {
    correlation: i32,
    version: i16,
    deadline: Instant,
    timeout: Duration,
    call: Box<dyn Call>,
    tag: T,
}

pub(crate) struct Connection<T> {
    pub(crate) node: Node,
    pub(crate) lane: Lane,
    pub(crate) address: Address,
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

impl<T> Connection<T> {
    /// A connection to be made at `connect_at`; `negotiate_at` is the version of ApiVersions to try first.
    pub(crate) fn new(
        config: Arc<Config>,
        connect_at: Instant,
        node: Node,
        lane: Lane,
        address: Address,
        negotiate_at: i16,
    ) -> Self {
        Connection {
            node,
            lane,
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

    /// Whether to connect now.
    pub(crate) fn poll_connect(&mut self, now: Instant) -> bool {
        let due = matches!(self.state, State::Resting { until } if until <= now);
        if due {
            self.state = State::Connecting { deadline: now + self.config.connect_timeout };
        }
        due
    }

    /// Whether ApiVersions was sent in a version that this peer may not know and was never answered.
    pub(crate) fn hung_up_on_negotiation(&self) -> bool {
        self.answers == 0 && matches!(self.state, State::Negotiating { version: 1.., sent: Some(_) })
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.state == State::Ready
    }

    pub(crate) fn has_answered(&self) -> bool {
        self.answers > 0
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.in_flight.is_empty()
    }

    /// How many requests wait for their turn, and how many for their answer.
    pub(crate) fn load(&self) -> (usize, usize) {
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

    pub(crate) fn queue(&mut self, now: Instant, outgoing: Outgoing<T>) {
        // A request waits for its turn as long as it may take itself: behind a stuck connection it fails with it.
        self.queue.push_back((now + outgoing.timeout, outgoing));
    }

    pub(crate) fn on_connected(&mut self) {
        if let State::Connecting { .. } = self.state {
            let version = self.versions[&ApiKey::API_VERSIONS].1;
            self.state = State::Negotiating { version, sent: None };
        }
    }

    /// Takes a request back that has not left yet; false if there is none.
    pub(crate) fn take_back(&mut self, tag: &T) -> bool
    where
        T: PartialEq,
    {
        let before = self.queue.len();
        self.queue.retain(|(_, outgoing)| outgoing.tag != *tag);
        self.queue.len() < before
    }

    /// Whether [`poll_transmit`](Self::poll_transmit) has a frame.
    pub(crate) fn can_transmit(&self, now: Instant) -> bool {
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

    pub(crate) fn poll_transmit(&mut self, now: Instant, replies: &mut Vec<Reply<T>>) -> Option<Frame> {
        while self.can_transmit(now) {
            if let State::Negotiating { version, sent } = &mut self.state {
                *sent = Some(now);
                let mut request = ApiVersionsRequest {
                    client_software_name: Str::from_static("milena"),
                    client_software_version: Str::from_static(env!("CARGO_PKG_VERSION")),
                    ..Default::default()
                };
                return protocol::encode_request(&mut request, *version, -1, Some(&self.config.client_id))
                    .ok();
            }
            let (_, mut outgoing) = self.queue.pop_front()?;
            let key = outgoing.call.key();
            let (min, max) = outgoing.call.versions();
            let correlation = self.next_correlation;
            let encoded = self
                .version((min.max(outgoing.versions.0), max.min(outgoing.versions.1)), key)
                .and_then(|version| {
                    let frame = outgoing.call.encode(version, correlation, &self.config.client_id);
                    let frame = frame.map_err(Error::InvalidRequest)?;
                    Ok((version, frame))
                });
            let (version, frame) = match encoded {
                Ok(encoded) => encoded,
                Err(error) => {
                    self.reply(outgoing.tag, Err(Failure { sent: false, error }), replies);
                    continue;
                }
            };
            if !outgoing.answered {
                self.reply(outgoing.tag, Ok(None), replies);
                return Some(frame);
            }
            self.next_correlation = self.next_correlation.checked_add(1).unwrap_or(0);
            let Outgoing { call, tag, timeout, .. } = outgoing;
            self.in_flight.push_back(InFlight {
                correlation,
                version,
                deadline: now + timeout,
                timeout,
                call,
                tag,
            });
            return Some(frame);
        }
        None
    }

    /// Takes an answer; an error ends the connection.
    pub(crate) fn on_frame(
        &mut self,
        now: Instant,
        frame: Bytes,
        replies: &mut Vec<Reply<T>>,
    ) -> Result<(), CloseReason> {
        let got = protocol::correlation_id(&frame).ok_or(CloseReason::Unasked)?;
        match self.state {
            State::Negotiating { version, sent: Some(_) } => {
                if got != -1 {
                    return Err(CloseReason::Correlation { expected: -1, got });
                }
                self.on_versions(version, frame)?;
                self.answers += 1;
                return Ok(());
            }
            State::Ready => {}
            _ => return Err(CloseReason::Unasked),
        }
        let expected = self.in_flight.front().ok_or(CloseReason::Unasked)?.correlation;
        if got != expected {
            return Err(CloseReason::Correlation { expected, got });
        }
        let Some(request) = self.in_flight.pop_front() else { return Err(CloseReason::Unasked) };
        match request.call.decode(frame, request.version) {
            Ok(mut answer) => {
                self.answers += 1;
                answer.broker = match self.node {
                    Node::Broker(id) => Some(id),
                    Node::Seed(_) => None,
                };
                if !answer.throttle.is_zero() {
                    // No longer than a request may take: a hostile value must not stop a connection for weeks.
                    let until = now + answer.throttle.min(self.config.request_timeout);
                    self.throttled_until = self.throttled_until.max(Some(until));
                }
                self.reply(request.tag, Ok(Some(answer)), replies);
                Ok(())
            }
            Err(error) => {
                let reason = CloseReason::Decode(error);
                let error = Error::Connection { address: self.address.to_string(), reason: reason.clone() };
                self.reply(request.tag, Err(Failure { sent: true, error }), replies);
                Err(reason)
            }
        }
    }

    /// A broker that does not know our version of ApiVersions answers in version 0, with error 35 and its own range.
    fn on_versions(&mut self, version: i16, frame: Bytes) -> Result<(), CloseReason> {
        let unsupported = call::tells_versions_only(&frame);
        let decode_at = if unsupported { 0 } else { version };
        let answer: (i32, ApiVersionsResponse) =
            protocol::decode_response::<ApiVersionsRequest>(frame, decode_at).map_err(CloseReason::Decode)?;
        let answer = answer.1;
        let ranges = answer.api_keys.iter().map(|api| (api.api_key, (api.min_version, api.max_version)));
        if unsupported && version > 0 {
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
    pub(crate) fn waits_for(&self, now: Instant) -> Option<CloseReason> {
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
                Some(CloseReason::RequestTimeout { api: request.call.key(), after })
            }
            _ => None,
        }
    }

    /// When [`on_timeout`](Self::on_timeout) has something to do.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
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

    /// Fails what waited too long in the queue; an error ends the connection: what is overdue there blocks all the rest.
    pub(crate) fn on_timeout(
        &mut self,
        now: Instant,
        replies: &mut Vec<Reply<T>>,
    ) -> Result<(), CloseReason> {
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
            return Err(CloseReason::RequestTimeout { api: overdue.call.key(), after: overdue.timeout });
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
            self.reply(outgoing.tag, Err(Failure { sent: false, error }), replies);
        }
        Ok(())
    }

    /// Fails everything that still waits.
    pub(crate) fn on_close(self, reason: &CloseReason, replies: &mut Vec<Reply<T>>) {
        let error = Error::Connection { address: self.address.to_string(), reason: reason.clone() };
        let sent = self.in_flight.into_iter().map(|request| (true, request.tag));
        let queued = self.queue.into_iter().map(|(_, outgoing)| (false, outgoing.tag));
        for (sent, tag) in sent.chain(queued) {
            replies.push(Reply { tag, result: Err(Failure { sent, error: error.clone() }) });
        }
    }

    fn reply(&self, tag: T, result: Result<Option<Answer>, Failure>, replies: &mut Vec<Reply<T>>) {
        replies.push(Reply { tag, result });
    }
}
