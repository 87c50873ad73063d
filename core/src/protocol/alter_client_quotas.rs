//! AlterClientQuotas (key 49): set and remove quotas of clients.

use super::ErrorCode;
use crate::wire::Str;

request! {
    /// Asks any broker to set or remove quotas of users, client ids and IP addresses (KIP-546).
    ///
    /// Version 1 is flexible and changes no field.
    AlterClientQuotasRequest: ALTER_CLIENT_QUOTAS -> AlterClientQuotasResponse, versions 0..=1, flexible 1.. {
        /// What to change, by entity; each entity at most once.
        entries: Vec<EntryData> { 0.. },
        /// Whether to check everything and change nothing.
        validate_only: bool { 0.. },
    }

    /// What to change for one entity.
    EntryData {
        /// The entity, in parts that hold together: a user, a client id, a user with a client id, or an IP
        /// address.
        entity: Vec<EntityData> { 0.. },
        /// The quotas to set or remove; each key at most once. Quotas not named stay as they are.
        ops: Vec<OpData> { 0.. },
    }

    /// A part of an entity.
    EntityData {
        /// What it is: `user`, `client-id` or `ip` (KIP-612).
        entity_type: Str { 0.. },
        /// Its name; null for the default, which holds for all of the type without a quota of their own.
        entity_name: Option<Str> { 0.., nullable 0.. },
    }

    /// A quota to set or remove.
    OpData {
        /// The quota: for users and client ids `producer_byte_rate`, `consumer_byte_rate`,
        /// `request_percentage` or `controller_mutation_rate` (KIP-599), for IP addresses
        /// `connection_creation_rate` (KIP-612).
        key: Str { 0.. },
        /// The limit on each broker, above 0: bytes per second, percent of one thread's time, partition
        /// mutations per second (on the controller), connections per second. Of no meaning with `remove`.
        value: f64 { 0.. },
        /// Whether to remove the quota instead of setting it.
        remove: bool { 0.. },
    }
}

message! {
    /// What became of each entity's quotas.
    ///
    /// Both versions have the same fields.
    AlterClientQuotasResponse: versions 0..=1, flexible 1.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// Results by entity.
        entries: Vec<EntryDataResponse> { 0.. },
    }

    /// An entity's result.
    EntryDataResponse {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
        /// The entity, as in the request.
        entity: Vec<EntityData> { 0.. },
    }
}
