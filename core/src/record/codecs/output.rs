use std::io::{self, Read};

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
    /// Nothing yet, of at most `limit` bytes.
    pub(super) fn new(limit: usize, expected: usize) -> Self {
        Self { bytes: Vec::new(), limit, expected, passed: false }
    }

    /// Whether there is more than the limit.
    pub(super) fn is_past_limit(&self) -> bool {
        self.passed || self.bytes.len() > self.limit
    }

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
