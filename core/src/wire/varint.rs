//! Variable-length integers: unsigned for compact lengths and tags, zig-zag for the fields of a record.
//!
//! An encoding longer than needed (`80 00` for 0) is read as Java reads it; one with bits past the type's
//! width, which Java silently drops, is an error.

use bytes::BufMut;
use std::fmt;

/// What is wrong with a variable-length integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VarintError {
    /// The input ends inside it.
    Truncated,
    /// It has more bits than its type.
    Overflow,
}

impl fmt::Display for VarintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the input ends inside a variable-length integer",
            Self::Overflow => "a variable-length integer has too many bits",
        })
    }
}

impl std::error::Error for VarintError {}

/// Bytes [`put_uvarint`] writes: 1 to 5.
#[inline]
pub const fn uvarint_len(value: u32) -> usize {
    ulong_len(value as u64)
}

/// Bytes [`put_varint`] writes: 1 to 5.
#[inline]
pub const fn varint_len(value: i32) -> usize {
    ulong_len(zigzag32(value) as u64)
}

/// Bytes [`put_varlong`] writes: 1 to 10.
#[inline]
pub const fn varlong_len(value: i64) -> usize {
    ulong_len(zigzag64(value))
}

/// Writes an unsigned integer, low 7 bits first.
#[inline]
pub fn put_uvarint(buf: &mut impl BufMut, value: u32) {
    put_ulong(buf, value as u64);
}

/// Writes a signed integer in zig-zag form, so that small negative numbers stay short.
#[inline]
pub fn put_varint(buf: &mut impl BufMut, value: i32) {
    put_ulong(buf, zigzag32(value) as u64);
}

/// Writes a signed 64-bit integer in zig-zag form.
#[inline]
pub fn put_varlong(buf: &mut impl BufMut, value: i64) {
    put_ulong(buf, zigzag64(value));
}

/// Reads an unsigned integer and moves `input` past it; `input` is untouched on an error.
#[inline]
pub fn read_uvarint(input: &mut &[u8]) -> Result<u32, VarintError> {
    read_ulong(input, 32).map(|value| value as u32)
}

/// Reads a zig-zag integer and moves `input` past it; `input` is untouched on an error.
#[inline]
pub fn read_varint(input: &mut &[u8]) -> Result<i32, VarintError> {
    let value = read_ulong(input, 32)? as u32;
    Ok((value >> 1) as i32 ^ -((value & 1) as i32))
}

/// Reads a zig-zag 64-bit integer and moves `input` past it; `input` is untouched on an error.
#[inline]
pub fn read_varlong(input: &mut &[u8]) -> Result<i64, VarintError> {
    let value = read_ulong(input, 64)?;
    Ok((value >> 1) as i64 ^ -((value & 1) as i64))
}

#[inline]
const fn zigzag32(value: i32) -> u32 {
    (value << 1 ^ value >> 31) as u32
}

#[inline]
const fn zigzag64(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

#[inline]
const fn ulong_len(value: u64) -> usize {
    // 7 bits a byte, and one byte for zero.
    (70 - (value | 1).leading_zeros() as usize) / 7
}

#[inline]
fn put_ulong(buf: &mut impl BufMut, mut value: u64) {
    while value >= 0x80 {
        buf.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    buf.put_u8(value as u8);
}

#[inline]
fn read_ulong(input: &mut &[u8], bits: u32) -> Result<u64, VarintError> {
    // Nearly every varint of a record is one byte.
    if let Some((&first, rest)) = input.split_first()
        && first < 0x80
    {
        *input = rest;
        return Ok(first as u64);
    }
    read_long_ulong(input, bits)
}

fn read_long_ulong(input: &mut &[u8], bits: u32) -> Result<u64, VarintError> {
    let mut value = 0u64;
    let mut shift = 0;
    for (index, &byte) in input.iter().enumerate() {
        let low = (byte & 0x7f) as u64;
        // The last byte may only hold what is left of the type: 4 bits of 32, 1 bit of 64.
        if shift >= bits || (bits - shift < 7 && low >> (bits - shift) != 0) {
            return Err(VarintError::Overflow);
        }
        value |= low << shift;
        shift += 7;
        if byte < 0x80 {
            *input = &input[index + 1..];
            return Ok(value);
        }
    }
    Err(VarintError::Truncated)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges() -> impl Iterator<Item = i64> {
        (0..64).flat_map(|bit| {
            let power = 1i64 << bit;
            [power, power.wrapping_sub(1), power.wrapping_neg(), power.wrapping_neg().wrapping_sub(1)]
        })
    }

    #[test]
    fn every_edge_goes_there_and_back_in_the_length_told() {
        for value in edges() {
            let mut buf = Vec::new();
            put_varlong(&mut buf, value);
            assert_eq!(buf.len(), varlong_len(value), "{value}");
            assert_eq!(read_varlong(&mut &buf[..]), Ok(value));

            let (int, uint) = (value as i32, value as u32);
            buf.clear();
            put_varint(&mut buf, int);
            assert_eq!(buf.len(), varint_len(int), "{int}");
            put_uvarint(&mut buf, uint);
            assert_eq!(buf.len(), varint_len(int) + uvarint_len(uint), "{uint}");
            let mut input = &buf[..];
            assert_eq!(read_varint(&mut input), Ok(int));
            assert_eq!(read_uvarint(&mut input), Ok(uint));
            assert!(input.is_empty());
        }
    }

    #[test]
    fn known_bytes() {
        let mut buf = Vec::new();
        put_uvarint(&mut buf, 300);
        put_varint(&mut buf, -1);
        put_varlong(&mut buf, 64);
        assert_eq!(buf, [0xac, 0x02, 0x01, 0x80, 0x01]);
    }

    #[test]
    fn damage_is_named_and_leaves_the_input() {
        let cases: [(&[u8], VarintError); 5] = [
            (&[], VarintError::Truncated),
            (&[0x80], VarintError::Truncated),
            (&[0xff, 0xff, 0xff, 0xff, 0x10], VarintError::Overflow),
            (&[0xff, 0xff, 0xff, 0xff, 0x8f, 0x00], VarintError::Overflow),
            (&[0xff; 11], VarintError::Overflow),
        ];
        for (bytes, error) in cases {
            let mut input = bytes;
            assert_eq!(read_uvarint(&mut input), Err(error), "{bytes:?}");
            assert_eq!(read_varint(&mut input), Err(error), "{bytes:?}");
            assert_eq!(input, bytes);
        }
        let wide = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        assert_eq!(read_varlong(&mut &wide[..]), Err(VarintError::Overflow));
        assert_eq!(read_uvarint(&mut &[0xff, 0xff, 0xff, 0xff, 0x0f][..]), Ok(u32::MAX));
        assert_eq!(read_uvarint(&mut &[0x80, 0x00][..]), Ok(0));
    }
}
