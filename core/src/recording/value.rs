//! A recording as a value and as bytes.

use std::fmt;

use bytes::Bytes;

use super::event::{Event, Since, after};
use super::story;
use crate::time::{Instant, Now};

/// What every file of a recording begins with, and the version of what follows.
const MAGIC: [u8; 7] = *b"MILREC\x01";

/// A snapshot of a machine, and what happened to it since.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Segment {
    /// Microseconds of the monotonic clock, and the wall clock, from which the first event's time counts.
    pub(super) start: Since,
    pub(super) snapshot: Bytes,
    /// For each: the time since the one before, the event, and the digest of what came out, which the last may lack.
    pub(super) events: Bytes,
}

/// What went into a client last: [`Client::recording`](crate::Client::recording) gives it.
#[derive(Clone, PartialEq, Eq)]
pub struct Recording {
    /// One, or two of which the second begins where the first ends.
    pub(super) segments: Vec<Segment>,
    /// Why the client's machine was given up, if it was.
    pub(super) ended: Option<String>,
}

/// Why bytes are no recording that can be replayed here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordingError {
    /// They are something else.
    Foreign,
    /// Another version of Milena made it: only that one can replay it.
    Version {
        /// The version, or what it is of this format.
        by: String,
    },
    /// They were cut or changed.
    Damaged {
        /// What is wrong.
        what: String,
    },
}

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordingError::Foreign => f.write_str("these bytes are no recording"),
            RecordingError::Version { by } => {
                write!(f, "the recording is by milena-core {by}, this is {}", env!("CARGO_PKG_VERSION"))
            }
            RecordingError::Damaged { what } => write!(f, "the recording is damaged: {what}"),
        }
    }
}

impl std::error::Error for RecordingError {}

pub(super) fn damaged(what: impl fmt::Display) -> RecordingError {
    RecordingError::Damaged { what: what.to_string() }
}

impl Recording {
    /// The recording as bytes, for a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let by = env!("CARGO_PKG_VERSION");
        let mut bytes = MAGIC.to_vec();
        let body = postcard::to_allocvec(&(by, &self.segments, &self.ended));
        bytes.extend(body.expect("bytes, numbers and texts are always saved"));
        bytes.extend(crc32c::crc32c(&bytes).to_be_bytes());
        bytes
    }

    /// The recording in bytes that [`to_bytes`](Self::to_bytes) gave.
    ///
    /// # Errors
    /// They are no recording, or one by another version, or were cut or changed. Events are looked at when they are replayed.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordingError> {
        let (name, format) = (&MAGIC[..6], MAGIC[6]);
        let rest = bytes.strip_prefix(name).ok_or(RecordingError::Foreign)?;
        let (&by, rest) = rest.split_first().ok_or_else(|| damaged("it is cut short"))?;
        if by != format {
            return Err(RecordingError::Version { by: format!("of format {by}") });
        }
        let (body, crc) = rest.split_last_chunk().ok_or_else(|| damaged("it is cut short"))?;
        if crc32c::crc32c(&bytes[..bytes.len() - 4]) != u32::from_be_bytes(*crc) {
            return Err(damaged("it was cut or changed since it was made"));
        }
        let (by, body) = postcard::take_from_bytes::<String>(body).map_err(damaged)?;
        if by != env!("CARGO_PKG_VERSION") {
            return Err(RecordingError::Version { by: story::one_line(&by) });
        }
        let (segments, ended) = postcard::from_bytes(body).map_err(damaged)?;
        Ok(Recording { segments, ended })
    }

    /// How many bytes of events it has, and how many of snapshots.
    pub fn size(&self) -> (usize, usize) {
        let segments = self.segments.iter();
        segments.fold((0, 0), |size, next| (size.0 + next.events.len(), size.1 + next.snapshot.len()))
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (events, snapshots) = self.size();
        write!(f, "Recording({events} bytes of events, {snapshots} of snapshots)")
    }
}

/// An event, when it happened, and the digest of its outputs: none if it did not come to its end.
pub(super) type Step = (Now, Event, Option<u32>);

impl Segment {
    pub(super) fn start(&self) -> Now {
        after(Now { mono: Instant::default(), wall: 0 }, self.start)
    }

    /// Its events, one by one. An error is the last.
    pub(super) fn steps(&self) -> impl Iterator<Item = Result<Step, RecordingError>> {
        let (mut now, mut rest) = (self.start(), &self.events[..]);
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let ((since, event), behind) = match postcard::take_from_bytes::<(Since, Event)>(rest) {
                Ok(taken) => taken,
                Err(error) => {
                    rest = &[];
                    return Some(Err(damaged(error)));
                }
            };
            now = after(now, since);
            let digest = behind.split_first_chunk();
            rest = digest.map_or(&[][..], |(_, rest)| rest);
            Some(Ok((now, event, digest.map(|(digest, _)| u32::from_be_bytes(*digest)))))
        })
    }
}
