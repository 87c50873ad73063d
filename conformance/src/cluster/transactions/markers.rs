//! Markers: how the end of a transaction comes to its partitions, from the coordinator or by WriteTxnMarkers.
//!
//! Rules: each partition's leader writes the marker into its log, where it makes the transaction's records count or void; a
//! partition without a leader gets it later, one that was deleted not at all. In `__consumer_offsets` it settles offsets
//! instead. The transaction is complete with its last marker. A leader that refuses a marker stops the coordinator for good,
//! as it does Kafka's: the transaction hangs until the coordinator moves.

use std::time::Duration;

use milena_core::protocol::write_txn_markers::{
    WritableTxnMarker, WritableTxnMarkerPartitionResult, WritableTxnMarkerResult,
    WritableTxnMarkerTopicResult,
};
use milena_core::protocol::{ErrorCode, LeaderEpoch, WriteTxnMarkersRequest, WriteTxnMarkersResponse};
use milena_core::record::{Batches, ControlType, end_transaction_marker};

use super::metadata::{State, TopicPartition};
use crate::cluster::admin::{CLUSTER, Operation, ResourceType};
use crate::cluster::api::{Call, found};
use crate::cluster::coordinator::CoordinatorKind;
use crate::cluster::partition::Partition;
use crate::cluster::producers::Marker;
use crate::cluster::release::Release;
use crate::cluster::state::ClusterState;

/// How long a coordinator waits for a partition that has no leader before it looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl ClusterState {
    /// A transaction's end was decided: its markers follow. Nothing happens if it is not just that.
    pub(super) fn begin_markers(&mut self, id: &str) {
        let Some(transaction) = self.transactions.by_id.get_mut(id) else { return };
        if !transaction.is_ending() || transaction.due.is_some() {
            return;
        }
        let delay = match transaction.unmarked.is_empty() {
            true => Duration::ZERO,
            false => self.options.marker_delay,
        };
        transaction.due = Some(self.now.elapsed + delay);
        match delay.is_zero() {
            true => self.write_markers(id),
            false => self.arm_transaction(id),
        }
    }

    /// Writes the next marker, or all of them if they take no time.
    pub(super) fn write_markers(&mut self, id: &str) {
        let Ok((_, epoch)) = self.coordinator(CoordinatorKind::Transaction, id) else { return };
        let Some(transaction) = self.transactions.by_id.get(id) else { return };
        let marker = Marker {
            producer_id: transaction.producer.id,
            producer_epoch: transaction.producer.epoch,
            coordinator_epoch: epoch.0,
            commit: transaction.state == State::PrepareCommit,
            transaction_version: transaction.version,
        };
        let delay = self.options.marker_delay;
        let mut next = LOOK_AGAIN;
        for partition in transaction.unmarked.clone() {
            let written = self.write_marker(&partition, &marker);
            let Some(transaction) = self.transactions.by_id.get_mut(id) else { return };
            match written {
                Ok(()) | Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => {
                    transaction.unmarked.remove(&partition);
                    if !delay.is_zero() {
                        next = delay;
                        break;
                    }
                }
                Err(ErrorCode::INVALID_PRODUCER_EPOCH | ErrorCode::TRANSACTION_COORDINATOR_FENCED) => {
                    transaction.due = None;
                    return;
                }
                Err(_) => {}
            }
        }
        let Some(transaction) = self.transactions.by_id.get_mut(id) else { return };
        match transaction.unmarked.is_empty() {
            true => transaction.complete(),
            false => {
                transaction.due = Some(self.now.elapsed + next);
                self.arm_transaction(id);
            }
        }
    }

    /// Has a partition's leader write a marker.
    fn write_marker(&mut self, partition: &TopicPartition, marker: &Marker) -> Result<(), ErrorCode> {
        let (topic, index) = (&*partition.0, partition.1);
        if topic == CoordinatorKind::Group.topic() {
            return self.settle_offsets(index, marker);
        }
        let release = self.options.as_version;
        let now_ms = self.now.wall_ms;
        let held = self.topics.get_mut(topic).and_then(|topic| topic.partition_mut(index));
        let known = held.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        known.check(known.now.leader, LeaderEpoch::NONE, true)?;
        known.main.producers.check_marker(marker, release)?;
        append_marker(known, marker, now_ms);
        self.woken.extend(&known.waiting);
        self.replicate(partition);
        Ok(())
    }

    pub(super) fn write_txn_markers(
        &mut self,
        call: &Call,
        request: WriteTxnMarkersRequest,
    ) -> WriteTxnMarkersResponse {
        // Since 3.8 administrators may, too, who end what hangs.
        let administers = self.options.as_version >= Release::V3_8
            && self.authorize(call, Operation::Alter, ResourceType::Cluster, CLUSTER);
        let allowed = match administers && call.forced.is_none() {
            true => Ok(()),
            false => self.check_access(call, Operation::ClusterAction, ResourceType::Cluster, CLUSTER),
        };
        let markers = request.markers.iter().map(|asked| self.write_asked(call, asked, allowed)).collect();
        WriteTxnMarkersResponse { markers, ..Default::default() }
    }

    fn write_asked(
        &mut self,
        call: &Call,
        asked: &WritableTxnMarker,
        allowed: Result<(), ErrorCode>,
    ) -> WritableTxnMarkerResult {
        let marker = Marker {
            producer_id: asked.producer_id,
            producer_epoch: asked.producer_epoch,
            coordinator_epoch: asked.coordinator_epoch,
            commit: asked.transaction_result,
            transaction_version: asked.transaction_version,
        };
        let mut topics = Vec::with_capacity(asked.topics.len());
        for topic in &asked.topics {
            let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
            for partition_index in topic.partition_indexes.iter() {
                let leads = allowed.and_then(|()| {
                    found(self.topics.get(&*topic.name), partition_index)?.check(
                        call.broker,
                        LeaderEpoch::NONE,
                        true,
                    )
                });
                let written =
                    leads.and_then(|()| self.write_marker(&(topic.name.clone(), partition_index), &marker));
                let error_code = written.err().unwrap_or(ErrorCode::NONE);
                partitions.push(WritableTxnMarkerPartitionResult {
                    partition_index,
                    error_code,
                    ..Default::default()
                });
            }
            let name = topic.name.clone();
            topics.push(WritableTxnMarkerTopicResult { name, partitions, ..Default::default() });
        }
        WritableTxnMarkerResult { producer_id: asked.producer_id, topics, ..Default::default() }
    }
}

fn append_marker(partition: &mut Partition, marker: &Marker, now_ms: i64) {
    let kind = if marker.commit { ControlType::Commit } else { ControlType::Abort };
    let bytes = end_transaction_marker(
        kind,
        marker.producer_id,
        marker.producer_epoch,
        marker.coordinator_epoch,
        now_ms,
    );
    let batch = Batches::new(bytes).next().and_then(Result::ok).expect("a marker is a batch");
    partition.append(partition.now.leader, &batch, None);
}
