//! Writing: where records gather, how they leave, and what becomes of them.

mod balancer;
mod batcher;
mod job;
mod outcome;
mod sender;
#[cfg(test)]
mod tests;

pub use balancer::{Balancer, Murmur2, Partitions, crc32, fnv1a, murmur2};
pub(crate) use batcher::{Budget, Clocks, Completion, Gather, News, Outcome, Refused, Share, lock};
pub use batcher::{Delivery, Written};
pub(crate) use job::{Job, Worked};
pub(crate) use sender::{Event, Producer, View};

use crate::record::Header;

/// A record to write, borrowed from the caller: it is copied once, into its batch.
///
/// ```
/// use milena_core::{Header, Record};
///
/// let headers = [Header { key: "trace", value: Some(b"42") }];
/// let record = Record { headers: &headers, ..Record::keyed("customer-7", "paid") }.to("payments");
/// assert_eq!(record.topic, Some("payments"));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Record<'a> {
    /// The topic; `None` for the writer's.
    pub topic: Option<&'a str>,
    /// The partition; `None` to have the writer's balancer choose.
    pub partition: Option<i32>,
    /// The key; records with equal keys go to one partition, in order.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone in a compacted topic.
    pub value: Option<&'a [u8]>,
    /// Headers, in order.
    pub headers: &'a [Header<'a>],
    /// Milliseconds since the epoch; `None` for now.
    pub timestamp: Option<i64>,
}

impl<'a> Record<'a> {
    /// A record with a value and no key.
    pub fn new(value: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Record { value: Some(value.as_ref()), ..Record::default() }
    }

    /// A record with a key and a value.
    pub fn keyed(key: &'a (impl AsRef<[u8]> + ?Sized), value: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Record { key: Some(key.as_ref()), ..Record::new(value) }
    }

    /// Names the topic.
    #[must_use]
    pub fn to(self, topic: &'a str) -> Self {
        Record { topic: Some(topic), ..self }
    }
}
