//! What an operator wants to know: things that happened on the way, as typed values.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Address;
use crate::connection::ConnId;
use crate::error::{CloseReason, Error};
use crate::protocol::{ApiKey, BrokerId, LeaderEpoch};

/// Something that happened inside of a client and that nobody waits for: logs, metrics and traces are made of these.
///
/// They tell, they do not ask: whoever ignores all of them misses nothing that its calls would not return as well.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A connection is made, and both sides know each other's versions.
    ConnectionReady {
        /// The connection.
        conn: ConnId,
        /// Whose it is; `None` for a bootstrap server, whose id is not known.
        broker: Option<BrokerId>,
        /// Where it leads.
        address: Address,
    },
    /// A connection could not be made, or ended before its first answer.
    ConnectionRefused {
        /// The connection.
        conn: ConnId,
        /// Whose it would have been.
        broker: Option<BrokerId>,
        /// Where it was to lead.
        address: Address,
        /// Why.
        reason: CloseReason,
    },
    /// A connection that had worked ended.
    ConnectionLost {
        /// The connection.
        conn: ConnId,
        /// Whose it was.
        broker: Option<BrokerId>,
        /// Where it led.
        address: Address,
        /// Why.
        reason: CloseReason,
        /// Requests that were sent and not answered.
        unanswered: usize,
    },
    /// A request was not answered in time; its connection is given up.
    RequestOverdue {
        /// The connection.
        conn: ConnId,
        /// The request.
        api: ApiKey,
        /// How long it was waited for.
        after: Duration,
    },
    /// A broker wants nothing to be sent for a while (a quota).
    Throttled {
        /// The connection.
        conn: ConnId,
        /// The request whose answer said so.
        api: ApiKey,
        /// For how long.
        pause: Duration,
    },
    /// No metadata came, or none that settles what was asked.
    MetadataFailed {
        /// Why.
        error: Error,
    },
    /// A partition is led by another broker, or by none just now.
    LeaderMoved {
        /// The topic's name.
        topic: Arc<str>,
        /// The partition.
        partition: i32,
        /// Who led it.
        from: Option<BrokerId>,
        /// Who leads it now.
        to: Option<BrokerId>,
        /// Since which epoch; -1 if the brokers do not tell.
        epoch: LeaderEpoch,
    },
    /// A batch is to be sent again.
    BatchRetried {
        /// Which.
        batch: BatchName,
        /// Why it was not written, or not surely.
        error: Arc<Error>,
        /// How long from now at least.
        pause: Duration,
    },
    /// A batch is too large for its topic, and is cut in two.
    BatchSplit {
        /// Which.
        batch: BatchName,
    },
    /// What a partition has still to write gets new sequence numbers.
    BatchesRenumbered {
        /// The topic's name.
        topic: Arc<str>,
        /// The partition.
        partition: i32,
        /// How many batches.
        batches: usize,
        /// The producer epoch under which they are numbered now.
        epoch: i16,
    },
    /// A batch's time was up before it was acknowledged: its records have failed.
    BatchExpired {
        /// Which.
        batch: BatchName,
    },
    /// A reader's offset was not in the log, and it goes on somewhere else.
    OffsetReset {
        /// The topic's name.
        topic: Arc<str>,
        /// The partition.
        partition: i32,
        /// Where it stood.
        from: i64,
        /// Where it goes on.
        to: i64,
    },
}

/// A batch, as an operator knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchName {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// Sequence number of its first record; -1 without idempotence.
    pub sequence: i32,
    /// How many records it has.
    pub records: u32,
}

impl fmt::Display for BatchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BatchName { topic, partition, sequence, records } = self;
        write!(f, "{topic}/{partition}: a batch of {records} records from sequence {sequence}")
    }
}

/// A broker's id, where it is known.
struct Whom<'a>(&'a Option<BrokerId>, &'a Address);

impl fmt::Display for Whom<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(broker) => write!(f, "broker {broker} ({})", self.1),
            None => write!(f, "bootstrap server {}", self.1),
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let leader =
            |leader: &Option<BrokerId>| leader.map_or("nobody".to_owned(), |id| format!("broker {id}"));
        match self {
            Notice::ConnectionReady { conn, broker, address } => {
                write!(f, "{conn} to {} is ready", Whom(broker, address))
            }
            Notice::ConnectionRefused { conn, broker, address, reason } => {
                write!(f, "{conn} to {} was not made: {reason}", Whom(broker, address))
            }
            Notice::ConnectionLost { conn, broker, address, reason, unanswered } => {
                write!(
                    f,
                    "{conn} to {} is lost with {unanswered} unanswered: {reason}",
                    Whom(broker, address)
                )
            }
            Notice::RequestOverdue { conn, api, after } => {
                write!(f, "{conn}: {api} is overdue after {after:?}")
            }
            Notice::Throttled { conn, api, pause } => write!(f, "{conn}: throttled for {pause:?} by {api}"),
            Notice::MetadataFailed { error } => write!(f, "no metadata: {error}"),
            Notice::LeaderMoved { topic, partition, from, to, epoch } => {
                write!(f, "{topic}/{partition}: leader {} after {}, epoch {epoch}", leader(to), leader(from))
            }
            Notice::BatchRetried { batch, error, pause } => write!(f, "{batch} again in {pause:?}: {error}"),
            Notice::BatchSplit { batch } => write!(f, "{batch} is cut in two"),
            Notice::BatchesRenumbered { topic, partition, batches, epoch } => {
                write!(f, "{topic}/{partition}: {batches} batches numbered again under epoch {epoch}")
            }
            Notice::BatchExpired { batch } => write!(f, "{batch} is given up: its time is over"),
            Notice::OffsetReset { topic, partition, from, to } => {
                write!(f, "{topic}/{partition}: offset {from} is not in the log, going on at {to}")
            }
        }
    }
}
