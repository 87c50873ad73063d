//! What the benches need of a client, the same for both runtimes: a blocking call is a future that is ready at once.

use milena_core::{
    Batch, Config, Delivery, Error, Message, NewTopic, ReaderConfig, Record, WriteError, WriterConfig,
};

pub(super) trait Client: Sized {
    type Writer: Writer;
    type Reader: Reader;

    async fn connect(config: Config) -> Result<Self, Error>;
    async fn create_topic(&self, topic: NewTopic) -> Result<(), Error>;
    fn writer(&self, config: WriterConfig) -> Result<Self::Writer, Error>;
    fn reader(&self, config: ReaderConfig) -> Result<Self::Reader, Error>;
}

pub(super) trait Writer {
    type Delivery;

    async fn write(&self, record: Record<'_>) -> Result<(), WriteError>;
    async fn enqueue(&self, record: Record<'_>) -> Result<Self::Delivery, WriteError>;
    async fn flush(&self);
    /// Its error, or none if it was acknowledged. Only called when all was flushed.
    fn failure(delivery: &Self::Delivery) -> Option<String>;
}

pub(super) trait Reader {
    async fn next(&mut self) -> Option<Result<Message, Error>>;
    async fn next_batch(&mut self) -> Option<Result<Batch, Error>>;
}

fn failure<T>(outcome: Option<Result<T, WriteError>>) -> Option<String> {
    match outcome {
        Some(Ok(_)) => None,
        Some(Err(error)) => Some(error.to_string()),
        None => Some("nothing became of it".to_owned()),
    }
}

impl Client for milena_core::Client {
    type Writer = milena_core::Writer;
    type Reader = milena_core::Reader;

    async fn connect(config: Config) -> Result<Self, Error> {
        milena_tokio::connect(config).await
    }

    async fn create_topic(&self, topic: NewTopic) -> Result<(), Error> {
        self.create_topic(topic).await
    }

    fn writer(&self, config: WriterConfig) -> Result<Self::Writer, Error> {
        self.writer(config)
    }

    fn reader(&self, config: ReaderConfig) -> Result<Self::Reader, Error> {
        self.reader(config)
    }
}

impl Writer for milena_core::Writer {
    type Delivery = Delivery;

    async fn write(&self, record: Record<'_>) -> Result<(), WriteError> {
        self.write(record).await.map(drop)
    }

    #[inline]
    async fn enqueue(&self, record: Record<'_>) -> Result<Delivery, WriteError> {
        self.enqueue(record).await
    }

    async fn flush(&self) {
        self.flush().await;
    }

    fn failure(delivery: &Delivery) -> Option<String> {
        failure(delivery.outcome())
    }
}

impl Reader for milena_core::Reader {
    #[inline]
    async fn next(&mut self) -> Option<Result<Message, Error>> {
        self.next().await
    }

    async fn next_batch(&mut self) -> Option<Result<Batch, Error>> {
        self.next_batch().await
    }
}

impl Client for milena_blocking::Client {
    type Writer = milena_blocking::Writer;
    type Reader = milena_blocking::Reader;

    async fn connect(config: Config) -> Result<Self, Error> {
        milena_blocking::connect(config)
    }

    async fn create_topic(&self, topic: NewTopic) -> Result<(), Error> {
        self.create_topic(topic)
    }

    fn writer(&self, config: WriterConfig) -> Result<Self::Writer, Error> {
        self.writer(config)
    }

    fn reader(&self, config: ReaderConfig) -> Result<Self::Reader, Error> {
        self.reader(config)
    }
}

impl Writer for milena_blocking::Writer {
    type Delivery = milena_blocking::Delivery;

    async fn write(&self, record: Record<'_>) -> Result<(), WriteError> {
        self.write(record).map(drop)
    }

    #[inline]
    async fn enqueue(&self, record: Record<'_>) -> Result<Self::Delivery, WriteError> {
        self.enqueue(record)
    }

    async fn flush(&self) {
        self.flush();
    }

    fn failure(delivery: &Self::Delivery) -> Option<String> {
        failure(delivery.outcome())
    }
}

impl Reader for milena_blocking::Reader {
    #[inline]
    async fn next(&mut self) -> Option<Result<Message, Error>> {
        Iterator::next(self)
    }

    async fn next_batch(&mut self) -> Option<Result<Batch, Error>> {
        self.next_batch()
    }
}
