//! A job on its way to where it is done, and back.

use std::fmt;
use std::sync::{Arc, Weak};

use super::back::Back;
use crate::error::Error;
use crate::producer::{self, Gather, Worked};

/// Work that takes time (compression), to be done outside of the lock: by [`run`](Job::run), on any thread, once.
///
/// A job that is dropped without being done ends its client: records would wait for it for ever.
pub struct Job {
    back: Weak<dyn Back>,
    gather: Arc<Gather>,
    work: Option<producer::Job>,
    /// What came of it was told, or will be.
    done: bool,
}

impl Job {
    pub(super) fn new(back: Weak<dyn Back>, gather: Arc<Gather>, work: producer::Job) -> Self {
        Job { back, gather, work: Some(work), done: false }
    }

    /// Whether it takes a millisecond or more: a runtime may want it on another thread than the one that polls sockets.
    pub fn is_heavy(&self) -> bool {
        self.work.as_ref().is_some_and(|work| work.is_heavy(self.gather.next_bytes()))
    }

    /// Does it, and tells the client.
    pub fn run(self) {
        let back = self.back.clone();
        if let (Some(worked), Some(back)) = (self.finish(), back.upgrade()) {
            back.worked(worked);
        }
    }

    /// Does it.
    pub(super) fn finish(mut self) -> Option<Worked> {
        // If this panics, the job counts as lost.
        let worked = self.work.take()?.run(&*self.gather);
        self.done = true;
        Some(worked)
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if !self.done
            && let Some(back) = self.back.upgrade()
        {
            // Dropped without a panic, its runtime has ended.
            back.lost(match std::thread::panicking() {
                true => Error::Panicked { what: "a job".to_owned() },
                false => Error::Closed,
            });
        }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("work", &self.work).finish_non_exhaustive()
    }
}
