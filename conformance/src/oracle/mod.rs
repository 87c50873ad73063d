//! What Kafka's own client library says about bytes, asked while a test runs.
//!
//! - [`java`]: the library itself, in JVMs that are driven through pipes.

mod hex;
pub mod java;
mod lines;
