//! Those who wait for one thing that comes for all of them at once.
//!
//! Rules:
//! - Each has a place of its own, which it finds again at its next poll: two futures of one task have two.
//! - Whoever is dropped leaves, and the next to come takes its place: nothing piles up.
//! - When it comes all are woken, and all places are gone: those who wait on come anew.
//! - A waker is never dropped in here, under its owner's lock: a task may go with its last waker, and what it held may want
//!   that very lock.

use std::task::Waker;

#[derive(Debug, Default)]
pub(crate) struct Waiters {
    places: Vec<Option<Waker>>,
    free: Vec<usize>,
    /// How many times all were woken.
    round: u64,
}

/// A waiter's place, once it has one: since which round, and where.
#[derive(Debug, Default)]
pub(crate) struct Place(Option<(u64, usize)>);

impl Place {
    /// Whether there may be something to leave.
    pub(crate) fn is_taken(&self) -> bool {
        self.0.is_some()
    }
}

impl Waiters {
    /// Registers a waiter, or renews its waker where it waits already; the waker that it had is to be dropped outside of
    /// every lock.
    #[must_use]
    pub(crate) fn wait(&mut self, place: &mut Place, waker: &Waker) -> Option<Waker> {
        if let Some(index) = self.index(place) {
            let renewed = !self.places[index].as_ref().is_some_and(|old| old.will_wake(waker));
            return renewed.then(|| self.places[index].replace(waker.clone())).flatten();
        }
        let index = self.free.pop().unwrap_or(self.places.len());
        *place = Place(Some((self.round, index)));
        match self.places.get_mut(index) {
            Some(free) => *free = Some(waker.clone()),
            None => self.places.push(Some(waker.clone())),
        }
        None
    }

    /// A waiter is gone; its waker is to be dropped outside of every lock.
    #[must_use]
    pub(crate) fn leave(&mut self, place: &mut Place) -> Option<Waker> {
        let index = self.index(place)?;
        *place = Place::default();
        self.free.push(index);
        self.places[index].take()
    }

    fn index(&self, place: &Place) -> Option<usize> {
        place.0.filter(|(round, _)| *round == self.round).map(|(_, index)| index)
    }

    /// All who wait, to be woken outside of every lock.
    #[must_use]
    pub(crate) fn take(&mut self) -> Vec<Waker> {
        self.round += 1;
        self.free.clear();
        std::mem::take(&mut self.places).into_iter().flatten().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    /// A waker that counts.
    #[derive(Default)]
    pub(crate) struct Count(pub(crate) AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn who_is_dropped_leaves_a_place_for_the_next() {
        let mut waiters = Waiters::default();
        let count = Arc::new(Count::default());
        let wait = |place: &mut Place, waiters: &mut Waiters| {
            drop(waiters.wait(place, &Waker::from(count.clone())));
        };
        let mut stays = Place::default();
        wait(&mut stays, &mut waiters);
        // There is always one more before the last one goes, so that no end can simply be cut off.
        let mut last = Place::default();
        wait(&mut last, &mut waiters);
        for _ in 0..10_000 {
            let mut next = Place::default();
            wait(&mut next, &mut waiters);
            assert!(waiters.leave(&mut last).is_some());
            last = next;
        }
        assert_eq!((waiters.len(), waiters.places.len()), (2, 3));
        assert_eq!(Arc::strong_count(&count), 3, "two wakers");
        waiters.take().into_iter().for_each(Waker::wake);
        assert_eq!((count.0.load(Ordering::Relaxed), waiters.len()), (2, 0));
    }

    #[test]
    fn a_place_of_an_earlier_round_is_nobodys() {
        let mut waiters = Waiters::default();
        let (first, second) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let (mut old, mut new) = (Place::default(), Place::default());
        assert!(waiters.wait(&mut old, &Waker::from(first.clone())).is_none());
        assert_eq!(waiters.take().len(), 1);
        assert!(waiters.wait(&mut new, &Waker::from(second.clone())).is_none());
        assert!(waiters.leave(&mut old).is_none(), "its place is the other's now");
        assert_eq!(waiters.len(), 1);
        // Another task polls it: the waker of the one before is given back.
        let given = waiters.wait(&mut new, &Waker::from(first.clone())).expect("the second's");
        assert!(given.will_wake(&Waker::from(second)));
        assert!(waiters.wait(&mut new, &Waker::from(first)).is_none(), "the same once more");
    }
}
