//! The simulated cluster, as scripts on virtual time, and behind TCP.

mod brokers;
mod connections;
mod reading;
mod script;
mod tcp;
mod transactions;
mod transactions_fencing;
mod transactions_requests;
mod writing;
