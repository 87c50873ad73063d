//! One request with one answer, and the retries on the way there.
//!
//! Rules:
//! - A request that surely was not sent is sent again, after a pause, until its deadline.
//! - One that may have been done is sent again only if doing it twice is as good as once.
//! - A broker or partition that the metadata lack is an error after `topic_grace`: brokers take a moment to know.
//! - An answer that says "not the controller" (or another passing state) is followed by fresh metadata and another try,
//!   where the client reads codes. Where users do, it is theirs; only what led to that broker is not trusted any more.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::cluster::{Lane, Target};
use crate::config::Config;
use crate::connection::{AnyAnswer, AnyRequest, Failure};
use crate::context::{Ctx, Routed, Subject};
use crate::error::Error;
use crate::protocol::ErrorCode;
use crate::rng::Backoff;
use crate::time::Instant;

/// A request to be answered once.
#[derive(Clone)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Ask {
    /// The request.
    #[cfg_attr(feature = "recording", serde(with = "crate::connection::saved::request"))]
    pub request: Arc<dyn AnyRequest>,
    /// Whom it must reach.
    pub target: Target,
    /// Versions it may be sent in.
    pub versions: (i16, i16),
    /// False for one that no broker answers: it is done when sent.
    pub answered: bool,
    /// Doing it twice is as good as once.
    pub repeatable: bool,
    /// Whether one that was refused for a passing reason is sent again.
    pub retry_refused: bool,
    /// Instead of [`api_timeout`](crate::Config::api_timeout); the broker then may take as long.
    pub timeout: Option<Duration>,
    pub(crate) lane: Lane,
}

impl Ask {
    /// As the client's own calls are: in final versions, once, and again if refused for a passing reason.
    pub fn new(request: Arc<dyn AnyRequest>, target: Target) -> Self {
        Ask {
            versions: (request.kind().versions.0, request.kind().stable),
            request,
            target,
            lane: Lane::General,
            answered: true,
            repeatable: false,
            retry_refused: true,
            timeout: None,
        }
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ask({:?} to {:?})", self.request.kind(), self.target)
    }
}

/// An [`Ask`] under way.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Operation {
    ask: Ask,
    started: Instant,
    deadline: Instant,
    /// Until then a broker or partition that the metadata lack may still come to be known.
    grace: Instant,
    backoff: Backoff,
    failures: u32,
    last: Option<Arc<Error>>,
    in_flight: bool,
}

/// Whether the request was refused for a reason that passes, and surely not done.
fn is_passing(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NOT_CONTROLLER | ErrorCode::BROKER_NOT_AVAILABLE | ErrorCode::THROTTLING_QUOTA_EXCEEDED
    )
}

/// Whether the broker that answered is not, or no longer, the one to ask.
fn is_misrouted(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::NOT_CONTROLLER | ErrorCode::NOT_COORDINATOR) || code.is_invalid_metadata()
}

/// What came of a step.
#[derive(Default)]
pub(crate) struct Progress {
    /// What led to the target is out of date.
    pub(crate) misrouted: bool,
    pub(crate) done: Option<Result<Option<AnyAnswer>, Error>>,
}

impl Subject for Operation {
    type Tag = ();
    type Timer = ();
    /// What came of it is the result of a step.
    type Output = ();
}

type Context<'a> = Ctx<'a, Operation>;

impl Operation {
    pub(crate) fn new(ask: Ask, config: &Config, now: Instant) -> Self {
        Operation {
            started: now,
            deadline: now + ask.timeout.unwrap_or(config.api_timeout),
            grace: now + config.topic_grace,
            backoff: Backoff { min: config.backoff.0, max: config.backoff.1 },
            ask,
            failures: 0,
            last: None,
            in_flight: false,
        }
    }

    pub(crate) fn target(&self) -> &Target {
        &self.ask.target
    }

    /// Whether its request is on its way: parked, queued or sent.
    pub(crate) fn is_in_flight(&self) -> bool {
        self.in_flight
    }

    pub(crate) fn send(&mut self, ctx: &mut Context<'_>) {
        self.in_flight = true;
        ctx.set_timer((), Some(self.deadline));
        let Ask { request, target, lane, versions, answered, timeout, .. } = &self.ask;
        // Never shorter than usual: a connection is not given up because one caller is in a hurry.
        let longer =
            timeout.map_or(Duration::ZERO, |_| self.deadline.since(ctx.now.mono + ctx.request_timeout));
        let request = Routed::of(target.clone(), *lane, request.clone(), *versions, ());
        ctx.send(request.answered(*answered).wait_longer(longer));
    }

    /// `blocked`: what keeps its request from having a broker to go to, if it has none.
    pub(crate) fn on_timer(&mut self, ctx: &mut Context<'_>, blocked: Option<Error>) -> Progress {
        if ctx.now.mono >= self.deadline {
            let error = Error::Timeout {
                operation: self.ask.request.kind().key.name(),
                after: self.deadline.since(self.started),
                last: blocked.map(Arc::new).or_else(|| self.last.take()),
            };
            return Progress { misrouted: false, done: Some(Err(error)) };
        }
        if !self.in_flight {
            self.send(ctx);
        }
        Progress::default()
    }

    pub(crate) fn on_reply(
        &mut self,
        ctx: &mut Context<'_>,
        result: Result<Option<AnyAnswer>, Failure>,
    ) -> Progress {
        self.in_flight = false;
        let error = match result {
            Ok(None) => return Progress { misrouted: false, done: Some(Ok(None)) },
            Ok(Some(mut answer)) => {
                let refusal = self.refusal(&mut answer);
                match refusal.filter(|code| self.ask.retry_refused && is_passing(*code)) {
                    Some(code) => Error::Rejected { api: self.ask.request.kind().key, code, message: None },
                    None => {
                        let misrouted = refusal.is_some_and(is_misrouted);
                        return Progress { misrouted, done: Some(Ok(Some(answer))) };
                    }
                }
            }
            Err(failure) if !self.may_send_again(ctx.now.mono, &failure) => {
                let unsaid = matches!(failure.error, Error::Unsupported { .. } | Error::InvalidRequest(_));
                return Progress { misrouted: !unsaid, done: Some(Err(failure.error)) };
            }
            Err(failure) => failure.error,
        };
        self.last = Some(Arc::new(error));
        self.failures += 1;
        let again = ctx.now.mono + self.backoff.after(self.failures, ctx.rng);
        ctx.set_timer((), Some(again.min(self.deadline)));
        Progress { misrouted: true, done: None }
    }

    /// What an answer says about its having come from the wrong broker, or about a state that passes.
    fn refusal(&self, answer: &mut AnyAnswer) -> Option<ErrorCode> {
        match self.ask.target {
            // Whoever was asked, it was the one that the caller named.
            Target::Any | Target::Broker(_) => None,
            _ => answer.find_code(|code| is_passing(code) || is_misrouted(code)),
        }
    }

    fn may_send_again(&self, now: Instant, failure: &Failure) -> bool {
        match &failure.error {
            error if failure.sent => self.ask.repeatable && error.is_retriable(),
            Error::Connection { .. } | Error::Timeout { .. } => true,
            Error::UnknownPartition { partition, .. } => *partition >= 0 && now < self.grace,
            Error::UnknownBroker { .. } => now < self.grace,
            // Of the lookup that was to lead to the target.
            Error::Rejected { code, .. } => code.is_retriable() || is_passing(*code),
            _ => false,
        }
    }
}
