//! The producer id under which a writer's batches are numbered.
//!
//! Rules:
//! - It is asked for when there is something to send, and nothing is sent before it is there.
//! - When a partition must number its batches anew, the epoch is raised, without asking: brokers let only transactional
//!   producers ask for an epoch. The new epoch fences what may still arrive of the old one (KIP-360). A new id is asked
//!   for only when epochs run out, or a broker knows a newer one than ours.
//! - Partitions that need no new numbers go on under the old identity until nothing of it is under way there.

use std::sync::Arc;

use super::Producer;
use crate::cluster::Cluster;
use crate::connection::{Answer, Failure, Lane};
use crate::context::{Ctx, Tag, Target, Timer};
use crate::error::{Error, Fate, WriteError};
use crate::producer::job::Work;
use crate::protocol::init_producer_id::InitProducerIdRequest;
use crate::protocol::{ApiKey, ProducerId};
use crate::record;
use crate::time::Instant;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// No idempotence.
    Off,
    /// To be asked for when there is something to send.
    Wanted,
    Asking,
    /// A new id is asked for; partitions that need none go on under the old one.
    Renewing,
    Ready(ProducerId, i16),
}

impl Producer {
    /// Without a transactional id each answer brings a new id.
    pub(super) fn ask_identity(&mut self, ctx: &mut Ctx<'_>) {
        let request = InitProducerIdRequest {
            transactional_id: None,
            transaction_timeout_ms: i32::MAX,
            ..Default::default()
        };
        ctx.send(Target::Any, Lane::General, request, Tag::InitProducerId(self.id));
    }

    pub(crate) fn on_identity(
        &mut self,
        ctx: &mut Ctx<'_>,
        cluster: &Cluster,
        result: Result<Option<Answer>, Failure>,
    ) {
        if !matches!(self.identity, Identity::Asking | Identity::Renewing) {
            return;
        }
        let error = match result {
            Ok(answer) => {
                let answer =
                    answer.and_then(|answer| answer.take::<InitProducerIdRequest>()).unwrap_or_default();
                let code = answer.error_code;
                if code.is_ok() {
                    self.identity_failures = 0;
                    self.identity = Identity::Ready(answer.producer_id, answer.producer_epoch);
                    return self.on_new_identity(ctx, cluster);
                }
                Error::Rejected { api: ApiKey::INIT_PRODUCER_ID, code, message: None }
            }
            Err(Failure { error, .. }) => error,
        };
        self.identity_failures += 1;
        let wait = self.backoff.after(self.identity_failures, ctx.rng);
        ctx.set_timer(Timer::Identity(self.id), Some(ctx.now.mono + wait));
        let hopeless = match &error {
            Error::Rejected { code, .. } => !code.is_retriable(),
            // The broker is older than 0.11; the next to be asked may be another.
            error => matches!(error, Error::Unsupported { .. }),
        };
        let error = Arc::new(error);
        for slot in 0..self.partitions.len() {
            self.partitions[slot].last_error = Some(error.clone());
            if hopeless && self.partitions[slot].oldest.is_some() {
                self.partitions[slot].forget_gathered();
                self.work(slot, Work::Expire { before: Instant::MAX, cause: (*error).clone() });
            }
        }
    }

    pub(crate) fn on_identity_timer(&mut self, ctx: &mut Ctx<'_>) {
        if matches!(self.identity, Identity::Asking | Identity::Renewing) {
            self.ask_identity(ctx);
        }
    }

    fn on_new_identity(&mut self, ctx: &mut Ctx<'_>, cluster: &Cluster) {
        for slot in 0..self.partitions.len() {
            if self.partitions[slot].renumber {
                self.renumber(ctx, slot);
            }
        }
        for node in self.nodes.keys().copied().collect::<Vec<_>>() {
            self.drain(ctx, cluster, node);
        }
    }

    /// Numbers what a partition holds anew, when nothing of it is in flight and a new identity is there.
    pub(super) fn renumber(&mut self, ctx: &mut Ctx<'_>, slot: usize) {
        let partition = &mut self.partitions[slot];
        if partition.working > 0 || !partition.in_flight.is_empty() {
            return;
        }
        match self.identity {
            Identity::Ready(id, epoch) if (id, epoch) != partition.identity => {
                partition.outdated = false;
                let forgotten = std::mem::take(&mut partition.forgotten);
                let cause = partition.last_error.as_deref().cloned().unwrap_or(Error::Closed);
                let (lost, batches): (Vec<_>, Vec<_>) =
                    partition.sealed.drain(..).partition(|batch| forgotten && batch.maybe_written);
                for batch in lost {
                    self.finish(batch, Err(WriteError { fate: Fate::Unknown, cause: cause.clone() }));
                }
                let producer = record::Producer { id, epoch, base_sequence: 0, transactional: false };
                self.work(slot, Work::Restamp { producer, batches });
            }
            Identity::Ready(id, epoch) if epoch < i16::MAX && !partition.outdated => {
                self.identity = Identity::Ready(id, epoch + 1);
                self.renumber(ctx, slot);
            }
            Identity::Ready(..) => {
                self.identity = Identity::Renewing;
                self.ask_identity(ctx);
            }
            Identity::Off => partition.renumber = false,
            Identity::Wanted | Identity::Asking | Identity::Renewing => {}
        }
    }
}
