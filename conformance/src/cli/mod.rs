//! The commands of `milena-conformance`.

pub mod bench;
pub mod broker;
pub mod fuzz;
pub mod kafka;
pub mod null_broker;
pub mod oracle;
pub mod replay;
pub mod simulate;

/// Why a command did not do what it should.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// The command line is wrong: nothing was done.
    Usage(String),
    /// Something went wrong on the way.
    Failed(String),
}

impl From<String> for Failure {
    fn from(error: String) -> Self {
        Failure::Failed(error)
    }
}
