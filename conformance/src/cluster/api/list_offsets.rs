//! ListOffsets: the first, the next, or the offset of a time.

use std::collections::BTreeSet;

use milena_core::protocol::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use milena_core::protocol::{ErrorCode, LeaderEpoch, ListOffsetsRequest, ListOffsetsResponse};
use milena_core::record::{Batch, Limits};

use super::{Call, found};
use crate::cluster::admin::{Operation, ResourceType};
use crate::cluster::log::PartitionLog;
use crate::cluster::partition::Partition;
use crate::cluster::release::Release;
use crate::cluster::state::ClusterState;
use crate::cluster::topic::Topic;

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
        let release = self.options.as_version;
        let topics = request.topics.into_iter().map(|asked| {
            let topic = self.topics.get(&*asked.name);
            let may = self.authorize(call, Operation::Describe, ResourceType::Topic, &asked.name);
            let partitions = asked.partitions.iter().map(|partition| {
                match seen.insert((asked.name.clone(), partition.partition_index)) {
                    _ if !may => refused(partition.partition_index, ErrorCode::TOPIC_AUTHORIZATION_FAILED),
                    true => list_partition(call, topic, partition, request.isolation_level, release),
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
    isolation_level: i8,
    release: Release,
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
            old_style_offsets: offsets_before(
                &partition.line(call.broker).log,
                asked.timestamp,
                asked.max_num_offsets,
            )
            .into(),
            ..Default::default()
        };
    }
    match locate(call, release, partition, asked.timestamp, isolation_level) {
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

fn locate(
    call: &Call,
    release: Release,
    partition: &Partition,
    timestamp: i64,
    isolation_level: i8,
) -> Result<Located, ErrorCode> {
    let version = call.version;
    let line = partition.line(call.broker);
    let log = &line.log;
    let epoch = partition.belief(call.broker).epoch;
    // A new leader does not know yet what its followers have; until it does, consumers could see the end go back.
    let started = log.end_of_epoch(LeaderEpoch(epoch.0 - 1)).map_or(0, |(_, end)| end);
    let settled = match line.high_watermark >= started {
        true => Ok(()),
        false if version >= 5 => Err(ErrorCode::OFFSET_NOT_AVAILABLE),
        false => Err(ErrorCode::LEADER_NOT_AVAILABLE),
    };
    let bound = match isolation_level {
        1 => line.last_stable_offset(),
        _ => line.high_watermark,
    };
    let visible = || log.entries().filter(|entry| entry.last_offset < bound);
    match timestamp {
        LATEST => settled.map(|()| (-1, bound, epoch)),
        EARLIEST => Ok(earliest(partition, call)),
        MAX_TIMESTAMP if version >= 7 => {
            settled?;
            // Of equal ones the first.
            let newest = visible().rev().max_by_key(|entry| entry.max_timestamp);
            let located = newest.and_then(|entry| Some((log.batch(entry)?, entry)));
            Ok(located.map_or(NOWHERE, |(batch, entry)| {
                first_at(&batch, entry.max_timestamp)
                    .map_or(NOWHERE, |(time, offset)| (time, offset, entry.leader_epoch))
            }))
        }
        EARLIEST_LOCAL if version >= 8 => Ok(earliest(partition, call)),
        // Nothing is ever uploaded to a tier.
        LATEST_TIERED if version >= 9 => Ok(NOWHERE),
        EARLIEST_PENDING_UPLOAD if version >= 11 => Ok(NOWHERE),
        ..0 if release >= Release::V3_0 => Err(ErrorCode::UNSUPPORTED_VERSION),
        _ => {
            settled?;
            let holding = visible().find(|entry| entry.max_timestamp >= timestamp);
            let located = holding.and_then(|entry| {
                let (time, offset) = first_at(&log.batch(entry)?, timestamp)?;
                Some((time, offset, entry.leader_epoch))
            });
            Ok(located.unwrap_or(NOWHERE))
        }
    }
}

fn earliest(partition: &Partition, call: &Call) -> Located {
    let log = &partition.line(call.broker).log;
    let epoch = log.entries().next().map_or(partition.belief(call.broker).epoch, |entry| entry.leader_epoch);
    (-1, log.start_offset(), epoch)
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
fn offsets_before(log: &PartitionLog, timestamp: i64, most: i32) -> Vec<i64> {
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
