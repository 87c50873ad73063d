use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// The compression of a batch's records: `compression.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
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
}
