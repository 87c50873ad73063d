//! Lines of `messages`: kind, API key, name, version, the body in hex, what it says as JSON.

use bytes::Bytes;
use milena_core::protocol::consumer_protocol::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use milena_core::protocol::control_record::{
    ControlRecordTypeSchema, EndTxnMarker, KRaftVersionRecord, LeaderChangeMessage, SnapshotFooterRecord,
    SnapshotHeaderRecord, VotersRecord,
};
use milena_core::protocol::{AnyMessage, ApiKey, Message, RequestHeader, ResponseHeader};

use super::{Checked, Secrets, columns, difference, number, to_json, unhex};

/// A message's type by what a line says of it; none for what only brokers and controllers say to each other.
pub(super) fn find(kind: &str, key: ApiKey, name: &str) -> Result<Option<AnyMessage>, String> {
    macro_rules! named {
        ($($message:ident)*) => {
            match name {
                $($message::NAME => Some(AnyMessage::of::<$message>()),)*
                _ => None,
            }
        };
    }
    let message = match kind {
        "request" => AnyMessage::request(key),
        "response" => AnyMessage::response(key),
        "header" => named!(RequestHeader ResponseHeader),
        "data" => named!(
            ConsumerProtocolSubscription ConsumerProtocolAssignment ControlRecordTypeSchema EndTxnMarker
            LeaderChangeMessage SnapshotHeaderRecord SnapshotFooterRecord KRaftVersionRecord VotersRecord
        ),
        _ => return Err(format!("{kind:?} is none of request, response, header and data")),
    };
    match message {
        Some(message) if message.shape().name != name => {
            Err(format!("the {kind} of {key} is {}, not {name}", message.shape().name))
        }
        None if matches!(kind, "header" | "data") || key.name() == "UNKNOWN" => {
            Err(format!("there is no {kind} {name} with key {}", key.0))
        }
        message => Ok(message),
    }
}

pub(super) fn check(line: &[&str]) -> Result<Checked, String> {
    let [kind, key, name, version, hex, json] = columns(line)?;
    let (key, version): (i16, i16) = (number(key)?, number(version)?);
    let Some(mut message) = find(kind, ApiKey(key), name)? else { return Ok(Checked::Skipped) };
    let failed = |what: String| format!("{kind} {name} version {version} (key {key}): {what}");
    let bytes = Bytes::from(unhex(hex).map_err(failed)?);
    let expected = serde_json::from_str(json).map_err(|error| failed(format!("bad JSON: {error}")))?;
    there_and_back(&mut message, version, &bytes, &expected).map_err(failed)?;
    Ok(Checked::Agrees)
}

/// Bytes to value, which must be the expected one, and value to the very same bytes.
pub(super) fn there_and_back(
    message: &mut AnyMessage,
    version: i16,
    bytes: &Bytes,
    expected: &serde_json::Value,
) -> Result<(), String> {
    message.decode(bytes.clone(), version).map_err(|error| format!("decoding: {error}"))?;
    if let Some(difference) = difference(&to_json(message, version, Secrets::Shown), expected) {
        return Err(format!("decoding: {difference}"));
    }
    let size = message.size(version).map_err(|error| format!("measuring: {error}"))?;
    let encoded = message.encode(version).map_err(|error| format!("encoding: {error}"))?.concat();
    if size != encoded.len() {
        return Err(format!("measuring: {size} bytes, but {} are encoded", encoded.len()));
    }
    if encoded != *bytes {
        let at = encoded.iter().zip(bytes).take_while(|(own, other)| own == other).count();
        return Err(format!(
            "encoding: {} bytes, Java has {}; they differ from byte {at} on",
            encoded.len(),
            bytes.len()
        ));
    }
    Ok(())
}
