use std::fmt;

/// A broker's number in its cluster (`node.id`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct BrokerId(pub i32);

impl BrokerId {
    /// No broker: a partition without a leader, a request that is not from a replica.
    pub const NONE: Self = Self(-1);
}

/// The number a broker gives an idempotent producer; with its epoch it names one producer's session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct ProducerId(pub i64);

impl ProducerId {
    /// No producer id: what is not idempotent.
    pub const NONE: Self = Self(-1);
}

/// How often a partition has had a new leader: what tells which of two brokers is ahead ([KIP-101]).
///
/// [KIP-101]: https://cwiki.apache.org/confluence/display/KAFKA/KIP-101+-+Alter+Replication+Protocol+to+use+Leader+Epoch+rather+than+High+Watermark+for+Truncation
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct LeaderEpoch(pub i32);

impl LeaderEpoch {
    /// Not known: from before Kafka 0.11, or from a client that does not say.
    pub const NONE: Self = Self(-1);
}

macro_rules! shown_as_number {
    ($($name:ident)*) => { $(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    )* };
}

shown_as_number!(BrokerId ProducerId LeaderEpoch);
wire_newtype!(BrokerId(i32));
wire_newtype!(ProducerId(i64));
wire_newtype!(LeaderEpoch(i32));
