//! JoinGroup, up to where the group's rebalance goes on: who may come in, who is known, who replaces whom.

use std::time::Duration;

use super::{
    Answer, Call, ClassicGroup, ErrorCode, JoinGroupRequest, JoinGroupResponse, Member, State, Step, Str,
};
use crate::cluster::release::Release;

/// How long a new member may wait for its first generation: five minutes. It may be gone without knowing its id.
const NEW_MEMBER_JOIN_TIMEOUT: Duration = Duration::from_secs(300);

/// A JoinGroup request and what its circumstances tell.
pub(in crate::cluster::groups) struct Joining {
    pub(in crate::cluster::groups) call: Call,
    pub(in crate::cluster::groups) request: JoinGroupRequest,
    pub(in crate::cluster::groups) client_id: Str,
    /// The id for a member that has none.
    pub(in crate::cluster::groups) new_id: Str,
}

impl Joining {
    fn session_timeout(&self) -> Duration {
        millis(self.request.session_timeout_ms)
    }

    /// Version 0 has but one timeout.
    fn rebalance_timeout(&self) -> Duration {
        match self.call.version {
            0 => self.session_timeout(),
            _ => millis(self.request.rebalance_timeout_ms),
        }
    }
}

fn millis(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

impl ClassicGroup {
    pub(in crate::cluster::groups) fn join(&mut self, step: &mut Step, joining: Joining) {
        let id = joining.request.member_id.clone();
        if !self.has_room_for(step, &id) {
            self.remove(&id);
            step.refuse_join(joining.call, Str::default(), ErrorCode::GROUP_MAX_SIZE_REACHED);
            return self.complete_if_all_joined(step);
        }
        if !self.supports(&joining.request) {
            return step.refuse_join(joining.call, id, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        match id.is_empty() {
            true => self.join_new(step, joining),
            false => self.join_known(step, joining),
        }
    }

    /// In a rebalance places are for those who come first.
    fn has_room_for(&self, step: &Step, id: &Str) -> bool {
        let member = self.members.get(id);
        let most = step.options.group_max_size;
        match self.state {
            _ if !step.since(Release::V2_2) => true,
            State::Empty => true,
            State::PreparingRebalance => {
                let waiting = self.members.values().filter(|member| member.joining.is_some()).count();
                member.is_some_and(|member| member.joining.is_some()) || waiting < most
            }
            State::CompletingRebalance | State::Stable => member.is_some() || self.members.len() < most,
        }
    }

    /// Whether some protocol of a joining member is spoken by all who are there.
    fn supports(&self, request: &JoinGroupRequest) -> bool {
        let mut names = request.protocols.iter().map(|protocol| &protocol.name);
        match self.state {
            State::Empty => !request.protocol_type.is_empty() && !request.protocols.is_empty(),
            _ => {
                self.protocol_type.as_ref() == Some(&request.protocol_type)
                    && names.any(|name| self.members.values().all(|member| member.speaks(name)))
            }
        }
    }

    fn join_new(&mut self, step: &mut Step, joining: Joining) {
        let id = joining.new_id.clone();
        if let Some(instance) = &joining.request.group_instance_id {
            return match self.static_member(instance) {
                Some(old) => self.replace_static(step, joining, &old),
                None => self.add(step, joining, id),
            };
        }
        // KIP-394: a client that does not get its id leaves no member behind.
        if joining.call.version >= 4 {
            self.pending.insert(id.clone(), step.now.elapsed + joining.session_timeout());
            return step.refuse_join(joining.call, id, ErrorCode::MEMBER_ID_REQUIRED);
        }
        self.add(step, joining, id);
    }

    fn join_known(&mut self, step: &mut Step, joining: Joining) {
        let id = joining.request.member_id.clone();
        let instance = joining.request.group_instance_id.as_ref();
        if self.pending.contains_key(&id) {
            return match instance {
                None => self.add(step, joining, id),
                // Ids of static members are never pending; Kafka fails over this.
                Some(_) => step.refuse_join(joining.call, id, ErrorCode::UNKNOWN_SERVER_ERROR),
            };
        }
        if let Err(code) = self.check_member(&id, instance) {
            return step.refuse_join(joining.call, id, code);
        }
        let is_leader = self.is_leader(&id);
        let is_unchanged =
            self.members.get(&id).is_some_and(|member| member.protocols == joining.request.protocols);
        match self.state {
            // It may not have got the answer; or, if stable, it only wants to sync.
            State::CompletingRebalance if is_unchanged => {
                step.answers.push(Answer::Join(joining.call, self.current(&id, is_leader)));
            }
            State::Stable if is_unchanged && !is_leader => {
                step.answers.push(Answer::Join(joining.call, self.current(&id, false)));
            }
            _ => {
                self.update(step, &id, joining);
                self.rebalance(step);
            }
        }
    }

    fn add(&mut self, step: &mut Step, joining: Joining, id: Str) {
        self.newcomer |= self.state == State::PreparingRebalance;
        self.pending.remove(&id);
        if self.members.is_empty() {
            self.protocol_type = Some(joining.request.protocol_type.clone());
        }
        self.leader.get_or_insert_with(|| id.clone());
        let expires = step.since(Release::V2_1).then(|| step.now.elapsed + NEW_MEMBER_JOIN_TIMEOUT);
        let member = Member {
            instance: joining.request.group_instance_id.clone(),
            rebalance_timeout: joining.rebalance_timeout(),
            session_timeout: joining.session_timeout(),
            client_id: joining.client_id,
            protocols: joining.request.protocols,
            assignment: Default::default(),
            is_new: step.since(Release::V2_1),
            session_end: expires,
            joining: Some(joining.call),
            syncing: None,
        };
        self.members.insert(id, member);
        self.rebalance(step);
    }

    /// A member joins again; its request takes the place of one that may wait.
    fn update(&mut self, step: &Step, id: &Str, joining: Joining) {
        let Some(member) = self.members.get_mut(id) else { return };
        if step.since(Release::V3_3) {
            member.rebalance_timeout = joining.rebalance_timeout();
            member.session_timeout = joining.session_timeout();
        }
        member.protocols = joining.request.protocols;
        member.joining = Some(joining.call);
    }

    /// KIP-345: an instance has started again. It gets a new id, and what still runs under the old one is fenced.
    fn replace_static(&mut self, step: &mut Step, joining: Joining, old: &Str) {
        let Some(mut member) = self.members.remove(old) else { return };
        if let Some(call) = member.joining.take() {
            step.refuse_join(call, old.clone(), ErrorCode::FENCED_INSTANCE_ID);
        }
        if let Some(call) = member.syncing.take() {
            step.refuse_sync(call, ErrorCode::FENCED_INSTANCE_ID);
        }
        let id = joining.new_id.clone();
        let version = joining.call.version;
        member.is_new = false;
        member.renew_session(step.now);
        self.members.insert(id.clone(), member);
        self.unsynced.remove(old);
        let was_leader = self.is_leader(old);
        if was_leader {
            self.leader = Some(id.clone());
        }
        self.update(step, &id, joining);
        let rebalances = match self.state {
            State::PreparingRebalance => return self.complete_if_all_joined(step),
            _ if !step.since(Release::V2_5) => false,
            // The leader may be assigning to the old id.
            State::CompletingRebalance => true,
            _ => self.protocol_name != self.select_protocol(),
        };
        if rebalances {
            return self.prepare(step);
        }
        if step.since(Release::V2_5) {
            self.store();
        }
        // KIP-814: the new leader sees the members but is not to assign. Older clients take themselves for followers, as
        // they are told the old leader's id.
        let skips = was_leader && version >= 9;
        let mut response = self.current(&id, skips);
        response.skip_assignment = skips;
        if was_leader && version < 9 {
            response.leader = old.clone();
        }
        self.answer_join(step, &id, response);
    }

    /// Ends a member's wait for its generation.
    pub(super) fn answer_join(&mut self, step: &mut Step, id: &Str, response: JoinGroupResponse) {
        if let Some(call) = self.members.get_mut(id).and_then(|member| member.joining.take()) {
            step.answers.push(Answer::Join(call, response));
        }
    }
}
