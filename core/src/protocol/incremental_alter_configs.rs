//! IncrementalAlterConfigs (key 44): TODO

use super::ErrorCode;
use crate::wire::Str;

request! {
    /// TODO
    IncrementalAlterConfigsRequest: INCREMENTAL_ALTER_CONFIGS -> IncrementalAlterConfigsResponse, versions 0..=1, flexible 1.. {
        /// TODO
        resources: Vec<AlterConfigsResource> { 0.. },
        /// TODO
        validate_only: bool { 0.. },
    }

    /// TODO
    AlterConfigsResource {
        /// TODO
        resource_type: i8 { 0.. },
        /// TODO
        resource_name: Str { 0.. },
        /// TODO
        configs: Vec<AlterableConfig> { 0.. },
    }

    /// TODO
    AlterableConfig {
        /// TODO
        name: Str { 0.. },
        /// TODO
        config_operation: i8 { 0.. },
        /// TODO
        value: Option<Str> { 0.., nullable 0.., secret },
    }
}

message! {
    /// TODO
    IncrementalAlterConfigsResponse: versions 0..=1, flexible 1.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// TODO
        responses: Vec<AlterConfigsResourceResponse> { 0.. },
    }

    /// TODO
    AlterConfigsResourceResponse {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
        /// TODO
        resource_type: i8 { 0.. },
        /// TODO
        resource_name: Str { 0.. },
    }
}
