//! The simulated cluster, as scripts on virtual time, and behind TCP.

mod admin_acls;
mod admin_cluster;
mod admin_configs;
mod admin_quotas;
mod admin_sasl;
mod admin_topics;
mod brokers;
mod connections;
mod reading;
mod script;
mod tcp;
mod writing;
