//! DescribeCluster (key 60): brokers or controllers of the cluster.

use super::{BrokerId, ErrorCode};
use crate::wire::Str;

request! {
    /// Asks any broker which brokers there are, or any controller which controllers there are, without a
    /// word on topics (KIP-700).
    ///
    /// Version 0 is flexible already. Version 1 says which of the two is meant, and so can be asked of a
    /// controller (KIP-919). Version 2 can ask for fenced brokers too (KIP-1073).
    DescribeClusterRequest: DESCRIBE_CLUSTER -> DescribeClusterResponse, versions 0..=2, flexible 0.. {
        /// Whether to tell what the client may do to the cluster.
        include_cluster_authorized_operations: bool { 0.. },
        /// What is meant and asked: 1 brokers, 2 controllers. The wrong kind of node answers
        /// `MISMATCHED_ENDPOINT_TYPE`.
        endpoint_type: i8 { 1.., default 1 },
        /// Whether to list brokers that are registered but fenced.
        include_fenced_brokers: bool { 2.. },
    }
}

message! {
    /// The cluster's nodes.
    ///
    /// Version 1 brings the type of endpoint (KIP-919), 2 which brokers are fenced (KIP-1073).
    DescribeClusterResponse: versions 0..=2, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.., default null },
        /// What the nodes are: 1 brokers, 2 controllers.
        endpoint_type: i8 { 1.., default 1 },
        /// The cluster's id.
        cluster_id: Str { 0.. },
        /// The controller, or a broker that forwards to it; -1 if it is not among the nodes.
        controller_id: BrokerId { 0.., default -1 },
        /// The brokers that are alive, also fenced ones if they were asked for; or the controllers.
        brokers: Vec<DescribeClusterBroker> { 0.. },
        /// What the client may do to the cluster, as bits by operation; `i32::MIN` if it was not asked.
        cluster_authorized_operations: i32 { 0.., default -2147483648 },
    }

    /// A broker or controller.
    DescribeClusterBroker {
        /// Its id.
        broker_id: BrokerId { 0.. },
        /// Its host name or address.
        host: Str { 0.. },
        /// Its port.
        port: i32 { 0.. },
        /// Its rack, or null.
        rack: Option<Str> { 0.., nullable 0.., default null },
        /// Whether it is fenced: registered, but kept out of service by the controller.
        is_fenced: bool { 2.. },
    }
}
