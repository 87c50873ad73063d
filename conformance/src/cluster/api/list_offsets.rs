//! ListOffsets: the first, the next, or the offset of a time.

use std::collections::BTreeSet;

use milena_core::protocol::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use milena_core::protocol::{ErrorCode, LeaderEpoch, ListOffsetsRequest, ListOffsetsResponse};
use milena_core::record::{Batch, Limits};

use super::{Call, found};
use crate::cluster::admin::{Operation, ResourceType};
use crate::cluster::state::ClusterState;
use crate::cluster::topic::{Partition, Topic};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

/// Timestamp, offset and leader epoch; -1 where there is none.
type Located = (i64, i64, LeaderEpoch);

const NOWHERE: Located = (-1, -1, LeaderEpoch::NONE);

impl ClusterState {
    pub(super) fn list_offsets(&mut self, call: &Call, request: ListOffsetsRequest) -> ListOffsetsResponse {
        let mut seen = BTreeSet::new();
        let topics = request.topics.into_iter().map(|asked| {
            let topic = self.topics.get(&*asked.name);
            let may = self.authorize(call, Operation::Describe, ResourceType::Topic, &asked.name);
            let partitions = asked.partitions.iter().map(|partition| {
                match seen.insert((asked.name.clone(), partition.partition_index)) {
                    _ if !may => refused(partition.partition_index, ErrorCode::TOPIC_AUTHORIZATION_FAILED),
                    true => list_partition(call, topic, partition),
                    false => refused(partition.partition_index, ErrorCode::INVALID_REQUEST),
                }
            });
            ListOffsetsTopicResponse {
                partitions: partitions.collect(),
                name: asked.name,
                ..Default::default()
            }
        });
        ListOffsetsResponse { topics: topics.collect(), ..Default::default() }
    }
}

fn list_partition(
    call: &Call,
    topic: Option<&Topic>,
    asked: &ListOffsetsPartition,
) -> ListOffsetsPartitionResponse {
    let partition_index = asked.partition_index;
    let checked = match call.forced {
        Some(code) => Err(code),
        None => found(topic, partition_index).and_then(|partition| {
            partition.check(call.broker, asked.current_leader_epoch, true)?;
            Ok(partition)
        }),
    };
    let partition = match checked {
        Ok(partition) => partition,
        Err(code) => return refused(partition_index, code),
    };
    if call.version == 0 {
        return ListOffsetsPartitionResponse {
            partition_index,
            old_style_offsets: offsets_before(partition, asked.timestamp, asked.max_num_offsets).into(),
            ..Default::default()
        };
    }
    match locate(call.version, partition, asked.timestamp) {
        Ok((timestamp, offset, leader_epoch)) => ListOffsetsPartitionResponse {
            partition_index,
            timestamp,
            offset,
            // Before version 4 there is no room for it, and no leave to drop it.
            leader_epoch: if call.version >= 4 { leader_epoch } else { LeaderEpoch::NONE },
            ..Default::default()
        },
        Err(code) => refused(partition_index, code),
    }
}

fn refused(partition_index: i32, error_code: ErrorCode) -> ListOffsetsPartitionResponse {
    ListOffsetsPartitionResponse { partition_index, error_code, ..Default::default() }
}

fn locate(version: i16, partition: &Partition, timestamp: i64) -> Result<Located, ErrorCode> {
    let log = &partition.log;
    match timestamp {
        LATEST => Ok((-1, log.end_offset(), partition.leader_epoch)),
        EARLIEST => Ok(earliest(partition)),
        MAX_TIMESTAMP if version >= 7 => {
            // Of equal ones the first.
            let newest = log.entries().rev().max_by_key(|entry| entry.max_timestamp);
            let located = newest.and_then(|entry| Some((log.batch(entry)?, entry)));
            Ok(located.map_or(NOWHERE, |(batch, entry)| {
                first_at(&batch, entry.max_timestamp)
                    .map_or(NOWHERE, |(time, offset)| (time, offset, entry.leader_epoch))
            }))
        }
        EARLIEST_LOCAL if version >= 8 => Ok(earliest(partition)),
        // Nothing is ever uploaded to a tier.
        LATEST_TIERED if version >= 9 => Ok(NOWHERE),
        EARLIEST_PENDING_UPLOAD if version >= 11 => Ok(NOWHERE),
        ..0 => Err(ErrorCode::UNSUPPORTED_VERSION),
        _ => {
            let holding = log.entries().find(|entry| entry.max_timestamp >= timestamp);
            let located = holding.and_then(|entry| {
                let (time, offset) = first_at(&log.batch(entry)?, timestamp)?;
                Some((time, offset, entry.leader_epoch))
            });
            Ok(located.unwrap_or(NOWHERE))
        }
    }
}

fn earliest(partition: &Partition) -> Located {
    let epoch = partition.log.entries().next().map_or(partition.leader_epoch, |entry| entry.leader_epoch);
    (-1, partition.log.start_offset(), epoch)
}

/// Time and offset of the first record of a batch that is not older than `timestamp`.
fn first_at(batch: &Batch, timestamp: i64) -> Option<(i64, i64)> {
    let mut records = batch.records(&Limits::default()).ok()?;
    while let Some(record) = records.next_ref() {
        let record = record.ok()?;
        if record.timestamp >= timestamp {
            return Some((record.timestamp, record.offset));
        }
    }
    None
}

/// Version 0 lists borders of segment files, newest first; this log counts as one segment.
fn offsets_before(partition: &Partition, timestamp: i64, most: i32) -> Vec<i64> {
    let log = &partition.log;
    let (start, end) = (log.start_offset(), log.end_offset());
    let newest = log.entries().map(|entry| entry.max_timestamp).max();
    let mut offsets = match timestamp {
        LATEST if start == end => vec![end],
        LATEST => vec![end, start],
        EARLIEST => vec![start],
        _ if newest.is_some_and(|newest| newest <= timestamp) => vec![start],
        _ => Vec::new(),
    };
    offsets.truncate(usize::try_from(most).unwrap_or(0));
    offsets
}
