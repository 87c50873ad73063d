//! Topics: their names, and what may be created.

use std::fmt;
use std::time::Duration;

use milena_core::protocol::{BrokerId, ErrorCode};
use milena_core::wire::{Str, Uuid};

use super::partition::Partition;

/// Longest name, in characters: with a partition's number it still is a file name.
const LONGEST_NAME: usize = 249;
/// Most partitions that one request may create, as with Kafka's controller: it bounds what a request can cost.
pub(super) const MOST_PARTITIONS_CREATED: usize = 10_000;

/// A topic of the cluster.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) id: Uuid,
    pub(super) partitions: Vec<Partition>,
    pub(super) settings: TopicSettings,
}

/// A topic's configuration, where it changes what the brokers do.
#[derive(Clone, Copy, Debug)]
pub(super) struct TopicSettings {
    pub(super) max_message_bytes: usize,
    pub(super) retention_bytes: u64,
    /// How long records stay; without end if `None`.
    pub(super) retention: Option<Duration>,
    /// `cleanup.policy` has `delete`: retention applies.
    pub(super) delete: bool,
    /// `message.timestamp.type=LogAppendTime`
    pub(super) log_append_time: bool,
    /// A record may be this much older than the broker's clock, if clients give the time.
    pub(super) timestamp_before_max_ms: i64,
    /// The same for the time to come.
    pub(super) timestamp_after_max_ms: i64,
    /// In-sync replicas without which `acks=all` is refused.
    pub(super) min_in_sync_replicas: usize,
    /// Whether a replica that lacks records may lead when no other is there.
    pub(super) unclean_leader_election: bool,
}

impl Topic {
    pub(super) fn partition(&self, index: i32) -> Option<&Partition> {
        self.partitions.get(usize::try_from(index).ok()?)
    }

    pub(super) fn partition_mut(&mut self, index: i32) -> Option<&mut Partition> {
        self.partitions.get_mut(usize::try_from(index).ok()?)
    }
}

/// Why a topic was not created, deleted or changed: the code and the words a broker answers with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicError {
    /// Kafka's code for it.
    pub code: ErrorCode,
    /// What is wrong, for a person.
    pub message: String,
}

impl TopicError {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        TopicError { code, message: message.into() }
    }
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for TopicError {}

/// Checks a topic's name by itself.
pub(super) fn check_name(name: &str) -> Result<(), TopicError> {
    let wrong = |why: String| Err(TopicError::new(ErrorCode::INVALID_TOPIC_EXCEPTION, why));
    if name.is_empty() {
        return wrong("Topic name is invalid: the empty string is not allowed".to_owned());
    }
    if name == "." || name == ".." {
        return wrong(format!("Topic name is invalid: '{name}' is not allowed"));
    }
    if name.len() > LONGEST_NAME {
        let length = name.len();
        return wrong(format!("Topic name is invalid: its length is {length}, longer than {LONGEST_NAME}"));
    }
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) {
        return wrong(format!(
            "Topic name is invalid: '{name}' has characters other than a-z, A-Z, 0-9, '.', '_', '-'"
        ));
    }
    Ok(())
}

/// Checks how many partitions and replicas a new topic is to have.
pub(super) fn check_counts(partitions: i32, replicas: usize, brokers_up: usize) -> Result<(), TopicError> {
    if replicas == 0 {
        let message = "Replication factor must be larger than 0, or -1 to use the default value.";
        return Err(TopicError::new(ErrorCode::INVALID_REPLICATION_FACTOR, message));
    }
    if partitions <= 0 {
        let message = "Number of partitions was set to an invalid non-positive value.";
        return Err(TopicError::new(ErrorCode::INVALID_PARTITIONS, message));
    }
    if partitions as usize > MOST_PARTITIONS_CREATED {
        let message = "Excessively large number of partitions per request.";
        return Err(TopicError::new(ErrorCode::POLICY_VIOLATION, message));
    }
    if replicas > brokers_up {
        let message = format!(
            "Unable to replicate the partition {replicas} time(s): The target replication factor of {replicas} cannot \
             be reached because only {brokers_up} broker(s) are registered."
        );
        return Err(TopicError::new(ErrorCode::INVALID_REPLICATION_FACTOR, message));
    }
    Ok(())
}

/// The name of an existing topic that `name` collides with: '.' and '_' are the same in the names of metrics.
pub(super) fn collision<'a>(name: &str, mut existing: impl Iterator<Item = &'a Str>) -> Option<&'a Str> {
    if !name.contains(['.', '_']) {
        return None;
    }
    let folded = name.replace('.', "_");
    existing.find(|other| other.len() == name.len() && other.replace('.', "_") == folded)
}

impl Topic {
    /// Whether a broker has heard of it.
    pub(super) fn is_known_to(&self, broker: BrokerId) -> bool {
        self.known_to(broker).next().is_some()
    }

    /// The partitions that a broker has heard of.
    pub(super) fn known_to(&self, broker: BrokerId) -> impl Iterator<Item = &Partition> {
        self.partitions.iter().take_while(move |partition| partition.is_known_to(broker))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        let longest = "x".repeat(249);
        for name in ["a", "A.b_c-9", "...", longest.as_str()] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        let too_long = "x".repeat(250);
        for name in ["", ".", "..", "a b", "ü", "a/b", too_long.as_str()] {
            assert_eq!(check_name(name).unwrap_err().code, ErrorCode::INVALID_TOPIC_EXCEPTION, "{name}");
        }
    }

    #[test]
    fn dots_and_underscores_collide() {
        let existing = [Str::from("a_b"), Str::from("plain")];
        assert_eq!(collision("a.b", existing.iter()), Some(&existing[0]));
        assert_eq!(collision("a-b", existing.iter()), None);
    }
}
