use std::fmt;
use std::io::{self, Read};
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::{Encoding, RecordError};

/// The compression of a batch's records: `compression.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Compression {
    /// As they are.
    #[default]
    None,
    /// gzip, by default at zlib's level 6. Several members are read as one stream.
    Gzip,
    /// Snappy in xerial's framing, as Java writes it; a bare block is read, too.
    Snappy,
    /// LZ4 frames, of independent blocks of 64 KiB when written. Levels take the feature `lz4-c`, the C library.
    Lz4,
    /// Zstandard, by default at level 3. Brokers know it since 2.1. The feature `zstd-c` takes the C library.
    Zstd,
}

/// A name that is no codec's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownCompression(String);

impl fmt::Display for UnknownCompression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is none of none, gzip, snappy, lz4 and zstd", self.0)
    }
}

impl std::error::Error for UnknownCompression {}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Compression {
    type Err = UnknownCompression;

    fn from_str(name: &str) -> Result<Self, UnknownCompression> {
        Self::ALL
            .into_iter()
            .find(|codec| codec.name() == name)
            .ok_or_else(|| UnknownCompression(name.into()))
    }
}

impl Compression {
    /// Every codec, by rising [`id`](Self::id).
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The number in a batch's attributes.
    #[must_use]
    pub const fn id(self) -> i8 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// The codec of that number.
    ///
    /// # Errors
    ///
    /// [`RecordError::UnknownCodec`].
    pub fn from_id(id: i8) -> Result<Self, RecordError> {
        Self::ALL.into_iter().find(|codec| codec.id() == id).ok_or(RecordError::UnknownCodec(id))
    }

    /// The name in Kafka's configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// Whether this build can use the codec: its cargo feature is on.
    #[must_use]
    pub const fn is_compiled(self) -> bool {
        match self {
            Self::None => true,
            Self::Gzip => cfg!(feature = "gzip"),
            Self::Snappy => cfg!(feature = "snappy"),
            Self::Lz4 => cfg!(any(feature = "lz4", feature = "lz4-c")),
            Self::Zstd => cfg!(any(feature = "zstd", feature = "zstd-c")),
        }
    }

    /// The levels that Kafka has for the codec ([KIP-390]) and this build can write, the last the slowest; `None` if it has none.
    ///
    /// [KIP-390]: https://cwiki.apache.org/confluence/display/KAFKA/KIP-390%3A+Support+Compression+Level
    #[must_use]
    pub const fn levels(self) -> Option<RangeInclusive<i32>> {
        match self {
            Self::Gzip => Some(1..=9),
            Self::Lz4 if cfg!(feature = "lz4-c") => Some(1..=17),
            Self::Zstd => Some(-131_072..=22),
            Self::None | Self::Snappy | Self::Lz4 => None,
        }
    }

    /// `block` decompressed: at most `limit` bytes of it, no declared size is believed. It is from a batch of this `magic`.
    pub(super) fn decompress(self, block: &[u8], magic: i8, limit: usize) -> Result<Vec<u8>, RecordError> {
        let mut out =
            Output { bytes: Vec::new(), limit, expected: block.len().saturating_mul(4), passed: false };
        let read: io::Result<()> = match self {
            Self::None => out.read(block),
            #[cfg(feature = "gzip")]
            Self::Gzip => gzip::decompress(block, &mut out),
            #[cfg(feature = "snappy")]
            Self::Snappy => super::snappy::decompress(block, &mut out),
            #[cfg(any(feature = "lz4", feature = "lz4-c"))]
            Self::Lz4 => super::lz4::decompress(block, magic == 0, &mut out),
            #[cfg(any(feature = "zstd", feature = "zstd-c"))]
            Self::Zstd => zstandard::decompress(block, &mut out),
            #[allow(unreachable_patterns, reason = "reached when a codec's feature is off")]
            codec => return Err(RecordError::CodecNotCompiled(codec)),
        };
        // Used by LZ4 alone.
        let _ = magic;
        if out.passed || out.bytes.len() > limit {
            return Err(RecordError::TooLarge { limit });
        }
        match read {
            Ok(()) => Ok(out.bytes),
            Err(error) => Err(RecordError::Decompress { codec: self, reason: error.to_string() }),
        }
    }
}

impl Encoding {
    /// Whether the codec is in this build and has the level.
    ///
    /// # Errors
    ///
    /// [`RecordError::CodecNotCompiled`] and [`RecordError::BadLevel`].
    pub fn check(&self) -> Result<(), RecordError> {
        let codec = self.compression;
        if !codec.is_compiled() {
            return Err(RecordError::CodecNotCompiled(codec));
        }
        match self.level {
            Some(level) if !codec.levels().is_some_and(|levels| levels.contains(&level)) => {
                Err(RecordError::BadLevel { codec, level })
            }
            _ => Ok(()),
        }
    }

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
            Compression::Snappy => super::snappy::compress(block, out),
            #[cfg(any(feature = "lz4", feature = "lz4-c"))]
            Compression::Lz4 => super::lz4::compress(block, self, out),
            #[cfg(any(feature = "zstd", feature = "zstd-c"))]
            Compression::Zstd => zstandard::compress(block, self.level, out),
            #[allow(unreachable_patterns, reason = "reached when a codec's feature is off")]
            codec => return Err(RecordError::CodecNotCompiled(codec)),
        };
        let codec = self.compression;
        compressed.map_err(|error| RecordError::Compress { codec, reason: error.to_string() })
    }
}

/// Where decompressed bytes go. Holding one more than the limit means that the limit was passed: decoders then stop.
pub(super) struct Output {
    pub(super) bytes: Vec<u8>,
    limit: usize,
    /// Set by a decoder that knows it before it decodes.
    pub(super) passed: bool,
    /// What the first allocation is for.
    expected: usize,
}

impl Output {
    /// How many more bytes may come: one past the limit, so that reaching and passing it differ.
    pub(super) fn room(&self) -> usize {
        self.limit.saturating_add(1) - self.bytes.len()
    }

    /// The most that a decoder may keep of what it has put out, to refer to: as much as the limit, but what every
    /// encoder may ask of any decoder (8 MiB, by RFC 8878), and not more than zstd's highest level does.
    #[cfg(any(feature = "zstd", feature = "zstd-c"))]
    pub(super) fn max_window(&self) -> usize {
        self.limit.clamp(8 << 20, 128 << 20)
    }

    /// Makes room for `bytes` more, which are no more than [`room`](Self::room). The buffer doubles as it fills, but never holds more than
    /// the limit and that one byte, as `Vec` left to itself would.
    pub(super) fn reserve(&mut self, bytes: usize) {
        if bytes > self.bytes.capacity() - self.bytes.len() {
            let more = bytes.max(self.bytes.len()).max(self.expected).max(512).min(self.room());
            self.bytes.reserve_exact(more);
        }
    }

    /// Reads to the end, or past the limit.
    pub(super) fn read(&mut self, mut reader: impl Read) -> io::Result<()> {
        while self.room() > 0 {
            self.reserve(1);
            let free = (self.bytes.capacity() - self.bytes.len()).min(self.room());
            if reader.by_ref().take(free as u64).read_to_end(&mut self.bytes)? < free {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(feature = "gzip")]
mod gzip {
    use std::io::{self, Write};

    use flate2::Compression;
    use flate2::bufread::MultiGzDecoder;
    use flate2::write::GzEncoder;

    use super::Output;

    pub(super) fn compress(block: &[u8], level: Option<i32>, out: Vec<u8>) -> io::Result<Vec<u8>> {
        let level = level.map_or_else(Compression::default, |level| Compression::new(level.unsigned_abs()));
        let mut encoder = GzEncoder::new(out, level);
        encoder.write_all(block)?;
        encoder.finish()
    }

    pub(super) fn decompress(block: &[u8], out: &mut Output) -> io::Result<()> {
        out.read(MultiGzDecoder::new(block))
    }
}

#[cfg(all(feature = "zstd", not(feature = "zstd-c")))]
mod zstandard {
    use std::io::{self, Write};

    use structured_zstd::decoding::StreamingDecoder;
    use structured_zstd::encoding::{CompressionLevel, StreamingEncoder};

    use super::Output;

    pub(super) fn compress(block: &[u8], level: Option<i32>, out: Vec<u8>) -> io::Result<Vec<u8>> {
        let level = level.map_or(CompressionLevel::Default, CompressionLevel::from_level);
        let mut encoder = StreamingEncoder::new(out, level);
        // The size fits the tables to the block, and tells the reader.
        encoder.set_pledged_content_size(block.len() as u64)?;
        encoder.write_all(block)?;
        encoder.finish()
    }

    pub(super) fn decompress(block: &[u8], out: &mut Output) -> io::Result<()> {
        let mut decoder = StreamingDecoder::new(block);
        decoder.decoder_mut().set_max_window_size(out.max_window() as u64).map_err(io::Error::other)?;
        out.read(decoder)
    }
}

#[cfg(feature = "zstd-c")]
mod zstandard {
    use std::io::{self, Write};

    use zstd::stream::{read, write};

    use super::Output;

    pub(super) fn compress(block: &[u8], level: Option<i32>, out: Vec<u8>) -> io::Result<Vec<u8>> {
        // The library takes 0 for its default.
        let mut encoder = write::Encoder::new(out, level.unwrap_or(0))?;
        encoder.set_pledged_src_size(Some(block.len() as u64))?;
        encoder.write_all(block)?;
        encoder.finish()
    }

    pub(super) fn decompress(block: &[u8], out: &mut Output) -> io::Result<()> {
        let mut decoder = read::Decoder::with_buffer(block)?;
        decoder.window_log_max(out.max_window().ilog2())?;
        out.read(decoder)
    }
}
