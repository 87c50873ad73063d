//! LZ4 frames, with Kafka's twist to them.
//!
//! Java's clients and brokers computed the checksum in a frame's header over the frame's magic, too, which the specification leaves out.
//! In message format v0 that is the rule still, v1 and v2 go by the specification ([KIP-57]). In v0 either is read.
//!
//! Frames are told apart here: decoders stop behind one, take the end of the input for that of a frame, or refuse skippable ones.
//!
//! [KIP-57]: https://cwiki.apache.org/confluence/display/KAFKA/KIP-57+-+Interoperable+LZ4+Framing

use std::io::{self, Read};

use twox_hash::XxHash32;

use super::output::Output;
use crate::record::{Encoding, MessageFormat};

const MAGIC: u32 = 0x184d_2204;
const SKIPPABLE: u32 = 0x184d_2a50;
/// Magic, flags, block size and header checksum.
const SMALLEST_HEADER: usize = 7;
/// With content size and dictionary id.
const LARGEST_HEADER: usize = SMALLEST_HEADER + 8 + 4;
const FLAGS_AT: usize = 4;
const DICTIONARY: u8 = 1;
const CONTENT_CHECKSUM: u8 = 1 << 2;
const CONTENT_SIZE: u8 = 1 << 3;
const BLOCK_CHECKSUMS: u8 = 1 << 4;
/// In a block's length: it is not compressed.
const PLAIN: u32 = 1 << 31;

/// One frame, and nothing else; a skippable one is none.
struct Frame<'a> {
    header: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Takes a frame off the front.
    fn split(block: &mut &'a [u8]) -> io::Result<Option<Self>> {
        let whole = *block;
        match take_u32(block)? {
            MAGIC => {}
            magic if magic & !0xf == SKIPPABLE => {
                let length = take_u32(block)?;
                take(block, length)?;
                return Ok(None);
            }
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "no LZ4 frame")),
        }
        let flags = *block.first().ok_or(io::ErrorKind::UnexpectedEof)?;
        let has = |flag, bytes| if flags & flag != 0 { bytes } else { 0 };
        let header = SMALLEST_HEADER + has(CONTENT_SIZE, 8) + has(DICTIONARY, 4);
        take(block, (header - FLAGS_AT) as u32)?;
        loop {
            match take_u32(block)? & !PLAIN {
                0 => break,
                length => take(block, length)?,
            }
            take(block, has(BLOCK_CHECKSUMS, 4) as u32)?;
        }
        take(block, has(CONTENT_CHECKSUM, 4) as u32)?;
        let (header, rest) = whole[..whole.len() - block.len()].split_at(header);
        Ok(Some(Self { header, rest }))
    }

    /// The frame's bytes; where its header has the checksum of v0, with that of the specification.
    fn mended(&self, v0: bool) -> impl Read + 'a {
        let mut header = [0; LARGEST_HEADER];
        let (header_len, at) = (self.header.len(), self.header.len() - 1);
        header[..header_len].copy_from_slice(self.header);
        if v0 && header[at] == checksum(&header[..at]) {
            header[at] = checksum(&header[FLAGS_AT..at]);
        }
        io::Cursor::new(header).take(header_len as u64).chain(self.rest)
    }
}

fn take(block: &mut &[u8], length: u32) -> io::Result<()> {
    *block = block.get(length as usize..).ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(())
}

fn take_u32(block: &mut &[u8]) -> io::Result<u32> {
    let (number, rest) = block.split_first_chunk().ok_or(io::ErrorKind::UnexpectedEof)?;
    *block = rest;
    Ok(u32::from_le_bytes(*number))
}

/// The second byte of the hash.
fn checksum(header: &[u8]) -> u8 {
    (XxHash32::oneshot(0, header) >> 8) as u8
}

pub(super) fn compress(block: &[u8], encoding: &Encoding, out: Vec<u8>) -> io::Result<Vec<u8>> {
    let start = out.len();
    let mut out = engine::compress(block, encoding.level, out)?;
    if encoding.format == MessageFormat::V0 {
        // Neither content size nor dictionary are written.
        let at = start + SMALLEST_HEADER - 1;
        out[at] = checksum(&out[start..at]);
    }
    Ok(out)
}

pub(super) fn decompress(mut block: &[u8], v0: bool, out: &mut Output) -> io::Result<()> {
    while !block.is_empty() && out.room() > 0 {
        if let Some(frame) = Frame::split(&mut block)? {
            engine::decompress(frame.mended(v0), out)?;
        }
    }
    Ok(())
}

#[cfg(all(feature = "lz4", not(feature = "lz4-c")))]
mod engine {
    use std::io::{self, Read, Write};

    use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

    use super::Output;

    pub(super) fn compress(block: &[u8], _: Option<i32>, out: Vec<u8>) -> io::Result<Vec<u8>> {
        // Java reads independent blocks only.
        let frame = FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(BlockMode::Independent);
        let mut encoder = FrameEncoder::with_frame_info(frame, out);
        encoder.write_all(block)?;
        Ok(encoder.finish()?)
    }

    pub(super) fn decompress(frame: impl Read, out: &mut Output) -> io::Result<()> {
        out.read(FrameDecoder::new(frame))
    }
}

#[cfg(feature = "lz4-c")]
mod engine {
    use std::io::{self, Read, Write};

    use lz4::liblz4::BlockChecksum;
    use lz4::{BlockMode, BlockSize, ContentChecksum, Decoder, EncoderBuilder};

    use super::Output;

    /// The library's highest: Kafka's levels go on to 17, which are the same.
    const HIGHEST_LEVEL: u32 = 12;

    pub(super) fn compress(block: &[u8], level: Option<i32>, out: Vec<u8>) -> io::Result<Vec<u8>> {
        // Java reads independent blocks only.
        let mut encoder = EncoderBuilder::new()
            .block_size(BlockSize::Max64KB)
            .block_mode(BlockMode::Independent)
            .block_checksum(BlockChecksum::NoBlockChecksum)
            .checksum(ContentChecksum::NoChecksum)
            .level(level.map_or(0, i32::unsigned_abs).min(HIGHEST_LEVEL))
            .build(out)?;
        encoder.write_all(block)?;
        let (out, finished) = encoder.finish();
        finished.map(|()| out)
    }

    pub(super) fn decompress(frame: impl Read, out: &mut Output) -> io::Result<()> {
        out.read(Decoder::new(frame)?)
    }
}
