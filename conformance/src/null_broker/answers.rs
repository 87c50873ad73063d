//! What the null broker answers: requests decoded and responses encoded by the core's own messages, and nothing kept but one
//! offset for each partition.
//!
//! Rules:
//! - Its topics are those it was started with, and it leads all of their partitions.
//! - A batch that is written moves the partition's end by as many offsets as its header claims. Nobody looks at the rest.
//! - Each partition can be read without an end: whatever offset is asked for, the one prebuilt batch begins there. Base
//!   offset and leader epoch are outside of the CRC, so only its header is made anew; the rest is a share of the same bytes.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use bytes::Bytes;
use milena_core::protocol::api_versions::ApiVersion;
use milena_core::protocol::create_topics::CreatableTopicResult;
use milena_core::protocol::fetch::{FetchPartition, FetchableTopicResponse, PartitionData};
use milena_core::protocol::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use milena_core::protocol::metadata::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use milena_core::protocol::produce::{PartitionProduceData, PartitionProduceResponse, TopicProduceResponse};
use milena_core::protocol::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, BrokerId, CreateTopicsRequest, CreateTopicsResponse,
    ErrorCode, FetchRequest, FetchResponse, InitProducerIdRequest, InitProducerIdResponse, LeaderEpoch,
    ListOffsetsRequest, ListOffsetsResponse, MetadataRequest, MetadataResponse, ProduceRequest,
    ProduceResponse, ProducerId, Request, decode_request_header, encode_response,
};
use milena_core::record::{self, Batches};
use milena_core::wire::{Str, Uuid};

const BROKER: BrokerId = BrokerId(1);
const EPOCH: LeaderEpoch = LeaderEpoch(0);
/// Where a partition ends, for those who ask: no bench comes so far.
const END: i64 = 1 << 50;
/// A batch's header, all that changes of what is fetched.
const HEADER_BYTES: usize = 61;
/// `ListOffsets`: the earliest offset.
const EARLIEST: i64 = -2;

/// What a broker of 4.3 offers of these.
const OFFERED: [(ApiKey, i16, i16); 7] = [
    (ApiKey::PRODUCE, 3, 13),
    (ApiKey::FETCH, 4, 18),
    (ApiKey::LIST_OFFSETS, 1, 11),
    (ApiKey::METADATA, 1, 13),
    (ApiKey::API_VERSIONS, 0, 4),
    (ApiKey::CREATE_TOPICS, 2, 7),
    (ApiKey::INIT_PRODUCER_ID, 0, 5),
];

pub(super) struct Answers {
    address: SocketAddr,
    topics: Vec<Topic>,
    /// What every fetch brings of a partition.
    batch: Bytes,
    producers: AtomicI64,
    /// Requests so far.
    pub(super) produces: AtomicU64,
    pub(super) fetches: AtomicU64,
}

struct Topic {
    name: Str,
    id: Uuid,
    /// By partition: the offset of the next record written.
    ends: Vec<AtomicI64>,
}

impl Answers {
    pub(super) fn new(address: SocketAddr, topics: &[(String, i32)], batch: Bytes) -> Self {
        let topics = topics.iter().zip(1_u128..).map(|((name, partitions), id)| Topic {
            name: Str::from(name.as_str()),
            id: Uuid(id.to_be_bytes()),
            ends: (0..*partitions).map(|_| AtomicI64::new(0)).collect(),
        });
        Answers {
            address,
            topics: topics.collect(),
            batch,
            producers: AtomicI64::new(0),
            produces: AtomicU64::new(0),
            fetches: AtomicU64::new(0),
        }
    }

    /// The answer's segments; none if there is to be no answer.
    ///
    /// # Errors
    /// What is asked is no request, or none of [`OFFERED`]: the connection is of no use.
    pub(super) fn answer(&self, frame: Bytes) -> io::Result<Vec<Bytes>> {
        let (header, body) = decode_request_header(frame).map_err(invalid)?;
        let (key, version) = (header.request_api_key, header.request_api_version);
        let call = Call { version, correlation_id: header.correlation_id, body };
        let (_, first, last) = OFFERED
            .into_iter()
            .find(|(offered, ..)| *offered == key)
            .ok_or_else(|| invalid(format!("{} is not offered", key.name())))?;
        match key {
            // A newer client asks again in a version that it is told here.
            ApiKey::API_VERSIONS if version > last => Call { version: 0, ..call }
                .encoded::<ApiVersionsRequest>(api_versions(ErrorCode::UNSUPPORTED_VERSION)),
            _ if !(first..=last).contains(&version) => {
                Err(invalid(format!("version {version} of {} is not offered", key.name())))
            }
            ApiKey::PRODUCE => {
                self.produces.fetch_add(1, Ordering::Relaxed);
                let request = call.decoded::<ProduceRequest>()?;
                let (silent, answer) = (request.acks == 0, self.produce(request));
                if silent { Ok(Vec::new()) } else { call.encoded::<ProduceRequest>(answer) }
            }
            ApiKey::FETCH => {
                self.fetches.fetch_add(1, Ordering::Relaxed);
                let (answer, offsets) = self.fetch(call.decoded()?);
                Ok(self.placed(call.encoded::<FetchRequest>(answer)?, offsets))
            }
            ApiKey::LIST_OFFSETS => call.encoded::<ListOffsetsRequest>(list_offsets(call.decoded()?)),
            ApiKey::METADATA => call.encoded::<MetadataRequest>(self.metadata(call.decoded()?)),
            ApiKey::CREATE_TOPICS => call.encoded::<CreateTopicsRequest>(self.create_topics(call.decoded()?)),
            ApiKey::INIT_PRODUCER_ID => call.encoded::<InitProducerIdRequest>(InitProducerIdResponse {
                producer_id: ProducerId(self.producers.fetch_add(1, Ordering::Relaxed)),
                ..Default::default()
            }),
            _ => call.encoded::<ApiVersionsRequest>(api_versions(ErrorCode::NONE)),
        }
    }

    fn topic(&self, name: &str, id: Uuid) -> Option<&Topic> {
        self.topics.iter().find(|topic| if id.is_zero() { *topic.name == *name } else { topic.id == id })
    }

    fn end(&self, name: &str, id: Uuid, partition: i32) -> Option<&AtomicI64> {
        self.topic(name, id)?.ends.get(usize::try_from(partition).ok()?)
    }

    fn produce(&self, request: ProduceRequest) -> ProduceResponse {
        let mut answer = ProduceResponse::default();
        for topic in request.topic_data {
            let append = |partition: PartitionProduceData| {
                let end = self.end(&topic.name, topic.topic_id, partition.index);
                let appended = end.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION).and_then(|end| {
                    let batch = partition.records.and_then(|records| Batches::new(records).next()?.ok());
                    let count = batch.and_then(|batch| batch.count()).ok_or(ErrorCode::CORRUPT_MESSAGE)?;
                    Ok(end.fetch_add(count.into(), Ordering::Relaxed))
                });
                PartitionProduceResponse {
                    index: partition.index,
                    error_code: appended.err().unwrap_or(ErrorCode::NONE),
                    base_offset: appended.unwrap_or(-1),
                    log_start_offset: 0,
                    ..Default::default()
                }
            };
            answer.responses.push(TopicProduceResponse {
                partition_responses: topic.partition_data.into_iter().map(append).collect(),
                name: topic.name,
                topic_id: topic.topic_id,
                ..Default::default()
            });
        }
        answer
    }

    /// The answer, with the batch as it was built wherever there are records; and the offsets where those are to begin.
    fn fetch(&self, request: FetchRequest) -> (FetchResponse, Vec<i64>) {
        let (mut answer, mut offsets) = (FetchResponse::default(), Vec::new());
        let most = (usize::try_from(request.max_bytes).unwrap_or(0) / self.batch.len()).max(1);
        for topic in request.topics {
            let read = |asked: FetchPartition| {
                let known = self.end(&topic.topic, topic.topic_id, asked.partition).is_some();
                let served = known && offsets.len() < most;
                if served {
                    offsets.push(asked.fetch_offset);
                }
                PartitionData {
                    partition_index: asked.partition,
                    error_code: if known { ErrorCode::NONE } else { ErrorCode::UNKNOWN_TOPIC_OR_PARTITION },
                    high_watermark: END,
                    last_stable_offset: END,
                    log_start_offset: 0,
                    aborted_transactions: Some(Vec::new()),
                    records: Some(if served { self.batch.clone() } else { Bytes::new() }),
                    ..Default::default()
                }
            };
            answer.responses.push(FetchableTopicResponse {
                partitions: topic.partitions.into_iter().map(read).collect(),
                topic: topic.topic,
                topic_id: topic.topic_id,
                ..Default::default()
            });
        }
        (answer, offsets)
    }

    /// A fetch's segments, where each share of the batch has a header of its own.
    fn placed(&self, segments: Vec<Bytes>, offsets: Vec<i64>) -> Vec<Bytes> {
        let mut placed = Vec::with_capacity(segments.len() + offsets.len());
        let mut offsets = offsets.into_iter();
        for segment in segments {
            if segment.as_ptr() != self.batch.as_ptr() {
                placed.push(segment);
                continue;
            }
            let mut header = segment[..HEADER_BYTES].to_vec();
            record::set_base_offset(&mut header, offsets.next().unwrap_or(0), EPOCH);
            placed.extend([Bytes::from(header), segment.slice(HEADER_BYTES..)]);
        }
        placed
    }

    fn metadata(&self, request: MetadataRequest) -> MetadataResponse {
        let topics = match request.topics {
            None => self.topics.iter().map(Topic::described).collect(),
            Some(asked) => asked
                .into_iter()
                .map(|asked| {
                    let topic = self.topic(asked.name.as_deref().unwrap_or(""), asked.topic_id);
                    topic.map(Topic::described).unwrap_or_else(|| MetadataResponseTopic {
                        error_code: match asked.name {
                            Some(_) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                            None => ErrorCode::UNKNOWN_TOPIC_ID,
                        },
                        name: asked.name,
                        topic_id: asked.topic_id,
                        ..Default::default()
                    })
                })
                .collect(),
        };
        MetadataResponse {
            brokers: vec![MetadataResponseBroker {
                node_id: BROKER,
                host: Str::from(self.address.ip().to_string()),
                port: self.address.port().into(),
                ..Default::default()
            }],
            cluster_id: Some(Str::from_static("null")),
            controller_id: BROKER,
            topics,
            ..Default::default()
        }
    }

    /// Those that are there are all that there will be.
    fn create_topics(&self, request: CreateTopicsRequest) -> CreateTopicsResponse {
        let refused = request.topics.into_iter().map(|topic| CreatableTopicResult {
            error_code: match self.topic(&topic.name, Uuid::ZERO) {
                Some(_) => ErrorCode::TOPIC_ALREADY_EXISTS,
                None => ErrorCode::POLICY_VIOLATION,
            },
            name: topic.name,
            error_message: Some(Str::from_static("a null broker's topics are named when it is started")),
            ..Default::default()
        });
        CreateTopicsResponse { topics: refused.collect(), ..Default::default() }
    }
}

impl Topic {
    fn described(&self) -> MetadataResponseTopic {
        let partitions = (0..).zip(&self.ends).map(|(partition_index, _)| MetadataResponsePartition {
            partition_index,
            leader_id: BROKER,
            leader_epoch: EPOCH,
            replica_nodes: vec![BROKER].into(),
            isr_nodes: vec![BROKER].into(),
            ..Default::default()
        });
        MetadataResponseTopic {
            name: Some(self.name.clone()),
            topic_id: self.id,
            partitions: partitions.collect(),
            ..Default::default()
        }
    }
}

/// A request that is to be answered.
struct Call {
    version: i16,
    correlation_id: i32,
    body: Bytes,
}

impl Call {
    fn decoded<R: Request>(&self) -> io::Result<R> {
        R::decode(self.body.clone(), self.version).map_err(invalid)
    }

    fn encoded<R: Request>(&self, mut answer: R::Response) -> io::Result<Vec<Bytes>> {
        let frame = encode_response::<R>(&mut answer, self.version, self.correlation_id).map_err(invalid)?;
        Ok(frame.into_segments())
    }
}

fn invalid(error: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

fn api_versions(error_code: ErrorCode) -> ApiVersionsResponse {
    let offered = OFFERED.into_iter().map(|(api_key, min_version, max_version)| ApiVersion {
        api_key,
        min_version,
        max_version,
        ..Default::default()
    });
    ApiVersionsResponse { error_code, api_keys: offered.collect(), ..Default::default() }
}

/// A partition begins at 0, and nobody gets to its end.
fn list_offsets(request: ListOffsetsRequest) -> ListOffsetsResponse {
    let found = |partition: ListOffsetsPartition| ListOffsetsPartitionResponse {
        partition_index: partition.partition_index,
        offset: if partition.timestamp == EARLIEST { 0 } else { END },
        leader_epoch: EPOCH,
        ..Default::default()
    };
    let topics = request.topics.into_iter().map(|topic| ListOffsetsTopicResponse {
        name: topic.name,
        partitions: topic.partitions.into_iter().map(found).collect(),
        ..Default::default()
    });
    ListOffsetsResponse { topics: topics.collect(), ..Default::default() }
}
