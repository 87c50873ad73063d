//! OffsetForLeaderEpoch: where an epoch ended, for those who want to know whether what they read is still there.

use milena_core::protocol::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderPartition, OffsetForLeaderTopicResult,
};
use milena_core::protocol::{
    ErrorCode, LeaderEpoch, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
};

use super::{Call, found};
use crate::cluster::admin::{CLUSTER, Operation, ResourceType};
use crate::cluster::release::Release;
use crate::cluster::state::ClusterState;
use crate::cluster::topic::Topic;

impl ClusterState {
    pub(super) fn offset_for_leader_epoch(
        &mut self,
        call: &Call,
        request: OffsetForLeaderEpochRequest,
    ) -> OffsetForLeaderEpochResponse {
        let as_broker = self.check_access(call, Operation::ClusterAction, ResourceType::Cluster, CLUSTER);
        let topics = request.topics.into_iter().map(|asked| {
            let topic = self.topics.get(&*asked.topic);
            // Brokers asked first; clients, who do since 2.1, need not be one (KIP-320).
            let allowed = match as_broker {
                Err(_) if self.options.as_version >= Release::V2_1 => {
                    self.check_access(call, Operation::Describe, ResourceType::Topic, &asked.topic)
                }
                allowed => allowed,
            };
            let located = |partition| located(call, allowed, topic, partition);
            let partitions = asked.partitions.iter().map(located);
            OffsetForLeaderTopicResult {
                partitions: partitions.collect(),
                topic: asked.topic,
                ..Default::default()
            }
        });
        let mut topics: Vec<_> = topics.collect();
        let is_refused = |it: &EpochEndOffset| it.error_code == ErrorCode::TOPIC_AUTHORIZATION_FAILED;
        topics.sort_by_key(|topic| topic.partitions.first().is_some_and(is_refused));
        OffsetForLeaderEpochResponse { topics, ..Default::default() }
    }
}

fn located(
    call: &Call,
    allowed: Result<(), ErrorCode>,
    topic: Option<&Topic>,
    asked: &OffsetForLeaderPartition,
) -> EpochEndOffset {
    let checked = allowed.and_then(|()| found(topic, asked.partition)).and_then(|partition| {
        partition.check(call.broker, asked.current_leader_epoch, true)?;
        Ok(partition)
    });
    let (error_code, end) = match checked {
        Ok(partition) => (ErrorCode::NONE, partition.line(call.broker).log.end_of_epoch(asked.leader_epoch)),
        Err(code) => (code, None),
    };
    let (leader_epoch, end_offset) = end.unwrap_or((LeaderEpoch::NONE, -1));
    EpochEndOffset {
        error_code,
        partition: asked.partition,
        leader_epoch: if call.version >= 1 { leader_epoch } else { LeaderEpoch::NONE },
        end_offset,
        ..Default::default()
    }
}
