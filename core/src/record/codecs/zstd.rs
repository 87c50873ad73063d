//! Zstandard, in Rust or, by the feature `zstd-c`, by the C library.

pub(super) use self::engine::{compress, decompress};

#[cfg(all(feature = "zstd", not(feature = "zstd-c")))]
mod engine {
    use std::io::{self, Write};

    use structured_zstd::decoding::StreamingDecoder;
    use structured_zstd::encoding::{CompressionLevel, StreamingEncoder};

    use super::super::output::Output;

    pub(in super::super) fn compress(block: &[u8], level: Option<i32>, out: Vec<u8>) -> io::Result<Vec<u8>> {
        let level = level.map_or(CompressionLevel::Default, CompressionLevel::from_level);
        let mut encoder = StreamingEncoder::new(out, level);
        // The size fits the tables to the block, and tells the reader.
        encoder.set_pledged_content_size(block.len() as u64)?;
        encoder.write_all(block)?;
        encoder.finish()
    }

    pub(in super::super) fn decompress(block: &[u8], out: &mut Output) -> io::Result<()> {
        let mut decoder = StreamingDecoder::new(block);
        decoder.decoder_mut().set_max_window_size(out.max_window() as u64).map_err(io::Error::other)?;
        out.read(decoder)
    }
}

#[cfg(feature = "zstd-c")]
mod engine {
    use std::io::{self, Write};

    use zstd::stream::{read, write};

    use super::super::output::Output;

    pub(in super::super) fn compress(block: &[u8], level: Option<i32>, out: Vec<u8>) -> io::Result<Vec<u8>> {
        // The library takes 0 for its default.
        let mut encoder = write::Encoder::new(out, level.unwrap_or(0))?;
        encoder.set_pledged_src_size(Some(block.len() as u64))?;
        encoder.write_all(block)?;
        encoder.finish()
    }

    pub(in super::super) fn decompress(block: &[u8], out: &mut Output) -> io::Result<()> {
        let mut decoder = read::Decoder::with_buffer(block)?;
        decoder.window_log_max(out.max_window().ilog2())?;
        out.read(decoder)
    }
}
