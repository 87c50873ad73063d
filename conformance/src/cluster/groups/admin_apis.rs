//! DescribeGroups, ListGroups, DeleteGroups: groups as administrators see them.

use std::collections::BTreeSet;

use milena_core::protocol::delete_groups::DeletableGroupResult;
use milena_core::protocol::describe_groups::DescribedGroup;
use milena_core::protocol::list_groups::ListedGroup;
use milena_core::protocol::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse, ErrorCode,
    ListGroupsRequest, ListGroupsResponse,
};
use milena_core::wire::Str;

use super::Group;
use super::classic::State;
use crate::cluster::admin::{CLUSTER, Operation, ResourceType};
use crate::cluster::api::Call;
use crate::cluster::release::Release;
use crate::cluster::state::ClusterState;

impl ClusterState {
    pub(super) fn describe_groups(
        &self,
        call: &Call,
        request: DescribeGroupsRequest,
    ) -> DescribeGroupsResponse {
        let wants_operations = request.include_authorized_operations;
        let groups = request.groups.into_iter().map(|id| self.describe_group(call, id, wants_operations));
        let mut groups: Vec<_> = groups.collect();
        groups.sort_by_key(|group| group.error_code != ErrorCode::GROUP_AUTHORIZATION_FAILED);
        DescribeGroupsResponse { groups, ..Default::default() }
    }

    fn describe_group(&self, call: &Call, group_id: Str, wants_operations: bool) -> DescribedGroup {
        if let Err(error_code) = self.check_group(call, &group_id) {
            return DescribedGroup { error_code, group_id, ..Default::default() };
        }
        let release = self.options.as_version;
        let mut described = match self.groups.classic(&group_id) {
            Some(group) => group.describe(release),
            None if call.version >= 6 => DescribedGroup {
                error_code: ErrorCode::GROUP_ID_NOT_FOUND,
                error_message: Some(format!("Group {group_id} not found.").into()),
                group_state: Str::from_static("Dead"),
                ..Default::default()
            },
            None => DescribedGroup { group_state: Str::from_static("Dead"), ..Default::default() },
        };
        if wants_operations && described.error_code == ErrorCode::NONE {
            described.authorized_operations =
                self.authorized_operations(call, ResourceType::Group, &group_id);
        }
        DescribedGroup { group_id, ..described }
    }

    pub(super) fn list_groups(&self, call: &Call, request: &ListGroupsRequest) -> ListGroupsResponse {
        if let Some(error_code) = call.forced {
            return ListGroupsResponse { error_code, ..Default::default() };
        }
        let release = self.options.as_version;
        if release < Release::V2_1
            && let Err(error_code) =
                self.check_access(call, Operation::Describe, ResourceType::Cluster, CLUSTER)
        {
            return ListGroupsResponse { error_code, ..Default::default() };
        }
        let (groups, error_code) = self.groups_of(call);
        if error_code != ErrorCode::NONE && release >= Release::V4_0 {
            return ListGroupsResponse { error_code, ..Default::default() };
        }
        let is_wanted = |filter: &[Str], name: &str| {
            let is_same = |wanted: &Str| match release >= Release::V3_8 {
                true => wanted.trim().eq_ignore_ascii_case(name),
                false => *wanted == *name,
            };
            filter.is_empty() || filter.iter().any(is_same)
        };
        let listed = groups.into_iter().filter_map(|(id, Group::Classic(group))| {
            let state = group.state().name();
            let wanted =
                is_wanted(&request.states_filter, state) && is_wanted(&request.types_filter, "classic");
            wanted.then(|| ListedGroup {
                group_id: id.clone(),
                protocol_type: group.protocol_type(),
                group_state: Str::from_static(state),
                group_type: Str::from_static("classic"),
                ..Default::default()
            })
        });
        ListGroupsResponse { error_code, groups: listed.collect(), ..Default::default() }
    }

    pub(super) fn delete_groups(
        &mut self,
        call: &Call,
        request: DeleteGroupsRequest,
    ) -> DeleteGroupsResponse {
        let mut named = BTreeSet::new();
        let ids = request.groups_names.into_iter().filter(|id| named.insert(id.clone()));
        let results = ids.map(|group_id| {
            let error_code = self.delete_group(call, &group_id).err().unwrap_or(ErrorCode::NONE);
            DeletableGroupResult { group_id, error_code, ..Default::default() }
        });
        let mut results: Vec<_> = results.collect();
        results.sort_by_key(|result| result.error_code == ErrorCode::GROUP_AUTHORIZATION_FAILED);
        DeleteGroupsResponse { results, ..Default::default() }
    }

    fn delete_group(&mut self, call: &Call, id: &Str) -> Result<(), ErrorCode> {
        self.check_group(call, id)?;
        match self.groups.classic(id).map(|group| group.state()) {
            None => Err(ErrorCode::GROUP_ID_NOT_FOUND),
            Some(State::Empty) => {
                self.groups.remove(id);
                Ok(())
            }
            Some(_) => Err(ErrorCode::NON_EMPTY_GROUP),
        }
    }
}
