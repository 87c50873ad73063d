//! One partition of a writer: what waits, what is in flight, and what an answer means for it.
//!
//! Rules:
//! - Batches are sent, and sent again, in the order of their records. `sealed` and `in_flight` are in that order.
//! - What gathers is known by hearsay only: since when, and whether a batch is full.
//! - A gap that a failed batch left shows as OUT_OF_ORDER at the oldest batch: nothing after the gap is in the log then.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::error::Error;
use crate::notice::BatchName;
use crate::producer::job::{Batch, Left, News};
use crate::producer::outcome::{Action, may_be_written};
use crate::protocol::{BrokerId, ErrorCode, ProducerId};
use crate::record::{self, MessageFormat};
use crate::time::Instant;

/// Without idempotence.
pub(super) const NO_IDENTITY: (ProducerId, i16) = (ProducerId::NONE, -1);

#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Partition {
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    pub(super) leader: Option<BrokerId>,
    /// Under which its sequence numbers count.
    pub(super) identity: (ProducerId, i16),
    pub(super) next_sequence: i32,
    pub(super) next_order: u64,
    /// A batch was acknowledged by this leader under this identity.
    pub(super) proven: bool,
    /// A full batch waits to be sealed.
    pub(super) full: bool,
    /// When the first record of what waits to be sealed came.
    pub(super) oldest: Option<Instant>,
    /// Jobs under way.
    pub(super) working: usize,
    /// The node that a batch is being sealed for, and how large it may become.
    pub(super) sealing_for: Option<(BrokerId, usize)>,
    /// What came until then leaves before its linger is over.
    pub(super) flushed_at: Option<Instant>,
    /// Sealed and not in flight, in order.
    pub(super) sealed: VecDeque<Batch>,
    /// In order.
    pub(super) in_flight: VecDeque<Batch>,
    pub(super) renumber: bool,
    /// The broker forgot this producer, and with it what it has written: a batch of unknown fate may not be sent again.
    pub(super) forgotten: bool,
    /// The broker knows a newer epoch of this producer id than ours: another id is needed.
    pub(super) outdated: bool,
    pub(super) failures: u32,
    pub(super) not_before: Instant,
    /// What stood in the way last, and when, unless something was written since.
    pub(super) trouble: Option<(Instant, Arc<Error>)>,
}

/// What an answer means for its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is in the log.
    Written,
    /// It is sent again.
    Again,
    /// It is sent again, to the leader that new metadata will name.
    FindLeader,
    /// It is sent again in a format that the broker takes after all.
    Reformat,
    /// It is sent again when everything left has new numbers. `forgotten`: the broker does not know the producer any more;
    /// `outdated`: it knows a newer epoch.
    Renumber { forgotten: bool, outdated: bool },
    /// It is cut in two.
    Split,
    /// Its records fail.
    Refused,
}

impl Partition {
    pub(super) fn new(topic: Arc<str>, partition: i32, leader: Option<BrokerId>) -> Self {
        Partition {
            topic,
            partition,
            leader,
            identity: NO_IDENTITY,
            next_sequence: 0,
            next_order: 0,
            proven: false,
            full: false,
            oldest: None,
            working: 0,
            sealing_for: None,
            flushed_at: None,
            sealed: VecDeque::new(),
            in_flight: VecDeque::new(),
            renumber: false,
            forgotten: false,
            outdated: false,
            failures: 0,
            not_before: Instant::default(),
            trouble: None,
        }
    }

    /// Whether nothing waits here to be sent or acknowledged.
    pub(super) fn is_idle(&self) -> bool {
        self.oldest.is_none() && self.working == 0 && self.sealed.is_empty() && self.in_flight.is_empty()
    }

    /// Who writes the next batch, and from which number on.
    pub(super) fn producer(&self) -> record::Producer {
        let (id, epoch) = self.identity;
        let base_sequence = if self.identity == NO_IDENTITY { -1 } else { self.next_sequence };
        record::Producer { id, epoch, base_sequence, transactional: false }
    }

    pub(super) fn on_news(&mut self, now: Instant, news: News) {
        self.full |= news == News::Full;
        self.oldest.get_or_insert(now);
    }

    /// A job takes batches out of the gathering place: what is left there is known when it is done. News may come in
    /// between, from records appended behind the job, so they are kept.
    pub(super) fn forget_gathered(&mut self) {
        self.full = false;
        self.oldest = None;
    }

    pub(super) fn on_left(&mut self, left: Left) {
        self.full |= left.full;
        self.oldest = [self.oldest, left.oldest].into_iter().flatten().min();
    }

    /// What the answer to the batch in flight of this order means; `None` if there is no such batch. The batch keeps in mind
    /// whether it may be written.
    pub(super) fn judge(&mut self, order: u64, code: ErrorCode, base_offset: i64) -> Option<Verdict> {
        let batch = self.in_flight.iter_mut().find(|batch| batch.order == order)?;
        batch.maybe_written |= may_be_written(code, base_offset);
        // The halves of a batch that was written after all would not be known as its duplicates.
        let splittable = batch.records > 1 && !batch.abandoned && !batch.maybe_written;
        let is_old = batch.format != MessageFormat::V2;
        // A batch that a job holds is neither here nor there.
        let oldest =
            self.working == 0 && self.sealed.iter().chain(&self.in_flight).all(|other| other.order >= order);
        let numbered = self.identity != NO_IDENTITY;
        Some(match Action::on(code) {
            // Some announce versions of Produce that they do not take.
            Action::Fail if is_old && code == ErrorCode::UNSUPPORTED_VERSION => Verdict::Reformat,
            Action::Done => Verdict::Written,
            Action::OutOfOrder | Action::Renumber if !numbered => Verdict::Refused,
            Action::OutOfOrder if !oldest => Verdict::Again,
            action @ (Action::OutOfOrder | Action::Renumber) => Verdict::Renumber {
                forgotten: action == Action::Renumber,
                outdated: code == ErrorCode::INVALID_PRODUCER_EPOCH,
            },
            Action::Split if splittable => Verdict::Split,
            Action::Split | Action::Fail => Verdict::Refused,
            Action::FindLeader => Verdict::FindLeader,
            Action::Retry => Verdict::Again,
        })
    }

    pub(super) fn take_in_flight(&mut self, order: u64) -> Option<Batch> {
        let index = self.in_flight.iter().position(|batch| batch.order == order)?;
        self.in_flight.remove(index)
    }

    /// Puts a batch where its number belongs.
    pub(super) fn insert(&mut self, batch: Batch) {
        let at = self.sealed.partition_point(|sealed| sealed.order < batch.order);
        self.sealed.insert(at, batch);
    }

    /// A batch will not be written, and nothing came after it: its numbers are free again.
    pub(super) fn roll_back(&mut self, batch: &Batch) {
        let last = self.in_flight.is_empty() && self.sealed.is_empty() && self.working == 0;
        if last && !batch.maybe_written && self.identity != NO_IDENTITY {
            self.next_sequence = batch.sequence;
        }
    }

    pub(super) fn name(&self, batch: &Batch) -> BatchName {
        let (topic, sequence, records) = (self.topic.clone(), batch.sequence, batch.records);
        BatchName { topic, partition: self.partition, sequence, records }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::producer::job::BatchId;

    fn batch(order: u64) -> Batch {
        Batch {
            bytes: bytes::Bytes::new(),
            records: 2,
            format: MessageFormat::V2,
            sequence: order as i32,
            order,
            id: BatchId(order),
            first: 0,
            created: Instant::default(),
            reserved: 0,
            sent: true,
            maybe_written: false,
            abandoned: false,
        }
    }

    /// Batches 2, 4 and 6 are in flight, and 8 is sealed.
    fn partition(change: impl FnOnce(&mut Partition)) -> Partition {
        let mut partition = Partition::new("t".into(), 0, Some(BrokerId(1)));
        partition.identity = (ProducerId(1), 0);
        partition.in_flight.extend([2, 4, 6].map(batch));
        partition.sealed.push_back(batch(8));
        change(&mut partition);
        partition
    }

    /// Circumstances by their names, and the verdicts in each on one code of each action: written, out of order, forgotten, newer
    /// epoch, too large, not leader, not enough replicas, unsupported version, invalid record.
    #[test]
    fn each_action_has_its_verdict_in_each_circumstance() {
        use Verdict::{Again, FindLeader, Reformat, Refused, Split, Written};
        let forgotten = Verdict::Renumber { forgotten: true, outdated: false };
        let outdated = Verdict::Renumber { forgotten: true, outdated: true };
        let gap = Verdict::Renumber { forgotten: false, outdated: false };
        let codes = [0, 45, 59, 47, 10, 6, 19, 35, 87];
        type Change = fn(&mut Partition);
        let table: [(&str, u64, Change, [Verdict; 9]); 8] = [
            (
                "the oldest",
                2,
                |_| {},
                [Written, gap, forgotten, outdated, Split, FindLeader, Again, Refused, Refused],
            ),
            (
                "behind others",
                4,
                |_| {},
                [Written, Again, forgotten, outdated, Split, FindLeader, Again, Refused, Refused],
            ),
            (
                "the oldest, but a job holds one",
                2,
                |p| p.working = 1,
                [Written, Again, forgotten, outdated, Split, FindLeader, Again, Refused, Refused],
            ),
            (
                "an older one waits to be sent again",
                2,
                |p| p.sealed.push_front(batch(0)),
                [Written, Again, forgotten, outdated, Split, FindLeader, Again, Refused, Refused],
            ),
            (
                "without numbers",
                2,
                |p| p.identity = NO_IDENTITY,
                [Written, Refused, Refused, Refused, Split, FindLeader, Again, Refused, Refused],
            ),
            (
                "perhaps written",
                2,
                |p| p.in_flight[0].maybe_written = true,
                [Written, gap, forgotten, outdated, Refused, FindLeader, Again, Refused, Refused],
            ),
            (
                "one record",
                2,
                |p| p.in_flight[0].records = 1,
                [Written, gap, forgotten, outdated, Refused, FindLeader, Again, Refused, Refused],
            ),
            (
                "of an old format",
                2,
                |p| p.in_flight[0].format = MessageFormat::V1,
                [Written, gap, forgotten, outdated, Split, FindLeader, Again, Reformat, Refused],
            ),
        ];
        for (circumstance, order, change, verdicts) in table {
            let mut partition = partition(change);
            for (code, verdict) in codes.into_iter().zip(verdicts) {
                let judged = partition.judge(order, ErrorCode(code), -1);
                assert_eq!(judged, Some(verdict), "{circumstance}, code {code}");
            }
            assert_eq!(partition.judge(3, ErrorCode::NONE, 0), None, "no such batch");
        }
        let mut abandoned = partition(|p| p.in_flight[0].abandoned = true);
        assert_eq!(abandoned.judge(2, ErrorCode::MESSAGE_TOO_LARGE, -1), Some(Refused));
        // The offset tells that it had been appended before.
        assert_eq!(partition(|_| {}).judge(2, ErrorCode::MESSAGE_TOO_LARGE, 7), Some(Refused));
    }

    #[test]
    fn numbers_are_free_again_only_if_nothing_came_after_them() {
        let mut alone = Partition::new("t".into(), 0, None);
        (alone.identity, alone.next_sequence) = ((ProducerId(1), 0), 9);
        let last = batch(4);
        for (what, change) in [
            (
                "another is in flight",
                (|p: &mut Partition| p.in_flight.push_back(batch(6))) as fn(&mut Partition),
            ),
            ("another is sealed", |p| p.sealed.push_back(batch(6))),
            ("a job is under way", |p| p.working = 1),
            ("it has none", |p| p.identity = NO_IDENTITY),
        ] {
            let mut partition = alone.clone();
            change(&mut partition);
            partition.roll_back(&last);
            assert_eq!(partition.next_sequence, 9, "{what}");
        }
        let mut unknown = alone.clone();
        unknown.roll_back(&Batch { maybe_written: true, ..batch(4) });
        assert_eq!(unknown.next_sequence, 9);
        alone.roll_back(&last);
        assert_eq!(alone.next_sequence, 4);
    }
}
