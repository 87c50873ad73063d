//! Real Apache Kafka brokers, started from Maven's jars on free ports of 127.0.0.1.
//!
//! Any release from 0.10.1 on runs: below 3.3 with a ZooKeeper, from 3.3 on in KRaft mode with combined nodes.
//! [`KafkaOptions::start`] returns when every node answers and lists its peers; nothing that was started outlives its
//! [`Kafka`], nor the process that holds it, however that ends.
//!
//! ```no_run
//! use milena_conformance::kafka::Kafka;
//!
//! let mut kafka = Kafka::builder().version("4.3.1").nodes(3).property("min.insync.replicas", "1").start()?;
//! println!("{}", kafka.bootstrap());
//! kafka.kill(2);
//! kafka.restart(2)?;
//! kafka.stop();
//! # Ok::<(), milena_conformance::kafka::KafkaError>(())
//! ```

mod error;
mod jars;
mod launch;
mod node;
mod probe;
mod process;
pub(crate) mod program;
mod releases;

use std::env;
use std::fmt;
use std::time::{Duration, Instant};

pub use error::KafkaError;
pub use program::tool;

pub(crate) use error::tail;
use jars::Java;
use launch::Cluster;
use node::Node;
use process::Signal;
use releases::Release;

/// A clean shutdown takes up to 5 s; a broker that is still there then hangs, and gets killed.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// Whether Java 17 or later and Maven are there: what every first start of a release needs.
///
/// # Errors
///
/// Says which of them is missing and how to get it.
pub fn available() -> Result<(), KafkaError> {
    Java::find()?;
    jars::maven()?;
    Ok(())
}

/// Whether `test` can run here; prints why not.
///
/// # Panics
///
/// When it can't run but must: under `CI=true` or `MILENA_REQUIRE_KAFKA=1` no test is skipped in silence.
#[must_use]
pub fn available_for(test: &str) -> bool {
    let Err(error) = available() else { return true };
    skip(test, &error);
    false
}

/// Prints why `test` is skipped; panics where none may be.
pub(crate) fn skip(test: &str, error: &KafkaError) {
    let is_set = |name| env::var_os(name).is_some_and(|value| value == "1" || value == "true");
    assert!(!is_set("CI") && !is_set("MILENA_REQUIRE_KAFKA"), "{test} must run: {error}");
    println!("{test} is skipped: {error}");
}

/// What to start; see [`Kafka::builder`].
#[derive(Clone, Debug)]
#[must_use = "nothing runs until `start`"]
pub struct KafkaOptions {
    version: String,
    nodes: u16,
    properties: Vec<(String, String)>,
    listeners: Vec<(String, String)>,
    format_arguments: Vec<String>,
    start_limit: Duration,
    progress: fn(&str),
}

impl KafkaOptions {
    /// The release, such as `"2.8.2"` or `"0.11.0.3"`; 4.3.1 by default.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// How many brokers, 1 (the default) or 3; three keep three replicas, two of them in sync, and elect quickly.
    pub fn nodes(mut self, nodes: u16) -> Self {
        self.nodes = nodes;
        self
    }

    /// A broker property for every node, before the launcher's own; the value is taken as it is, unescaped.
    pub fn property(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.push((key.into(), value.into()));
        self
    }

    /// A further listener of every node, on a free port: a name of letters and its security protocol, such as
    /// `("TLS", "SSL")`; see [`Kafka::bootstrap_of`]. What it needs beside the port goes into properties.
    pub fn listener(mut self, name: impl Into<String>, protocol: impl Into<String>) -> Self {
        self.listeners.push((name.into(), protocol.into()));
        self
    }

    /// A further argument for the formatting of a KRaft node, such as `--feature` and then `share.version=1`.
    pub fn format_argument(mut self, argument: impl Into<String>) -> Self {
        self.format_arguments.push(argument.into());
        self
    }

    /// How long each of the nodes may take to become ready: 120 s by default, many times what an idle machine needs.
    pub fn start_limit(mut self, limit: Duration) -> Self {
        self.start_limit = limit;
        self
    }

    /// Who is told of the steps that take long; nobody by default.
    pub fn progress(mut self, progress: fn(&str)) -> Self {
        self.progress = progress;
        self
    }

    /// Starts everything and waits until it is ready.
    ///
    /// The first start of a release fetches its jars, and runs it once to archive its loaded classes: half a minute.
    ///
    /// # Errors
    ///
    /// Whatever is missing, contradictory or refused, and a process that ends or is not ready in time, with its log.
    pub fn start(self) -> Result<Kafka, KafkaError> {
        let release = Release::parse(&self.version)?;
        self.check()?;
        Ok(Kafka { cluster: Cluster::start(self, release)? })
    }

    fn check(&self) -> Result<(), KafkaError> {
        if !matches!(self.nodes, 1 | 3) {
            return Err(KafkaError::Options(format!("a Kafka of {} nodes: it is 1 or 3", self.nodes)));
        }
        let is_key = |key: &str| {
            !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        };
        for (key, _) in &self.properties {
            if !is_key(key) {
                return Err(KafkaError::Options(format!("{key:?} is no property's name")));
            }
        }
        for (index, (name, protocol)) in self.listeners.iter().enumerate() {
            if !is_key(name) || !is_key(protocol) {
                return Err(KafkaError::Options(format!(
                    "{name:?}={protocol:?} is no listener and protocol"
                )));
            }
            let mut taken = self.listeners[..index].iter().map(|(name, _)| name.as_str());
            if matches!(name.as_str(), "PLAINTEXT" | "CONTROLLER") || taken.any(|other| other == name) {
                return Err(KafkaError::Options(format!("there is a listener {name:?} already")));
            }
        }
        Ok(())
    }
}

/// A running Kafka: one broker or three. Dropping it kills everything; [`Kafka::stop`] shuts it down in order.
pub struct Kafka {
    cluster: Cluster,
}

impl fmt::Debug for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kafka")
            .field("version", &self.version())
            .field("bootstrap", &self.bootstrap())
            .finish()
    }
}

impl Kafka {
    /// Options to start from: one broker of release 4.3.1.
    pub fn builder() -> KafkaOptions {
        KafkaOptions {
            version: "4.3.1".to_owned(),
            nodes: 1,
            properties: Vec::new(),
            listeners: Vec::new(),
            format_arguments: Vec::new(),
            start_limit: Duration::from_secs(120),
            progress: |_| (),
        }
    }

    /// The PLAINTEXT addresses of all nodes, `host:port` with commas between.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.addresses(0)
    }

    /// The same of a listener asked for by [`KafkaOptions::listener`]; `None` if there is no such one.
    #[must_use]
    pub fn bootstrap_of(&self, listener: &str) -> Option<String> {
        let listeners = &self.cluster.nodes[0].listeners;
        Some(self.addresses(listeners.iter().position(|it| it.name == listener)?))
    }

    fn addresses(&self, listener: usize) -> String {
        let address = |node: &Node| format!("127.0.0.1:{}", node.listeners[listener].port);
        self.cluster.nodes.iter().map(address).collect::<Vec<_>>().join(",")
    }

    /// The release that runs.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.cluster.options.version
    }

    /// How many nodes there are, running or not; their ids are Kafka's, from 1 to this.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.cluster.nodes.len()
    }

    /// What the node has logged since it last started, at most the last 256 KiB; empty while it is down.
    ///
    /// # Panics
    ///
    /// When there is no node of that id, as in all methods that take one.
    #[must_use]
    pub fn log(&mut self, node: usize) -> String {
        self.cluster.node(node).process.as_ref().map(process::Process::log).unwrap_or_default()
    }

    /// Kills the node of that id as kill -9 does, and returns when it is gone.
    pub fn kill(&mut self, node: usize) {
        self.cluster.node(node).process = None;
    }

    /// Shuts the node down as SIGTERM does, its leaderships handed over first, and returns when it is gone.
    pub fn shut_down(&mut self, node: usize) {
        if let Some(mut process) = self.cluster.node(node).process.take() {
            process.signal(Signal::Terminate);
            process.wait(STOP_LIMIT);
        }
    }

    /// Freezes the node as SIGSTOP does, and returns when it stands still: its connections stay open and nothing on them is
    /// answered.
    pub fn pause(&mut self, node: usize) {
        let node = self.cluster.node(node);
        if let Some(process) = &mut node.process {
            process.stop();
            node.paused = true;
        }
    }

    /// Lets a paused node go on.
    pub fn resume(&mut self, node: usize) {
        let node = self.cluster.node(node);
        if let Some(process) = &mut node.process {
            process.signal(Signal::Continue);
            node.paused = false;
        }
    }

    /// Starts the node again on its old ports and data, and waits until it is ready; kills it first if it runs.
    ///
    /// After a kill Kafka itself waits for the old session to end: 5 to 20 s, by the release.
    ///
    /// # Errors
    ///
    /// When the node ends for another reason than its old session, or is not ready in time.
    pub fn restart(&mut self, node: usize) -> Result<(), KafkaError> {
        self.kill(node);
        self.cluster.restart(node)
    }

    /// Shuts all nodes down as SIGTERM does, kills what does not end within 15 s, and removes the data.
    pub fn stop(mut self) {
        self.cluster.shut_down(Instant::now() + STOP_LIMIT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(options: KafkaOptions, reason: &str) {
        let error = options.start().expect_err("refused").to_string();
        assert!(error.contains(reason), "{error}");
    }

    #[test]
    fn contradictory_options_are_refused_before_anything_runs() {
        refused(Kafka::builder().version("4.x"), "\"4.x\": a release is numbers");
        refused(Kafka::builder().nodes(2), "2 nodes: it is 1 or 3");
        refused(Kafka::builder().property("a b", "c"), "\"a b\" is no property's name");
        refused(Kafka::builder().listener("CONTROLLER", "SSL"), "listener \"CONTROLLER\" already");
        refused(Kafka::builder().listener("TLS", "SSL").listener("TLS", "SSL"), "listener \"TLS\" already");
        refused(Kafka::builder().listener("T:S", "SSL"), "no listener and protocol");
    }
}
