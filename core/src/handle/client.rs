//! The client as users hold it.

use std::fmt;
use std::sync::Arc;

use crate::cluster::Target;
use crate::config::Config;
use crate::connection::{AnyRequest, ByVersion};
use crate::error::Error;
use crate::gate::{Driver, Gate};
use crate::machine::{Ask, Command, Outstanding};
use crate::protocol::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use crate::protocol::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use crate::protocol::{ErrorCode, Request};
#[cfg(feature = "recording")]
use crate::recording::Recording;
use crate::wire::Str;

/// A client of one Kafka cluster: from it come writers and readers, which share its connections and metadata.
///
/// Clones are the same client. It ends with [`close`](Client::close), or when the last clone, writer and reader are
/// dropped; records that were not acknowledged by then are lost, so close writers first.
#[derive(Clone)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) gate: Arc<Gate>,
    config: Arc<Config>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.gate.shut_down();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("client_id", &self.shared.config.client_id).finish_non_exhaustive()
    }
}

/// A topic to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions; -1 for the brokers' default (Kafka 2.4 and later).
    pub partitions: i32,
    /// Replicas of each partition; -1 for the brokers' default (Kafka 2.4 and later).
    pub replication_factor: i16,
    /// Topic configs, such as `retention.ms`.
    pub configs: Vec<(String, String)>,
}

impl NewTopic {
    /// A topic with so many partitions of one replica each, and no configs.
    pub fn new(name: &str, partitions: i32) -> Self {
        NewTopic { name: name.to_owned(), partitions, replication_factor: 1, configs: Vec::new() }
    }
}

impl Client {
    /// A client on a driver of one's own; runtimes have a shorter way. `seed` should be random in production (it
    /// spreads retries of many clients) and chosen in a simulation.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn new(config: Config, seed: [u8; 32], driver: Box<dyn Driver>) -> Result<Self, Error> {
        config.check()?;
        let config = Arc::new(config);
        let gate = Gate::new(config.clone(), seed, driver);
        Ok(Client { shared: Arc::new(Shared { gate, config }) })
    }

    /// The gate to this client's machine, for its driver.
    pub fn gate(&self) -> &Arc<Gate> {
        &self.shared.gate
    }

    /// Waits until a first broker has answered.
    ///
    /// Writers and readers do without: this is for those who want to know early.
    ///
    /// # Errors
    /// [`Error::Bootstrap`] names each bootstrap server with its last failure: after
    /// [`bootstrap_timeout`](Config::bootstrap_timeout), or at once when none of them is a Kafka that this client can talk to.
    ///
    /// # Cancel safety
    /// Dropped anywhere, it changes nothing: what it began to connect goes on, for whoever comes next.
    pub async fn connect(&self) -> Result<(), Error> {
        self.shared.gate.start(Command::Connect).await.map(drop)
    }

    /// Creates a topic. Brokers may take a moment longer to know it all; writers and readers wait for that by themselves.
    ///
    /// # Errors
    /// [`Error::Rejected`] with `TOPIC_ALREADY_EXISTS`, `INVALID_REPLICATION_FACTOR` and others;
    /// [`Error::Connection`] if it is not known whether the topic was created.
    ///
    /// # Cancel safety
    /// That of [`call`](Client::call): it is never sent, or done once at most.
    pub async fn create_topic(&self, topic: NewTopic) -> Result<(), Error> {
        let configs = topic.configs.iter().map(|(name, value)| CreatableTopicConfig {
            name: Str::from(name),
            value: Some(Str::from(value)),
            ..Default::default()
        });
        let creatable = CreatableTopic {
            name: Str::from(&topic.name),
            num_partitions: topic.partitions,
            replication_factor: topic.replication_factor,
            configs: configs.collect(),
            ..Default::default()
        };
        let request = CreateTopicsRequest {
            topics: vec![creatable],
            timeout_ms: self.broker_timeout_ms(),
            ..Default::default()
        };
        let answer = self.ask::<CreateTopicsRequest>(Arc::new(request), Target::Controller).await?;
        let result = answer.topics.first();
        self.checked::<CreateTopicsRequest>(
            result.map(|result| (result.error_code, result.error_message.clone())),
            &topic.name,
        )
    }

    /// Deletes a topic.
    ///
    /// # Errors
    /// [`Error::Rejected`] with `UNKNOWN_TOPIC_OR_PARTITION` and others.
    ///
    /// # Cancel safety
    /// That of [`call`](Client::call): it is never sent, or done once at most.
    pub async fn delete_topic(&self, topic: &str) -> Result<(), Error> {
        let (name, timeout_ms) = (Str::from(topic), self.broker_timeout_ms());
        let request = ByVersion::new(move |version| {
            let topic = DeleteTopicState { name: Some(name.clone()), ..Default::default() };
            DeleteTopicsRequest {
                // Since version 6, which could name them by id (KIP-516).
                topics: if version >= 6 { vec![topic] } else { Vec::new() },
                topic_names: vec![name.clone()],
                timeout_ms,
                ..Default::default()
            }
        });
        let answer = self.ask::<DeleteTopicsRequest>(Arc::new(request), Target::Controller).await?;
        let result = answer.responses.first();
        self.checked::<DeleteTopicsRequest>(result.map(|r| (r.error_code, r.error_message.clone())), topic)
    }

    /// Ends the client: calls under way fail with [`Error::Closed`], connections are closed.
    pub fn close(&self) {
        self.shared.gate.shut_down();
    }

    /// What it has under way just now.
    pub fn outstanding(&self) -> Outstanding {
        self.shared.gate.outstanding()
    }

    /// What happened last, if [`Config::recording`] says that it is kept: to be saved, and replayed elsewhere. It can be had at any
    /// time, after the client's end too, and a copy of it is made: as many bytes as are kept.
    #[cfg(feature = "recording")]
    pub fn recording(&self) -> Option<Recording> {
        self.shared.gate.recording()
    }

    fn broker_timeout_ms(&self) -> i32 {
        (self.shared.config.request_timeout / 4 * 3).as_millis().try_into().unwrap_or(i32::MAX)
    }

    fn checked<R: Request>(
        &self,
        result: Option<(ErrorCode, Option<Str>)>,
        subject: &str,
    ) -> Result<(), Error> {
        let (code, message) = result.unwrap_or((ErrorCode::UNKNOWN_SERVER_ERROR, None));
        if code.is_ok() {
            return Ok(());
        }
        let message = message.map_or_else(|| format!("topic {subject:?}"), |message| message.to_string());
        Err(Error::Rejected { api: R::KEY, code, message: Some(message) })
    }

    async fn ask<R: Request>(
        &self,
        request: Arc<dyn AnyRequest>,
        target: Target,
    ) -> Result<R::Response, Error> {
        let answer = self.shared.gate.ask(Ask::new(request, target)).await?;
        answer.and_then(|answer| answer.take::<R>()).ok_or(Error::Closed)
    }
}
