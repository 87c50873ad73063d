use std::fmt;

use super::Compression;

/// What is wrong with a batch or with one of its records.
///
/// While reading, every variant but [`CodecNotCompiled`](Self::CodecNotCompiled) and [`TooLarge`](Self::TooLarge) means that the bytes
/// are damaged or that their writer is at fault; reading them again gives the same answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum RecordError {
    /// The bytes end inside a batch.
    Truncated,
    /// The batch length in the header is less than a header needs.
    BadBatchLength(i32),
    /// The batch is of a message format that Kafka does not have (yet).
    UnsupportedMagic(i8),
    /// The CRC in the header is not that of the batch.
    Crc {
        /// The header's.
        stored: u32,
        /// That of the bytes.
        computed: u32,
    },
    /// The last offset delta is negative, or the last offset would pass the largest one.
    BadLastOffset {
        /// The header's base offset.
        base_offset: i64,
        /// The header's last offset delta.
        last_offset_delta: i32,
    },
    /// The offset of a message set's entry is negative, or there is none behind it.
    BadOffset(i64),
    /// The record count is negative, or the block ends before that many records, or could not hold them.
    BadCount {
        /// The header's count.
        count: i32,
    },
    /// Bytes are left behind the last record.
    TrailingBytes(usize),
    /// A record breaks the format.
    BadRecord {
        /// The record's position in the batch, from 0.
        index: u32,
        /// What is wrong with it.
        what: Malformed,
    },
    /// The attributes name a codec that Kafka does not have.
    UnknownCodec(i8),
    /// The codec's cargo feature (`gzip`, `snappy`, `lz4`, `zstd`) is off in this build.
    CodecNotCompiled(Compression),
    /// The codec has no such level, or no levels in this build.
    BadLevel {
        /// The codec.
        codec: Compression,
        /// The level asked for.
        level: i32,
    },
    /// The codec refused the block.
    Decompress {
        /// The codec.
        codec: Compression,
        /// The codec's own words.
        reason: String,
    },
    /// The codec could not compress the block.
    Compress {
        /// The codec.
        codec: Compression,
        /// The codec's own words.
        reason: String,
    },
    /// The block decompresses to more than the limit.
    TooLarge {
        /// [`Limits::max_decompressed_bytes`](super::Limits::max_decompressed_bytes).
        limit: usize,
    },
    /// A batch has what formats v0 and v1 cannot express.
    NeedsV2 {
        /// The format that was asked for.
        magic: i8,
        /// What it has no place for.
        what: V2Only,
    },
    /// A batch without records, or one larger than its length field can say, cannot be sealed.
    NotSealable {
        /// Records in the batch.
        count: u32,
        /// Its size, header included.
        bytes: usize,
    },
}

/// What only message format v2 has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum V2Only {
    /// Headers of records.
    Headers,
    /// Compression with zstd.
    Zstd,
    /// A producer's numbers, and so idempotence and transactions.
    Producer,
}

impl fmt::Display for V2Only {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Headers => "headers",
            Self::Zstd => "zstd",
            Self::Producer => "idempotence and transactions",
        })
    }
}

/// How a record breaks the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Malformed {
    /// A varint is too long or ends with the record.
    Varint,
    /// The record's length is negative, less than its fields need, or more than the block has left.
    RecordLength,
    /// The offset delta is not above that of the record before, or is above the batch's last.
    OffsetDelta,
    /// The key's length is below -1 or passes the end of the record.
    KeyLength,
    /// The value's length is below -1 or passes the end of the record.
    ValueLength,
    /// The header count is negative, or more than the record can hold.
    HeaderCount,
    /// A header key's length is negative or passes the end of the record.
    HeaderKeyLength,
    /// A header value's length is below -1 or passes the end of the record.
    HeaderValueLength,
    /// The fields end before the record does.
    TrailingBytes,
    /// The CRC-32 of an entry in a compressed message set is not that of the entry.
    Crc,
    /// An entry in a compressed message set is of another format than the set.
    Magic,
    /// An entry in a compressed message set is compressed itself.
    Nested,
    /// The offset of an entry in a compressed message set is negative, not above that of the entry before, or above the set's last.
    Offset,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the bytes end inside a record batch"),
            Self::BadBatchLength(length) => write!(f, "a record batch cannot have the length {length}"),
            Self::UnsupportedMagic(magic) => write!(f, "message format v{magic} is not supported"),
            Self::Crc { stored, computed } => {
                write!(f, "the batch's CRC is {stored:#010x}, that of its bytes {computed:#010x}")
            }
            Self::BadLastOffset { base_offset, last_offset_delta } => {
                write!(f, "no offset is {last_offset_delta} after the batch's base offset {base_offset}")
            }
            Self::BadOffset(offset) => write!(f, "a message cannot have the offset {offset}"),
            Self::BadCount { count } => write!(f, "the batch claims {count} records, which it does not hold"),
            Self::TrailingBytes(bytes) => write!(f, "{bytes} bytes follow the batch's last record"),
            Self::BadRecord { index, what } => write!(f, "record {index} of the batch: {what}"),
            Self::UnknownCodec(id) => write!(f, "there is no compression codec {id}"),
            Self::CodecNotCompiled(codec) => {
                write!(f, "the codec {codec} is not in this build: enable milena-core's feature `{codec}`")
            }
            Self::BadLevel { codec, level } => match codec.levels() {
                Some(levels) => {
                    write!(f, "{codec} has levels {} to {}, not {level}", levels.start(), levels.end())
                }
                None if *codec == Compression::Lz4 => f.write_str(
                    "lz4 has levels with the C library alone: enable milena-core's feature `lz4-c`",
                ),
                None => write!(f, "{codec} has no levels"),
            },
            Self::Decompress { codec, reason } => write!(f, "{codec} cannot decompress the batch: {reason}"),
            Self::Compress { codec, reason } => write!(f, "{codec} cannot compress the batch: {reason}"),
            Self::TooLarge { limit } => {
                write!(f, "the batch decompresses to more than the limit of {limit} bytes")
            }
            Self::NeedsV2 { magic, what } => {
                write!(f, "message format v{magic} has no {what}: that takes brokers of 0.11 or later")
            }
            Self::NotSealable { count, bytes } => {
                write!(f, "a batch of {count} records and {bytes} bytes cannot be sealed")
            }
        }
    }
}

impl std::error::Error for RecordError {}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Varint => "a varint is too long or cut short",
            Self::RecordLength => "its length does not fit the batch",
            Self::OffsetDelta => "its offset delta is out of order or above the batch's last",
            Self::KeyLength => "its key's length does not fit the record",
            Self::ValueLength => "its value's length does not fit the record",
            Self::HeaderCount => "its header count does not fit the record",
            Self::HeaderKeyLength => "a header key's length does not fit the record",
            Self::HeaderValueLength => "a header value's length does not fit the record",
            Self::TrailingBytes => "bytes follow its last field",
            Self::Crc => "its CRC is not that of its bytes",
            Self::Magic => "its message format is not that of the set it is in",
            Self::Nested => "it is compressed, inside a compressed set",
            Self::Offset => "its offset is out of order, negative or above the set's last",
        })
    }
}
