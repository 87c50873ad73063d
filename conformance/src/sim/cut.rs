//! Futures that are dropped on the way, anywhere that a simulation can reach.
//!
//! Rules:
//! - Turns count from the one in which the future is polled for the first time: that one is turn 0. Whatever changes between
//!   two turns changes in the world, not in a task.
//! - The future is dropped in its own task, which has the next turn behind the last one that counts: nothing comes between.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use super::World;

impl World {
    /// The future's result, or `None` if it is not ready when so many turns have passed since its first: it is dropped then.
    ///
    /// A turn is one poll of any task, the clients' own included: behind the first may come the connection's, which writes
    /// the request, behind that the one that reads the answer. With 0 the future is polled once and dropped. To drop it in
    /// each place that there is, count up until it is ready before:
    ///
    /// ```
    /// use milena_conformance::sim::{self, Options};
    /// use milena_core::{Record, WriterConfig};
    ///
    /// let written = |turns| {
    ///     let run = sim::run(1, Options::draw(1, "orders", 1), async move |world| {
    ///         let client = world.client(world.config(), 0).unwrap();
    ///         let writer = client.writer(WriterConfig::new("orders")).unwrap();
    ///         let done = world.cut_after(turns, writer.write(Record::new("a book"))).await.is_some();
    ///         // What was accepted is written all the same, and the writer still works.
    ///         let next = writer.write(Record::new("another")).await.unwrap().offset.unwrap();
    ///         (done, next)
    ///     });
    ///     run.result.unwrap()
    /// };
    /// assert_eq!(written(0), (false, 0));
    /// assert_eq!((1..).map(written).find(|(done, _)| *done), Some((true, 1)));
    /// ```
    pub async fn cut_after<T>(&self, turns: u64, future: impl Future<Output = T>) -> Option<T> {
        let inbox = &self.shared.inbox;
        let mut future = pin!(future);
        let mut last = None;
        poll_fn(|cx| {
            let now = inbox.turns();
            let last = *last.get_or_insert_with(|| {
                let last = now.saturating_add(turns);
                inbox.set_alarm(last);
                last
            });
            if now <= last
                && let Poll::Ready(value) = future.as_mut().poll(cx)
            {
                return Poll::Ready(Some(value));
            }
            if now >= last { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    }
}
