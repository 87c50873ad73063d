//! Writing: where records gather, how they leave, and what becomes of them.
//!
//! `sender` is a pure machine; `accumulator`, `gather`, `budget` and `completion` are what handles and the gate share, and lock.

mod accumulator;
mod budget;
mod completion;
mod gather;
mod job;
mod outcome;
mod sender;
#[cfg(test)]
mod tests;

pub(crate) use accumulator::{Accumulator, Topic, TopicState, View};
pub(crate) use budget::Budget;
pub use completion::{Delivery, Outcome, Written};
pub(crate) use gather::{Clocks, Gather, Refused};
#[cfg(all(test, feature = "recording"))]
pub(crate) use job::Done;
pub use job::{BatchId, Gathered, Gathering, Job, Left, News, Settled, Worked};
pub use sender::{Command, Output, TopicView};
pub(crate) use sender::{Sender, Tag, Timer};
