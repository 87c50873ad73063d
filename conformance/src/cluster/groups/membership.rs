//! JoinGroup, SyncGroup, Heartbeat, LeaveGroup: the requests of members, in all their forms.
//!
//! Joins and syncs are all answered by way of the machine, whether they wait or not.

use std::time::Duration;

use milena_core::protocol::leave_group::{MemberIdentity, MemberResponse};
use milena_core::protocol::{
    ErrorCode, HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    LeaveGroupResponse, SyncGroupRequest, SyncGroupResponse,
};
use milena_core::wire::Str;

use super::classic::Joining;
use crate::cluster::api::{Call, Outcome};
use crate::cluster::release::Release;
use crate::cluster::state::ClusterState;

impl ClusterState {
    pub(super) fn join_group(&mut self, call: &Call, request: JoinGroupRequest) -> Outcome {
        let id = request.group_id.clone();
        if let Err(error_code) = self.admit_join(call, &request) {
            let member_id = request.member_id;
            self.answer_join(call, JoinGroupResponse { error_code, member_id, ..Default::default() });
            return Outcome::Elsewhere;
        }
        self.make_classic(&id);
        let client_id = self.client_id(call.conn).unwrap_or_default();
        let named_after = request.group_instance_id.as_ref().unwrap_or(&client_id);
        let new_id = match request.member_id.is_empty() {
            true => self.new_member_id(&named_after.clone()),
            false => Str::default(),
        };
        let joining = Joining { call: *call, request, client_id, new_id };
        self.step(&id, |group, step| group.join(step, joining));
        Outcome::Elsewhere
    }

    fn admit_join(&self, call: &Call, request: &JoinGroupRequest) -> Result<(), ErrorCode> {
        self.check_group(call, &request.group_id)?;
        let session_timeout = u64::try_from(request.session_timeout_ms).map(Duration::from_millis);
        let allowed = self.options.group_min_session_timeout..=self.options.group_max_session_timeout;
        if !session_timeout.is_ok_and(|timeout| allowed.contains(&timeout)) {
            return Err(ErrorCode::INVALID_SESSION_TIMEOUT);
        }
        // Only who has no id yet may begin a group.
        match request.member_id.is_empty() || self.groups.by_id.contains_key(&request.group_id) {
            true => Ok(()),
            false => Err(ErrorCode::UNKNOWN_MEMBER_ID),
        }
    }

    /// The client's or the instance's own name and a UUID.
    fn new_member_id(&mut self, named_after: &str) -> Str {
        let number = u128::from_be_bytes(self.random_uuid().0);
        let hex = format!("{number:032x}");
        let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
        Str::from(format!("{named_after}-{}", parts.join("-")))
    }

    /// Answers a join in the form of its version and release.
    pub(super) fn answer_join(&mut self, call: &Call, mut response: JoinGroupResponse) {
        if response.error_code != ErrorCode::NONE {
            response.generation_id = if self.options.as_version < Release::V2_2 { 0 } else { -1 };
            response.protocol_name = None;
        }
        if call.version < 7 {
            response.protocol_name.get_or_insert_default();
        }
        self.answer::<JoinGroupRequest>(call, response);
    }

    pub(super) fn sync_group(&mut self, call: &Call, request: SyncGroupRequest) -> Outcome {
        let id = request.group_id.clone();
        let admitted = match self.check_group(call, &id) {
            // The rebalance is lost with the old coordinator; for long, brokers said so, and later left it to clients.
            Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS) if call.forced.is_none() => {
                Err(match self.options.as_version {
                    release if release >= Release::V4_0 => ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
                    release if release >= Release::V2_0 => ErrorCode::REBALANCE_IN_PROGRESS,
                    _ => ErrorCode::UNKNOWN_MEMBER_ID,
                })
            }
            Ok(())
                if call.version >= 5
                    && (request.protocol_type.is_none() || request.protocol_name.is_none()) =>
            {
                Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL)
            }
            checked => checked,
        };
        let taken = admitted.and_then(|()| {
            self.step(&id, |group, step| group.sync(step, *call, request)).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)
        });
        if let Err(error_code) = taken {
            self.answer::<SyncGroupRequest>(call, SyncGroupResponse { error_code, ..Default::default() });
        }
        Outcome::Elsewhere
    }

    pub(super) fn heartbeat(&mut self, call: &Call, request: &HeartbeatRequest) -> HeartbeatResponse {
        let error_code = match self.check_group(call, &request.group_id) {
            // Nothing is known yet that speaks against the member.
            Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS) if call.forced.is_none() => ErrorCode::NONE,
            Err(code) => code,
            Ok(()) => {
                let (member_id, instance) = (&request.member_id, request.group_instance_id.as_ref());
                let beat = self.step(&request.group_id, |group, step| {
                    group.heartbeat(step, member_id, instance, request.generation_id)
                });
                beat.unwrap_or(ErrorCode::UNKNOWN_MEMBER_ID)
            }
        };
        HeartbeatResponse { error_code, ..Default::default() }
    }

    pub(super) fn leave_group(&mut self, call: &Call, request: LeaveGroupRequest) -> LeaveGroupResponse {
        let leaving = match call.version {
            ..3 => vec![MemberIdentity { member_id: request.member_id, ..Default::default() }],
            _ => request.members,
        };
        if let Err(error_code) = self.check_group(call, &request.group_id) {
            return LeaveGroupResponse { error_code, ..Default::default() };
        }
        let members = self.step(&request.group_id, |group, step| group.leave(step, &leaving));
        let members = members.unwrap_or_else(|| leaving.into_iter().map(not_there).collect());
        match call.version {
            ..3 => {
                let error_code = members.first().map_or(ErrorCode::NONE, |member| member.error_code);
                LeaveGroupResponse { error_code, ..Default::default() }
            }
            _ => LeaveGroupResponse { members, ..Default::default() },
        }
    }
}

fn not_there(identity: MemberIdentity) -> MemberResponse {
    MemberResponse {
        member_id: identity.member_id,
        group_instance_id: identity.group_instance_id,
        error_code: ErrorCode::UNKNOWN_MEMBER_ID,
        ..Default::default()
    }
}
