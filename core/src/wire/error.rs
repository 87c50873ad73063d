use std::fmt;
use std::ops::RangeInclusive;

/// Text of the program itself. Written out, serde would borrow it from what it reads.
type Text = &'static str;

/// Why a message could not be encoded or decoded.
///
/// From decoding it is the sender's fault: the bytes are not the message they claim to be. From encoding it
/// is the caller's: the value cannot be said in that version.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct WireError {
    /// The message's name, such as `FetchResponse`.
    #[cfg_attr(feature = "recording", serde(deserialize_with = "crate::saved::text"))]
    pub message: Text,
    /// The version it was to be in.
    pub version: i16,
    /// The way to the field, such as `responses[2].partitions[0].records`; empty for the message as a whole.
    pub field: String,
    /// Byte offset in the frame (after its length prefix) or, without a frame, in the body.
    pub offset: usize,
    /// What is wrong there.
    pub fault: WireFault,
}

/// What is wrong with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum WireFault {
    /// The message has no such version.
    UnknownVersion {
        /// The versions it has.
        known: RangeInclusive<i16>,
    },
    /// The input ends too early.
    Truncated {
        /// Bytes the value takes.
        needed: usize,
        /// Bytes that are left.
        remaining: usize,
    },
    /// Bytes are left over after the message.
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// A variable-length integer ends too early or has more than 32 bits.
    BadVarint,
    /// A length below -1.
    NegativeLength(i32),
    /// Null, in a field or version where null is not allowed.
    UnexpectedNull,
    /// Text that is not UTF-8.
    InvalidUtf8,
    /// A boolean that is neither 0 nor 1.
    InvalidBool(u8),
    /// A nullable struct that is neither absent (-1) nor present (1).
    InvalidMarker(i8),
    /// An array of more elements than the bytes that are left could hold.
    ArrayTooLong {
        /// Elements announced.
        count: usize,
        /// Bytes that are left.
        remaining: usize,
    },
    /// A tag that is not higher than the one before it.
    TagOrder {
        /// The tag.
        tag: u32,
        /// The tag before it.
        previous: u32,
    },
    /// A tagged field whose value is not as long as its size says.
    TagSize {
        /// The tag.
        tag: u32,
        /// Bytes announced.
        size: usize,
        /// Bytes its value takes.
        used: usize,
    },
    /// A field has a value, and the version has no such field and may not drop it silently.
    NotInVersion,
    /// A value is longer than its length field can say.
    TooLong {
        /// Its length, in bytes or elements.
        length: usize,
        /// The most there may be.
        limit: usize,
    },
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} version {}", self.message, self.version)?;
        if !self.field.is_empty() {
            write!(f, ", field {}", self.field)?;
        }
        write!(f, ", byte {}: {}", self.offset, self.fault)
    }
}

impl fmt::Display for WireFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownVersion { known } => {
                write!(f, "no such version, known are {} to {}", known.start(), known.end())
            }
            Self::Truncated { needed, remaining } => write!(f, "{needed} bytes needed, {remaining} left"),
            Self::TrailingBytes { count } => write!(f, "{count} bytes left over"),
            Self::BadVarint => f.write_str("bad variable-length integer"),
            Self::NegativeLength(length) => write!(f, "negative length {length}"),
            Self::UnexpectedNull => f.write_str("null is not allowed"),
            Self::InvalidUtf8 => f.write_str("text is not UTF-8"),
            Self::InvalidBool(byte) => write!(f, "{byte} is not a boolean"),
            Self::InvalidMarker(byte) => {
                write!(f, "{byte} is neither an absent (-1) nor a present (1) struct")
            }
            Self::ArrayTooLong { count, remaining } => {
                write!(f, "{count} elements announced, {remaining} bytes left")
            }
            Self::TagOrder { tag, previous } => write!(f, "tag {tag} after tag {previous}"),
            Self::TagSize { tag, size, used } => write!(f, "tag {tag} takes {used} bytes, not {size}"),
            Self::NotInVersion => {
                f.write_str("this version has no such field, and its value is not the default")
            }
            Self::TooLong { length, limit } => write!(f, "length {length}, at most {limit} allowed"),
        }
    }
}

impl std::error::Error for WireError {}
