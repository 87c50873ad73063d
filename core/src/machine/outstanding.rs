//! What a client has under way, counted.

use super::Machine;
use super::subject::Awaiting;
use crate::consumer::Fetcher;

/// What a client has under way just now, as [`Client::outstanding`](crate::Client::outstanding) tells it: for tests, logs,
/// and whoever hunts a leak.
///
/// Where nothing is called, written or read any more, all of it goes back to zero but for what a client keeps for the next
/// call: connections (a few for each broker), topics that were called by their leaders, and the timers of both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outstanding {
    /// Calls that are not done, and enqueues that wait for a topic or for room.
    pub operations: usize,
    /// Places where futures wait: for those operations, for topics, for room in a buffer, for batches.
    pub waiters: usize,
    /// Requests whose target is not known yet.
    pub parked: usize,
    /// Coordinators that are looked up.
    pub lookups: usize,
    /// Requests that wait for their turn on a connection.
    pub queued: usize,
    /// Requests that were sent and not answered.
    pub unanswered: usize,
    /// Connections, those that are being made included.
    pub connections: usize,
    /// Writers, those included that are gone and still have something to write.
    pub writers: usize,
    /// Readers.
    pub readers: usize,
    /// Topics that are part of each metadata request.
    pub topics: usize,
    /// Times at which something is due.
    pub timers: usize,
    /// Bytes of memory that writers' unacknowledged records hold.
    pub buffered_bytes: usize,
    /// Bytes that were fetched and not read.
    pub fetched_bytes: usize,
}

impl Machine {
    /// What it has under way just now. Who waits, and what memory writers' records take, only those who hold it know.
    pub fn outstanding(&self) -> Outstanding {
        let connecting = self.connecting.iter().filter(|awaiting| matches!(awaiting, Awaiting::Op(_)));
        let loads = self.links.values().map(|link| link.connection.load());
        Outstanding {
            operations: self.operations.len() + self.waits.len() + connecting.count(),
            waiters: 0,
            parked: self.parked.len(),
            lookups: self.coordinators.under_way(),
            queued: loads.clone().map(|(queued, _)| queued).sum(),
            unanswered: loads.map(|(_, unanswered)| unanswered).sum(),
            connections: self.links.len(),
            writers: self.writers.len(),
            readers: self.readers.len(),
            topics: self.cluster().topics(),
            timers: self.shared.timers.len(),
            buffered_bytes: 0,
            fetched_bytes: sum(self.readers.values().map(Fetcher::buffered_bytes)),
        }
    }
}

/// In a machine that was loaded the bytes may be any number.
fn sum(bytes: impl Iterator<Item = usize>) -> usize {
    bytes.fold(0, usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_overflow_are_as_many_as_there_can_be() {
        assert_eq!(sum([1, 2, 3].into_iter()), 6);
        assert_eq!(sum([usize::MAX, 1].into_iter()), usize::MAX);
    }
}
