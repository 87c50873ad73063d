//! What the handles of one writer and the gate share: its topics, where their records gather, and the memory they take.
//!
//! The gate tells it what the machine says ([`Accumulator::on_output`]); handles look topics up and append.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::task::Waker;

use bytes::Bytes;

use super::budget::Budget;
use super::completion::Share;
use super::gather::Gather;
use super::job::Settled;
use super::sender::{Output, TopicView};
use crate::error::{Error, WriteError};
use crate::sync::lock;
use crate::waiters::Waiters;

/// A topic as a writer's handle sees it.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) partitions: Vec<Arc<Gather>>,
    /// Partitions with a leader.
    pub(crate) available: Vec<i32>,
}

#[derive(Default)]
pub(crate) struct Topic {
    pub(crate) state: Mutex<TopicState>,
    /// Where records without a key gather: a partition's index, or anything before the first choice.
    pub(crate) sticky: AtomicU64,
}

#[derive(Default)]
pub(crate) struct TopicState {
    pub(crate) view: Option<Result<Arc<View>, Error>>,
    pub(crate) waiting: Waiters,
}

pub(crate) struct Accumulator {
    pub(crate) budget: Arc<Budget>,
    batch_bytes: usize,
    topics: Mutex<BTreeMap<Arc<str>, Arc<Topic>>>,
    /// By slot.
    gathers: Mutex<Vec<Arc<Gather>>>,
}

impl Accumulator {
    pub(crate) fn new(buffer_bytes: usize, batch_bytes: usize) -> Self {
        Accumulator {
            budget: Arc::new(Budget::new(buffer_bytes)),
            batch_bytes,
            topics: Mutex::default(),
            gathers: Mutex::default(),
        }
    }

    /// Takes what the machine tells, but for jobs. What is to be woken or dropped comes back: neither may happen under a lock.
    pub(crate) fn on_output(&self, output: Output, wakers: &mut Vec<Waker>, dropped: &mut Vec<Bytes>) {
        match output {
            Output::Topic { topic, view } => self.on_topic(&topic, view, wakers),
            Output::Settled(Settled { slot, batch, first, records, outcome }) => {
                if let Some(gather) = self.gather(slot) {
                    wakers.append(&mut gather.settle(batch, first, records, outcome));
                }
            }
            Output::Released { bytes, buffer } => {
                wakers.append(&mut self.budget.release(bytes));
                dropped.push(buffer);
            }
            Output::Reserved { bytes } => self.budget.take(bytes),
            Output::Closed => self.close(),
            Output::Work(_) | Output::Gone => {}
        }
    }

    fn on_topic(&self, name: &Arc<str>, view: Result<TopicView, Error>, wakers: &mut Vec<Waker>) {
        let view = view.map(|TopicView { slots, available }| {
            let mut gathers = lock(&self.gathers);
            for (partition, slot) in slots.iter().enumerate() {
                // Slots are told of in their order.
                if *slot == gathers.len() {
                    let (partition, budget) = (partition as i32, self.budget.clone());
                    gathers.push(Arc::new(Gather::new(
                        name.clone(),
                        partition,
                        *slot,
                        self.batch_bytes,
                        budget,
                    )));
                }
            }
            let partitions = slots.iter().filter_map(|slot| gathers.get(*slot).cloned()).collect();
            Arc::new(View { partitions, available })
        });
        let topic = self.entry(name);
        let mut state = lock(&topic.state);
        state.view = Some(view);
        wakers.append(&mut state.waiting.take());
    }

    pub(crate) fn entry(&self, name: &Arc<str>) -> Arc<Topic> {
        lock(&self.topics).entry(name.clone()).or_default().clone()
    }

    pub(crate) fn find(&self, name: &str) -> Option<Arc<Topic>> {
        lock(&self.topics).get(name).cloned()
    }

    pub(crate) fn gather(&self, slot: usize) -> Option<Arc<Gather>> {
        lock(&self.gathers).get(slot).cloned()
    }

    fn gathers(&self) -> Vec<Arc<Gather>> {
        lock(&self.gathers).clone()
    }

    /// Takes no more records for any topic that it knows.
    pub(crate) fn close(&self) {
        self.gathers().iter().for_each(|gather| gather.close());
    }

    /// Whoever waits for a topic or for room has to look again.
    pub(crate) fn wake(&self) -> Vec<Waker> {
        let topics = lock(&self.topics);
        let mut wakers: Vec<_> =
            topics.values().flat_map(|topic| lock(&topic.state).waiting.take()).collect();
        wakers.append(&mut self.budget.wake());
        wakers
    }

    /// Everything that waits here ends with this error.
    pub(crate) fn abandon(&self, error: &WriteError, wakers: &mut Vec<Waker>) {
        self.gathers().iter().for_each(|gather| wakers.append(&mut gather.abandon(error)));
        for topic in lock(&self.topics).values() {
            lock(&topic.state).view = Some(Err(error.cause.clone()));
        }
        wakers.append(&mut self.wake());
    }

    /// Those batches that are not known to be acknowledged.
    pub(crate) fn outstanding(&self) -> Vec<Share> {
        self.gathers().iter().flat_map(|gather| gather.outstanding()).map(Share::new).collect()
    }

    /// How many wait: for news of a topic, for room, for batches.
    pub(crate) fn waiters(&self) -> usize {
        let topics: usize = lock(&self.topics).values().map(|topic| lock(&topic.state).waiting.len()).sum();
        let batches = self.gathers().into_iter().flat_map(|gather| gather.outstanding());
        topics + self.budget.waiters() + batches.map(|batch| batch.waiters()).sum::<usize>()
    }
}
