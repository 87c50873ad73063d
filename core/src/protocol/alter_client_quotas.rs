//! AlterClientQuotas (key 49): TODO

use super::ErrorCode;
use crate::wire::Str;

request! {
    /// TODO
    AlterClientQuotasRequest: ALTER_CLIENT_QUOTAS -> AlterClientQuotasResponse, versions 0..=1, flexible 1.. {
        /// TODO
        entries: Vec<EntryData> { 0.. },
        /// TODO
        validate_only: bool { 0.. },
    }

    /// TODO
    EntryData {
        /// TODO
        entity: Vec<EntityData> { 0.. },
        /// TODO
        ops: Vec<OpData> { 0.. },
    }

    /// TODO
    EntityData {
        /// TODO
        entity_type: Str { 0.. },
        /// TODO
        entity_name: Option<Str> { 0.., nullable 0.. },
    }

    /// TODO
    OpData {
        /// TODO
        key: Str { 0.. },
        /// TODO
        value: f64 { 0.. },
        /// TODO
        remove: bool { 0.. },
    }
}

message! {
    /// TODO
    AlterClientQuotasResponse: versions 0..=1, flexible 1.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// TODO
        entries: Vec<EntryDataResponse> { 0.. },
    }

    /// TODO
    EntryDataResponse {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
        /// TODO
        entity: Vec<EntityData> { 0.. },
    }
}
