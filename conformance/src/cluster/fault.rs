//! Faults to order: what is to go wrong with the next requests of an API.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use milena_core::protocol::{ApiKey, ErrorCode};

/// What a broker does with one request, instead of serving it at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Serve it this much later; the requests behind it on its connection wait too.
    Delay(Duration),
    /// Serve it now and answer this much later. A fetch that has to wait for data is not delayed further.
    DelayAnswer(Duration),
    /// Serve it and have the client pause, as for a quota exceeded: the answer says so, and the connection is not read from
    /// for that time.
    Throttle(Duration),
    /// Answer with this code, at each place where the response has one for what was asked, and change nothing.
    Error(ErrorCode),
    /// Close the connection and change nothing.
    CloseBefore,
    /// Serve it and close the connection instead of answering.
    CloseAfter,
    /// Neither serve nor answer it, nor what follows on its connection.
    NeverAnswer,
}

/// The faults waiting for their requests, in order for each API.
#[derive(Debug, Default)]
pub(super) struct Faults {
    waiting: BTreeMap<i16, VecDeque<Fault>>,
}

impl Faults {
    pub(super) fn push(&mut self, key: ApiKey, fault: Fault) {
        self.waiting.entry(key.0).or_default().push_back(fault);
    }

    pub(super) fn take(&mut self, key: ApiKey) -> Option<Fault> {
        self.waiting.get_mut(&key.0)?.pop_front()
    }
}
