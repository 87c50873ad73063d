//! conformance

pub mod bench;
pub mod cli;
pub mod cluster;
pub mod kafka;
