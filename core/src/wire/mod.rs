//! Bytes to values and back: Kafka's primitive types, the one codec every message goes through, and frames.
//!
//! * [`Codec`] walks a message's field list in one of five directions: measure, encode, decode, visit, fill.
//! * [`Field`] is one line of a message's specification; [`Value`] and [`Struct`] are what has a wire form.
//! * [`Framer`] cuts a byte stream into frames, [`Frame`] is a message ready to be sent.
//!
//! Nothing in here knows any particular message: those are in [`protocol`](crate::protocol).

mod codec;
mod error;
mod field;
mod frame;
mod framer;
mod packed;
mod text;
mod uuid;
mod value;
mod varint;
mod visitor;

pub(crate) use codec::finish;
pub use codec::{Codec, Measured, Shape, Struct, Value, decode, encode, fill, measure, visit, visit_all};
pub use error::{WireError, WireFault};
pub use field::{Field, Initial, TaggedField};
pub use frame::{Frame, FrameError, LooksLike, SendQueue};
pub use framer::Framer;
pub use packed::{Element, Iter, Packed};
pub use text::Str;
pub use uuid::{ParseUuidError, Uuid};
pub use varint::{
    VarintError, put_uvarint, put_varint, put_varlong, read_uvarint, read_varint, read_varlong, uvarint_len,
    varint_len, varlong_len,
};
pub use visitor::{Event, Supplier, Visitor};
