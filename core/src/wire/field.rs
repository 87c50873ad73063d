use bytes::Bytes;

/// One line of a message's specification: what a field is called, and where and how it is on the wire.
///
/// Messages state these with the macros of [`protocol`](crate::protocol); a table that contradicts itself
/// does not compile.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub(super) name: &'static str,
    pub(super) versions: Versions,
    /// Those where it is one of the body's: none of a tagged field.
    pub(super) body: Versions,
    pub(super) nullable: Versions,
    pub(super) tag: Option<u32>,
    pub(super) ignorable: bool,
    pub(super) plain: bool,
    pub(super) secret: bool,
    pub(super) initial: Initial,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Versions {
    first: i16,
    last: i16,
}

impl Versions {
    const NONE: Self = Self { first: 0, last: -1 };

    #[inline(always)]
    pub(super) const fn contain(self, version: i16) -> bool {
        self.first <= version && version <= self.last
    }
}

/// A field's value where it is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initial {
    /// 0, false, empty, the zero uuid, a struct of defaults.
    Zero,
    /// Null.
    Null,
    /// A number; 1 is true.
    Int(i64),
}

impl Field {
    /// Stands for a message as a whole where a visitor is told of it: it has no name.
    pub const MESSAGE: &'static Self = &Self::new("");

    /// Stands for the tagged fields without a name where a visitor is told of them.
    pub const UNKNOWN_TAGGED_FIELDS: &'static Self = &Self::new("unknown_tagged_fields");

    /// A field that no version has yet.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name: without_raw(name),
            versions: Versions::NONE,
            body: Versions::NONE,
            nullable: Versions::NONE,
            tag: None,
            ignorable: false,
            plain: false,
            secret: false,
            initial: Initial::Zero,
        }
    }

    /// It exists in the versions `first` to `last`.
    pub const fn versions(mut self, first: i16, last: i16) -> Self {
        self.versions = Versions { first, last };
        self.body = self.versions;
        self
    }

    /// It may be null in the versions `first` to `last`.
    pub const fn nullable(mut self, first: i16, last: i16) -> Self {
        self.nullable = Versions { first, last };
        self
    }

    /// It is a tagged field, in all its versions.
    pub const fn tag(mut self, tag: u32) -> Self {
        self.tag = Some(tag);
        self.body = Versions::NONE;
        self
    }

    /// A version without it may drop its value silently.
    pub const fn ignorable(mut self) -> Self {
        self.ignorable = true;
        self
    }

    /// Its length is never compact, not even in flexible versions: the request header's client id.
    pub const fn plain(mut self) -> Self {
        self.plain = true;
        self
    }

    /// It may hold a password or a key: what prints messages leaves it out.
    pub const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Its value where it is absent.
    pub const fn default(mut self, initial: Initial) -> Self {
        self.initial = initial;
        self
    }

    /// The field's name, as in its struct.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it may hold a password or a key, which must not be printed.
    pub const fn is_secret(&self) -> bool {
        self.secret
    }

    /// The default its specification states.
    pub const fn initial(&self) -> Initial {
        self.initial
    }

    pub(super) const fn is_nullable(&self, version: i16) -> bool {
        self.nullable.contain(version)
    }

    /// Checks a struct's list at compile time, and says whether any field of it is tagged.
    ///
    /// # Panics
    ///
    /// If tags don't rise down the list: the codec merges known and unknown tags in one pass and relies on
    /// it.
    pub const fn any_tagged(fields: &[Self]) -> bool {
        let mut previous = None;
        let mut index = 0;
        while index < fields.len() {
            let field = &fields[index];
            assert!(
                field.versions.first >= 0 && field.versions.first <= field.versions.last,
                "empty versions"
            );
            if let Some(tag) = field.tag {
                if let Some(previous) = previous {
                    assert!(tag > previous, "tags must rise");
                }
                previous = field.tag;
            }
            index += 1;
        }
        previous.is_some()
    }
}

/// A name without the `r#` that it has in Rust where it is a keyword.
const fn without_raw(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', ..] => name.split_at(2).1,
        _ => name,
    }
}

/// A tagged field this release has no name for: kept, and written back where it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaggedField {
    /// Its number, unique in its struct.
    pub tag: u32,
    /// Its value's bytes.
    pub data: Bytes,
}
