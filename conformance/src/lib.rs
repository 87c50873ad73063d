//! What proves Milena, and what tests of programs that use Kafka can borrow:
//!
//! - [`cluster`]: a simulated Kafka cluster, a pure machine that is also served behind TCP in any process;
//! - [`sim`]: the simulator, real handles and the simulated cluster on virtual time, in one thread, from one seed;
//! - [`oracle`]: Apache Kafka's view of bytes, as the golden vectors hold it, against Milena's;
//! - [`kafka`]: real brokers of many releases, started from Maven's jars;
//! - [`fuzz`]: properties of everything that reads a peer's bytes, for fuzzers and for tests;
//! - [`suite`]: scenarios that every runtime must pass, and a table of those that pass;
//! - [`face`]: one face for the handles of every adapter;
//! - [`null_broker`]: a broker that costs next to nothing, to measure clients against;
//! - [`mod@bench`]: what the binary `milena-conformance bench` runs.

pub mod bench;
pub mod cli;
pub mod cluster;
pub mod face;
pub mod fuzz;
pub mod kafka;
pub mod null_broker;
pub mod oracle;
mod random;
pub mod sim;
pub mod suite;

/// The code of the page for those who drive the core by hand is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/core.md")]
struct CorePage;
