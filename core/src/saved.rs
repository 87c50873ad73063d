//! How values are saved in a recording that serde does not know how to save, or should not.
//!
//! Rules:
//! - Record data is saved by its length alone, and is zeros when it is loaded: machines look at nothing else. Whoever saves
//!   may ask for all of it ([`keeping`]).
//! - What is loaded may be anything: no length in it is believed that would take more memory than [`MAX_DATA`].

use std::cell::Cell;
use std::sync::Mutex;

use bytes::Bytes;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::sync::lock;

/// Data of one answer or one batch at most: eight times the largest answer that clients take by default. It is never touched,
/// so that it costs addresses rather than memory.
pub(crate) const MAX_DATA: usize = 1 << 30;

/// Errors inside of errors at most: a time-out tells of the last one, which may be a time-out.
const MAX_NESTED: u32 = 32;

thread_local! {
    static KEEPS_DATA: Cell<bool> = const { Cell::new(false) };
    static NESTED: Cell<u32> = const { Cell::new(0) };
}

/// Saves something, with the data of records or without.
pub(crate) fn keeping<T>(data: bool, save: impl FnOnce() -> T) -> T {
    let before = KEEPS_DATA.replace(data);
    let saved = save();
    KEEPS_DATA.set(before);
    saved
}

pub(crate) fn keeps_data() -> bool {
    KEEPS_DATA.get()
}

/// Zeros that all share.
fn zeros(length: usize) -> Option<Bytes> {
    static ZEROS: Mutex<Bytes> = Mutex::new(Bytes::new());
    let mut zeros = lock(&ZEROS);
    if length > zeros.len() {
        *zeros = vec![0; length.checked_next_power_of_two().filter(|length| *length <= MAX_DATA)?].into();
    }
    Some(zeros.slice(..length))
}

/// For `with`: data of records.
pub(crate) mod data {
    use super::{Bytes, Deserialize, Deserializer, keeps_data, zeros};
    use serde::de::Error as _;
    use serde::{Serialize, Serializer};

    #[derive(serde::Serialize, serde::Deserialize)]
    enum Saved {
        Length(usize),
        Whole(Bytes),
    }

    pub(crate) fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        let saved = match keeps_data() {
            true => Saved::Whole(bytes.clone()),
            false => Saved::Length(bytes.len()),
        };
        saved.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        match Saved::deserialize(deserializer)? {
            Saved::Whole(bytes) => Ok(bytes),
            Saved::Length(length) => zeros(length).ok_or_else(|| D::Error::custom("a batch is too long")),
        }
    }
}

/// For `deserialize_with`: text of the program itself. It is never freed; nothing but a replay loads any.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<&'static str, D::Error> {
    String::deserialize(deserializer).map(|text| &*text.leak())
}

/// For `deserialize_with`: what may hold itself, and would overflow the stack if it did so too often.
pub(crate) fn nested<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let depth = NESTED.get();
    if depth == MAX_NESTED {
        return Err(D::Error::custom("too many errors inside of errors"));
    }
    NESTED.set(depth + 1);
    let value = T::deserialize(deserializer);
    NESTED.set(depth);
    value
}

/// For `with`: the kind of an I/O error, by its name.
pub(crate) mod io_kind {
    use std::io::{self, ErrorKind};

    use serde::{Deserialize, Deserializer, Serializer};

    /// Those that connections come to.
    const KINDS: [ErrorKind; 22] = [
        ErrorKind::NotFound,
        ErrorKind::PermissionDenied,
        ErrorKind::ConnectionRefused,
        ErrorKind::ConnectionReset,
        ErrorKind::HostUnreachable,
        ErrorKind::NetworkUnreachable,
        ErrorKind::ConnectionAborted,
        ErrorKind::NotConnected,
        ErrorKind::AddrInUse,
        ErrorKind::AddrNotAvailable,
        ErrorKind::NetworkDown,
        ErrorKind::BrokenPipe,
        ErrorKind::AlreadyExists,
        ErrorKind::WouldBlock,
        ErrorKind::InvalidInput,
        ErrorKind::InvalidData,
        ErrorKind::TimedOut,
        ErrorKind::WriteZero,
        ErrorKind::Interrupted,
        ErrorKind::Unsupported,
        ErrorKind::UnexpectedEof,
        ErrorKind::Other,
    ];

    pub(crate) fn serialize<S: Serializer>(kind: &ErrorKind, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{kind:?}"))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ErrorKind, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known = KINDS.into_iter().find(|kind| format!("{kind:?}") == name);
        // Most others are one that std does not name: what it takes an unknown code for.
        Ok(known.unwrap_or_else(|| io::Error::from_raw_os_error(i32::MAX).kind()))
    }
}
