//! Records to write, and which partition each goes to.

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

/// What a [`Balancer`] may know of a topic.
#[derive(Clone, Copy, Debug)]
pub struct Partitions<'a> {
    /// How many partitions the topic has: they are 0 to `count` - 1.
    pub count: i32,
    /// Those that have a leader just now, in order. Empty if none has.
    pub available: &'a [i32],
}

/// Chooses partitions. It is called for each record that names none, never under a lock, and must be quick.
pub trait Balancer: Send + Sync {
    /// The record's partition, or `None` for any: such records gather in one partition until its batch leaves, then in
    /// another (KIP-480), which makes fewer and larger batches than going round.
    fn balance(&self, record: &Record<'_>, partitions: Partitions<'_>) -> Option<i32>;
}

/// Java's default: murmur2 of the key; a record without a key goes anywhere.
///
/// ```
/// use milena_core::{Balancer, Murmur2, Partitions, Record};
///
/// let partitions = Partitions { count: 2, available: &[0, 1] };
/// assert_eq!(Murmur2.balance(&Record::keyed("a", "value"), partitions), Some(0));
/// assert_eq!(Murmur2.balance(&Record::new("value"), partitions), None);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Murmur2;

impl Balancer for Murmur2 {
    fn balance(&self, record: &Record<'_>, partitions: Partitions<'_>) -> Option<i32> {
        record.key.map(|key| ((murmur2(key) & 0x7fff_ffff) % partitions.count as u32) as i32)
    }
}

/// MurmurHash2 with Kafka's seed, as Java's `Utils.murmur2`.
pub fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut h = 0x9747_b28c ^ data.len() as u32;
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        let last = tail.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
        h = (h ^ last).wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    h ^ h >> 15
}

/// FNV-1a of 32 bits, which Sarama, librdkafka (`fnv1a`) and kafka-go (`Hash`) put keys by.
pub fn fnv1a(data: &[u8]) -> u32 {
    data.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// CRC-32, which librdkafka (`consistent`) and kafka-go (`CRC32Balancer`) put keys by.
pub fn crc32(data: &[u8]) -> u32 {
    crc32fast::hash(data)
}
