//! A group of the classic protocol, as a pure machine: its members agree on a generation, and one of them assigns.
//!
//! Rules:
//! - `Empty`: no members. The first one begins a rebalance, which lasts as long as `group.initial.rebalance.delay.ms` says
//!   and is prolonged by as much while members come, up to the rebalance timeout.
//! - `PreparingRebalance`: joins wait here until all known members have joined, and those that were only told an id; or
//!   until the longest rebalance timeout of any member is over. Dynamic members that have not come by then are out, static
//!   ones stay in. A leader that has not come is replaced; if nobody has, the group waits once more.
//! - `CompletingRebalance`: a new generation, told to all; the leader's answer lists the members. Syncs wait for that of the
//!   leader. From 2.8 on who has not synced when the rebalance timeout is over is out.
//! - `Stable`: everybody has an assignment. It ends when a member comes, goes, or joins with other metadata, and when the
//!   leader joins.
//! - `Dead` is a group that is not there; nothing is kept of it.
//! - A session lasts from the last sign of life: a heartbeat, a commit, the end of a wait. Who waits for the others cannot
//!   show any and does not expire; but a new member, who may not have got its id, does, after five minutes.
//! - A waiting request is answered once, whatever became of its connection; one that is replaced by the same member's next
//!   is not answered at all, as by Kafka.
//! - What was stored last (a generation with its assignment, an empty group) is what another coordinator finds. It starts all
//!   sessions anew; a rebalance under way is forgotten.
//!
//! The machine takes and makes Kafka's messages as those of the newest version; old forms are left to its callers.

mod joining;
pub(super) use joining::Joining;
mod rebalance;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use milena_core::protocol::consumer_protocol::ConsumerProtocolSubscription;
use milena_core::protocol::describe_groups::{DescribedGroup, DescribedGroupMember};
use milena_core::protocol::join_group::{JoinGroupRequestProtocol, JoinGroupResponseMember};
use milena_core::protocol::leave_group::{MemberIdentity, MemberResponse};
use milena_core::protocol::{
    ErrorCode, JoinGroupRequest, JoinGroupResponse, SyncGroupResponse, decode_versioned,
};
use milena_core::wire::Str;

use crate::cluster::api::Call;
use crate::cluster::release::Release;
use crate::cluster::{ClusterOptions, Now};

/// The protocol type of consumers, whose metadata brokers look into for the topics.
const CONSUMER: &str = "consumer";

/// What a step of the machine is given, and where it puts answers to requests that waited, or need not.
pub(super) struct Step<'a> {
    pub(super) now: Now,
    pub(super) options: &'a ClusterOptions,
    pub(super) answers: Vec<Answer>,
}

/// An answer to a request.
pub(super) enum Answer {
    Join(Call, JoinGroupResponse),
    Sync(Call, SyncGroupResponse),
}

impl Step<'_> {
    fn since(&self, release: Release) -> bool {
        self.options.as_version >= release
    }

    fn refuse_join(&mut self, call: Call, member_id: Str, error_code: ErrorCode) {
        let response = JoinGroupResponse { member_id, error_code, ..Default::default() };
        self.answers.push(Answer::Join(call, response));
    }

    fn refuse_sync(&mut self, call: Call, error_code: ErrorCode) {
        self.answers.push(Answer::Sync(call, SyncGroupResponse { error_code, ..Default::default() }));
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Empty,
    PreparingRebalance,
    CompletingRebalance,
    Stable,
}

impl State {
    pub(super) fn name(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::PreparingRebalance => "PreparingRebalance",
            State::CompletingRebalance => "CompletingRebalance",
            State::Stable => "Stable",
        }
    }
}

#[derive(Clone, Debug)]
struct Member {
    instance: Option<Str>,
    client_id: Str,
    rebalance_timeout: Duration,
    session_timeout: Duration,
    protocols: Vec<JoinGroupRequestProtocol>,
    assignment: Bytes,
    /// Not yet in any generation.
    is_new: bool,
    /// `None` while its session cannot end.
    session_end: Option<Duration>,
    joining: Option<Call>,
    syncing: Option<Call>,
}

impl Member {
    /// What it says of itself under a protocol.
    fn metadata(&self, protocol: &str) -> Bytes {
        let spoken = self.protocols.iter().find(|spoken| spoken.name == *protocol);
        spoken.map(|spoken| spoken.metadata.clone()).unwrap_or_default()
    }

    fn speaks(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|spoken| spoken.name == *protocol)
    }

    fn renew_session(&mut self, now: Now) {
        self.session_end = Some(now.elapsed + self.session_timeout);
    }
}

/// A group; see the [module](self) for its rules.
#[derive(Clone, Debug)]
pub(super) struct ClassicGroup {
    state: State,
    /// Since when it is in that state, by the wall clock.
    since_ms: i64,
    generation: i32,
    /// `None` for a group that only stores offsets.
    protocol_type: Option<Str>,
    protocol_name: Option<Str>,
    leader: Option<Str>,
    members: BTreeMap<Str, Member>,
    /// Ids told with MEMBER_ID_REQUIRED, and until when their owners may come back.
    pending: BTreeMap<Str, Duration>,
    /// Members of this generation that have not synced.
    unsynced: BTreeSet<Str>,
    /// What the members subscribe to; `None` if that is not known.
    topics: Option<BTreeSet<Str>>,
    /// When a rebalance goes on without those who have not joined.
    join_deadline: Option<Duration>,
    /// Whether the rebalance began in an empty group.
    is_initial: bool,
    /// By how much more an initial rebalance may be prolonged.
    extension: Duration,
    /// Whether a member came since an initial rebalance was begun or prolonged.
    newcomer: bool,
    /// When those are out who have not synced.
    sync_deadline: Option<Duration>,
    /// What another coordinator would find; `None`: nothing.
    stored: Option<Box<ClassicGroup>>,
}

impl ClassicGroup {
    pub(super) fn new(now: Now) -> Self {
        ClassicGroup {
            state: State::Empty,
            since_ms: now.wall_ms,
            generation: 0,
            protocol_type: None,
            protocol_name: None,
            leader: None,
            members: BTreeMap::new(),
            pending: BTreeMap::new(),
            unsynced: BTreeSet::new(),
            topics: None,
            join_deadline: None,
            is_initial: false,
            extension: Duration::ZERO,
            newcomer: false,
            sync_deadline: None,
            stored: None,
        }
    }

    // ---- requests that do not wait ----

    pub(super) fn heartbeat(
        &mut self,
        step: &Step,
        member_id: &Str,
        instance: Option<&Str>,
        generation: i32,
    ) -> ErrorCode {
        if let Err(code) = self.check_member(member_id, instance) {
            return code;
        }
        // Before 2.6 a member that has joined and not synced is told to join again, and its session goes on; before 2.3
        // even if it has not joined.
        let is_impatient = self.state == State::CompletingRebalance && !step.since(Release::V2_6);
        let is_current = generation == self.generation || (is_impatient && !step.since(Release::V2_3));
        if !is_current {
            return ErrorCode::ILLEGAL_GENERATION;
        }
        if is_impatient {
            return ErrorCode::REBALANCE_IN_PROGRESS;
        }
        self.renew_session(step, member_id);
        match self.state {
            State::PreparingRebalance => ErrorCode::REBALANCE_IN_PROGRESS,
            _ => ErrorCode::NONE,
        }
    }

    pub(super) fn leave(&mut self, step: &mut Step, leaving: &[MemberIdentity]) -> Vec<MemberResponse> {
        let responses: Vec<_> = leaving
            .iter()
            .map(|identity| MemberResponse {
                member_id: identity.member_id.clone(),
                group_instance_id: identity.group_instance_id.clone(),
                error_code: self.let_go(step, identity).err().unwrap_or(ErrorCode::NONE),
                ..Default::default()
            })
            .collect();
        if responses.iter().any(|response| response.error_code == ErrorCode::NONE) {
            self.on_members_gone(step);
        }
        responses
    }

    fn let_go(&mut self, step: &mut Step, identity: &MemberIdentity) -> Result<(), ErrorCode> {
        let instance = identity.group_instance_id.as_ref();
        let id = match identity.member_id.is_empty() {
            // An administrator removes a static member without knowing its id.
            true => instance.and_then(|it| self.static_member(it)).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?,
            false => identity.member_id.clone(),
        };
        if !self.pending.contains_key(&id) && !identity.member_id.is_empty() {
            self.check_member(&id, instance)?;
        }
        self.expel(step, &id);
        Ok(())
    }

    /// Whether offsets may be committed by a member of a generation, or by someone outside (generation -1, no id).
    pub(super) fn check_commit(
        &mut self,
        step: &Step,
        member_id: &Str,
        instance: Option<&Str>,
        generation: i32,
        is_transactional: bool,
    ) -> Result<(), ErrorCode> {
        if generation < 0 && self.state == State::Empty {
            return Ok(());
        }
        let completing = self.state == State::CompletingRebalance && !is_transactional;
        if completing && !step.since(Release::V2_4) {
            return Err(ErrorCode::REBALANCE_IN_PROGRESS);
        }
        if generation >= 0 || !member_id.is_empty() || instance.is_some() {
            self.check_member(member_id, instance)?;
            if generation != self.generation {
                return Err(ErrorCode::ILLEGAL_GENERATION);
            }
        } else if !is_transactional {
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        match completing {
            true => Err(ErrorCode::REBALANCE_IN_PROGRESS),
            false if is_transactional => Ok(()),
            false => {
                self.renew_session(step, member_id);
                Ok(())
            }
        }
    }

    // ---- coordinators ----

    /// Remembers this state for the next coordinator.
    pub(super) fn store(&mut self) {
        self.stored = None;
        let mut stored = self.clone();
        stored.forget_the_transient();
        self.stored = Some(Box::new(stored));
    }

    pub(super) fn is_stored(&self) -> bool {
        self.stored.is_some()
    }

    fn forget_the_transient(&mut self) {
        self.pending.clear();
        self.unsynced.clear();
        self.join_deadline = None;
        self.sync_deadline = None;
        for member in self.members.values_mut() {
            member.is_new = false;
            member.session_end = None;
            member.joining = None;
            member.syncing = None;
        }
    }

    /// Its coordinator is no longer: who waits is sent away, and only what was stored remains. Nothing expires.
    pub(super) fn unload(&mut self, step: &mut Step) {
        for (id, member) in &mut self.members {
            if let Some(call) = member.joining.take() {
                step.refuse_join(call, id.clone(), ErrorCode::NOT_COORDINATOR);
            }
            if let Some(call) = member.syncing.take() {
                step.refuse_sync(call, ErrorCode::NOT_COORDINATOR);
            }
        }
        match self.stored.take() {
            Some(stored) => {
                *self = *stored;
                self.store();
            }
            None => *self = ClassicGroup::new(step.now),
        }
    }

    /// It has a coordinator again, which knows it from a moment on: all sessions start then.
    pub(super) fn load(&mut self, loaded: Duration) {
        for member in self.members.values_mut() {
            member.session_end = Some(loaded + member.session_timeout);
        }
    }

    // ---- queries ----

    pub(super) fn state(&self) -> State {
        self.state
    }

    pub(super) fn protocol_type(&self) -> Str {
        self.protocol_type.clone().unwrap_or_default()
    }

    pub(super) fn is_consumer(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER)
    }

    /// Whether offsets in this topic are in use; those of consumers whose subscriptions are not known may all be.
    pub(super) fn is_subscribed(&self, topic: &str) -> bool {
        self.topics.as_ref().map_or(self.is_consumer(), |topics| topics.contains(topic))
    }

    /// From when on the retention of an offset counts; `None` as long as it is kept in any case.
    pub(super) fn retention_start_ms(&self, release: Release, topic: &str, committed_ms: i64) -> Option<i64> {
        match self.state {
            _ if self.protocol_type.is_none() => Some(committed_ms),
            State::Empty => Some(self.since_ms),
            State::Stable if self.is_consumer() && self.topics.is_some() && release >= Release::V2_4 => {
                (!self.is_subscribed(topic)).then_some(committed_ms)
            }
            _ => None,
        }
    }

    pub(super) fn describe(&self, release: Release) -> DescribedGroup {
        let protocol = self.protocol_name.as_ref().filter(|_| self.state == State::Stable);
        let members = self.members.iter().map(|(id, member)| DescribedGroupMember {
            member_id: id.clone(),
            group_instance_id: member.instance.clone(),
            client_id: member.client_id.clone(),
            client_host: Str::from_static("/127.0.0.1"),
            member_metadata: protocol.map(|protocol| member.metadata(protocol)).unwrap_or_default(),
            member_assignment: match protocol.is_some() || release >= Release::V4_0 {
                true => member.assignment.clone(),
                false => Bytes::new(),
            },
            ..Default::default()
        });
        DescribedGroup {
            group_state: Str::from_static(self.state.name()),
            protocol_type: self.protocol_type(),
            protocol_data: protocol.cloned().unwrap_or_default(),
            members: members.collect(),
            ..Default::default()
        }
    }

    // ---- members ----

    fn static_member(&self, instance: &Str) -> Option<Str> {
        let mut members = self.members.iter();
        members.find(|(_, member)| member.instance.as_ref() == Some(instance)).map(|(id, _)| id.clone())
    }

    /// Whether a member is one, and the one that has its instance id.
    fn check_member(&self, id: &Str, instance: Option<&Str>) -> Result<(), ErrorCode> {
        if let Some(instance) = instance {
            let holder = self.static_member(instance).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
            if holder != *id {
                return Err(ErrorCode::FENCED_INSTANCE_ID);
            }
        }
        match self.members.contains_key(id) {
            true => Ok(()),
            false => Err(ErrorCode::UNKNOWN_MEMBER_ID),
        }
    }

    fn is_leader(&self, id: &Str) -> bool {
        self.leader.as_ref() == Some(id)
    }

    fn renew_session(&mut self, step: &Step, id: &Str) {
        if let Some(member) = self.members.get_mut(id) {
            member.renew_session(step.now);
        }
    }

    /// A member or the owner of a pending id is out; a join of its that waits may be tried anew.
    fn expel(&mut self, step: &mut Step, id: &Str) {
        if let Some(call) = self.members.get_mut(id).and_then(|member| member.joining.take()) {
            step.refuse_join(call, Str::default(), ErrorCode::UNKNOWN_MEMBER_ID);
        }
        self.remove(id);
    }

    fn remove(&mut self, id: &Str) {
        self.members.remove(id);
        self.pending.remove(id);
        self.unsynced.remove(id);
        if self.is_leader(id) {
            self.leader = self.members.keys().next().cloned();
        }
    }

    /// What a member is told of the current generation.
    fn current(&self, id: &Str, with_members: bool) -> JoinGroupResponse {
        let protocol = self.protocol_name.as_deref().unwrap_or_default();
        let members = self.members.iter().filter(|_| with_members);
        let members = members.map(|(id, member)| JoinGroupResponseMember {
            member_id: id.clone(),
            group_instance_id: member.instance.clone(),
            metadata: member.metadata(protocol),
            ..Default::default()
        });
        JoinGroupResponse {
            generation_id: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            member_id: id.clone(),
            members: members.collect(),
            ..Default::default()
        }
    }

    /// The topics that members subscribe to, read as version 0, which all newer ones begin with.
    fn subscribed_topics(&self) -> Option<BTreeSet<Str>> {
        if !self.is_consumer() {
            return None;
        }
        let protocol = self.protocol_name.as_deref().unwrap_or_default();
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            let metadata = member.metadata(protocol);
            let as_zero = [&[0, 0], metadata.get(2..)?].concat().into();
            let (subscription, _) = decode_versioned::<ConsumerProtocolSubscription>(&as_zero).ok()?;
            topics.extend(subscription.topics);
        }
        Some(topics)
    }
}
