//! The log of one partition: record batches in segments, read as slices.
//!
//! Rules: batches are appended whole, offsets only grow, and a batch's bytes never change once they can be read. Appends
//! go to the tail, a [`BytesMut`]; a read that reaches the tail freezes what it holds into a chunk, and appends go on in
//! the rest of the same allocation. So writing costs one copy and reading none, as long as a read lies in one chunk.
//! A read across small chunks (left by readers who followed the tail) joins them once, for all readers to come.
//!
//! A log that loses its end (a new leader did not have it) is cut at a batch; what readers got of it stays theirs. Where
//! each leader epoch starts is remembered, whether or not anything was written in it.

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
    /// Where each leader epoch starts, oldest first.
    epochs: Vec<(LeaderEpoch, i64)>,
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
            epochs: vec![(LeaderEpoch(0), 0)],
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

    /// The offset that the next record gets.
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
        let spare = |log: &Self, first: &BatchEntry| log.size_bytes() - first.size as u64 >= retention_bytes;
        while self.entries.front().is_some_and(|first| spare(self, first)) {
            self.entries.pop_front();
            let first = self.entries.front().map_or(self.end_offset, |first| first.base_offset);
            self.start_offset = self.start_offset.max(first);
        }
        self.release();
    }

    /// Drops the oldest batches while all their records are older than this, and moves the log start offset.
    pub(super) fn expire(&mut self, oldest_ms: i64) {
        while self.entries.front().is_some_and(|first| first.max_timestamp < oldest_ms) {
            self.entries.pop_front();
            let first = self.entries.front().map_or(self.end_offset, |first| first.base_offset);
            self.start_offset = self.start_offset.max(first);
        }
        self.release();
    }

    /// Moves the log start offset to `offset`, which may be inside of a batch: batches before it go.
    pub(super) fn delete_before(&mut self, offset: i64) {
        self.start_offset = self.start_offset.max(offset.min(self.end_offset));
        while self.entries.front().is_some_and(|first| first.last_offset < self.start_offset) {
            self.entries.pop_front();
        }
        self.release();
    }

    /// Forgets the bytes of batches that are gone, and epochs that end before the log starts.
    fn release(&mut self) {
        let first_position = self.entries.front().map_or(self.end_position(), |first| first.position);
        while self
            .chunks
            .front()
            .is_some_and(|(position, data)| position + data.len() as u64 <= first_position)
        {
            self.chunks.pop_front();
        }
        while self.epochs.get(1).is_some_and(|(_, start)| *start <= self.start_offset) {
            self.epochs.remove(0);
        }
        if let Some((_, start)) = self.epochs.first_mut() {
            *start = self.start_offset.max(*start);
        }
    }

    /// Drops every batch that does not end before `offset`.
    pub(super) fn truncate(&mut self, offset: i64) {
        if offset >= self.end_offset {
            return;
        }
        let kept = self.entries.partition_point(|entry| entry.last_offset < offset);
        let cut = self.entries.get(kept).map_or(self.end_position(), |entry| entry.position);
        self.entries.truncate(kept);
        self.end_offset = self.entries.back().map_or(self.start_offset, |last| last.last_offset + 1);
        self.epochs.retain(|(_, start)| *start < self.end_offset);
        self.freeze_tail();
        while let Some((position, data)) = self.chunks.back_mut() {
            let keep = cut.saturating_sub(*position) as usize;
            if keep >= data.len() {
                break;
            }
            data.truncate(keep);
            if keep == 0 {
                self.chunks.pop_back();
            }
        }
        self.tail = BytesMut::new();
        self.tail_position = cut;
    }

    /// A leader takes over with this log, in a new epoch.
    pub(super) fn start_epoch(&mut self, epoch: LeaderEpoch) {
        self.epochs.retain(|(_, start)| *start < self.end_offset);
        self.epochs.push((epoch, self.end_offset));
    }

    /// Where an epoch ended, and the largest one known up to it. Brokers say nothing of epochs newer than all they know,
    /// and of one older than all that the log starts after it.
    pub(super) fn end_of_epoch(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, i64)> {
        let (newest, _) = self.epochs.last().filter(|_| epoch > LeaderEpoch::NONE)?;
        if epoch >= *newest {
            return (epoch == *newest).then_some((epoch, self.end_offset));
        }
        let after = self.epochs.partition_point(|(known, _)| *known <= epoch);
        let known = self.epochs[..after].last().map_or(epoch, |(known, _)| *known);
        Some((known, self.epochs[after].1))
    }

    /// Puts batches in the place of all that are stored: of the same or fewer records, in order.
    pub(super) fn replace(&mut self, batches: Vec<Batch>) {
        let (start_offset, end_offset) = (self.start_offset, self.end_offset);
        let epochs = std::mem::take(&mut self.epochs);
        *self = PartitionLog::new();
        for batch in batches {
            self.end_offset = batch.base_offset().unwrap_or(0);
            self.append(&batch, batch.partition_leader_epoch(), None);
        }
        (self.start_offset, self.end_offset, self.epochs) = (start_offset, end_offset, epochs);
    }

    /// Bytes from the batch that holds `offset` to `bound`: what a fetch from there has to read, if unlimited.
    pub(super) fn bytes_between(&self, offset: i64, bound: i64) -> u64 {
        let from = self.entries.partition_point(|entry| entry.last_offset < offset);
        let Some(first) = self.entries.get(from) else { return 0 };
        self.position_of(bound).saturating_sub(first.position)
    }

    /// Where the batch that holds `offset`, or the next one, starts.
    fn position_of(&self, offset: i64) -> u64 {
        if offset >= self.end_offset {
            return self.end_position();
        }
        let at = self.entries.partition_point(|entry| entry.last_offset < offset);
        self.entries.get(at).map_or(self.end_position(), |entry| entry.position)
    }

    /// Whole batches from the one that holds `from` to the offset `bound`, of `max_bytes` at most; a first batch larger
    /// than that is returned if `even_if_larger`. With `cut`, the batch that crosses the limit is cut there, as real
    /// brokers do.
    pub(super) fn read(
        &mut self,
        from: i64,
        bound: i64,
        max_bytes: usize,
        even_if_larger: bool,
        cut: bool,
    ) -> Bytes {
        let index = self.entries.partition_point(|entry| entry.last_offset < from);
        let Some(first) = self.entries.get(index) else { return Bytes::new() };
        let bound = self.position_of(bound);
        // A partition that does not come first in its answer gets no part of a batch that does not fit (Fetch since 3).
        if first.position >= bound || (!even_if_larger && first.size > max_bytes) {
            return Bytes::new();
        }
        let start = first.position;
        let limit = if even_if_larger { max_bytes.max(first.size) } else { max_bytes } as u64;
        let limit_position = start.saturating_add(limit).min(bound);
        let end = if cut {
            limit_position
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

    /// Another log with the same batches, which it shares.
    pub(super) fn fork(&mut self) -> PartitionLog {
        self.freeze_tail();
        PartitionLog {
            epochs: self.epochs.clone(),
            entries: self.entries.clone(),
            chunks: self.chunks.clone(),
            tail: BytesMut::new(),
            ..*self
        }
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
