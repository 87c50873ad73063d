//! What a real broker lists in ApiVersions, and the version that the client then takes for each API.

use std::any::Any;

use milena_conformance::cluster::Release;
use milena_core::protocol::*;
use milena_core::{Call, Error, Target};

use crate::calls::{Session, api_versions, range};

/// What a broker lists otherwise than its release's client library speaks: since, key, the first version listed, why.
const OTHERWISE: [(&str, ApiKey, i16, &str); 1] = [(
    "4.0",
    ApiKey::PRODUCE,
    0,
    "listed from 0 for old librdkafka's sake (KAFKA-18659), and refused below 3",
)];

/// Asks in every version that both sides know. Each API listed has the release's own range; a listener may lack some.
pub(crate) fn listed_as_released(session: &mut Session, release: Release) {
    let theirs = session.theirs.clone();
    session.each(0, &Target::Any, api_versions, |version, answer| {
        assert_eq!(answer.error_code, ErrorCode::NONE);
        let listed = answer.api_keys.iter().map(range).collect();
        assert_eq!(theirs, listed, "version {version} lists what the newest does");
    });
    for (key, listed) in theirs {
        let Some(spoken) = release.speaks(key) else { panic!("{key:?} {listed:?} is not in {release}") };
        let otherwise = OTHERWISE
            .iter()
            .find(|(since, other, ..)| *other == key && since.parse::<Release>().unwrap() <= release);
        let first = otherwise.map_or(*spoken.start(), |(_, _, first, _)| *first);
        assert_eq!(listed, first..=*spoken.end(), "{key:?} of Kafka {release}");
    }
}

macro_rules! negotiate {
    ($session:ident, $release:ident, $($request:ident)*) => {
        [$((<$request as Request>::KEY, negotiate::<$request>($session, $release))),*]
    };
}

/// Sends a request of each API with nothing in it, without naming a version, and looks which one the client took.
/// Returns how many APIs the broker knows.
pub(crate) fn negotiated(session: &mut Session, release: Release) -> usize {
    let apis = negotiate!(
        session, release,
        ProduceRequest
        FetchRequest
        ListOffsetsRequest
        MetadataRequest
        OffsetCommitRequest
        OffsetFetchRequest
        FindCoordinatorRequest
        JoinGroupRequest
        HeartbeatRequest
        LeaveGroupRequest
        SyncGroupRequest
        DescribeGroupsRequest
        ListGroupsRequest
        SaslHandshakeRequest
        ApiVersionsRequest
        CreateTopicsRequest
        DeleteTopicsRequest
        DeleteRecordsRequest
        InitProducerIdRequest
        OffsetForLeaderEpochRequest
        AddPartitionsToTxnRequest
        AddOffsetsToTxnRequest
        EndTxnRequest
        WriteTxnMarkersRequest
        TxnOffsetCommitRequest
        DescribeAclsRequest
        CreateAclsRequest
        DeleteAclsRequest
        DescribeConfigsRequest
        AlterConfigsRequest
        AlterReplicaLogDirsRequest
        DescribeLogDirsRequest
        SaslAuthenticateRequest
        CreatePartitionsRequest
        CreateDelegationTokenRequest
        RenewDelegationTokenRequest
        ExpireDelegationTokenRequest
        DescribeDelegationTokenRequest
        DeleteGroupsRequest
        ElectLeadersRequest
        IncrementalAlterConfigsRequest
        AlterPartitionReassignmentsRequest
        ListPartitionReassignmentsRequest
        OffsetDeleteRequest
        DescribeClientQuotasRequest
        AlterClientQuotasRequest
        DescribeUserScramCredentialsRequest
        AlterUserScramCredentialsRequest
        DescribeQuorumRequest
        UpdateFeaturesRequest
        DescribeClusterRequest
        DescribeProducersRequest
        UnregisterBrokerRequest
        DescribeTransactionsRequest
        ListTransactionsRequest
        ConsumerGroupHeartbeatRequest
        ConsumerGroupDescribeRequest
        GetTelemetrySubscriptionsRequest
        PushTelemetryRequest
        ListConfigResourcesRequest
        DescribeTopicPartitionsRequest
        ShareGroupHeartbeatRequest
        ShareGroupDescribeRequest
        ShareFetchRequest
        ShareAcknowledgeRequest
        AddRaftVoterRequest
        RemoveRaftVoterRequest
        StreamsGroupHeartbeatRequest
        StreamsGroupDescribeRequest
        DescribeShareGroupOffsetsRequest
        AlterShareGroupOffsetsRequest
        DeleteShareGroupOffsetsRequest
    );
    assert!(apis.iter().map(|(key, _)| key).eq(APIS.iter().map(|api| &api.key)), "every API, once");
    apis.iter().filter(|(_, known)| *known).count()
}

/// Whether the broker knows the API: then the version is the newest that both sides know, else the client says so.
fn negotiate<R: Request>(session: &mut Session, release: Release) -> bool {
    let ours = (*R::VERSIONS.start(), R::STABLE);
    let theirs = session.theirs.get(&R::KEY).map(|range| (*range.start(), *range.end()));
    match session.client.call(Call::by_version(request::<R>)) {
        Ok(answer) => {
            let spoken = release.speaks(R::KEY).unwrap();
            assert!(spoken.contains(&answer.version), "{}: {} of {spoken:?}", R::NAME, answer.version);
            assert_eq!(Some(answer.version), theirs.map(|theirs| theirs.1.min(ours.1)), "{}", R::NAME);
            session.calls += 1;
            true
        }
        Err(error) => {
            let apart = theirs.is_none_or(|theirs| theirs.0 > ours.1 || theirs.1 < ours.0);
            assert!(apart, "{} to Kafka {release}: {error}", R::NAME);
            assert_eq!(error, Error::Unsupported { api: R::KEY, ours, theirs });
            false
        }
    }
}

/// A request with nothing in it, but for what brokers want to see before they answer.
fn request<R: Request>(version: i16) -> R {
    let mut request = R::default();
    let any = &mut request as &mut dyn Any;
    if let Some(produce) = any.downcast_mut::<ProduceRequest>() {
        produce.acks = 1;
    } else if let Some(acls) = any.downcast_mut::<DescribeAclsRequest>() {
        // Any.
        (acls.resource_type_filter, acls.operation, acls.permission_type) = (1, 1, 1);
    } else if let Some(offsets) = any.downcast_mut::<OffsetFetchRequest>() {
        offsets.groups.resize_with(usize::from(version >= 8), Default::default);
    } else if let Some(added) = any.downcast_mut::<AddPartitionsToTxnRequest>() {
        added.transactions.resize_with(usize::from(version >= 4), Default::default);
    }
    request
}
