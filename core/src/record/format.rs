//! In which form a batch is written: message format, codec, level.

use std::ops::RangeInclusive;

use super::{Compression, RecordError};

/// A message format, by its magic.
///
/// A broker tells by the versions of Produce which ones it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum MessageFormat {
    /// Up to Kafka 0.9: no timestamps.
    V0,
    /// Kafka 0.10 ([KIP-31], [KIP-32]): timestamps, and relative offsets in compressed sets.
    ///
    /// [KIP-31]: https://cwiki.apache.org/confluence/display/KAFKA/KIP-31+-+Move+to+relative+offsets+in+compressed+message+sets
    /// [KIP-32]: https://cwiki.apache.org/confluence/display/KAFKA/KIP-32+-+Add+timestamps+to+Kafka+message
    V1,
    /// Since Kafka 0.11 ([KIP-98]): record batches, with headers, idempotence and transactions.
    ///
    /// [KIP-98]: https://cwiki.apache.org/confluence/display/KAFKA/KIP-98+-+Exactly+Once+Delivery+and+Transactional+Messaging
    #[default]
    V2,
}

impl MessageFormat {
    /// Every format, the newest first.
    pub const ALL: [Self; 3] = [Self::V2, Self::V1, Self::V0];

    /// The number in the batch.
    #[must_use]
    pub const fn magic(self) -> i8 {
        match self {
            Self::V0 => 0,
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }

    /// The versions of Produce that carry the format.
    #[must_use]
    pub const fn produce_versions(self) -> RangeInclusive<i16> {
        match self {
            Self::V0 => 0..=1,
            Self::V1 => 2..=2,
            Self::V2 => 3..=i16::MAX,
        }
    }

    /// The newest format for a broker that speaks Produce in these versions, if any.
    #[must_use]
    pub fn for_produce(versions: (i16, i16)) -> Option<Self> {
        let fits = |range: &RangeInclusive<i16>| *range.start() <= versions.1 && versions.0 <= *range.end();
        Self::ALL.into_iter().find(|format| fits(&format.produce_versions()))
    }
}

/// The form in which a batch is sealed: a [`Compression`] converts into it, for format v2 at the codec's default level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Encoding {
    /// The message format.
    pub format: MessageFormat,
    /// The codec.
    pub compression: Compression,
    /// The codec's level, within [`Compression::levels`]; `None` for its default.
    pub level: Option<i32>,
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
}

impl From<Compression> for Encoding {
    fn from(compression: Compression) -> Self {
        Self { compression, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_format_that_a_broker_takes() {
        let cases = [
            ((0, 13), Some(MessageFormat::V2)),
            ((3, 3), Some(MessageFormat::V2)),
            ((0, 2), Some(MessageFormat::V1)),
            ((2, 2), Some(MessageFormat::V1)),
            ((0, 1), Some(MessageFormat::V0)),
            ((1, 1), Some(MessageFormat::V0)),
            ((-5, -1), None),
            ((3, 2), None),
        ];
        for (versions, format) in cases {
            assert_eq!(MessageFormat::for_produce(versions), format, "{versions:?}");
        }
        for format in MessageFormat::ALL {
            let versions = format.produce_versions();
            assert_eq!(MessageFormat::for_produce((*versions.start(), *versions.end())), Some(format));
        }
    }
}
