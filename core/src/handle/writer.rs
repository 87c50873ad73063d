//! The writer as users hold it.

use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, OnceLock};
use std::task::{Context, Poll, Waker};

use super::client::Client;
use crate::balancer::{Partitions, Record};
use crate::config::{MAX_TOPIC_BYTES, WriterConfig};
use crate::context::WriterId;
use crate::error::{Error, WriteError};
use crate::gate::Operation;
use crate::machine::Command;
use crate::producer::{self, Accumulator, Budget, Delivery, News, Refused, Topic, TopicState, View, Written};
use crate::sync::lock;
use crate::waiters::Place;

/// Writes records: chooses partitions, gathers batches, and tells what became of each record.
///
/// Clones are the same writer, to be used from as many tasks and threads as one likes. Records of one task to one
/// partition are written in the order of its calls. When the last clone is dropped without [`close`](Writer::close),
/// what was accepted is still sent as long as the client lives.
#[derive(Clone)]
pub struct Writer {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    id: WriterId,
    config: Arc<WriterConfig>,
    accumulator: Arc<Accumulator>,
    /// The topic of records that name none.
    default_topic: OnceLock<Arc<Topic>>,
    closed: AtomicBool,
    /// A batch got full, or many records came: the next call gives way to other tasks first.
    give_way: AtomicBool,
}

/// Records of one batch after which other tasks have their turn: about half a millisecond's.
const TURN_RECORDS: u32 = 2048;

impl Drop for Inner {
    fn drop(&mut self) {
        self.command(producer::Command::Close);
    }
}

impl Inner {
    fn command(&self, command: producer::Command) {
        self.client.shared.gate.command(Command::Writer(self.id, command));
    }
}

/// What one enqueue has done so far, and where it waits.
struct Attempt<'w> {
    budget: &'w Budget,
    asked: bool,
    waiting_for_room: bool,
    timer: Option<Operation>,
    news: Option<(Arc<Topic>, Place)>,
    room: Place,
}

impl<'w> Attempt<'w> {
    fn new(budget: &'w Budget) -> Self {
        Attempt {
            budget,
            asked: false,
            waiting_for_room: false,
            timer: None,
            news: None,
            room: Place::default(),
        }
    }

    /// Waits for news of the topic.
    fn wait(&mut self, topic: &Arc<Topic>, mut state: MutexGuard<'_, TopicState>, waker: &Waker) {
        self.asked = true;
        let (_, place) = self.news.get_or_insert_with(|| (topic.clone(), Place::default()));
        let before = state.waiting.wait(place, waker);
        drop(state);
        drop(before);
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if let Some((topic, place)) = &mut self.news {
            let waker = lock(&topic.state).waiting.leave(place);
            drop(waker);
        }
        self.budget.leave(&mut self.room);
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

impl Client {
    /// A writer. Nothing is sent before its first record.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn writer(&self, config: WriterConfig) -> Result<Writer, Error> {
        Writer::new(self, config)
    }
}

impl Writer {
    fn new(client: &Client, config: WriterConfig) -> Result<Self, Error> {
        config.check()?;
        let config = Arc::new(config);
        let accumulator = Arc::new(Accumulator::new(config.buffer_bytes, config.batch_bytes));
        let id = client.shared.gate.open_writer(accumulator.clone(), config.clone());
        let client = client.clone();
        let inner = Inner {
            client,
            id,
            config,
            accumulator,
            default_topic: OnceLock::new(),
            closed: AtomicBool::new(false),
            give_way: AtomicBool::new(false),
        };
        Ok(Writer { inner: Arc::new(inner) })
    }

    /// Writes a record and waits until it is acknowledged.
    ///
    /// # Errors
    /// [`WriteError`] tells why not, and whether it can be in the log all the same.
    ///
    /// # Cancel safety
    /// Dropped before the record was accepted, it is never written; dropped later, it is written all the same, once.
    /// Where that difference counts, [`enqueue`](Writer::enqueue) tells.
    pub async fn write(&self, record: Record<'_>) -> Result<Written, WriteError> {
        self.enqueue(record).await?.await
    }

    /// Writes records and waits until each is acknowledged or failed: one result for each, in their order. A record
    /// that fails does not keep the others from being written.
    ///
    /// # Cancel safety
    /// Dropped, the records accepted so far, which are the first ones, are written all the same, each once; the others never.
    pub async fn write_all<'a>(
        &self,
        records: impl IntoIterator<Item = Record<'a>>,
    ) -> Vec<Result<Written, WriteError>> {
        let mut deliveries = Vec::new();
        for record in records {
            deliveries.push(self.enqueue(record).await);
        }
        let mut results = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            results.push(match delivery {
                Ok(delivery) => delivery.await,
                Err(error) => Err(error),
            });
        }
        results
    }

    /// Hands over a record without waiting for its acknowledgement, which the [`Delivery`] tells.
    ///
    /// It waits for metadata of a topic written to for the first time, and while
    /// [`buffer_bytes`](WriterConfig::buffer_bytes) of records are not acknowledged; both for at most
    /// [`max_block`](WriterConfig::max_block).
    ///
    /// # Errors
    /// [`WriteError`] with [`Fate::NotWritten`](crate::Fate::NotWritten): the record is too large, its topic or partition does not
    /// exist, the writer is closed, or it waited too long.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the record was not accepted: it is never written, and takes no room in the buffer.
    pub async fn enqueue(&self, record: Record<'_>) -> Result<Delivery, WriteError> {
        let mut attempt = Attempt::new(&self.inner.accumulator.budget);
        poll_fn(|cx| self.poll_enqueue(cx, &record, &mut attempt)).await
    }

    #[inline]
    fn poll_enqueue(
        &self,
        cx: &mut Context<'_>,
        record: &Record<'_>,
        attempt: &mut Attempt<'_>,
    ) -> Poll<Result<Delivery, WriteError>> {
        // A task that writes on and on would keep the tasks of its thread, the connections' too, from running until the
        // buffer is full: now and then they have their turn.
        if self.inner.give_way.load(Ordering::Relaxed) {
            self.inner.give_way.store(false, Ordering::Relaxed);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Poll::Ready(result) = self.try_enqueue(cx, record, attempt) {
            return Poll::Ready(result.map_err(WriteError::not_written));
        }
        let gate = &self.inner.client.shared.gate;
        let timer = attempt.timer.get_or_insert_with(|| {
            let until = gate.now().mono + self.inner.config.max_block;
            gate.start(|op| Command::Writer(self.inner.id, producer::Command::Wait { op, until }))
        });
        let last = match std::pin::pin!(timer).poll(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(error @ (Error::Closed | Error::Panicked { .. }))) => {
                return Poll::Ready(Err(WriteError::not_written(error)));
            }
            Poll::Ready(result) => result.err().map(Arc::new),
        };
        let operation = match attempt.waiting_for_room {
            true => "waiting for room in the writer's buffer",
            false => "waiting for the topic's metadata",
        };
        let after = self.inner.config.max_block;
        Poll::Ready(Err(WriteError::not_written(Error::Timeout { operation, after, last })))
    }

    fn try_enqueue(
        &self,
        cx: &mut Context<'_>,
        record: &Record<'_>,
        attempt: &mut Attempt<'_>,
    ) -> Poll<Result<Delivery, Error>> {
        let inner = &*self.inner;
        if inner.closed.load(Ordering::Relaxed) {
            return Poll::Ready(Err(Error::Closed));
        }
        let found;
        let topic = match self.topic(record) {
            Ok(Found::Default(topic)) => topic,
            Ok(Found::Named(topic)) => {
                found = topic;
                &found
            }
            Ok(Found::New(name)) => {
                found = inner.accumulator.entry(&name);
                attempt.asked = true;
                inner.command(producer::Command::Topic(name));
                &found
            }
            Err(error) => return Poll::Ready(Err(error)),
        };
        let view = {
            let mut state = lock(&topic.state);
            match &state.view {
                Some(Ok(view)) => view.clone(),
                // The news of an earlier attempt: this one asks again.
                Some(Err(_)) if !attempt.asked => {
                    state.view = None;
                    attempt.wait(topic, state, cx.waker());
                    if let Some(name) = record.topic.map(Arc::from).or_else(|| inner.config.topic.clone()) {
                        inner.command(producer::Command::Topic(name));
                    }
                    return Poll::Pending;
                }
                Some(Err(error)) => return Poll::Ready(Err(error.clone())),
                None => {
                    attempt.wait(topic, state, cx.waker());
                    // Closed since: nobody would wake it.
                    return match inner.closed.load(Ordering::Relaxed) {
                        true => Poll::Ready(Err(Error::Closed)),
                        false => Poll::Pending,
                    };
                }
            }
        };
        match self.append(topic, &view, record) {
            Err(Refused::NoRoom) => {}
            Err(Refused::NotOpen) => return Poll::Ready(Err(Error::Closed)),
            Err(Refused::Error(error)) => return Poll::Ready(Err(error)),
            Ok(delivery) => return Poll::Ready(Ok(delivery)),
        }
        attempt.waiting_for_room = true;
        // What was given back since then would wake nobody: so once more, after the registration.
        inner.accumulator.budget.wait(&mut attempt.room, cx.waker());
        match self.append(topic, &view, record) {
            Err(Refused::NoRoom) => Poll::Pending,
            Err(Refused::NotOpen) => Poll::Ready(Err(Error::Closed)),
            Err(Refused::Error(error)) => Poll::Ready(Err(error)),
            Ok(delivery) => Poll::Ready(Ok(delivery)),
        }
    }

    fn topic(&self, record: &Record<'_>) -> Result<Found<'_>, Error> {
        let inner = &*self.inner;
        let named = match record.topic {
            None => {
                if let Some(topic) = inner.default_topic.get() {
                    return Ok(Found::Default(topic));
                }
                let reason = || "it names no topic, and the writer has none".to_owned();
                inner.config.topic.clone().ok_or_else(|| Error::InvalidRecord { reason: reason() })?
            }
            Some(name) => match inner.accumulator.find(name) {
                Some(topic) => return Ok(Found::Named(topic)),
                None if name.is_empty() || name.len() > MAX_TOPIC_BYTES => {
                    let reason = format!(
                        "its topic's name has {} bytes, 1 to {MAX_TOPIC_BYTES} are allowed",
                        name.len()
                    );
                    return Err(Error::InvalidRecord { reason });
                }
                None => Arc::from(name),
            },
        };
        match inner.accumulator.find(&named) {
            Some(topic) => Ok(match record.topic {
                None => Found::Default(inner.default_topic.get_or_init(|| topic)),
                Some(_) => Found::Named(topic),
            }),
            None => Ok(Found::New(named)),
        }
    }

    fn append(&self, topic: &Topic, view: &View, record: &Record<'_>) -> Result<Delivery, Refused> {
        let inner = &*self.inner;
        let count = view.partitions.len() as i32;
        let partition = match record.partition {
            Some(partition) => Some(partition),
            None => inner.config.balancer.balance(record, Partitions { count, available: &view.available }),
        };
        let gate = &*inner.client.shared.gate;
        let (slot, (delivery, news)) = match partition {
            Some(partition) => {
                let gather = usize::try_from(partition).ok().and_then(|index| view.partitions.get(index));
                let unknown = || Error::UnknownPartition {
                    topic: view.partitions[0].topic.to_string(),
                    partition,
                    partitions: count,
                };
                let Some(gather) = gather else {
                    // It may have come since, or the broker asked may have been behind: the next attempt will know.
                    gate.command(Command::Refresh);
                    return Err(Refused::Error(unknown()));
                };
                (gather.slot, gather.append(gate, record, true)?)
            }
            None => {
                let sticky = topic.sticky.load(Ordering::Relaxed) as usize % view.partitions.len();
                let gather = &view.partitions[sticky];
                match gather.append(gate, record, false) {
                    Err(Refused::NotOpen) => {
                        // Its batch has left: the next one gathers somewhere else.
                        let turn = topic.sticky.fetch_add(1, Ordering::Relaxed) as usize + 1;
                        let index = match view.available.is_empty() {
                            true => turn % view.partitions.len(),
                            false => view.available[turn % view.available.len()] as usize,
                        };
                        topic.sticky.store(index as u64, Ordering::Relaxed);
                        let gather = &view.partitions[index];
                        (gather.slot, gather.append(gate, record, true)?)
                    }
                    result => (gather.slot, result?),
                }
            }
        };
        if let Some(news) = news {
            self.tell(slot, news);
        }
        if delivery.index() % TURN_RECORDS == TURN_RECORDS - 1 {
            inner.give_way.store(true, Ordering::Relaxed);
        }
        Ok(delivery)
    }

    #[cold]
    fn tell(&self, slot: usize, news: News) {
        if news == News::Full {
            self.inner.give_way.store(true, Ordering::Relaxed);
        }
        self.inner.command(producer::Command::Gathered { slot, news });
    }

    /// Sends what was accepted before this call without waiting for `linger`, and waits until each of those records is
    /// acknowledged or failed. Their [`Delivery`]s tell which.
    ///
    /// # Cancel safety
    /// It begins with its first poll: dropped behind that, the records leave all the same, without waiting for `linger`.
    /// Dropped before, nothing has happened.
    pub async fn flush(&self) {
        let batches = self.inner.accumulator.outstanding();
        self.inner.command(producer::Command::Flush);
        for mut batch in batches {
            poll_fn(|cx| batch.poll_done(cx.waker())).await;
        }
    }

    /// Accepts no more records, and waits until all that were accepted are acknowledged or failed.
    ///
    /// # Cancel safety
    /// It begins with its first poll: dropped behind that, the writer is closed all the same, and its records are still
    /// delivered while the client lives. Dropped before, nothing has happened.
    pub async fn close(&self) {
        self.inner.closed.store(true, Ordering::Relaxed);
        self.inner.accumulator.close();
        self.inner.accumulator.wake().into_iter().for_each(Waker::wake);
        self.flush().await;
    }

    /// Bytes of memory that records not yet acknowledged hold just now.
    pub fn buffered_bytes(&self) -> usize {
        self.inner.accumulator.budget.used()
    }
}

enum Found<'a> {
    Default(&'a Arc<Topic>),
    Named(Arc<Topic>),
    New(Arc<str>),
}
