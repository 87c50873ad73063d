use super::Message;
use crate::wire::{self, Shape, Struct, Supplier, Visitor, WireError};
use bytes::Bytes;
use std::fmt;

/// A message whose type is known at run time only: for tools that look at any traffic, such as proxies, request
/// logs and fuzzers.
///
/// Those who don't use it don't pay for it: nothing else refers to the table behind
/// [`request`](Self::request) and [`response`](Self::response).
///
/// ```
/// use milena_core::protocol::{AnyMessage, ApiKey};
///
/// let mut request = AnyMessage::request(ApiKey::HEARTBEAT).unwrap();
/// request.decode(b"\0\x01g\0\0\0\x07\0\x01m".to_vec().into(), 0)?;
/// assert_eq!(format!("{request:?}"), r#"HeartbeatRequest { group_id: "g", generation_id: 7, member_id: "m" }"#);
/// # Ok::<(), milena_core::wire::WireError>(())
/// ```
pub struct AnyMessage {
    message: Box<dyn Struct + Send>,
    fresh: fn() -> Box<dyn Struct + Send>,
    shape: Shape,
}

impl AnyMessage {
    /// A message of that type, all fields at their defaults.
    pub fn of<M: Message>() -> Self {
        let fresh = || -> Box<dyn Struct + Send> { Box::new(M::default()) };
        Self { message: fresh(), fresh, shape: M::SHAPE }
    }

    /// Its name and its versions.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Replaces it by the message in `body`, all of it.
    ///
    /// # Errors
    ///
    /// The bytes are not this message in this version, exactly.
    pub fn decode(&mut self, body: Bytes, version: i16) -> Result<(), WireError> {
        self.message = (self.fresh)();
        let end = wire::decode(&mut *self.message, self.shape, version, &body, 0)?;
        wire::finish(self.shape, version, &body, end)
    }

    /// The body, without a header: segments to be written one after the other.
    ///
    /// # Errors
    ///
    /// Those of [`Message::encode`].
    pub fn encode(&mut self, version: i16) -> Result<Vec<Bytes>, WireError> {
        wire::encode(&mut *self.message, self.shape, version)
    }

    /// The bytes [`encode`](Self::encode) gives, counted.
    ///
    /// # Errors
    ///
    /// Those of encoding.
    pub fn size(&mut self, version: i16) -> Result<usize, WireError> {
        wire::measure(&mut *self.message, self.shape, version).map(|measured| measured.len)
    }

    /// Tells a visitor every field that the message has in `version`, tagged ones only where they are not the
    /// default.
    pub fn visit(&mut self, version: i16, visitor: &mut dyn Visitor) {
        wire::visit(&mut *self.message, self.shape, version, visitor);
    }

    /// Replaces it by a message whose fields, those that it has in `version`, get their values from a supplier.
    ///
    /// # Errors
    ///
    /// The version does not exist.
    pub fn supply(&mut self, version: i16, supplier: &mut dyn Supplier) -> Result<(), WireError> {
        self.message = (self.fresh)();
        wire::fill(&mut *self.message, self.shape, version, supplier)
    }
}

impl fmt::Debug for AnyMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.message, f)
    }
}
