//! From one generation to the next: gathering joins, electing, handing out assignments, and what happens in time.

use std::time::Duration;

use milena_core::protocol::SyncGroupRequest;

use super::{Answer, Bytes, Call, ClassicGroup, ErrorCode, State, Step, Str, SyncGroupResponse};
use crate::cluster::release::Release;

impl ClassicGroup {
    pub(in crate::cluster::groups) fn sync(
        &mut self,
        step: &mut Step,
        call: Call,
        request: SyncGroupRequest,
    ) {
        if let Err(code) = self.check_sync(&request) {
            return step.refuse_sync(call, code);
        }
        let id = request.member_id.clone();
        self.unsynced.remove(&id);
        if self.unsynced.is_empty() {
            self.sync_deadline = None;
        }
        if self.state == State::Stable {
            if !step.since(Release::V4_0) {
                self.renew_session(step, &id);
            }
            return step.answers.push(Answer::Sync(call, self.assigned(&id)));
        }
        if let Some(member) = self.members.get_mut(&id) {
            member.syncing = Some(call);
        }
        if self.is_leader(&id) {
            self.assign(step, request);
        }
    }

    fn check_sync(&self, request: &SyncGroupRequest) -> Result<(), ErrorCode> {
        self.check_member(&request.member_id, request.group_instance_id.as_ref())?;
        if request.generation_id != self.generation {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        let differs = |told: &Option<Str>, known: &Option<Str>| told.is_some() && told != known;
        if differs(&request.protocol_type, &self.protocol_type)
            || differs(&request.protocol_name, &self.protocol_name)
        {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        match self.state {
            State::PreparingRebalance => Err(ErrorCode::REBALANCE_IN_PROGRESS),
            _ => Ok(()),
        }
    }

    fn assigned(&self, id: &Str) -> SyncGroupResponse {
        SyncGroupResponse {
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            assignment: self.members.get(id).map(|member| member.assignment.clone()).unwrap_or_default(),
            ..Default::default()
        }
    }

    /// The leader has spoken; members that it left out get nothing.
    fn assign(&mut self, step: &mut Step, request: SyncGroupRequest) {
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
        }
        for assigned in request.assignments {
            if let Some(member) = self.members.get_mut(&assigned.member_id) {
                member.assignment = assigned.assignment;
            }
        }
        self.enter(step, State::Stable);
        let ids: Vec<_> = self.members.keys().cloned().collect();
        for id in ids {
            let response = self.assigned(&id);
            let Some(member) = self.members.get_mut(&id) else { continue };
            if let Some(call) = member.syncing.take() {
                member.renew_session(step.now);
                step.answers.push(Answer::Sync(call, response));
            }
        }
        self.store();
    }

    /// Something has changed: a rebalance begins, or the one under way may be complete.
    pub(super) fn rebalance(&mut self, step: &mut Step) {
        match self.state {
            State::PreparingRebalance => self.complete_if_all_joined(step),
            _ => self.prepare(step),
        }
    }

    pub(super) fn on_members_gone(&mut self, step: &mut Step) {
        if self.state != State::Empty {
            self.rebalance(step);
        }
    }

    pub(super) fn prepare(&mut self, step: &mut Step) {
        if self.state == State::CompletingRebalance {
            for member in self.members.values_mut() {
                member.assignment = Bytes::new();
                if let Some(call) = member.syncing.take() {
                    member.renew_session(step.now);
                    step.refuse_sync(call, ErrorCode::REBALANCE_IN_PROGRESS);
                }
            }
        }
        self.unsynced.clear();
        self.sync_deadline = None;
        self.is_initial = self.state == State::Empty;
        self.enter(step, State::PreparingRebalance);
        if !self.is_initial {
            self.join_deadline = Some(step.now.elapsed + self.rebalance_timeout());
            return self.complete_if_all_joined(step);
        }
        let delay = step.options.group_initial_rebalance_delay;
        self.extension = self.rebalance_timeout().saturating_sub(delay);
        self.newcomer = false;
        match delay.is_zero() {
            true => self.complete_join(step),
            false => self.join_deadline = Some(step.now.elapsed + delay),
        }
    }

    /// An initial rebalance goes by time alone.
    pub(super) fn complete_if_all_joined(&mut self, step: &mut Step) {
        let all_joined = self.pending.is_empty() && self.members.values().all(|it| it.joining.is_some());
        if self.state == State::PreparingRebalance && !self.is_initial && all_joined {
            self.complete_join(step);
        }
    }

    fn complete_join(&mut self, step: &mut Step) {
        self.join_deadline = None;
        let late = self.members.iter().filter(|(_, it)| it.joining.is_none() && it.instance.is_none());
        for id in late.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.remove(&id);
        }
        if !self.elect_leader() && !self.members.is_empty() {
            self.join_deadline = Some(step.now.elapsed + self.rebalance_timeout());
            return;
        }
        self.generation = self.generation.wrapping_add(1);
        self.protocol_name = self.select_protocol();
        self.topics = self.subscribed_topics();
        if self.members.is_empty() {
            self.enter(step, State::Empty);
            return self.store();
        }
        self.enter(step, State::CompletingRebalance);
        self.unsynced = self.members.keys().cloned().collect();
        for id in self.unsynced.clone() {
            let response = self.current(&id, self.is_leader(&id));
            self.answer_join(step, &id, response);
            self.renew_session(step, &id);
            if let Some(member) = self.members.get_mut(&id) {
                member.is_new = false;
            }
        }
        if step.since(Release::V2_8) {
            self.sync_deadline = Some(step.now.elapsed + self.rebalance_timeout());
        }
    }

    /// The leader stays if it has joined; else another one that has. Whether there is one.
    fn elect_leader(&mut self) -> bool {
        let has_joined = |id: &Str| self.members.get(id).is_some_and(|member| member.joining.is_some());
        if self.leader.as_ref().is_some_and(has_joined) {
            return true;
        }
        let Some(next) = self.members.keys().find(|id| has_joined(id)).cloned() else { return false };
        self.leader = Some(next);
        true
    }

    /// Each member votes for the first of its protocols that all speak; of equals the first by name wins.
    pub(super) fn select_protocol(&self) -> Option<Str> {
        let is_common = |name: &Str| self.members.values().all(|member| member.speaks(name));
        let votes: Vec<_> = self
            .members
            .values()
            .filter_map(|member| {
                member.protocols.iter().map(|protocol| &protocol.name).find(|name| is_common(name))
            })
            .collect();
        let count = |name: &Str| votes.iter().filter(|vote| **vote == name).count();
        votes.iter().copied().max_by(|a, b| count(a).cmp(&count(b)).then_with(|| b.cmp(a))).cloned()
    }

    /// Never none at all: a group that waits again and again must let time pass.
    fn rebalance_timeout(&self) -> Duration {
        let longest = self.members.values().map(|member| member.rebalance_timeout).max();
        longest.unwrap_or_default().max(Duration::from_millis(1))
    }

    fn enter(&mut self, step: &Step, state: State) {
        self.state = state;
        self.since_ms = step.now.wall_ms;
    }

    // ---- time ----

    /// When [`Self::on_timeout`] is to be called.
    pub(in crate::cluster::groups) fn next_deadline(&self) -> Option<Duration> {
        let sessions = self.members.values().filter_map(|member| member.session_end);
        let deadlines = [self.join_deadline, self.sync_deadline].into_iter().flatten();
        sessions.chain(self.pending.values().copied()).chain(deadlines).min()
    }

    pub(in crate::cluster::groups) fn on_timeout(&mut self, step: &mut Step) {
        while let Some(due) = self.next_deadline().filter(|due| *due <= step.now.elapsed) {
            let session = self.members.iter().find(|(_, member)| member.session_end == Some(due));
            let pending = self.pending.iter().find(|(_, end)| **end == due);
            if let Some(id) = session.map(|(id, _)| id.clone()) {
                self.on_session_end(step, &id);
            } else if let Some(id) = pending.map(|(id, _)| id.clone()) {
                self.pending.remove(&id);
                self.complete_if_all_joined(step);
            } else if self.join_deadline == Some(due) {
                self.on_join_deadline(step);
            } else {
                self.on_sync_deadline(step);
            }
        }
    }

    fn on_session_end(&mut self, step: &mut Step, id: &Str) {
        let Some(member) = self.members.get_mut(id) else { return };
        member.session_end = None;
        if member.is_new || (member.joining.is_none() && member.syncing.is_none()) {
            self.expel(step, id);
            self.on_members_gone(step);
        }
    }

    fn on_join_deadline(&mut self, step: &mut Step) {
        let delay = step.options.group_initial_rebalance_delay;
        if !self.is_initial || !self.newcomer || self.extension.is_zero() {
            return self.complete_join(step);
        }
        self.newcomer = false;
        self.join_deadline = Some(step.now.elapsed + delay.min(self.extension));
        self.extension = self.extension.saturating_sub(delay);
    }

    fn on_sync_deadline(&mut self, step: &mut Step) {
        self.sync_deadline = None;
        for id in std::mem::take(&mut self.unsynced) {
            self.remove(&id);
        }
        self.prepare(step);
    }
}
