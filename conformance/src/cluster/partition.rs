//! A partition: who leads it, what each replica has of its log, and who has not heard of the newest leader.
//!
//! Rules:
//! - The log here is the leader's. A follower has a beginning of it, so of a follower only the end is kept. What the
//!   in-sync replicas all have is below the high watermark: only that is shown to consumers and acknowledged for
//!   `acks=all`.
//! - A new leader's log is the log: what it had not got is cut off, and followers that have more lose that too. Elected
//!   from the in-sync replicas it has all that is below the high watermark; elected uncleanly, perhaps not.
//! - Without a leader the log is that of the last one, who is the only one in sync and alone may lead again, if nobody is
//!   elected uncleanly.
//! - A broker that has not heard of a change of leaders goes on with what it believes. If it takes itself for the leader it
//!   goes on with a line of its own, which nobody copies and which is lost when it hears the truth.

use std::collections::{BTreeMap, BTreeSet};

use milena_core::protocol::{BrokerId, ErrorCode, LeaderEpoch};
use milena_core::record::Batch;

use super::ConnectionId;
use super::log::PartitionLog;
use super::producers::Producers;
use super::release::Release;

/// What the controller decided of a partition's leadership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leadership {
    /// [`BrokerId::NONE`] while no in-sync replica is up.
    pub(super) leader: BrokerId,
    pub(super) epoch: LeaderEpoch,
    /// In-sync replicas; the last one stays in when it goes down.
    pub(super) in_sync: Vec<BrokerId>,
}

/// A log as one leader has it, and what it knows by it.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) log: PartitionLog,
    pub(super) producers: Producers,
    pub(super) high_watermark: i64,
}

/// What a replica that does not lead has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Follower {
    end_offset: i64,
    /// As its leader told with the last batches.
    high_watermark: i64,
    /// Whether the leader knows of it: a new one has to be asked for records first.
    known: bool,
}

/// A broker that has not heard of the newest leadership.
#[derive(Debug)]
struct Behind {
    belief: Leadership,
    /// If it takes itself for the leader.
    line: Option<Line>,
}

/// One partition.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) replicas: Vec<BrokerId>,
    pub(super) now: Leadership,
    pub(super) main: Line,
    /// Every replica but the leader.
    followers: BTreeMap<BrokerId, Follower>,
    behind: BTreeMap<BrokerId, Behind>,
    /// Where its leader's log ends since it crashed, if it lost some: it is to be missed only when it leads again.
    on_leaders_disk: Option<i64>,
    /// Connections with a fetch or a write that waits for this partition.
    pub(super) waiting: BTreeSet<ConnectionId>,
}

impl Line {
    fn new() -> Self {
        Line { log: PartitionLog::new(), producers: Producers::default(), high_watermark: 0 }
    }

    fn fork(&mut self) -> Line {
        let mut fork = Line { log: self.log.fork(), ..Line::new() };
        fork.high_watermark = self.high_watermark;
        fork.relearn();
        fork
    }

    /// What is known of producers follows from the log.
    fn relearn(&mut self) {
        self.producers = Producers::default();
        for entry in self.log.entries() {
            if let Some(batch) = self.log.batch(entry) {
                self.producers.written(&batch, entry.base_offset);
            }
        }
    }

    fn truncate(&mut self, offset: i64) {
        if offset < self.log.end_offset() {
            self.log.truncate(offset);
            self.high_watermark = self.high_watermark.min(self.log.end_offset());
            self.relearn();
        }
    }

    /// The offset up to which every transaction is decided: what `read_committed` is shown.
    pub(super) fn last_stable_offset(&self) -> i64 {
        self.producers.last_stable_offset(self.high_watermark)
    }

    fn start_moved(&mut self, release: Release) {
        let start = self.log.start_offset();
        self.high_watermark = self.high_watermark.max(start);
        self.producers.on_log_start(start, release);
    }
}

impl Partition {
    pub(super) fn new(replicas: Vec<BrokerId>, is_alive: impl Fn(BrokerId) -> bool) -> Self {
        let alive: Vec<_> = replicas.iter().copied().filter(|replica| is_alive(*replica)).collect();
        let leader = alive.first().copied().unwrap_or(BrokerId::NONE);
        let in_sync = if alive.is_empty() { replicas.clone() } else { alive };
        let followers = replicas.iter().filter(|replica| **replica != leader);
        Partition {
            now: Leadership { leader, epoch: LeaderEpoch(0), in_sync },
            main: Line::new(),
            followers: followers.map(|replica| (*replica, Follower::default())).collect(),
            behind: BTreeMap::new(),
            on_leaders_disk: None,
            waiting: BTreeSet::new(),
            replicas,
        }
    }

    // ---- what brokers believe ----

    /// A broker has not even heard of the partition.
    pub(super) fn hide(&mut self, broker: BrokerId) {
        let belief = Leadership { leader: BrokerId::NONE, epoch: LeaderEpoch::NONE, in_sync: Vec::new() };
        self.behind.insert(broker, Behind { belief, line: None });
    }

    /// Whether a broker has heard of the partition.
    pub(super) fn is_known_to(&self, broker: BrokerId) -> bool {
        self.belief(broker).epoch != LeaderEpoch::NONE
    }

    /// Who leads, as far as this broker has heard.
    pub(super) fn belief(&self, broker: BrokerId) -> &Leadership {
        self.behind.get(&broker).map_or(&self.now, |behind| &behind.belief)
    }

    /// Whether `broker` may serve a request that names `current_leader_epoch` (-1: does not say).
    ///
    /// The order is the brokers': a replica first compares epochs, and only then says that it does not lead.
    pub(super) fn check(
        &self,
        broker: BrokerId,
        current_leader_epoch: LeaderEpoch,
        leader_only: bool,
    ) -> Result<(), ErrorCode> {
        let belief = self.belief(broker);
        if !self.is_known_to(broker) {
            return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        }
        if !self.replicas.contains(&broker) {
            return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        }
        if current_leader_epoch >= LeaderEpoch(0) && current_leader_epoch < belief.epoch {
            return Err(ErrorCode::FENCED_LEADER_EPOCH);
        }
        if current_leader_epoch > belief.epoch {
            return Err(ErrorCode::UNKNOWN_LEADER_EPOCH);
        }
        if belief.leader != broker && (leader_only || belief.leader == BrokerId::NONE) {
            return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        }
        Ok(())
    }

    /// What a broker reads and writes: its own line if it wrongly takes itself for the leader, else the log.
    pub(super) fn line(&self, broker: BrokerId) -> &Line {
        self.behind.get(&broker).and_then(|behind| behind.line.as_ref()).unwrap_or(&self.main)
    }

    /// The same, to be changed.
    pub(super) fn line_mut(&mut self, broker: BrokerId) -> &mut Line {
        let own = self.behind.get_mut(&broker).and_then(|behind| behind.line.as_mut());
        own.unwrap_or(&mut self.main)
    }

    /// The high watermark as a broker knows it: a follower hears of it later.
    pub(super) fn high_watermark(&self, broker: BrokerId) -> i64 {
        match self.followers.get(&broker) {
            Some(follower) if self.belief(broker).leader != broker => {
                follower.high_watermark.min(follower.end_offset).max(self.main.log.start_offset())
            }
            _ => self.line(broker).high_watermark,
        }
    }

    /// Where the log ends that a broker has.
    pub(super) fn end_offset(&self, broker: BrokerId) -> i64 {
        match self.followers.get(&broker) {
            Some(follower) if self.belief(broker).leader != broker => follower.end_offset,
            _ => self.line(broker).log.end_offset(),
        }
    }

    /// A broker has heard of everything that was decided.
    pub(super) fn learn(&mut self, broker: BrokerId) {
        self.behind.remove(&broker);
    }

    /// A broker stops to go on alone. If it led last, nobody has led since, and it alone is in sync, what it wrote meanwhile
    /// is the log; else it is lost.
    pub(super) fn end_alone(&mut self, broker: BrokerId) {
        let own = self.behind.get_mut(&broker).and_then(|behind| behind.line.take());
        let Some(line) = own else { return };
        self.behind.remove(&broker);
        if self.now.leader == BrokerId::NONE && self.now.in_sync == [broker] {
            self.main = line;
            let has = Follower {
                end_offset: self.main.log.end_offset(),
                high_watermark: self.main.high_watermark,
                known: false,
            };
            self.followers.insert(broker, has);
        }
    }

    // ---- the log ----

    /// Appends a batch at `broker`, which takes itself for the leader, and returns its base offset.
    ///
    /// Followers get it later: see [`Self::copy`].
    pub(super) fn append(&mut self, broker: BrokerId, batch: &Batch, log_append_time: Option<i64>) -> i64 {
        let epoch = self.belief(broker).epoch;
        let alone = self.belief(broker).in_sync == [broker];
        let line = self.line_mut(broker);
        let base_offset = line.log.append(batch, epoch, log_append_time);
        line.producers.written(batch, base_offset);
        if alone {
            line.high_watermark = line.log.end_offset();
        }
        base_offset
    }

    /// A follower copies all that the leader has, and is in sync from then on; not before it has heard who leads.
    pub(super) fn copy(&mut self, broker: BrokerId) {
        if self.now.leader == BrokerId::NONE || self.behind.contains_key(&broker) {
            return;
        }
        let Some(follower) = self.followers.get_mut(&broker) else { return };
        // It hears of the high watermark as it was when it asked.
        follower.high_watermark = self.main.high_watermark;
        follower.end_offset = self.main.log.end_offset();
        follower.known = true;
        if !self.now.in_sync.contains(&broker) {
            self.now.in_sync.push(broker);
        }
        self.advance();
    }

    /// Followers that have something to hear yet, and have heard who leads.
    pub(super) fn lagging(&self) -> impl Iterator<Item = BrokerId> + '_ {
        let (end, high_watermark) = (self.main.log.end_offset(), self.main.high_watermark);
        let lags = move |(broker, has): &(&BrokerId, &Follower)| {
            let lacks = !has.known || has.end_offset < end || has.high_watermark < high_watermark;
            (lacks || !self.now.in_sync.contains(broker)) && !self.behind.contains_key(broker)
        };
        self.followers.iter().filter(lags).map(|(broker, _)| *broker)
    }

    /// The high watermark is where the in-sync replica that has least ends; it never goes back. Whether it moved.
    pub(super) fn advance(&mut self) -> bool {
        let end = self.main.log.end_offset();
        let ends = self.now.in_sync.iter().map(|replica| match self.followers.get(replica) {
            Some(follower) if follower.known => follower.end_offset,
            Some(_) => self.main.high_watermark,
            None => end,
        });
        let reached = ends.min().unwrap_or(end);
        let moved = self.now.leader != BrokerId::NONE && reached > self.main.high_watermark;
        if moved {
            self.main.high_watermark = reached;
        }
        moved
    }

    /// The log start offset moved, which followers do by themselves.
    pub(super) fn start_moved(&mut self, release: Release) {
        let lines = self.behind.values_mut().filter_map(|behind| behind.line.as_mut());
        lines.chain([&mut self.main]).for_each(|line| line.start_moved(release));
        let start = self.main.log.start_offset();
        for follower in self.followers.values_mut() {
            follower.end_offset = follower.end_offset.max(start);
        }
    }

    // ---- leaders ----

    /// A new leader, or none, in a new epoch; those in `unaware` do not hear of it yet.
    pub(super) fn elect(&mut self, leader: BrokerId, unaware: impl IntoIterator<Item = BrokerId>) {
        let old = self.now.clone();
        for broker in unaware {
            let line = (broker == old.leader).then(|| self.main.fork());
            self.behind.entry(broker).or_insert(Behind { belief: old.clone(), line });
        }
        match old.leader {
            BrokerId::NONE => self.end_alone(leader),
            _ => self.leave(old.leader),
        }
        self.now.leader = leader;
        self.now.epoch.0 += 1;
        if leader == BrokerId::NONE {
            return;
        }
        if let Some(had) = self.followers.get(&leader) {
            self.main.truncate(had.end_offset);
            let known = had.high_watermark.max(self.main.log.start_offset());
            self.main.high_watermark = self.main.high_watermark.min(known);
        }
        self.followers.remove(&leader);
        if !self.now.in_sync.contains(&leader) {
            // Unclean: those that were in sync with the old leader may have what this one has not.
            self.now.in_sync = vec![leader];
        }
        self.main.log.start_epoch(self.now.epoch);
        let end = self.main.log.end_offset();
        for follower in self.followers.values_mut() {
            follower.end_offset = follower.end_offset.min(end);
            follower.known = false;
        }
        self.advance();
    }

    /// A leader becomes a replica among others, with all that it has.
    fn leave(&mut self, leader: BrokerId) {
        let high_watermark = self.main.high_watermark;
        let end_offset = self.on_leaders_disk.take().unwrap_or(self.main.log.end_offset());
        self.followers.insert(leader, Follower { end_offset, high_watermark, known: false });
    }

    /// The in-sync replica that is to lead when nobody does, or `broker` does not any more; any replica if `unclean`.
    pub(super) fn successor(
        &self,
        besides: BrokerId,
        unclean: bool,
        is_alive: impl Fn(BrokerId) -> bool,
    ) -> BrokerId {
        let fits = |id: &&BrokerId| **id != besides && is_alive(**id);
        let clean = self.replicas.iter().filter(fits).find(|id| self.now.in_sync.contains(id));
        clean
            .or_else(|| self.replicas.iter().filter(fits).find(|_| unclean))
            .copied()
            .unwrap_or(BrokerId::NONE)
    }

    /// A replica does not keep up, or is gone; the last one in sync stays.
    pub(super) fn leave_in_sync(&mut self, broker: BrokerId) {
        if self.now.in_sync.len() > 1 {
            self.now.in_sync.retain(|replica| *replica != broker);
        }
    }

    /// Makes a broker a replica, in sync with the leader.
    pub(super) fn add_replica(&mut self, broker: BrokerId) {
        if !self.replicas.contains(&broker) {
            self.replicas.push(broker);
            self.followers.insert(broker, Follower::default());
        }
        if self.now.leader != broker && !self.now.in_sync.contains(&broker) {
            self.copy(broker);
        }
    }

    /// These are the replicas now; the leader is one of them.
    pub(super) fn keep_replicas(&mut self, replicas: Vec<BrokerId>) {
        self.followers.retain(|id, _| replicas.contains(id));
        self.now.in_sync.retain(|id| replicas.contains(id));
        let new = replicas.iter().filter(|id| **id != self.now.leader && !self.replicas.contains(id));
        self.followers.extend(new.map(|id| (*id, Follower::default())));
        self.replicas = replicas;
        self.now.in_sync.sort_by_key(|id| self.replicas.iter().position(|replica| replica == id));
    }

    /// A broker crashed and lost what was not on its disk yet: `on_disk` says where that ends, given start and end.
    pub(super) fn lose(&mut self, broker: BrokerId, on_disk: impl FnOnce(i64, i64) -> i64) {
        let start = self.main.log.start_offset();
        if broker == self.now.leader {
            self.on_leaders_disk = Some(on_disk(start, self.main.log.end_offset()));
        } else if let Some(follower) = self.followers.get_mut(&broker) {
            follower.end_offset = on_disk(start, follower.end_offset);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: [BrokerId; 0] = [];

    #[test]
    fn the_last_in_sync_alone_may_lead_again() {
        let [one, two] = [BrokerId(1), BrokerId(2)];
        let mut partition = Partition::new(vec![two, one], |_| true);
        let seen = |p: &Partition| (p.now.leader, p.now.epoch.0, p.now.in_sync.clone());
        assert_eq!(seen(&partition), (two, 0, vec![two, one]));
        partition.leave_in_sync(two);
        partition.elect(partition.successor(two, false, |_| true), NOBODY);
        assert_eq!(seen(&partition), (one, 1, vec![one]));
        partition.leave_in_sync(one);
        partition.elect(partition.successor(one, false, |_| true), NOBODY);
        assert_eq!(seen(&partition), (BrokerId::NONE, 2, vec![one]));
        assert_eq!(
            partition.successor(BrokerId::NONE, false, |id| id == two),
            BrokerId::NONE,
            "2 may lack records"
        );
        partition.elect(partition.successor(BrokerId::NONE, false, |id| id == one), NOBODY);
        assert_eq!(seen(&partition), (one, 3, vec![one]));
        partition.copy(two);
        assert_eq!(partition.now.in_sync, [one, two]);
    }
}
