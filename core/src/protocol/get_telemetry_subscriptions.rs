//! GetTelemetrySubscriptions (key 71): ask which metrics a client is to push.

use super::ErrorCode;
use crate::wire::{Packed, Str, Uuid};

request! {
    /// Asks any broker which metrics of the client its operator wants (KIP-714); a client keeps to one broker
    /// while it can, and asks again after a push says `UNKNOWN_SUBSCRIPTION_ID`.
    ///
    /// There is only version 0, which is flexible. A broker without a receiver for metrics does not announce
    /// it.
    GetTelemetrySubscriptionsRequest: GET_TELEMETRY_SUBSCRIPTIONS -> GetTelemetrySubscriptionsResponse,
        versions 0..=0, flexible 0.. {
        /// The client instance's id from an earlier answer; zero to be given one.
        client_instance_id: Uuid { 0.. },
    }
}

message! {
    /// What to push with PushTelemetry, and how often.
    GetTelemetrySubscriptionsResponse: versions 0..=0, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The client instance's id, which it keeps as long as it lives and at every broker: the one it sent,
        /// or a new one if that was zero.
        client_instance_id: Uuid { 0.. },
        /// Names this set of metrics and this interval; PushTelemetry sends it back, so that the broker sees
        /// if they have changed.
        subscription_id: i32 { 0.. },
        /// The compressions the broker takes, the one it likes best first: 0 none, 1 gzip, 2 snappy, 3 lz4, 4
        /// zstd. Empty for none.
        accepted_compression_types: Packed<i8> { 0.. },
        /// How long the client waits between two pushes, in ms; without metrics to push, before it asks
        /// again.
        push_interval_ms: i32 { 0.. },
        /// Bytes of metrics in one push at most, as they are sent.
        telemetry_max_bytes: i32 { 0.. },
        /// Whether counters are to tell what came since the last push, or, if false, since the client began.
        delta_temporality: bool { 0.. },
        /// Prefixes of the names of the metrics wanted; empty for none, a lone `*` or a lone empty prefix for
        /// all.
        requested_metrics: Vec<Str> { 0.. },
    }
}
