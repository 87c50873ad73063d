//! What a test may do to the cluster and see of it; brokers' fates are in [`replication`](super::replication).

use std::collections::BTreeMap;
use std::time::Duration;

use milena_core::protocol::BrokerId;
use milena_core::record::Batch;

use super::RequestLogEntry;
use super::compaction;
use super::fault::{Fault, Requests};
use super::log::PartitionLog;
use super::state::ClusterState;
use super::topic::TopicError;

impl ClusterState {
    /// Creates a topic with the default number of replicas. Errors are those that CreateTopics answers with.
    pub fn create_topic(&mut self, name: &str, partitions: i32) -> Result<(), TopicError> {
        let assignment = self.plan_topic(name, partitions, -1)?;
        self.insert_topic(name, assignment, self.default_settings());
        self.announce(name, 0);
        Ok(())
    }

    /// Deletes a topic with its data; whether it was there.
    pub fn delete_topic(&mut self, name: &str) -> bool {
        let removed = self.remove_topic(name);
        self.settle();
        removed
    }

    /// Orders a fault for requests: for the next one of an API, if that is all that is said ([`ApiKey`](milena_core::protocol::ApiKey) is enough
    /// then).
    ///
    /// ```
    /// use milena_conformance::cluster::{ClusterOptions, ClusterState, Fault};
    /// use milena_core::protocol::{ApiKey, ErrorCode};
    ///
    /// let mut cluster = ClusterState::new(ClusterOptions::default());
    /// cluster.on_request(ApiKey::FETCH, Fault::Error(ErrorCode::KAFKA_STORAGE_ERROR));
    /// ```
    pub fn on_request(&mut self, requests: impl Into<Requests>, fault: Fault) {
        self.faults.order(requests.into(), fault);
    }

    /// Forgets the faults that were ordered and have not met their requests.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// How many requests met each kind of fault that was ordered, by [`Fault::name`].
    pub fn faults_met(&self) -> &BTreeMap<&'static str, u64> {
        &self.faults.met
    }

    /// What clients sent that no client may send, the first few: requests that can't be decoded, and versions that were
    /// not offered. Real brokers hang up on them.
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// Gives a broker a disk that takes so long for what a request writes, from shortest to longest. Whether the broker
    /// exists.
    pub fn slow_disk(&mut self, broker: BrokerId, latency: (Duration, Duration)) -> bool {
        self.broker_mut(broker).map(|known| known.disk_latency = latency).is_some()
    }

    /// Deletes what is older than a topic's `retention.ms` now, as brokers do every five minutes; returns how many
    /// partitions lost something.
    pub fn delete_expired(&mut self, topic: &str) -> usize {
        let settings = self.topics.get(topic).map(|topic| topic.settings).filter(|settings| settings.delete);
        let Some(retention) = settings.and_then(|settings| settings.retention) else { return 0 };
        let oldest_ms = self.now.wall_ms.saturating_sub(retention.as_millis() as i64);
        self.each_log(topic, |log| log.expire(oldest_ms))
    }

    /// Moves a partition's log start offset, as DeleteRecords does; the new one, or `None` if there is no such partition.
    pub fn delete_records_before(&mut self, topic: &str, partition: i32, before: i64) -> Option<i64> {
        let release = self.options.as_version;
        let known = self.topics.get_mut(topic)?.partition_mut(partition)?;
        let before = before.min(known.main.high_watermark);
        known.main.log.delete_before(before);
        known.start_moved(release);
        self.woken.extend(&known.waiting);
        let start = known.main.log.start_offset();
        self.settle();
        Some(start)
    }

    /// Compacts a topic now: of each key only the newest record stays, below the high watermark. Returns how many
    /// partitions lost something.
    pub fn compact(&mut self, topic: &str) -> usize {
        let bounds: Vec<i64> = self.topics.get(topic).map_or_else(Vec::new, |topic| {
            topic.partitions.iter().map(|partition| partition.main.last_stable_offset()).collect()
        });
        let mut bounds = bounds.into_iter();
        self.each_log(topic, |log| compaction::compact(log, bounds.next().unwrap_or(0)))
    }

    fn each_log(&mut self, topic: &str, mut change: impl FnMut(&mut PartitionLog)) -> usize {
        let release = self.options.as_version;
        let Some(topic) = self.topics.get_mut(topic) else { return 0 };
        let mut changed = 0;
        for partition in &mut topic.partitions {
            let before = partition.main.log.size_bytes();
            change(&mut partition.main.log);
            partition.start_moved(release);
            if partition.main.log.size_bytes() != before {
                changed += 1;
                self.woken.extend(&partition.waiting);
            }
        }
        self.settle();
        changed
    }

    /// The batches in a partition's log, oldest first; none if there is no such partition.
    pub fn log(&self, topic: &str, partition: i32) -> impl Iterator<Item = Batch> {
        self.partition(topic, partition).into_iter().flat_map(|partition| {
            let log = &partition.main.log;
            log.entries().filter_map(|entry| log.batch(entry))
        })
    }

    /// The first offset in a partition's log and the next one its leader will give out.
    pub fn offsets(&self, topic: &str, partition: i32) -> Option<(i64, i64)> {
        let log = &self.partition(topic, partition)?.main.log;
        Some((log.start_offset(), log.end_offset()))
    }

    /// The offset up to which a partition's in-sync replicas have everything.
    pub fn high_watermark(&self, topic: &str, partition: i32) -> Option<i64> {
        Some(self.partition(topic, partition)?.main.high_watermark)
    }

    /// The requests served last, oldest first; see [`ClusterOptions::request_log`](super::ClusterOptions::request_log).
    pub fn requests(&self) -> &[RequestLogEntry] {
        &self.requests
    }

    /// The brokers' ids, and whether each is up.
    pub fn brokers(&self) -> impl Iterator<Item = (BrokerId, bool)> {
        self.brokers.iter().map(|broker| (broker.id, broker.up))
    }
}
