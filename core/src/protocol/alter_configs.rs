//! AlterConfigs (key 33): set configurations, each as a whole.

use super::ErrorCode;
use crate::wire::Str;

request! {
    /// Asks any broker, or for a broker's own settings that broker, to replace the configurations of
    /// resources: a setting that is not listed goes back to its default (KIP-133).
    ///
    /// Version 1 changes nothing but when the broker throttles (KIP-219). Version 2 is flexible.
    /// IncrementalAlterConfigs (KIP-339) changes single settings and is safer: this request undoes what
    /// others set in the meantime.
    AlterConfigsRequest: ALTER_CONFIGS -> AlterConfigsResponse, versions 0..=2, flexible 2.. {
        /// The resources to configure, each once.
        resources: Vec<AlterConfigsResource> { 0.. },
        /// Whether to check everything and change nothing.
        validate_only: bool { 0.. },
    }

    /// A resource and its whole configuration.
    AlterConfigsResource {
        /// 2 topic, 4 broker, 16 client metrics, 32 group; broker loggers (8) are refused here.
        resource_type: i8 { 0.. },
        /// The topic's name, the broker's id in decimal, the metrics subscription's name or the group's id;
        /// empty with type 4 for the default of all brokers.
        resource_name: Str { 0.. },
        /// Every setting that is not to have its default.
        configs: Vec<AlterableConfig> { 0.. },
    }

    /// A setting.
    AlterableConfig {
        /// Its name.
        name: Str { 0.. },
        /// Its value. Brokers refuse null.
        value: Option<Str> { 0.., nullable 0.., secret },
    }
}

message! {
    /// What became of each resource.
    ///
    /// No version changes a field. Version 2 is flexible.
    AlterConfigsResponse: versions 0..=2, flexible 2.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// Results by resource.
        responses: Vec<AlterConfigsResourceResponse> { 0.. },
    }

    /// A resource's result.
    AlterConfigsResourceResponse {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
        /// The resource's type, as in the request.
        resource_type: i8 { 0.. },
        /// The resource's name, as in the request.
        resource_name: Str { 0.. },
    }
}
