//! conformance

pub mod cli;
pub mod cluster;
