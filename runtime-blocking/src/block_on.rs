//! Waits for a future on the calling thread.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::TimedOut;

struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

thread_local! {
    /// One for each thread, so that a call that is ready at once allocates nothing.
    static WAKER: Waker = Arc::new(Parked(thread::current())).into();
}

#[inline]
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    // Most calls are ready at once. Whatever waits is polled once more, with the waker that it is woken by.
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => block_until(future, None).unwrap_or_else(|| unreachable!("there is no deadline")),
    }
}

pub(crate) fn within<F: Future>(timeout: Duration, future: F) -> Result<F::Output, TimedOut> {
    // What no clock can say is for ever.
    block_until(pin!(future), Instant::now().checked_add(timeout)).ok_or(TimedOut)
}

/// The output, or `None` if it is not there at the deadline.
#[cold]
fn block_until<F: Future>(mut future: Pin<&mut F>, deadline: Option<Instant>) -> Option<F::Output> {
    let mut over = false;
    WAKER.with(|waker| {
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(waker)) {
                return Some(output);
            }
            if over {
                return None;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            // A future that only gave way to others is asked once more, however late it is.
            over = left.is_some_and(|left| left.is_zero());
            match left {
                None => thread::park(),
                Some(left) => thread::park_timeout(left),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[test]
    fn waits_for_another_thread() {
        let (sender, receiver) = std::sync::mpsc::channel::<Waker>();
        let waker = thread::spawn(move || receiver.recv().unwrap().wake());
        let mut polls = 0;
        let polled = block_on(poll_fn(|cx| {
            polls += 1;
            if polls == 1 {
                sender.send(cx.waker().clone()).unwrap();
                return Poll::Pending;
            }
            Poll::Ready(polls)
        }));
        waker.join().unwrap();
        assert!(polled >= 2);
    }

    #[test]
    fn ends_at_the_deadline() {
        assert_eq!(within(Duration::from_millis(10), std::future::pending::<()>()), Err(TimedOut));
        assert_eq!(within(Duration::ZERO, std::future::ready(1)), Ok(1));
        assert_eq!(within(Duration::MAX, std::future::ready(1)), Ok(1));
    }
}
