//! Any request of Kafka's protocol, as users send it.

use std::fmt;
use std::marker::PhantomData;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::client::Client;
use crate::cluster::{Lane, Target};
use crate::connection::{AnyRequest, ByVersion};
use crate::error::Error;
use crate::machine::Ask;
use crate::protocol::{BrokerId, Request};
use crate::wire::{WireError, WireFault};

/// A request to be sent by [`Client::call`]: to whom, in which version, and within what time.
///
/// By default it goes to any broker, in the newest final version that both sides know, within
/// [`api_timeout`](crate::Config::api_timeout), and is sent once. A request converts into a call of that kind.
///
/// ```
/// use milena_core::protocol::{CreateTopicsRequest, ListOffsetsRequest, MetadataRequest};
/// use milena_core::{Call, Target};
///
/// let any = Call::new(MetadataRequest::default());
/// let leader = Call::new(ListOffsetsRequest::default()).to(Target::leader("events", 3)).version(7);
/// let controller = Call::new(CreateTopicsRequest::default()).to(Target::Controller).versions(2..=5);
/// ```
#[must_use = "nothing is sent before `Client::call`"]
pub struct Call<R> {
    ask: Ask,
    versions: RangeInclusive<i16>,
    request: PhantomData<fn() -> R>,
}

/// The answer to a [`Call`]. Error codes in it are the caller's to read.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Answer<T> {
    /// The response.
    pub response: T,
    /// The version it came in: the request's. A broker that does not know an ApiVersions request's version answers in
    /// version 0 (KIP-511).
    pub version: i16,
    /// Who answered; `None` for a bootstrap server, whose id is not known.
    pub broker: Option<BrokerId>,
}

impl<R: Request> Call<R> {
    /// This request, to any broker.
    pub fn new(request: R) -> Self {
        Call::of(Arc::new(request))
    }

    /// A request that has to be put differently in different versions: it is made when the version is known, for each
    /// attempt, on whatever thread sends it. If it panics, the call fails with [`Error::Panicked`].
    ///
    /// ```
    /// use milena_core::Call;
    /// use milena_core::protocol::FindCoordinatorRequest;
    ///
    /// let call = Call::by_version(|version| match version {
    ///     ..4 => FindCoordinatorRequest { key: "group".into(), ..Default::default() },
    ///     _ => FindCoordinatorRequest { coordinator_keys: vec!["group".into()], ..Default::default() },
    /// });
    /// ```
    pub fn by_version(make: impl Fn(i16) -> R + Send + Sync + 'static) -> Self {
        Call::of(Arc::new(ByVersion::new(make)))
    }

    fn of(request: Arc<dyn AnyRequest>) -> Self {
        let ask = Ask { lane: Lane::Call, retry_refused: false, ..Ask::new(request, Target::Any) };
        Call { ask, versions: *R::VERSIONS.start()..=R::STABLE, request: PhantomData }
    }

    /// Whom it must reach. Default: [`Target::Any`].
    pub fn to(mut self, target: Target) -> Self {
        self.ask.target = target;
        self
    }

    /// Sends it in exactly this version.
    pub fn version(self, version: i16) -> Self {
        self.versions(version..=version)
    }

    /// Sends it in the newest of these versions that the broker knows. Default: those whose layout is final; others
    /// (InitProducerId 6) are used only if the range names them.
    pub fn versions(mut self, versions: RangeInclusive<i16>) -> Self {
        self.versions = versions;
        self
    }

    /// How long it may take in all, instead of [`api_timeout`](crate::Config::api_timeout); the broker may take as long
    /// too, instead of [`request_timeout`](crate::Config::request_timeout). For requests that wait, such as JoinGroup.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.ask.timeout = Some(timeout);
        self
    }

    /// Doing it twice is as good as once: it is sent again when a connection ended without an answer. Default: never,
    /// once it may have reached a broker.
    pub fn repeatable(mut self) -> Self {
        self.ask.repeatable = true;
        self
    }

    /// As the machine takes it, after a look at what can't work.
    pub(crate) fn checked(self, answered: bool) -> Result<Ask, Error> {
        let Call { mut ask, versions, .. } = self;
        let (first, last) = (*versions.start(), *versions.end());
        if first > last {
            let reason = format!("no version is in the range {first} to {last}");
            return Err(Error::Config { setting: "versions", reason });
        }
        ask.versions = (first.max(*R::VERSIONS.start()), last.min(*R::VERSIONS.end()));
        if ask.versions.0 > ask.versions.1 {
            return Err(Error::InvalidRequest(WireError {
                message: R::NAME,
                version: first,
                field: String::new(),
                offset: 0,
                fault: WireFault::UnknownVersion { known: R::VERSIONS },
            }));
        }
        ask.answered = answered;
        if ask.request.is_answered(ask.versions.1) == answered {
            return Ok(ask);
        }
        let reason = match answered {
            true => "no broker answers a Produce with acks=0: `send_unanswered` is for that",
            false => "brokers answer every request but Produce with acks=0: `call` is for that",
        };
        Err(Error::Config { setting: "acks", reason: reason.to_owned() })
    }
}

impl<R: Request> From<R> for Call<R> {
    fn from(request: R) -> Self {
        Call::new(request)
    }
}

impl<R: Request> fmt::Debug for Call<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Call { ask, versions, .. } = self;
        write!(f, "{} in version {versions:?} to {:?}", R::NAME, ask.target)
    }
}

impl Client {
    /// Sends any request of Kafka's [protocol](crate::protocol), in any version, to any broker, leader, coordinator or
    /// controller, and waits for its answer.
    ///
    /// The client finds the broker (Metadata, FindCoordinator), waits where there is none for the moment, and keeps
    /// what it found until an answer shows that it is out of date. The answer is the caller's to read, error codes
    /// included; the call fails only if there is none. Calls have a connection of their own to each broker, which
    /// answers them in order: one that waits there holds up those behind it, but neither writers nor readers.
    ///
    /// ```no_run
    /// use milena_core::protocol::list_offsets::{ListOffsetsPartition, ListOffsetsTopic};
    /// use milena_core::protocol::{ListOffsetsRequest, MetadataRequest};
    /// use milena_core::{Call, Client, Error, Target};
    ///
    /// async fn latest(client: &Client) -> Result<i64, Error> {
    ///     let answer = client.call(MetadataRequest::default()).await?;
    ///     println!("{} brokers, says {:?} in version {}", answer.response.brokers.len(), answer.broker, answer.version);
    ///
    ///     let partition = ListOffsetsPartition { partition_index: 3, timestamp: -1, ..Default::default() };
    ///     let topic = ListOffsetsTopic { name: "events".into(), partitions: vec![partition], ..Default::default() };
    ///     let request = ListOffsetsRequest { topics: vec![topic], ..Default::default() };
    ///     let answer = client.call(Call::new(request).to(Target::leader("events", 3)).version(7)).await?;
    ///     Ok(answer.response.topics[0].partitions[0].offset)
    /// }
    /// ```
    ///
    /// # Errors
    /// Before anything is sent: [`Error::InvalidRequest`] for a version that this release does not have, or a value that
    /// the version can't say; [`Error::Unsupported`] if the broker knows none of the versions; [`Error::UnknownTopic`],
    /// [`Error::UnknownPartition`] and [`Error::UnknownBroker`], after [`topic_grace`](crate::Config::topic_grace);
    /// [`Error::Rejected`] if the topic or coordinator may not be looked up; [`Error::Config`] for a Produce with acks=0,
    /// which is [`send_unanswered`](Client::send_unanswered)'s.
    ///
    /// [`Error::Connection`] if it was sent and its connection ended: it is not known whether it was done. Until it is
    /// sent, a lost connection is followed by another try, until [`Error::Timeout`].
    ///
    /// # Cancel safety
    /// Dropped before its request was handed to a connection, it is taken back and never sent. Dropped later, the broker may
    /// still do it, once at most, and the answer is passed over; if none comes within its time, that ends the connection as
    /// ever. Either way nothing of it stays in the client.
    pub async fn call<R: Request>(&self, call: impl Into<Call<R>>) -> Result<Answer<R::Response>, Error> {
        let ask = call.into().checked(true)?;
        let answer = self.shared.gate.ask(ask).await?;
        let answer = answer.and_then(|answer| {
            let (version, broker) = (answer.version, answer.broker);
            Some(Answer { response: answer.take::<R>()?, version, broker })
        });
        answer.ok_or(Error::Closed)
    }

    /// Sends a request that no broker answers, which is only Produce with acks=0: done when it is handed to the
    /// connection. Whether it arrives is never known.
    ///
    /// # Errors
    /// Those of [`call`](Client::call) but for what comes after sending; [`Error::Config`] for a request with an answer.
    ///
    /// # Cancel safety
    /// Dropped before its request was handed to a connection, it is taken back and never sent. Dropped later, it may arrive,
    /// once at most.
    pub async fn send_unanswered<R: Request>(&self, call: impl Into<Call<R>>) -> Result<(), Error> {
        let ask = call.into().checked(false)?;
        self.shared.gate.ask(ask).await.map(drop)
    }
}
