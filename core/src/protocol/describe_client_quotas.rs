//! DescribeClientQuotas (key 48): TODO

use super::ErrorCode;
use crate::wire::Str;

request! {
    /// TODO
    DescribeClientQuotasRequest: DESCRIBE_CLIENT_QUOTAS -> DescribeClientQuotasResponse, versions 0..=1, flexible 1.. {
        /// TODO
        components: Vec<ComponentData> { 0.. },
        /// TODO
        strict: bool { 0.. },
    }

    /// TODO
    ComponentData {
        /// TODO
        entity_type: Str { 0.. },
        /// TODO
        match_type: i8 { 0.. },
        /// TODO
        r#match: Option<Str> { 0.., nullable 0.. },
    }
}

message! {
    /// TODO
    DescribeClientQuotasResponse: versions 0..=1, flexible 1.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
        /// TODO
        entries: Option<Vec<EntryData>> { 0.., nullable 0.. },
    }

    /// TODO
    EntryData {
        /// TODO
        entity: Vec<EntityData> { 0.. },
        /// TODO
        values: Vec<ValueData> { 0.. },
    }

    /// TODO
    EntityData {
        /// TODO
        entity_type: Str { 0.. },
        /// TODO
        entity_name: Option<Str> { 0.., nullable 0.. },
    }

    /// TODO
    ValueData {
        /// TODO
        key: Str { 0.. },
        /// TODO
        value: f64 { 0.. },
    }
}
