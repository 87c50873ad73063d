//! PushTelemetry (key 72): send a client's metrics to the broker.

use super::ErrorCode;
use crate::wire::Uuid;
use bytes::Bytes;

request! {
    /// Gives a broker the metrics that its answer to GetTelemetrySubscriptions asked for (KIP-714).
    ///
    /// There is only version 0, which is flexible.
    PushTelemetryRequest: PUSH_TELEMETRY -> PushTelemetryResponse, versions 0..=0, flexible 0.. {
        /// The client instance's id, as GetTelemetrySubscriptions told it.
        client_instance_id: Uuid { 0.. },
        /// The subscription that the metrics follow, as GetTelemetrySubscriptions told it.
        subscription_id: i32 { 0.. },
        /// Whether the client is about to end: the one push that may come before the interval is over, and
        /// the last.
        terminating: bool { 0.. },
        /// How the metrics are compressed, one of those the broker takes: 0 not at all, 1 gzip, 2 snappy, 3
        /// lz4, 4 zstd.
        compression_type: i8 { 0.. },
        /// The metrics: OpenTelemetry's `MetricsData` (version 1) in protobuf, compressed.
        metrics: Bytes { 0.. },
    }
}

message! {
    /// Whether the broker took the metrics.
    ///
    /// After `UNKNOWN_SUBSCRIPTION_ID` or `UNSUPPORTED_COMPRESSION_TYPE` the client asks
    /// GetTelemetrySubscriptions again at once; after `TELEMETRY_TOO_LARGE` or `THROTTLING_QUOTA_EXCEEDED` it
    /// goes on when the interval is over; after `INVALID_REQUEST` or `INVALID_RECORD` it pushes no more.
    PushTelemetryResponse: versions 0..=0, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
    }
}
