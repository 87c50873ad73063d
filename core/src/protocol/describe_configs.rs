//! DescribeConfigs (key 32): TODO

use super::ErrorCode;
use crate::wire::Str;

request! {
    /// TODO
    DescribeConfigsRequest: DESCRIBE_CONFIGS -> DescribeConfigsResponse, versions 0..=4, flexible 4.. {
        /// TODO
        resources: Vec<DescribeConfigsResource> { 0.. },
        /// TODO
        include_synonyms: bool { 1.. },
        /// TODO
        include_documentation: bool { 3.. },
    }

    /// TODO
    DescribeConfigsResource {
        /// TODO
        resource_type: i8 { 0.. },
        /// TODO
        resource_name: Str { 0.. },
        /// TODO
        configuration_keys: Option<Vec<Str>> { 0.., nullable 0.. },
    }
}

message! {
    /// TODO
    DescribeConfigsResponse: versions 0..=4, flexible 4.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// TODO
        results: Vec<DescribeConfigsResult> { 0.. },
    }

    /// TODO
    DescribeConfigsResult {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
        /// TODO
        resource_type: i8 { 0.. },
        /// TODO
        resource_name: Str { 0.. },
        /// TODO
        configs: Vec<DescribeConfigsResourceResult> { 0.. },
    }

    /// TODO
    DescribeConfigsResourceResult {
        /// TODO
        name: Str { 0.. },
        /// TODO
        value: Option<Str> { 0.., nullable 0.. },
        /// TODO
        read_only: bool { 0.. },
        /// TODO
        is_default: bool { 0..=0 },
        /// TODO
        config_source: i8 { 1.., default -1, ignorable },
        /// TODO
        is_sensitive: bool { 0.. },
        /// TODO
        synonyms: Vec<DescribeConfigsSynonym> { 1.., ignorable },
        /// TODO
        config_type: i8 { 3.., ignorable },
        /// TODO
        documentation: Option<Str> { 3.., nullable 0.., ignorable },
    }

    /// TODO
    DescribeConfigsSynonym {
        /// TODO
        name: Str { 1.. },
        /// TODO
        value: Option<Str> { 1.., nullable 0.. },
        /// TODO
        source: i8 { 1.. },
    }
}
