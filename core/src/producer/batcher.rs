//! Where the records of one partition gather, already in wire form.
//!
//! Rules:
//! - An append takes the partition's lock for one copy of the record into the open batch, and allocates only when a
//!   batch is opened or its buffer grows.
//! - Memory is counted by the buffers' capacity against one [`Budget`] for the writer, when a buffer is made or grows.
//! - The machine is told of a partition once: when it turns from empty to not empty, and again each time a batch is full.
//!   Taking batches out ([`Gather::take`]) says what is left, and with nothing left the next append tells again.
//! - A record's fate is its batch's: a [`Delivery`] is a share of the batch's [`Completion`] and an index.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::error::{Error, WriteError};
use crate::producer::Record;
use crate::record::BatchBuilder;
use crate::time::{Instant, Now};
use crate::waiters::{Place, Waiters};

/// A record that the brokers acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The record's offset; `None` if the broker does not tell (acks 0, or a retry of what was long written).
    pub offset: Option<i64>,
    /// When the broker appended it (milliseconds since the epoch), for topics with log append time.
    pub log_append_time: Option<i64>,
}

/// What became of a part of a batch: broker's base offset and append time, or why not.
pub(crate) type Outcome = Result<(Option<i64>, Option<i64>), WriteError>;

#[derive(Default)]
struct Fate {
    /// How many records the batch has; known when it was taken out of its gathering place.
    records: Option<u32>,
    /// First record, number of records, outcome: one part, or more for a batch that was split.
    parts: Vec<(u32, u32, Outcome)>,
    /// Woken with each part.
    waiting: Waiters,
}

impl Fate {
    fn is_done(&self) -> bool {
        self.records == Some(self.parts.iter().map(|(_, count, _)| count).sum())
    }
}

/// The fate of one batch, shared by the machine and all who wait for its records.
pub(crate) struct Completion {
    topic: Arc<str>,
    partition: i32,
    fate: Mutex<Fate>,
}

impl Completion {
    fn new(topic: Arc<str>, partition: i32) -> Arc<Self> {
        Arc::new(Completion { topic, partition, fate: Mutex::default() })
    }

    /// Settles `count` records from `first`; the wakers returned are to be woken outside of every lock.
    pub(crate) fn complete(&self, first: u32, count: u32, outcome: Outcome) -> Vec<Waker> {
        let mut fate = lock(&self.fate);
        fate.parts.push((first, count, outcome));
        fate.waiting.take()
    }

    /// No more records will be appended to the batch.
    pub(crate) fn seal(&self, records: u32) {
        lock(&self.fate).records = Some(records);
    }

    /// How many wait for it.
    pub(crate) fn waiters(&self) -> usize {
        lock(&self.fate).waiting.len()
    }

    fn is_done(&self) -> bool {
        lock(&self.fate).is_done()
    }

    fn written(&self, fate: &Fate, index: u32) -> Option<Result<Written, WriteError>> {
        let (first, _, outcome) =
            fate.parts.iter().find(|(first, count, _)| (*first..first + count).contains(&index))?;
        Some(outcome.clone().map(|(base_offset, log_append_time)| Written {
            topic: self.topic.clone(),
            partition: self.partition,
            // None where a broker names an offset that leaves no room for the batch.
            offset: base_offset.and_then(|base| base.checked_add((index - first).into())),
            log_append_time,
        }))
    }
}

impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Completion({}/{})", self.topic, self.partition)
    }
}

/// One who waits for a batch, or a record of it.
pub(crate) struct Share {
    completion: Arc<Completion>,
    place: Place,
}

impl Share {
    pub(crate) fn new(completion: Arc<Completion>) -> Self {
        Share { completion, place: Place::default() }
    }

    /// Ready when each record of the batch has an outcome.
    pub(crate) fn poll_done(&mut self, waker: &Waker) -> Poll<()> {
        self.poll_with(waker, |_, fate| fate.is_done().then_some(()))
    }

    fn poll_with<T>(
        &mut self,
        waker: &Waker,
        known: impl FnOnce(&Completion, &Fate) -> Option<T>,
    ) -> Poll<T> {
        let mut fate = lock(&self.completion.fate);
        if let Some(known) = known(&self.completion, &fate) {
            // It was woken since, and that ended every place.
            self.place = Place::default();
            return Poll::Ready(known);
        }
        let before = fate.waiting.wait(&mut self.place, waker);
        drop(fate);
        drop(before);
        Poll::Pending
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.place.is_taken() {
            let waker = lock(&self.completion.fate).waiting.leave(&mut self.place);
            drop(waker);
        }
    }
}

/// The way of one record to its acknowledgement: a future of where it was written, or why not.
///
/// It does nothing by itself: the record is on its way whether or not this is awaited.
///
/// # Cancel safety
/// Dropped anywhere, nothing is lost but the news: the record is still delivered, once.
#[must_use = "what became of the record is only known here"]
pub struct Delivery {
    share: Share,
    index: u32,
}

impl Delivery {
    pub(crate) fn new(completion: Arc<Completion>, index: u32) -> Self {
        Delivery { share: Share::new(completion), index }
    }

    /// Its place in its batch.
    pub(crate) fn index(&self) -> u32 {
        self.index
    }

    /// The outcome if it is known already.
    pub fn outcome(&self) -> Option<Result<Written, WriteError>> {
        let completion = &self.share.completion;
        completion.written(&lock(&completion.fate), self.index)
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Delivery({:?}, {})", self.share.completion, self.index)
    }
}

impl Future for Delivery {
    type Output = Result<Written, WriteError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let index = self.index;
        self.share.poll_with(cx.waker(), |completion, fate| completion.written(fate, index))
    }
}

/// Bytes that a writer's unacknowledged records may hold.
pub(crate) struct Budget {
    limit: usize,
    state: Mutex<BudgetState>,
}

#[derive(Default)]
struct BudgetState {
    used: usize,
    waiting: Waiters,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Self {
        Budget { limit, state: Mutex::default() }
    }

    fn reserve(&self, bytes: usize) -> bool {
        let mut state = lock(&self.state);
        let fits = state.used + bytes <= self.limit;
        state.used += if fits { bytes } else { 0 };
        fits
    }

    /// Takes, past the limit if need be: for what has grown since it was appended.
    pub(crate) fn take(&self, bytes: usize) {
        lock(&self.state).used += bytes;
    }

    /// Gives back; the wakers returned are to be woken outside of every lock.
    pub(crate) fn release(&self, bytes: usize) -> Vec<Waker> {
        let mut state = lock(&self.state);
        state.used -= bytes;
        state.waiting.take()
    }

    pub(crate) fn used(&self) -> usize {
        lock(&self.state).used
    }

    /// Wakes when something is given back. It must be called before the append that is to be tried once more.
    pub(crate) fn wait(&self, place: &mut Place, waker: &Waker) {
        let before = lock(&self.state).waiting.wait(place, waker);
        drop(before);
    }

    pub(crate) fn leave(&self, place: &mut Place) {
        if place.is_taken() {
            let waker = lock(&self.state).waiting.leave(place);
            drop(waker);
        }
    }

    /// How many wait for room.
    pub(crate) fn waiters(&self) -> usize {
        lock(&self.state).waiting.len()
    }
}

/// A batch that records are being appended to, or that is full.
pub(crate) struct Open {
    pub(crate) builder: BatchBuilder,
    pub(crate) completion: Arc<Completion>,
    /// When its first record came.
    pub(crate) created: Instant,
    /// What it holds of the budget.
    pub(crate) reserved: usize,
}

#[derive(Default)]
struct Gathering {
    open: Option<Open>,
    full: VecDeque<Open>,
    /// The machine knows that something is here.
    announced: bool,
    closed: bool,
    /// Size of the last batch, a guess for the next.
    last_bytes: usize,
    /// Batches not yet acknowledged, oldest first (some of the oldest may be).
    outstanding: VecDeque<Arc<Completion>>,
}

impl Gathering {
    fn forget_done(&mut self) {
        while self.outstanding.front().is_some_and(|oldest| oldest.is_done()) {
            self.outstanding.pop_front();
        }
    }
}

/// What an append means for the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// There is something where nothing was.
    First,
    /// A batch is full.
    Full,
}

/// Why a record was not appended.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The budget is used up: wait.
    NoRoom,
    /// No batch is open and the caller did not want to open one.
    NotOpen,
    Error(Error),
}

/// What is left after [`Gather::take`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) full: bool,
    /// When the first record of what is left came.
    pub(crate) oldest: Option<Instant>,
}

/// The clocks, each read only where it is needed.
pub(crate) trait Clocks {
    fn wall(&self) -> i64;
    fn mono(&self) -> Instant;
}

impl Clocks for Now {
    fn wall(&self) -> i64 {
        self.wall
    }

    fn mono(&self) -> Instant {
        self.mono
    }
}

/// A partition's gathering place.
pub(crate) struct Gather {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    /// The machine's name for it.
    pub(crate) slot: usize,
    pub(crate) budget: Arc<Budget>,
    batch_bytes: usize,
    state: Mutex<Gathering>,
}

/// A first buffer is no larger, lest many idle partitions hold the whole budget; it doubles from there.
const FIRST_BUFFER_BYTES: usize = 64 << 10;

impl Gather {
    pub(crate) fn new(
        topic: Arc<str>,
        partition: i32,
        slot: usize,
        batch_bytes: usize,
        budget: Arc<Budget>,
    ) -> Self {
        Gather { topic, partition, slot, budget, batch_bytes, state: Mutex::default() }
    }

    /// Appends a record, in a new batch if none is open and `may_open`.
    #[inline]
    pub(crate) fn append(
        &self,
        clocks: impl Clocks,
        record: &Record<'_>,
        may_open: bool,
    ) -> Result<(Delivery, Option<News>), Refused> {
        let timestamp = record.timestamp.unwrap_or_else(|| clocks.wall());
        let mut state = lock(&self.state);
        if state.closed {
            return Err(Refused::Error(Error::Closed));
        }
        let put = |open: &mut Open, limit| {
            open.builder.append_within(limit, timestamp, record.key, record.value, record.headers)
        };
        if let Some(open) = &mut state.open {
            match put(open, open.reserved) {
                Ok(index) => return Ok((Delivery::new(open.completion.clone(), index), None)),
                Err(needed) if needed <= self.batch_bytes => {
                    self.grow(open, needed)?;
                    let index = put(open, needed).map_err(|_| Refused::NoRoom)?;
                    return Ok((Delivery::new(open.completion.clone(), index), None));
                }
                Err(_) => {}
            }
        }
        if !may_open {
            return Err(Refused::NotOpen);
        }
        let empty = BatchBuilder::with_capacity(0);
        let needed = empty.len() + empty.record_size(timestamp, record.key, record.value, record.headers);
        if needed > self.batch_bytes {
            return Err(Refused::Error(Error::RecordTooLarge { size: needed, limit: self.batch_bytes }));
        }
        let mut news = None;
        let mut open = self.open(&mut state, clocks.mono(), needed, &mut news)?;
        let index = put(&mut open, needed).map_err(|_| Refused::NoRoom)?;
        let delivery = Delivery::new(open.completion.clone(), index);
        state.open = Some(open);
        Ok((delivery, news))
    }

    /// Reserves for the open batch to become `needed` bytes long, if possible for twice as many as it has.
    #[cold]
    fn grow(&self, open: &mut Open, needed: usize) -> Result<(), Refused> {
        let doubled = (open.reserved * 2).clamp(needed, self.batch_bytes);
        let mut more = [doubled, needed].into_iter().map(|bytes| bytes - open.reserved);
        open.reserved += more.find(|more| self.budget.reserve(*more)).ok_or(Refused::NoRoom)?;
        open.builder.reserve(open.reserved);
        Ok(())
    }

    /// A new batch for a record that needs so many bytes; the one before, if any, is full.
    #[cold]
    fn open(
        &self,
        state: &mut Gathering,
        created: Instant,
        needed: usize,
        news: &mut Option<News>,
    ) -> Result<Open, Refused> {
        let guess = state.last_bytes.min(FIRST_BUFFER_BYTES).max(needed);
        let mut sizes = [guess, needed].into_iter();
        let reserved = sizes.find(|bytes| self.budget.reserve(*bytes)).ok_or(Refused::NoRoom)?;
        *news = self.turn_over(state);
        if !std::mem::replace(&mut state.announced, true) {
            *news = Some(News::First);
        }
        let completion = Completion::new(self.topic.clone(), self.partition);
        state.forget_done();
        state.outstanding.push_back(completion.clone());
        Ok(Open { builder: BatchBuilder::with_capacity(reserved), completion, created, reserved })
    }

    /// The open batch, if any, becomes full.
    fn turn_over(&self, state: &mut Gathering) -> Option<News> {
        let open = state.open.take()?;
        state.last_bytes = open.builder.len();
        state.full.push_back(open);
        Some(News::Full)
    }

    /// Takes the oldest batch out, and says what is left.
    pub(crate) fn take(&self) -> (Option<Open>, Left) {
        let mut state = lock(&self.state);
        let taken = state.full.pop_front().or_else(|| {
            let open = state.open.take()?;
            state.last_bytes = open.builder.len();
            Some(open)
        });
        if let Some(open) = &taken {
            open.completion.seal(open.builder.count());
        }
        (taken, Self::left(&mut state))
    }

    /// Takes out all batches whose first record came before `before`.
    pub(crate) fn take_older(&self, before: Instant) -> (Vec<Open>, Left) {
        let mut state = lock(&self.state);
        let mut taken = Vec::new();
        while state.full.front().is_some_and(|open| open.created < before) {
            taken.extend(state.full.pop_front());
        }
        if state.open.as_ref().is_some_and(|open| open.created < before) {
            taken.extend(state.open.take());
        }
        taken.iter().for_each(|open| open.completion.seal(open.builder.count()));
        (taken, Self::left(&mut state))
    }

    fn left(state: &mut Gathering) -> Left {
        let oldest = state.full.front().or(state.open.as_ref()).map(|open| open.created);
        state.announced = oldest.is_some();
        Left { full: !state.full.is_empty(), oldest }
    }

    /// Refuses records from now on.
    pub(crate) fn close(&self) {
        lock(&self.state).closed = true;
    }

    /// The batches that are not known to be acknowledged.
    pub(crate) fn outstanding(&self) -> Vec<Arc<Completion>> {
        let mut state = lock(&self.state);
        state.forget_done();
        state.outstanding.iter().cloned().collect()
    }
}

impl fmt::Debug for Gather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gather({}/{})", self.topic, self.partition)
    }
}

/// A poisoned lock is a panic elsewhere while it was held; the data are whole, since nothing in between can panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::waiters::tests::Count;

    /// Once a waiter of a split batch took the place of another, who then slept for ever.
    #[test]
    fn each_part_of_a_split_batch_wakes_all_who_still_wait() {
        let completion = Completion::new("t".into(), 0);
        let counts: Vec<Arc<Count>> = (0..4).map(|_| Arc::default()).collect();
        let mut deliveries: Vec<_> = (0..4).map(|index| Delivery::new(completion.clone(), index)).collect();
        let poll = |delivery: &mut Delivery, count: &Arc<Count>| {
            let waker = Waker::from(count.clone());
            Pin::new(delivery).poll(&mut Context::from_waker(&waker)).map(|written| written.unwrap().offset)
        };
        // In another order the second time, and twice: a second poll renews the waker in its place.
        for (index, count) in counts.iter().enumerate() {
            assert_eq!(poll(&mut deliveries[index], count), Poll::Pending);
            assert_eq!(poll(&mut deliveries[index], count), Poll::Pending);
        }
        completion.complete(0, 1, Ok((Some(10), None))).into_iter().for_each(Waker::wake);
        assert_eq!(poll(&mut deliveries[0], &counts[0]), Poll::Ready(Some(10)));
        for index in [2, 3, 1] {
            assert_eq!(poll(&mut deliveries[index], &counts[index]), Poll::Pending);
        }
        completion.complete(1, 3, Ok((Some(20), None))).into_iter().for_each(Waker::wake);
        for (index, offset) in [(1, 20), (2, 21), (3, 22)] {
            assert_eq!(counts[index].0.load(Ordering::Relaxed), 2, "woken once by each part");
            assert_eq!(poll(&mut deliveries[index], &counts[index]), Poll::Ready(Some(offset)));
        }
    }
}
