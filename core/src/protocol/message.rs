use super::ApiKey;
use crate::wire::{self, Shape, Struct, Supplier, Visitor, WireError};
use bytes::Bytes;
use std::fmt::Debug;
use std::ops::RangeInclusive;

/// A request, a response or a header.
///
/// Encoding takes `&mut self` because one field list serves both directions; the value is the same
/// afterwards.
pub trait Message: Struct + Default + Clone + Debug + PartialEq + Send + Sync + 'static {
    /// Its name in Kafka's definitions.
    const NAME: &'static str;

    /// Every version there is.
    const VERSIONS: RangeInclusive<i16>;

    /// The first version with compact lengths and tagged fields (KIP-482); `i16::MAX` if there is none.
    const FLEXIBLE: i16;

    /// Name and versions, as the codec wants them.
    const SHAPE: Shape = Shape {
        name: Self::NAME,
        first: *Self::VERSIONS.start(),
        last: *Self::VERSIONS.end(),
        flexible: Self::FLEXIBLE,
    };

    /// The bytes [`encode`](Self::encode) gives, counted.
    ///
    /// # Errors
    ///
    /// Those of encoding.
    fn size(&mut self, version: i16) -> Result<usize, WireError> {
        wire::measure(self, Self::SHAPE, version).map(|measured| measured.len)
    }

    /// The body, without a header: segments to be written one after the other.
    ///
    /// # Errors
    ///
    /// The version does not exist, or cannot say this value: null where it has none, a text too long, a field
    /// that it does not have and that it may not drop.
    fn encode(&mut self, version: i16) -> Result<Vec<Bytes>, WireError> {
        wire::encode(self, Self::SHAPE, version)
    }

    /// The message in `body`, all of it. Bytes and records in it are slices of `body`.
    ///
    /// # Errors
    ///
    /// The bytes are not this message in this version, exactly.
    fn decode(body: Bytes, version: i16) -> Result<Self, WireError> {
        let mut message = Self::default();
        let end = wire::decode(&mut message, Self::SHAPE, version, &body, 0)?;
        wire::finish(Self::SHAPE, version, &body, end)?;
        Ok(message)
    }

    /// Tells a visitor every field that the message has in `version`, tagged ones only where they are not the
    /// default.
    fn visit(&mut self, version: i16, visitor: &mut dyn Visitor) {
        wire::visit(self, Self::SHAPE, version, visitor);
    }

    /// A message whose fields, those that it has in `version`, get their values from a supplier.
    ///
    /// # Errors
    ///
    /// The version does not exist.
    fn supplied(version: i16, supplier: &mut dyn Supplier) -> Result<Self, WireError> {
        let mut message = Self::default();
        wire::fill(&mut message, Self::SHAPE, version, supplier)?;
        Ok(message)
    }
}

/// A request, and what answers it.
pub trait Request: Message {
    /// Its API key.
    const KEY: ApiKey;

    /// The newest version whose layout is final: the most a client negotiates.
    const STABLE: i16 = *Self::VERSIONS.end();

    /// What answers it, in the same version.
    type Response: Message;
}

/// What can be told of every request's type.
#[cfg(feature = "recording")]
pub(crate) trait OfRequest {
    type Told;

    fn of<R: Request>() -> Self::Told;
}

/// What there is to know of an API without its messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    /// Its key.
    pub key: ApiKey,
    /// Every version there is.
    pub versions: RangeInclusive<i16>,
    /// The newest version whose layout is final.
    pub stable: i16,
    /// The first flexible version.
    pub flexible: i16,
}

impl Api {
    pub(super) const fn of<R: Request>() -> Self {
        Self { key: R::KEY, versions: R::VERSIONS, stable: R::STABLE, flexible: R::FLEXIBLE }
    }
}
