//! Record batches: what a `records` field holds, written and read lazily.
//!
//! One batch (message format v2, [KIP-98]) is a header of 61 bytes and a block of records, the block compressed or not:
//!
//! ```text
//!  0  base offset       i64      21  attributes         i16      43  producer id     i64
//!  8  batch length      i32      23  last offset delta  i32      51  producer epoch  i16
//! 12  leader epoch      i32      27  base timestamp     i64      53  base sequence   i32
//! 16  magic             i8       35  max timestamp      i64      57  record count    i32
//! 17  CRC-32C           u32      (the CRC covers 21 to the end)  61  records
//! ```
//!
//! - Writing: [`BatchBuilder`] appends records in their final form; sealing fills in the header.
//! - Reading: [`Batches`] walks a `records` field by the headers alone; [`Batch::verify_crc`] and [`Batch::records`] do the work, so that it
//!   runs on the reader's thread; [`RecordCursor`] lends or hands out the records.
//! - A broker's part: [`set_base_offset`], [`set_log_append_time`], [`end_transaction_marker`].
//!
//! Everything read here came from a peer: lengths and counts are checked against the bytes that are there, and decompression stops at
//! [`Limits::max_decompressed_bytes`].
//!
//! [KIP-98]: https://cwiki.apache.org/confluence/display/KAFKA/KIP-98+-+Exactly+Once+Delivery+and+Transactional+Messaging

mod batch;
mod broker;
mod builder;
mod compression;
mod cursor;
mod error;
mod format;
mod legacy;
#[cfg(any(feature = "lz4", feature = "lz4-c"))]
mod lz4;
#[cfg(feature = "snappy")]
mod snappy;
#[cfg(test)]
mod tests;
mod varint;

pub use batch::{Batch, Batches, Limits, TimestampType, increment_sequence};
pub use broker::{ControlType, end_transaction_marker, set_base_offset, set_log_append_time};
pub use builder::{BatchBuilder, Header, Producer, restamp};
pub use compression::{Compression, UnknownCompression};
pub use cursor::{HeaderIter, HeaderRef, Headers, Record, RecordCursor, RecordRef};
pub use error::{Malformed, RecordError, V2Only};
pub use format::{Encoding, MessageFormat};
