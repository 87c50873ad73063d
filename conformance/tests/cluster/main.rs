//! The simulated cluster, as scripts on virtual time, and behind TCP.

mod brokers;
mod connections;
mod faults;
mod reading;
mod replication;
mod script;
mod sessions;
mod tcp;
mod writing;
