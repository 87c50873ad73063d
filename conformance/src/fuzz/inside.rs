//! Tagged fields, and the messages that travel inside others.

use bytes::Bytes;
use milena_core::protocol::consumer_protocol::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use milena_core::protocol::control_record::ControlRecord;
use milena_core::protocol::{AnyMessage, ApiVersionsResponse, decode_versioned, encode_versioned};

use super::{Meter, messages};

/// The tagged fields of a response that knows four of them, behind a body without anything else.
pub(super) fn tagged_fields(input: &[u8], meter: Meter) {
    // No error, no APIs, no throttle time.
    let body = [&[0, 0, 1, 0, 0, 0, 0], input].concat();
    messages::there_and_back(AnyMessage::of::<ApiVersionsResponse>(), 3, &body, meter);
}

/// The first byte says which: a subscription, an assignment, a control record with a key of four bytes.
pub(super) fn consumer_protocol(input: &[u8], meter: Meter) {
    let Some((kind, blob)) = input.split_first() else { return };
    let blob = Bytes::copy_from_slice(blob);
    let allowed = blob.len() * messages::FACTOR + messages::RESERVED;
    match kind % 3 {
        0 => {
            let read = meter.within(allowed, || ConsumerProtocolSubscription::from_metadata(&blob));
            let Ok((mut subscription, version)) = read else { return };
            let version = version.min(3);
            let again = subscription.to_metadata(version).expect("what was decoded");
            let (second, told) =
                ConsumerProtocolSubscription::from_metadata(&again).expect("what was encoded");
            assert_eq!((&second, told), (&subscription, version));
        }
        1 => {
            let read = meter.within(allowed, || decode_versioned::<ConsumerProtocolAssignment>(&blob));
            let Ok((mut assignment, version)) = read else { return };
            let version = version.min(3);
            let again = encode_versioned(&mut assignment, version).expect("what was decoded");
            let second = decode_versioned::<ConsumerProtocolAssignment>(&again).expect("what was encoded");
            assert_eq!(second, (assignment, version));
        }
        _ => {
            let key = blob.slice(..blob.len().min(4));
            let value = blob.slice(key.len()..);
            if let Ok(record) = meter.within(allowed, || ControlRecord::decode(&key, &value)) {
                assert_eq!(ControlRecord::decode(&key, &value), Ok(record));
            }
        }
    }
}
