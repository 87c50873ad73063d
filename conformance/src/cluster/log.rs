//! The log of one partition: record batches in segments, read as slices.
//!
//! Rules: batches are appended whole, offsets only grow, and a batch's bytes never change once they can be read. Appends
//! go to the tail, a [`BytesMut`]; a read that reaches the tail freezes what it holds into a chunk, and appends go on in
//! the rest of the same allocation. So writing costs one copy and reading none, as long as a read lies in one chunk.
//! A read across small chunks (left by readers who followed the tail) joins them once, for all readers to come.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use milena_core::protocol::LeaderEpoch;
use milena_core::record::{self, Batch, Batches};

/// First allocation of a log: an idle or small partition stays small.
const FIRST_SEGMENT_BYTES: usize = 64 * 1024;
/// Allocations double up to this: large enough that reads of some MiB seldom meet a border.
const LARGEST_SEGMENT_BYTES: usize = 16 * 1024 * 1024;

/// What the log keeps of a batch to find it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BatchEntry {
    pub(super) base_offset: i64,
    pub(super) last_offset: i64,
    pub(super) max_timestamp: i64,
    pub(super) leader_epoch: LeaderEpoch,
    /// Bytes ever written before this batch.
    position: u64,
    size: usize,
}

/// The batches of one partition.
#[derive(Debug)]
pub(super) struct PartitionLog {
    entries: VecDeque<BatchEntry>,
    /// Frozen bytes, with the position of their first; adjacent, and the last ends where the tail begins.
    chunks: VecDeque<(u64, Bytes)>,
    tail: BytesMut,
    tail_position: u64,
    next_segment_bytes: usize,
    start_offset: i64,
    end_offset: i64,
}

impl PartitionLog {
    pub(super) fn new() -> Self {
        PartitionLog {
            entries: VecDeque::new(),
            chunks: VecDeque::new(),
            tail: BytesMut::new(),
            tail_position: 0,
            next_segment_bytes: FIRST_SEGMENT_BYTES,
            start_offset: 0,
            end_offset: 0,
        }
    }

    /// The first offset still there.
    pub(super) fn start_offset(&self) -> i64 {
        self.start_offset
    }

    /// The offset that the next record gets; also the high watermark, as every replica has every record at once.
    pub(super) fn end_offset(&self) -> i64 {
        self.end_offset
    }

    /// Bytes stored.
    pub(super) fn size_bytes(&self) -> u64 {
        self.end_position() - self.entries.front().map_or(self.end_position(), |first| first.position)
    }

    /// Appends one batch; returns its base offset. `log_append_time` is written into the batch if given.
    pub(super) fn append(
        &mut self,
        batch: &Batch,
        leader_epoch: LeaderEpoch,
        log_append_time: Option<i64>,
    ) -> i64 {
        let raw = batch.bytes();
        let position = self.end_position();
        if self.tail.capacity() - self.tail.len() < raw.len() {
            self.freeze_tail();
            let capacity = self.next_segment_bytes.max(raw.len());
            self.next_segment_bytes = (self.next_segment_bytes * 2).min(LARGEST_SEGMENT_BYTES);
            self.tail = BytesMut::with_capacity(capacity);
        }
        let mut written = self.tail.split_off(self.tail.len());
        written.extend_from_slice(raw);
        let base_offset = self.end_offset;
        record::set_base_offset(&mut written, base_offset, leader_epoch);
        let mut max_timestamp = batch.max_timestamp();
        if let Some(time) = log_append_time {
            record::set_log_append_time(&mut written, time);
            max_timestamp = time;
        }
        self.tail.unsplit(written);
        let last_offset = base_offset + (batch.last_offset() - batch.base_offset().unwrap_or(0));
        self.entries.push_back(BatchEntry {
            base_offset,
            last_offset,
            max_timestamp,
            leader_epoch,
            position,
            size: raw.len(),
        });
        self.end_offset = last_offset + 1;
        base_offset
    }

    /// Drops the oldest batches while more than `retention_bytes` stay without them, and moves the log start offset.
    pub(super) fn retain(&mut self, retention_bytes: u64) {
        while self
            .entries
            .front()
            .is_some_and(|first| self.size_bytes() - first.size as u64 >= retention_bytes)
        {
            self.entries.pop_front();
            let first = self.entries.front().map_or(self.end_offset, |first| first.base_offset);
            self.start_offset = self.start_offset.max(first);
        }
        self.drop_chunks();
    }

    /// Deletes all records before an offset: the log starts there, even if that is inside of a batch.
    pub(super) fn delete_before(&mut self, offset: i64) {
        while self.entries.front().is_some_and(|first| first.last_offset < offset) {
            self.entries.pop_front();
        }
        self.start_offset = self.start_offset.max(offset);
        self.drop_chunks();
    }

    /// Drops the bytes of batches that are gone.
    fn drop_chunks(&mut self) {
        let first_position = self.entries.front().map_or(self.end_position(), |first| first.position);
        while self
            .chunks
            .front()
            .is_some_and(|(position, data)| position + data.len() as u64 <= first_position)
        {
            self.chunks.pop_front();
        }
    }

    /// Bytes from the batch that holds `offset` to the end: what a fetch from there has to read, if unlimited.
    pub(super) fn bytes_from(&self, offset: i64) -> u64 {
        let index = self.entries.partition_point(|entry| entry.last_offset < offset);
        self.entries.get(index).map_or(0, |entry| self.end_position() - entry.position)
    }

    /// Whole batches from the one that holds `offset`, of `max_bytes` at most; a first batch larger than that is
    /// returned if `even_if_larger`. With `cut`, the batch that crosses the limit is cut there, as real brokers do.
    pub(super) fn read(&mut self, offset: i64, max_bytes: usize, even_if_larger: bool, cut: bool) -> Bytes {
        let index = self.entries.partition_point(|entry| entry.last_offset < offset);
        let Some(first) = self.entries.get(index) else { return Bytes::new() };
        // A partition that does not come first in its answer gets no part of a batch that does not fit (Fetch since 3).
        if !even_if_larger && first.size > max_bytes {
            return Bytes::new();
        }
        let start = first.position;
        let limit = if even_if_larger { max_bytes.max(first.size) } else { max_bytes } as u64;
        let limit_position = start.saturating_add(limit);
        let end = if cut {
            limit_position.min(self.end_position())
        } else {
            let fitting =
                self.entries.partition_point(|entry| entry.position + entry.size as u64 <= limit_position);
            match fitting.checked_sub(1).and_then(|last| self.entries.get(last)) {
                Some(last) if last.position >= start => last.position + last.size as u64,
                _ => return Bytes::new(),
            }
        };
        self.slice(start, end)
    }

    /// The entries of the batches, oldest first.
    pub(super) fn entries(&self) -> impl DoubleEndedIterator<Item = &BatchEntry> {
        self.entries.iter()
    }

    /// One stored batch, read again.
    pub(super) fn batch(&self, entry: &BatchEntry) -> Option<Batch> {
        let bytes = if entry.position >= self.tail_position {
            let start = (entry.position - self.tail_position) as usize;
            Bytes::copy_from_slice(&self.tail[start..start + entry.size])
        } else {
            let (position, data) = &self.chunks[self.chunk_at(entry.position)];
            let start = (entry.position - position) as usize;
            data.slice(start..start + entry.size)
        };
        Batches::new(bytes).next()?.ok()
    }

    fn end_position(&self) -> u64 {
        self.tail_position + self.tail.len() as u64
    }

    fn chunk_at(&self, position: u64) -> usize {
        self.chunks.partition_point(|(start, _)| *start <= position).saturating_sub(1)
    }

    fn freeze_tail(&mut self) {
        if !self.tail.is_empty() {
            let frozen = self.tail.split().freeze();
            let position = self.tail_position;
            self.tail_position += frozen.len() as u64;
            self.chunks.push_back((position, frozen));
        }
    }

    /// The bytes of `start..end`, which are batches stored; fewer, but at least one batch's, where they lie in several
    /// large chunks, as a real broker returns fewer at the end of a segment file.
    fn slice(&mut self, start: u64, end: u64) -> Bytes {
        if end > self.tail_position {
            self.freeze_tail();
        }
        let index = self.chunk_at(start);
        let (position, data) = &self.chunks[index];
        let position = *position;
        if end <= position + data.len() as u64 {
            return data.slice((start - position) as usize..(end - position) as usize);
        }
        // Whole chunks are joined, and no more of them than were asked for, so that a reader never pays for much
        // more than it gets.
        let budget = (end - position) as usize;
        let mut joined_bytes = 0;
        let whole = self.chunks.range(index..).take_while(|(_, data)| {
            joined_bytes += data.len();
            joined_bytes <= budget
        });
        let count = whole.count();
        if count > 1 {
            let mut joined = BytesMut::with_capacity(budget);
            for (_, data) in self.chunks.drain(index..index + count) {
                joined.extend_from_slice(&data);
            }
            self.chunks.insert(index, (position, joined.freeze()));
        }
        let data = &self.chunks[index].1;
        data.slice((start - position) as usize..)
    }
}
