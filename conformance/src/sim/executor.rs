//! A deterministic executor: one thread, tasks polled in the order in which they were woken.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use super::lock;

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where tasks come in: new ones, and those that were woken.
#[derive(Default)]
pub(super) struct Inbox {
    next: AtomicU64,
    spawned: Mutex<VecDeque<(Arc<TaskWaker>, Job)>>,
    woken: Arc<Mutex<VecDeque<u64>>>,
}

struct TaskWaker {
    id: u64,
    queued: AtomicBool,
    woken: Arc<Mutex<VecDeque<u64>>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            lock(&self.woken).push_back(self.id);
        }
    }
}

impl Inbox {
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let waker = self.waker();
        lock(&self.spawned).push_back((waker, Box::pin(task)));
    }

    /// A waker that was woken once already: whatever is new has its first turn.
    fn waker(&self) -> Arc<TaskWaker> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.woken).push_back(id);
        Arc::new(TaskWaker { id, queued: AtomicBool::new(true), woken: self.woken.clone() })
    }
}

/// All tasks of a run, and the main future's waker.
pub(super) struct Executor {
    inbox: Arc<Inbox>,
    main: Arc<TaskWaker>,
    tasks: BTreeMap<u64, (Arc<TaskWaker>, Job)>,
}

/// What a turn was.
pub(super) enum Turn {
    /// The main future is to be polled with this waker.
    Main(Waker),
    Task,
}

impl Executor {
    pub(super) fn new(inbox: Arc<Inbox>) -> Self {
        Executor { main: inbox.waker(), inbox, tasks: BTreeMap::new() }
    }

    /// Polls whoever was woken first; `None` if nobody was.
    pub(super) fn turn(&mut self) -> Option<Turn> {
        loop {
            let spawned = std::mem::take(&mut *lock(&self.inbox.spawned));
            self.tasks.extend(spawned.into_iter().map(|(waker, task)| (waker.id, (waker, task))));
            let id = lock(&self.inbox.woken).pop_front()?;
            if id == self.main.id {
                self.main.queued.store(false, Ordering::Relaxed);
                return Some(Turn::Main(self.main.clone().into()));
            }
            // Wakers outlive their tasks.
            let Some((waker, task)) = self.tasks.get_mut(&id) else { continue };
            waker.queued.store(false, Ordering::Relaxed);
            let handle = Waker::from(waker.clone());
            if task.as_mut().poll(&mut Context::from_waker(&handle)).is_ready() {
                let ended = self.tasks.remove(&id);
                drop(ended);
            }
            return Some(Turn::Task);
        }
    }

    /// Tasks that have not ended.
    pub(super) fn alive(&self) -> usize {
        self.tasks.len() + lock(&self.inbox.spawned).len()
    }

    /// Ends all tasks; what they spawn while they are dropped is dropped too.
    pub(super) fn clear(&mut self) {
        loop {
            let tasks = std::mem::take(&mut self.tasks);
            let spawned = std::mem::take(&mut *lock(&self.inbox.spawned));
            if tasks.is_empty() && spawned.is_empty() {
                return;
            }
        }
    }
}
