//! The commands of `milena-conformance`.

pub mod broker;
