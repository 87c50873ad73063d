//! OffsetCommit, OffsetFetch, OffsetDelete, and what transactions do to offsets.
//!
//! Rules: what a client may do is checked first, for the group and then for each topic. Topics are looked for before groups,
//! so a broker that coordinates nothing knows those that are not there. Version 0 of commit and fetch means ZooKeeper;
//! brokers without one refuse it.

use milena_core::protocol::offset_commit::{
    OffsetCommitRequestPartition, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use milena_core::protocol::offset_delete::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use milena_core::protocol::offset_fetch::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponseGroup,
    OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use milena_core::protocol::{
    ErrorCode, LeaderEpoch, OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest,
    OffsetDeleteResponse, OffsetFetchRequest, OffsetFetchResponse, ProducerId,
};
use milena_core::wire::{Str, Uuid};

use super::classic::State;
use super::offsets::{Committed, Fetched, TopicPartition, retention_ms};
use crate::cluster::admin::{Operation, ResourceType};
use crate::cluster::api::{Call, found};
use crate::cluster::coordinator::CoordinatorKind;
use crate::cluster::release::Release;
use crate::cluster::state::ClusterState;

/// `offset.metadata.max.bytes`, in UTF-16 units.
const LONGEST_METADATA: usize = 4096;

/// Who commits: what a request says of its sender.
#[derive(Clone, Debug)]
pub(in crate::cluster) struct Committer {
    pub(in crate::cluster) group_id: Str,
    /// Empty from outside the group.
    pub(in crate::cluster) member_id: Str,
    pub(in crate::cluster) group_instance_id: Option<Str>,
    /// -1 from outside the group.
    pub(in crate::cluster) generation_id: i32,
}

/// An offset to be staged in a transaction.
#[derive(Clone, Debug)]
pub(in crate::cluster) struct StagedOffset {
    pub(in crate::cluster) partition: TopicPartition,
    pub(in crate::cluster) offset: i64,
    pub(in crate::cluster) leader_epoch: LeaderEpoch,
    pub(in crate::cluster) metadata: Option<Str>,
}

fn is_too_large(metadata: Option<&Str>) -> bool {
    metadata.is_some_and(|metadata| metadata.encode_utf16().count() > LONGEST_METADATA)
}

/// Brokers answer first for what does not come as far as the group: it is not there, or not for this client.
fn reaches_group(code: ErrorCode) -> bool {
    !matches!(
        code,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            | ErrorCode::UNKNOWN_TOPIC_ID
            | ErrorCode::TOPIC_AUTHORIZATION_FAILED
    )
}

impl ClusterState {
    // ---- commit ----

    pub(super) fn offset_commit(
        &mut self,
        call: &Call,
        request: OffsetCommitRequest,
    ) -> OffsetCommitResponse {
        let by_id = call.version >= 10;
        let named = request.topics.into_iter().map(|asked| {
            let name = self.topic_name(call, by_id, &asked.name, &asked.topic_id);
            (name, asked)
        });
        let topics: Vec<_> = named.collect();
        let who = Committer {
            group_id: request.group_id,
            member_id: request.member_id,
            group_instance_id: request.group_instance_id,
            generation_id: request.generation_id_or_member_epoch,
        };
        let access = self.check_access(call, Operation::Read, ResourceType::Group, &who.group_id);
        let is_any_there = topics.iter().any(|(name, asked)| {
            asked
                .partitions
                .iter()
                .any(|partition| self.check_committable(call, name, partition.partition_index).is_ok())
        });
        let admitted = match is_any_there && access.is_ok() {
            true => self.admit_commit(call, &who),
            false => access,
        };
        let responses = topics.into_iter().map(|(name, asked)| {
            let partitions = asked.partitions.into_iter().map(|partition| {
                let partition_index = partition.partition_index;
                let committable = access.and_then(|()| self.check_committable(call, &name, partition_index));
                let checked = committable.and_then(|name| {
                    admitted?;
                    self.commit_one(call, &who.group_id, name, partition, request.retention_time_ms)
                });
                let error_code = checked.err().unwrap_or(ErrorCode::NONE);
                OffsetCommitResponsePartition { partition_index, error_code, ..Default::default() }
            });
            let mut partitions: Vec<_> = partitions.collect();
            partitions.sort_by_key(|partition| reaches_group(partition.error_code));
            OffsetCommitResponseTopic {
                partitions,
                name: asked.name,
                topic_id: asked.topic_id,
                ..Default::default()
            }
        });
        let mut topics: Vec<_> = responses.collect();
        topics.sort_by_key(|topic| topic.partitions.first().is_none_or(|it| reaches_group(it.error_code)));
        OffsetCommitResponse { topics, ..Default::default() }
    }

    /// Whether there is such a partition to commit for; before 2.0 only the topic is looked for.
    fn check_committable(
        &self,
        call: &Call,
        name: &Result<Str, ErrorCode>,
        partition: i32,
    ) -> Result<Str, ErrorCode> {
        let name = name.clone()?;
        self.check_access(call, Operation::Read, ResourceType::Topic, &name)?;
        let topic = self.topics.get(&*name);
        match self.options.as_version >= Release::V2_0 || topic.is_none() {
            true => found(topic, partition).map(|_| name),
            false => Ok(name),
        }
    }

    fn admit_commit(&mut self, call: &Call, who: &Committer) -> Result<(), ErrorCode> {
        if call.version == 0 {
            return self.check_zookeeper();
        }
        self.check_group(call, &who.group_id)?;
        let says_not_found = call.version >= 9 && self.options.as_version >= Release::V4_0;
        self.check_committer(who, false).map_err(|code| match code {
            ErrorCode::GROUP_ID_NOT_FOUND if !says_not_found => ErrorCode::ILLEGAL_GENERATION,
            code => code,
        })
    }

    /// Whether the group takes commits from there; one from outside makes the group if need be.
    fn check_committer(&mut self, who: &Committer, is_transactional: bool) -> Result<(), ErrorCode> {
        if who.generation_id < 0 {
            self.make_classic(&who.group_id);
        }
        let (member_id, instance) = (&who.member_id, who.group_instance_id.as_ref());
        let checked = self.step(&who.group_id, |group, step| {
            group.check_commit(step, member_id, instance, who.generation_id, is_transactional)
        });
        checked.unwrap_or(Err(ErrorCode::GROUP_ID_NOT_FOUND))
    }

    fn check_zookeeper(&self) -> Result<(), ErrorCode> {
        match self.options.as_version < Release::V3_0 {
            true => Ok(()),
            false => Err(ErrorCode::UNSUPPORTED_VERSION),
        }
    }

    fn commit_one(
        &mut self,
        call: &Call,
        group: &Str,
        topic: Str,
        partition: OffsetCommitRequestPartition,
        retention_time_ms: i64,
    ) -> Result<(), ErrorCode> {
        if is_too_large(partition.committed_metadata.as_ref()) {
            return Err(ErrorCode::OFFSET_METADATA_TOO_LARGE);
        }
        let group = Str::from(group.as_str());
        let key = (Str::from(topic.as_str()), partition.partition_index);
        if call.version == 0 {
            self.groups.offsets.commit_to_zookeeper(&group, key, partition.committed_offset);
            return Ok(());
        }
        let committed_ms = match partition.commit_timestamp {
            -1 => self.now.wall_ms,
            stated => stated,
        };
        let expires_ms = match retention_time_ms {
            // Before 2.1 each offset had its time, and version 1 could let it count from the past.
            -1 if self.options.as_version < Release::V2_1 => {
                Some(committed_ms.saturating_add(retention_ms(&self.options)))
            }
            -1 => None,
            stated => Some(self.now.wall_ms.saturating_add(stated)),
        };
        let committed = Committed {
            offset: partition.committed_offset,
            leader_epoch: partition.committed_leader_epoch,
            metadata: partition.committed_metadata.map(|it| Str::from(it.as_str())).unwrap_or_default(),
            committed_ms,
            expires_ms,
        };
        self.groups.offsets.commit(&group, key, committed);
        self.plan_expiry(&group, committed_ms, expires_ms);
        Ok(())
    }

    /// Looks for a commit again when it might have expired, whatever its group does until then.
    fn plan_expiry(&mut self, group: &Str, committed_ms: i64, expires_ms: Option<i64>) {
        let retained_ms = committed_ms.saturating_add(retention_ms(&self.options));
        self.plan_cleanup(group, expires_ms.unwrap_or(retained_ms));
        self.arm_group(group);
    }

    // ---- transactions ----

    /// Takes offsets that a transaction is to commit (TxnOffsetCommit), after checking that the group takes them.
    ///
    /// The caller has checked that the broker coordinates the group ([`Self::check_coordinator`]), that the topics exist, and
    /// whose transaction it is. One code for each offset, in their order; or the code for all, and nothing was staged.
    pub(in crate::cluster) fn stage_offsets(
        &mut self,
        who: &Committer,
        producer_id: ProducerId,
        offsets: Vec<StagedOffset>,
    ) -> Result<Vec<ErrorCode>, ErrorCode> {
        self.check_committer(who, true).map_err(|code| match code {
            ErrorCode::GROUP_ID_NOT_FOUND => ErrorCode::ILLEGAL_GENERATION,
            code => code,
        })?;
        let committed_ms = self.now.wall_ms;
        let expires_ms = (self.options.as_version < Release::V2_1)
            .then(|| committed_ms.saturating_add(retention_ms(&self.options)));
        let group = Str::from(who.group_id.as_str());
        let staged = offsets.into_iter().map(|staged| {
            if is_too_large(staged.metadata.as_ref()) {
                return ErrorCode::OFFSET_METADATA_TOO_LARGE;
            }
            let committed = Committed {
                offset: staged.offset,
                leader_epoch: staged.leader_epoch,
                metadata: staged.metadata.map(|it| Str::from(it.as_str())).unwrap_or_default(),
                committed_ms,
                expires_ms,
            };
            let key = (Str::from(staged.partition.0.as_str()), staged.partition.1);
            self.groups.offsets.stage(&group, producer_id, key, committed);
            ErrorCode::NONE
        });
        Ok(staged.collect())
    }

    /// Ends a producer's transaction in the groups of this partition of `__consumer_offsets` that it has staged offsets for:
    /// they are committed, or forgotten.
    pub(in crate::cluster) fn settle_staged(
        &mut self,
        partition: i32,
        producer_id: ProducerId,
        commit: bool,
    ) {
        let of_partition =
            |group: &str| self.coordinator_partition(CoordinatorKind::Group, group) == Some(partition);
        let groups: Vec<Str> =
            self.groups.offsets.staged_by(producer_id).filter(|group| of_partition(group)).collect();
        for group in groups {
            self.groups.offsets.settle(&group, producer_id, commit);
            self.plan_expiry(&group, self.now.wall_ms, None);
        }
    }

    /// What a group has committed for a partition, if anything: the offset to go on from.
    pub fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<i64> {
        match self.groups.offsets.fetch(group, &(topic.into(), partition), false) {
            Fetched::Some(committed) => Some(committed.offset),
            Fetched::None | Fetched::Unstable => None,
        }
    }

    // ---- fetch ----

    pub(super) fn offset_fetch(&mut self, call: &Call, request: OffsetFetchRequest) -> OffsetFetchResponse {
        if call.version >= 8 {
            let groups =
                request.groups.into_iter().map(|group| self.fetch_group(call, group, request.require_stable));
            return OffsetFetchResponse { groups: groups.collect(), ..Default::default() };
        }
        let topics = request.topics.map(|topics| {
            let topics = topics.into_iter().map(|topic| OffsetFetchRequestTopics {
                name: topic.name,
                partition_indexes: topic.partition_indexes,
                ..Default::default()
            });
            topics.collect()
        });
        let group = OffsetFetchRequestGroup { group_id: request.group_id, topics, ..Default::default() };
        let asked = group.topics.clone().unwrap_or_default();
        let fetched = match call.version {
            0 => self.fetch_from_zookeeper(call, group),
            _ => self.fetch_group(call, group, request.require_stable),
        };
        let (error_code, topics) = match fetched.error_code {
            // There is no room for an error of the whole before version 2.
            code if code != ErrorCode::NONE && call.version < 2 => (code, failed(asked, code)),
            code => (code, fetched.topics),
        };
        OffsetFetchResponse {
            error_code,
            topics: topics.into_iter().map(old_form).collect(),
            ..Default::default()
        }
    }

    fn fetch_group(
        &self,
        call: &Call,
        asked: OffsetFetchRequestGroup,
        requires_stable: bool,
    ) -> OffsetFetchResponseGroup {
        let group_id = asked.group_id;
        if let Err(error_code) = self.check_group(call, &group_id) {
            return OffsetFetchResponseGroup { group_id, error_code, ..Default::default() };
        }
        let by_id = call.version >= 10;
        let (topics, all) = match asked.topics {
            Some(topics) => (topics, false),
            None => (self.all_committed(&group_id, by_id), true),
        };
        let topics = topics.into_iter().filter_map(|topic| {
            let name = self.topic_name(call, by_id, &topic.name, &topic.topic_id);
            let name = name.and_then(|name| self.check_describable(call, name));
            // Who asks for all is told what there is for him.
            if all && name.is_err() {
                return None;
            }
            let partitions = topic.partition_indexes.iter().map(|partition_index| {
                let fetched = name.clone().map(|name| {
                    self.groups.offsets.fetch(&group_id, &(name, partition_index), requires_stable)
                });
                match fetched {
                    Ok(Fetched::Some(committed)) => OffsetFetchResponsePartitions {
                        partition_index,
                        committed_offset: committed.offset,
                        committed_leader_epoch: committed.leader_epoch,
                        metadata: Some(committed.metadata.clone()),
                        ..Default::default()
                    },
                    Ok(Fetched::None) => nothing(partition_index, ErrorCode::NONE),
                    Ok(Fetched::Unstable) => nothing(partition_index, ErrorCode::UNSTABLE_OFFSET_COMMIT),
                    Err(code) => nothing(partition_index, code),
                }
            });
            Some(OffsetFetchResponseTopics {
                partitions: partitions.collect(),
                name: topic.name,
                topic_id: topic.topic_id,
                ..Default::default()
            })
        });
        let mut topics: Vec<_> = topics.collect();
        topics.sort_by_key(|topic| topic.partitions.first().is_some_and(|it| !reaches_group(it.error_code)));
        OffsetFetchResponseGroup { topics, group_id, ..Default::default() }
    }

    fn check_describable(&self, call: &Call, topic: Str) -> Result<Str, ErrorCode> {
        self.check_access(call, Operation::Describe, ResourceType::Topic, &topic).map(|()| topic)
    }

    /// What a group has committed, as if it had been asked for.
    fn all_committed(&self, group: &str, by_id: bool) -> Vec<OffsetFetchRequestTopics> {
        let topics = self.groups.offsets.partitions(group).into_iter().map(|(name, partitions)| {
            let topic_id = self.topics.get(&*name).map_or(Uuid::default(), |topic| topic.id);
            OffsetFetchRequestTopics {
                name,
                topic_id,
                partition_indexes: partitions.into(),
                ..Default::default()
            }
        });
        // By id there is no way to tell of a topic that has none.
        topics.filter(|topic| !by_id || !topic.topic_id.is_zero()).collect()
    }

    fn fetch_from_zookeeper(&self, call: &Call, asked: OffsetFetchRequestGroup) -> OffsetFetchResponseGroup {
        let group_id = asked.group_id;
        let access = self.check_access(call, Operation::Describe, ResourceType::Group, &group_id);
        let checked = access.and_then(|()| self.check_zookeeper());
        if let Err(error_code) = checked {
            return OffsetFetchResponseGroup { group_id, error_code, ..Default::default() };
        }
        let topics = asked.topics.unwrap_or_default().into_iter().map(|topic| {
            let partitions = topic.partition_indexes.iter().map(|partition_index| {
                if let Err(code) = self.check_describable(call, topic.name.clone()) {
                    return nothing(partition_index, code);
                }
                let key = (topic.name.clone(), partition_index);
                match self.groups.offsets.fetch_from_zookeeper(&group_id, &key) {
                    Some(offset) => OffsetFetchResponsePartitions {
                        committed_offset: offset,
                        ..nothing(partition_index, ErrorCode::NONE)
                    },
                    None => nothing(partition_index, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
                }
            });
            let partitions = partitions.collect();
            OffsetFetchResponseTopics { name: topic.name, partitions, ..Default::default() }
        });
        OffsetFetchResponseGroup { topics: topics.collect(), group_id, ..Default::default() }
    }

    // ---- delete ----

    pub(super) fn offset_delete(
        &mut self,
        call: &Call,
        request: OffsetDeleteRequest,
    ) -> OffsetDeleteResponse {
        let id = request.group_id;
        if let Err(error_code) = self.check_delete(call, &id) {
            return OffsetDeleteResponse { error_code, ..Default::default() };
        }
        let topics = request.topics.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                let partition_index = partition.partition_index;
                let deleted = self.delete_offset(call, &id, &topic.name, partition_index);
                let error_code = deleted.err().unwrap_or(ErrorCode::NONE);
                OffsetDeleteResponsePartition { partition_index, error_code, ..Default::default() }
            });
            let mut partitions: Vec<_> = partitions.collect();
            partitions.sort_by_key(|partition| reaches_group(partition.error_code));
            OffsetDeleteResponseTopic { name: topic.name, partitions, ..Default::default() }
        });
        let mut topics: Vec<_> = topics.collect();
        topics.sort_by_key(|topic| topic.partitions.first().is_none_or(|it| reaches_group(it.error_code)));
        self.forget_if_unused(&id);
        OffsetDeleteResponse { topics, ..Default::default() }
    }

    fn check_delete(&self, call: &Call, id: &str) -> Result<(), ErrorCode> {
        self.check_group(call, id)?;
        let group = self.groups.classic(id).ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
        match group.state() == State::Empty || group.is_consumer() {
            true => Ok(()),
            false => Err(ErrorCode::NON_EMPTY_GROUP),
        }
    }

    fn delete_offset(&mut self, call: &Call, id: &str, topic: &Str, partition: i32) -> Result<(), ErrorCode> {
        self.check_access(call, Operation::Read, ResourceType::Topic, topic)?;
        found(self.topics.get(&**topic), partition)?;
        let group = self.groups.classic(id).ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
        if group.is_subscribed(topic) {
            return Err(ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC);
        }
        self.groups.offsets.remove(id, &(topic.clone(), partition));
        Ok(())
    }
}

/// No offset, because of an error or not.
fn nothing(partition_index: i32, error_code: ErrorCode) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: -1,
        metadata: Some(Str::default()),
        error_code,
        ..Default::default()
    }
}

fn failed(asked: Vec<OffsetFetchRequestTopics>, code: ErrorCode) -> Vec<OffsetFetchResponseTopics> {
    let topics = asked.into_iter().map(|topic| OffsetFetchResponseTopics {
        partitions: topic.partition_indexes.iter().map(|index| nothing(index, code)).collect(),
        name: topic.name,
        ..Default::default()
    });
    topics.collect()
}

/// A topic's offsets as before version 8.
fn old_form(topic: OffsetFetchResponseTopics) -> OffsetFetchResponseTopic {
    let partitions = topic.partitions.into_iter().map(|partition| OffsetFetchResponsePartition {
        partition_index: partition.partition_index,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        metadata: partition.metadata,
        error_code: partition.error_code,
        ..Default::default()
    });
    OffsetFetchResponseTopic { name: topic.name, partitions: partitions.collect(), ..Default::default() }
}
