//! What was fetched for a reader and not taken yet: the gate puts in, the reader's handle takes.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use super::chunk::Chunk;
use crate::error::Error;
use crate::sync::lock;

#[derive(Default)]
pub(crate) struct Inbox(Mutex<Fetched>);

#[derive(Default)]
struct Fetched {
    chunks: VecDeque<Chunk>,
    /// Nothing will come behind the chunks; perhaps an error.
    ended: Option<Option<Error>>,
    waiting: Option<Waker>,
}

/// What [`Inbox::poll_next`] found.
pub(crate) enum Next {
    Chunk(Chunk),
    /// The end; an error is told once.
    End(Option<Error>),
}

impl Inbox {
    pub(crate) fn on_chunk(&self, chunk: Chunk, wakers: &mut Vec<Waker>) {
        let mut fetched = lock(&self.0);
        fetched.chunks.push_back(chunk);
        wakers.extend(fetched.waiting.take());
    }

    pub(crate) fn on_end(&self, error: Option<Error>, wakers: &mut Vec<Waker>) {
        let mut fetched = lock(&self.0);
        fetched.ended.get_or_insert(error);
        wakers.extend(fetched.waiting.take());
    }

    /// Whether nothing is there to be taken.
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.0).chunks.is_empty()
    }

    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Next> {
        let mut fetched = lock(&self.0);
        if let Some(chunk) = fetched.chunks.pop_front() {
            return Poll::Ready(Next::Chunk(chunk));
        }
        if let Some(error) = &mut fetched.ended {
            return Poll::Ready(Next::End(error.take()));
        }
        let before = fetched.waiting.replace(cx.waker().clone());
        // A task may go with its last waker, and what it held: not under this lock.
        drop(fetched);
        drop(before);
        Poll::Pending
    }
}
