//! UpdateFeatures (key 57): change the versions of the cluster's features.

use super::ErrorCode;
use crate::wire::Str;

request! {
    /// Asks the controller to raise, lower or drop the versions of features that the whole cluster has
    /// (KIP-584); a broker passes the request on.
    ///
    /// Version 1 brings the kind of change, in place of whether lowering is allowed, and trying without
    /// doing (KIP-778). Version 2 is for the response (KIP-1022). Every version is flexible.
    UpdateFeaturesRequest: UPDATE_FEATURES -> UpdateFeaturesResponse, versions 0..=2, flexible 0.. {
        /// How long the controller may take, in ms.
        timeout_ms: i32 { 0.., default 60000 },
        /// The changes, each of another feature.
        feature_updates: Vec<FeatureUpdateKey> { 0.. },
        /// Whether to check everything and change nothing.
        validate_only: bool { 1.. },
    }

    /// A feature's change.
    FeatureUpdateKey {
        /// The feature's name, such as `metadata.version`.
        feature: Str { 0.. },
        /// The version it is to have; 0 to drop the feature.
        max_version_level: i16 { 0.. },
        /// Whether the version may become lower, or the feature be dropped.
        allow_downgrade: bool { 0..=0 },
        /// The kind of change: 1 only to raise, 2 to lower if nothing is lost by it, 3 to lower even if
        /// metadata is lost.
        upgrade_type: i8 { 1.., default 1 },
    }
}

message! {
    /// Says whether the features have changed.
    ///
    /// Version 2 drops the results by feature, for either all changes are made or none (KIP-1022).
    UpdateFeaturesResponse: versions 0..=2, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong with the request as a whole.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
        /// Results by feature.
        results: Vec<UpdatableFeatureResult> { 0..=1, ignorable },
    }

    /// A feature's result.
    UpdatableFeatureResult {
        /// The feature's name.
        feature: Str { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
    }
}
