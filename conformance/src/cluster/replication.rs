//! Brokers among themselves: copying, crashes, isolation, elections, and how the news of them spreads.
//!
//! Rules, each an option of [`ClusterOptions`](super::ClusterOptions) that is zero by default, so that all of it happens
//! at once:
//! - followers copy what a leader has `replication_lag` later, and hear of the high watermark with the next copy;
//! - the controller notices a crash, or that a broker is cut off, after `broker_session`, and elects other leaders then;
//! - brokers hear of new leaders and new partitions `metadata_lag` later, those that are cut off when they are not any more;
//! - a follower that does not copy leaves the in-sync replicas after `replica_lag_max`.

use std::time::Duration;

use milena_core::protocol::{BrokerId, LeaderEpoch};
use milena_core::wire::Str;

use super::partition::Partition;
use super::state::{Broker, ClusterState, Timer};

/// A partition of a topic.
pub(super) type Place = (Str, i32);

impl ClusterState {
    // ---- control ----

    /// Makes a broker the leader of a partition, in a new leader epoch; it becomes a replica if it was none.
    ///
    /// Whether it was done: not if there is no such partition or broker, or the broker is stopped, cut off, or has not heard
    /// of the leader before.
    pub fn move_leader(&mut self, topic: &str, partition: i32, to: BrokerId) -> bool {
        if !self.is_alive(to) {
            return false;
        }
        let Some(known) = self.partition_mut(topic, partition) else { return false };
        known.add_replica(to);
        if !known.now.in_sync.contains(&to) {
            return false;
        }
        self.elect(&(topic.into(), partition), to);
        self.on_leaders_changed();
        self.settle();
        true
    }

    /// Makes a replica the leader even if it lacks records that were acknowledged: they are lost, as with
    /// `unclean.leader.election.enable`. Whether it was done.
    pub fn elect_unclean(&mut self, topic: &str, partition: i32, to: BrokerId) -> bool {
        let is_replica = self.partition(topic, partition).is_some_and(|known| known.replicas.contains(&to));
        if !is_replica || !self.is_alive(to) {
            return false;
        }
        self.elect(&(topic.into(), partition), to);
        self.on_leaders_changed();
        self.settle();
        true
    }

    /// Who leads a partition, in which leader epoch; [`BrokerId::NONE`] while nobody does.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<(BrokerId, LeaderEpoch)> {
        let now = &self.partition(topic, partition)?.now;
        Some((now.leader, now.epoch))
    }

    /// A partition's in-sync replicas.
    pub fn in_sync(&self, topic: &str, partition: i32) -> Vec<BrokerId> {
        self.partition(topic, partition).map_or_else(Vec::new, |known| known.now.in_sync.clone())
    }

    /// Stops a broker: its connections close, and its partitions get another leader if a replica is in sync.
    ///
    /// What it wrote stays on its disk. Whether it was up.
    pub fn stop_broker(&mut self, broker: BrokerId) -> bool {
        self.crash_broker(broker, false)
    }

    /// Crashes a broker; with its machine, it loses some of what was not forced to its disk, at random.
    ///
    /// The controller notices after [`ClusterOptions::broker_session`](super::ClusterOptions::broker_session). Whether it
    /// was up.
    pub fn crash_broker(&mut self, broker: BrokerId, lose_page_cache: bool) -> bool {
        let Some(known) = self.broker_mut(broker).filter(|known| known.up) else { return false };
        known.up = false;
        known.isolated = false;
        known.stalled = false;
        for conn in self.connections_of(broker) {
            self.close(conn);
        }
        self.sessions.forget(broker);
        for place in self.places() {
            let lost = if lose_page_cache { Some(self.random.word()) } else { None };
            let Some(partition) = self.partition_mut(&place.0, place.1) else { continue };
            partition.end_alone(broker);
            partition.learn(broker);
            if let Some(lost) = lost {
                partition.lose(broker, |start, end| start + (lost % (end - start + 1) as u64) as i64);
            }
        }
        self.fence_later(broker);
        self.settle();
        true
    }

    /// Starts a stopped broker. It copies what it lacks, and is in sync then. Whether it was stopped.
    pub fn start_broker(&mut self, broker: BrokerId) -> bool {
        if self.broker_mut(broker).is_none_or(|known| known.up) {
            return false;
        }
        // It registers anew, so that everybody knows that it was gone.
        self.fence(broker);
        if let Some(known) = self.broker_mut(broker) {
            known.up = true;
        }
        self.unfence(broker);
        self.settle();
        true
    }

    /// Cuts a broker off from the others, not from clients: it copies nothing and hears of nothing, and may take itself for
    /// the leader still when others have elected another. Whether it was up and not cut off.
    pub fn isolate_broker(&mut self, broker: BrokerId) -> bool {
        let Some(known) = self.broker_mut(broker).filter(|known| known.up && !known.isolated) else {
            return false;
        };
        known.isolated = true;
        self.fence_later(broker);
        self.settle();
        true
    }

    /// Ends [`Self::isolate_broker`]: it hears what the others decided. Whether it was cut off.
    pub fn rejoin_broker(&mut self, broker: BrokerId) -> bool {
        let Some(known) = self.broker_mut(broker).filter(|known| known.isolated) else { return false };
        known.isolated = false;
        self.unfence(broker);
        let due = self.hears_at();
        for place in self.places() {
            self.learn_at(&place, broker, due);
            self.replicate(&place);
        }
        self.settle();
        true
    }

    /// Stops a broker from copying as a follower, or lets it go on. Whether the broker exists.
    pub fn stall_follower(&mut self, broker: BrokerId, stalled: bool) -> bool {
        let Some(known) = self.broker_mut(broker) else { return false };
        known.stalled = stalled;
        match stalled {
            true => self.set_timer(self.now.elapsed + self.options.replica_lag_max, Timer::Shrink(broker)),
            false => self.places().iter().for_each(|place| self.replicate(place)),
        }
        self.settle();
        true
    }

    // ---- what follows ----

    /// Lets the followers copy what a partition's leader has.
    pub(super) fn replicate(&mut self, place: &Place) {
        let Some(partition) = self.partition(&place.0, place.1) else { return };
        let follows = |broker: &BrokerId| self.broker(*broker).is_some_and(Broker::is_following);
        if !follows(&partition.now.leader) {
            return;
        }
        let lagging: Vec<_> = partition.lagging().filter(follows).collect();
        if lagging.is_empty() {
            return;
        }
        if self.options.replication_lag.1.is_zero() {
            let Some(partition) = self.partition_mut(&place.0, place.1) else { return };
            let before = partition.main.high_watermark;
            // Twice: the second time they hear of the new high watermark.
            lagging.iter().chain(&lagging).for_each(|broker| partition.copy(*broker));
            if partition.main.high_watermark != before {
                self.wake(place);
            }
            return;
        }
        let (shortest, longest) = self.options.replication_lag;
        for broker in lagging {
            if self.copying.insert((place.clone(), broker)) {
                let due = self.now.elapsed + self.random.duration(shortest, longest);
                self.set_timer(due, Timer::Copy(place.clone(), broker));
            }
        }
    }

    pub(super) fn on_copy_timer(&mut self, place: &Place, broker: BrokerId) {
        self.copying.remove(&(place.clone(), broker));
        if self.broker(broker).is_some_and(Broker::is_following)
            && let Some(partition) = self.partition_mut(&place.0, place.1)
        {
            partition.copy(broker);
            self.wake(place);
        }
        self.replicate(place);
    }

    pub(super) fn on_shrink_timer(&mut self, broker: BrokerId) {
        if !self.broker(broker).is_some_and(|known| known.stalled) {
            return;
        }
        for place in self.places() {
            let Some(partition) = self.partition_mut(&place.0, place.1) else { continue };
            if partition.lagging().any(|lagging| lagging == broker) {
                partition.leave_in_sync(broker);
                self.on_high_watermark(&place);
            }
        }
    }

    /// Who waits for a partition looks again.
    fn wake(&mut self, place: &Place) {
        if let Some(partition) = self.topics.get(&place.0).and_then(|topic| topic.partition(place.1)) {
            self.woken.extend(&partition.waiting);
        }
    }

    /// The in-sync replicas are fewer: those that are left may have had more all the time.
    fn on_high_watermark(&mut self, place: &Place) {
        let Some(partition) = self.partition_mut(&place.0, place.1) else { return };
        if partition.advance() {
            self.wake(place);
        }
        self.replicate(place);
    }

    fn fence_later(&mut self, broker: BrokerId) {
        if self.options.broker_session.is_zero() {
            return self.fence(broker);
        }
        self.set_timer(self.now.elapsed + self.options.broker_session, Timer::Fence(broker));
    }

    pub(super) fn on_fence_timer(&mut self, broker: BrokerId) {
        if self.broker(broker).is_some_and(|known| !known.up || known.isolated) {
            self.fence(broker);
        }
    }

    /// The controller takes a broker for gone.
    fn fence(&mut self, broker: BrokerId) {
        let Some(known) = self.broker_mut(broker).filter(|known| !known.fenced) else { return };
        known.fenced = true;
        for place in self.places() {
            let Some(partition) = self.partition_mut(&place.0, place.1) else { continue };
            partition.leave_in_sync(broker);
            if partition.now.leader == broker {
                self.elect_successor(&place, broker);
            } else {
                self.on_high_watermark(&place);
            }
        }
        self.on_leaders_changed();
    }

    /// The controller sees a broker again.
    fn unfence(&mut self, broker: BrokerId) {
        let Some(known) = self.broker_mut(broker) else { return };
        known.fenced = false;
        for place in self.places() {
            let leaderless = self
                .partition(&place.0, place.1)
                .is_some_and(|partition| partition.now.leader == BrokerId::NONE);
            if leaderless {
                self.elect_successor(&place, BrokerId::NONE);
            }
            self.replicate(&place);
        }
        self.on_leaders_changed();
    }

    fn elect_successor(&mut self, place: &Place, besides: BrokerId) {
        let Some(topic) = self.topics.get(&place.0) else { return };
        let Some(partition) = topic.partition(place.1) else { return };
        let unclean = topic.settings.unclean_leader_election;
        let successor = partition.successor(besides, unclean, |id| self.is_alive(id));
        if successor != partition.now.leader {
            self.elect(place, successor);
        }
    }

    /// A new leader: brokers that hear of it later go on as before.
    pub(super) fn elect(&mut self, place: &Place, leader: BrokerId) {
        let unaware = self.unaware();
        let Some(partition) = self.partition_mut(&place.0, place.1) else { return };
        partition.elect(leader, unaware.iter().copied());
        self.wake(place);
        for broker in unaware {
            let due = self.hears_at();
            self.learn_at(place, broker, due);
        }
        self.replicate(place);
    }

    /// There are new partitions of a topic, from this one on.
    pub(super) fn announce(&mut self, topic: &str, first: usize) {
        let count = self.topics.get(topic).map_or(0, |topic| topic.partitions.len());
        for broker in self.unaware() {
            let due = self.hears_at();
            for place in (first..count).map(|index| (Str::from(topic), index as i32)) {
                if let Some(partition) = self.partition_mut(&place.0, place.1) {
                    partition.hide(broker);
                }
                self.learn_at(&place, broker, due);
            }
        }
    }

    /// Brokers that hear only later of what is decided now.
    fn unaware(&self) -> Vec<BrokerId> {
        let lag = !self.options.metadata_lag.1.is_zero();
        let unaware = self.brokers.iter().filter(|known| known.up && (lag || known.isolated));
        unaware.map(|known| known.id).collect()
    }

    /// When a broker hears of what is decided now.
    fn hears_at(&mut self) -> Duration {
        let (shortest, longest) = self.options.metadata_lag;
        self.now.elapsed + self.random.duration(shortest, longest)
    }

    /// A broker that is not cut off will hear what was decided last.
    fn learn_at(&mut self, place: &Place, broker: BrokerId, due: Duration) {
        if self.is_isolated(broker) {
            return;
        }
        if due <= self.now.elapsed {
            return self.learn(place, broker);
        }
        if let Some(partition) = self.partition(&place.0, place.1) {
            let epoch = partition.now.epoch;
            self.set_timer(due, Timer::Learn(place.clone(), broker, epoch));
        }
    }

    pub(super) fn on_learn_timer(&mut self, place: &Place, broker: BrokerId, epoch: LeaderEpoch) {
        if self.is_isolated(broker) {
            return;
        }
        let Some(partition) = self.partition(&place.0, place.1) else { return };
        if !partition.is_known_to(broker) {
            // Who hears of a topic hears of all its partitions, and of what has become of them since.
            let count = self.topics.get(&place.0).map_or(0, |topic| topic.partitions.len() as i32);
            (0..count).for_each(|index| self.learn(&(place.0.clone(), index), broker));
        } else if partition.now.epoch == epoch {
            self.learn(place, broker);
        }
    }

    fn learn(&mut self, place: &Place, broker: BrokerId) {
        let Some(partition) = self.partition_mut(&place.0, place.1) else { return };
        partition.learn(broker);
        self.wake(place);
        self.replicate(place);
    }

    // ---- lookups ----

    /// Whether a broker is up and the controller knows it.
    pub(super) fn is_alive(&self, broker: BrokerId) -> bool {
        self.broker(broker).is_some_and(|known| known.up && !known.isolated && !known.fenced)
    }

    /// Whether a broker hears nothing of the others.
    pub(super) fn is_isolated(&self, broker: BrokerId) -> bool {
        self.broker(broker).is_some_and(|known| known.isolated)
    }

    /// The brokers for which that holds.
    pub(super) fn alive(&self) -> Vec<BrokerId> {
        self.brokers.iter().map(|known| known.id).filter(|id| self.is_alive(*id)).collect()
    }

    pub(super) fn partition(&self, topic: &str, index: i32) -> Option<&Partition> {
        self.topics.get(topic)?.partition(index)
    }

    pub(super) fn partition_mut(&mut self, topic: &str, index: i32) -> Option<&mut Partition> {
        self.topics.get_mut(topic)?.partition_mut(index)
    }

    /// Every partition there is.
    fn places(&self) -> Vec<Place> {
        let topics = self.topics.iter();
        topics
            .flat_map(|(name, topic)| (0..topic.partitions.len() as i32).map(|index| (name.clone(), index)))
            .collect()
    }
}
