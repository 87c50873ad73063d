//! UpdateFeatures (key 57): TODO

use super::ErrorCode;
use crate::wire::Str;

request! {
    /// TODO
    UpdateFeaturesRequest: UPDATE_FEATURES -> UpdateFeaturesResponse, versions 0..=2, flexible 0.. {
        /// TODO
        timeout_ms: i32 { 0.., default 60000 },
        /// TODO
        feature_updates: Vec<FeatureUpdateKey> { 0.. },
        /// TODO
        validate_only: bool { 1.. },
    }

    /// TODO
    FeatureUpdateKey {
        /// TODO
        feature: Str { 0.. },
        /// TODO
        max_version_level: i16 { 0.. },
        /// TODO
        allow_downgrade: bool { 0..=0 },
        /// TODO
        upgrade_type: i8 { 1.., default 1 },
    }
}

message! {
    /// TODO
    UpdateFeaturesResponse: versions 0..=2, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
        /// TODO
        results: Vec<UpdatableFeatureResult> { 0..=1, ignorable },
    }

    /// TODO
    UpdatableFeatureResult {
        /// TODO
        feature: Str { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
    }
}
