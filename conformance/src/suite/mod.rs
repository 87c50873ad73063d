//! One list of scenarios that every runtime must pass, on every kind of cluster.
//!
//! A scenario is written once, against the [handles' common face](crate::face). [`Suite`] runs it on each [`Adapter`]:
//! in the simulator, against the simulated cluster over TCP, and against real brokers; and ends with a table of what
//! came of it. What can't be had somewhere says so in the table, with the reason.
//!
//! Whoever brings a runtime of his own gives it to the suite, in a test without a harness (`harness = false`):
//!
//! ```no_run
//! use std::process::ExitCode;
//! use milena_conformance::suite::{Adapter, Scenario, Suite};
//! # use milena_tokio::Tokio as Mine;
//! # fn block_on(future: impl Future<Output = ()>) {}
//!
//! fn main() -> ExitCode {
//!     let mine = |scenario: Scenario| block_on(scenario.on(|| Mine::current().expect("within it")));
//!     Suite::new([Adapter::new("mine", mine)]).kafka("4.3.1").main()
//! }
//! ```
//!
//! All adapters play a scenario at the same time, each on a thread and with topics of its own. A real cluster is shared by
//! them, and so are its troubles.

mod adapter;
mod place;
mod real;
mod run;
mod scenarios;
mod scene;
mod stage;
mod table;

pub use adapter::{Adapter, Scenario};
pub use run::Suite;
