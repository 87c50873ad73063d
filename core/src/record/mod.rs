//! Record batches and message sets: what a `records` field holds, written and read lazily.
//!
//! One batch of message format v2 ([KIP-98]) is a header of 61 bytes and a block of records, the block compressed or not:
//!
//! ```text
//!  0  base offset       i64      21  attributes         i16      43  producer id     i64
//!  8  batch length      i32      23  last offset delta  i32      51  producer epoch  i16
//! 12  leader epoch      i32      27  base timestamp     i64      53  base sequence   i32
//! 16  magic             i8       35  max timestamp      i64      57  record count    i32
//! 17  CRC-32C           u32      (the CRC covers 21 to the end)  61  records
//! ```
//!
//! In formats v0 (up to Kafka 0.9) and v1 (0.10, [KIP-32]) there are entries of one record each, one behind the other:
//!
//! ```text
//!     v0                     v1
//!  0  offset       i64    0  offset       i64     A key or value is its length, i32, -1 for null, and its bytes.
//!  8  size         i32    8  size         i32     Attributes: bits 0 to 2 are the codec; in v1 bit 3 means that the
//! 12  CRC-32       u32   12  CRC-32       u32     timestamp is the broker's.
//! 16  magic        i8    16  magic        i8
//! 17  attributes   i8    17  attributes   i8      (the CRC covers 16 to the end)
//! 18  key                18  timestamp    i64
//!     value              26  key
//!                            value
//! ```
//!
//! An entry with a codec is a wrapper: its value is a compressed message set of the same format, and its offset the last one in there. Inside,
//! offsets are absolute in v0; in v1 only their distance from the last counts, and a broker's timestamp in the wrapper is that of all.
//! Sets inside of sets are refused: no writer makes them. Each entry reads as a [`Batch`] of its own.
//!
//! - Writing: [`BatchBuilder`] appends records in the final form of v2; sealing fills in the header, or converts to an older format.
//! - Reading: [`Batches`] walks a `records` field by the headers alone, the formats in any order; [`Batch::verify_crc`] and
//!   [`Batch::records`] do the work, so that it runs on the reader's thread; [`RecordCursor`] lends or hands out the records.
//! - A broker's part: [`set_base_offset`], [`set_log_append_time`], [`retain_records`], [`end_transaction_marker`].
//!
//! Everything read here came from a peer: lengths and counts are checked against the bytes that are there, and decompression stops at
//! [`Limits::max_decompressed_bytes`].
//!
//! [KIP-32]: https://cwiki.apache.org/confluence/display/KAFKA/KIP-32+-+Add+timestamps+to+Kafka+message
//! [KIP-98]: https://cwiki.apache.org/confluence/display/KAFKA/KIP-98+-+Exactly+Once+Delivery+and+Transactional+Messaging

mod batch;
mod broker;
mod builder;
mod codecs;
mod compression;
mod cursor;
mod entries;
mod error;
mod format;
mod header;
mod legacy;
#[cfg(feature = "recording")]
mod outline;
mod records;
#[cfg(test)]
mod tests;
mod varint;

pub use batch::{Batch, Batches, Limits, TimestampType, increment_sequence};
pub use broker::{ControlType, end_transaction_marker, retain_records, set_base_offset, set_log_append_time};
pub use builder::{BatchBuilder, Header, Producer, restamp};
pub use compression::{Compression, UnknownCompression};
pub use cursor::RecordCursor;
pub use error::{Malformed, RecordError, V2Only};
pub use format::{Encoding, MessageFormat};
#[cfg(feature = "recording")]
pub(crate) use outline::{outline, outlined};
pub use records::{HeaderIter, HeaderRef, Headers, Record, RecordRef};
