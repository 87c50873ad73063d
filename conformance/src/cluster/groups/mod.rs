//! Groups: their members and the offsets they have committed.
//!
//! Rules: a group is known by what it is ([`Group`]; so far only those of the classic protocol) and by its offsets, which
//! need no members. The APIs check that the broker is the coordinator, decode, let the group's machine take a step, and
//! answer; what waits keeps its [`Call`] in the machine. Each group has one timer for whatever it is due to do next; offsets
//! and empty groups are looked through every ten minutes, and only if there is something to expire.
//!
//! Simpler than Kafka: what is stored is stored at once, and not as records of `__consumer_offsets`; releases 2.2 to 2.5 count
//! the members of a full group as 2.6 does; an initial delay is kept to by releases before 0.11, too.

mod admin_apis;
mod classic;
mod membership;
mod offset_apis;
mod offsets;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use milena_core::protocol::{ApiKey, ErrorCode, SyncGroupRequest};
use milena_core::wire::Str;

use super::admin::{CLUSTER, Operation, ResourceType};
use super::api::{Call, Outcome};
use super::coordinator::CoordinatorKind;
use super::release::Release;
use super::state::{ClusterState, Timer};
use classic::{Answer, ClassicGroup, State, Step};
use offsets::Offsets;

pub(super) use offset_apis::{Committer, StagedOffset};

/// The APIs of this module.
pub(super) const SERVED: &[ApiKey] = &[
    ApiKey::OFFSET_COMMIT,
    ApiKey::OFFSET_FETCH,
    ApiKey::JOIN_GROUP,
    ApiKey::HEARTBEAT,
    ApiKey::LEAVE_GROUP,
    ApiKey::SYNC_GROUP,
    ApiKey::DESCRIBE_GROUPS,
    ApiKey::LIST_GROUPS,
    ApiKey::DELETE_GROUPS,
    ApiKey::OFFSET_DELETE,
];

/// `offsets.retention.check.interval.ms`: ten minutes.
const CLEANUP_INTERVAL_MS: u64 = 600_000;

/// All groups and their offsets.
#[derive(Debug, Default)]
pub(super) struct Groups {
    by_id: BTreeMap<Str, Group>,
    offsets: Offsets,
    /// The next timer that is set for a group.
    armed: BTreeMap<Str, Duration>,
    /// When a group should next be looked through for what has expired.
    cleanups: BTreeMap<Str, Duration>,
}

/// A group, by its protocol.
#[derive(Debug)]
enum Group {
    Classic(ClassicGroup),
}

impl Groups {
    fn classic(&self, id: &str) -> Option<&ClassicGroup> {
        self.by_id.get(id).map(|Group::Classic(group)| group)
    }

    fn remove(&mut self, id: &str) {
        self.by_id.remove(id);
        self.cleanups.remove(id);
        self.offsets.remove_group(id);
    }
}

/// Serves a request of [`SERVED`].
pub(super) fn dispatch(state: &mut ClusterState, call: &Call, body: Bytes) -> Outcome {
    match call.key {
        ApiKey::JOIN_GROUP => state.decoded(call, body, ClusterState::join_group),
        ApiKey::SYNC_GROUP => state.decoded(call, body, ClusterState::sync_group),
        ApiKey::HEARTBEAT => {
            state.answered(call, body, |state, call, request| state.heartbeat(call, &request))
        }
        ApiKey::LEAVE_GROUP => state.answered(call, body, ClusterState::leave_group),
        ApiKey::OFFSET_COMMIT => state.answered(call, body, ClusterState::offset_commit),
        ApiKey::OFFSET_FETCH => state.answered(call, body, ClusterState::offset_fetch),
        ApiKey::OFFSET_DELETE => state.answered(call, body, ClusterState::offset_delete),
        ApiKey::DESCRIBE_GROUPS => {
            state.answered(call, body, |state, call, request| state.describe_groups(call, request))
        }
        ApiKey::LIST_GROUPS => {
            state.answered(call, body, |state, call, request| state.list_groups(call, &request))
        }
        ApiKey::DELETE_GROUPS => state.answered(call, body, ClusterState::delete_groups),
        _ => Outcome::Close,
    }
}

impl ClusterState {
    /// Whether this broker may serve a request for the group now.
    fn check_group(&self, call: &Call, id: &str) -> Result<(), ErrorCode> {
        let operation = match call.key {
            ApiKey::OFFSET_FETCH | ApiKey::DESCRIBE_GROUPS => Operation::Describe,
            ApiKey::DELETE_GROUPS | ApiKey::OFFSET_DELETE => Operation::Delete,
            _ => Operation::Read,
        };
        self.check_access(call, operation, ResourceType::Group, id)?;
        let since = |release| self.options.as_version >= release;
        let is_valid = match call.key {
            ApiKey::JOIN_GROUP => !id.is_empty(),
            // There may be groups without a name from early times; they can be seen and deleted.
            ApiKey::OFFSET_COMMIT | ApiKey::OFFSET_FETCH | ApiKey::DESCRIBE_GROUPS => true,
            ApiKey::DELETE_GROUPS => !id.is_empty() || since(Release::V2_0),
            _ => !id.is_empty() || !since(Release::V2_0),
        };
        match is_valid {
            true => self.check_coordinator(call, CoordinatorKind::Group, id),
            false => Err(ErrorCode::INVALID_GROUP_ID),
        }
    }

    /// The classic group, made if there is none; from 4.0 on that is remembered at once.
    fn make_classic(&mut self, id: &Str) {
        if !self.groups.by_id.contains_key(id) {
            let mut group = ClassicGroup::new(self.now);
            if self.options.as_version >= Release::V4_0 {
                group.store();
            }
            self.groups.by_id.insert(Str::from(id.as_str()), Group::Classic(group));
            self.arm_group(id);
        }
    }

    /// Lets a classic group take a step; `None` if there is none. Then those are answered who need not wait any more, and
    /// the timer is set for what comes next.
    fn step<T>(&mut self, id: &str, act: impl FnOnce(&mut ClassicGroup, &mut Step) -> T) -> Option<T> {
        let Group::Classic(group) = self.groups.by_id.get_mut(id)?;
        let mut step = Step { now: self.now, options: &self.options, answers: Vec::new() };
        let done = act(group, &mut step);
        for answer in step.answers {
            match answer {
                Answer::Join(call, response) => self.answer_join(&call, response),
                Answer::Sync(call, response) => self.answer::<SyncGroupRequest>(&call, response),
            }
        }
        self.arm_group(id);
        Some(done)
    }

    // ---- time ----

    /// Sets the group's timer, unless it will come early enough.
    fn arm_group(&mut self, id: &str) {
        let Some((id, Group::Classic(group))) = self.groups.by_id.get_key_value(id) else { return };
        let (id, deadline) = (id.clone(), group.next_deadline());
        // Members show life all the time; what is due for their offsets is planned with each commit.
        if group.state() == State::Empty {
            let expiry_ms = match self.groups.offsets.is_empty(&id) {
                true => Some(self.now.wall_ms),
                false => self.groups.offsets.next_expiry_ms(&id, group, &self.options),
            };
            expiry_ms.into_iter().for_each(|expiry_ms| self.plan_cleanup(&id, expiry_ms));
        }
        let due = deadline.into_iter().chain(self.groups.cleanups.get(&id).copied()).min();
        due.into_iter().for_each(|due| self.arm_at(&id, due));
    }

    fn arm_at(&mut self, id: &Str, due: Duration) {
        // What was due while there was no coordinator is due now.
        let due = due.max(self.now.elapsed);
        if self.groups.armed.get(id).is_none_or(|armed| due < *armed) {
            self.groups.armed.insert(id.clone(), due);
            self.set_timer(due, Timer::Group(id.clone()));
        }
    }

    /// A group's timer is due.
    pub(super) fn on_group_timer(&mut self, id: &str) {
        self.groups.armed.remove(id);
        let partition = self.coordinator_partition(CoordinatorKind::Group, id);
        match partition.and_then(|it| self.coordinator_loaded(CoordinatorKind::Group, it)) {
            // It is armed when somebody coordinates it.
            None => {}
            Some(loaded) if self.now.elapsed < loaded => self.arm_at(&Str::from(id), loaded),
            Some(_) => {
                self.step(id, ClassicGroup::on_timeout);
                self.clean_up(id);
                self.arm_group(id);
            }
        }
    }

    /// Makes sure that the group is looked through soon after this time of the wall clock.
    fn plan_cleanup(&mut self, id: &Str, wall_ms: i64) {
        let wait_ms = u64::try_from(wall_ms.saturating_sub(self.now.wall_ms)).unwrap_or(0).max(1);
        let due = self.now.elapsed.saturating_add(Duration::from_millis(wait_ms)).as_millis();
        let rounds = u64::try_from(due.div_ceil(u128::from(CLEANUP_INTERVAL_MS))).unwrap_or(u64::MAX);
        let due = Duration::from_millis(rounds.saturating_mul(CLEANUP_INTERVAL_MS));
        let planned = self.groups.cleanups.entry(id.clone()).or_insert(due);
        *planned = due.min(*planned);
    }

    /// Forgets offsets whose time is over, and the group if it is empty and nothing is left.
    fn clean_up(&mut self, id: &str) {
        if self.groups.cleanups.get(id).is_none_or(|planned| self.now.elapsed < *planned) {
            return;
        }
        self.groups.cleanups.remove(id);
        let Some((id, Group::Classic(group))) = self.groups.by_id.get_key_value(id) else { return };
        let id = id.clone();
        self.groups.offsets.expire(&id, group, self.now.wall_ms, &self.options);
        if let Some(expiry_ms) = self.groups.offsets.next_expiry_ms(&id, group, &self.options) {
            self.plan_cleanup(&id, expiry_ms);
        } else if group.state() == State::Empty && self.groups.offsets.is_empty(&id) {
            self.groups.remove(&id);
        }
    }

    /// The groups of this partition of `__consumer_offsets` have another coordinator, or none.
    pub(super) fn on_groups_moved(&mut self, partition: i32) {
        let loaded = self.coordinator_loaded(CoordinatorKind::Group, partition);
        for id in self.groups.by_id.keys().cloned().collect::<Vec<_>>() {
            if self.coordinator_partition(CoordinatorKind::Group, &id) != Some(partition) {
                continue;
            }
            self.step(&id, |group, step| {
                group.unload(step);
                loaded.into_iter().for_each(|loaded| group.load(loaded));
            });
            let is_stored = self.groups.classic(&id).is_some_and(ClassicGroup::is_stored);
            if !is_stored && self.groups.offsets.is_empty(&id) {
                self.groups.remove(&id);
            }
        }
    }

    /// A topic is gone, and all that was committed in it.
    pub(super) fn on_topic_deleted(&mut self, topic: &str) {
        for id in self.groups.offsets.remove_topic(topic) {
            self.forget_if_unused(&id);
        }
    }

    /// Before 4.0 a group without members goes with its last offset; later brokers leave it to the next cleaning up.
    fn forget_if_unused(&mut self, id: &str) {
        let is_empty = self.groups.classic(id).is_some_and(|group| group.state() == State::Empty);
        if is_empty && self.groups.offsets.is_empty(id) && self.options.as_version < Release::V4_0 {
            self.groups.remove(id);
        }
        self.arm_group(id);
    }

    /// The groups that the broker coordinates and a connection may see; an error if it is still loading some.
    fn groups_of(&self, call: &Call) -> (Vec<(&Str, &Group)>, ErrorCode) {
        let mut code = ErrorCode::NONE;
        let sees_all = self.authorize(call, Operation::Describe, ResourceType::Cluster, CLUSTER);
        let groups = self.groups.by_id.iter().filter(|(id, _)| {
            let checked = self.check_coordinator(call, CoordinatorKind::Group, id);
            if checked == Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS) {
                code = ErrorCode::COORDINATOR_LOAD_IN_PROGRESS;
            }
            checked.is_ok()
                && (sees_all || self.authorize(call, Operation::Describe, ResourceType::Group, id))
        });
        (groups.collect(), code)
    }
}
