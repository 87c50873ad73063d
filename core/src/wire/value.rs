//! How each type that a field can have drives the codec.

use super::codec::Quick;
use super::{Codec, Event, Field, Initial, Str, Struct, Uuid, Value};
use bytes::Bytes;
use std::mem;

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
