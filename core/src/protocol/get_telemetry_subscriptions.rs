//! GetTelemetrySubscriptions (key 71): TODO

use super::ErrorCode;
use crate::wire::{Packed, Str, Uuid};

request! {
    /// TODO
    GetTelemetrySubscriptionsRequest: GET_TELEMETRY_SUBSCRIPTIONS -> GetTelemetrySubscriptionsResponse, versions 0..=0, flexible 0.. {
        /// TODO
        client_instance_id: Uuid { 0.. },
    }
}

message! {
    /// TODO
    GetTelemetrySubscriptionsResponse: versions 0..=0, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// TODO
        client_instance_id: Uuid { 0.. },
        /// TODO
        subscription_id: i32 { 0.. },
        /// TODO
        accepted_compression_types: Packed<i8> { 0.. },
        /// TODO
        push_interval_ms: i32 { 0.. },
        /// TODO
        telemetry_max_bytes: i32 { 0.. },
        /// TODO
        delta_temporality: bool { 0.. },
        /// TODO
        requested_metrics: Vec<Str> { 0.. },
    }
}
