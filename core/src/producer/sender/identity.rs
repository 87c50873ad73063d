//! The producer id under which a writer's batches are numbered.
//!
//! Rules:
//! - It is asked for when there is something to send, and nothing is sent before it is there.
//! - When a partition must number its batches anew, the epoch is raised, without asking: brokers let only transactional
//!   producers ask for an epoch. The new epoch fences what may still arrive of the old one (KIP-360). A new id is asked
//!   for only when epochs run out, or a broker knows a newer one than ours.
//! - Partitions that need no new numbers go on under the old identity until nothing of it is under way there.

use std::sync::Arc;

use super::state::{Context, Identity, Sender, Tag, Timer};
use crate::cluster::{Lane, Target};
use crate::connection::{AnyAnswer, Failure, response_to};
use crate::context::Routed;
use crate::error::{Error, Fate, WriteError};
use crate::producer::job::Work;
use crate::protocol::init_producer_id::InitProducerIdRequest;
use crate::protocol::{ApiKey, ErrorCode};
use crate::record;
use crate::time::Instant;

impl Sender {
    /// Without a transactional id each answer brings a new id.
    pub(super) fn ask_identity(&mut self, ctx: &mut Context<'_>) {
        let request = InitProducerIdRequest {
            transactional_id: None,
            transaction_timeout_ms: i32::MAX,
            ..Default::default()
        };
        ctx.send(Routed::new(Target::Any, Lane::General, request, Tag::InitProducerId));
    }

    pub(super) fn on_identity(&mut self, ctx: &mut Context<'_>, result: Result<Option<AnyAnswer>, Failure>) {
        if !matches!(self.identity, Identity::Asking | Identity::Renewing) {
            return;
        }
        let error = match response_to::<InitProducerIdRequest>(result) {
            Ok(answer) if answer.error_code.is_ok() => {
                let (id, epoch) = (answer.producer_id, answer.producer_epoch);
                if id.0 >= 0 && epoch >= 0 {
                    self.identity_failures = 0;
                    self.identity = Identity::Ready(id, epoch);
                    return self.on_new_identity(ctx);
                }
                // As what it means to say may pass.
                let code = ErrorCode::COORDINATOR_NOT_AVAILABLE;
                let message = Some(format!("the answer names producer id {id} with epoch {epoch}"));
                Error::Rejected { api: ApiKey::INIT_PRODUCER_ID, code, message }
            }
            Ok(answer) => {
                let code = answer.error_code;
                Error::Rejected { api: ApiKey::INIT_PRODUCER_ID, code, message: None }
            }
            Err(Failure { error, .. }) => error,
        };
        self.identity_failures += 1;
        let wait = self.backoff.after(self.identity_failures, ctx.rng);
        ctx.set_timer(Timer::Identity, Some(ctx.now.mono + wait));
        let hopeless = match &error {
            Error::Rejected { code, .. } => !code.is_retriable(),
            // The broker is older than 0.11; the next to be asked may be another.
            error => matches!(error, Error::Unsupported { .. }),
        };
        let error = Arc::new(error);
        for slot in 0..self.partitions.len() {
            self.partitions[slot].trouble = Some((ctx.now.mono, error.clone()));
            if hopeless && self.partitions[slot].oldest.is_some() {
                self.partitions[slot].forget_gathered();
                self.work(ctx, slot, Work::Expire { before: Instant::MAX, cause: (*error).clone() });
            }
        }
    }

    pub(super) fn on_identity_timer(&mut self, ctx: &mut Context<'_>) {
        if matches!(self.identity, Identity::Asking | Identity::Renewing) {
            self.ask_identity(ctx);
        }
    }

    fn on_new_identity(&mut self, ctx: &mut Context<'_>) {
        for slot in 0..self.partitions.len() {
            if self.partitions[slot].renumber {
                self.renumber(ctx, slot);
            }
        }
        self.to_drain.extend(self.nodes.keys());
    }

    /// Numbers what a partition holds anew, when nothing of it is in flight and a new identity is there.
    pub(super) fn renumber(&mut self, ctx: &mut Context<'_>, slot: usize) {
        let partition = &mut self.partitions[slot];
        if partition.working > 0 || !partition.in_flight.is_empty() {
            return;
        }
        match self.identity {
            Identity::Ready(id, epoch) if (id, epoch) != partition.identity => {
                partition.outdated = false;
                let forgotten = std::mem::take(&mut partition.forgotten);
                let cause = partition.trouble.as_ref().map_or(Error::Closed, |(_, error)| (**error).clone());
                let (lost, batches): (Vec<_>, Vec<_>) =
                    partition.sealed.drain(..).partition(|batch| forgotten && batch.maybe_written);
                for batch in lost {
                    self.finish(
                        ctx,
                        slot,
                        batch,
                        Err(WriteError { fate: Fate::Unknown, cause: cause.clone() }),
                    );
                }
                let producer = record::Producer { id, epoch, base_sequence: 0, transactional: false };
                self.work(ctx, slot, Work::Restamp { producer, batches });
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
