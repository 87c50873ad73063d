//! DescribeConfigs (key 32): read the settings of topics, brokers and more.

use super::ErrorCode;
use crate::wire::Str;

request! {
    /// Asks for the settings of resources: the broker in question about a broker or its loggers, any broker
    /// about the rest.
    ///
    /// Version 1 can tell synonyms (KIP-226). Version 2 changes nothing but when the broker throttles
    /// (KIP-219). Version 3 can tell what the settings are for (KIP-569). Version 4 is flexible. Version 0
    /// is gone in 4.0.
    DescribeConfigsRequest: DESCRIBE_CONFIGS -> DescribeConfigsResponse, versions 0..=4, flexible 4.. {
        /// Whose settings to tell.
        resources: Vec<DescribeConfigsResource> { 0.. },
        /// Whether to tell all places a value could be from.
        include_synonyms: bool { 1.. },
        /// Whether to tell what each setting is for.
        include_documentation: bool { 3.. },
    }

    /// A resource asked for.
    DescribeConfigsResource {
        /// Its kind: 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
        resource_type: i8 { 0.. },
        /// Its name: a topic, a broker's id in digits, a client metrics subscription or a group. Empty, for
        /// kind 4, for what is set for all brokers at once.
        resource_name: Str { 0.. },
        /// The settings to tell; null for all. Brokers take an empty list for all, too.
        configuration_keys: Option<Vec<Str>> { 0.., nullable 0.. },
    }
}

message! {
    /// The settings.
    ///
    /// Version 1 tells where a value is from, in place of whether it is the default, and synonyms
    /// (KIP-226), 3 the types and what the settings are for (KIP-569).
    DescribeConfigsResponse: versions 0..=4, flexible 4.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// Results by resource.
        results: Vec<DescribeConfigsResult> { 0.. },
    }

    /// A resource's settings.
    DescribeConfigsResult {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
        /// Its kind, as in the request.
        resource_type: i8 { 0.. },
        /// Its name, as in the request.
        resource_name: Str { 0.. },
        /// Its settings; empty with an error.
        configs: Vec<DescribeConfigsResourceResult> { 0.. },
    }

    /// A setting.
    DescribeConfigsResourceResult {
        /// Its name, such as `retention.ms`.
        name: Str { 0.. },
        /// Its value as text; null if it is a secret or there is none.
        value: Option<Str> { 0.., nullable 0.. },
        /// Whether it cannot be changed while the broker runs.
        read_only: bool { 0.. },
        /// Whether it is not set for this resource itself.
        is_default: bool { 0..=0 },
        /// Where the value is from: 0 not known, 1 topic, 2 broker, 3 all brokers, 4 broker's file, 5
        /// default, 6 broker logger, 7 client metrics, 8 group. -1 before version 1.
        config_source: i8 { 1.., default -1, ignorable },
        /// Whether the value is a secret, and so is not told.
        is_sensitive: bool { 0.. },
        /// Every place the value could be from, the one in force first; empty unless asked for.
        synonyms: Vec<DescribeConfigsSynonym> { 1.., ignorable },
        /// The value's type: 0 not known, 1 boolean, 2 string, 3 int, 4 short, 5 long, 6 double, 7 list, 8
        /// class, 9 password.
        config_type: i8 { 3.., ignorable },
        /// What it is for, in words; null unless asked for.
        documentation: Option<Str> { 3.., nullable 0.., ignorable },
    }

    /// A place a value could be from.
    DescribeConfigsSynonym {
        /// The setting's name there, such as the broker's `log.retention.ms` for a topic's `retention.ms`.
        name: Str { 1.. },
        /// Its value there; null if it is a secret.
        value: Option<Str> { 1.., nullable 0.. },
        /// What place that is, numbered as in `config_source`.
        source: i8 { 1.. },
    }
}
