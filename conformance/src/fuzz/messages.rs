//! Any request or response, in any version.

use bytes::Bytes;
use milena_core::protocol::{APIS, AnyMessage};

use super::Meter;
use crate::oracle::{Secrets, to_json};

/// The most that decoding may allocate for each byte of input: arrays of the smallest elements there are (a text
/// of no bytes takes one byte, and 32 in memory), doubled on the way.
pub(super) const FACTOR: usize = 100;

/// What arrays reserve before their elements have come, one in another, and an error's words.
pub(super) const RESERVED: usize = 4 * 64 * 1024 + 4096;

/// The first byte says which API, the second which version, and which of request and response.
pub(super) fn run(input: &[u8], meter: Meter) {
    let Some(([api, choice], body)) = input.split_first_chunk() else { return };
    let api = &APIS[usize::from(*api) % APIS.len()];
    let (first, last) = api.versions.clone().into_inner();
    let version = first + i16::from(choice >> 1) % (last - first + 1);
    let message = if choice & 1 == 0 { AnyMessage::request(api.key) } else { AnyMessage::response(api.key) };
    there_and_back(message.expect("every API has both"), version, body, meter);
}

/// What can be decoded can be encoded, and is the same when it is decoded again.
pub(super) fn there_and_back(mut message: AnyMessage, version: i16, body: &[u8], meter: Meter) {
    let body = Bytes::copy_from_slice(body);
    let decoded = meter.within(body.len() * FACTOR + RESERVED, || message.decode(body.clone(), version));
    if let Err(error) = decoded {
        assert!(error.offset <= body.len(), "{error}");
        assert!(!error.to_string().is_empty());
        return;
    }
    let value = to_json(&mut message, version, Secrets::Shown);
    let encoded: Bytes = message.encode(version).expect("what was decoded").concat().into();
    assert_eq!(message.size(version), Ok(encoded.len()));
    assert!(encoded.len() <= body.len(), "varints get shorter, nothing gets longer");
    message.decode(encoded.clone(), version).expect("what was encoded");
    assert_eq!(to_json(&mut message, version, Secrets::Shown).to_string(), value.to_string());
    assert_eq!(message.encode(version).expect("what was decoded").concat(), encoded);
    assert!(format!("{message:?}").starts_with(message.shape().name));
}
