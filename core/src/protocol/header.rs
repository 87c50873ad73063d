//! Headers, and messages with them as frames.

use super::{APIS, ApiKey, Message, Request};
use crate::wire::{self, Frame, Str, WireError};
use bytes::Bytes;

message! {
    /// What every request begins with.
    ///
    /// Version 1 is that of requests that are not flexible, version 2 that of flexible ones; version 0,
    /// without a client id, belongs to version 0 of ControlledShutdown alone.
    RequestHeader: versions 0..=2, flexible 2.. {
        /// Which request follows.
        request_api_key: ApiKey { 0.. },
        /// In which version.
        request_api_version: i16 { 0.. },
        /// A number of the client's choice, which the response repeats.
        correlation_id: i32 { 0.. },
        /// The client's name, for the broker's logs, metrics and quotas. Its length is an int16 in every
        /// version, so that a broker can read the header of a version it does not know (KIP-511).
        client_id: Option<Str> { 1.., nullable 1.., plain },
    }
}

message! {
    /// What every response begins with.
    ///
    /// Version 1, with tagged fields, is that of flexible responses. ApiVersions keeps to version 0
    /// (KIP-511): a client that asks before it knows what the broker speaks must be able to read the answer.
    ResponseHeader: versions 0..=1, flexible 1.. {
        /// The request's number.
        correlation_id: i32 { 0.. },
    }
}

/// A request with its header, ready to be sent.
///
/// # Errors
///
/// Those of [`Message::encode`].
pub fn encode_request<R: Request>(
    request: &mut R,
    version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
) -> Result<Frame, WireError> {
    let mut header = RequestHeader {
        request_api_key: R::KEY,
        request_api_version: version,
        correlation_id,
        client_id: client_id.map(Str::from),
        ..RequestHeader::default()
    };
    let header_version = request_header_version(version, R::FLEXIBLE);
    Frame::of(&mut [(&mut header, RequestHeader::SHAPE, header_version), (request, R::SHAPE, version)])
}

/// The header of a request, and the rest of the frame: its body.
///
/// A key or a version this release does not know is read with header version 1, which all later ones begin
/// with, so that a broker can answer it. The body then is not reliable.
///
/// # Errors
///
/// The frame does not begin with a request header.
pub fn decode_request_header(frame: Bytes) -> Result<(RequestHeader, Bytes), WireError> {
    let version = match frame.first_chunk() {
        Some(&[key_high, key_low, version_high, version_low]) => {
            let key = ApiKey(i16::from_be_bytes([key_high, key_low]));
            let version = i16::from_be_bytes([version_high, version_low]);
            APIS.iter()
                .find(|api| api.key == key && api.versions.contains(&version))
                .map_or(1, |api| request_header_version(version, api.flexible))
        }
        None => 1,
    };
    let mut header = RequestHeader::default();
    let end = wire::decode(&mut header, RequestHeader::SHAPE, version, &frame, 0)?;
    Ok((header, frame.slice(end..)))
}

/// A response with its header, ready to be sent.
///
/// # Errors
///
/// Those of [`Message::encode`].
pub fn encode_response<R: Request>(
    response: &mut R::Response,
    version: i16,
    correlation_id: i32,
) -> Result<Frame, WireError> {
    let mut header = ResponseHeader { correlation_id, ..ResponseHeader::default() };
    let header_version = response_header_version::<R>(version);
    Frame::of(&mut [
        (&mut header, ResponseHeader::SHAPE, header_version),
        (response, R::Response::SHAPE, version),
    ])
}

/// A response's correlation id and body, from a whole frame. Bytes and records in it are slices of the frame.
///
/// A broker that does not know the version of an ApiVersions request answers in version 0 with
/// [`UNSUPPORTED_VERSION`](super::ErrorCode::UNSUPPORTED_VERSION) (KIP-511): the caller has to decode that as
/// version 0.
///
/// # Errors
///
/// The bytes are not this response in this version, exactly.
pub fn decode_response<R: Request>(frame: Bytes, version: i16) -> Result<(i32, R::Response), WireError> {
    let mut header = ResponseHeader::default();
    let header_version = response_header_version::<R>(version);
    let start = wire::decode(&mut header, ResponseHeader::SHAPE, header_version, &frame, 0)?;
    let mut response = R::Response::default();
    let end = wire::decode(&mut response, R::Response::SHAPE, version, &frame, start)?;
    wire::finish(R::Response::SHAPE, version, &frame, end)?;
    Ok((header.correlation_id, response))
}

/// The correlation id of a response frame, whatever the response; `None` if it is too short to have one.
pub fn correlation_id(frame: &[u8]) -> Option<i32> {
    frame.first_chunk().copied().map(i32::from_be_bytes)
}

fn request_header_version(version: i16, flexible: i16) -> i16 {
    if version >= flexible { 2 } else { 1 }
}

fn response_header_version<R: Request>(version: i16) -> i16 {
    i16::from(version >= R::FLEXIBLE && R::KEY != ApiKey::API_VERSIONS)
}
