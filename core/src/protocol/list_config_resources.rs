//! ListConfigResources (key 74): TODO

use super::ErrorCode;
use crate::wire::{Packed, Str};

request! {
    /// TODO
    ListConfigResourcesRequest: LIST_CONFIG_RESOURCES -> ListConfigResourcesResponse, versions 0..=1, flexible 0.. {
        /// TODO
        resource_types: Packed<i8> { 1.. },
    }
}

message! {
    /// TODO
    ListConfigResourcesResponse: versions 0..=1, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// TODO
        config_resources: Vec<ConfigResource> { 0.. },
    }

    /// TODO
    ConfigResource {
        /// TODO
        resource_name: Str { 0.. },
        /// TODO
        resource_type: i8 { 1.., default 16, ignorable },
    }
}
