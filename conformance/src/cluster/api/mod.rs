//! The APIs: one file each, from a decoded request to a response.

pub(super) mod api_versions;
mod conversion;
mod fetch;
mod list_offsets;
mod metadata;
mod offset_for_leader_epoch;
mod produce;

use std::time::Duration;

use bytes::Bytes;
use milena_core::protocol::{ApiKey, BrokerId, ErrorCode, Request, encode_response};
use milena_core::wire::{Frame, Str, Struct, Uuid};

use super::partition::Partition;
use super::replication::Place;
use super::state::ClusterState;
use super::topic::Topic;
use super::{ConnectionId, admin, groups, transactions};

use fetch::ParkedFetch;
use produce::ParkedProduce;

/// The APIs of this module.
pub(super) const SERVED: &[ApiKey] = &[
    ApiKey::PRODUCE,
    ApiKey::FETCH,
    ApiKey::LIST_OFFSETS,
    ApiKey::METADATA,
    ApiKey::FIND_COORDINATOR,
    ApiKey::API_VERSIONS,
    ApiKey::OFFSET_FOR_LEADER_EPOCH,
];

/// One request's circumstances; also the ticket by which it is answered later.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) conn: ConnectionId,
    pub(super) broker: BrokerId,
    pub(super) key: ApiKey,
    pub(super) version: i16,
    pub(super) correlation_id: i32,
    /// How long the answer tells the client to pause.
    pub(super) throttle: Duration,
    /// A fault's code, to answer with instead of serving.
    pub(super) forced: Option<ErrorCode>,
}

/// What becomes of a request.
pub(super) enum Outcome {
    Answer(Frame),
    /// Served, and no answer is due.
    Silent,
    /// A coordinator keeps the [`Call`] and [answers](ClusterState::answer) when it can.
    Elsewhere,
    /// It waits for what happens to partitions, or for its deadline.
    Park(Parked),
    /// An answer that is the last: it comes after a while, as it would else be quick to guess passwords.
    Refuse(Frame),
    /// A broker hangs up instead of answering.
    Close,
    /// A broker hangs up on what is no request.
    Reject,
}

/// A request that waits: Kafka calls the place purgatory.
#[derive(Debug)]
pub(super) enum Parked {
    /// For data.
    Fetch(Box<ParkedFetch>),
    /// For the in-sync replicas.
    Produce(Box<ParkedProduce>),
}

impl Parked {
    pub(super) fn deadline(&self) -> Duration {
        match self {
            Parked::Fetch(fetch) => fetch.deadline,
            Parked::Produce(produce) => produce.deadline,
        }
    }

    /// Whatever happens there may complete it.
    pub(super) fn places(&self) -> &[Place] {
        match self {
            Parked::Fetch(fetch) => &fetch.places,
            Parked::Produce(produce) => &produce.places,
        }
    }
}

impl Call {
    /// Encodes a response.
    ///
    /// # Panics
    ///
    /// When the response has no form in this version: the brokers' own mistake, whatever the request was.
    pub(super) fn answer<R: Request>(&self, mut response: R::Response) -> Frame {
        if !self.throttle.is_zero() {
            response.set_throttle_time_ms(self.throttle.as_millis() as i32);
        }
        match encode_response::<R>(&mut response, self.version, self.correlation_id) {
            Ok(frame) => frame,
            Err(error) => panic!("a simulated broker built a response that cannot be sent: {error}"),
        }
    }
}

impl ClusterState {
    /// Serves a request by a method if its body is one; a broker hangs up otherwise.
    pub(super) fn decoded<R: Request>(
        &mut self,
        call: &Call,
        body: Bytes,
        serve: impl FnOnce(&mut Self, &Call, R) -> Outcome,
    ) -> Outcome {
        R::decode(body, call.version).map_or(Outcome::Reject, |request| serve(self, call, request))
    }

    /// The same for a request that is answered at once.
    pub(super) fn answered<R: Request>(
        &mut self,
        call: &Call,
        body: Bytes,
        serve: impl FnOnce(&mut Self, &Call, R) -> R::Response,
    ) -> Outcome {
        self.decoded(call, body, |state, call, request| {
            Outcome::Answer(call.answer::<R>(serve(state, call, request)))
        })
    }

    /// Whether a request that waits need not any more.
    pub(super) fn is_complete(&self, parked: &Parked) -> bool {
        match parked {
            Parked::Fetch(fetch) => self.is_fetch_complete(fetch),
            Parked::Produce(produce) => self.is_produce_complete(produce),
        }
    }

    /// Answers it with what there is.
    pub(super) fn complete_parked(&mut self, parked: Parked) -> Frame {
        match parked {
            Parked::Fetch(fetch) => self.complete_fetch(*fetch),
            Parked::Produce(produce) => self.complete_produce(*produce),
        }
    }

    /// Serves a request of a supported version; closes the connection if its body is not one.
    pub(super) fn dispatch(&mut self, call: &Call, body: Bytes) -> Outcome {
        match call.key {
            ApiKey::PRODUCE => self.decoded(call, body, ClusterState::produce),
            ApiKey::FETCH => self.decoded(call, body, ClusterState::fetch),
            ApiKey::LIST_OFFSETS => self.answered(call, body, ClusterState::list_offsets),
            ApiKey::METADATA => self.answered(call, body, ClusterState::metadata),
            ApiKey::FIND_COORDINATOR => self.answered(call, body, ClusterState::find_coordinator),
            ApiKey::API_VERSIONS => self.answered(call, body, ClusterState::api_versions),
            ApiKey::OFFSET_FOR_LEADER_EPOCH => {
                self.answered(call, body, ClusterState::offset_for_leader_epoch)
            }
            key if groups::SERVED.contains(&key) => groups::dispatch(self, call, body),
            key if transactions::SERVED.contains(&key) => transactions::dispatch(self, call, body),
            key if admin::SERVED.contains(&key) => admin::dispatch(self, call, body),
            _ => Outcome::Reject,
        }
    }

    /// Address of a broker that the controller takes for alive.
    pub(super) fn address(&self, broker: BrokerId) -> Option<(Str, i32)> {
        let broker = self.broker(broker).filter(|known| !known.fenced)?;
        Some((broker.host.clone(), i32::from(broker.port)))
    }

    /// The name under which a request's topic is found: an id's, from the version on that has ids.
    pub(super) fn topic_name(
        &self,
        call: &Call,
        by_id: bool,
        name: &Str,
        id: &Uuid,
    ) -> Result<Str, ErrorCode> {
        if !by_id {
            return Ok(name.clone());
        }
        let named = self.topic_names.get(id).filter(|name| self.known_topic(call.broker, name).is_some());
        named.cloned().ok_or(ErrorCode::UNKNOWN_TOPIC_ID)
    }

    /// A topic that a broker has heard of.
    pub(super) fn known_topic(&self, broker: BrokerId, name: &str) -> Option<&Topic> {
        self.topics.get(name).filter(|topic| topic.is_known_to(broker))
    }
}

/// The topic and partition of a request, or the code for one that is not there.
pub(super) fn found(topic: Option<&Topic>, index: i32) -> Result<&Partition, ErrorCode> {
    topic.and_then(|topic| topic.partition(index)).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
}
