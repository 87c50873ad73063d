//! Bytes that a writer's unacknowledged records may hold.

use std::sync::Mutex;
use std::task::Waker;

use crate::sync::lock;
use crate::waiters::{Place, Waiters};

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

    pub(crate) fn reserve(&self, bytes: usize) -> bool {
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

    /// Wakes all who wait, though nothing was given back.
    pub(crate) fn wake(&self) -> Vec<Waker> {
        lock(&self.state).waiting.take()
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
