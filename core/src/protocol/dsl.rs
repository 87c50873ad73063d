//! How messages are written down.
//!
//! ```text
//! request! {
//!     /// What it is for, and which version brought what.
//!     ProduceRequest: PRODUCE -> ProduceResponse, versions 0..=13, flexible 9.. {
//!         /// What the field means.
//!         transactional_id: Option<Str> { 3.., nullable 3.., default null },
//!         /// The topics to append to.
//!         topic_data: Vec<TopicProduceData> { 0.. },
//!     }
//!
//!     /// A struct inside the message.
//!     TopicProduceData {
//!         ...
//!     }
//! }
//! ```
//!
//! A field's line holds its versions and then, in any order, `nullable <versions>`, `tag <number>`,
//! `ignorable`, `plain`, `secret` and `default <null, true or a number>`. A message that never is flexible says
//! `flexible never`; a request whose newest version is not final adds `, stable <newest final version>`.
//!
//! From that come the struct, its default and its one field list, which the codec goes through in every
//! direction.

/// A request and the structs in it.
macro_rules! request {
    (
        $(#[$meta:meta])*
        $name:ident: $key:ident -> $response:ident,
        versions $first:literal ..= $last:literal, flexible $flexible:tt $(..)?
        $(, stable $stable:literal)?
        { $($fields:tt)* }
        $($structs:tt)*
    ) => {
        message! {
            $(#[$meta])*
            $name: versions $first..=$last, flexible $flexible.. { $($fields)* }
            $($structs)*
        }

        impl crate::protocol::Request for $name {
            const KEY: crate::protocol::ApiKey = crate::protocol::ApiKey::$key;
            $(const STABLE: i16 = $stable;)?
            type Response = $response;
        }
    };
}

/// A response or a header, and the structs in it.
macro_rules! message {
    (
        $(#[$meta:meta])*
        $name:ident: versions $first:literal ..= $last:literal, flexible $flexible:tt $(..)?
        { $($fields:tt)* }
        $($structs:tt)*
    ) => {
        structs! {
            $(#[$meta])*
            $name { $($fields)* }
            $($structs)*
        }

        impl crate::protocol::Message for $name {
            const NAME: &'static str = stringify!($name);
            const VERSIONS: std::ops::RangeInclusive<i16> = $first..=$last;
            const FLEXIBLE: i16 = flexible!($flexible);
        }
    };
}

macro_rules! flexible {
    (never) => {
        i16::MAX
    };
    ($first:literal) => {
        $first
    };
}

/// Structs of a message.
macro_rules! structs {
    ($(
        $(#[$meta:meta])*
        $name:ident {
            $( $(#[$field_meta:meta])* $field:ident: $type:ty { $($spec:tt)* } ),* $(,)?
        }
    )*) => { $(
        $(#[$meta])*
        #[derive(Clone, PartialEq)]
        pub struct $name {
            $(
                $(#[$field_meta])*
                #[doc = concat!("\n\nOn the wire: `", stringify!($($spec)*), "`.")]
                pub $field: $type,
            )*
            /// Tagged fields this release has no name for, by rising tag. Only flexible versions have them.
            pub unknown_tagged_fields: Vec<crate::wire::TaggedField>,
        }

        impl $name {
            const FIELDS: &'static [crate::wire::Field; <[&str]>::len(&[$(stringify!($field)),*])] =
                &[$(field!(crate::wire::Field::new(stringify!($field)), $($spec)*)),*];
        }

        impl Default for $name {
            fn default() -> Self {
                let [$($field),*] = Self::FIELDS;
                Self {
                    $($field: crate::wire::Value::initial($field),)*
                    unknown_tagged_fields: Vec::new(),
                }
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                crate::protocol::show(stringify!($name), &mut self.clone(), f)
            }
        }

        impl crate::wire::Struct for $name {
            fn walk(&mut self, codec: &mut crate::wire::Codec<'_>) {
                let [$($field),*] = Self::FIELDS;
                $(crate::wire::Value::field(&mut self.$field, codec, $field);)*
                let _ = codec;
            }

            fn any_tagged(&self) -> bool {
                const { crate::wire::Field::any_tagged(Self::FIELDS) }
            }

            fn unknown_tagged_fields(&mut self) -> &mut Vec<crate::wire::TaggedField> {
                &mut self.unknown_tagged_fields
            }

            fn throttle_time_ms(&self) -> i32 {
                throttle_time!(self; $($field)*)
            }

            fn set_throttle_time_ms(&mut self, time_ms: i32) {
                set_throttle_time!(self, time_ms; $($field)*);
            }
        }
    )* };
}

/// The field that tells how long the broker throttles, if the struct has it.
macro_rules! throttle_time {
    ($this:ident;) => {
        0
    };
    ($this:ident; throttle_time_ms $($rest:ident)*) => {
        $this.throttle_time_ms
    };
    ($this:ident; $other:ident $($rest:ident)*) => {
        throttle_time!($this; $($rest)*)
    };
}

/// Sets that field.
macro_rules! set_throttle_time {
    ($this:ident, $time_ms:ident;) => {
        let _ = $time_ms;
    };
    ($this:ident, $time_ms:ident; throttle_time_ms $($rest:ident)*) => {
        $this.throttle_time_ms = $time_ms;
    };
    ($this:ident, $time_ms:ident; $other:ident $($rest:ident)*) => {
        set_throttle_time!($this, $time_ms; $($rest)*);
    };
}

/// One field's line, step by step.
macro_rules! field {
    ($so_far:expr, $first:literal .. $(, $($rest:tt)*)?) => {
        field!(@ $so_far.versions($first, i16::MAX), $($($rest)*)?)
    };
    ($so_far:expr, $first:literal ..= $last:literal $(, $($rest:tt)*)?) => {
        field!(@ $so_far.versions($first, $last), $($($rest)*)?)
    };
    (@ $so_far:expr,) => {
        $so_far
    };
    (@ $so_far:expr, nullable $first:literal .. $(, $($rest:tt)*)?) => {
        field!(@ $so_far.nullable($first, i16::MAX), $($($rest)*)?)
    };
    (@ $so_far:expr, nullable $first:literal ..= $last:literal $(, $($rest:tt)*)?) => {
        field!(@ $so_far.nullable($first, $last), $($($rest)*)?)
    };
    (@ $so_far:expr, tag $tag:literal $(, $($rest:tt)*)?) => {
        field!(@ $so_far.tag($tag), $($($rest)*)?)
    };
    (@ $so_far:expr, ignorable $(, $($rest:tt)*)?) => {
        field!(@ $so_far.ignorable(), $($($rest)*)?)
    };
    (@ $so_far:expr, plain $(, $($rest:tt)*)?) => {
        field!(@ $so_far.plain(), $($($rest)*)?)
    };
    (@ $so_far:expr, secret $(, $($rest:tt)*)?) => {
        field!(@ $so_far.secret(), $($($rest)*)?)
    };
    (@ $so_far:expr, default null $(, $($rest:tt)*)?) => {
        field!(@ $so_far.default(crate::wire::Initial::Null), $($($rest)*)?)
    };
    (@ $so_far:expr, default true $(, $($rest:tt)*)?) => {
        field!(@ $so_far.default(crate::wire::Initial::Int(1)), $($($rest)*)?)
    };
    (@ $so_far:expr, default $number:literal $(, $($rest:tt)*)?) => {
        field!(@ $so_far.default(crate::wire::Initial::Int($number)), $($($rest)*)?)
    };
}

/// A number with a meaning of its own: on the wire what it wraps.
macro_rules! wire_newtype {
    ($name:ident($inner:ty)) => {
        impl crate::wire::Value for $name {
            fn initial(field: &crate::wire::Field) -> Self {
                Self(crate::wire::Value::initial(field))
            }

            fn is_initial(&self, field: &crate::wire::Field) -> bool {
                self.0.is_initial(field)
            }

            #[inline]
            fn field(&mut self, codec: &mut crate::wire::Codec<'_>, field: &'static crate::wire::Field) {
                crate::wire::Value::field(&mut self.0, codec, field);
            }

            fn code(&mut self, codec: &mut crate::wire::Codec<'_>, field: &'static crate::wire::Field) {
                self.0.code(codec, field);
            }
        }

        impl crate::wire::Element for $name {
            const SIZE: usize = <$inner as crate::wire::Element>::SIZE;

            #[inline]
            fn from_wire(bytes: &[u8]) -> Self {
                Self(crate::wire::Element::from_wire(bytes))
            }

            #[inline]
            fn to_wire(self, bytes: &mut [u8]) {
                crate::wire::Element::to_wire(self.0, bytes);
            }

            fn event(self) -> crate::wire::Event<'static> {
                crate::wire::Element::event(self.0)
            }
        }
    };
}
