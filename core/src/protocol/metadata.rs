//! Metadata (key 3): brokers, topics, partitions and their leaders.

use super::{BrokerId, ErrorCode, LeaderEpoch};
use crate::wire::{Packed, Str, Uuid};

request! {
    /// Asks any broker what the cluster looks like.
    ///
    /// In version 0 an empty list means all topics; from version 1 on null does, and an empty list means
    /// none. Version 4 brings whether to create topics, 8 the operations the client may do (KIP-430). Version
    /// 9 is flexible. Version 10 brings topic ids, which 12 allows to ask by (KIP-516). Version 11 drops the
    /// cluster's operations (KIP-700), 13 lets the broker send a client back to its bootstrap servers
    /// (KIP-1102).
    MetadataRequest: METADATA -> MetadataResponse, versions 0..=13, flexible 9.. {
        /// The topics asked for; null for all, from version 1 on.
        topics: Option<Vec<MetadataRequestTopic>> { 0.., nullable 1.. },
        /// Whether the broker may create a topic that does not exist, if it is set to do so. Brokers before 0.11 can't be
        /// told: they may.
        allow_auto_topic_creation: bool { 4.., default true },
        /// Whether to tell what the client may do to the cluster.
        include_cluster_authorized_operations: bool { 8..=10 },
        /// Whether to tell what the client may do to the topics.
        include_topic_authorized_operations: bool { 8.. },
    }

    /// A topic asked for.
    MetadataRequestTopic {
        /// Its id, or zero where it is asked for by name.
        topic_id: Uuid { 10.., ignorable },
        /// Its name, or null where it is asked for by id.
        name: Option<Str> { 0.., nullable 10.. },
    }
}

message! {
    /// What the cluster looks like to the broker asked.
    ///
    /// Version 1 brings controller, racks and which topics are Kafka's own, 2 the cluster's id, 3 the
    /// throttle time, 5 replicas that are offline (KIP-112), 7 leader epochs (KIP-320), 8 to 10 the cluster's
    /// authorized operations (KIP-430), 10 topic ids (KIP-516), 13 an error for the whole (KIP-1102).
    MetadataResponse: versions 0..=13, flexible 9.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 3.., ignorable },
        /// The brokers that are alive.
        brokers: Vec<MetadataResponseBroker> { 0.. },
        /// The cluster's id.
        cluster_id: Option<Str> { 2.., nullable 2.., default null, ignorable },
        /// The controller, or a broker that forwards to it; -1 if there is none.
        controller_id: BrokerId { 1.., default -1, ignorable },
        /// The topics.
        topics: Vec<MetadataResponseTopic> { 0.. },
        /// What the client may do to the cluster, as bits by operation; `i32::MIN` if it was not asked.
        cluster_authorized_operations: i32 { 8..=10, default -2147483648 },
        /// What went wrong with the request as a whole.
        error_code: ErrorCode { 13.., ignorable },
    }

    /// A broker.
    MetadataResponseBroker {
        /// Its id.
        node_id: BrokerId { 0.. },
        /// Its host name or address.
        host: Str { 0.. },
        /// Its port.
        port: i32 { 0.. },
        /// Its rack.
        rack: Option<Str> { 1.., nullable 1.., default null, ignorable },
    }

    /// A topic.
    MetadataResponseTopic {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// Its name; null where it was asked for by an id that is not known.
        name: Option<Str> { 0.., nullable 12.. },
        /// Its id.
        topic_id: Uuid { 10.., ignorable },
        /// Whether it is one of Kafka's own.
        is_internal: bool { 1.., ignorable },
        /// Its partitions, in any order.
        partitions: Vec<MetadataResponsePartition> { 0.. },
        /// What the client may do to it, as bits by operation; `i32::MIN` if it was not asked.
        topic_authorized_operations: i32 { 8.., default -2147483648 },
    }

    /// A partition.
    MetadataResponsePartition {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The partition.
        partition_index: i32 { 0.. },
        /// The leader, or -1.
        leader_id: BrokerId { 0.. },
        /// Its epoch, or -1.
        leader_epoch: LeaderEpoch { 7.., default -1, ignorable },
        /// The replicas, the preferred leader first.
        replica_nodes: Packed<BrokerId> { 0.. },
        /// The replicas in sync.
        isr_nodes: Packed<BrokerId> { 0.. },
        /// The replicas that are offline.
        offline_replicas: Packed<BrokerId> { 5.., ignorable },
    }
}
