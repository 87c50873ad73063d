//! What a client has under way, counted.

use super::Client;
use crate::consumer::Consumer;
use crate::producer::Producer;

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

impl Client {
    pub(crate) fn outstanding(&self) -> Outstanding {
        let connecting = self.connecting.values().filter(|reader| reader.is_none());
        Outstanding {
            operations: self.operations.len() + self.sleeping.len() + connecting.count(),
            waiters: self.writers.values().map(Producer::waiters).sum(),
            parked: self.parked.len(),
            lookups: self.coordinators.under_way(),
            queued: self.connections.values().map(|connection| connection.load().0).sum(),
            unanswered: self.connections.values().map(|connection| connection.load().1).sum(),
            connections: self.connections.len(),
            writers: self.writers.len(),
            readers: self.readers.len(),
            topics: self.cluster.topics(),
            timers: self.timers.len(),
            buffered_bytes: self.writers.values().map(Producer::buffered_bytes).sum(),
            fetched_bytes: self.readers.values().map(Consumer::buffered_bytes).sum(),
        }
    }
}
