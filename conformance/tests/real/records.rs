//! Records of every kind, and the sets of them that each version of Produce takes.

use std::fmt;

use bytes::Bytes;
use milena_core::record::{BatchBuilder, Compression, Encoding, Header, MessageFormat, Producer};

/// Records in a set; the sets of a partition are written one after the other.
pub(crate) const SET: i64 = 6;
pub(crate) const SETS: i64 = 2;
pub(crate) const END: i64 = SET * SETS;
pub(crate) const TIME: i64 = 1_700_000_000_000;

/// A record, as it was written or is expected or read.
#[derive(Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<Bytes>,
    pub(crate) value: Option<Bytes>,
    pub(crate) headers: Vec<(String, Option<Bytes>)>,
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |field: &Option<Bytes>| {
            let field = field.as_ref()?;
            Some(format!("{} bytes, {:?}", field.len(), field.slice(..field.len().min(30))))
        };
        let Row { offset, timestamp, key, value, headers } = self;
        write!(f, "{offset} at {timestamp}: {:?} = {:?}, ", short(key), short(value))?;
        f.debug_list().entries(headers.iter().map(|(key, value)| (key, short(value)))).finish()
    }
}

/// Half of it compresses well, half does not.
fn large(bytes: usize, seed: i64) -> Bytes {
    let mut state = seed as u32 + 1;
    let noise = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..bytes / 2).map(noise).chain((0..bytes - bytes / 2).map(|n| n as u8 % 50)).collect()
}

/// How the records of a partition are written: the format is the version's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    pub(crate) version: i16,
    pub(crate) codec: Compression,
    pub(crate) headers: bool,
}

impl Written {
    pub(crate) fn format(self) -> MessageFormat {
        MessageFormat::for_produce((self.version, self.version)).unwrap()
    }

    /// The record at this offset, as it is written: which fields are null, empty and large goes by its place in the set.
    pub(crate) fn row(self, offset: i64) -> Row {
        let name = |what: &str| Some(Bytes::from(format!("{what} {offset} in {self:?}")));
        let (empty, header) = (Some(Bytes::new()), |key: &str, value| (key.to_owned(), value));
        let (key, value, headers) = match offset % SET {
            0 => (None, name("value"), vec![]),
            1 => (name("key"), None, vec![header("null", None)]),
            2 => (empty.clone(), empty.clone(), vec![header("twice", name("1")), header("twice", empty)]),
            3 => (Some(large(5000, offset)), name("value"), vec![header("", Some(large(3000, -offset)))]),
            // More than a block of any codec's framing.
            4 => (name("key"), Some(large(70_000, offset)), vec![]),
            _ => (None, None, vec![]),
        };
        let headers = if self.headers { headers } else { Vec::new() };
        Row { offset, timestamp: TIME + offset * 7919 % 1000, key, value, headers }
    }

    pub(crate) fn set(self, set: i64) -> Bytes {
        let mut builder = BatchBuilder::with_capacity(100_000);
        for row in (set * SET..(set + 1) * SET).map(|offset| self.row(offset)) {
            let headers = row.headers.iter().map(|(key, value)| Header { key, value: value.as_deref() });
            let headers: Vec<_> = headers.collect();
            builder.append(row.timestamp, row.key.as_deref(), row.value.as_deref(), &headers);
        }
        let encoding = Encoding { format: self.format(), compression: self.codec, level: None };
        builder.seal(encoding, Producer::NONE).unwrap()
    }
}
