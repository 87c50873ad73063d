//! IncrementalAlterConfigs (key 44): change single settings.

use super::ErrorCode;
use crate::wire::Str;

request! {
    /// Asks any broker to change settings and leave the others as they are (KIP-339). What is set for one
    /// broker, and its loggers, are asked of that broker.
    ///
    /// Version 1 is flexible.
    IncrementalAlterConfigsRequest: INCREMENTAL_ALTER_CONFIGS -> IncrementalAlterConfigsResponse,
        versions 0..=1, flexible 1.. {
        /// What to change, by resource, each once. A resource's changes are made all or none.
        resources: Vec<AlterConfigsResource> { 0.. },
        /// Whether to check everything and change nothing.
        validate_only: bool { 0.. },
    }

    /// A resource whose settings to change.
    AlterConfigsResource {
        /// Its type: 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
        resource_type: i8 { 0.. },
        /// Its name: a topic's or a metrics subscription's name, a group's id, a broker's id in decimal; of
        /// type broker, empty for all brokers.
        resource_name: Str { 0.. },
        /// The changes, each setting once.
        configs: Vec<AlterableConfig> { 0.. },
    }

    /// A change to a setting.
    AlterableConfig {
        /// The setting's name; of a broker logger, the logger's.
        name: Str { 0.. },
        /// What to do: 0 set, 1 delete, which brings the default back, 2 append to a list, 3 subtract from a
        /// list.
        config_operation: i8 { 0.. },
        /// The value, with operations 2 and 3 list items with commas between; null only with operation 1.
        value: Option<Str> { 0.., nullable 0.., secret },
    }
}

message! {
    /// What became of each resource.
    ///
    /// Version 1 is flexible.
    IncrementalAlterConfigsResponse: versions 0..=1, flexible 1.. {
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
        /// Its type, as in the request.
        resource_type: i8 { 0.. },
        /// Its name, as in the request.
        resource_name: Str { 0.. },
    }
}
