//! One face for the handles of every adapter: what is written against it runs on all of them.
//!
//! The async adapters share the core's handles; those of `milena-blocking` are its own. A blocking call is a future that
//! blocks its thread when it is polled and is ready at once, so that polling once is running.
//!
//! Each method does what the handles' method of the same name does.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use milena_core::protocol::Request;
use milena_core::{
    Answer, Batch, Call, Error, Message, NewTopic, ReaderConfig, Record, WriteError, WriterConfig, Written,
};

/// Runs what consists of blocking calls.
///
/// # Panics
/// If it waits for anything else.
pub fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a blocking call's future is ready at once"),
    }
}

/// A client.
#[allow(missing_docs, reason = "the handles' docs")]
pub trait Client: Clone + Send + Sync + 'static {
    /// Its writers.
    type Writer: Writer;
    /// Its readers.
    type Reader: Reader;

    fn create_topic(&self, topic: NewTopic) -> impl Future<Output = Result<(), Error>> + Send;
    fn delete_topic(&self, topic: &str) -> impl Future<Output = Result<(), Error>> + Send;
    fn call<R: Request>(
        &self,
        call: Call<R>,
    ) -> impl Future<Output = Result<Answer<R::Response>, Error>> + Send;
    fn writer(&self, config: WriterConfig) -> Result<Self::Writer, Error>;
    fn reader(&self, config: ReaderConfig) -> Result<Self::Reader, Error>;
    fn close(&self);
}

/// A writer.
#[allow(missing_docs, reason = "the handles' docs")]
pub trait Writer: Clone + Send + Sync + 'static {
    /// The way of one record.
    type Delivery: Delivery;

    fn write(&self, record: Record<'_>) -> impl Future<Output = Result<Written, WriteError>> + Send;
    fn write_all<'a>(
        &self,
        records: Vec<Record<'a>>,
    ) -> impl Future<Output = Vec<Result<Written, WriteError>>> + Send;
    fn enqueue(&self, record: Record<'_>) -> impl Future<Output = Result<Self::Delivery, WriteError>> + Send;
    fn flush(&self) -> impl Future<Output = ()> + Send;
    fn close(&self) -> impl Future<Output = ()> + Send;
    fn buffered_bytes(&self) -> usize;
}

/// The way of one record to its acknowledgement.
#[allow(missing_docs, reason = "the handles' docs")]
pub trait Delivery: Send + 'static {
    fn wait(self) -> impl Future<Output = Result<Written, WriteError>> + Send;
    fn outcome(&self) -> Option<Result<Written, WriteError>>;
}

/// A reader.
#[allow(missing_docs, reason = "the handles' docs")]
pub trait Reader: Send + 'static {
    fn next(&mut self) -> impl Future<Output = Option<Result<Message, Error>>> + Send;
    /// The next record if it comes within `limit`: threads wait that long by themselves, tasks until `sleep` is over.
    fn next_within(
        &mut self,
        limit: Duration,
        sleep: impl Future<Output = ()> + Send,
    ) -> impl Future<Output = Option<Option<Result<Message, Error>>>> + Send;
    fn next_batch(&mut self) -> impl Future<Output = Option<Result<Batch, Error>>> + Send;
    fn position(&self, partition: i32) -> Option<i64>;
    fn lag(&self, partition: i32) -> Option<u64>;
}

impl Client for milena_core::Client {
    type Writer = milena_core::Writer;
    type Reader = milena_core::Reader;

    async fn create_topic(&self, topic: NewTopic) -> Result<(), Error> {
        self.create_topic(topic).await
    }

    async fn delete_topic(&self, topic: &str) -> Result<(), Error> {
        self.delete_topic(topic).await
    }

    async fn call<R: Request>(&self, call: Call<R>) -> Result<Answer<R::Response>, Error> {
        self.call(call).await
    }

    fn writer(&self, config: WriterConfig) -> Result<Self::Writer, Error> {
        self.writer(config)
    }

    fn reader(&self, config: ReaderConfig) -> Result<Self::Reader, Error> {
        self.reader(config)
    }

    fn close(&self) {
        self.close();
    }
}

impl Writer for milena_core::Writer {
    type Delivery = milena_core::Delivery;

    async fn write(&self, record: Record<'_>) -> Result<Written, WriteError> {
        self.write(record).await
    }

    async fn write_all<'a>(&self, records: Vec<Record<'a>>) -> Vec<Result<Written, WriteError>> {
        self.write_all(records).await
    }

    #[inline]
    async fn enqueue(&self, record: Record<'_>) -> Result<Self::Delivery, WriteError> {
        self.enqueue(record).await
    }

    async fn flush(&self) {
        self.flush().await;
    }

    async fn close(&self) {
        self.close().await;
    }

    fn buffered_bytes(&self) -> usize {
        self.buffered_bytes()
    }
}

impl Delivery for milena_core::Delivery {
    async fn wait(self) -> Result<Written, WriteError> {
        self.await
    }

    fn outcome(&self) -> Option<Result<Written, WriteError>> {
        self.outcome()
    }
}

impl Reader for milena_core::Reader {
    #[inline]
    async fn next(&mut self) -> Option<Result<Message, Error>> {
        self.next().await
    }

    async fn next_within(
        &mut self,
        _limit: Duration,
        sleep: impl Future<Output = ()> + Send,
    ) -> Option<Option<Result<Message, Error>>> {
        let mut sleep = pin!(sleep);
        poll_fn(|cx| match self.poll_next(cx) {
            Poll::Ready(next) => Poll::Ready(Some(next)),
            Poll::Pending => sleep.as_mut().poll(cx).map(|()| None),
        })
        .await
    }

    async fn next_batch(&mut self) -> Option<Result<Batch, Error>> {
        self.next_batch().await
    }

    fn position(&self, partition: i32) -> Option<i64> {
        self.position(partition)
    }

    fn lag(&self, partition: i32) -> Option<u64> {
        self.lag(partition)
    }
}

impl Client for milena_blocking::Client {
    type Writer = milena_blocking::Writer;
    type Reader = milena_blocking::Reader;

    async fn create_topic(&self, topic: NewTopic) -> Result<(), Error> {
        self.create_topic(topic)
    }

    async fn delete_topic(&self, topic: &str) -> Result<(), Error> {
        self.delete_topic(topic)
    }

    async fn call<R: Request>(&self, call: Call<R>) -> Result<Answer<R::Response>, Error> {
        self.call(call)
    }

    fn writer(&self, config: WriterConfig) -> Result<Self::Writer, Error> {
        self.writer(config)
    }

    fn reader(&self, config: ReaderConfig) -> Result<Self::Reader, Error> {
        self.reader(config)
    }

    fn close(&self) {
        self.close();
    }
}

impl Writer for milena_blocking::Writer {
    type Delivery = milena_blocking::Delivery;

    async fn write(&self, record: Record<'_>) -> Result<Written, WriteError> {
        self.write(record)
    }

    async fn write_all<'a>(&self, records: Vec<Record<'a>>) -> Vec<Result<Written, WriteError>> {
        self.write_all(records)
    }

    #[inline]
    async fn enqueue(&self, record: Record<'_>) -> Result<Self::Delivery, WriteError> {
        self.enqueue(record)
    }

    async fn flush(&self) {
        self.flush();
    }

    async fn close(&self) {
        self.close();
    }

    fn buffered_bytes(&self) -> usize {
        self.buffered_bytes()
    }
}

impl Delivery for milena_blocking::Delivery {
    async fn wait(self) -> Result<Written, WriteError> {
        self.wait()
    }

    fn outcome(&self) -> Option<Result<Written, WriteError>> {
        self.outcome()
    }
}

impl Reader for milena_blocking::Reader {
    #[inline]
    async fn next(&mut self) -> Option<Result<Message, Error>> {
        Iterator::next(self)
    }

    async fn next_within(
        &mut self,
        limit: Duration,
        _sleep: impl Future<Output = ()> + Send,
    ) -> Option<Option<Result<Message, Error>>> {
        self.next_timeout(limit).ok()
    }

    async fn next_batch(&mut self) -> Option<Result<Batch, Error>> {
        self.next_batch()
    }

    fn position(&self, partition: i32) -> Option<i64> {
        self.position(partition)
    }

    fn lag(&self, partition: i32) -> Option<u64> {
        self.lag(partition)
    }
}
