//! Who may send: what leaves for a broker, when, and how much of it is sealed ahead.
//!
//! Rules:
//! - To a broker, a batch that is not full leaves at once while nothing is in flight there (or, with `linger`, when that
//!   has passed), and gathers otherwise; full batches leave as long as fewer than `max_in_flight` requests are unanswered.
//!   A request carries one batch each of many partitions.
//! - In a partition, up to `max_in_flight` batches are in flight, in order; only one until the first success under a
//!   leader and epoch, only one of those that are retried, and only one without idempotence, so that order holds.
//! - What is sealed leaves with the next request, whatever else is still being sealed. No more is being sealed for a broker
//!   than one request holds.

use std::time::Duration;

use super::partition::{NO_IDENTITY, Partition};
use super::state::{Context, Identity, Sender};
use crate::producer::job::Work;
use crate::protocol::BrokerId;
use crate::record::MessageFormat;

impl Sender {
    /// Seals and sends what each broker can take that something has changed for.
    pub(super) fn drain(&mut self, ctx: &mut Context<'_>) {
        while let Some(leader) = self.to_drain.pop_first() {
            match self.identity {
                Identity::Wanted => {
                    self.identity = Identity::Asking;
                    self.ask_identity(ctx);
                }
                Identity::Asking => {}
                Identity::Off | Identity::Renewing | Identity::Ready(..) => while self.pick(ctx, leader) {},
            }
        }
    }

    /// Sends one request to a broker, if it can take one and there is something for it; begins to seal what can leave next.
    fn pick(&mut self, ctx: &mut Context<'_>, leader: BrokerId) -> bool {
        let Some(node) = self.nodes.get(&leader) else { return false };
        if node.in_flight >= self.client.max_in_flight {
            return false;
        }
        let (turn, format, mut sealing_bytes) = (node.turn, node.format, node.sealing_bytes);
        let ready: Vec<usize> = node.ready.range(turn..).chain(node.ready.range(..turn)).copied().collect();
        let (mut bytes, mut chosen, mut unsealed, mut done) = (0, Vec::new(), Vec::new(), Vec::new());
        for slot in ready {
            let partition = &self.partitions[slot];
            if partition.oldest.is_none() && partition.sealed.is_empty() {
                done.push(slot);
            } else if self.may_send(ctx, partition) {
                match partition.sealed.front() {
                    Some(batch) if batch.format == format => {
                        bytes += batch.bytes.len();
                        if bytes > self.config.request_bytes && !chosen.is_empty() {
                            break;
                        }
                        chosen.push(slot);
                    }
                    _ => unsealed.push(slot),
                }
            }
        }
        let idle = node.in_flight == 0 && node.sealing == 0 && chosen.is_empty();
        let mut to_seal = Vec::new();
        for slot in unsealed {
            let partition = &self.partitions[slot];
            let sealed = partition.sealed.front();
            let size = sealed.map_or(self.config.batch_bytes, |batch| batch.bytes.len());
            let fits = sealing_bytes == 0 || sealing_bytes + size <= self.config.request_bytes;
            if fits && (sealed.is_some() || partition.full || self.is_due(ctx, partition, idle)) {
                sealing_bytes += size;
                to_seal.push((slot, size));
            }
        }
        if let Some(node) = self.nodes.get_mut(&leader) {
            for slot in done {
                node.ready.remove(&slot);
            }
            node.turn = chosen.last().map_or(turn, |last| last + 1);
            node.sealing += to_seal.len();
            node.sealing_bytes = sealing_bytes;
        }
        let sent = !chosen.is_empty();
        if sent {
            self.send(ctx, leader, chosen);
        }
        to_seal.into_iter().for_each(|(slot, size)| self.prepare(ctx, (leader, size), format, slot));
        sent
    }

    fn may_send(&self, ctx: &Context<'_>, partition: &Partition) -> bool {
        let retried = partition.sealed.front().is_some_and(|batch| batch.sent);
        let limit = match retried || !partition.proven || self.identity == Identity::Off {
            true => 1,
            false => self.client.max_in_flight,
        };
        // A partition's first batch needs an identity that is not about to change.
        let identified =
            matches!(self.identity, Identity::Ready(..) | Identity::Off) || partition.identity != NO_IDENTITY;
        identified
            && partition.working == 0
            && !partition.renumber
            && partition.in_flight.len() < limit
            && partition.not_before <= ctx.now.mono
    }

    /// Whether a batch that is not full should leave now.
    fn is_due(&self, ctx: &Context<'_>, partition: &Partition, idle: bool) -> bool {
        let Some(oldest) = partition.oldest else { return false };
        match self.config.linger {
            Duration::ZERO => idle,
            linger => {
                let flushed = partition.flushed_at.is_some_and(|flushed| oldest <= flushed);
                flushed || oldest + linger <= ctx.now.mono
            }
        }
    }

    /// Has the partition's next batch sealed, or the one that is sealed converted.
    fn prepare(
        &mut self,
        ctx: &mut Context<'_>,
        sealing_for: (BrokerId, usize),
        format: MessageFormat,
        slot: usize,
    ) {
        let encoding = self.encoding(format);
        let current = match self.identity {
            Identity::Ready(id, epoch) => Some((id, epoch)),
            Identity::Off => Some(NO_IDENTITY),
            Identity::Wanted | Identity::Asking | Identity::Renewing => None,
        };
        let partition = &mut self.partitions[slot];
        partition.sealing_for = Some(sealing_for);
        if let Some(batch) = partition.sealed.pop_front() {
            let producer = partition.producer();
            return self.work(ctx, slot, Work::Convert { producer, encoding, batch });
        }
        // A new identity begins where nothing of the old one is under way; others go on under the old one.
        if let Some(current) = current
            && current != partition.identity
            && partition.in_flight.is_empty()
        {
            partition.identity = current;
            partition.next_sequence = 0;
            partition.proven = false;
        }
        partition.forget_gathered();
        let work = Work::Seal { producer: partition.producer(), encoding, order: partition.next_order };
        self.work(ctx, slot, work);
    }
}
