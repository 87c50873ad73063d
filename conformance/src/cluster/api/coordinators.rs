//! FindCoordinator: which broker serves a group or a transactional id.

use milena_core::protocol::find_coordinator::Coordinator;
use milena_core::protocol::{BrokerId, ErrorCode, FindCoordinatorRequest, FindCoordinatorResponse};
use milena_core::wire::Str;

use super::Call;
use crate::cluster::state::ClusterState;

/// Partitions of `__consumer_offsets` and `__transaction_state`, whose leaders are the coordinators.
const COORDINATOR_PARTITIONS: u32 = 50;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;

impl ClusterState {
    /// The coordinator of a group or transactional id among the brokers that are up.
    pub(super) fn coordinator(&self, key: &str) -> Option<BrokerId> {
        let hash =
            key.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
        let partition = (hash as u32 & 0x7fff_ffff) % COORDINATOR_PARTITIONS;
        let nodes = self.brokers.len();
        let candidates = (0..nodes).map(|step| &self.brokers[(partition as usize + step) % nodes]);
        candidates.filter(|broker| broker.up).map(|broker| broker.id).next()
    }

    pub(super) fn find_coordinator(
        &mut self,
        call: &Call,
        request: FindCoordinatorRequest,
    ) -> FindCoordinatorResponse {
        let find = |key: &Str| self.find_one(call, request.key_type, key);
        if call.version >= 4 {
            let coordinators = request.coordinator_keys.iter().map(find).collect();
            return FindCoordinatorResponse { coordinators, ..Default::default() };
        }
        let found = find(&request.key);
        FindCoordinatorResponse {
            error_code: found.error_code,
            error_message: found.error_message,
            node_id: found.node_id,
            host: found.host,
            port: found.port,
            ..Default::default()
        }
    }

    fn find_one(&self, call: &Call, key_type: i8, key: &Str) -> Coordinator {
        let known = match key_type {
            GROUP | TRANSACTION => true,
            // A share coordinator's key is group, topic id and partition.
            SHARE => call.version >= 6 && key.split(':').count() == 3,
            _ => false,
        };
        let code = match call.forced {
            Some(code) => code,
            None if known => ErrorCode::NONE,
            None => ErrorCode::INVALID_REQUEST,
        };
        let refused = |error_code: ErrorCode| Coordinator {
            key: key.clone(),
            node_id: BrokerId::NONE,
            port: -1,
            error_code,
            error_message: Some(error_code.name().into()),
            ..Default::default()
        };
        if code != ErrorCode::NONE {
            return refused(code);
        }
        let located = self.coordinator(key).and_then(|id| Some((id, self.address(id)?)));
        let Some((node_id, (host, port))) = located else {
            return refused(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        };
        Coordinator { key: key.clone(), node_id, host, port, ..Default::default() }
    }
}
