//! What becomes of the records of a batch, for all who wait for them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use crate::error::WriteError;
use crate::sync::lock;
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

/// What became of a part of a batch: the broker's base offset and append time where it tells them, or why it was not written.
pub type Outcome = Result<(Option<i64>, Option<i64>), WriteError>;

#[derive(Default)]
struct Fate {
    /// How many records the batch has; known when it was taken out of its gathering place.
    records: Option<u32>,
    /// First record, number of records, outcome: one part, or more for a batch that was split.
    parts: Vec<(u32, u32, Outcome)>,
    /// No record of it is waited for any more.
    abandoned: bool,
    /// Woken with each part.
    waiting: Waiters,
}

impl Fate {
    fn is_done(&self) -> bool {
        self.abandoned || self.records == Some(self.parts.iter().map(|(_, count, _)| count).sum())
    }
}

/// The fate of one batch, shared by its gathering place and all who wait for its records.
pub(crate) struct Completion {
    topic: Arc<str>,
    partition: i32,
    fate: Mutex<Fate>,
}

impl Completion {
    pub(crate) fn new(topic: Arc<str>, partition: i32) -> Arc<Self> {
        Arc::new(Completion { topic, partition, fate: Mutex::default() })
    }

    /// Settles `count` records from `first`; the wakers returned are to be woken outside of every lock.
    pub(crate) fn complete(&self, first: u32, count: u32, outcome: Outcome) -> Vec<Waker> {
        let mut fate = lock(&self.fate);
        fate.parts.push((first, count, outcome));
        fate.waiting.take()
    }

    /// Settles all records that have no outcome yet, however many were appended.
    pub(crate) fn abandon(&self, error: &WriteError) -> Vec<Waker> {
        let mut fate = lock(&self.fate);
        let mut first = 0;
        let mut parts: Vec<_> = fate.parts.iter().map(|(first, count, _)| (*first, *count)).collect();
        parts.sort_unstable();
        for (next, count) in parts.into_iter().chain([(u32::MAX, 0)]) {
            if next > first {
                fate.parts.push((first, next - first, Err(error.clone())));
            }
            first = next.saturating_add(count);
        }
        fate.abandoned = true;
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

    pub(crate) fn is_done(&self) -> bool {
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
