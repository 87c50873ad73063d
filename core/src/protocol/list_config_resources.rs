//! ListConfigResources (key 74): which resources there are to have settings.

use super::ErrorCode;
use crate::wire::{Packed, Str};

request! {
    /// Asks any broker for the resources that can be configured.
    ///
    /// Version 0 was called ListClientMetricsResources and lists client metrics subscriptions only
    /// (KIP-1000). Version 1 asks by kind (KIP-1142). Every version is flexible.
    ListConfigResourcesRequest: LIST_CONFIG_RESOURCES -> ListConfigResourcesResponse,
        versions 0..=1, flexible 0.. {
        /// The kinds to list: 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group; empty for
        /// all that the broker knows.
        resource_types: Packed<i8> { 1.. },
    }
}

message! {
    /// The resources.
    ///
    /// Version 1 tells of what kind each is.
    ListConfigResourcesResponse: versions 0..=1, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The resources, in any order.
        config_resources: Vec<ConfigResource> { 0.. },
    }

    /// A resource, whose settings DescribeConfigs tells.
    ConfigResource {
        /// Its name: a topic, a broker's id in digits, a client metrics subscription or a group.
        resource_name: Str { 0.. },
        /// Its kind, numbered as in the request; in version 0 always 16.
        resource_type: i8 { 1.., default 16, ignorable },
    }
}
