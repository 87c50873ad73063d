//! Members of a group, and the requests that the tests send for them.

use milena_conformance::cluster::{ClusterOptions, ConnectionId};
use milena_core::protocol::consumer_protocol::ConsumerProtocolSubscription;
use milena_core::protocol::describe_groups::DescribedGroup;
use milena_core::protocol::join_group::JoinGroupRequestProtocol;
use milena_core::protocol::leave_group::MemberIdentity;
use milena_core::protocol::list_groups::ListedGroup;
use milena_core::protocol::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use milena_core::protocol::offset_fetch::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use milena_core::protocol::sync_group::SyncGroupRequestAssignment;
use milena_core::protocol::{
    DeleteGroupsRequest, DescribeGroupsRequest, ErrorCode, FindCoordinatorRequest, HeartbeatRequest,
    JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, ListGroupsRequest,
    OffsetCommitRequest, OffsetFetchRequest, SyncGroupRequest, SyncGroupResponse,
};
use milena_core::wire::Str;

use crate::script::Script;

/// A member of group `g`, as it sees itself.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) conn: ConnectionId,
    pub(crate) id: Str,
    pub(crate) instance: Option<Str>,
    pub(crate) protocols: Vec<(&'static str, &'static str)>,
    pub(crate) session_ms: i32,
    pub(crate) rebalance_ms: i32,
    /// Of JoinGroup.
    pub(crate) version: i16,
}

impl Member {
    pub(crate) fn request(&self) -> JoinGroupRequest {
        let protocols = self.protocols.iter().map(|(name, topic)| JoinGroupRequestProtocol {
            name: (*name).into(),
            metadata: ConsumerProtocolSubscription { topics: vec![(*topic).into()], ..Default::default() }
                .to_metadata(1)
                .unwrap(),
            ..Default::default()
        });
        JoinGroupRequest {
            group_id: "g".into(),
            session_timeout_ms: self.session_ms,
            rebalance_timeout_ms: self.rebalance_ms,
            member_id: self.id.clone(),
            group_instance_id: self.instance.clone().filter(|_| self.version >= 5),
            protocol_type: "consumer".into(),
            protocols: protocols.collect(),
            ..Default::default()
        }
    }

    fn sync_version(&self) -> i16 {
        if self.version >= 5 { 3 } else { 1 }
    }

    pub(crate) fn identity(&self) -> MemberIdentity {
        MemberIdentity {
            member_id: self.id.clone(),
            group_instance_id: self.instance.clone(),
            ..Default::default()
        }
    }
}

impl Script {
    /// One broker of the newest release with topics `t` and `u`, which coordinates all groups.
    pub(crate) fn with_groups(options: ClusterOptions) -> Self {
        let topics = vec![("t".to_owned(), 2), ("u".to_owned(), 1)];
        let mut script = Script::new(ClusterOptions { topics, ..options });
        let conn = script.connect(1);
        let request = || FindCoordinatorRequest { key: "g".into(), ..Default::default() };
        assert_eq!(script.call(conn, request(), 0).error_code, ErrorCode::COORDINATOR_NOT_AVAILABLE);
        assert_eq!(script.call(conn, request(), 0).error_code, ErrorCode::NONE);
        script
    }

    pub(crate) fn groups_as(release: &str) -> Self {
        Script::with_groups(ClusterOptions { as_version: release.parse().unwrap(), ..Default::default() })
    }

    pub(crate) fn member(&mut self) -> Member {
        Member {
            conn: self.connect(1),
            id: Str::default(),
            instance: None,
            protocols: vec![("range", "t")],
            session_ms: 10_000,
            rebalance_ms: 60_000,
            version: 9,
        }
    }

    pub(crate) fn static_member(&mut self, instance: &str) -> Member {
        Member { instance: Some(instance.into()), ..self.member() }
    }

    /// Sends a join, and with the id it gets another one if that is what it is told.
    pub(crate) fn join(&mut self, member: &mut Member) {
        self.send(member.conn, member.request(), member.version);
        if member.version < 4 || !member.id.is_empty() || member.instance.is_some() {
            return;
        }
        let refused = self.joined(member).expect("an id, or why not");
        assert_eq!((refused.error_code, refused.generation_id), (ErrorCode::MEMBER_ID_REQUIRED, -1));
        member.id = refused.member_id;
        self.send(member.conn, member.request(), member.version);
    }

    pub(crate) fn joined(&mut self, member: &Member) -> Option<JoinGroupResponse> {
        self.answer::<JoinGroupRequest>(member.conn, member.version).map(|(_, response)| response)
    }

    /// The code and the generation of a join that is answered.
    pub(crate) fn generation(&mut self, member: &mut Member) -> (ErrorCode, i32) {
        let response = self.joined(member).expect("the join is answered");
        if response.error_code == ErrorCode::NONE {
            member.id = response.member_id;
        }
        (response.error_code, response.generation_id)
    }

    pub(crate) fn sync(&mut self, member: &Member, generation_id: i32, assigned: &[(&Member, &'static str)]) {
        let assignments = assigned.iter().map(|(to, what)| SyncGroupRequestAssignment {
            member_id: to.id.clone(),
            assignment: what.as_bytes().into(),
            ..Default::default()
        });
        let request = SyncGroupRequest {
            group_id: "g".into(),
            generation_id,
            member_id: member.id.clone(),
            group_instance_id: member.instance.clone(),
            assignments: assignments.collect(),
            ..Default::default()
        };
        self.send(member.conn, request, member.sync_version());
    }

    pub(crate) fn synced(&mut self, member: &Member) -> Option<SyncGroupResponse> {
        self.answer::<SyncGroupRequest>(member.conn, member.sync_version()).map(|(_, response)| response)
    }

    /// The code and the assignment of a sync that is answered.
    pub(crate) fn assignment(&mut self, member: &Member) -> (ErrorCode, String) {
        let response = self.synced(member).expect("the sync is answered");
        (response.error_code, String::from_utf8(response.assignment.to_vec()).unwrap())
    }

    pub(crate) fn beat(&mut self, member: &Member, generation_id: i32) -> ErrorCode {
        let request = HeartbeatRequest {
            group_id: "g".into(),
            generation_id,
            member_id: member.id.clone(),
            group_instance_id: member.instance.clone(),
            ..Default::default()
        };
        self.call(member.conn, request, if member.instance.is_some() { 3 } else { 1 }).error_code
    }

    pub(crate) fn leave(&mut self, conn: ConnectionId, members: Vec<MemberIdentity>) -> LeaveGroupResponse {
        self.call(conn, LeaveGroupRequest { group_id: "g".into(), members, ..Default::default() }, 4)
    }

    /// A stable group of that many members, the first one of which leads: in generation 1 if it is alone, else in 2.
    pub(crate) fn stable(&mut self, count: usize) -> Vec<Member> {
        let mut members: Vec<_> = (0..count).map(|_| self.member()).collect();
        self.stabilise(&mut members);
        members
    }

    /// All join an empty group, and sync. Their generation.
    pub(crate) fn stabilise(&mut self, members: &mut [Member]) -> i32 {
        // The first one leads alone, until the others are there.
        members.iter_mut().for_each(|member| self.join(member));
        let first = self.joined(&members[0]).expect("the first is alone");
        members[0].id = first.member_id;
        let mut generation = first.generation_id;
        if members.len() > 1 {
            self.join(&mut members[0]);
            for member in members.iter_mut() {
                generation = self.generation(member).1;
            }
        }
        let (leader, others) = members.split_first().unwrap();
        for member in others {
            self.sync(member, generation, &[]);
        }
        let all: Vec<_> = members.iter().map(|member| (member, "some")).collect();
        self.sync(leader, generation, &all);
        for member in members.iter() {
            assert_eq!(self.assignment(member), (ErrorCode::NONE, "some".to_owned()));
        }
        generation
    }

    pub(crate) fn describe(&mut self, conn: ConnectionId) -> DescribedGroup {
        let request = DescribeGroupsRequest { groups: vec!["g".into()], ..Default::default() };
        self.call(conn, request, 1).groups.remove(0)
    }

    pub(crate) fn state_of(&mut self, conn: ConnectionId) -> String {
        self.describe(conn).group_state.to_string()
    }

    pub(crate) fn list(&mut self, conn: ConnectionId, states: &[&str], types: &[&str]) -> Vec<ListedGroup> {
        let names = |names: &[&str]| names.iter().map(|name| Str::from(*name)).collect();
        let request = ListGroupsRequest {
            states_filter: names(states),
            types_filter: names(types),
            ..Default::default()
        };
        self.call(conn, request, 5).groups
    }

    pub(crate) fn delete_group(&mut self, conn: ConnectionId) -> ErrorCode {
        let request = DeleteGroupsRequest { groups_names: vec!["g".into()], ..Default::default() };
        self.call(conn, request, 1).results[0].error_code
    }

    /// Commits for partition 0 of `t`, from outside the group unless the request says otherwise.
    pub(crate) fn commit(&mut self, conn: ConnectionId, request: OffsetCommitRequest) -> ErrorCode {
        self.commit_at(conn, request, 7)
    }

    pub(crate) fn commit_at(
        &mut self,
        conn: ConnectionId,
        request: OffsetCommitRequest,
        version: i16,
    ) -> ErrorCode {
        self.call(conn, request, version).topics[0].partitions[0].error_code
    }

    /// Offset, leader epoch, metadata and code that are stored for a partition.
    pub(crate) fn fetch_offset(
        &mut self,
        conn: ConnectionId,
        topic: &str,
        partition: i32,
    ) -> (i64, i32, String, ErrorCode) {
        let topic = OffsetFetchRequestTopics {
            name: topic.into(),
            partition_indexes: [partition].into(),
            ..Default::default()
        };
        let group =
            OffsetFetchRequestGroup { group_id: "g".into(), topics: Some(vec![topic]), ..Default::default() };
        let request = OffsetFetchRequest { groups: vec![group], ..Default::default() };
        let mut response = self.call(conn, request, 8);
        let found = response.groups[0].topics[0].partitions.remove(0);
        let metadata = found.metadata.unwrap().to_string();
        (found.committed_offset, found.committed_leader_epoch.0, metadata, found.error_code)
    }
}

impl Script {
    /// What is stored for partition 0 of `t`, as all releases tell it: offset and code.
    pub(crate) fn old_offset(&mut self, conn: ConnectionId, version: i16) -> (i64, ErrorCode) {
        let topic =
            OffsetFetchRequestTopic { name: "t".into(), partition_indexes: [0].into(), ..Default::default() };
        let request =
            OffsetFetchRequest { group_id: "g".into(), topics: Some(vec![topic]), ..Default::default() };
        let response = self.call(conn, request, version);
        let found = &response.topics[0].partitions[0];
        (found.committed_offset, found.error_code)
    }
}

pub(crate) fn commit_request(
    topic: &str,
    partition_index: i32,
    committed_offset: i64,
) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition { partition_index, committed_offset, ..Default::default() };
    let topic =
        OffsetCommitRequestTopic { name: topic.into(), partitions: vec![partition], ..Default::default() };
    OffsetCommitRequest { group_id: "g".into(), topics: vec![topic], ..Default::default() }
}

/// A member's commit in its generation.
pub(crate) fn commit_of(member: &Member, generation: i32) -> OffsetCommitRequest {
    OffsetCommitRequest {
        generation_id_or_member_epoch: generation,
        member_id: member.id.clone(),
        group_instance_id: member.instance.clone(),
        ..commit_request("t", 0, 7)
    }
}
