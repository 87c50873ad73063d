//! What was written, what became of it, and what must therefore be in the log: the model that every scenario is held to.

use std::collections::BTreeMap;

use bytes::Bytes;
use milena_core::record::{Batch, Limits};
use milena_core::{Fate, Message, WriteError, Written};

use super::plan::ProcessId;
use crate::random::Random;

/// Bytes of a value that name its record.
const NAME_BYTES: usize = 8;

/// Every record that any task wanted to write.
#[derive(Default)]
pub(super) struct Ledger {
    entries: Vec<Entry>,
    /// Whose each task is.
    tasks: Vec<ProcessId>,
}

struct Entry {
    /// Records of one task to one partition come in order.
    task: usize,
    key: Option<String>,
    size: usize,
    partition: Option<i32>,
    outcome: Outcome,
}

/// What a task was told of a record.
pub(super) enum Outcome {
    /// Not yet anything: at the end that is a mistake.
    Pending,
    Written(Written),
    Failed(WriteError),
    /// The future that was to accept it was dropped.
    Cancelled,
    /// Its process was killed before it was told anything: it may be in the log or not.
    Killed,
}

/// What may be held against the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Promises {
    /// Nothing is written twice, and order holds.
    pub(super) exactly_once: bool,
    /// Nothing was in the way, so everything is written.
    pub(super) all_written: bool,
    /// What was acknowledged stays.
    pub(super) durable: bool,
}

/// What the tasks were told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records that were acknowledged.
    pub written: usize,
    /// Records that failed, and may be in the log or not.
    pub unknown: usize,
    /// Records that failed, and are not in the log.
    pub not_written: usize,
    /// Records whose process was killed.
    pub killed: usize,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.written += other.written;
        self.unknown += other.unknown;
        self.not_written += other.not_written;
        self.killed += other.killed;
    }
}

/// A record as the log or a reader has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) offset: i64,
    key: Option<Bytes>,
    value: Option<Bytes>,
}

impl Seen {
    pub(super) fn read(message: &Message) -> Self {
        Seen { offset: message.offset, key: message.key.clone(), value: message.value.clone() }
    }

    /// The records of a partition's log.
    pub(super) fn log(batches: impl Iterator<Item = Batch>) -> Result<Vec<Seen>, String> {
        let mut seen = Vec::new();
        for batch in batches {
            let records = batch.records(&Limits::default()).map_err(|error| error.to_string())?;
            for record in records {
                let record = record.map_err(|error| error.to_string())?;
                seen.push(Seen { offset: record.offset, key: record.key, value: record.value });
            }
        }
        Ok(seen)
    }

    fn id(&self) -> Option<usize> {
        let name = self.value.as_ref()?.first_chunk::<NAME_BYTES>()?;
        usize::try_from(u64::from_le_bytes(*name)).ok()
    }
}

impl Ledger {
    /// A new task of a process.
    pub(super) fn task(&mut self, process: ProcessId) -> usize {
        self.tasks.push(process);
        self.tasks.len() - 1
    }

    /// A process was killed: its tasks are told nothing more.
    pub(super) fn kill(&mut self, process: ProcessId) {
        let pending = self.entries.iter_mut().filter(|entry| matches!(entry.outcome, Outcome::Pending));
        for entry in pending.filter(|entry| self.tasks[entry.task] == process) {
            entry.outcome = Outcome::Killed;
        }
    }

    /// Enters a record of this many bytes at least, and returns its id.
    pub(super) fn enter(
        &mut self,
        task: usize,
        key: Option<String>,
        partition: Option<i32>,
        size: usize,
    ) -> usize {
        self.entries.push(Entry { task, key, size, partition, outcome: Outcome::Pending });
        self.entries.len() - 1
    }

    pub(super) fn settle(&mut self, id: usize, outcome: Outcome) {
        self.entries[id].outcome = outcome;
    }

    pub(super) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for entry in &self.entries {
            *match &entry.outcome {
                Outcome::Written(_) => &mut tally.written,
                Outcome::Failed(WriteError { fate: Fate::Unknown, .. }) => &mut tally.unknown,
                Outcome::Killed => &mut tally.killed,
                _ => &mut tally.not_written,
            } += 1;
        }
        tally
    }

    /// Holds the log, by partition, against what the tasks were told.
    pub(super) fn check(&self, log: &BTreeMap<i32, Vec<Seen>>, promises: Promises) -> Result<(), String> {
        let mut places: Vec<Vec<(i32, i64)>> = vec![Vec::new(); self.entries.len()];
        for (partition, records) in log {
            for (expected, seen) in records.iter().enumerate() {
                let place = format!("partition {partition} offset {}", seen.offset);
                if seen.offset != expected as i64 {
                    return Err(format!("{place} stands where offset {expected} should"));
                }
                let entry = seen.id().and_then(|id| Some((id, self.entries.get(id)?)));
                let (id, entry) = entry.ok_or_else(|| format!("{place}: nobody wrote this"))?;
                let right = seen.value.as_deref() == Some(&value(id, entry.size))
                    && seen.key.as_deref() == entry.key.as_ref().map(String::as_bytes)
                    && entry.partition.is_none_or(|wanted| wanted == *partition);
                if !right {
                    return Err(format!("{place}: record {id} is not what was written"));
                }
                places[id].push((*partition, seen.offset));
            }
        }
        for (id, entry) in self.entries.iter().enumerate() {
            self.check_entry(id, entry, &places[id], promises)?;
        }
        if promises.exactly_once {
            self.check_order(&places)?;
        }
        Ok(())
    }

    fn check_entry(
        &self,
        id: usize,
        entry: &Entry,
        places: &[(i32, i64)],
        promises: Promises,
    ) -> Result<(), String> {
        let wrong =
            |what: String| Err(format!("record {id} of task {}: {what}; in the log: {places:?}", entry.task));
        if promises.exactly_once && places.len() > 1 {
            return wrong("written more than once".to_owned());
        }
        match &entry.outcome {
            Outcome::Pending => wrong("its task was told nothing".to_owned()),
            Outcome::Written(written) => {
                let found = match written.offset {
                    Some(offset) => places.contains(&(written.partition, offset)),
                    None => places.iter().any(|(partition, _)| *partition == written.partition),
                };
                // What is lost may be written once more, by a copy that arrives late.
                if found || !promises.durable {
                    Ok(())
                } else {
                    wrong(format!("acknowledged as {written:?}"))
                }
            }
            Outcome::Failed(error) if promises.all_written => wrong(format!("failed for nothing: {error}")),
            Outcome::Failed(error) if error.fate != Fate::Unknown && !places.is_empty() => {
                wrong(format!("failed: {error}"))
            }
            Outcome::Cancelled if !places.is_empty() => wrong("it was never accepted".to_owned()),
            Outcome::Failed(_) | Outcome::Cancelled | Outcome::Killed => Ok(()),
        }
    }

    /// Acknowledged records of one task lie in each partition in the order in which they were written.
    fn check_order(&self, places: &[Vec<(i32, i64)>]) -> Result<(), String> {
        let mut last: BTreeMap<(usize, i32), (i64, usize)> = BTreeMap::new();
        for (id, entry) in self.entries.iter().enumerate() {
            let Outcome::Written(_) = entry.outcome else { continue };
            for (partition, offset) in &places[id] {
                let before = last.insert((entry.task, *partition), (*offset, id));
                if let Some((before, earlier)) = before
                    && before > *offset
                {
                    return Err(format!(
                        "partition {partition}: record {id} lies at {offset}, record {earlier} of the same task, \
                         written before it, at {before}"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// The value of a record: its id, and bytes that follow from it.
pub(super) fn value(id: usize, size: usize) -> Vec<u8> {
    let mut value = (id as u64).to_le_bytes().to_vec();
    let mut random = Random::new(id as u64);
    while value.len() < size {
        value.extend_from_slice(&random.word().to_le_bytes());
    }
    value
}

/// Whether a reader got exactly the log, in order.
pub(super) fn compare(
    reader: &str,
    read: &BTreeMap<i32, Vec<Seen>>,
    log: &BTreeMap<i32, Vec<Seen>>,
) -> Result<(), String> {
    for (partition, logged) in log {
        let read = read.get(partition).map_or(&[][..], Vec::as_slice);
        let same = read.iter().zip(logged).take_while(|(read, logged)| read == logged).count();
        if same < read.len().max(logged.len()) {
            let offset = |seen: Option<&Seen>| seen.map(|seen| seen.offset);
            return Err(format!(
                "{reader}, partition {partition}: of {} records in the log it read {}; after {same} of them it has {:?} \
                 where the log has {:?}",
                logged.len(),
                read.len(),
                offset(read.get(same)),
                offset(logged.get(same)),
            ));
        }
    }
    Ok(())
}
