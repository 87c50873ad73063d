//! What a coordinator knows of one transactional id, as a pure machine.
//!
//! Rules:
//! - `Empty` until the first partition is added: then the transaction is `Ongoing`, until its producer ends it, its time is
//!   over, or another producer starts with the same id. In the last two cases it is aborted, and the producer is fenced.
//! - `PrepareCommit` or `PrepareAbort` while markers are outstanding: whatever is asked then is answered
//!   CONCURRENT_TRANSACTIONS. `CompleteCommit` or `CompleteAbort` once the last is written, until the next transaction.
//! - Who asks must have the producer id (else INVALID_PRODUCER_ID_MAPPING) and its epoch (else PRODUCER_FENCED). From 4.0
//!   on CONCURRENT_TRANSACTIONS comes first: an id of which the client knows already may only count after the markers.
//! - Version 1: the epoch is raised only when a producer is initialized or fenced. An end that comes again is taken if it
//!   agrees with what happened.
//! - Version 2 (KIP-890): each end raises the epoch, and the marker has the new one. So an end with the epoch before is one
//!   that comes again, and one with the epoch of now ends a transaction that never began: it may abort only.
//! - An epoch of 32766 is used up, since one more is kept for fencing: the next id starts at epoch 0. Where an end needs it,
//!   the marker still has the old id, with epoch 32767.
//!
//! Kafka's `Dead` and `PrepareEpochFence` are passed through within one step, and so are not seen here.

use std::collections::BTreeSet;
use std::time::Duration;

use milena_core::protocol::{ErrorCode, ProducerId};
use milena_core::wire::Str;

use crate::cluster::Now;

/// A topic's name and a partition.
pub(super) type TopicPartition = (Str, i32);

/// The last epoch that a producer may be given: Short.MAX - 1, as the one after it is kept for fencing.
const LAST_EPOCH: i16 = i16::MAX - 1;

/// Who a producer is, and which of its sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProducerIdAndEpoch {
    pub(super) id: ProducerId,
    pub(super) epoch: i16,
}

/// Where a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Empty,
    Ongoing,
    PrepareCommit,
    PrepareAbort,
    CompleteCommit,
    CompleteAbort,
}

impl State {
    pub(super) fn name(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::Ongoing => "Ongoing",
            State::PrepareCommit => "PrepareCommit",
            State::PrepareAbort => "PrepareAbort",
            State::CompleteCommit => "CompleteCommit",
            State::CompleteAbort => "CompleteAbort",
        }
    }
}

/// Gives out producer ids.
#[derive(Debug)]
pub(super) struct ProducerIds(pub(super) i64);

impl Default for ProducerIds {
    /// Ids are drawn in blocks of a thousand; the first block is not used here, so that no id is taken for a small number.
    fn default() -> Self {
        ProducerIds(1000)
    }
}

impl ProducerIds {
    pub(super) fn next(&mut self) -> ProducerId {
        self.0 += 1;
        ProducerId(self.0 - 1)
    }
}

/// One transactional id.
#[derive(Debug)]
pub(super) struct TransactionMetadata {
    /// The epoch is -1 until it was given out for the first time.
    pub(super) producer: ProducerIdAndEpoch,
    previous_producer_id: ProducerId,
    /// The epoch that its producer raised; -1 if another did, who must not be taken for it.
    last_epoch: i16,
    /// The id to go on with after the markers, if the epochs of this one are used up.
    next_producer_id: Option<ProducerId>,
    pub(super) timeout: Duration,
    pub(super) state: State,
    pub(super) partitions: BTreeSet<TopicPartition>,
    /// Those of them whose marker is outstanding.
    pub(super) unmarked: BTreeSet<TopicPartition>,
    /// `transaction.version` by which it ends.
    pub(super) version: i8,
    /// When the latest transaction began, -1 if none has since the producer was initialized.
    pub(super) started_ms: i64,
    pub(super) updated_ms: i64,
    /// When the transaction's time is over, or the next marker due.
    pub(super) due: Option<Duration>,
}

impl TransactionMetadata {
    pub(super) fn new(id: ProducerId) -> Self {
        TransactionMetadata {
            producer: ProducerIdAndEpoch { id, epoch: -1 },
            previous_producer_id: ProducerId::NONE,
            last_epoch: -1,
            next_producer_id: None,
            timeout: Duration::ZERO,
            state: State::Empty,
            partitions: BTreeSet::new(),
            unmarked: BTreeSet::new(),
            version: 0,
            started_ms: -1,
            updated_ms: -1,
            due: None,
        }
    }

    /// Whether markers are outstanding.
    pub(super) fn is_ending(&self) -> bool {
        matches!(self.state, State::PrepareCommit | State::PrepareAbort)
    }

    fn is_exhausted(&self) -> bool {
        self.producer.epoch >= LAST_EPOCH
    }

    /// A producer starts, or goes on after an error as `expected` (KIP-360). `version` is the cluster's.
    pub(super) fn init(
        &mut self,
        expected: Option<ProducerIdAndEpoch>,
        timeout: Duration,
        version: i8,
        now: Now,
        ids: &mut ProducerIds,
    ) -> Result<ProducerIdAndEpoch, ErrorCode> {
        if self.is_ending() {
            return Err(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        // The id before it counts where the answer that told the new one may have been lost.
        let is_known = |expected: ProducerIdAndEpoch| {
            self.producer.epoch == -1
                || expected.id == self.producer.id
                || expected.id == self.previous_producer_id && expected.epoch >= LAST_EPOCH
        };
        if !expected.is_none_or(is_known) {
            return Err(ErrorCode::PRODUCER_FENCED);
        }
        if self.state == State::Ongoing {
            self.fence(version, now, ids);
            return Err(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        let ProducerIdAndEpoch { id, epoch } = self.producer;
        let (next, last_epoch) = match expected.map(|expected| expected.epoch) {
            expected if self.is_exhausted() && expected.is_none_or(|expected| expected == epoch) => {
                (ProducerIdAndEpoch { id: ids.next(), epoch: 0 }, expected.unwrap_or(-1))
            }
            // Here Kafka runs into an exception of its own.
            _ if self.is_exhausted() => return Err(ErrorCode::UNKNOWN_SERVER_ERROR),
            None => (ProducerIdAndEpoch { id, epoch: epoch + 1 }, -1),
            Some(expected) if epoch == -1 || expected == epoch => {
                (ProducerIdAndEpoch { id, epoch: epoch + 1 }, epoch)
            }
            Some(expected) if expected == self.last_epoch => (self.producer, self.last_epoch),
            Some(_) => return Err(ErrorCode::PRODUCER_FENCED),
        };
        self.previous_producer_id = id;
        self.producer = next;
        self.last_epoch = last_epoch;
        self.timeout = timeout;
        self.state = State::Empty;
        self.started_ms = -1;
        self.updated_ms = now.wall_ms;
        Ok(next)
    }

    /// Whether this is its producer, now.
    fn check(&self, producer: ProducerIdAndEpoch) -> Result<(), ErrorCode> {
        if producer.id != self.producer.id {
            return Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
        }
        match producer.epoch == self.producer.epoch {
            true => Ok(()),
            false => Err(ErrorCode::PRODUCER_FENCED),
        }
    }

    /// Adds partitions to the transaction, and begins it with the first.
    ///
    /// `waits_first`: whether it is CONCURRENT_TRANSACTIONS that comes first, as from 4.0 on.
    pub(super) fn add(
        &mut self,
        producer: ProducerIdAndEpoch,
        partitions: impl IntoIterator<Item = TopicPartition>,
        waits_first: bool,
        now: Now,
    ) -> Result<(), ErrorCode> {
        if self.is_ending() && waits_first {
            return Err(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        self.check(producer)?;
        if self.is_ending() {
            return Err(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        if self.state != State::Ongoing {
            self.state = State::Ongoing;
            self.started_ms = now.wall_ms;
            self.due = Some(now.elapsed + self.timeout);
        }
        self.partitions.extend(partitions);
        self.updated_ms = now.wall_ms;
        Ok(())
    }

    /// Whether a partition is in the transaction, for a leader who is to write to it.
    pub(super) fn verify(
        &self,
        producer: ProducerIdAndEpoch,
        partition: &TopicPartition,
    ) -> Result<(), ErrorCode> {
        self.check(producer)?;
        if self.is_ending() {
            return Err(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        match self.partitions.contains(partition) {
            true => Ok(()),
            false => Err(ErrorCode::TRANSACTION_ABORTABLE),
        }
    }

    /// The producer ends the transaction; who it is from then on.
    pub(super) fn end(
        &mut self,
        producer: ProducerIdAndEpoch,
        commit: bool,
        version: i8,
        now: Now,
        ids: &mut ProducerIds,
    ) -> Result<ProducerIdAndEpoch, ErrorCode> {
        let raises = version >= 2;
        let is_again = raises && self.was(producer);
        if producer.id != self.producer.id && !is_again {
            return Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
        }
        if raises && self.is_ending() {
            return Err(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        let may_come_again = matches!(self.state, State::CompleteCommit | State::CompleteAbort);
        if producer.epoch != self.producer.epoch && !(is_again && may_come_again) {
            return Err(ErrorCode::PRODUCER_FENCED);
        }
        let was_committed = match self.state {
            State::PrepareCommit | State::PrepareAbort => return Err(ErrorCode::CONCURRENT_TRANSACTIONS),
            State::Ongoing => {
                self.prepare(commit, version, now, ids);
                return Ok(match self.next_producer_id {
                    Some(id) => ProducerIdAndEpoch { id, epoch: 0 },
                    None => self.producer,
                });
            }
            State::Empty => None,
            State::CompleteCommit => Some(true),
            State::CompleteAbort => Some(false),
        };
        match was_committed {
            Some(was_committed) if was_committed == commit && (is_again || !raises) => Ok(self.producer),
            _ if raises && !commit && !is_again => {
                self.prepare(false, version, now, ids);
                self.complete();
                Ok(self.producer)
            }
            _ => Err(ErrorCode::INVALID_TXN_STATE),
        }
    }

    /// Whether this is who its producer was before the last transaction ended.
    fn was(&self, producer: ProducerIdAndEpoch) -> bool {
        let ProducerIdAndEpoch { id, epoch } = self.producer;
        let has_new_id =
            producer.id == self.previous_producer_id && producer.epoch == LAST_EPOCH && epoch == 0;
        has_new_id || producer.id == id && producer.epoch.checked_add(1) == Some(epoch)
    }

    /// Aborts an ongoing transaction in the producer's stead; it is fenced.
    pub(super) fn fence(&mut self, version: i8, now: Now, ids: &mut ProducerIds) {
        if version < 2 {
            self.producer.epoch = self.producer.epoch.saturating_add(1);
        }
        self.prepare(false, version, now, ids);
        self.last_epoch = -1;
    }

    /// Decides how the transaction ends; markers are to be written from now on.
    fn prepare(&mut self, commit: bool, version: i8, now: Now, ids: &mut ProducerIds) {
        if version >= 2 {
            self.last_epoch = self.producer.epoch;
            self.next_producer_id = self.is_exhausted().then(|| ids.next());
            self.producer.epoch = self.producer.epoch.saturating_add(1);
        }
        if self.state != State::Ongoing {
            self.started_ms = now.wall_ms;
        }
        self.state = if commit { State::PrepareCommit } else { State::PrepareAbort };
        self.version = version;
        self.unmarked = self.partitions.clone();
        self.updated_ms = now.wall_ms;
        self.due = None;
    }

    /// The last marker is written.
    pub(super) fn complete(&mut self) {
        self.state = match self.state {
            State::PrepareCommit => State::CompleteCommit,
            _ => State::CompleteAbort,
        };
        if let Some(id) = self.next_producer_id.take() {
            self.previous_producer_id = self.producer.id;
            self.producer = ProducerIdAndEpoch { id, epoch: 0 };
        }
        self.partitions.clear();
        self.unmarked.clear();
        self.due = None;
    }
}
