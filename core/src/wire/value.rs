//! What has a wire form, and how each type drives the codec.

use super::codec::Quick;
use super::{Codec, Field, Initial, Str, TaggedField, Uuid};
use bytes::Bytes;
use std::mem;

/// A type that a field can have.
pub trait Value {
    /// The value of a field that is absent.
    fn initial(field: &Field) -> Self
    where
        Self: Sized;

    /// Whether it is the value of a field that is absent.
    fn is_initial(&self, field: &Field) -> bool;

    /// Does with the value what the codec does: measures, encodes, visits, or replaces it by what it decodes.
    fn code(&mut self, codec: &mut Codec<'_>, field: &'static Field);

    /// One line of a struct's field list: [`code`](Self::code) if the codec's version has the field and now is its
    /// turn.
    fn field(&mut self, codec: &mut Codec<'_>, field: &'static Field)
    where
        Self: Sized,
    {
        match codec.quick(field) {
            Quick::Skip => {}
            Quick::No => codec.field(field, self),
            Quick::Measure | Quick::Encode | Quick::Decode => {
                self.code(codec, field);
                codec.blame(field);
            }
        }
    }
}

/// A message, or a struct in one: a list of fields.
pub trait Struct: std::fmt::Debug {
    /// Calls [`Value::field`] of every field, in the order of its specification.
    fn walk(&mut self, codec: &mut Codec<'_>);

    /// Whether any of its fields is tagged.
    fn any_tagged(&self) -> bool;

    /// Tagged fields this release has no name for, by rising tag.
    fn unknown_tagged_fields(&mut self) -> &mut Vec<TaggedField>;

    /// How long the broker asks its client to pause, in ms; 0 in structs that don't say.
    fn throttle_time_ms(&self) -> i32;

    /// Has the client pause, where the struct can say so.
    fn set_throttle_time_ms(&mut self, time_ms: i32);
}

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

macro_rules! integers {
    ($($type:ty)*) => { $(
        impl Value for $type {
            fn initial(field: &Field) -> Self {
                match field.initial() {
                    // Specifications state defaults as 64-bit numbers that fit the field.
                    Initial::Int(number) => number as Self,
                    Initial::Zero | Initial::Null => 0,
                }
            }

            fn is_initial(&self, field: &Field) -> bool {
                *self == Self::initial(field)
            }

            #[inline(never)]
            fn field(&mut self, codec: &mut Codec<'_>, field: &'static Field) {
                match codec.quick(field) {
                    Quick::Decode => match codec.quick_read() {
                        Some(bytes) => *self = Self::from_be_bytes(bytes),
                        None => codec.field(field, self),
                    },
                    Quick::Encode => codec.quick_write(self.to_be_bytes()),
                    Quick::Measure => codec.quick_measure(size_of::<Self>()),
                    Quick::Skip => {}
                    Quick::No => codec.field(field, self),
                }
            }

            fn code(&mut self, codec: &mut Codec<'_>, field: &'static Field) {
                let mut bytes = self.to_be_bytes();
                codec.fixed(field, &mut bytes, Event::Int((*self).into()));
                *self = Self::from_be_bytes(bytes);
            }
        }
    )* };
}

integers!(i8 i16 u16 i32 i64);

impl Value for bool {
    fn initial(field: &Field) -> Self {
        field.initial() == Initial::Int(1)
    }

    fn is_initial(&self, field: &Field) -> bool {
        *self == Self::initial(field)
    }

    fn code(&mut self, codec: &mut Codec<'_>, field: &'static Field) {
        codec.boolean(field, self);
    }
}

impl Value for f64 {
    fn initial(_: &Field) -> Self {
        0.0
    }

    fn is_initial(&self, _: &Field) -> bool {
        // By bits, as Java compares: -0.0 and NaN are values that must not be lost.
        self.to_bits() == 0
    }

    fn code(&mut self, codec: &mut Codec<'_>, field: &'static Field) {
        let mut bytes = self.to_be_bytes();
        codec.fixed(field, &mut bytes, Event::Float(*self));
        *self = Self::from_be_bytes(bytes);
    }
}

impl Value for Uuid {
    fn initial(_: &Field) -> Self {
        Self::ZERO
    }

    fn is_initial(&self, _: &Field) -> bool {
        self.is_zero()
    }

    #[inline(never)]
    fn field(&mut self, codec: &mut Codec<'_>, field: &'static Field) {
        match codec.quick(field) {
            Quick::Decode => match codec.quick_read() {
                Some(bytes) => *self = Self(bytes),
                None => codec.field(field, self),
            },
            Quick::Encode => codec.quick_write(self.0),
            Quick::Measure => codec.quick_measure(self.0.len()),
            Quick::Skip => {}
            Quick::No => codec.field(field, self),
        }
    }

    fn code(&mut self, codec: &mut Codec<'_>, field: &'static Field) {
        let event = Event::Uuid(*self);
        codec.fixed(field, &mut self.0, event);
    }
}

impl Value for Str {
    fn initial(_: &Field) -> Self {
        Self::default()
    }

    fn is_initial(&self, _: &Field) -> bool {
        self.is_empty()
    }

    fn code(&mut self, codec: &mut Codec<'_>, field: &'static Field) {
        if codec.quick_bytes(field, self.len(), self.as_bytes()) {
            return;
        }
        let mut text = Some(mem::take(self));
        codec.text(field, &mut text, false);
        *self = text.unwrap_or_default();
    }
}

impl Value for Option<Str> {
    fn initial(field: &Field) -> Self {
        unless_null(field)
    }

    fn is_initial(&self, field: &Field) -> bool {
        *self == unless_null(field)
    }

    fn code(&mut self, codec: &mut Codec<'_>, field: &'static Field) {
        codec.text(field, self, true);
    }
}

impl Value for Bytes {
    fn initial(_: &Field) -> Self {
        Self::new()
    }

    fn is_initial(&self, _: &Field) -> bool {
        self.is_empty()
    }

    fn code(&mut self, codec: &mut Codec<'_>, field: &'static Field) {
        let mut bytes = Some(mem::take(self));
        codec.bytes(field, &mut bytes, false);
        *self = bytes.unwrap_or_default();
    }
}

impl Value for Option<Bytes> {
    fn initial(field: &Field) -> Self {
        unless_null(field)
    }

    fn is_initial(&self, field: &Field) -> bool {
        *self == unless_null(field)
    }

    fn code(&mut self, codec: &mut Codec<'_>, field: &'static Field) {
        codec.bytes(field, self, true);
    }
}

impl<T: Value + Default> Value for Vec<T> {
    fn initial(_: &Field) -> Self {
        Self::new()
    }

    fn is_initial(&self, _: &Field) -> bool {
        self.is_empty()
    }

    fn code(&mut self, codec: &mut Codec<'_>, field: &'static Field) {
        if let Some(count) = codec.begin_array(field, Some(self.len()), false) {
            elements(self, codec, field, count);
        }
    }
}

impl<T: Value + Default> Value for Option<Vec<T>> {
    fn initial(field: &Field) -> Self {
        unless_null(field)
    }

    fn is_initial(&self, field: &Field) -> bool {
        match self {
            None => field.initial() == Initial::Null,
            Some(items) => items.is_empty() && field.initial() != Initial::Null,
        }
    }

    fn code(&mut self, codec: &mut Codec<'_>, field: &'static Field) {
        match codec.begin_array(field, self.as_ref().map(Vec::len), true) {
            Some(count) => elements(self.get_or_insert_default(), codec, field, count),
            None if codec.is_replacing() => *self = None,
            None => {}
        }
    }
}

fn elements<T: Value + Default>(
    items: &mut Vec<T>,
    codec: &mut Codec<'_>,
    field: &'static Field,
    count: usize,
) {
    if codec.is_replacing() {
        items.clear();
        items.reserve_exact(codec.reservation(count, size_of::<T>()));
        for index in 0..count {
            items.push(T::default());
            if let Some(item) = items.last_mut() {
                item.code(codec, field);
            }
            if codec.failed_in_element(index) {
                return;
            }
        }
    } else {
        for (index, item) in items.iter_mut().enumerate() {
            item.code(codec, field);
            if codec.failed_in_element(index) {
                return;
            }
        }
    }
    codec.end_array(field);
}

impl<T: Struct + Default + PartialEq> Value for T {
    fn initial(_: &Field) -> Self {
        T::default()
    }

    fn is_initial(&self, _: &Field) -> bool {
        *self == T::default()
    }

    fn code(&mut self, codec: &mut Codec<'_>, field: &'static Field) {
        match codec.quick(field) {
            Quick::Skip | Quick::No => codec.structure(field, self),
            Quick::Measure | Quick::Encode | Quick::Decode => {
                self.walk(codec);
                if !codec.quick_end(self.any_tagged(), self.unknown_tagged_fields()) {
                    codec.end_structure(field, self);
                }
            }
        }
    }
}

impl<T: Struct + Default + PartialEq> Value for Option<T> {
    fn initial(field: &Field) -> Self {
        unless_null(field)
    }

    fn is_initial(&self, field: &Field) -> bool {
        *self == unless_null(field)
    }

    fn code(&mut self, codec: &mut Codec<'_>, field: &'static Field) {
        if codec.begin_nullable(field, self.is_some()) {
            codec.structure(field, self.get_or_insert_default());
        } else if codec.is_replacing() {
            *self = None;
        }
    }
}

fn unless_null<T: Default>(field: &Field) -> Option<T> {
    (field.initial() != Initial::Null).then(T::default)
}
