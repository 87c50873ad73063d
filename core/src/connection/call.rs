//! A request of any kind, its answer's type known inside.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::protocol::{self, ApiKey, Request};
use crate::wire::{Frame, Struct, WireError};

/// A request whose type is hidden, so that one queue holds them all.
pub(crate) trait Call: Send + fmt::Debug {
    fn key(&self) -> ApiKey;
    /// The stable versions that this client speaks.
    fn versions(&self) -> (i16, i16);
    fn encode(&mut self, version: i16, correlation: i32, client_id: &str) -> Result<Frame, WireError>;
    fn decode(&self, frame: Bytes, version: i16) -> Result<Answer, WireError>;
    /// The same request once more.
    fn again(&self) -> Box<dyn Call>;
}

/// The answer to a [`Call`]; only the asker knows its type.
pub(crate) struct Answer {
    body: Box<dyn Any + Send>,
    pub(crate) version: i16,
    pub(crate) throttle: Duration,
}

impl Answer {
    /// The answer to a request of type `R`, in place.
    pub(crate) fn peek<R: Request>(&self) -> Option<&R::Response>
    where
        R::Response: 'static,
    {
        self.body.downcast_ref()
    }

    /// The answer to a request of type `R`; `None` if it was another request's.
    pub(crate) fn take<R: Request>(self) -> Option<R::Response>
    where
        R::Response: 'static,
    {
        self.body.downcast().ok().map(|body| *body)
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("version", &self.version).finish_non_exhaustive()
    }
}

impl<R> Call for R
where
    R: Request + Send + 'static,
    R::Response: Send + 'static,
{
    fn key(&self) -> ApiKey {
        R::KEY
    }

    fn versions(&self) -> (i16, i16) {
        (*R::VERSIONS.start(), R::STABLE)
    }

    fn encode(&mut self, version: i16, correlation: i32, client_id: &str) -> Result<Frame, WireError> {
        protocol::encode_request(self, version, correlation, Some(client_id))
    }

    fn decode(&self, frame: Bytes, version: i16) -> Result<Answer, WireError> {
        let (_, body) = protocol::decode_response::<R>(frame, version)?;
        let throttle = match version >= client_throttles_from(R::KEY) {
            true => Duration::from_millis(body.throttle_time_ms().max(0) as u64),
            false => Duration::ZERO,
        };
        Ok(Answer { body: Box::new(body), version, throttle })
    }

    fn again(&self) -> Box<dyn Call> {
        Box::new(self.clone())
    }
}

/// The version of an API from which the broker answers first and expects the client to pause (KIP-219); before, the
/// broker held its answer back.
fn client_throttles_from(key: ApiKey) -> i16 {
    match key {
        ApiKey::PRODUCE => 6,
        ApiKey::FETCH => 8,
        ApiKey::METADATA => 6,
        ApiKey::LIST_OFFSETS | ApiKey::CREATE_TOPICS => 3,
        ApiKey::API_VERSIONS | ApiKey::DELETE_TOPICS | ApiKey::FIND_COORDINATOR => 2,
        _ => 1,
    }
}
