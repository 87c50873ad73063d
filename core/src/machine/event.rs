//! All that goes into a machine, and all that comes out.

use crate::admin::Ask;
use crate::config::Address;
use crate::connection::{Answered, AnyAnswer, ConnId, Encoded};
use crate::context::{OpId, ReaderId, WriterId};
use crate::error::{CloseReason, Error};
use crate::notice::Notice;
use crate::producer::Worked;
use crate::{consumer, producer};

/// What users want. Ids are the caller's: each names one thing, and is never used again. An id that is opened a second time is
/// ignored.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Command {
    /// Waits for a first broker: done when one has answered.
    Connect(OpId),
    /// Sends a request: done with its answer.
    Ask(OpId, Ask),
    /// Nobody waits for this any more.
    Cancel(OpId),
    /// What is known of the topics seems to be out of date.
    Refresh,
    /// Something of a writer.
    Writer(WriterId, producer::Command),
    /// Something of a reader.
    Reader(ReaderId, consumer::Command),
    /// Everything ends, with this error for those who wait: [`Error::Closed`].
    Shutdown(Error),
}

/// What happened.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Input {
    /// A connection was made.
    Connected {
        /// Which.
        conn: ConnId,
    },
    /// An answer came.
    Answered(Answered),
    /// A request was put into bytes, or could not be.
    Encoded(Encoded),
    /// A connection could not be made, or ended.
    Closed {
        /// Which.
        conn: ConnId,
        /// Why.
        reason: CloseReason,
    },
    /// Jobs are done. What is told together may leave together, in one request.
    Worked(Vec<Worked>),
}

/// What is wanted.
#[derive(Debug)]
pub enum Output {
    /// A connection is to be made: one `Connected` or `Closed` is to follow.
    Connect {
        /// What to call it.
        conn: ConnId,
        /// Where it leads.
        address: Address,
    },
    /// A connection, or the attempt to make one, is to be ended. Nothing of it counts any more.
    Close {
        /// Which.
        conn: ConnId,
    },
    /// [`Machine::poll_transmit`](super::Machine::poll_transmit) has something for this connection.
    Ready {
        /// Which.
        conn: ConnId,
    },
    /// An operation is done.
    Done {
        /// Which.
        op: OpId,
        /// Its answer, if it has one.
        result: Result<Option<AnyAnswer>, Error>,
    },
    /// Something for a writer.
    Writer(WriterId, producer::Output),
    /// Something for a reader.
    Reader(ReaderId, consumer::Output),
    /// Something that an operator may want to know.
    Notice(Notice),
}
