//! DescribeClientQuotas (key 48): read client quotas.

use super::ErrorCode;
use crate::wire::Str;

request! {
    /// Asks any broker which quotas are set for users, client ids and IP addresses (KIP-546).
    ///
    /// Version 1 is flexible.
    DescribeClientQuotasRequest: DESCRIBE_CLIENT_QUOTAS -> DescribeClientQuotasResponse,
        versions 0..=1, flexible 1.. {
        /// What an entity must be made of to be told, one entry for each type at most; empty for every
        /// entity, if `strict` is not set.
        components: Vec<ComponentData> { 0.. },
        /// Whether to leave out entities that have types besides those in `components`.
        strict: bool { 0.. },
    }

    /// A condition on one type of an entity.
    ComponentData {
        /// The type: `user`, `client-id` or `ip` (KIP-612), the last never together with the others.
        entity_type: Str { 0.. },
        /// What the entity's name must be: 0 the one in `match`, 1 the default, 2 any name or the default.
        match_type: i8 { 0.. },
        /// The name for match type 0; null with the other types.
        r#match: Option<Str> { 0.., nullable 0.. },
    }
}

message! {
    /// The quotas as they are set, not what holds for a client in the end.
    ///
    /// Version 1 is flexible.
    DescribeClientQuotasResponse: versions 0..=1, flexible 1.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
        /// The entities that match and have quotas; null on an error.
        entries: Option<Vec<EntryData>> { 0.., nullable 0.. },
    }

    /// An entity and its quotas.
    EntryData {
        /// What the entity is made of: a user, a client id, both together, or an IP address.
        entity: Vec<EntityData> { 0.. },
        /// Its quotas.
        values: Vec<ValueData> { 0.. },
    }

    /// One part of an entity.
    EntityData {
        /// The type: `user`, `client-id` or `ip`.
        entity_type: Str { 0.. },
        /// The name; null for the default of all that have no quota of their own.
        entity_name: Option<Str> { 0.., nullable 0.. },
    }

    /// A quota.
    ValueData {
        /// What it limits: `producer_byte_rate`, `consumer_byte_rate`, `request_percentage`,
        /// `controller_mutation_rate` or, for an IP address, `connection_creation_rate`.
        key: Str { 0.. },
        /// The limit: bytes a second; percent of one thread's time; partitions created or deleted a second;
        /// connections a second.
        value: f64 { 0.. },
    }
}
