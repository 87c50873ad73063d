//! Snappy as Kafka has it: in xerial's framing, which is snappy-java's own.
//!
//! A header of 16 bytes (8 of magic, a version and the least compatible version as i32), then blocks: their compressed length as i32, then
//! raw snappy. Whoever does not write that writes one raw block without any framing.

use std::io;

use super::output::Output;

const MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
const HEADER: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
/// What snappy-java puts in a block.
const BLOCK_BYTES: usize = 32 << 10;

pub(super) fn compress(block: &[u8], mut out: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut encoder = snap::raw::Encoder::new();
    out.extend_from_slice(&HEADER);
    for part in block.chunks(BLOCK_BYTES) {
        let length_at = out.len();
        let start = length_at + 4;
        out.resize(start + snap::raw::max_compress_len(part.len()), 0);
        let length = encoder.compress(part, &mut out[start..])?;
        out.truncate(start + length);
        out[length_at..start].copy_from_slice(&(length as i32).to_be_bytes());
    }
    Ok(out)
}

pub(super) fn decompress(mut block: &[u8], out: &mut Output) -> io::Result<()> {
    if !block.starts_with(&MAGIC) {
        return decompress_raw(block, out);
    }
    while !block.is_empty() && !out.passed {
        // A header may come again, where streams were joined: no block is so long that it could be mistaken for one.
        if block.starts_with(&MAGIC) {
            block = block.get(HEADER.len()..).ok_or_else(|| invalid("the header is cut short"))?;
            continue;
        }
        let (length, rest) =
            block.split_first_chunk().ok_or_else(|| invalid("a block's length is cut short"))?;
        let (part, rest) = usize::try_from(i32::from_be_bytes(*length))
            .ok()
            .and_then(|length| rest.split_at_checked(length))
            .ok_or_else(|| invalid("a block's length does not fit the data"))?;
        decompress_raw(part, out)?;
        block = rest;
    }
    Ok(())
}

/// A raw block declares its size: that is believed only if so few bytes can hold it, and allocated only within the limit.
fn decompress_raw(block: &[u8], out: &mut Output) -> io::Result<()> {
    let declared = snap::raw::decompress_len(block)?;
    // The densest element copies 64 bytes and takes 3.
    if declared > block.len().saturating_mul(22) {
        return Err(invalid("a block declares a larger size than it can hold"));
    }
    let start = out.bytes.len();
    if declared >= out.room() {
        out.passed = true;
        return Ok(());
    }
    out.reserve(declared);
    out.bytes.resize(start + declared, 0);
    snap::raw::Decoder::new().decompress(block, &mut out.bytes[start..])?;
    Ok(())
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
