//! PushTelemetry (key 72): TODO

use super::ErrorCode;
use crate::wire::Uuid;
use bytes::Bytes;

request! {
    /// TODO
    PushTelemetryRequest: PUSH_TELEMETRY -> PushTelemetryResponse, versions 0..=0, flexible 0.. {
        /// TODO
        client_instance_id: Uuid { 0.. },
        /// TODO
        subscription_id: i32 { 0.. },
        /// TODO
        terminating: bool { 0.. },
        /// TODO
        compression_type: i8 { 0.. },
        /// TODO
        metrics: Bytes { 0.. },
    }
}

message! {
    /// TODO
    PushTelemetryResponse: versions 0..=0, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
    }
}
