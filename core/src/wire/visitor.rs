//! Who is told of every field that a message has, and who gives every field its value: the codec walks for both.

use super::{Field, Str, TaggedField, Uuid};
use bytes::Bytes;

/// Told every field that a message has in one version, in order.
pub trait Visitor {
    /// A field (an array's elements have the array's) and its value, or where a struct or an array begins or
    /// ends. The message itself is a struct, of [`Field::MESSAGE`].
    fn event(&mut self, field: &'static Field, event: Event<'_>);
}

/// Gives every field that a message has in one version its value, in order: the other way of a [`Visitor`], to
/// make messages by chance or from another notation.
pub trait Supplier {
    /// A number, a boolean, a float or a uuid: `bytes` are its bytes on the wire, to be replaced; `current`
    /// tells its type and its default.
    fn fixed(&mut self, field: &'static Field, current: Event<'_>, bytes: &mut [u8]);

    /// Text; null only where that is allowed.
    fn text(&mut self, field: &'static Field, may_be_null: bool) -> Option<Str>;

    /// Bytes or records; null only where that is allowed.
    fn bytes(&mut self, field: &'static Field, may_be_null: bool) -> Option<Bytes>;

    /// How many elements an array has; null only where that is allowed.
    fn count(&mut self, field: &'static Field, may_be_null: bool) -> Option<usize>;

    /// Whether a tagged field has another value than its default, or a struct that may be null is there.
    fn is_present(&mut self, field: &'static Field) -> bool;

    /// The tagged fields without a name, by rising tag, none of which is one that the struct knows.
    fn unknown_tagged_fields(&mut self) -> Vec<TaggedField>;
}

/// What a [`Visitor`] meets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event<'a> {
    /// Null.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer of any width.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// Text.
    Text(&'a str),
    /// Bytes or records.
    Bytes(&'a Bytes),
    /// A uuid.
    Uuid(Uuid),
    /// A struct begins.
    BeginStruct,
    /// A struct ends.
    EndStruct,
    /// An array of so many elements begins.
    BeginArray(usize),
    /// An array ends.
    EndArray,
    /// The tagged fields without a name; left out where there are none.
    Tags(&'a [TaggedField]),
}
