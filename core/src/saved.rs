//! How values are saved in a recording that serde does not know how to save, or should not.
//!
//! Rules:
//! - Record data is saved by its length alone, and is zeros when it is loaded: machines look at nothing else. Whoever saves
//!   may ask for all of it ([`keeping`]).
//! - What is loaded may be anything: no length in it is believed that would take more memory than [`MAX_DATA`].

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Mutex;

use bytes::Bytes;
use postcard::ser_flavors::Flavor;
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

/// Whether something is saved as these bytes. Nothing is written down, and the first byte that is another is the last looked at: what
/// was loaded may claim to be much longer than what it was loaded from.
pub(crate) fn is_saved_as<T: serde::Serialize>(value: &T, saved: &[u8]) -> bool {
    postcard::serialize_with_flavor(value, Expected(saved)).is_ok_and(|rest| rest.is_empty())
}

/// What is still to come.
struct Expected<'a>(&'a [u8]);

impl<'a> Flavor for Expected<'a> {
    type Output = &'a [u8];

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0 = self.0.strip_prefix(bytes).ok_or(postcard::Error::SerializeBufferFull)?;
        Ok(())
    }

    fn finalize(self) -> postcard::Result<&'a [u8]> {
        Ok(self.0)
    }
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

/// For `deserialize_with`: text of the program itself. Each is kept once and never freed; nothing but a replay loads any.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<&'static str, D::Error> {
    static TEXTS: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
    let text = String::deserialize(deserializer)?;
    let mut texts = lock(&TEXTS);
    let known = texts.get(&*text).copied();
    Ok(known.unwrap_or_else(|| {
        let text = &*text.leak();
        texts.insert(text);
        text
    }))
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

    /// Those that std has names for.
    const KINDS: [ErrorKind; 39] = [
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
        ErrorKind::NotADirectory,
        ErrorKind::IsADirectory,
        ErrorKind::DirectoryNotEmpty,
        ErrorKind::ReadOnlyFilesystem,
        ErrorKind::StaleNetworkFileHandle,
        ErrorKind::InvalidInput,
        ErrorKind::InvalidData,
        ErrorKind::TimedOut,
        ErrorKind::WriteZero,
        ErrorKind::StorageFull,
        ErrorKind::NotSeekable,
        ErrorKind::QuotaExceeded,
        ErrorKind::FileTooLarge,
        ErrorKind::ResourceBusy,
        ErrorKind::ExecutableFileBusy,
        ErrorKind::Deadlock,
        ErrorKind::CrossesDevices,
        ErrorKind::TooManyLinks,
        ErrorKind::InvalidFilename,
        ErrorKind::ArgumentListTooLong,
        ErrorKind::Interrupted,
        ErrorKind::Unsupported,
        ErrorKind::UnexpectedEof,
        ErrorKind::OutOfMemory,
        ErrorKind::Other,
    ];

    pub(crate) fn serialize<S: Serializer>(kind: &ErrorKind, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{kind:?}"))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ErrorKind, D::Error> {
        let name = String::deserialize(deserializer)?;
        // The others only the system's codes lead to.
        let of_codes = (1..=MAX_CODE).map(|code| io::Error::from_raw_os_error(code).kind());
        let known = KINDS.into_iter().chain(of_codes).find(|kind| format!("{kind:?}") == name);
        Ok(known.unwrap_or_else(|| io::Error::from_raw_os_error(i32::MAX).kind()))
    }

    /// Linux has 133, others fewer; Windows' own names for them lie higher, and std names all of theirs.
    const MAX_CODE: i32 = 200;
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use serde::ser::SerializeSeq as _;

    use super::*;

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Kind(#[serde(with = "io_kind")] ErrorKind);

    /// What came out is compared by its text, that of kinds included.
    #[test]
    fn every_kind_of_an_io_error_comes_back_as_it_was() {
        let codes = (1..=1000).map(|code| Error::from_raw_os_error(code).kind());
        let own = [ErrorKind::WriteZero, ErrorKind::UnexpectedEof, ErrorKind::InvalidData, ErrorKind::Other];
        let mut names = BTreeSet::new();
        for kind in codes.chain(own).map(Kind) {
            let saved = postcard::to_allocvec(&kind).unwrap();
            assert_eq!(postcard::from_bytes::<Kind>(&saved), Ok(kind));
            names.insert(saved);
        }
        assert!(names.len() > 22, "{names:?}");
        let unknown = postcard::from_bytes::<Kind>(b"\x03New").unwrap();
        assert_eq!(unknown.0, Error::from_raw_os_error(i32::MAX).kind());
    }

    /// A sequence that counts what is asked of it.
    struct Counted<'a>(&'a Cell<u32>);

    impl serde::Serialize for Counted<'_> {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut seq = serializer.serialize_seq(Some(100))?;
            for element in 0..100u8 {
                self.0.set(self.0.get() + 1);
                seq.serialize_element(&element)?;
            }
            seq.end()
        }
    }

    #[test]
    fn a_state_is_compared_up_to_the_first_byte_that_differs() {
        let count = Cell::new(0);
        let saved = postcard::to_allocvec(&Counted(&count)).unwrap();
        assert!(is_saved_as(&Counted(&count), &saved));
        assert!(!is_saved_as(&Counted(&count), &[&saved[..], &[0]].concat()));
        count.set(0);
        assert!(!is_saved_as(&Counted(&count), &saved[..10]));
        assert_eq!(count.get(), 10);
    }

    #[test]
    fn a_text_of_the_program_is_kept_once() {
        #[derive(serde::Deserialize)]
        struct Text(#[serde(deserialize_with = "text")] &'static str);
        let load = || postcard::from_bytes::<Text>(b"\x09only once").unwrap().0;
        assert_eq!(load().as_ptr(), load().as_ptr());
    }
}
