//! Why a run did not come to its end, told so that a user finds the place in their own code.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use milena_core::protocol::BrokerId;

use super::network::State;
use super::plan::ProcessId;

/// Why a run did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stuck {
    /// Nothing would ever happen again, and the main future was not done.
    Deadlock(Vec<Alive>),
    /// The virtual time was up.
    TimeLimit(Vec<Alive>),
    /// Tasks woke one another on and on.
    TurnLimit(Vec<Alive>),
    /// The main future was done, but these tasks never ended.
    LeftOver(Vec<Alive>),
    /// A task kept the thread for so long, in real time, without giving it back.
    Blocked {
        /// Which one.
        task: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// Something was not as it must be.
    Failed(String),
    /// Something panicked.
    Panic {
        /// Which task.
        task: String,
        /// What it said.
        message: String,
    },
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tasks = match self {
            Stuck::Deadlock(tasks) => {
                f.write_str("deadlock: nothing is left that could happen, and main is not done")?;
                tasks
            }
            Stuck::TimeLimit(tasks) => {
                f.write_str("the virtual time is up, and main is not done")?;
                tasks
            }
            Stuck::TurnLimit(tasks) => {
                f.write_str("tasks are busy without an end")?;
                tasks
            }
            Stuck::LeftOver(tasks) => {
                write!(f, "main is done, but tasks have not ended: {}", tasks.len())?;
                tasks
            }
            Stuck::Blocked { task, after } => {
                return write!(
                    f,
                    "{task} has blocked the thread for {after:?} of real time: it sleeps, waits for a lock or \
                     computes without an end, instead of awaiting"
                );
            }
            Stuck::Failed(what) => return f.write_str(what),
            Stuck::Panic { task, message } => return write!(f, "{task} panicked: {message}"),
        };
        tasks.iter().try_for_each(|task| write!(f, "\n  {task}"))
    }
}

impl std::error::Error for Stuck {}

/// A task that has not ended, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alive {
    /// Its name: `main`, or where it was spawned, or whose connection it is.
    pub task: String,
    /// What it waits for, as far as the simulator knows: anything else is a client's answer or another task's doing, if
    /// anybody has its waker at all.
    pub waits_for: Vec<String>,
    /// The virtual time of its last turn.
    pub since: Duration,
    /// How many turns it has had.
    pub turns: u64,
}

impl Alive {
    pub(super) fn new(name: Name, waits: &[Wait], since: Duration, turns: u64, state: &State) -> Self {
        let told = |wait: &Wait| match wait {
            Wait::Data(_, link) => {
                state.asked(*link).fold(wait.to_string(), |told, key| format!("{told}, asked for {key}"))
            }
            _ => wait.to_string(),
        };
        Alive { task: name.to_string(), waits_for: waits.iter().map(told).collect(), since, turns }
    }
}

impl fmt::Display for Alive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Alive { task, waits_for, since, turns } = self;
        if *turns == 0 {
            return write!(f, "{task}: has had no turn yet");
        }
        let what = match waits_for.is_empty() {
            true => "a client or another task".to_owned(),
            false => waits_for.join(" or "),
        };
        write!(f, "{task}: since {:.6} s waits for {what}; {turns} turns", since.as_secs_f64())
    }
}

/// Which task.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    pub(super) id: u64,
    pub(super) process: ProcessId,
    pub(super) owner: Owner,
}

/// Whose a task is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Owner {
    Main,
    /// The user's, spawned there.
    User(&'static Location<'static>),
    /// A client's: its clock, or a connection, once that is known.
    Client(u32, Option<BrokerId>),
}

/// What a task waits for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wait {
    Time(Duration),
    Connect(BrokerId),
    /// From that broker, on that link.
    Data(BrokerId, u64),
    Room(BrokerId),
    Task(Name),
}

impl Name {
    /// A client's task tells by what it waits for which connection it is.
    pub(super) fn learn(&mut self, waits: &[Wait]) {
        if let Owner::Client(_, broker @ None) = &mut self.owner {
            *broker = waits.iter().find_map(|wait| match wait {
                Wait::Connect(broker) | Wait::Data(broker, _) | Wait::Room(broker) => Some(*broker),
                Wait::Time(_) | Wait::Task(_) => None,
            });
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.owner {
            Owner::Main => f.write_str("main"),
            Owner::User(place) => write!(f, "task {} ({place})", self.id),
            Owner::Client(client, None) => write!(f, "client {client}, clock"),
            Owner::Client(client, Some(broker)) => {
                write!(f, "client {client}, connection to broker {broker}")
            }
        }?;
        match self.process {
            ProcessId(0) => Ok(()),
            ProcessId(process) => write!(f, " in process {process}"),
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wait::Time(at) => write!(f, "the time {:.6} s", at.as_secs_f64()),
            Wait::Connect(broker) => write!(f, "a connection to broker {broker}"),
            Wait::Data(broker, _) => write!(f, "data from broker {broker}"),
            Wait::Room(broker) => write!(f, "room to send to broker {broker}"),
            Wait::Task(task) => write!(f, "the result of {task}"),
        }
    }
}
