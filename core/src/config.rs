//! Typed settings with their defaults and units, checked before anything starts.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::balancer::{Balancer, Murmur2};
use crate::error::Error;
use crate::record::{Compression, Encoding, MessageFormat};

/// Host and port of a broker.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Address {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl Address {
    /// Where a broker listens, as an answer tells it; none if that is no port.
    pub(crate) fn of_broker(host: &str, port: i32) -> Option<Self> {
        Some(Address { host: host.to_owned(), port: u16::try_from(port).ok()? })
    }
}

impl FromStr for Address {
    type Err = Error;

    /// `host:port`, `[::1]:port`, or a bare host for port 9092.
    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |why: &str| Error::Config { setting: "bootstrap", reason: format!("{text:?}: {why}") };
        let text = text.trim();
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or_else(|| wrong("'[' without ']'"))?;
                (host, rest.strip_prefix(':'))
            }
            // More than one colon without brackets is a bare IPv6 address.
            None if text.matches(':').count() > 1 => (text, None),
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c == '/' || c == ',') {
            return Err(wrong("expected host:port"));
        }
        let port = match port {
            Some(port) => port
                .parse()
                .ok()
                .filter(|port| *port != 0)
                .ok_or_else(|| wrong("the port is no number from 1 to 65535"))?,
            None => 9092,
        };
        Ok(Address { host: host.to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Settings of a client: whom to talk to, and how patiently.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Config {
    /// Where to start: `host:port` of one or more brokers. The rest of the cluster is learnt from them.
    pub bootstrap: Vec<Address>,
    /// Name of this client in the brokers' logs and quotas. Default: `milena`.
    pub client_id: String,
    /// How long [`connect`](crate::Client::connect), and a reader opened before, may take to find a first broker.
    /// Default: 10 s.
    pub bootstrap_timeout: Duration,
    /// How long one TCP connect (and TLS handshake) may take. Default: 10 s.
    pub connect_timeout: Duration,
    /// How long a broker may take to answer one request, its own waiting included. Default: 30 s (= Java).
    pub request_timeout: Duration,
    /// How long one call that is neither a read nor a write may take with all its retries; also how long a reader tries
    /// to reach its topic's leaders for the first time. Default: 60 s (= Java).
    pub api_timeout: Duration,
    /// First and longest wait before something that failed is tried again; doubles in between, a fifth more or less
    /// by chance (KIP-580). Default: 100 ms and 1 s (= Java).
    pub backoff: (Duration, Duration),
    /// Age at which metadata is fetched anew without any cause. Default: 5 min (= Java).
    pub metadata_max_age: Duration,
    /// How long a topic may be unknown to the brokers before it counts as missing. Default: 3 s, in which a topic
    /// just created gets known to every broker.
    pub topic_grace: Duration,
    /// Requests on one connection without an answer. Default: 5, as many as a broker remembers of an idempotent
    /// producer. Range 1 to 5.
    pub max_in_flight: usize,
    /// Largest answer accepted, in bytes. Default: 128 MiB: above the 50 MiB of a fetch, below what would hurt.
    pub max_frame_bytes: usize,
    /// Whether naming an unknown topic may create it, if the brokers allow that too. Default: false. Brokers before
    /// 0.11 can't be told: there it is as if true.
    pub allow_auto_topic_creation: bool,
    /// Whether the client keeps a recording of what happened last ([`Client::recording`](crate::Client::recording)).
    /// Default: none.
    #[cfg(feature = "recording")]
    pub recording: Option<RecordingConfig>,
}

impl Config {
    /// Defaults, with the bootstrap servers as `host:port,host:port`.
    ///
    /// # Errors
    /// [`Error::Config`] if the list is empty or an address can't be parsed.
    ///
    /// ```
    /// let config = milena_core::Config::new("localhost:9092,[::1]:9093")?;
    /// assert_eq!(config.bootstrap[1].to_string(), "[::1]:9093");
    /// assert!(milena_core::Config::new("localhost:http").is_err());
    /// # Ok::<(), milena_core::Error>(())
    /// ```
    pub fn new(bootstrap: &str) -> Result<Self, Error> {
        let bootstrap = bootstrap
            .split(',')
            .filter(|address| !address.trim().is_empty())
            .map(str::parse)
            .collect::<Result<Vec<_>, _>>()?;
        let config = Config {
            bootstrap,
            client_id: "milena".to_owned(),
            bootstrap_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            api_timeout: Duration::from_secs(60),
            backoff: (Duration::from_millis(100), Duration::from_secs(1)),
            metadata_max_age: Duration::from_secs(300),
            topic_grace: Duration::from_secs(3),
            max_in_flight: 5,
            max_frame_bytes: 128 << 20,
            allow_auto_topic_creation: false,
            #[cfg(feature = "recording")]
            recording: None,
        };
        config.check()?;
        Ok(config)
    }

    /// Whether the settings make sense together.
    ///
    /// # Errors
    /// [`Error::Config`] names the first that does not.
    pub fn check(&self) -> Result<(), Error> {
        rule(!self.bootstrap.is_empty(), "bootstrap", "no address given")?;
        rule(self.client_id.len() <= i16::MAX as usize, "client_id", "longer than 32,767 bytes")?;
        rule(!self.bootstrap_timeout.is_zero(), "bootstrap_timeout", "must not be zero")?;
        rule(!self.connect_timeout.is_zero(), "connect_timeout", "must not be zero")?;
        rule(!self.request_timeout.is_zero(), "request_timeout", "must not be zero")?;
        rule(!self.api_timeout.is_zero(), "api_timeout", "must not be zero")?;
        let paused = self.backoff.0 >= Duration::from_millis(1);
        rule(paused, "backoff", "must be 1 ms or more: it would retry without a pause")?;
        rule(self.backoff.0 <= self.backoff.1, "backoff", "the first wait is longer than the longest")?;
        rule(!self.metadata_max_age.is_zero(), "metadata_max_age", "must not be zero")?;
        rule((1..=5).contains(&self.max_in_flight), "max_in_flight", "must be from 1 to 5")?;
        rule(self.max_frame_bytes >= 1 << 20, "max_frame_bytes", "must be 1 MiB or more")?;
        #[cfg(feature = "recording")]
        rule(self.recording.is_none_or(|recording| recording.bytes >= 1024), "recording", "less than 1 KiB")?;
        Ok(())
    }
}

/// How much a client keeps of what happened last; record data and secrets are left out.
#[cfg(feature = "recording")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RecordingConfig {
    /// Bytes of what went in that are kept, at most, unless one input or the client's state is larger than half of it; at
    /// least half of it is always there. The client's state at the beginning of each half comes on top. Default: 1 MiB.
    pub bytes: usize,
    /// Whether the data of records is kept, too, which copies all that is written and read, under the client's lock, and fills
    /// the recording with it. Default: false.
    pub data: bool,
}

#[cfg(feature = "recording")]
impl Default for RecordingConfig {
    fn default() -> Self {
        RecordingConfig { bytes: 1 << 20, data: false }
    }
}

/// Which replicas must have a batch before the broker acknowledges it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Acks {
    /// No answer at all: a record counts as written when it was handed to the socket.
    None,
    /// The leader has it.
    Leader,
    /// All in-sync replicas have it. The only one that allows idempotence.
    All,
}

impl Acks {
    pub(crate) fn id(self) -> i16 {
        match self {
            Acks::None => 0,
            Acks::Leader => 1,
            Acks::All => -1,
        }
    }
}

impl FromStr for Acks {
    type Err = Error;

    /// Kafka's words: `0`, `1`, `-1` or `all`.
    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "0" => Ok(Acks::None),
            "1" => Ok(Acks::Leader),
            "-1" | "all" => Ok(Acks::All),
            _ => Err(Error::Config { setting: "acks", reason: format!("{text:?} is none of 0, 1, all") }),
        }
    }
}

/// Brokers take no longer names of topics; longer ones would keep a request from being encoded at all.
pub(crate) const MAX_TOPIC_BYTES: usize = 249;

/// Settings of a writer.
#[derive(Clone)]
#[non_exhaustive]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct WriterConfig {
    /// Topic of records that name none. Default: none.
    pub topic: Option<Arc<str>>,
    /// Default: all in-sync replicas.
    pub acks: Acks,
    /// Whether the broker is to drop what a retry would write twice (KIP-98). Default: true with `acks` all. Brokers
    /// before 0.11 can't: records for them fail until it is turned off.
    pub idempotence: bool,
    /// Codec of the batches. Default: none.
    pub compression: Compression,
    /// The codec's level (KIP-390): gzip 1 to 9, zstd -131072 to 22, lz4 1 to 17 in a build with the feature `lz4-c`;
    /// [`Compression::levels`] tells. Default: none, which is the codec's own default.
    pub compression_level: Option<i32>,
    /// How long a batch that is not full waits for more records even if nothing is in flight. Default: 0; records
    /// still gather while an earlier batch is in flight.
    pub linger: Duration,
    /// Size at which a batch is full, in bytes before compression; also the limit of one record. Default: 1 MiB.
    pub batch_bytes: usize,
    /// Bytes of one produce request at most, unless one batch alone is larger. Default: 8 MiB: a batch for each of
    /// some partitions, below the 100 MiB that brokers accept.
    pub request_bytes: usize,
    /// Bytes that unacknowledged records may hold; more wait. Default: 64 MiB.
    pub buffer_bytes: usize,
    /// How long from its batch's first record a record may take to be acknowledged, retries included. Default: 120 s.
    pub delivery_timeout: Duration,
    /// How long a write may wait for metadata or for room in the buffer. Default: 60 s (= Java's max.block.ms).
    pub max_block: Duration,
    /// Picks the partition. Default: [`Murmur2`], as Java does.
    #[cfg_attr(feature = "recording", serde(skip, default = "murmur2"))]
    pub balancer: Arc<dyn Balancer>,
}

impl Default for WriterConfig {
    fn default() -> Self {
        WriterConfig {
            topic: None,
            acks: Acks::All,
            idempotence: true,
            compression: Compression::None,
            compression_level: None,
            linger: Duration::ZERO,
            batch_bytes: 1 << 20,
            request_bytes: 8 << 20,
            buffer_bytes: 64 << 20,
            delivery_timeout: Duration::from_secs(120),
            max_block: Duration::from_secs(60),
            balancer: murmur2(),
        }
    }
}

fn murmur2() -> Arc<dyn Balancer> {
    Arc::new(Murmur2)
}

impl fmt::Debug for WriterConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriterConfig")
            .field("topic", &self.topic)
            .field("acks", &self.acks)
            .finish_non_exhaustive()
    }
}

impl WriterConfig {
    /// Defaults, with a default topic.
    pub fn new(topic: &str) -> Self {
        WriterConfig { topic: Some(topic.into()), ..WriterConfig::default() }
    }

    /// Sets when a write counts as done; anything but all replicas turns idempotence off.
    #[must_use]
    pub fn acks(mut self, acks: Acks) -> Self {
        self.acks = acks;
        self.idempotence &= acks == Acks::All;
        self
    }

    /// Whether the settings make sense together.
    ///
    /// # Errors
    /// [`Error::Config`] names the first that does not.
    pub fn check(&self) -> Result<(), Error> {
        rule(!self.idempotence || self.acks == Acks::All, "idempotence", "needs acks = all")?;
        rule(self.topic.as_deref() != Some(""), "topic", "must not be empty")?;
        let length = self.topic.as_ref().map_or(0, |topic| topic.len());
        rule(length <= MAX_TOPIC_BYTES, "topic", "longer than 249 bytes")?;
        rule(self.batch_bytes >= 128, "batch_bytes", "must be 128 or more")?;
        rule(self.batch_bytes <= 1 << 30, "batch_bytes", "must be 1 GiB or less")?;
        rule(self.request_bytes >= self.batch_bytes, "request_bytes", "smaller than batch_bytes")?;
        rule(self.buffer_bytes >= self.batch_bytes, "buffer_bytes", "smaller than batch_bytes")?;
        rule(self.delivery_timeout > self.linger, "delivery_timeout", "not longer than linger")?;
        rule(!self.max_block.is_zero(), "max_block", "must not be zero")?;
        rule(
            self.compression.is_compiled(),
            "compression",
            "the codec is not compiled in: turn its feature on",
        )?;
        let format = MessageFormat::default();
        let encoding = Encoding { format, compression: self.compression, level: self.compression_level };
        encoding
            .check()
            .map_err(|error| Error::Config { setting: "compression_level", reason: error.to_string() })
    }
}

/// Where a reader starts in each partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Start {
    /// At the first offset that the log still has.
    First,
    /// Behind the last record.
    Last,
    /// At this offset.
    Offset(i64),
    /// At the first record with this timestamp (milliseconds since the epoch) or a later one; at the end if there is none.
    Timestamp(i64),
}

/// Where a reader ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Until {
    /// Never: it waits for new records.
    Forever,
    /// When it has read what each partition held at its start.
    End,
}

/// What a reader does when its offset is not in the log (any more).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Reset {
    /// Goes on at the first offset there is.
    First,
    /// Goes on behind the last record.
    Last,
    /// Returns [`Error::OffsetOutOfRange`].
    Error,
}

/// Which records of transactions a reader sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Isolation {
    /// Only those of committed transactions, and those outside of any.
    ReadCommitted,
    /// All.
    ReadUncommitted,
}

/// Settings of a reader.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct ReaderConfig {
    /// The topic to read.
    pub topic: Arc<str>,
    /// The partitions to read. Default: all that the topic has when the reader starts.
    pub partitions: Option<Vec<i32>>,
    /// Where to start. Default: [`Start::First`].
    pub start: Start,
    /// Where to end. Default: [`Until::Forever`].
    pub until: Until,
    /// What to do when the offset is not in the log. Default: [`Reset::First`].
    pub reset: Reset,
    /// Default: [`Isolation::ReadCommitted`].
    pub isolation: Isolation,
    /// Bytes that a fetch waits for, at most `max_wait`. Default: 1.
    pub min_bytes: i32,
    /// Bytes of one fetch at most (the first batch always comes whole). Default: 50 MiB (= Java).
    pub max_bytes: i32,
    /// Bytes of one partition in one fetch at most. Default: 1 MiB (= Java).
    pub partition_bytes: i32,
    /// How long a broker holds a fetch back while it has fewer than `min_bytes`. Default: 500 ms.
    pub max_wait: Duration,
    /// Bytes that were fetched and not yet read, at most; fetching stops there. What was read is used again for what comes
    /// next: each broker's connection keeps up to 16 MiB while large answers come. Default: 64 MiB.
    pub buffer_bytes: usize,
    /// Bytes that one batch may decompress to. Default: 256 MiB.
    pub max_decompressed_bytes: usize,
    /// Whether each batch's CRC is checked. Default: true.
    pub check_crcs: bool,
}

impl ReaderConfig {
    /// Bytes of room that a fetch is worth: one for less than a partition's share would cost a round trip for crumbs.
    pub(crate) fn least_fetch_bytes(&self) -> usize {
        (self.partition_bytes as usize).min(self.buffer_bytes / 2)
    }

    /// Defaults, for all partitions of a topic.
    pub fn new(topic: &str) -> Self {
        ReaderConfig {
            topic: topic.into(),
            partitions: None,
            start: Start::First,
            until: Until::Forever,
            reset: Reset::First,
            isolation: Isolation::ReadCommitted,
            min_bytes: 1,
            max_bytes: 50 << 20,
            partition_bytes: 1 << 20,
            max_wait: Duration::from_millis(500),
            buffer_bytes: 64 << 20,
            max_decompressed_bytes: 256 << 20,
            check_crcs: true,
        }
    }

    /// Whether the settings make sense together.
    ///
    /// # Errors
    /// [`Error::Config`] names the first that does not.
    pub fn check(&self) -> Result<(), Error> {
        rule(!self.topic.is_empty(), "topic", "must not be empty")?;
        rule(self.topic.len() <= MAX_TOPIC_BYTES, "topic", "longer than 249 bytes")?;
        rule(self.partitions.as_ref().is_none_or(|p| !p.is_empty()), "partitions", "none chosen")?;
        rule(self.min_bytes >= 0, "min_bytes", "must not be negative")?;
        rule(
            self.max_bytes > 0 && self.max_bytes >= self.min_bytes,
            "max_bytes",
            "smaller than min_bytes, or not above 0",
        )?;
        rule(self.partition_bytes > 0, "partition_bytes", "must be above 0")?;
        rule(self.buffer_bytes >= 1 << 16, "buffer_bytes", "must be 64 KiB or more")?;
        rule(!matches!(self.start, Start::Offset(o) if o < 0), "start", "an offset must not be negative")?;
        rule(
            self.max_wait >= Duration::from_millis(1),
            "max_wait",
            "must be 1 ms or more: brokers would be asked without a pause",
        )?;
        rule(self.max_wait <= Duration::from_secs(600), "max_wait", "must be 10 minutes or less")
    }
}

fn rule(holds: bool, setting: &'static str, reason: &str) -> Result<(), Error> {
    match holds {
        true => Ok(()),
        false => Err(Error::Config { setting, reason: reason.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let parse = |text: &str| text.parse::<Address>().map(|a| (a.host, a.port)).ok();
        assert_eq!(parse("kafka:9093"), Some(("kafka".into(), 9093)));
        assert_eq!(parse(" kafka "), Some(("kafka".into(), 9092)));
        assert_eq!(parse("[::1]:1"), Some(("::1".into(), 1)));
        assert_eq!(parse("::1"), Some(("::1".into(), 9092)));
        for wrong in ["", ":9092", "a:b", "a:0", "a:65536", "http://a:1", "a b:1", "[::1"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn settings_that_make_no_sense_are_named() {
        let setting = |result: Result<(), Error>| match result {
            Err(Error::Config { setting, .. }) => setting,
            other => panic!("{other:?}"),
        };
        let config = Config { max_in_flight: 6, ..Config::new("a").unwrap() };
        assert_eq!(setting(config.check()), "max_in_flight");
        for (compression, level, reason) in [
            (Compression::None, 1, "none has no levels"),
            (Compression::Snappy, 1, "snappy has no levels"),
            (Compression::Gzip, 0, "gzip has levels 1 to 9, not 0"),
            (Compression::Zstd, 23, "zstd has levels -131072 to 22, not 23"),
        ] {
            let compression_level = Some(level);
            let writer = WriterConfig { compression, compression_level, ..WriterConfig::default() };
            let reason = reason.to_owned();
            if compression.is_compiled() {
                assert_eq!(writer.check(), Err(Error::Config { setting: "compression_level", reason }));
            }
        }
        let writer = WriterConfig {
            compression: Compression::Gzip,
            compression_level: Some(9),
            ..WriterConfig::default()
        };
        assert_eq!(writer.check().is_ok(), Compression::Gzip.is_compiled());
        let writer = WriterConfig { acks: Acks::Leader, ..WriterConfig::default() };
        assert_eq!(setting(writer.check()), "idempotence");
        assert!(WriterConfig::default().acks(Acks::Leader).check().is_ok());
        let reader = ReaderConfig { start: Start::Offset(-1), ..ReaderConfig::new("t") };
        assert_eq!(setting(reader.check()), "start");
    }
}
