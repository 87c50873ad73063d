//! Brokers as a model: few, small, right unless they are told to be wrong, and enough to write to and to read from.

use std::collections::BTreeMap;

use bytes::Bytes;
use milena_core::Address;
use milena_core::protocol::api_versions::ApiVersion;
use milena_core::protocol::fetch::{
    FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint as FetchEndpoint, PartitionData,
};
use milena_core::protocol::find_coordinator::Coordinator;
use milena_core::protocol::list_offsets::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use milena_core::protocol::metadata::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use milena_core::protocol::produce::{
    LeaderIdAndEpoch as ProduceLeader, NodeEndpoint as ProduceEndpoint, PartitionProduceResponse,
    TopicProduceResponse,
};
use milena_core::protocol::{
    APIS, AnyMessage, ApiKey, ApiVersionsRequest, ApiVersionsResponse, BrokerId, ErrorCode, FetchRequest,
    FetchResponse, FindCoordinatorRequest, FindCoordinatorResponse, InitProducerIdResponse, LeaderEpoch,
    ListOffsetsRequest, ListOffsetsResponse, Message, MetadataRequest, MetadataResponse, ProduceRequest,
    ProduceResponse, ProducerId, Request, decode_request_header,
};
use milena_core::record::Batches;
use milena_core::wire::Uuid;

/// Names of topics: the last one is never there.
pub(super) const TOPICS: [&str; 4] = ["t", "u", "v", "missing"];

/// The most partitions of one topic.
const MAX_PARTITIONS: usize = 6;

/// A request that a broker has received.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) key: ApiKey,
    pub(super) version: i16,
    pub(super) correlation: i32,
    body: Bytes,
}

impl Asked {
    /// The request in a frame, without its length.
    pub(super) fn of(frame: Bytes) -> Asked {
        let (header, body) = decode_request_header(frame).expect("what the client sends can be read");
        let (key, version) = (header.request_api_key, header.request_api_version);
        Asked { key, version, correlation: header.correlation_id, body }
    }

    pub(super) fn request<R: Request>(&self) -> R {
        R::decode(self.body.clone(), self.version).expect("what the client sends can be read")
    }

    /// Whether a broker answers it.
    pub(super) fn is_answered(&self) -> bool {
        self.key != ApiKey::PRODUCE || self.request::<ProduceRequest>().acks != 0
    }

    /// What comes before an answer's body.
    pub(super) fn header(&self, correlation: i32, version: i16) -> Vec<u8> {
        let api = APIS.iter().find(|api| api.key == self.key).expect("the client asks what it knows");
        let mut header = correlation.to_be_bytes().to_vec();
        if version >= api.flexible && self.key != ApiKey::API_VERSIONS {
            header.push(0);
        }
        header
    }

    fn encode(&self, version: i16, mut answer: impl Message) -> Vec<u8> {
        let body = answer.encode(version).expect("an answer that the version can say");
        [self.header(self.correlation, version), body.concat()].concat()
    }
}

/// How an answer differs from the right one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Twist {
    /// The error code wherever there is room for one.
    pub(super) code: ErrorCode,
    pub(super) throttle_ms: i32,
    /// The leader is named, with a newer epoch than anybody knows.
    pub(super) hint: bool,
    /// Offsets are those of an answer that tells none.
    pub(super) silent: bool,
    /// Some parts of the answer are missing.
    pub(super) sparse: bool,
}

impl Twist {
    pub(super) const NONE: Twist =
        Twist { code: ErrorCode::NONE, throttle_ms: 0, hint: false, silent: false, sparse: false };
}

#[derive(Clone, Debug)]
struct Partition {
    leader: i32,
    epoch: i32,
    next: i64,
    /// Base offset, last offset, the batch.
    log: Vec<(i64, i64, Bytes)>,
}

#[derive(Clone, Debug)]
struct Topic {
    id: Uuid,
    exists: bool,
    partitions: Vec<Partition>,
}

#[derive(Clone, Debug)]
pub(super) struct Cluster {
    brokers: i32,
    /// The id of the first broker.
    first: i32,
    /// A broker listens at this port and its id.
    base_port: u16,
    topics: BTreeMap<&'static str, Topic>,
    /// The newest version of any API.
    newest: i16,
    next_producer: i64,
    /// Rises with each change.
    changes: i32,
}

impl Cluster {
    pub(super) fn new(brokers: i32, partitions: usize, newest: i16) -> Cluster {
        let partition =
            |index| Partition { leader: index as i32 % brokers + 1, epoch: 0, next: 0, log: Vec::new() };
        let topics = TOPICS.iter().enumerate().map(|(index, name)| {
            let partitions = (0..partitions.clamp(1, MAX_PARTITIONS)).map(partition).collect();
            (*name, Topic { id: Uuid([index as u8 + 1; 16]), exists: index + 1 < TOPICS.len(), partitions })
        });
        let topics = topics.collect();
        Cluster { brokers, first: 1, base_port: 9000, topics, newest, next_producer: 1000, changes: 0 }
    }

    fn ids(&self) -> std::ops::Range<i32> {
        self.first..self.first + self.brokers
    }

    /// Others take the brokers' places, under new ids and addresses; they lead what those before have led.
    pub(super) fn replace_brokers(&mut self) {
        self.first += self.brokers;
        let places = self.topics.values_mut().flat_map(|topic| &mut topic.partitions);
        for place in places.filter(|place| place.leader >= 0) {
            (place.leader, place.epoch) = (place.leader + self.brokers, place.epoch + 1);
        }
    }

    /// Something changes: who leads, how many partitions there are, which topic it is, which broker is where.
    pub(super) fn change(&mut self, what: u8, topic: usize, partition: usize) {
        self.changes += 1;
        let changes = self.changes;
        match what % 8 {
            6 => return self.base_port = 9000 + 100 * (changes % 50) as u16,
            7 => return self.replace_brokers(),
            _ => {}
        }
        let (first, brokers) = (self.first, self.brokers);
        let next = |leader: i32| first + (leader - first + 1).rem_euclid(brokers);
        let topic = self.topics.get_mut(TOPICS[topic % TOPICS.len()]).expect("it has a name");
        let count = topic.partitions.len();
        let place = &mut topic.partitions[partition % count];
        match what % 8 {
            0 => (place.leader, place.epoch) = (next(place.leader), place.epoch + 1),
            1 => (place.leader, place.epoch) = (-1, place.epoch + 1),
            2 if count < MAX_PARTITIONS => {
                topic.partitions.push(Partition {
                    leader: next(changes),
                    epoch: 0,
                    next: 0,
                    log: Vec::new(),
                });
            }
            3 => {
                topic.id = Uuid([changes as u8 | 0x80; 16]);
                topic.partitions.truncate(1 + partition % count);
                topic
                    .partitions
                    .iter_mut()
                    .for_each(|place| (place.epoch, place.next, place.log) = (0, 0, Vec::new()));
            }
            4 => topic.exists = !topic.exists,
            // What was before it is deleted.
            _ => place.log.clear(),
        }
    }

    pub(super) fn address(&self, broker: i32) -> Address {
        Address { host: format!("b{broker}"), port: self.base_port.wrapping_add(broker as u16) }
    }

    /// The id of the broker that listens there: bootstrap servers are the first broker.
    pub(super) fn broker_at(&self, address: &Address) -> i32 {
        self.ids().find(|broker| self.address(*broker) == *address).unwrap_or(self.first)
    }

    /// The answer of a broker to a request, in a frame without its length.
    pub(super) fn answer(&mut self, asked: &Asked, broker: i32, twist: Twist) -> Vec<u8> {
        let (version, throttle_time_ms, code) = (asked.version, twist.throttle_ms, twist.code);
        match asked.key {
            ApiKey::API_VERSIONS => self.versions(asked, twist),
            ApiKey::METADATA => asked.encode(version, self.metadata(&asked.request(), version, twist)),
            ApiKey::PRODUCE => {
                let answer = self.produce(asked.request(), version, broker, twist);
                asked.encode(version, answer)
            }
            ApiKey::FETCH => {
                let answer = self.fetch(asked.request(), version, broker, twist);
                asked.encode(version, answer)
            }
            ApiKey::LIST_OFFSETS => {
                let answer = self.list_offsets(asked.request(), broker, twist);
                asked.encode(version, answer)
            }
            ApiKey::FIND_COORDINATOR => {
                let answer = self.find_coordinator(&asked.request(), version, twist);
                asked.encode(version, answer)
            }
            ApiKey::INIT_PRODUCER_ID => {
                self.next_producer += 1;
                let producer_id = ProducerId(if twist.silent { -1 } else { self.next_producer });
                // Epochs run out soon.
                let producer_epoch = if twist.hint { i16::MAX - 1 } else { 0 };
                let answer = InitProducerIdResponse {
                    throttle_time_ms,
                    error_code: code,
                    producer_id,
                    producer_epoch,
                    ..Default::default()
                };
                asked.encode(version, answer)
            }
            key => {
                let mut answer = AnyMessage::response(key).expect("the client asks what it knows");
                let body = answer.encode(version).expect("defaults can be said");
                [asked.header(asked.correlation, version), body.concat()].concat()
            }
        }
    }

    fn versions(&self, asked: &Asked, twist: Twist) -> Vec<u8> {
        let range = |key, (first, last): (i16, i16)| ApiVersion {
            api_key: key,
            min_version: first.min(self.newest),
            max_version: last.min(self.newest.max(first)),
            ..Default::default()
        };
        let apis = APIS.iter().filter(|api| !twist.sparse || api.key.0 % 2 == 0);
        let api_keys: Vec<_> = apis.map(|api| range(api.key, (*api.versions.start(), api.stable))).collect();
        let newest = self.newest.clamp(0, ApiVersionsRequest::STABLE);
        let is_new = asked.version > newest;
        let error_code = if is_new { ErrorCode::UNSUPPORTED_VERSION } else { twist.code };
        let version = if is_new || twist.code == ErrorCode::UNSUPPORTED_VERSION { 0 } else { asked.version };
        let answer = ApiVersionsResponse {
            error_code,
            api_keys,
            throttle_time_ms: if version > 0 { twist.throttle_ms } else { 0 },
            ..Default::default()
        };
        asked.encode(version, answer)
    }

    fn metadata(&self, request: &MetadataRequest, version: i16, twist: Twist) -> MetadataResponse {
        let brokers = self.ids().filter(|broker| !twist.sparse || *broker == self.first).map(|broker| {
            let Address { host, port } = self.address(broker);
            MetadataResponseBroker {
                node_id: BrokerId(broker),
                host: host.as_str().into(),
                port: port.into(),
                ..Default::default()
            }
        });
        let asked = request.topics.iter().flatten().filter_map(|topic| topic.name.clone());
        let topics = asked.map(|name| {
            let known = self.topics.get(&*name).filter(|topic| topic.exists);
            let (error_code, id) = match known {
                Some(known) => (twist.code, known.id),
                None => (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, Uuid::ZERO),
            };
            let places = known.into_iter().flat_map(|known| &known.partitions).enumerate();
            let partitions = places.filter(|_| !twist.silent).map(|(index, place)| {
                let leader_epoch = LeaderEpoch(if version < 7 { -1 } else { place.epoch });
                MetadataResponsePartition {
                    partition_index: index as i32,
                    leader_id: BrokerId(place.leader),
                    leader_epoch,
                    ..Default::default()
                }
            });
            let partitions = partitions.collect();
            let topic_id = if version < 10 { Uuid::ZERO } else { id };
            MetadataResponseTopic { error_code, name: Some(name), topic_id, partitions, ..Default::default() }
        });
        MetadataResponse {
            throttle_time_ms: if version >= 3 { twist.throttle_ms } else { 0 },
            brokers: brokers.collect(),
            controller_id: BrokerId(if twist.silent || version == 0 { -1 } else { self.first }),
            topics: topics.collect(),
            error_code: if twist.hint && version >= 13 { twist.code } else { ErrorCode::NONE },
            ..Default::default()
        }
    }

    fn place(&mut self, name: &str, id: Uuid, partition: i32) -> Option<&mut Partition> {
        let topics = self.topics.iter_mut().filter(|(_, topic)| topic.exists);
        let mut found =
            topics.filter(|(known, topic)| if id.is_zero() { **known == name } else { topic.id == id });
        found.next()?.1.partitions.get_mut(usize::try_from(partition).ok()?)
    }

    /// Who is said to lead, with what epoch.
    fn hint(&self, broker: i32, twist: Twist) -> Option<(BrokerId, LeaderEpoch, Address)> {
        let leader = self.first + (broker - self.first + 1) % self.brokers;
        twist.hint.then(|| (BrokerId(leader), LeaderEpoch(1000 + self.changes), self.address(leader)))
    }

    fn produce(
        &mut self,
        request: ProduceRequest,
        version: i16,
        broker: i32,
        twist: Twist,
    ) -> ProduceResponse {
        self.changes += 1;
        let hint = self.hint(broker, twist).filter(|_| version >= 10);
        let mut responses = Vec::new();
        for topic in request.topic_data {
            let mut answers = Vec::new();
            for data in topic.partition_data {
                let place = self.place(&topic.name, topic.topic_id, data.index);
                let (mut error_code, mut base_offset) = (twist.code, -1);
                match place {
                    None => error_code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                    Some(place) if place.leader != broker => error_code = ErrorCode::NOT_LEADER_OR_FOLLOWER,
                    Some(place) if twist.code.is_ok() => {
                        base_offset = if twist.silent { -1 } else { place.next };
                        place.append(data.records.unwrap_or_default());
                    }
                    // It was appended, and what came then went wrong.
                    Some(place) if twist.silent => base_offset = place.next,
                    Some(_) => {}
                }
                let current_leader =
                    hint.as_ref().map_or_else(ProduceLeader::default, |(leader, epoch, _)| ProduceLeader {
                        leader_id: *leader,
                        leader_epoch: *epoch,
                        ..Default::default()
                    });
                answers.push(PartitionProduceResponse {
                    index: data.index,
                    error_code,
                    base_offset,
                    current_leader,
                    ..Default::default()
                });
                if twist.sparse {
                    break;
                }
            }
            responses.push(TopicProduceResponse {
                name: topic.name,
                topic_id: topic.topic_id,
                partition_responses: answers,
                ..Default::default()
            });
        }
        let node_endpoints = hint.map(|(node_id, _, Address { host, port })| ProduceEndpoint {
            node_id,
            host: host.as_str().into(),
            port: port.into(),
            ..Default::default()
        });
        ProduceResponse {
            responses,
            throttle_time_ms: if version >= 1 { twist.throttle_ms } else { 0 },
            node_endpoints: node_endpoints.into_iter().collect(),
            ..Default::default()
        }
    }

    fn fetch(&mut self, request: FetchRequest, version: i16, broker: i32, twist: Twist) -> FetchResponse {
        self.changes += 1;
        let hint = self.hint(broker, twist).filter(|_| version >= 16);
        let mut responses = Vec::new();
        for topic in request.topics {
            let mut partitions = Vec::new();
            for asked in topic.partitions {
                let place = self.place(&topic.topic, topic.topic_id, asked.partition);
                let (error_code, next, records) = match place {
                    None => (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, -1, Bytes::new()),
                    Some(place) if place.leader != broker => {
                        (ErrorCode::NOT_LEADER_OR_FOLLOWER, -1, Bytes::new())
                    }
                    Some(place) if !twist.code.is_ok() => (twist.code, place.next, Bytes::new()),
                    Some(place) => match place.read(asked.fetch_offset) {
                        Some(records) => (ErrorCode::NONE, place.next, records),
                        None => (ErrorCode::OFFSET_OUT_OF_RANGE, place.next, Bytes::new()),
                    },
                };
                let current_leader =
                    hint.as_ref().map_or_else(LeaderIdAndEpoch::default, |(leader, epoch, _)| {
                        LeaderIdAndEpoch { leader_id: *leader, leader_epoch: *epoch, ..Default::default() }
                    });
                partitions.push(PartitionData {
                    partition_index: asked.partition,
                    error_code,
                    high_watermark: next,
                    last_stable_offset: next,
                    current_leader,
                    records: if twist.silent { None } else { Some(records) },
                    ..Default::default()
                });
                if twist.sparse {
                    break;
                }
            }
            responses.push(FetchableTopicResponse {
                topic: topic.topic,
                topic_id: topic.topic_id,
                partitions,
                ..Default::default()
            });
        }
        let node_endpoints = hint.map(|(node_id, _, Address { host, port })| FetchEndpoint {
            node_id,
            host: host.as_str().into(),
            port: port.into(),
            ..Default::default()
        });
        FetchResponse {
            throttle_time_ms: if version >= 1 { twist.throttle_ms } else { 0 },
            // An error of the whole, where the version has it.
            error_code: if version >= 7 && twist.hint && twist.silent { twist.code } else { ErrorCode::NONE },
            responses,
            node_endpoints: node_endpoints.into_iter().collect(),
            ..Default::default()
        }
    }

    fn list_offsets(
        &mut self,
        request: ListOffsetsRequest,
        broker: i32,
        twist: Twist,
    ) -> ListOffsetsResponse {
        let mut topics = Vec::new();
        for topic in request.topics {
            let mut partitions = Vec::new();
            for asked in topic.partitions {
                let (error_code, offset) = match self.place(&topic.name, Uuid::ZERO, asked.partition_index) {
                    None => (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, -1),
                    Some(place) if place.leader != broker => (ErrorCode::NOT_LEADER_OR_FOLLOWER, -1),
                    Some(_) if twist.silent => (twist.code, -1),
                    Some(place) => match asked.timestamp {
                        -2 => (twist.code, place.start()),
                        _ => (twist.code, place.next),
                    },
                };
                partitions.push(ListOffsetsPartitionResponse {
                    partition_index: asked.partition_index,
                    error_code,
                    offset,
                    ..Default::default()
                });
                if twist.sparse {
                    break;
                }
            }
            topics.push(ListOffsetsTopicResponse { name: topic.name, partitions, ..Default::default() });
        }
        ListOffsetsResponse { topics, ..Default::default() }
    }

    fn find_coordinator(
        &self,
        request: &FindCoordinatorRequest,
        version: i16,
        twist: Twist,
    ) -> FindCoordinatorResponse {
        let last = self.ids().end - 1;
        let Address { host, port } = self.address(last);
        let (node_id, port) = (BrokerId(last), i32::from(port));
        let mut answer = FindCoordinatorResponse::default();
        if version < 4 {
            (answer.error_code, answer.node_id) = (twist.code, node_id);
            (answer.host, answer.port) = (host.as_str().into(), port);
            return answer;
        }
        let keys = request.coordinator_keys.iter().filter(|_| !twist.sparse);
        answer.coordinators = keys
            .map(|key| Coordinator {
                key: key.clone(),
                node_id,
                host: host.as_str().into(),
                port,
                error_code: twist.code,
                ..Default::default()
            })
            .collect();
        answer
    }
}

impl Partition {
    fn start(&self) -> i64 {
        self.log.first().map_or(self.next, |(base, ..)| *base)
    }

    fn append(&mut self, records: Bytes) {
        // The offset of each batch, or of each message of old, is the first field of it, and no CRC covers it.
        let (mut placed, mut at) = (records.to_vec(), 0);
        while let Some(head) = placed.get_mut(at..at + 12) {
            let (offset, length) = head.split_at_mut(8);
            let relative = i64::from_be_bytes(offset.try_into().expect("8 bytes"));
            let length = i32::from_be_bytes(length[..4].try_into().expect("4 bytes"));
            offset.copy_from_slice(&(self.next + relative).to_be_bytes());
            at += 12 + length as usize;
        }
        let placed = Bytes::from(placed);
        let last = Batches::new(placed.clone()).filter_map(Result::ok).map(|batch| batch.last_offset()).max();
        let last = last.expect("a client sends no empty batch");
        self.log.push((self.next, last, placed));
        self.next = last + 1;
        // Old ones are deleted.
        if self.log.len() > 8 {
            self.log.remove(0);
        }
    }

    /// Two batches from this offset on; none if it is not in the log.
    fn read(&self, from: i64) -> Option<Bytes> {
        if from < self.start() || from > self.next {
            return None;
        }
        let batches = self.log.iter().filter(|(_, last, _)| *last >= from).take(2);
        Some(Bytes::from(batches.flat_map(|(.., batch)| batch.iter().copied()).collect::<Vec<u8>>()))
    }
}
