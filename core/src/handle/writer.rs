//! The writer as users hold it.

use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::{Context, Poll, Waker};

use crate::client::Command;
use crate::config::{MAX_TOPIC_BYTES, WriterConfig};
use crate::context::WriterId;
use crate::error::{Error, WriteError};
use crate::handle::Client;
use crate::handle::gate::Operation;
use crate::producer::{
    Budget, Delivery, Gather, News, Partitions, Record, Refused, Share, View, Written, lock,
};
use crate::waiters::{Place, Waiters};

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
    budget: Arc<Budget>,
    topics: Arc<Topics>,
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
        self.client.shared.gate.close_writer(self.id);
    }
}

/// What the machine tells a writer of its topics.
#[derive(Default)]
pub(crate) struct Topics(Mutex<BTreeMap<Arc<str>, Arc<Topic>>>);

#[derive(Default)]
struct Topic {
    state: Mutex<TopicState>,
    /// Where records without a key gather: a partition's index, or anything before the first choice.
    sticky: AtomicU64,
}

#[derive(Default)]
struct TopicState {
    view: Option<Result<Arc<View>, Error>>,
    /// The last view that there was: a topic that fails still has what was written to it.
    known: Option<Arc<View>>,
    waiting: Waiters,
}

impl Topics {
    pub(crate) fn on_topic(&self, topic: &Arc<str>, view: Result<Arc<View>, Error>, wakers: &mut Vec<Waker>) {
        let topic = self.entry(topic);
        let mut state = lock(&topic.state);
        if let Ok(view) = &view {
            state.known = Some(view.clone());
        }
        state.view = Some(view);
        wakers.append(&mut state.waiting.take());
    }

    fn entry(&self, name: &Arc<str>) -> Arc<Topic> {
        lock(&self.0).entry(name.clone()).or_default().clone()
    }

    fn find(&self, name: &str) -> Option<Arc<Topic>> {
        lock(&self.0).get(name).cloned()
    }

    /// How many wait for news of a topic.
    pub(crate) fn waiters(&self) -> usize {
        lock(&self.0).values().map(|topic| lock(&topic.state).waiting.len()).sum()
    }

    fn gathers(&self) -> Vec<Arc<Gather>> {
        let topics: Vec<_> = lock(&self.0).values().cloned().collect();
        let views = topics.iter().filter_map(|topic| lock(&topic.state).known.clone());
        views.flat_map(|view| view.partitions.clone()).collect()
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

impl Writer {
    pub(crate) fn new(client: &Client, config: WriterConfig) -> Result<Self, Error> {
        config.check()?;
        let config = Arc::new(config);
        let budget = Arc::new(Budget::new(config.buffer_bytes));
        let topics = Arc::new(Topics::default());
        let id = client.shared.gate.open_writer(topics.clone(), |writer| Command::OpenWriter {
            writer,
            config: config.clone(),
            budget: budget.clone(),
        });
        let client = client.clone();
        let inner = Inner {
            client,
            id,
            config,
            budget,
            topics,
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
        let mut attempt = Attempt::new(&self.inner.budget);
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
            gate.start(Command::Sleep { writer: self.inner.id, until })
        });
        let last = match std::pin::pin!(timer).poll(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(Error::Closed)) => {
                return Poll::Ready(Err(WriteError::not_written(Error::Closed)));
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
                found = inner.topics.entry(&name);
                attempt.asked = true;
                inner.client.shared.gate.command(Command::Topic { writer: inner.id, topic: name });
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
                        inner.client.shared.gate.command(Command::Topic { writer: inner.id, topic: name });
                    }
                    return Poll::Pending;
                }
                Some(Err(error)) => return Poll::Ready(Err(error.clone())),
                None => {
                    attempt.wait(topic, state, cx.waker());
                    return Poll::Pending;
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
        // What was given back since then would wake nobody: so once more, behind the registration.
        inner.budget.wait(&mut attempt.room, cx.waker());
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
            Some(name) => match inner.topics.find(name) {
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
        match inner.topics.find(&named) {
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
        self.inner.client.shared.gate.command(Command::News { writer: self.inner.id, slot, news });
    }

    /// Sends what was accepted before this call without waiting for `linger`, and waits until each of those records is
    /// acknowledged or failed. Their [`Delivery`]s tell which.
    ///
    /// # Cancel safety
    /// It begins with its first poll: dropped behind that, the records leave all the same, without waiting for `linger`.
    /// Dropped before, nothing has happened.
    pub async fn flush(&self) {
        let batches = self.outstanding();
        self.inner.client.shared.gate.command(Command::Flush { writer: self.inner.id });
        for mut batch in batches {
            poll_fn(|cx| batch.poll_done(cx.waker())).await;
        }
    }

    fn outstanding(&self) -> Vec<Share> {
        let gathers = self.inner.topics.gathers();
        gathers.iter().flat_map(|gather| gather.outstanding()).map(Share::new).collect()
    }

    /// Accepts no more records, and waits until all that were accepted are acknowledged or failed.
    ///
    /// # Cancel safety
    /// It begins with its first poll: dropped behind that, the writer is closed all the same, and its records are still
    /// delivered while the client lives. Dropped before, nothing has happened.
    pub async fn close(&self) {
        self.inner.closed.store(true, Ordering::Relaxed);
        self.inner.topics.gathers().iter().for_each(|gather| gather.close());
        self.flush().await;
    }

    /// Bytes of memory that records not yet acknowledged hold just now.
    pub fn buffered_bytes(&self) -> usize {
        self.inner.budget.used()
    }
}

enum Found<'a> {
    Default(&'a Arc<Topic>),
    Named(Arc<Topic>),
    New(Arc<str>),
}
