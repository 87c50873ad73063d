//! Processes: tasks, clients and a clock that are paused and killed together.

use std::panic::Location;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use super::plan::ProcessId;
use super::stuck::{Owner, Wait};
use super::{World, lock};

impl World {
    /// A new process, as its tasks see the world: what is spawned, and the clients that are made, through it belong to it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use milena_conformance::sim::{self, Fault, Options};
    ///
    /// let run = sim::run(1, Options::default(), async |world| {
    ///     let process = world.process();
    ///     let work = process.clone();
    ///     let killed = world.spawn(async move { work.run(std::future::pending::<()>()).await });
    ///     world.sleep(Duration::from_secs(1)).await;
    ///     world.fault(Fault::Kill { process: process.id(), machine: false }).expect("it is not main's process");
    ///     killed.await
    /// });
    /// assert_eq!(run.result, Ok(None));
    /// ```
    #[must_use]
    pub fn process(&self) -> World {
        World { shared: self.shared.clone(), process: self.shared.inbox.next_process() }
    }

    /// Ends every task there is; main too, unless it ends by itself.
    pub(super) fn kill_all(&self) {
        self.shared.inbox.kill_all();
    }

    /// Which process this is.
    pub fn id(&self) -> ProcessId {
        self.process
    }

    /// Runs a task in this process to its end; `None` if the process is killed before.
    ///
    /// To be called from another process, which lives on: it may start this one again by calling it once more.
    #[track_caller]
    pub fn run<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = Option<T>> + Send + 'static {
        let ending = Ending(Arc::new(Mutex::new(State { value: None, dropped: false, waker: None })));
        let state = ending.0.clone();
        let inbox = self.shared.inbox.clone();
        let name = inbox.spawn(self.process, Owner::User(Location::caller()), async move {
            let value = task.await;
            lock(&ending.0).value = Some(value);
        });
        std::future::poll_fn(move |cx| {
            let mut state = lock(&state);
            if state.dropped {
                return Poll::Ready(state.value.take());
            }
            state.waker = Some(cx.waker().clone());
            inbox.wait(Wait::Task(name));
            Poll::Pending
        })
    }
}

struct State<T> {
    value: Option<T>,
    dropped: bool,
    waker: Option<Waker>,
}

/// Tells of the end of its task, whichever it was.
struct Ending<T>(Arc<Mutex<State<T>>>);

impl<T> Drop for Ending<T> {
    fn drop(&mut self) {
        let waker = {
            let mut state = lock(&self.0);
            state.dropped = true;
            state.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }
}
