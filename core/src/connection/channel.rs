//! The way between a socket's bytes and the machine's values: requests become bytes here, and bytes answers.
//!
//! Rules:
//! - Whoever reads a socket gives it what came ([`Channel::receive`]), whoever writes takes what is to leave
//!   ([`Channel::write_with`]); the two may be two threads. Nothing here waits, and no lock is held while the socket is written.
//! - Encoding and decoding happen here, outside of every lock that others wait for.
//! - A broker answers in order: a frame belongs to the oldest request that was sent and not answered. Another correlation id, a
//!   frame that nobody asked for or one that can't be decoded ends the stream; every later call tells the same.
//! - What comes may ask for an answer of the channel's own (a handshake's next step): [`Channel::has_unsent`] tells, and whoever
//!   read wakes whoever writes.

use std::collections::VecDeque;
use std::fmt;
use std::io::IoSlice;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use super::id::ConnId;
use super::request::{AnyAnswer, RequestKind, Transmit};
use crate::config::Config;
use crate::error::{CloseReason, Error};
use crate::protocol;
use crate::sync::lock;
use crate::wire::{Framer, SendQueue};

/// An answer, and to which request of its connection.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Answered {
    /// The connection.
    pub conn: ConnId,
    /// The request's correlation id.
    pub correlation: i32,
    /// The answer.
    pub answer: AnyAnswer,
}

/// What became of a request that a channel was given to send.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Encoded {
    /// The connection.
    pub conn: ConnId,
    /// The request's correlation id.
    pub correlation: i32,
    /// Why it could not be put into bytes: nothing of it was sent.
    pub result: Result<(), Error>,
}

/// One connection between its socket and the machine.
pub struct Channel {
    conn: ConnId,
    client_id: String,
    incoming: Mutex<Incoming>,
    unsent: Mutex<SendQueue>,
    sent: Mutex<VecDeque<Sent>>,
}

struct Incoming {
    framer: Framer,
    answers: VecDeque<Answered>,
    /// Why the stream has ended.
    end: Option<CloseReason>,
}

/// A request that an answer is awaited to.
struct Sent {
    correlation: i32,
    version: i16,
    kind: &'static RequestKind,
}

impl Channel {
    /// The channel of a connection that was just made.
    pub fn new(conn: ConnId, config: &Config) -> Self {
        let framer = Framer::new(config.max_frame_bytes);
        Channel {
            conn,
            client_id: config.client_id.clone(),
            incoming: Mutex::new(Incoming { framer, answers: VecDeque::new(), end: None }),
            unsent: Mutex::default(),
            sent: Mutex::default(),
        }
    }

    /// Which connection it is.
    pub fn conn(&self) -> ConnId {
        self.conn
    }

    /// Takes what was received next, which is copied; no bytes are the stream's end.
    ///
    /// # Errors
    /// The stream has ended, or what came is not Kafka's. The answers before can be taken all the same.
    pub fn receive(&self, bytes: &[u8]) -> Result<(), CloseReason> {
        let incoming = &mut *lock(&self.incoming);
        if let Some(end) = &incoming.end {
            return Err(end.clone());
        }
        let result = if bytes.is_empty() {
            let (mid_frame, before_first_answer) =
                (incoming.framer.is_mid_frame(), incoming.framer.is_first());
            Err(CloseReason::Eof { mid_frame, before_first_answer })
        } else {
            let pushed = incoming.framer.push(bytes).map_err(CloseReason::Frame);
            self.decode(incoming).and(pushed)
        };
        incoming.end = result.as_ref().err().cloned();
        result
    }

    fn decode(&self, incoming: &mut Incoming) -> Result<(), CloseReason> {
        while let Some(frame) = incoming.framer.next_frame() {
            let got = protocol::correlation_id(&frame).ok_or(CloseReason::Unasked)?;
            let Sent { correlation, version, kind } =
                lock(&self.sent).pop_front().ok_or(CloseReason::Unasked)?;
            if got != correlation {
                return Err(CloseReason::Correlation { expected: correlation, got });
            }
            let answer = kind.decode(frame, version).map_err(CloseReason::Decode)?;
            incoming.answers.push_back(Answered { conn: self.conn, correlation, answer });
        }
        Ok(())
    }

    /// The next answer that came.
    pub fn poll_answer(&self) -> Option<Answered> {
        lock(&self.incoming).answers.pop_front()
    }

    /// Puts a request into bytes, after those before it. The machine must be told of the result
    /// ([`Input::Encoded`](crate::machine::Input)) if there is any.
    pub fn send(&self, transmit: Transmit) -> Option<Encoded> {
        let Transmit { request, version, correlation, answered } = transmit;
        let kind = request.kind();
        // It may be made by a user's closure, whose panic is to fail this request alone.
        let encode = AssertUnwindSafe(|| request.encode(version, correlation, &self.client_id));
        let encoded = match catch_unwind(encode) {
            Ok(encoded) => encoded.map_err(Error::InvalidRequest),
            Err(_) => Err(Error::Panicked { what: format!("what makes the request {}", kind.key.name()) }),
        };
        let result = encoded.map(|frame| {
            if answered {
                lock(&self.sent).push_back(Sent { correlation, version, kind });
            }
            lock(&self.unsent).push(frame);
        });
        // That an answered one is on its way is what its answer tells.
        (result.is_err() || !answered).then_some(Encoded { conn: self.conn, correlation, result })
    }

    /// Whether there are bytes to write.
    pub fn has_unsent(&self) -> bool {
        !lock(&self.unsent).is_empty()
    }

    /// Calls `write` with what is to be written next, and takes off as many bytes as it says it has written. To be called by one
    /// thread at a time.
    ///
    /// # Errors
    /// Those of `write`.
    pub fn write_with<E>(&self, write: impl FnOnce(&[IoSlice<'_>]) -> Result<usize, E>) -> Result<(), E> {
        let mut writing = std::mem::take(&mut *lock(&self.unsent));
        let result = writing.write_with(write);
        lock(&self.unsent).put_before(writing);
        result
    }
}

impl fmt::Debug for Channel {
    /// Without the bytes: they may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("conn", &self.conn).finish_non_exhaustive()
    }
}
