//! The simulated cluster, as scripts on virtual time, and behind TCP.

mod admin_acls;
mod admin_acls_refusals;
mod admin_cluster;
mod admin_configs;
mod admin_quotas;
mod admin_sasl;
mod admin_topics;
mod brokers;
mod connections;
mod faults;
mod formats;
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
mod transactions;
mod transactions_fencing;
mod transactions_requests;
mod writing;
