//! The handle of a task that a user spawned.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use super::executor::Inbox;
use super::lock;
use super::plan::ProcessId;
use super::stuck::{Name, Owner, Wait};

type Slot<T> = Mutex<(Option<T>, Option<Waker>)>;

/// A task's result, to be awaited; dropped, the task goes on.
pub struct Task<T> {
    slot: Arc<Slot<T>>,
    name: Name,
    inbox: Arc<Inbox>,
}

impl<T: Send + 'static> Task<T> {
    pub(super) fn spawn(
        inbox: &Arc<Inbox>,
        process: ProcessId,
        owner: Owner,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Self {
        let slot: Arc<Slot<T>> = Arc::default();
        let result = slot.clone();
        let name = inbox.spawn(process, owner, async move {
            let value = task.await;
            let waker = {
                let mut slot = lock(&result);
                slot.0 = Some(value);
                slot.1.take()
            };
            waker.into_iter().for_each(Waker::wake);
        });
        Task { slot, name, inbox: inbox.clone() }
    }
}

impl<T> Task<T> {
    /// Ends the task where it is: its future is dropped before anything else happens, as when a process is killed.
    /// What it has not stored elsewhere is gone.
    pub fn abort(self) {
        self.inbox.abort(self.name);
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Task").field(&self.name.to_string()).finish()
    }
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut slot = lock(&self.slot);
        match slot.0.take() {
            Some(value) => Poll::Ready(value),
            None => {
                slot.1 = Some(cx.waker().clone());
                self.inbox.wait(Wait::Task(self.name));
                Poll::Pending
            }
        }
    }
}
