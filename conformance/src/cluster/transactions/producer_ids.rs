//! InitProducerId: ids for idempotent producers, ids and epochs for transactional ones.

use milena_core::protocol::{ErrorCode, InitProducerIdRequest, InitProducerIdResponse, ProducerId};
use milena_core::wire::Str;

use crate::cluster::admin::{CLUSTER, Operation, ResourceType};
use crate::cluster::api::Call;
use crate::cluster::coordinator::CoordinatorKind;
use crate::cluster::state::ClusterState;

/// `transaction.max.timeout.ms`: 15 minutes.
const LONGEST_TRANSACTION_MS: i32 = 15 * 60 * 1000;
/// The last epoch that a producer may be given: Short.MAX - 1, as the one after it is kept for fencing.
const LAST_EPOCH: i16 = i16::MAX - 1;

/// Ids are drawn in blocks of a thousand; the first block is not used here, so that no id is taken for a small number.
const FIRST_PRODUCER_ID: i64 = 1000;

impl ClusterState {
    pub(super) fn init_producer_id(
        &mut self,
        call: &Call,
        request: InitProducerIdRequest,
    ) -> InitProducerIdResponse {
        let given = match self.producer_id_for(call, request) {
            Ok(given) => given,
            Err(error_code) => {
                return InitProducerIdResponse {
                    error_code,
                    producer_id: ProducerId::NONE,
                    producer_epoch: -1,
                    ..Default::default()
                };
            }
        };
        let (id, producer_epoch) = given;
        InitProducerIdResponse { producer_id: ProducerId(id), producer_epoch, ..Default::default() }
    }

    fn producer_id_for(
        &mut self,
        call: &Call,
        request: InitProducerIdRequest,
    ) -> Result<(i64, i16), ErrorCode> {
        if let Some(code) = call.forced {
            return Err(code);
        }
        let current = (request.producer_id.0, request.producer_epoch);
        if (current.0 < 0) != (current.1 < 0) {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        // Without a transactional id there is nothing to look the producer up by: it always gets a new id.
        let Some(transactional_id) = request.transactional_id else {
            let may = self.authorize(call, Operation::IdempotentWrite, ResourceType::Cluster, CLUSTER)
                || self.authorize_any(call, Operation::Write, ResourceType::Topic);
            return match may {
                true => Ok((self.new_producer_id(), 0)),
                false => Err(ErrorCode::CLUSTER_AUTHORIZATION_FAILED),
            };
        };
        if !self.authorize(call, Operation::Write, ResourceType::TransactionalId, &transactional_id) {
            return Err(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
        }
        if transactional_id.is_empty() {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        self.check_coordinator(call, CoordinatorKind::Transaction, &transactional_id)?;
        if request.transaction_timeout_ms <= 0 || request.transaction_timeout_ms > LONGEST_TRANSACTION_MS {
            return Err(ErrorCode::INVALID_TRANSACTION_TIMEOUT);
        }
        let next = match self.transactions.transactional.get(&*transactional_id) {
            None => (self.new_producer_id(), 0),
            Some(&known) if current.0 >= 0 && current != known => {
                return Err(match call.version {
                    ..4 => ErrorCode::INVALID_PRODUCER_EPOCH,
                    _ => ErrorCode::PRODUCER_FENCED,
                });
            }
            Some(&(id, epoch)) if epoch < LAST_EPOCH => (id, epoch + 1),
            Some(_) => (self.new_producer_id(), 0),
        };
        self.transactions.transactional.insert(Str::from(&*transactional_id), next);
        Ok(next)
    }

    fn new_producer_id(&mut self) -> i64 {
        self.transactions.producer_ids += 1;
        FIRST_PRODUCER_ID + self.transactions.producer_ids - 1
    }
}
