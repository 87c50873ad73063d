//! Whom requests must reach, and on which of a broker's connections.

use std::fmt;
use std::sync::Arc;

use crate::protocol::BrokerId;

/// Whom a connection leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Node {
    /// The bootstrap server with this index; which broker it is does not matter.
    Seed(usize),
    Broker(BrokerId),
}

/// A broker answers the requests of one connection in order, so what waits long has a connection of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Lane {
    General,
    Produce,
    /// What users call themselves: nobody knows how long it takes.
    Call,
    /// The long polls of one reader.
    Fetch(u64),
}

/// Whom a request must reach.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Target {
    /// Any broker; a bootstrap server as long as no broker is known.
    Any,
    /// This broker.
    Broker(BrokerId),
    /// The cluster's controller; with KRaft any broker, which forwards what is not its own.
    Controller,
    /// The broker that leads a partition just now.
    Leader {
        /// The topic's name.
        topic: Arc<str>,
        /// The partition.
        partition: i32,
    },
    /// The broker that looks after a group or a transactional id just now (FindCoordinator).
    Coordinator {
        /// What it coordinates.
        kind: CoordinatorType,
        /// The group's id, the transactional id, or for share groups `group:topic id:partition`.
        key: Arc<str>,
    },
}

impl Target {
    /// The leader of a partition.
    pub fn leader(topic: &str, partition: i32) -> Self {
        Target::Leader { topic: topic.into(), partition }
    }

    /// The coordinator of a consumer group, or of any other group that FindCoordinator finds by its id alone.
    pub fn group(id: &str) -> Self {
        Target::Coordinator { kind: CoordinatorType::GROUP, key: id.into() }
    }

    /// The coordinator of a transactional id.
    pub fn transaction(id: &str) -> Self {
        Target::Coordinator { kind: CoordinatorType::TRANSACTION, key: id.into() }
    }
}

/// What a coordinator coordinates: FindCoordinator's key type. Open: a newer broker may know more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct CoordinatorType(pub i8);

impl CoordinatorType {
    /// Groups.
    pub const GROUP: Self = Self(0);
    /// Transactional ids (KIP-98; Kafka 0.11 and later).
    pub const TRANSACTION: Self = Self(1);
    /// The state of share groups' partitions (KIP-932; Kafka 3.9 and later).
    pub const SHARE: Self = Self(2);
}

impl fmt::Debug for CoordinatorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::GROUP => f.write_str("GROUP"),
            Self::TRANSACTION => f.write_str("TRANSACTION"),
            Self::SHARE => f.write_str("SHARE"),
            Self(other) => write!(f, "{other}"),
        }
    }
}
