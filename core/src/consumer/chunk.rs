//! What one fetch brought of one partition: its batches are checked, decompressed and read on the reader's thread.
//!
//! Rules:
//! - Batches come whole: records before the offset asked for are skipped.
//! - Control batches are never shown, they move the position.
//! - Under `ReadCommitted`, a transactional batch of a producer is hidden from the first offset of its aborted
//!   transaction up to the abort marker; batches outside of transactions are not.
//! - A batch that can't be read is an error that names its offset; going on goes on behind it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::config::ReaderConfig;
use crate::error::Error;
use crate::protocol::ProducerId;
use crate::record::{self, Batches, ControlType, Headers, Limits, RecordCursor, RecordError, RecordRef};

/// What a fetch brought of one partition.
#[derive(Clone)]
pub struct Chunk {
    /// The partition.
    pub partition: i32,
    /// Batches as the broker keeps them, the last of which may be cut.
    pub records: Bytes,
    /// The offset that was asked for.
    pub from: i64,
    /// Where the reader ends.
    pub end: i64,
    /// Behind the last record that the reader may see, as the broker told: lag is counted up to here.
    pub log_end: i64,
    /// Aborted transactions in what was fetched: producer and first offset, by rising offset.
    pub aborted: Vec<(ProducerId, i64)>,
}

impl fmt::Debug for Chunk {
    /// Without the records: they are the users' data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunk")
            .field("partition", &self.partition)
            .field("bytes", &self.records.len())
            .field("from", &self.from)
            .field("end", &self.end)
            .field("log_end", &self.log_end)
            .field("aborted", &self.aborted)
            .finish()
    }
}

/// A chunk being read.
#[derive(Debug)]
pub struct Opened {
    topic: Arc<str>,
    pub(crate) partition: i32,
    pub(crate) log_end: i64,
    /// Bytes to give back when it is read.
    pub(crate) bytes: usize,
    /// The offset of the next record to show.
    pub(crate) position: i64,
    /// Behind the batch that is open.
    behind: i64,
    end: i64,
    batches: Batches,
    aborted: std::iter::Peekable<std::vec::IntoIter<(ProducerId, i64)>>,
    /// Producers inside an aborted transaction.
    aborting: BTreeSet<ProducerId>,
    check_crcs: bool,
    limits: Limits,
    cursor: Option<RecordCursor>,
}

impl Opened {
    /// A chunk that the reader with these settings fetched.
    pub fn new(chunk: Chunk, config: &ReaderConfig) -> Self {
        Opened {
            topic: config.topic.clone(),
            partition: chunk.partition,
            log_end: chunk.log_end,
            bytes: chunk.records.len(),
            position: chunk.from,
            behind: chunk.from,
            end: chunk.end,
            batches: Batches::new(chunk.records),
            aborted: chunk.aborted.into_iter().peekable(),
            aborting: BTreeSet::new(),
            check_crcs: config.check_crcs,
            limits: Limits { max_decompressed_bytes: config.max_decompressed_bytes },
            cursor: None,
        }
    }

    fn corrupt(&self, cause: RecordError) -> Error {
        let (topic, partition) = (self.topic.to_string(), self.partition);
        Error::CorruptBatch { topic, partition, offset: self.position, cause }
    }

    /// The bytes that count as consumed when this is read.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The next batch with something to show; none behind the last.
    pub fn next_batch(&mut self) -> Option<Result<Batch, Error>> {
        match self.open()? {
            Ok(()) => {}
            Err(error) => return Some(Err(error)),
        }
        let cursor = self.cursor.take()?;
        let from = std::mem::replace(&mut self.position, self.behind.min(self.end));
        Some(Ok(Batch { topic: self.topic.clone(), partition: self.partition, from, cursor }))
    }

    /// The next record; none behind the last.
    #[inline]
    pub fn next_message(&mut self) -> Option<Result<Message, Error>> {
        loop {
            let Some(cursor) = &mut self.cursor else {
                match self.open()? {
                    Ok(()) => continue,
                    Err(error) => return Some(Err(error)),
                }
            };
            match cursor.next() {
                Some(Ok(record)) => {
                    self.position = record.offset + 1;
                    return Some(Ok(Message::new(&self.topic, self.partition, record)));
                }
                None => {
                    self.cursor = None;
                    self.position = self.behind.min(self.end);
                }
                Some(Err(cause)) => {
                    let error = self.corrupt(cause);
                    self.cursor = None;
                    self.position = self.behind;
                    return Some(Err(error));
                }
            }
        }
    }

    /// Opens the next batch with something to show.
    fn open(&mut self) -> Option<Result<(), Error>> {
        loop {
            // Where not even a header makes sense the fetcher has stopped too, and tells.
            let Ok(batch) = self.batches.next()? else { return None };
            if batch.last_offset() < self.position {
                continue;
            }
            // A compressed message set of old tells only its last offset: one that begins behind the end shows nothing.
            if batch.base_offset().is_some_and(|base| base >= self.end) {
                self.position = self.end;
                return None;
            }
            let opened = self.look_at(&batch);
            self.behind = batch.last_offset() + 1;
            match opened {
                Ok(Some(cursor)) => {
                    self.cursor = Some(cursor);
                    return Some(Ok(()));
                }
                Ok(None) => self.position = self.behind,
                Err(cause) => {
                    let error = self.corrupt(cause);
                    self.position = self.behind;
                    return Some(Err(error));
                }
            }
        }
    }

    /// A cursor over the batch's records, if they are to be shown.
    fn look_at(&mut self, batch: &record::Batch) -> Result<Option<RecordCursor>, RecordError> {
        if self.check_crcs {
            batch.verify_crc()?;
        }
        while let Some((producer, _)) = self.aborted.next_if(|(_, first)| *first <= batch.last_offset()) {
            self.aborting.insert(producer);
        }
        if batch.is_control() {
            if let Some(marker) = batch.records(&self.limits)?.next_ref().transpose()?
                && marker.key.and_then(ControlType::from_key) == Some(ControlType::Abort)
            {
                self.aborting.remove(&batch.producer_id());
            }
            return Ok(None);
        }
        if batch.is_transactional() && self.aborting.contains(&batch.producer_id()) {
            return Ok(None);
        }
        Ok(Some(batch.records(&self.limits)?.within(self.position..self.end)))
    }
}

/// A record that was read, as a value of its own: key, value and headers share the memory of the answer they came in.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// Its place in the partition.
    pub offset: i64,
    /// Milliseconds since the epoch: of its creation, or of the append in topics with log append time.
    pub timestamp: i64,
    /// The key.
    pub key: Option<Bytes>,
    /// The value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// The headers, in order.
    pub headers: Headers,
}

impl Message {
    fn new(topic: &Arc<str>, partition: i32, record: record::Record) -> Self {
        let record::Record { offset, timestamp, key, value, headers } = record;
        Message { topic: topic.clone(), partition, offset, timestamp, key, value, headers }
    }
}

impl fmt::Debug for Message {
    /// Without key and value: they are the users' data, and may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({}/{} offset {})", self.topic, self.partition, self.offset)
    }
}

/// The records of one batch, to be read in place.
#[derive(Debug)]
pub struct Batch {
    topic: Arc<str>,
    partition: i32,
    from: i64,
    cursor: RecordCursor,
}

impl Batch {
    /// The topic's name.
    pub fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    /// The partition.
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// The next record, borrowed from the batch: nothing is allocated for it.
    ///
    /// # Errors
    /// [`Error::CorruptBatch`] if the rest of the batch can't be read; nothing follows it.
    pub fn next_record(&mut self) -> Option<Result<RecordRef<'_>, Error>> {
        match self.cursor.next_ref()? {
            Ok(record) => Some(Ok(record)),
            Err(cause) => {
                let (topic, partition) = (self.topic.to_string(), self.partition);
                Some(Err(Error::CorruptBatch { topic, partition, offset: self.from, cause }))
            }
        }
    }
}

#[cfg(all(test, feature = "gzip"))]
mod tests {
    use super::*;
    use crate::record::{BatchBuilder, Compression, Encoding, MessageFormat, Producer};

    /// Offsets 0 to 9: two alone, five in a compressed set, three in a batch of v2.
    fn mixed(format: MessageFormat) -> Bytes {
        let encode = |base, count, encoding| {
            let mut builder = BatchBuilder::with_capacity(0);
            for _ in 0..count {
                builder.append(5, None, Some(b"x"), &[]);
            }
            builder.seal_at(base, encoding, Producer::NONE).unwrap()
        };
        let old = |compression| Encoding { format, compression, level: None };
        let parts = [
            encode(0, 2, old(Compression::None)),
            encode(2, 5, old(Compression::Gzip)),
            encode(7, 3, Compression::None.into()),
        ];
        Bytes::from(parts.concat())
    }

    fn chunk(records: Bytes, from: i64, end: i64) -> Opened {
        let chunk = Chunk { partition: 0, records, from, end, log_end: 10, aborted: Vec::new() };
        Opened::new(chunk, &ReaderConfig::new("t"))
    }

    /// A compressed set does not say where it begins: neither its records before the start nor those behind the end are shown.
    #[test]
    fn message_sets_of_old_are_read_from_and_to_any_offset() {
        for format in [MessageFormat::V0, MessageFormat::V1] {
            for (from, end) in (0..=10).flat_map(|from| (from..=10).map(move |end| (from, end))) {
                let mut opened = chunk(mixed(format), from, end);
                let mut read = Vec::new();
                while let Some(message) = opened.next_message() {
                    read.push(message.unwrap().offset);
                    assert_eq!(opened.position, read.last().unwrap() + 1);
                }
                assert_eq!(read, (from..end).collect::<Vec<_>>(), "{format:?} {from}..{end}");
                assert_eq!(opened.position, end, "{format:?} {from}..{end}");

                let (mut opened, mut read) = (chunk(mixed(format), from, end), Vec::new());
                while let Some(batch) = opened.next_batch() {
                    let mut batch = batch.unwrap();
                    while let Some(record) = batch.next_record() {
                        read.push(record.unwrap().offset);
                    }
                }
                assert_eq!(read, (from..end).collect::<Vec<_>>(), "{format:?} {from}..{end} by batches");
            }
        }
    }

    /// An error inside a compressed set names the offset behind what was read, and reading goes on behind the set.
    #[test]
    fn a_damaged_message_inside_a_compressed_set_ends_the_set() {
        let mut builder = BatchBuilder::with_capacity(0);
        for _ in 0..3 {
            builder.append(5, None, Some(b"x"), &[]);
        }
        let old = |compression| Encoding { format: MessageFormat::V1, compression, level: None };
        let mut set = builder.clone().seal(old(Compression::None), Producer::NONE).unwrap().to_vec();
        let one = set.len() / 3;
        set[2 * one - 1] ^= 1;
        // The damaged set in the place of a sound value, as a wrapper.
        let mut carrier = BatchBuilder::with_capacity(0);
        carrier.append(5, None, Some(&gzip(&set)), &[]);
        let mut wrapper = carrier.seal_at(12, old(Compression::None), Producer::NONE).unwrap().to_vec();
        wrapper[17] = Compression::Gzip.id() as u8;
        let crc = crc32fast::hash(&wrapper[16..]);
        wrapper[12..16].copy_from_slice(&crc.to_be_bytes());
        let behind = builder.seal_at(13, Compression::None, Producer::NONE).unwrap();
        let mut opened = chunk(Bytes::from([wrapper, behind.to_vec()].concat()), 0, i64::MAX);
        assert_eq!(opened.next_message().unwrap().unwrap().offset, 10);
        let what = crate::record::Malformed::Crc;
        let cause = RecordError::BadRecord { index: 1, what };
        let expected = Error::CorruptBatch { topic: "t".to_owned(), partition: 0, offset: 11, cause };
        assert_eq!(opened.next_message(), Some(Err(expected)));
        let rest: Vec<i64> =
            std::iter::from_fn(|| opened.next_message()).map(|m| m.unwrap().offset).collect();
        assert_eq!(rest, [13, 14, 15]);
    }

    fn gzip(data: &[u8]) -> Vec<u8> {
        use std::io::Write as _;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }
}
