use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

use super::RecordError;

/// The compression of a batch's records: `compression.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Compression {
    /// As they are.
    #[default]
    None,
    /// gzip, at zlib's default level. Several members are read as one stream.
    Gzip,
    /// Snappy in xerial's framing, as Java writes it; a bare block is read, too.
    Snappy,
    /// LZ4 frames, of independent blocks of 64 KiB when written.
    Lz4,
    /// Zstandard at level 3, its default. Brokers know it since 2.1.
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
            Self::Lz4 => cfg!(feature = "lz4"),
            Self::Zstd => cfg!(feature = "zstd"),
        }
    }

    /// `block` compressed, behind `room` bytes of zeroes.
    pub(super) fn compress(self, block: &[u8], room: usize) -> Result<Vec<u8>, RecordError> {
        // Half is what text needs at most; what does not compress grows the buffer once.
        let mut out = Vec::with_capacity(room + block.len() / 2 + 64);
        out.resize(room, 0);
        let compressed: io::Result<Vec<u8>> = match self {
            Self::None => {
                out.extend_from_slice(block);
                Ok(out)
            }
            #[cfg(feature = "gzip")]
            Self::Gzip => gzip::compress(block, out),
            #[cfg(feature = "snappy")]
            Self::Snappy => super::snappy::compress(block, out),
            #[cfg(feature = "lz4")]
            Self::Lz4 => lz4::compress(block, out),
            #[cfg(feature = "zstd")]
            Self::Zstd => zstandard::compress(block, out),
            #[allow(unreachable_patterns, reason = "reached when a codec's feature is off")]
            codec => return Err(RecordError::CodecNotCompiled(codec)),
        };
        compressed.map_err(|error| RecordError::Compress { codec: self, reason: error.to_string() })
    }

    /// `block` decompressed: at most `limit` bytes of it, no declared size is believed.
    pub(super) fn decompress(self, block: &[u8], limit: usize) -> Result<Vec<u8>, RecordError> {
        let mut out =
            Output { bytes: Vec::new(), limit, expected: block.len().saturating_mul(4), passed: false };
        let read: io::Result<()> = match self {
            Self::None => out.read(block),
            #[cfg(feature = "gzip")]
            Self::Gzip => gzip::decompress(block, &mut out),
            #[cfg(feature = "snappy")]
            Self::Snappy => super::snappy::decompress(block, &mut out),
            #[cfg(feature = "lz4")]
            Self::Lz4 => lz4::decompress(block, &mut out),
            #[cfg(feature = "zstd")]
            Self::Zstd => zstandard::decompress(block, &mut out),
            #[allow(unreachable_patterns, reason = "reached when a codec's feature is off")]
            codec => return Err(RecordError::CodecNotCompiled(codec)),
        };
        if out.passed || out.bytes.len() > limit {
            return Err(RecordError::TooLarge { limit });
        }
        match read {
            Ok(()) => Ok(out.bytes),
            Err(error) => Err(RecordError::Decompress { codec: self, reason: error.to_string() }),
        }
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

    pub(super) fn compress(block: &[u8], out: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut encoder = GzEncoder::new(out, Compression::default());
        encoder.write_all(block)?;
        encoder.finish()
    }

    pub(super) fn decompress(block: &[u8], out: &mut Output) -> io::Result<()> {
        out.read(MultiGzDecoder::new(block))
    }
}

#[cfg(feature = "lz4")]
mod lz4 {
    use std::io::{self, Read, Write};

    use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

    use super::Output;

    pub(super) fn compress(block: &[u8], out: Vec<u8>) -> io::Result<Vec<u8>> {
        // Java reads independent blocks only.
        let frame = FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(BlockMode::Independent);
        let mut encoder = FrameEncoder::with_frame_info(frame, out);
        encoder.write_all(block)?;
        Ok(encoder.finish()?)
    }

    pub(super) fn decompress(block: &[u8], out: &mut Output) -> io::Result<()> {
        let mut decoder = FrameDecoder::new(Source { rest: block, ran_out: false });
        // The decoder stops behind each frame, and takes some bytes of the next one or fails.
        while !decoder.get_ref().rest.is_empty() && out.room() > 0 {
            out.read(&mut decoder)?;
        }
        if decoder.get_ref().ran_out {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    /// The decoder takes the end of the input between blocks for that of the frame; whether it asked for more tells them apart.
    struct Source<'a> {
        rest: &'a [u8],
        ran_out: bool,
    }

    impl Read for Source<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.ran_out |= buf.len() > self.rest.len();
            self.rest.read(buf)
        }
    }
}

#[cfg(feature = "zstd")]
mod zstandard {
    use std::io::{self, Write};

    use structured_zstd::decoding::StreamingDecoder;
    use structured_zstd::encoding::{CompressionLevel, StreamingEncoder};

    use super::Output;

    pub(super) fn compress(block: &[u8], out: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut encoder = StreamingEncoder::new(out, CompressionLevel::Default);
        // The size fits the tables to the block, and tells the reader.
        encoder.set_pledged_content_size(block.len() as u64)?;
        encoder.write_all(block)?;
        encoder.finish()
    }

    pub(super) fn decompress(block: &[u8], out: &mut Output) -> io::Result<()> {
        // Windows above 128 MiB, which zstd's highest level stays below, are refused.
        out.read(StreamingDecoder::new(block))
    }
}
