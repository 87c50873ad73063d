//! The simulated cluster, as scripts on virtual time, and behind TCP.

mod brokers;
mod connections;
mod faults;
mod groups;
mod groups_admin;
mod groups_member;
mod groups_moves;
mod groups_offsets;
mod groups_static;
mod reading;
mod replication;
mod script;
mod sessions;
mod tcp;
mod writing;
