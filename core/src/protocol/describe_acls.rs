//! DescribeAcls (key 29): find access control lists.

use super::ErrorCode;
use crate::wire::Str;

request! {
    /// Asks any broker for the access control entries that pass a filter (KIP-140). An entry passes if
    /// every field of the filter fits.
    ///
    /// Version 1 brings pattern types (KIP-290). Version 2 is flexible. Version 3 knows users as resources
    /// (KIP-373).
    DescribeAclsRequest: DESCRIBE_ACLS -> DescribeAclsResponse, versions 0..=3, flexible 2.. {
        /// The type of resource: 1 any, 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation
        /// token, 7 user (from version 3 on).
        resource_type_filter: i8 { 0.. },
        /// The resource's name, or null for any. The cluster's is `kafka-cluster`.
        resource_name_filter: Option<Str> { 0.., nullable 0.. },
        /// How the name is meant: 3 literal, entries for just this name; 4 prefixed, entries for just this
        /// prefix; 1 any, both of these; 2 match, all entries that hold for a resource of this name, `*`
        /// and its prefixes among them. Version 0 finds literal ones only.
        pattern_type_filter: i8 { 1.., default 3 },
        /// The principal, such as `User:alice`, or null for any.
        principal_filter: Option<Str> { 0.., nullable 0.. },
        /// The host the entry is for, or null for any.
        host_filter: Option<Str> { 0.., nullable 0.. },
        /// The operation: 1 any, 2 all, 3 read, 4 write, 5 create, 6 delete, 7 alter, 8 describe, 9 cluster
        /// action, 10 describe configs, 11 alter configs, 12 idempotent write, 13 create tokens, 14
        /// describe tokens, 15 two phase commit.
        operation: i8 { 0.. },
        /// Whether the entry allows or denies: 1 either, 2 deny, 3 allow.
        permission_type: i8 { 0.. },
    }
}

message! {
    /// The entries found, by resource.
    ///
    /// Version 1 brings pattern types (KIP-290) and changes when the broker throttles (KIP-219).
    DescribeAclsResponse: versions 0..=3, flexible 2.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong; `SECURITY_DISABLED` if the broker has no authorizer.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
        /// The resources that have such entries.
        resources: Vec<DescribeAclsResource> { 0.. },
    }

    /// A resource, or a pattern of resources, with its entries.
    DescribeAclsResource {
        /// Its type: 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7 user (from
        /// version 3 on).
        resource_type: i8 { 0.. },
        /// Its name, or the prefix of names; `*` for all of the type.
        resource_name: Str { 0.. },
        /// How the name is meant: 3 literal, 4 prefixed.
        pattern_type: i8 { 1.., default 3 },
        /// Its entries.
        acls: Vec<AclDescription> { 0.. },
    }

    /// An access control entry.
    AclDescription {
        /// Whom it is for, such as `User:alice`; `User:*` for everyone.
        principal: Str { 0.. },
        /// The host the client connects from; `*` for all.
        host: Str { 0.. },
        /// The operation: 2 all, 3 read, 4 write, 5 create, 6 delete, 7 alter, 8 describe, 9 cluster
        /// action, 10 describe configs, 11 alter configs, 12 idempotent write, 13 create tokens, 14
        /// describe tokens, 15 two phase commit.
        operation: i8 { 0.. },
        /// Whether it allows or denies: 2 deny, 3 allow.
        permission_type: i8 { 0.. },
    }
}
