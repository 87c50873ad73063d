//! Compaction, on demand: of each key only the newest record stays.
//!
//! Rules: offsets stay as they are, so gaps remain where records were. Records without a key stay, and so do control
//! batches and everything from `bound` on. The newest record of a key stays even if it is a tombstone, as it does in
//! Kafka until `delete.retention.ms` has passed. A batch of an idempotent producer stays, empty, if it is that producer's
//! last: its numbers are needed.

use std::collections::BTreeMap;

use bytes::Bytes;
use milena_core::protocol::ProducerId;
use milena_core::record::{Batch, Limits, retain_records};

use super::log::PartitionLog;

/// Compacts a log below `bound`.
pub(super) fn compact(log: &mut PartitionLog, bound: i64) {
    let batches: Vec<Batch> = log.entries().filter_map(|entry| log.batch(entry)).collect();
    let mut newest: BTreeMap<Bytes, i64> = BTreeMap::new();
    let mut last_of: BTreeMap<ProducerId, i64> = BTreeMap::new();
    for batch in batches.iter().filter(|batch| !batch.is_control()) {
        last_of.insert(batch.producer_id(), batch.last_offset());
        let Ok(records) = batch.records(&Limits::default()) else { return };
        for record in records.filter_map(Result::ok) {
            newest.extend(record.key.map(|key| (key, record.offset)));
        }
    }
    let mut kept = Vec::with_capacity(batches.len());
    for batch in batches {
        if batch.is_control() || batch.last_offset() >= bound {
            kept.push(batch);
            continue;
        }
        let producer = batch.producer_id();
        let needed = producer != ProducerId::NONE && last_of.get(&producer) == Some(&batch.last_offset());
        let stays = |offset: i64, key: Option<&[u8]>| {
            key.is_none_or(|key| newest.get(key).is_none_or(|newest| *newest == offset))
        };
        match retain_records(&batch, |record| stays(record.offset, record.key)) {
            Ok(retained) if retained.count() == Some(0) && !needed => {}
            Ok(retained) => kept.push(retained),
            Err(_) => kept.push(batch),
        }
    }
    log.replace(kept);
}
