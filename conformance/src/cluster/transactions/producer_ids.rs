//! InitProducerId: ids for idempotent producers, ids and epochs for transactional ones.

use std::time::Duration;

use milena_core::protocol::{ErrorCode, InitProducerIdRequest, InitProducerIdResponse, ProducerId};
use milena_core::wire::Str;

use super::metadata::{ProducerIdAndEpoch, TransactionMetadata};
use super::{Transactions, understood};
use crate::cluster::admin::{CLUSTER, Operation, ResourceType};
use crate::cluster::api::Call;
use crate::cluster::coordinator::CoordinatorKind;
use crate::cluster::release::Release;
use crate::cluster::state::ClusterState;

/// `transaction.max.timeout.ms`: 15 minutes.
const LONGEST_TRANSACTION_MS: i32 = 15 * 60 * 1000;

impl ClusterState {
    pub(super) fn init_producer_id(
        &mut self,
        call: &Call,
        request: InitProducerIdRequest,
    ) -> InitProducerIdResponse {
        let transactional_id = request.transactional_id.clone();
        let given = self.producer_id_for(call, request);
        if let Some(id) = &transactional_id {
            // It may have aborted what an older producer left open.
            self.begin_markers(id);
        }
        match given {
            Ok(ProducerIdAndEpoch { id, epoch }) => {
                InitProducerIdResponse { producer_id: id, producer_epoch: epoch, ..Default::default() }
            }
            Err(code) => InitProducerIdResponse {
                error_code: understood(code, call.version, 4),
                producer_id: ProducerId::NONE,
                producer_epoch: -1,
                ..Default::default()
            },
        }
    }

    fn producer_id_for(
        &mut self,
        call: &Call,
        request: InitProducerIdRequest,
    ) -> Result<ProducerIdAndEpoch, ErrorCode> {
        self.check_may_produce(call, request.transactional_id.as_deref())?;
        let expected = match (request.producer_id, request.producer_epoch) {
            (ProducerId::NONE, -1) => None,
            (ProducerId::NONE, _) | (_, -1) => return Err(ErrorCode::INVALID_REQUEST),
            (id, epoch) => Some(ProducerIdAndEpoch { id, epoch }),
        };
        // Without a transactional id there is nothing to look the producer up by: it always gets a new id.
        let Some(transactional_id) = request.transactional_id else {
            return Ok(ProducerIdAndEpoch { id: self.transactions.producer_ids.next(), epoch: 0 });
        };
        if transactional_id.is_empty() {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        if !(1..=LONGEST_TRANSACTION_MS).contains(&request.transaction_timeout_ms) {
            return Err(ErrorCode::INVALID_TRANSACTION_TIMEOUT);
        }
        self.check_coordinator(call, CoordinatorKind::Transaction, &transactional_id)?;
        let timeout = Duration::from_millis(request.transaction_timeout_ms.unsigned_abs().into());
        let version = self.transaction_version();
        let Transactions { producer_ids, by_id, .. } = &mut self.transactions;
        let transaction = by_id
            .entry(Str::from(&*transactional_id))
            .or_insert_with(|| TransactionMetadata::new(producer_ids.next()));
        transaction.init(expected, timeout, version, self.now, producer_ids)
    }

    fn check_may_produce(&self, call: &Call, transactional_id: Option<&str>) -> Result<(), ErrorCode> {
        if let Some(id) = transactional_id {
            return self.check_transactional_id(call, id);
        }
        // Since 2.8 it is enough to have a topic to write to (KIP-679).
        let may_write = call.forced.is_none()
            && self.options.as_version >= Release::V2_8
            && self.authorize_any(call, Operation::Write, ResourceType::Topic);
        match may_write {
            true => Ok(()),
            false => self.check_access(call, Operation::IdempotentWrite, ResourceType::Cluster, CLUSTER),
        }
    }
}
