//! OffsetForLeaderEpoch: where an epoch ended, for those who want to know whether what they read is still there.

use milena_core::protocol::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderPartition, OffsetForLeaderTopicResult,
};
use milena_core::protocol::{
    ErrorCode, LeaderEpoch, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
};

use super::{Call, found};
use crate::cluster::state::ClusterState;
use crate::cluster::topic::Topic;

impl ClusterState {
    pub(super) fn offset_for_leader_epoch(
        &mut self,
        call: &Call,
        request: OffsetForLeaderEpochRequest,
    ) -> OffsetForLeaderEpochResponse {
        let topics = request.topics.into_iter().map(|asked| {
            let topic = self.topics.get(&*asked.topic);
            let partitions = asked.partitions.iter().map(|partition| located(call, topic, partition));
            OffsetForLeaderTopicResult {
                partitions: partitions.collect(),
                topic: asked.topic,
                ..Default::default()
            }
        });
        OffsetForLeaderEpochResponse { topics: topics.collect(), ..Default::default() }
    }
}

fn located(call: &Call, topic: Option<&Topic>, asked: &OffsetForLeaderPartition) -> EpochEndOffset {
    let checked = match call.forced {
        Some(code) => Err(code),
        None => found(topic, asked.partition).and_then(|partition| {
            partition.check(call.broker, asked.current_leader_epoch, true)?;
            Ok(partition)
        }),
    };
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
