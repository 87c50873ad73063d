//! Blocks of records, compressed and decompressed: a file for each codec, and which one a batch asks for.

#[cfg(feature = "gzip")]
mod gzip;
#[cfg(any(feature = "lz4", feature = "lz4-c"))]
mod lz4;
mod output;
#[cfg(feature = "snappy")]
mod snappy;
#[cfg(any(feature = "zstd", feature = "zstd-c"))]
mod zstd;

use std::io;

use self::output::Output;
use super::{Compression, Encoding, RecordError};

impl Compression {
    /// The codec of that number.
    ///
    /// # Errors
    ///
    /// [`RecordError::UnknownCodec`].
    pub fn from_id(id: i8) -> Result<Self, RecordError> {
        Self::ALL.into_iter().find(|codec| codec.id() == id).ok_or(RecordError::UnknownCodec(id))
    }

    /// `block` decompressed: at most `limit` bytes of it, no declared size is believed. It is from a batch of this `magic`.
    pub(super) fn decompress(self, block: &[u8], magic: i8, limit: usize) -> Result<Vec<u8>, RecordError> {
        let mut out = Output::new(limit, block.len().saturating_mul(4));
        let read: io::Result<()> = match self {
            Self::None => out.read(block),
            #[cfg(feature = "gzip")]
            Self::Gzip => gzip::decompress(block, &mut out),
            #[cfg(feature = "snappy")]
            Self::Snappy => snappy::decompress(block, &mut out),
            #[cfg(any(feature = "lz4", feature = "lz4-c"))]
            Self::Lz4 => lz4::decompress(block, magic == 0, &mut out),
            #[cfg(any(feature = "zstd", feature = "zstd-c"))]
            Self::Zstd => zstd::decompress(block, &mut out),
            #[allow(unreachable_patterns, reason = "reached when a codec's feature is off")]
            codec => return Err(RecordError::CodecNotCompiled(codec)),
        };
        // Used by LZ4 alone.
        let _ = magic;
        if out.is_past_limit() {
            return Err(RecordError::TooLarge { limit });
        }
        match read {
            Ok(()) => Ok(out.bytes),
            Err(error) => Err(RecordError::Decompress { codec: self, reason: error.to_string() }),
        }
    }
}

impl Encoding {
    /// `block` compressed, behind `room` bytes of zeroes.
    pub(super) fn compress(&self, block: &[u8], room: usize) -> Result<Vec<u8>, RecordError> {
        self.check()?;
        // Half is what text needs at most; what does not compress grows the buffer once.
        let mut out = Vec::with_capacity(room + block.len() / 2 + 64);
        out.resize(room, 0);
        let compressed: io::Result<Vec<u8>> = match self.compression {
            Compression::None => {
                out.extend_from_slice(block);
                Ok(out)
            }
            #[cfg(feature = "gzip")]
            Compression::Gzip => gzip::compress(block, self.level, out),
            #[cfg(feature = "snappy")]
            Compression::Snappy => snappy::compress(block, out),
            #[cfg(any(feature = "lz4", feature = "lz4-c"))]
            Compression::Lz4 => lz4::compress(block, self, out),
            #[cfg(any(feature = "zstd", feature = "zstd-c"))]
            Compression::Zstd => zstd::compress(block, self.level, out),
            #[allow(unreachable_patterns, reason = "reached when a codec's feature is off")]
            codec => return Err(RecordError::CodecNotCompiled(codec)),
        };
        let codec = self.compression;
        compressed.map_err(|error| RecordError::Compress { codec, reason: error.to_string() })
    }
}
