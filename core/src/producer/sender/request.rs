//! A produce request: what it brings, and what its answer means for each batch in it.
//!
//! Rules:
//! - A batch whose fate is unknown is sent again with the same numbers until the broker tells, or its time is up.
//! - An answer counts for the batches that its request brought, once, and for nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::partition::Verdict;
use super::state::{Context, Sender, Sent, Tag};
use crate::cluster::{Lane, LeaderHint, Target};
use crate::config::{Acks, Address};
use crate::connection::{AnyAnswer, Failure, response_to};
use crate::context::Routed;
use crate::error::{Error, Fate, WriteError};
use crate::notice::Notice;
use crate::producer::job::Work;
use crate::protocol::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceData,
};
use crate::protocol::{ApiKey, BrokerId, ErrorCode};
use crate::record::Compression;
use crate::wire::Str;

impl Sender {
    /// Sends the oldest sealed batch of each of these partitions.
    pub(super) fn send(&mut self, ctx: &mut Context<'_>, leader: BrokerId, slots: Vec<usize>) {
        let mut topics: BTreeMap<Arc<str>, Vec<PartitionProduceData>> = BTreeMap::new();
        let mut batches = BTreeMap::new();
        for slot in slots {
            let partition = &mut self.partitions[slot];
            let Some(mut batch) = partition.sealed.pop_front() else { continue };
            batches.insert(slot, batch.order);
            batch.sent = true;
            let data = PartitionProduceData {
                index: partition.partition,
                records: Some(batch.bytes.clone()),
                ..Default::default()
            };
            topics.entry(partition.topic.clone()).or_default().push(data);
            partition.in_flight.push_back(batch);
        }
        let topic_ids: Vec<_> =
            topics.keys().map(|topic| (ctx.cluster.topic_id(topic), topic.clone())).collect();
        let has_ids = topic_ids.iter().all(|(id, _)| !id.is_zero());
        let topic_data = topics.into_iter().zip(&topic_ids).map(|((topic, partition_data), (id, _))| {
            TopicProduceData { name: Str::from(&*topic), topic_id: *id, partition_data, ..Default::default() }
        });
        let request = ProduceRequest {
            acks: self.config.acks.id(),
            // The broker gives up waiting for replicas before this client gives up waiting for the broker.
            timeout_ms: (self.client.request_timeout / 4 * 3).as_millis().try_into().unwrap_or(i32::MAX),
            topic_data: topic_data.collect(),
            ..Default::default()
        };
        let id = self.next_request;
        self.next_request += 1;
        let node = self.nodes.entry(leader).or_default();
        node.in_flight += 1;
        let format = node.format;
        self.sent.insert(id, Sent { node: leader, format, batches, topic_ids });
        let (oldest, newest) = format.produce_versions().into_inner();
        // zstd came with version 7, topic ids with 13.
        let oldest = if self.config.compression == Compression::Zstd { 7 } else { oldest };
        let versions = (oldest, if has_ids { newest } else { newest.min(12) });
        let (target, request) = (Target::Broker(leader), Arc::new(request));
        let request = Routed::of(target, Lane::Produce, request, versions, Tag::Produce(id));
        ctx.send(request.answered(self.config.acks != Acks::None));
    }

    pub(super) fn on_produced(
        &mut self,
        ctx: &mut Context<'_>,
        request: u64,
        result: Result<Option<AnyAnswer>, Failure>,
    ) {
        let Some(sent) = self.sent.remove(&request) else { return };
        if let Some(node) = self.nodes.get_mut(&sent.node) {
            node.in_flight -= 1;
        }
        let slots: Vec<usize> = sent.batches.keys().copied().collect();
        self.to_drain.insert(sent.node);
        match result {
            Ok(None) => {
                for (slot, order) in sent.batches {
                    self.on_done(ctx, (sent.node, slot, order), None, None);
                }
            }
            result => match response_to::<ProduceRequest>(result) {
                Ok(answer) => self.on_answers(ctx, sent, answer),
                Err(Failure { error: error @ Error::Unsupported { .. }, .. }) => {
                    self.on_unsupported(ctx, sent.node, sent.format, sent.batches, &error);
                }
                Err(Failure { sent: was_sent, error }) => {
                    self.forget_format(sent.node);
                    ctx.cluster.want_refresh();
                    let error = Arc::new(error);
                    for at in sent.batches {
                        self.on_retriable(ctx, at, error.clone(), was_sent);
                    }
                }
            },
        }
        for slot in slots {
            self.on_work(ctx, slot);
        }
    }

    fn on_answers(&mut self, ctx: &mut Context<'_>, sent: Sent, answer: ProduceResponse) {
        let Sent { node, mut batches, topic_ids, .. } = sent;
        let endpoints: BTreeMap<_, _> = answer.node_endpoints.into_iter().map(|e| (e.node_id, e)).collect();
        for topic in answer.responses {
            let name = topic_ids.iter().find(|(id, name)| match topic.topic_id.is_zero() {
                true => **name == *topic.name,
                false => *id == topic.topic_id,
            });
            let Some((_, name)) = name else { continue };
            for response in topic.partition_responses {
                let index = usize::try_from(response.index).ok();
                let slot = self.topics.get(name).and_then(|topic| topic.slots.get(index?));
                // Partitions that were not asked for are dropped, and so is a second answer for one.
                let Some((slot, order)) = slot.and_then(|slot| batches.remove_entry(slot)) else { continue };
                let hint = &response.current_leader;
                if hint.leader_id.0 >= 0 {
                    let endpoint = endpoints.get(&hint.leader_id);
                    let address = endpoint.and_then(|e| Address::of_broker(&e.host, e.port));
                    ctx.cluster.on_leader_hint(LeaderHint {
                        topic: name.clone(),
                        partition: response.index,
                        leader: hint.leader_id,
                        epoch: hint.leader_epoch,
                        address,
                    });
                }
                self.on_answer(ctx, (node, slot, order), response);
            }
        }
        let silent = Arc::new(Error::Rejected {
            api: ApiKey::PRODUCE,
            code: ErrorCode::UNKNOWN_SERVER_ERROR,
            message: Some("the answer lacks the partition".to_owned()),
        });
        for at in batches {
            self.on_retriable(ctx, at, silent.clone(), true);
        }
    }

    fn on_answer(
        &mut self,
        ctx: &mut Context<'_>,
        (node, slot, order): (BrokerId, usize, u64),
        response: PartitionProduceResponse,
    ) {
        let (code, base_offset) = (response.error_code, response.base_offset);
        let error = Error::Rejected {
            api: ApiKey::PRODUCE,
            code,
            message: response.error_message.as_ref().map(|message| message.to_string()),
        };
        let partition = &mut self.partitions[slot];
        let Some(verdict) = partition.judge(order, code, base_offset) else { return };
        match verdict {
            Verdict::Written => {
                let offset = Some(base_offset).filter(|offset| *offset >= 0);
                let appended = Some(response.log_append_time_ms).filter(|time| *time >= 0);
                return self.on_done(ctx, (node, slot, order), offset, appended);
            }
            Verdict::Refused => {
                let error = WriteError { fate: Fate::Rejected, cause: error };
                return self.on_failed(ctx, slot, order, error);
            }
            Verdict::Split => {
                let Some(batch) = partition.take_in_flight(order) else { return };
                ctx.notice(Notice::BatchSplit { batch: partition.name(&batch) });
                let producer = partition.producer();
                let encoding = self.encoding(batch.format);
                return self.work(ctx, slot, Work::Split { producer, encoding, batch });
            }
            Verdict::Reformat => self.forget_format(node),
            Verdict::FindLeader => ctx.cluster.want_refresh(),
            Verdict::Renumber { forgotten, outdated } => {
                partition.renumber = true;
                partition.forgotten |= forgotten;
                partition.outdated |= outdated;
            }
            Verdict::Again => {}
        }
        self.on_retriable(ctx, (slot, order), Arc::new(error), false);
    }
}
