//! Kafka's requests and responses: every version of each, in both directions, one file per API key.
//!
//! A file reads like the specification it is: what the API is for, which version brought what, and for each
//! field its versions, default and flags. How to read one is in `dsl.rs`. To add an API, write its file and
//! name it below.
//!
//! Structs are named as in Kafka's own message definitions; those inside of a request or a response are found in
//! its API's module, since several APIs have one of the same name (`LeaderIdAndEpoch`).

#[macro_use]
mod dsl;

mod any;
mod api_key;
pub mod consumer_protocol;
pub mod control_record;
mod error_code;
mod header;
mod ids;
mod message;
mod show;
mod versioned;

pub use any::AnyMessage;
pub use api_key::ApiKey;
pub use error_code::ErrorCode;
pub use header::{
    RequestHeader, ResponseHeader, correlation_id, decode_request_header, decode_response, encode_request,
    encode_response,
};
pub use ids::{BrokerId, LeaderEpoch, ProducerId};
#[cfg(feature = "recording")]
pub(crate) use message::OfRequest;
pub use message::{Api, Message, Request};
pub(crate) use show::show;
pub use versioned::{decode_versioned, encode_versioned};

macro_rules! apis {
    ($($module:ident: $request:ident $response:ident,)*) => {
        $(
            pub mod $module;
            pub use self::$module::{$request, $response};
        )*

        /// Every API this release can speak, by key.
        pub const APIS: &[Api] = &[$(Api::of::<$module::$request>()),*];

        /// What is told of the request's type with this key; none if this release can't speak it.
        #[cfg(feature = "recording")]
        pub(crate) fn of_request<T: OfRequest>(key: ApiKey) -> Option<T::Told> {
            match key {
                $(<$module::$request as Request>::KEY => Some(T::of::<$module::$request>()),)*
                _ => None,
            }
        }

        impl AnyMessage {
            /// A request of that API, all fields at their defaults; none if this release can't speak it.
            pub fn request(key: ApiKey) -> Option<Self> {
                match key {
                    $(<$module::$request as Request>::KEY => Some(Self::of::<$module::$request>()),)*
                    _ => None,
                }
            }

            /// A response of that API, all fields at their defaults; none if this release can't speak it.
            pub fn response(key: ApiKey) -> Option<Self> {
                match key {
                    $(<$module::$request as Request>::KEY => {
                        Some(Self::of::<$module::$response>())
                    })*
                    _ => None,
                }
            }
        }
    };
}

apis! {
    produce: ProduceRequest ProduceResponse,
    fetch: FetchRequest FetchResponse,
    list_offsets: ListOffsetsRequest ListOffsetsResponse,
    metadata: MetadataRequest MetadataResponse,
    offset_commit: OffsetCommitRequest OffsetCommitResponse,
    offset_fetch: OffsetFetchRequest OffsetFetchResponse,
    find_coordinator: FindCoordinatorRequest FindCoordinatorResponse,
    join_group: JoinGroupRequest JoinGroupResponse,
    heartbeat: HeartbeatRequest HeartbeatResponse,
    leave_group: LeaveGroupRequest LeaveGroupResponse,
    sync_group: SyncGroupRequest SyncGroupResponse,
    describe_groups: DescribeGroupsRequest DescribeGroupsResponse,
    list_groups: ListGroupsRequest ListGroupsResponse,
    sasl_handshake: SaslHandshakeRequest SaslHandshakeResponse,
    api_versions: ApiVersionsRequest ApiVersionsResponse,
    create_topics: CreateTopicsRequest CreateTopicsResponse,
    delete_topics: DeleteTopicsRequest DeleteTopicsResponse,
    delete_records: DeleteRecordsRequest DeleteRecordsResponse,
    init_producer_id: InitProducerIdRequest InitProducerIdResponse,
    offset_for_leader_epoch: OffsetForLeaderEpochRequest OffsetForLeaderEpochResponse,
    add_partitions_to_txn: AddPartitionsToTxnRequest AddPartitionsToTxnResponse,
    add_offsets_to_txn: AddOffsetsToTxnRequest AddOffsetsToTxnResponse,
    end_txn: EndTxnRequest EndTxnResponse,
    write_txn_markers: WriteTxnMarkersRequest WriteTxnMarkersResponse,
    txn_offset_commit: TxnOffsetCommitRequest TxnOffsetCommitResponse,
    describe_acls: DescribeAclsRequest DescribeAclsResponse,
    create_acls: CreateAclsRequest CreateAclsResponse,
    delete_acls: DeleteAclsRequest DeleteAclsResponse,
    describe_configs: DescribeConfigsRequest DescribeConfigsResponse,
    alter_configs: AlterConfigsRequest AlterConfigsResponse,
    alter_replica_log_dirs: AlterReplicaLogDirsRequest AlterReplicaLogDirsResponse,
    describe_log_dirs: DescribeLogDirsRequest DescribeLogDirsResponse,
    sasl_authenticate: SaslAuthenticateRequest SaslAuthenticateResponse,
    create_partitions: CreatePartitionsRequest CreatePartitionsResponse,
    create_delegation_token: CreateDelegationTokenRequest CreateDelegationTokenResponse,
    renew_delegation_token: RenewDelegationTokenRequest RenewDelegationTokenResponse,
    expire_delegation_token: ExpireDelegationTokenRequest ExpireDelegationTokenResponse,
    describe_delegation_token: DescribeDelegationTokenRequest DescribeDelegationTokenResponse,
    delete_groups: DeleteGroupsRequest DeleteGroupsResponse,
    elect_leaders: ElectLeadersRequest ElectLeadersResponse,
    incremental_alter_configs: IncrementalAlterConfigsRequest IncrementalAlterConfigsResponse,
    alter_partition_reassignments: AlterPartitionReassignmentsRequest AlterPartitionReassignmentsResponse,
    list_partition_reassignments: ListPartitionReassignmentsRequest ListPartitionReassignmentsResponse,
    offset_delete: OffsetDeleteRequest OffsetDeleteResponse,
    describe_client_quotas: DescribeClientQuotasRequest DescribeClientQuotasResponse,
    alter_client_quotas: AlterClientQuotasRequest AlterClientQuotasResponse,
    describe_user_scram_credentials: DescribeUserScramCredentialsRequest DescribeUserScramCredentialsResponse,
    alter_user_scram_credentials: AlterUserScramCredentialsRequest AlterUserScramCredentialsResponse,
    describe_quorum: DescribeQuorumRequest DescribeQuorumResponse,
    update_features: UpdateFeaturesRequest UpdateFeaturesResponse,
    describe_cluster: DescribeClusterRequest DescribeClusterResponse,
    describe_producers: DescribeProducersRequest DescribeProducersResponse,
    unregister_broker: UnregisterBrokerRequest UnregisterBrokerResponse,
    describe_transactions: DescribeTransactionsRequest DescribeTransactionsResponse,
    list_transactions: ListTransactionsRequest ListTransactionsResponse,
    consumer_group_heartbeat: ConsumerGroupHeartbeatRequest ConsumerGroupHeartbeatResponse,
    consumer_group_describe: ConsumerGroupDescribeRequest ConsumerGroupDescribeResponse,
    get_telemetry_subscriptions: GetTelemetrySubscriptionsRequest GetTelemetrySubscriptionsResponse,
    push_telemetry: PushTelemetryRequest PushTelemetryResponse,
    list_config_resources: ListConfigResourcesRequest ListConfigResourcesResponse,
    describe_topic_partitions: DescribeTopicPartitionsRequest DescribeTopicPartitionsResponse,
    share_group_heartbeat: ShareGroupHeartbeatRequest ShareGroupHeartbeatResponse,
    share_group_describe: ShareGroupDescribeRequest ShareGroupDescribeResponse,
    share_fetch: ShareFetchRequest ShareFetchResponse,
    share_acknowledge: ShareAcknowledgeRequest ShareAcknowledgeResponse,
    add_raft_voter: AddRaftVoterRequest AddRaftVoterResponse,
    remove_raft_voter: RemoveRaftVoterRequest RemoveRaftVoterResponse,
    streams_group_heartbeat: StreamsGroupHeartbeatRequest StreamsGroupHeartbeatResponse,
    streams_group_describe: StreamsGroupDescribeRequest StreamsGroupDescribeResponse,
    describe_share_group_offsets: DescribeShareGroupOffsetsRequest DescribeShareGroupOffsetsResponse,
    alter_share_group_offsets: AlterShareGroupOffsetsRequest AlterShareGroupOffsetsResponse,
    delete_share_group_offsets: DeleteShareGroupOffsetsRequest DeleteShareGroupOffsetsResponse,
}

#[cfg(test)]
pub(crate) mod tests;
