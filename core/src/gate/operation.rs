//! A call under way, as the one who waits for it holds it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};

use super::back::Back;
use crate::connection::AnyAnswer;
use crate::context::OpId;
use crate::error::Error;
use crate::sync::lock;

/// What came of an operation: an answer, if it has one.
pub(crate) type Outcome = Result<Option<AnyAnswer>, Error>;

/// A result on its way to the one who waits for it.
#[derive(Default)]
pub(super) struct Slot(Mutex<(Option<Outcome>, Option<Waker>)>);

impl Slot {
    /// The waker returned is to be woken outside of every lock.
    pub(super) fn put(&self, outcome: Outcome) -> Option<Waker> {
        let mut slot = lock(&self.0);
        slot.0 = Some(outcome);
        slot.1.take()
    }
}

/// An operation under way: a future of its result. Dropping it cancels the operation.
pub(crate) struct Operation {
    pub(super) back: Weak<dyn Back>,
    pub(super) op: OpId,
    pub(super) slot: Arc<Slot>,
}

impl Future for Operation {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut slot = lock(&self.slot.0);
        match slot.0.take() {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                let before = slot.1.replace(cx.waker().clone());
                // A task may go with its last waker, and its operations with it: not under this lock.
                drop(slot);
                drop(before);
                Poll::Pending
            }
        }
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if let Some(back) = self.back.upgrade() {
            back.cancel(self.op);
        }
    }
}
