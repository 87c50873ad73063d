use std::io::{self, Write};

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::output::Output;

pub(super) fn compress(block: &[u8], level: Option<i32>, out: Vec<u8>) -> io::Result<Vec<u8>> {
    let level = level.map_or_else(Compression::default, |level| Compression::new(level.unsigned_abs()));
    let mut encoder = GzEncoder::new(out, level);
    encoder.write_all(block)?;
    encoder.finish()
}

pub(super) fn decompress(block: &[u8], out: &mut Output) -> io::Result<()> {
    out.read(MultiGzDecoder::new(block))
}
