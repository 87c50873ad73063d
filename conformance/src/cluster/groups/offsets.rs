//! What groups have committed: by partition, in transactions or not, and for how long.
//!
//! Rules: a commit replaces the one before it. One in a transaction is only staged until the transaction ends; then it
//! counts, unless something was committed after it was staged. While anything is staged for a partition its offset is not
//! stable, and does not expire. Retention counts from when the group became empty; without members from the commit; and until
//! 2.0, or if the client asked for a time of its own, from the commit in any case. Offsets go with their topic.

use std::collections::BTreeMap;

use milena_core::protocol::{LeaderEpoch, ProducerId};
use milena_core::wire::Str;

use super::classic::ClassicGroup;
use crate::cluster::ClusterOptions;
use crate::cluster::release::Release;

/// A topic's name and a partition.
pub(in crate::cluster) type TopicPartition = (Str, i32);

/// A committed offset.
#[derive(Clone, Debug)]
pub(super) struct Committed {
    pub(super) offset: i64,
    pub(super) leader_epoch: LeaderEpoch,
    pub(super) metadata: Str,
    pub(super) committed_ms: i64,
    /// When it expires, if the client or the release says so; else the group's state does.
    pub(super) expires_ms: Option<i64>,
}

/// A commit and its place among all commits.
type Placed = (u64, Committed);

#[derive(Debug, Default)]
struct GroupOffsets {
    committed: BTreeMap<TopicPartition, Placed>,
    staged: BTreeMap<ProducerId, BTreeMap<TopicPartition, Placed>>,
}

impl GroupOffsets {
    fn is_empty(&self) -> bool {
        self.committed.is_empty() && self.staged.is_empty()
    }

    fn is_staged(&self, key: &TopicPartition) -> bool {
        self.staged.values().any(|staged| staged.contains_key(key))
    }
}

/// The offsets of all groups.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    by_group: BTreeMap<Str, GroupOffsets>,
    commits: u64,
    /// Version 0 of the APIs keeps offsets in ZooKeeper, apart from all others and without anything besides.
    zookeeper: BTreeMap<(Str, TopicPartition), i64>,
}

/// An offset in answer to who asks for it.
pub(super) enum Fetched<'a> {
    None,
    Unstable,
    Some(&'a Committed),
}

impl Offsets {
    pub(super) fn commit(&mut self, group: &Str, key: TopicPartition, committed: Committed) {
        self.commits += 1;
        let placed = (self.commits, committed);
        self.by_group.entry(group.clone()).or_default().committed.insert(key, placed);
    }

    pub(super) fn stage(
        &mut self,
        group: &Str,
        producer: ProducerId,
        key: TopicPartition,
        committed: Committed,
    ) {
        self.commits += 1;
        let placed = (self.commits, committed);
        let group = self.by_group.entry(group.clone()).or_default();
        group.staged.entry(producer).or_default().insert(key, placed);
    }

    /// The groups for which a producer has staged offsets.
    pub(super) fn staged_by(&self, producer: ProducerId) -> impl Iterator<Item = Str> {
        let has = move |group: &&GroupOffsets| group.staged.contains_key(&producer);
        self.by_group.iter().filter(move |(_, group)| has(group)).map(|(id, _)| id.clone())
    }

    /// Ends a producer's transaction in a group.
    pub(super) fn settle(&mut self, group: &Str, producer: ProducerId, is_commit: bool) {
        let Some(offsets) = self.by_group.get_mut(group) else { return };
        let staged = offsets.staged.remove(&producer).unwrap_or_default();
        for (key, placed) in staged.into_iter().filter(|_| is_commit) {
            if offsets.committed.get(&key).is_none_or(|(place, _)| *place < placed.0) {
                offsets.committed.insert(key, placed);
            }
        }
        if offsets.is_empty() {
            self.by_group.remove(group);
        }
    }

    pub(super) fn fetch(&self, group: &str, key: &TopicPartition, requires_stable: bool) -> Fetched<'_> {
        let group = self.by_group.get(group);
        if requires_stable && group.is_some_and(|group| group.is_staged(key)) {
            return Fetched::Unstable;
        }
        match group.and_then(|group| group.committed.get(key)) {
            Some((_, committed)) => Fetched::Some(committed),
            None => Fetched::None,
        }
    }

    /// The partitions that a group has committed offsets of, by topic.
    pub(super) fn partitions(&self, group: &str) -> BTreeMap<Str, Vec<i32>> {
        let mut topics: BTreeMap<Str, Vec<i32>> = BTreeMap::new();
        for (topic, partition) in self.by_group.get(group).iter().flat_map(|it| it.committed.keys()) {
            topics.entry(topic.clone()).or_default().push(*partition);
        }
        topics
    }

    /// Whether a group has none, not even staged ones.
    pub(super) fn is_empty(&self, group: &str) -> bool {
        self.by_group.get(group).is_none_or(GroupOffsets::is_empty)
    }

    pub(super) fn remove(&mut self, group: &str, key: &TopicPartition) {
        let Some(offsets) = self.by_group.get_mut(group) else { return };
        offsets.committed.remove(key);
        offsets.staged.values_mut().for_each(|staged| drop(staged.remove(key)));
        self.forget_what_is_empty();
    }

    pub(super) fn remove_group(&mut self, group: &str) {
        self.by_group.remove(group);
    }

    /// Removes all offsets in a topic; the groups that had some.
    pub(super) fn remove_topic(&mut self, topic: &str) -> Vec<Str> {
        let mut touched = Vec::new();
        for (id, group) in &mut self.by_group {
            let before = group.committed.len();
            group.committed.retain(|(name, _), _| *name != *topic);
            for staged in group.staged.values_mut() {
                staged.retain(|(name, _), _| *name != *topic);
            }
            if group.committed.len() < before {
                touched.push(id.clone());
            }
        }
        self.forget_what_is_empty();
        touched
    }

    fn forget_what_is_empty(&mut self) {
        self.by_group.retain(|_, group| {
            group.staged.retain(|_, staged| !staged.is_empty());
            !group.is_empty()
        });
    }

    // ---- time ----

    /// When the first of a group's offsets expires, if nothing happens to it.
    pub(super) fn next_expiry_ms(
        &self,
        id: &str,
        group: &ClassicGroup,
        options: &ClusterOptions,
    ) -> Option<i64> {
        let offsets = self.by_group.get(id)?;
        let stable = offsets.committed.iter().filter(|(key, _)| !offsets.is_staged(key));
        stable.filter_map(|(key, (_, committed))| expiry_ms(group, options, &key.0, committed)).min()
    }

    pub(super) fn expire(&mut self, id: &str, group: &ClassicGroup, now_ms: i64, options: &ClusterOptions) {
        let Some(offsets) = self.by_group.get_mut(id) else { return };
        let staged = std::mem::take(&mut offsets.staged);
        offsets.committed.retain(|key, (_, committed)| {
            staged.values().any(|staged| staged.contains_key(key))
                || expiry_ms(group, options, &key.0, committed).is_none_or(|expiry_ms| now_ms < expiry_ms)
        });
        offsets.staged = staged;
        self.forget_what_is_empty();
    }

    // ---- ZooKeeper ----

    pub(super) fn commit_to_zookeeper(&mut self, group: &Str, key: TopicPartition, offset: i64) {
        self.zookeeper.insert((group.clone(), key), offset);
    }

    pub(super) fn fetch_from_zookeeper(&self, group: &Str, key: &TopicPartition) -> Option<i64> {
        self.zookeeper.get(&(group.clone(), key.clone())).copied()
    }
}

/// From when on an offset is expired; `None` as long as the group is as it is.
fn expiry_ms(
    group: &ClassicGroup,
    options: &ClusterOptions,
    topic: &str,
    committed: &Committed,
) -> Option<i64> {
    let release = options.as_version;
    if release < Release::V2_1 {
        return committed.expires_ms.map(|expires_ms| expires_ms.saturating_add(1));
    }
    let start_ms = group.retention_start_ms(release, topic, committed.committed_ms)?;
    Some(committed.expires_ms.unwrap_or(start_ms.saturating_add(retention_ms(options))))
}

pub(super) fn retention_ms(options: &ClusterOptions) -> i64 {
    i64::try_from(options.offsets_retention.as_millis()).unwrap_or(i64::MAX)
}
