//! What a partition leader remembers of producers: to drop duplicates and refuse gaps, and where transactions stand.
//!
//! Rules:
//! - For each producer id the leader keeps its epoch and the last batches of that epoch. A batch equal to one of them
//!   (epoch, first and last sequence) is a duplicate: it is answered with the offset it has, and not written again. Any
//!   other batch must continue the sequence, or start a newer epoch at sequence 0. Sequences wrap from 2147483647 to 0.
//! - A producer's transaction in the partition is open from its first transactional batch to its next marker. Meanwhile it
//!   may write nothing outside of it.
//! - A marker comes from a coordinator: its producer epoch must not be older than the producer's, nor its coordinator epoch
//!   than that of the marker before it. It takes over the epoch, so that the producer before it is fenced; a newer epoch
//!   forgets the batches, and the next one starts at sequence 0.
//! - Nothing from the first offset of an open transaction on is stable, nor from that of one whose marker is not below the
//!   high watermark yet. Aborted transactions are told to who reads committed records only, in the order of their markers.
//! - All but what verification remembers follows from the log: [`Producers::written`] for each batch from the start of the
//!   log gives the same state again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use milena_core::protocol::control_record::ControlRecord;
use milena_core::protocol::describe_producers::ProducerState;
use milena_core::protocol::{ErrorCode, ProducerId};
use milena_core::record::{Batch, Limits, increment_sequence};

use super::release::Release;

/// Brokers remember as many batches as an idempotent producer may have in flight.
const BATCHES_REMEMBERED: usize = 5;

/// A batch as the producer state knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written {
    first_sequence: i32,
    last_sequence: i32,
    pub(super) base_offset: i64,
    last_offset: i64,
    pub(super) max_timestamp: i64,
}

#[derive(Debug)]
struct Entry {
    epoch: i16,
    /// Of the last marker's coordinator; -1 without one.
    coordinator_epoch: i32,
    last_timestamp: i64,
    /// Where its open transaction starts.
    first_offset: Option<i64>,
    /// Those of this epoch, the newest last.
    batches: VecDeque<Written>,
}

/// A transaction that has its marker.
#[derive(Clone, Copy, Debug)]
struct Ended {
    producer_id: ProducerId,
    first_offset: i64,
    marker_offset: i64,
    aborted: bool,
}

/// What the leader knows of a producer from before its transaction's first batch is written.
#[derive(Clone, Copy, Debug)]
struct Unverified {
    epoch: i16,
    /// The lowest first sequence seen: what comes behind a batch that was refused must not be written before it.
    lowest_sequence: i32,
    /// Whether its requests add the partition to the transaction (KIP-890).
    adds_partitions: bool,
}

/// The producers of one partition.
#[derive(Debug, Default)]
pub(super) struct Producers {
    entries: BTreeMap<ProducerId, Entry>,
    unverified: BTreeMap<ProducerId, Unverified>,
    /// First offsets of the open transactions.
    open: BTreeSet<i64>,
    /// By the offsets of their markers.
    ended: VecDeque<Ended>,
}

/// What is to be done with a batch that may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Append,
    Duplicate(Written),
}

/// The end of a producer's transaction, as its coordinator has it written to partitions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marker {
    pub(super) producer_id: ProducerId,
    pub(super) producer_epoch: i16,
    pub(super) coordinator_epoch: i32,
    pub(super) commit: bool,
    /// `transaction.version` of the transaction: with 2 the epoch is a new one for each.
    pub(super) transaction_version: i8,
}

type Refusal = (ErrorCode, String);

impl Producers {
    /// Judges a client's batch before it is written; batches without a producer id always pass.
    pub(super) fn check(&self, batch: &Batch, release: Release) -> Result<Verdict, Refusal> {
        let id = batch.producer_id();
        if id.0 < 0 {
            return Ok(Verdict::Append);
        }
        let (epoch, first) = (batch.producer_epoch(), batch.base_sequence());
        if first < 0 {
            let message = format!("Invalid sequence number {first} in record batch with producerId {id}");
            return Err((ErrorCode::INVALID_RECORD, message));
        }
        let entry = self.entries.get(&id);
        if let Some(duplicate) = entry.and_then(|entry| entry.duplicate(batch, release)) {
            return Ok(Verdict::Duplicate(duplicate));
        }
        if let Some(seen) = entry.map(|entry| entry.epoch).filter(|seen| epoch < *seen) {
            let message =
                format!("Epoch {epoch} of producer {id} is smaller than the last seen epoch {seen}");
            return Err((ErrorCode::INVALID_PRODUCER_EPOCH, message));
        }
        self.check_verified(entry, batch, release)?;
        check_sequence(entry, batch, release)?;
        if entry.is_some_and(|entry| entry.first_offset.is_some()) && !batch.is_transactional() {
            let message = format!("Expected transactional write from producer {id}");
            return Err((ErrorCode::INVALID_TXN_STATE, message));
        }
        Ok(Verdict::Append)
    }

    /// The first batch of a transaction must not overtake one before it that was refused.
    fn check_verified(&self, entry: Option<&Entry>, batch: &Batch, release: Release) -> Result<(), Refusal> {
        let (id, first) = (batch.producer_id(), batch.base_sequence());
        let Some(unverified) = self.unverified.get(&id) else { return Ok(()) };
        let is_empty = entry.is_none_or(|entry| entry.batches.is_empty());
        let expected = match unverified.adds_partitions && is_empty && release >= Release::V4_2 {
            true => 0,
            false => unverified.lowest_sequence,
        };
        match first > expected {
            true => Err(out_of_order(format!(
                "Out of order sequence number for producer {id}: {first} (incoming seq. number), {expected} (earliest \
                 seen sequence)"
            ))),
            false => Ok(()),
        }
    }

    /// Whether this producer has a transaction open here, in which case the coordinator knows of the partition.
    pub(super) fn is_open(&self, id: ProducerId, epoch: i16) -> bool {
        self.entries.get(&id).is_some_and(|entry| entry.epoch == epoch && entry.first_offset.is_some())
    }

    /// The coordinator is going to be asked about a transaction's first batch.
    pub(super) fn begin_verification(&mut self, batch: &Batch, adds_partitions: bool) {
        let (epoch, lowest_sequence) = (batch.producer_epoch(), batch.base_sequence());
        let new = Unverified { epoch, lowest_sequence, adds_partitions };
        let known = self.unverified.entry(batch.producer_id()).or_insert(new);
        if epoch > known.epoch || lowest_sequence < known.lowest_sequence {
            *known = new;
        }
    }

    /// Judges a marker before it is written.
    pub(super) fn check_marker(&self, marker: &Marker, release: Release) -> Result<(), ErrorCode> {
        let Some(entry) = self.entries.get(&marker.producer_id) else { return Ok(()) };
        // A marker that is written again finds its own epoch, and no transaction (KAFKA-19999).
        let raised = marker.transaction_version >= 2 && release >= Release::V4_2;
        let must_be_newer = raised && entry.first_offset.is_some();
        if marker.producer_epoch < entry.epoch || must_be_newer && marker.producer_epoch == entry.epoch {
            return Err(ErrorCode::INVALID_PRODUCER_EPOCH);
        }
        match marker.coordinator_epoch < entry.coordinator_epoch {
            true => Err(ErrorCode::TRANSACTION_COORDINATOR_FENCED),
            false => Ok(()),
        }
    }

    /// Remembers a batch that was written at `base_offset`: a client's, or a marker.
    pub(super) fn written(&mut self, batch: &Batch, base_offset: i64) {
        let id = batch.producer_id();
        if id.0 < 0 {
            return;
        }
        if batch.is_control() {
            return self.marked(batch, base_offset);
        }
        let entry = self.entries.entry(id).or_insert_with(|| Entry::new(batch.producer_epoch()));
        entry.take_over(batch.producer_epoch());
        if entry.batches.len() == BATCHES_REMEMBERED {
            entry.batches.pop_front();
        }
        entry.batches.push_back(Written {
            first_sequence: batch.base_sequence(),
            last_sequence: batch.last_sequence(),
            base_offset,
            last_offset: base_offset + (batch.last_offset() - batch.base_offset().unwrap_or(0)),
            max_timestamp: batch.max_timestamp(),
        });
        entry.last_timestamp = batch.max_timestamp();
        if batch.is_transactional() {
            self.unverified.remove(&id);
            if entry.first_offset.is_none() {
                entry.first_offset = Some(base_offset);
                self.open.insert(base_offset);
            }
        }
    }

    fn marked(&mut self, batch: &Batch, offset: i64) {
        let Some((coordinator_epoch, aborted)) = read_marker(batch) else { return };
        let producer_id = batch.producer_id();
        self.unverified.remove(&producer_id);
        let entry = self.entries.entry(producer_id).or_insert_with(|| Entry::new(batch.producer_epoch()));
        entry.take_over(batch.producer_epoch());
        entry.coordinator_epoch = coordinator_epoch;
        entry.last_timestamp = batch.max_timestamp();
        // A marker without a transaction changes nothing for readers.
        if let Some(first_offset) = entry.first_offset.take() {
            self.open.remove(&first_offset);
            self.ended.push_back(Ended { producer_id, first_offset, marker_offset: offset, aborted });
        }
    }

    // ---- what readers are told ----

    /// The offset up to which the fate of all records is decided and known to all in-sync replicas.
    pub(super) fn last_stable_offset(&self, high_watermark: i64) -> i64 {
        let unreplicated = self.ended.iter().rev().take_while(|ended| ended.marker_offset >= high_watermark);
        let undecided = self.open.first().copied();
        undecided
            .into_iter()
            .chain(unreplicated.map(|ended| ended.first_offset))
            .fold(high_watermark, i64::min)
    }

    /// The aborted transactions that have records in these offsets, `to` excluded: producer and first offset.
    pub(super) fn aborted(&self, from: i64, to: i64) -> Vec<(ProducerId, i64)> {
        let start = self.ended.partition_point(|ended| ended.marker_offset < from);
        let aborted = self.ended.range(start..).filter(|ended| ended.aborted && ended.first_offset < to);
        aborted.map(|ended| (ended.producer_id, ended.first_offset)).collect()
    }

    /// The producers that are remembered, as DescribeProducers tells of them.
    pub(super) fn active(&self) -> impl Iterator<Item = ProducerState> {
        self.entries.iter().map(|(id, entry)| ProducerState {
            producer_id: *id,
            producer_epoch: entry.epoch.into(),
            last_sequence: entry.batches.back().map_or(-1, |newest| newest.last_sequence),
            last_timestamp: entry.last_timestamp,
            coordinator_epoch: entry.coordinator_epoch,
            current_txn_start_offset: entry.first_offset.unwrap_or(-1),
            ..Default::default()
        })
    }

    // ---- what is forgotten ----

    /// Forgets producers that have written nothing for so long and have no transaction open (`producer.id.expiration.ms`).
    pub(super) fn expire(&mut self, now_ms: i64, after_ms: i64) {
        let is_idle = |entry: &Entry| now_ms.saturating_sub(entry.last_timestamp) >= after_ms;
        self.entries.retain(|_, entry| entry.first_offset.is_some() || !is_idle(entry));
    }

    /// The log starts here now. Until 2.3 a producer was forgotten with its last batch (KAFKA-7190).
    pub(super) fn on_log_start(&mut self, offset: i64, release: Release) {
        while self.ended.front().is_some_and(|ended| ended.marker_offset < offset) {
            self.ended.pop_front();
        }
        if release < Release::V2_4 {
            let is_held = |entry: &Entry| entry.batches.back().is_some_and(|last| last.last_offset >= offset);
            self.entries.retain(|_, entry| is_held(entry));
            self.open = self.entries.values().filter_map(|entry| entry.first_offset).collect();
        }
    }
}

impl Entry {
    fn new(epoch: i16) -> Self {
        Entry {
            epoch,
            coordinator_epoch: -1,
            last_timestamp: -1,
            first_offset: None,
            batches: VecDeque::new(),
        }
    }

    fn take_over(&mut self, epoch: i16) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.batches.clear();
        }
    }

    fn duplicate(&self, batch: &Batch, release: Release) -> Option<Written> {
        let remembered = if release >= Release::V1_0 { BATCHES_REMEMBERED } else { 1 };
        let same = |written: &&Written| {
            self.epoch == batch.producer_epoch()
                && written.first_sequence == batch.base_sequence()
                && written.last_sequence == batch.last_sequence()
        };
        self.batches.iter().rev().take(remembered).find(same).copied()
    }
}

/// A batch that is no duplicate must be the next one of its producer.
fn check_sequence(entry: Option<&Entry>, batch: &Batch, release: Release) -> Result<(), Refusal> {
    let (id, first) = (batch.producer_id(), batch.base_sequence());
    let unknown = || {
        let message =
            format!("Local producer state does not know producer {id}, whose next sequence is {first}");
        Err((ErrorCode::UNKNOWN_PRODUCER_ID, message))
    };
    let tells_unknown = (Release::V1_0..Release::V2_5).contains(&release);
    let Some(entry) = entry else {
        return match first {
            0 => Ok(()),
            _ if release >= Release::V2_5 => Ok(()),
            _ if tells_unknown => unknown(),
            _ => Err(out_of_order(format!("Invalid sequence number for new producer {id}: {first}"))),
        };
    };
    let epoch = batch.producer_epoch();
    if epoch > entry.epoch {
        return match first {
            0 => Ok(()),
            _ => Err(out_of_order(format!(
                "Invalid sequence number for new epoch {epoch} of producer {id}: {first}, expected 0"
            ))),
        };
    }
    // Only a marker may have brought this epoch here.
    let newest = entry.batches.back().map(|newest| newest.last_sequence);
    let expected = newest.map_or(0, |newest| increment_sequence(newest, 1));
    match newest {
        _ if first == expected => Ok(()),
        None if tells_unknown => unknown(),
        Some(newest) if release < Release::V1_0 && batch.last_sequence() <= newest => {
            let message = format!("Duplicate sequence number {first} of producer {id}");
            Err((ErrorCode::DUPLICATE_SEQUENCE_NUMBER, message))
        }
        _ => Err(out_of_order(format!(
            "Out of order sequence number for producer {id}: {first} (incoming seq. number), {current} (current end \
             sequence number)",
            current = newest.unwrap_or(-1)
        ))),
    }
}

fn out_of_order(message: String) -> Refusal {
    (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, message)
}

/// The coordinator epoch of a marker, and whether it aborts.
fn read_marker(batch: &Batch) -> Option<(i32, bool)> {
    let record = batch.records(&Limits::default()).ok()?.next()?.ok()?;
    match ControlRecord::decode(&record.key?, &record.value?).ok()? {
        ControlRecord::Abort(marker) => Some((marker.coordinator_epoch, true)),
        ControlRecord::Commit(marker) => Some((marker.coordinator_epoch, false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use milena_core::record::{
        BatchBuilder, Batches, Compression, ControlType, Producer, end_transaction_marker,
    };

    use super::*;

    fn only(bytes: bytes::Bytes) -> Batch {
        Batches::new(bytes).next().unwrap().unwrap()
    }

    fn data(id: i64, epoch: i16, base_sequence: i32, transactional: bool) -> Batch {
        let mut builder = BatchBuilder::with_capacity(100);
        builder.append(1, None, None, &[]);
        let producer = Producer { id: ProducerId(id), epoch, base_sequence, transactional };
        only(builder.seal(Compression::None, producer).unwrap())
    }

    fn marker(id: i64, epoch: i16, kind: ControlType) -> Batch {
        only(end_transaction_marker(kind, ProducerId(id), epoch, 3, 2))
    }

    fn written(batches: &[Batch]) -> Producers {
        let mut producers = Producers::default();
        batches.iter().zip(0..).for_each(|(batch, offset)| producers.written(batch, offset));
        producers
    }

    /// Five batches, two transactions, one of them aborted; another is open.
    fn log() -> Vec<Batch> {
        vec![
            data(1, 0, 0, true),
            data(2, 0, 0, true),
            data(9, 0, 0, false),
            data(1, 0, 1, true),
            marker(2, 1, ControlType::Commit),
            marker(1, 0, ControlType::Abort),
            data(1, 0, 2, true),
        ]
    }

    #[test]
    fn the_log_says_everything() {
        let producers = written(&log());
        assert_eq!(producers.last_stable_offset(7), 6);
        assert_eq!(producers.aborted(0, 7), [(ProducerId(1), 0)]);
        assert_eq!(producers.aborted(5, 7), [(ProducerId(1), 0)]);
        assert_eq!(producers.aborted(6, 7), []);
        assert_eq!(producers.aborted(0, 0), []);
        let active: Vec<_> = producers
            .active()
            .map(|it| {
                (it.producer_epoch, it.last_sequence, it.coordinator_epoch, it.current_txn_start_offset)
            })
            .collect();
        assert_eq!(active, [(0, 2, 3, 6), (1, -1, 3, -1), (0, 0, -1, -1)]);
        assert!(producers.is_open(ProducerId(1), 0));
        assert!(!producers.is_open(ProducerId(1), 1));
        assert!(matches!(
            producers.check(&data(1, 0, 1, true), Release::LATEST),
            Ok(Verdict::Duplicate(written)) if written.base_offset == 3
        ));
    }

    #[test]
    fn what_is_not_replicated_is_not_stable() {
        let producers = written(&log()[..6]);
        let stable: Vec<_> =
            (0..=6).map(|high_watermark| producers.last_stable_offset(high_watermark)).collect();
        assert_eq!(stable, [0, 0, 0, 0, 0, 0, 6]);
        let producers = written(&log()[..5]);
        assert_eq!(producers.last_stable_offset(5), 0, "the second is decided, the first is not");
    }

    #[test]
    fn a_truncated_log_takes_its_end_back() {
        let producers = written(&log()[..5]);
        assert_eq!((producers.aborted(0, 5), producers.is_open(ProducerId(1), 0)), (vec![], true));
    }

    #[test]
    fn what_is_deleted_is_forgotten_by_release() {
        let mut producers = written(&log());
        producers.on_log_start(6, Release::LATEST);
        assert_eq!((producers.aborted(0, 7), producers.active().count()), (vec![], 3));
        producers.on_log_start(3, "2.3".parse().unwrap());
        let left: Vec<_> = producers.active().map(|it| it.producer_id.0).collect();
        assert_eq!(left, [1], "the last batches of the others are gone");
        assert_eq!(producers.last_stable_offset(7), 6);
    }
}
