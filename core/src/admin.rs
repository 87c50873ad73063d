//! One request with one answer, and the retries on the way there.
//!
//! Rules:
//! - A request that surely was not sent is sent again, after a pause, until its deadline.
//! - One that may have been done is sent again only if doing it twice is as good as once.
//! - An answer that says "not the controller" (or another passing state) is followed by fresh metadata and another try.

use std::fmt;
use std::sync::Arc;

use crate::config::Config;
use crate::connection::{Answer, Call, Failure, Lane};
use crate::context::{Ctx, OpId, Tag, Target, Timer};
use crate::error::Error;
use crate::protocol::ErrorCode;
use crate::rng::Backoff;
use crate::time::Instant;

/// A request to be answered once.
pub(crate) struct Ask {
    pub(crate) call: Box<dyn Call>,
    pub(crate) target: Target,
    /// Doing it twice is as good as once.
    pub(crate) repeatable: bool,
    /// The error code of an answer.
    pub(crate) code: fn(&Answer) -> Option<ErrorCode>,
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ask({} to {:?})", self.call.key(), self.target)
    }
}

/// An [`Ask`] under way.
pub(crate) struct Operation {
    id: OpId,
    ask: Ask,
    started: Instant,
    deadline: Instant,
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

/// What came of a step.
pub(crate) enum Progress {
    Waiting,
    /// The same, and the metadata are out of date.
    Refresh,
    Done(Result<Answer, Error>),
}

impl Operation {
    pub(crate) fn new(id: OpId, ask: Ask, config: &Config, now: Instant) -> Self {
        let deadline = now + config.api_timeout;
        let backoff = Backoff { min: config.backoff.0, max: config.backoff.1 };
        Operation { id, ask, started: now, deadline, backoff, failures: 0, last: None, in_flight: false }
    }

    pub(crate) fn send(&mut self, ctx: &mut Ctx<'_>) {
        self.in_flight = true;
        ctx.set_timer(Timer::Op(self.id), Some(self.deadline));
        let call = self.ask.call.again();
        ctx.send_as(self.ask.target, Lane::General, call, Tag::Op(self.id), (0, i16::MAX), true);
    }

    pub(crate) fn on_timer(&mut self, ctx: &mut Ctx<'_>) -> Progress {
        if ctx.now.mono >= self.deadline {
            let after = self.deadline.since(self.started);
            return Progress::Done(Err(Error::Timeout {
                operation: self.ask.call.key().name(),
                after,
                last: self.last.clone(),
            }));
        }
        if !self.in_flight {
            self.send(ctx);
        }
        Progress::Waiting
    }

    pub(crate) fn on_reply(
        &mut self,
        ctx: &mut Ctx<'_>,
        result: Result<Option<Answer>, Failure>,
    ) -> Progress {
        self.in_flight = false;
        let error = match result {
            Ok(None) => Error::Closed,
            Ok(Some(answer)) => match (self.ask.code)(&answer).filter(|code| is_passing(*code)) {
                Some(code) => Error::Rejected { api: self.ask.call.key(), code, message: None },
                None => return Progress::Done(Ok(answer)),
            },
            Err(Failure { error: error @ Error::Unsupported { .. }, .. }) => {
                return Progress::Done(Err(error));
            }
            Err(Failure { sent: true, error }) if !self.ask.repeatable => return Progress::Done(Err(error)),
            Err(Failure { error, .. }) => error,
        };
        self.last = Some(Arc::new(error));
        self.failures += 1;
        let again = ctx.now.mono + self.backoff.after(self.failures, ctx.rng);
        ctx.set_timer(Timer::Op(self.id), Some(again.min(self.deadline)));
        Progress::Refresh
    }
}
