//! Where the records of one partition gather, already in wire form.
//!
//! Rules:
//! - An append takes the partition's lock for one copy of the record into the open batch, and allocates only when a
//!   batch is opened or its buffer grows.
//! - Memory is counted by the buffers' capacity against one [`Budget`] for the writer, when a buffer is made or grows.
//! - The machine is told of a partition once: when it turns from empty to not empty, and again each time a batch is full.
//!   Taking batches out ([`Gathering::take`]) says what is left, and with nothing left the next append tells again.
//! - The machine knows a batch by its id, those who wait for a record by the batch's [`Completion`] and an index; here the
//!   one leads to the other.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::task::Waker;

use super::budget::Budget;
use super::completion::{Completion, Delivery, Outcome};
use super::job::{BatchId, Gathered, Gathering, Left, News};
use crate::balancer::Record;
use crate::error::{Error, WriteError};
use crate::record::BatchBuilder;
use crate::sync::lock;
use crate::time::{Instant, Now};

/// A batch that records are being appended to, or that is full.
struct Open {
    builder: BatchBuilder,
    completion: Arc<Completion>,
    batch: BatchId,
    /// When its first record came.
    created: Instant,
    /// What it holds of the budget.
    reserved: usize,
}

impl Open {
    /// Nothing more will be appended.
    fn close(self) -> Gathered {
        let Open { builder, completion, batch, created, reserved } = self;
        completion.seal(builder.count());
        Gathered { batch, builder, created, reserved }
    }
}

#[derive(Default)]
struct State {
    open: Option<Open>,
    full: VecDeque<Open>,
    /// The machine knows that something is here.
    announced: bool,
    closed: bool,
    /// Size of the last batch, a guess for the next.
    last_bytes: usize,
    /// Batches not yet acknowledged, oldest first (some after the oldest may be).
    outstanding: VecDeque<Arc<Completion>>,
    /// The id of the first of those; the others follow.
    oldest: u64,
}

impl State {
    fn forget_done(&mut self) {
        while self.outstanding.front().is_some_and(|oldest| oldest.is_done()) {
            self.outstanding.pop_front();
            self.oldest += 1;
        }
    }

    fn completion(&self, batch: BatchId) -> Option<Arc<Completion>> {
        let index = batch.0.checked_sub(self.oldest)?;
        self.outstanding.get(usize::try_from(index).ok()?).cloned()
    }
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
    state: Mutex<State>,
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
        state: &mut State,
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
        let batch = BatchId(state.oldest + state.outstanding.len() as u64);
        state.outstanding.push_back(completion.clone());
        Ok(Open { builder: BatchBuilder::with_capacity(reserved), completion, batch, created, reserved })
    }

    /// The open batch, if any, becomes full.
    fn turn_over(&self, state: &mut State) -> Option<News> {
        let open = state.open.take()?;
        state.last_bytes = open.builder.len();
        state.full.push_back(open);
        Some(News::Full)
    }

    fn left(state: &mut State) -> Left {
        let oldest = state.full.front().or(state.open.as_ref()).map(|open| open.created);
        state.announced = oldest.is_some();
        Left { full: !state.full.is_empty(), oldest }
    }

    /// Refuses records from now on.
    pub(crate) fn close(&self) {
        lock(&self.state).closed = true;
    }

    /// Settles records of a batch; the wakers returned are to be woken outside of every lock.
    pub(crate) fn settle(&self, batch: BatchId, first: u32, records: u32, outcome: Outcome) -> Vec<Waker> {
        let completion = lock(&self.state).completion(batch);
        completion.map(|completion| completion.complete(first, records, outcome)).unwrap_or_default()
    }

    /// Settles every record of every batch that has no outcome yet, and takes no more.
    pub(crate) fn abandon(&self, error: &WriteError) -> Vec<Waker> {
        self.close();
        self.outstanding().iter().flat_map(|batch| batch.abandon(error)).collect()
    }

    /// Bytes of the batch that is taken next.
    pub(crate) fn next_bytes(&self) -> usize {
        let state = lock(&self.state);
        state.full.front().or(state.open.as_ref()).map_or(0, |open| open.builder.len())
    }

    /// The batches that are not known to be acknowledged.
    pub(crate) fn outstanding(&self) -> Vec<Arc<Completion>> {
        let mut state = lock(&self.state);
        state.forget_done();
        state.outstanding.iter().cloned().collect()
    }
}

impl Gathering for Gather {
    fn take(&self) -> (Option<Gathered>, Left) {
        let mut state = lock(&self.state);
        let taken = state.full.pop_front().or_else(|| {
            let open = state.open.take()?;
            state.last_bytes = open.builder.len();
            Some(open)
        });
        (taken.map(Open::close), Self::left(&mut state))
    }

    fn take_older(&self, before: Instant) -> (Vec<Gathered>, Left) {
        let mut state = lock(&self.state);
        let mut taken = Vec::new();
        while state.full.front().is_some_and(|open| open.created < before) {
            taken.extend(state.full.pop_front());
        }
        if state.open.as_ref().is_some_and(|open| open.created < before) {
            taken.extend(state.open.take());
        }
        (taken.into_iter().map(Open::close).collect(), Self::left(&mut state))
    }
}

impl fmt::Debug for Gather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gather({}/{})", self.topic, self.partition)
    }
}
