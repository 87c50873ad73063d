//! The flight recorder: what went into a client last, as one value, and the client made of it again.
//!
//! A client with [`Config::recording`](crate::Config::recording) keeps what went into its machine last: a snapshot of the machine's
//! state, and all inputs since, each with its time and a digest of what came out. [`Client::recording`](crate::Client::recording)
//! gives them as one [`Recording`], at any time; [`Recording::replay`] makes the machine of the snapshot, puts the inputs in, looks
//! whether the same comes out, and tells the story. `milena-conformance replay FILE` does it from the command line.
//!
//! Rules:
//! - Everything that goes into the machine is an `Event`, and the machine's state and its events are all that its
//!   outputs come from: so a replay needs no sockets, no clock and no luck.
//! - There are two segments of a snapshot and the events since. When the current one has half of the bytes allowed, the older one
//!   goes, and a new one begins: half of the bytes are always there. A snapshot larger than that half is followed by as
//!   many bytes of events as it has itself, so that snapshots never cost more than events.
//! - An event is written down before it happens, and the digest of what came out after: if the machine panics, the last event is
//!   the one at which it did.
//! - Record data is left out unless it is asked for; requests, and answers that only users read, are left out always, but for their
//!   kinds and error codes. So no secret gets in (`connection/saved.rs`).
//! - What will be secret in settings must not be saved (`serde(skip)`): a snapshot has the client's settings in it.
//! - A recording is read by the very version that made it, and better by the very build: only the version's number is compared.
//! - It may come from a stranger. What takes part in a replay outside of the guard for panics neither panics nor overflows, nothing is
//!   written out that is longer than the recording, and no line has a control character.

mod event;
mod recorder;
mod replay;
mod story;
#[cfg(test)]
mod tests;
mod value;

/// Its examples compile.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/recording.md")]
struct Page;

pub(crate) use recorder::Recorded;
pub use replay::{ReplayError, Replayed};
pub use value::{Recording, RecordingError};
