//! A deterministic executor: one thread, tasks polled in the order in which they were woken.
//!
//! Rules:
//! - Whatever is new has a turn; after that a task has one when it was woken.
//! - A task that was aborted, or whose process was killed, is dropped before anyone else has a turn. Tasks of a process that
//!   is paused have their turns when it goes on.
//! - A task that set an alarm has its turn, before anyone else, when that many turns were begun.
//! - It knows of every task whose it is, and what it said during its last turn that it waits for, so that a run that
//!   gets nowhere can be explained.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use super::lock;
use super::network::State;
use super::plan::ProcessId;
use super::stuck::{Alive, Name, Owner, Wait};

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where tasks come in: new ones, those that were woken, those that are to end.
#[derive(Default)]
pub(super) struct Inbox {
    next: AtomicU64,
    clients: AtomicU32,
    processes: AtomicU32,
    spawned: Mutex<VecDeque<(Name, Arc<TaskWaker>, Job)>>,
    woken: Arc<Mutex<VecDeque<u64>>>,
    aborted: Mutex<Vec<u64>>,
    /// Processes that were killed, with the first task's id that came after.
    killed: Mutex<Vec<(ProcessId, u64)>>,
    /// The process that is being killed: what it spawns now is not begun any more.
    dying: Mutex<Option<ProcessId>>,
    /// How many pauses each process is in, and which of its tasks were woken since.
    paused: Mutex<BTreeMap<ProcessId, (usize, Vec<u64>)>>,
    /// How many tasks each process has.
    population: Mutex<BTreeMap<ProcessId, usize>>,
    /// What the task that has its turn waits for, as far as it said so.
    waits: Mutex<Vec<Wait>>,
    turns: AtomicU64,
    /// Behind which turn, and whose turn is next then.
    alarms: Mutex<BTreeSet<(u64, u64)>>,
    /// Whose turn it is.
    current: Mutex<Option<Name>>,
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
    pub(super) fn spawn(
        &self,
        process: ProcessId,
        owner: Owner,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> Name {
        let (name, waker) = self.enter(process, owner);
        if *lock(&self.dying) == Some(process) {
            lock(&self.killed).push((process, name.id + 1));
        }
        lock(&self.spawned).push_back((name, waker, Box::pin(task)));
        name
    }

    /// A name, and a waker that was woken once already.
    fn enter(&self, process: ProcessId, owner: Owner) -> (Name, Arc<TaskWaker>) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.woken).push_back(id);
        let waker = TaskWaker { id, queued: AtomicBool::new(true), woken: self.woken.clone() };
        *lock(&self.population).entry(process).or_default() += 1;
        (Name { id, process, owner }, Arc::new(waker))
    }

    /// The next client's number, from 1.
    pub(super) fn next_client(&self) -> u32 {
        self.clients.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The next process's id, from 1.
    pub(super) fn next_process(&self) -> ProcessId {
        ProcessId(self.processes.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// All tasks that a process has now are to end. Whether it has any.
    pub(super) fn kill(&self, process: ProcessId) -> bool {
        lock(&self.killed).push((process, self.next.load(Ordering::Relaxed)));
        lock(&self.population).get(&process).is_some_and(|tasks| *tasks > 0)
    }

    /// Every task that there is now is to end.
    pub(super) fn kill_all(&self) {
        let processes: Vec<_> = lock(&self.population).keys().copied().collect();
        for process in processes {
            self.kill(process);
        }
    }

    /// A process stands still until it is resumed as many times. Whether it has any task.
    pub(super) fn pause(&self, process: ProcessId) -> bool {
        lock(&self.paused).entry(process).or_default().0 += 1;
        lock(&self.population).get(&process).is_some_and(|tasks| *tasks > 0)
    }

    pub(super) fn resume(&self, process: ProcessId) {
        let mut paused = lock(&self.paused);
        let Some((pauses, _)) = paused.get_mut(&process) else { return };
        *pauses -= 1;
        if *pauses == 0
            && let Some((_, woken)) = paused.remove(&process)
        {
            lock(&self.woken).extend(woken);
        }
    }

    /// Whether a task that was woken has to wait for its process to go on.
    fn holds(&self, task: Name) -> bool {
        let mut paused = lock(&self.paused);
        let Some((_, woken)) = paused.get_mut(&task.process) else { return false };
        woken.push(task.id);
        true
    }

    fn leave(&self, task: Name) {
        if let Some(tasks) = lock(&self.population).get_mut(&task.process) {
            *tasks -= 1;
        }
    }

    pub(super) fn abort(&self, task: Name) {
        lock(&self.aborted).push(task.id);
    }

    /// The task that has its turn waits for this, perhaps besides other things.
    pub(super) fn wait(&self, wait: Wait) {
        lock(&self.waits).push(wait);
    }

    /// How many turns were begun.
    pub(super) fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// The task whose turn it is has the next one, too, once so many turns were begun.
    pub(super) fn set_alarm(&self, turn: u64) {
        let current = *lock(&self.current);
        lock(&self.alarms).extend(current.map(|task| (turn, task.id)));
    }

    fn ring(&self) {
        let turns = self.turns();
        let mut alarms = lock(&self.alarms);
        while let Some((turn, task)) = alarms.first().copied().filter(|(turn, _)| *turn <= turns) {
            alarms.remove(&(turn, task));
            let mut woken = lock(&self.woken);
            woken.retain(|id| *id != task);
            woken.push_front(task);
        }
    }

    /// Whose turn it is, in words.
    pub(super) fn current(&self) -> String {
        lock(&self.current).map_or("the simulator".to_owned(), |task| task.to_string())
    }

    fn begin(&self, task: Name) {
        self.turns.fetch_add(1, Ordering::Relaxed);
        *lock(&self.current) = Some(task);
    }

    /// Not called after a panic: it is told whose it was.
    fn over(&self) {
        *lock(&self.current) = None;
    }
}

/// All tasks of a run.
pub(super) struct Executor<'run> {
    inbox: Arc<Inbox>,
    tasks: BTreeMap<u64, Entry<'run>>,
}

struct Entry<'run> {
    name: Name,
    waker: Arc<TaskWaker>,
    job: Pin<Box<dyn Future<Output = ()> + 'run>>,
    waits: Vec<Wait>,
    /// When its last turn was.
    since: Duration,
    turns: u64,
}

impl<'run> Executor<'run> {
    /// The main future need not be `Send`: it never leaves the thread.
    pub(super) fn new(inbox: Arc<Inbox>, main: impl Future<Output = ()> + 'run) -> Self {
        let (name, waker) = inbox.enter(ProcessId(0), Owner::Main);
        let main = Entry::new(name, waker, Box::pin(main));
        Executor { inbox, tasks: BTreeMap::from([(name.id, main)]) }
    }

    /// Polls whoever was woken first; false if nobody was.
    pub(super) fn turn(&mut self, now: Duration) -> bool {
        loop {
            self.take_in();
            self.inbox.ring();
            let Some(id) = lock(&self.inbox.woken).pop_front() else { return false };
            // Wakers outlive their tasks.
            let Some(task) = self.tasks.get_mut(&id) else { continue };
            if self.inbox.holds(task.name) {
                continue;
            }
            task.waker.queued.store(false, Ordering::Relaxed);
            (task.since, task.turns) = (now, task.turns + 1);
            self.inbox.begin(task.name);
            let waker = Waker::from(task.waker.clone());
            let done = task.job.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
            self.inbox.over();
            task.waits.clear();
            task.waits.append(&mut lock(&self.inbox.waits));
            task.name.learn(&task.waits);
            if done {
                self.end(id);
            }
            return true;
        }
    }

    /// New tasks enter, aborted ones leave. What is dropped may spawn and abort in turn.
    fn take_in(&mut self) {
        loop {
            let spawned = std::mem::take(&mut *lock(&self.inbox.spawned));
            let enter = |(name, waker, job): (Name, _, Job)| (name.id, Entry::new(name, waker, job));
            self.tasks.extend(spawned.into_iter().map(enter));
            let aborted = std::mem::take(&mut *lock(&self.inbox.aborted));
            let killed = std::mem::take(&mut *lock(&self.inbox.killed));
            if aborted.is_empty() && killed.is_empty() {
                return;
            }
            for id in aborted {
                self.end(id);
            }
            for (process, before) in killed {
                self.kill(process, before);
            }
        }
    }

    fn kill(&mut self, process: ProcessId, before: u64) {
        let dies = |task: &Entry<'_>| task.name.process == process;
        let ids: Vec<u64> =
            self.tasks.range(..before).filter(|(_, task)| dies(task)).map(|(id, _)| *id).collect();
        *lock(&self.inbox.dying) = Some(process);
        ids.into_iter().for_each(|id| self.end(id));
        *lock(&self.inbox.dying) = None;
    }

    fn end(&mut self, id: u64) {
        let Some(task) = self.tasks.remove(&id) else { return };
        self.inbox.leave(task.name);
        self.inbox.begin(task.name);
        drop(task);
        self.inbox.over();
    }

    /// Tasks that have not ended.
    pub(super) fn alive(&self, state: &State) -> Vec<Alive> {
        let alive = |task: &Entry<'_>| {
            let mut alive = Alive::new(task.name, &task.waits, task.since, task.turns, state);
            if task.turns > 0 && Arc::strong_count(&task.waker) == 1 {
                alive.waits_for.push("nothing that could wake it".to_owned());
            }
            alive
        };
        self.tasks.values().map(alive).collect()
    }

    /// Whether the main future is not done.
    pub(super) fn main_is_alive(&self) -> bool {
        self.tasks.values().any(|task| matches!(task.name.owner, Owner::Main))
    }

    /// Whether all tasks have ended.
    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty() && lock(&self.inbox.spawned).is_empty()
    }

    /// Ends all tasks, and what they spawn while they are dropped. After a panic they may well panic too: only the
    /// first counts.
    pub(super) fn clear(&mut self) {
        loop {
            let _ = catch_unwind(AssertUnwindSafe(|| self.take_in()));
            let Some(id) = self.tasks.first_key_value().map(|(id, _)| *id) else { return };
            let _ = catch_unwind(AssertUnwindSafe(|| self.end(id)));
        }
    }
}

impl<'run> Entry<'run> {
    fn new(name: Name, waker: Arc<TaskWaker>, job: Pin<Box<dyn Future<Output = ()> + 'run>>) -> Self {
        Entry { name, waker, job, waits: Vec::new(), since: Duration::ZERO, turns: 0 }
    }
}
