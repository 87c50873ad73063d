//! DescribeCluster (key 60): TODO

use super::{BrokerId, ErrorCode};
use crate::wire::Str;

request! {
    /// TODO
    DescribeClusterRequest: DESCRIBE_CLUSTER -> DescribeClusterResponse, versions 0..=2, flexible 0.. {
        /// TODO
        include_cluster_authorized_operations: bool { 0.. },
        /// TODO
        endpoint_type: i8 { 1.., default 1 },
        /// TODO
        include_fenced_brokers: bool { 2.. },
    }
}

message! {
    /// TODO
    DescribeClusterResponse: versions 0..=2, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., default null },
        /// TODO
        endpoint_type: i8 { 1.., default 1 },
        /// TODO
        cluster_id: Str { 0.. },
        /// TODO
        controller_id: BrokerId { 0.., default -1 },
        /// TODO
        brokers: Vec<DescribeClusterBroker> { 0.. },
        /// TODO
        cluster_authorized_operations: i32 { 0.., default -2147483648 },
    }

    /// TODO
    DescribeClusterBroker {
        /// TODO
        broker_id: BrokerId { 0.. },
        /// Its host name or address.
        host: Str { 0.. },
        /// Its port.
        port: i32 { 0.. },
        /// Its rack.
        rack: Option<Str> { 0.., nullable 0.., default null },
        /// TODO
        is_fenced: bool { 2.. },
    }
}
