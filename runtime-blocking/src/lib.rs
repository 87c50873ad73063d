//! Milena on plain threads: blocking calls for the sans-IO Kafka client, with no async runtime anywhere.
//!
//! ```no_run
//! use milena_blocking::{Config, ReaderConfig, Record, Until, WriterConfig};
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = milena_blocking::connect(Config::new("localhost:9092")?)?;
//! let writer = client.writer(WriterConfig::new("events"))?;
//! let written = writer.write(Record::keyed("customer-7", "paid"))?;
//! println!("partition {} offset {:?}", written.partition, written.offset);
//!
//! let mut config = ReaderConfig::new("events");
//! config.until = Until::End;
//! for message in client.reader(config)? {
//!     println!("{:?}", message?.value);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Threads
//!
//! A client runs one thread for its clock and two for each connection. To each broker it has at most one connection for
//! metadata, one for writing, one for [calls](Client::call), and one for each reader: so `1 + 2 × brokers × (3 + readers)` threads at
//! most, however many records, topics and users' threads there are. A thread ends with its connection, or, while it connects, within
//! [`connect_timeout`](Config::connect_timeout). All handles are `Send + Sync`, for as many threads as one likes.
//!
//! # How long a call takes
//!
//! | call | at most |
//! | --- | --- |
//! | [`connect`] | [`bootstrap_timeout`](Config::bootstrap_timeout) |
//! | [`Client::create_topic`], [`delete_topic`](Client::delete_topic), [`call`](Client::call) | [`api_timeout`](Config::api_timeout), or [`Call::timeout`] |
//! | [`Writer::enqueue`] | [`max_block`](WriterConfig::max_block), or [`enqueue_timeout`](Writer::enqueue_timeout) |
//! | [`Delivery::wait`], [`Writer::flush`], [`close`](Writer::close) | [`delivery_timeout`](WriterConfig::delivery_timeout), or `…_timeout` of the same name |
//! | [`Writer::write`], [`write_all`](Writer::write_all) | the two above together |
//! | [`Reader::next`], [`next_batch`](Reader::next_batch) | until there is a record; or [`next_timeout`](Reader::next_timeout), [`next_batch_timeout`](Reader::next_batch_timeout) |
//!
//! # Shutting down
//!
//! [`Client::close`] ends all calls that wait on other threads at once, with [`Error::Closed`]. A handler of signals must not
//! call it from the signal's own context, where nearly nothing is allowed, but from a thread that was told of the signal, as
//! the crates `signal-hook` and `ctrlc` have it. Calls are not disturbed by signals: what a signal interrupts is taken up again.
//!
//! # In async code, and after a fork
//!
//! A call blocks its thread, which it takes for its caller's own. In a task of an async runtime it comes to its end all the same, as the client's
//! own threads do the work, but until then the tasks of that thread stand still: use that runtime's adapter instead.
//!
//! A client belongs to the process that made it. After a `fork` the child has none of its threads, so calls there would wait for ever; it may
//! drop what it has inherited, which leaves the parent's connections alone, and must make a client of its own.

mod block_on;
mod driver;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use block_on::{block_on, within};
use driver::Threads;
use milena_core::protocol::Request;
pub use milena_core::{
    Acks, Address, Answer, Balancer, Batch, Call, CloseReason, Compression, Config, CoordinatorType, Error,
    Fate, Fault, Header, Isolation, Message, Murmur2, NewTopic, Outstanding, Partitions, ReaderConfig,
    Record, Reset, Start, Target, Until, WriteError, WriterConfig, Written, murmur2, protocol, wire,
};

/// A client of one Kafka cluster. Clones are the same client; see [`milena_core::Client`].
#[derive(Clone, Debug)]
pub struct Client(milena_core::Client);

/// A client whose first broker has answered.
///
/// # Errors
/// [`Error::Config`], [`Error::Runtime`] if the system has no thread left to give, and [`Error::Bootstrap`] if no bootstrap server
/// can be used within [`bootstrap_timeout`](Config::bootstrap_timeout).
pub fn connect(config: Config) -> Result<Client, Error> {
    let client = client(config)?;
    block_on(client.0.connect())?;
    Ok(client)
}

/// A client that connects when it is first used.
///
/// # Errors
/// [`Error::Config`], and [`Error::Runtime`] if the system has no thread left to give.
pub fn client(config: Config) -> Result<Client, Error> {
    let threads = Threads::new(config.connect_timeout);
    let clock = threads.clock.clone();
    let client = milena_core::Client::new(config, seed(), Box::new(threads))?;
    let no_thread = |error: std::io::Error| Error::Runtime { reason: error.to_string() };
    clock.start(Arc::downgrade(client.gate())).map_err(no_thread)?;
    Ok(Client(client))
}

/// From the operating system, by the way of std's hash keys.
fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    for bytes in seed.chunks_mut(8) {
        bytes.copy_from_slice(&RandomState::new().build_hasher().finish().to_le_bytes());
    }
    seed
}

impl Client {
    /// A writer. Nothing is sent before its first record.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn writer(&self, config: WriterConfig) -> Result<Writer, Error> {
        self.0.writer(config).map(Writer)
    }

    /// A reader, which starts to fetch at once.
    ///
    /// # Errors
    /// [`Error::Config`]. What goes wrong later comes with the records.
    pub fn reader(&self, config: ReaderConfig) -> Result<Reader, Error> {
        self.0.reader(config).map(Reader)
    }

    /// What it has under way just now.
    pub fn outstanding(&self) -> Outstanding {
        self.0.outstanding()
    }

    /// What happened last, if it is kept; see [`milena_core::Client::recording`].
    #[cfg(feature = "recording")]
    pub fn recording(&self) -> Option<milena_core::Recording> {
        self.0.recording()
    }

    /// Creates a topic, within [`api_timeout`](Config::api_timeout).
    ///
    /// # Errors
    /// Those of [`milena_core::Client::create_topic`].
    pub fn create_topic(&self, topic: NewTopic) -> Result<(), Error> {
        block_on(self.0.create_topic(topic))
    }

    /// Deletes a topic, within [`api_timeout`](Config::api_timeout).
    ///
    /// # Errors
    /// Those of [`milena_core::Client::delete_topic`].
    pub fn delete_topic(&self, topic: &str) -> Result<(), Error> {
        block_on(self.0.delete_topic(topic))
    }

    /// Sends any request of Kafka's [protocol] and waits for its answer, at most
    /// [`api_timeout`](Config::api_timeout) or the call's own [`timeout`](Call::timeout).
    ///
    /// ```no_run
    /// use milena_blocking::protocol::MetadataRequest;
    /// use milena_blocking::{Call, Client, Error, Target};
    ///
    /// fn cluster_id(client: &Client) -> Result<Option<String>, Error> {
    ///     let answer = client.call(Call::new(MetadataRequest::default()).to(Target::Controller).versions(2..=12))?;
    ///     Ok(answer.response.cluster_id.map(|id| id.to_string()))
    /// }
    /// ```
    ///
    /// # Errors
    /// Those of [`milena_core::Client::call`].
    pub fn call<R: Request>(&self, call: impl Into<Call<R>>) -> Result<Answer<R::Response>, Error> {
        block_on(self.0.call(call))
    }

    /// Sends a request that no broker answers, which is only Produce with acks=0; see
    /// [`milena_core::Client::send_unanswered`].
    ///
    /// # Errors
    /// Those of [`milena_core::Client::send_unanswered`].
    pub fn send_unanswered<R: Request>(&self, call: impl Into<Call<R>>) -> Result<(), Error> {
        block_on(self.0.send_unanswered(call))
    }

    /// Ends the client: calls under way on other threads fail with [`Error::Closed`], connections are closed.
    pub fn close(&self) {
        self.0.close();
    }
}

/// Writes records; see [`milena_core::Writer`]. Clones are the same writer, for as many threads as one likes.
#[derive(Clone, Debug)]
pub struct Writer(milena_core::Writer);

impl Writer {
    /// Writes a record and waits until it is acknowledged: at most [`max_block`](WriterConfig::max_block) until it is
    /// accepted, and [`delivery_timeout`](WriterConfig::delivery_timeout) from then on.
    ///
    /// # Errors
    /// [`WriteError`] tells why not, and whether it can be in the log all the same.
    pub fn write(&self, record: Record<'_>) -> Result<Written, WriteError> {
        block_on(self.0.write(record))
    }

    /// Writes records and waits until each is acknowledged or failed: one result for each, in their order. A record
    /// that fails does not keep the others from being written.
    pub fn write_all<'a>(
        &self,
        records: impl IntoIterator<Item = Record<'a>>,
    ) -> Vec<Result<Written, WriteError>> {
        block_on(self.0.write_all(records))
    }

    /// Hands over a record without waiting for its acknowledgement, which the [`Delivery`] tells. Blocks for at most
    /// [`max_block`](WriterConfig::max_block): for a new topic's metadata, or for room in the buffer.
    ///
    /// # Errors
    /// Those of [`milena_core::Writer::enqueue`].
    #[inline]
    pub fn enqueue(&self, record: Record<'_>) -> Result<Delivery, WriteError> {
        block_on(self.0.enqueue(record)).map(Delivery)
    }

    /// [`enqueue`](Writer::enqueue) within `timeout`, if that is less than [`max_block`](WriterConfig::max_block).
    ///
    /// # Errors
    /// [`TimedOut`]: the record was not accepted, and won't be written. Inside of it the errors of [`enqueue`](Writer::enqueue).
    pub fn enqueue_timeout(
        &self,
        record: Record<'_>,
        timeout: Duration,
    ) -> Result<Result<Delivery, WriteError>, TimedOut> {
        within(timeout, self.0.enqueue(record)).map(|result| result.map(Delivery))
    }

    /// Sends what was accepted before this call without waiting for `linger`, and waits until each of those records is
    /// acknowledged or failed.
    pub fn flush(&self) {
        block_on(self.0.flush());
    }

    /// [`flush`](Writer::flush), but waits no longer than `timeout`.
    ///
    /// # Errors
    /// [`TimedOut`]: the records are still on their way.
    pub fn flush_timeout(&self, timeout: Duration) -> Result<(), TimedOut> {
        within(timeout, self.0.flush())
    }

    /// Accepts no more records, and waits until all that were accepted are acknowledged or failed.
    pub fn close(&self) {
        block_on(self.0.close());
    }

    /// [`close`](Writer::close), but waits no longer than `timeout`.
    ///
    /// # Errors
    /// [`TimedOut`]: the writer is closed, and its records are still on their way.
    pub fn close_timeout(&self, timeout: Duration) -> Result<(), TimedOut> {
        within(timeout, self.0.close())
    }

    /// Bytes of memory that records not yet acknowledged hold just now.
    pub fn buffered_bytes(&self) -> usize {
        self.0.buffered_bytes()
    }
}

/// The way of one record to its acknowledgement.
#[must_use = "what became of the record is only known here"]
#[derive(Debug)]
pub struct Delivery(milena_core::Delivery);

impl Delivery {
    /// Waits for it, at most the rest of [`delivery_timeout`](WriterConfig::delivery_timeout).
    ///
    /// # Errors
    /// [`WriteError`] tells why not, and whether the record can be in the log all the same.
    pub fn wait(self) -> Result<Written, WriteError> {
        block_on(self.0)
    }

    /// Waits for it, but no longer than `timeout`; it can be waited for again.
    ///
    /// # Errors
    /// [`TimedOut`]: the record is still on its way. Inside of it the errors of [`wait`](Delivery::wait).
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<Result<Written, WriteError>, TimedOut> {
        within(timeout, &mut self.0)
    }

    /// The outcome if it is known already.
    pub fn outcome(&self) -> Option<Result<Written, WriteError>> {
        self.0.outcome()
    }
}

/// Reads a topic: an iterator over its records, which waits for the next one; see [`milena_core::Reader`].
#[derive(Debug)]
pub struct Reader(milena_core::Reader);

impl Iterator for Reader {
    type Item = Result<Message, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        block_on(self.0.next())
    }
}

/// It took longer than the caller was ready to wait. What was under way still is, and nothing is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut;

impl std::fmt::Display for TimedOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it took longer than the caller waits")
    }
}

impl std::error::Error for TimedOut {}

impl Reader {
    /// The next record, if it comes within `timeout`.
    ///
    /// # Errors
    /// [`TimedOut`] if it does not; nothing is lost, the next call may return it.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Result<Message, Error>>, TimedOut> {
        within(timeout, self.0.next())
    }

    /// The next batch, whose records are read in place: the fastest way to read.
    pub fn next_batch(&mut self) -> Option<Result<Batch, Error>> {
        block_on(self.0.next_batch())
    }

    /// The next batch, if it comes within `timeout`.
    ///
    /// # Errors
    /// [`TimedOut`] if it does not; nothing is lost, the next call may return it.
    pub fn next_batch_timeout(
        &mut self,
        timeout: Duration,
    ) -> Result<Option<Result<Batch, Error>>, TimedOut> {
        within(timeout, self.0.next_batch())
    }

    /// The offset of the next record of a partition; `None` before anything was read of it.
    pub fn position(&self, partition: i32) -> Option<i64> {
        self.0.position(partition)
    }

    /// How many offsets lie between what was read of a partition and its end, as of the last fetch.
    pub fn lag(&self, partition: i32) -> Option<u64> {
        self.0.lag(partition)
    }
}
