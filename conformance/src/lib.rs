//! What proves Milena, and what tests of programs that use Kafka can borrow:
//!
//! - [`cluster`]: a simulated Kafka cluster, a pure machine that is also served behind TCP in any process;
//! - [`kafka`]: real brokers of many releases, started from Maven's jars.

pub mod bench;
pub mod cli;
pub mod cluster;
pub mod kafka;
pub mod sim;
