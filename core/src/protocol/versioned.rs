//! Messages that travel inside others: an int16 says their version, the message follows.

use super::Message;
use crate::wire::{self, WireError, WireFault};
use bytes::{BufMut, Bytes, BytesMut};

/// The message behind its version.
///
/// # Errors
///
/// Those of [`Message::encode`].
pub fn encode_versioned<M: Message>(message: &mut M, version: i16) -> Result<Bytes, WireError> {
    let segments = message.encode(version)?;
    let mut bytes = BytesMut::with_capacity(2 + segments.iter().map(Bytes::len).sum::<usize>());
    bytes.put_i16(version);
    segments.into_iter().for_each(|segment| bytes.put(segment));
    Ok(bytes.freeze())
}

/// The message in `bytes`, and the version they name.
///
/// Bytes that follow the message are left alone, and a version newer than this release knows is read as the
/// newest one it knows: such messages only ever grow at their end, and another client of a newer release must
/// not be unreadable for this one.
///
/// # Errors
///
/// The version is negative, or the bytes are not this message.
pub fn decode_versioned<M: Message>(bytes: &Bytes) -> Result<(M, i16), WireError> {
    let fault = |fault| WireError { message: M::NAME, version: -1, field: String::new(), offset: 0, fault };
    let version = match bytes.first_chunk() {
        Some(prefix) => i16::from_be_bytes(*prefix),
        None => return Err(fault(WireFault::Truncated { needed: 2, remaining: bytes.len() })),
    };
    if version < 0 {
        return Err(WireError { version, ..fault(WireFault::UnknownVersion { known: M::VERSIONS }) });
    }
    let known = version.min(*M::VERSIONS.end());
    let mut message = M::default();
    wire::decode(&mut message, M::SHAPE, known, bytes, 2)?;
    Ok((message, version))
}
