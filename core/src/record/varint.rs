//! The varints of records, on top of [`wire`](crate::wire)'s.
//!
//! Nearly all of a record's varints have one or two bytes; those are read here, inline, since a call for each two-byte length costs more
//! than all else. They are written into a [`Scratch`] so that a record's head is appended in one piece: a buffer that grows
//! checks its room for every write.

use super::Malformed;
use crate::wire;

/// A few varints side by side, to be copied to their place in one go.
pub(super) struct Scratch {
    bytes: [u8; Self::CAPACITY],
    len: usize,
}

impl Scratch {
    /// A record's head: its length, attributes, timestamp delta, offset delta, key length and value length, none above 10 bytes.
    const CAPACITY: usize = 1 + 5 * 10;

    #[inline]
    pub(super) const fn new() -> Self {
        Self { bytes: [0; Self::CAPACITY], len: 0 }
    }

    #[inline]
    pub(super) fn byte(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    #[inline]
    pub(super) fn varint(&mut self, value: i64) {
        let mut room = &mut self.bytes[self.len..];
        wire::put_varlong(&mut room, value);
        self.len = Self::CAPACITY - room.len();
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Reads a varint of 32 bits and moves `input` past it.
#[inline]
pub(super) fn read_varint(input: &mut &[u8]) -> Result<i32, Malformed> {
    match read_short(input) {
        Some(value) => Ok(value),
        None => read_long(input, wire::read_varint),
    }
}

/// Reads a varint of 64 bits and moves `input` past it.
#[inline]
pub(super) fn read_varlong(input: &mut &[u8]) -> Result<i64, Malformed> {
    match read_short(input) {
        Some(value) => Ok(value.into()),
        None => read_long(input, wire::read_varlong),
    }
}

#[inline]
fn read_short(input: &mut &[u8]) -> Option<i32> {
    let (bits, rest) = match **input {
        [first, ref rest @ ..] if first < 0x80 => (first.into(), rest),
        [first, second, ref rest @ ..] if second < 0x80 => {
            (i32::from(first & 0x7f) | i32::from(second) << 7, rest)
        }
        _ => return None,
    };
    *input = rest;
    Some((bits >> 1) ^ -(bits & 1))
}

#[cold]
fn read_long<T>(
    input: &mut &[u8],
    read: impl Fn(&mut &[u8]) -> Result<T, wire::VarintError>,
) -> Result<T, Malformed> {
    read(input).map_err(|_| Malformed::Varint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_read_as_it_was_written() {
        for bit in 0..63 {
            for value in [(1i64 << bit) - 1, 1 << bit, -(1 << bit), -(1 << bit) - 1] {
                let mut scratch = Scratch::new();
                scratch.byte(9);
                scratch.varint(value);
                scratch.varint(-1);
                let mut input = &scratch.bytes()[1..];
                let narrow = read_varint(&mut { input });
                assert_eq!(narrow, i32::try_from(value).map_err(|_| Malformed::Varint), "{value}");
                assert_eq!(read_varlong(&mut input), Ok(value));
                assert_eq!(input, [1], "{value}");
            }
        }
    }

    #[test]
    fn cut_short_or_too_long_is_refused() {
        for bytes in [&[][..], &[0x80], &[0x80, 0x80], &[0x80; 11], &[0x80, 0x80, 0x80, 0x80, 0x10]] {
            assert_eq!(read_varint(&mut { bytes }), Err(Malformed::Varint), "{bytes:?}");
        }
        assert_eq!(read_varlong(&mut &[0xff; 11][..]), Err(Malformed::Varint));
    }
}
