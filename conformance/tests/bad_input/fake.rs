//! A broker of one's own: answers by script, however wrong.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use milena_core::protocol::api_versions::ApiVersion;
use milena_core::protocol::fetch::{FetchableTopicResponse, PartitionData};
use milena_core::protocol::list_offsets::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use milena_core::protocol::metadata::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use milena_core::protocol::produce::{PartitionProduceResponse, TopicProduceResponse};
use milena_core::protocol::{
    self, ApiKey, ApiVersionsRequest, ApiVersionsResponse, BrokerId, ErrorCode, FetchRequest, FetchResponse,
    InitProducerIdRequest, InitProducerIdResponse, ListOffsetsRequest, ListOffsetsResponse, MetadataRequest,
    MetadataResponse, ProduceRequest, ProduceResponse, ProducerId, Request, RequestHeader,
};
use milena_core::record::Batches;
use milena_core::wire::Framer;

/// What a fake does about a request.
pub(crate) enum Act {
    /// Sends these bytes.
    Send(Bytes),
    /// Sends these bytes and closes.
    SendAndClose(Bytes),
    Close,
    Nothing,
}

/// One request.
pub(crate) struct Asked {
    pub(crate) header: RequestHeader,
    pub(crate) body: Bytes,
    pub(crate) broker: Arc<Broker>,
}

/// What a fake broker of one topic `t` with one partition is.
pub(crate) struct Broker {
    pub(crate) address: SocketAddr,
    /// The log: whole batches with their offsets, to be served as they are.
    pub(crate) log: Mutex<Bytes>,
    pub(crate) end_offset: i64,
    /// What was produced.
    pub(crate) produced: Mutex<Vec<Bytes>>,
    pub(crate) asked: Mutex<Vec<(ApiKey, i16)>>,
}

/// APIs and versions that a fake offers: none that names topics by id.
const OFFERED: [(ApiKey, i16, i16); 6] = [
    (ApiKey::PRODUCE, 3, 9),
    (ApiKey::FETCH, 4, 12),
    (ApiKey::LIST_OFFSETS, 1, 5),
    (ApiKey::METADATA, 1, 9),
    (ApiKey::API_VERSIONS, 0, 3),
    (ApiKey::INIT_PRODUCER_ID, 0, 1),
];

impl Asked {
    pub(crate) fn key(&self) -> ApiKey {
        self.header.request_api_key
    }

    pub(crate) fn request<R: Request>(&self) -> R {
        R::decode(self.body.clone(), self.header.request_api_version).unwrap()
    }

    pub(crate) fn answer<R: Request>(&self, mut response: R::Response) -> Act {
        let version = self.header.request_api_version;
        let frame = protocol::encode_response::<R>(&mut response, version, self.header.correlation_id);
        Act::Send(frame.unwrap().to_bytes())
    }

    /// The versions of an honest broker, without these APIs.
    pub(crate) fn versions(&self, without: &[ApiKey]) -> Act {
        let offered = OFFERED.iter().filter(|(key, ..)| !without.contains(key));
        let api_keys = offered.map(|&(api_key, min_version, max_version)| ApiVersion {
            api_key,
            min_version,
            max_version,
            ..Default::default()
        });
        let response = ApiVersionsResponse { api_keys: api_keys.collect(), ..Default::default() };
        self.answer::<ApiVersionsRequest>(response)
    }

    /// What an honest broker does.
    pub(crate) fn honestly(&self) -> Act {
        let broker = &self.broker;
        match self.key() {
            ApiKey::API_VERSIONS => self.versions(&[]),
            ApiKey::METADATA => {
                let asked = self.request::<MetadataRequest>().topics.unwrap_or_default();
                let topics = asked.into_iter().map(|topic| {
                    let known = topic.name.as_deref() == Some("t");
                    let partition = MetadataResponsePartition {
                        leader_id: BrokerId(1),
                        replica_nodes: [BrokerId(1)].into(),
                        isr_nodes: [BrokerId(1)].into(),
                        ..Default::default()
                    };
                    MetadataResponseTopic {
                        error_code: match known {
                            true => ErrorCode::NONE,
                            false => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                        },
                        name: topic.name,
                        partitions: if known { vec![partition] } else { Vec::new() },
                        ..Default::default()
                    }
                });
                self.answer::<MetadataRequest>(MetadataResponse {
                    brokers: vec![MetadataResponseBroker {
                        node_id: BrokerId(1),
                        host: broker.address.ip().to_string().into(),
                        port: broker.address.port().into(),
                        ..Default::default()
                    }],
                    controller_id: BrokerId(1),
                    topics: topics.collect(),
                    ..Default::default()
                })
            }
            ApiKey::LIST_OFFSETS => {
                let request = self.request::<ListOffsetsRequest>();
                let offset =
                    if request.topics[0].partitions[0].timestamp == -1 { broker.end_offset } else { 0 };
                self.answer::<ListOffsetsRequest>(ListOffsetsResponse {
                    topics: vec![ListOffsetsTopicResponse {
                        name: "t".into(),
                        partitions: vec![ListOffsetsPartitionResponse { offset, ..Default::default() }],
                        ..Default::default()
                    }],
                    ..Default::default()
                })
            }
            ApiKey::FETCH => {
                let from = self.request::<FetchRequest>().topics[0].partitions[0].fetch_offset;
                self.fetched(broker.from(from))
            }
            ApiKey::INIT_PRODUCER_ID => self.answer::<InitProducerIdRequest>(InitProducerIdResponse {
                producer_id: ProducerId(7),
                ..Default::default()
            }),
            ApiKey::PRODUCE => {
                let request = self.request::<ProduceRequest>();
                let records = request.topic_data[0].partition_data[0].records.clone().unwrap();
                let mut produced = broker.produced.lock().unwrap();
                let base_offset = produced.iter().map(records_in).sum();
                produced.push(records);
                drop(produced);
                self.answer::<ProduceRequest>(produced_at(base_offset, ErrorCode::NONE))
            }
            _ => Act::Close,
        }
    }

    /// An answer to a fetch.
    pub(crate) fn fetched(&self, records: Bytes) -> Act {
        if records.is_empty() {
            thread::sleep(Duration::from_millis(20));
        }
        let data = PartitionData {
            high_watermark: self.broker.end_offset,
            last_stable_offset: self.broker.end_offset,
            records: Some(records),
            ..Default::default()
        };
        self.answer::<FetchRequest>(FetchResponse {
            responses: vec![FetchableTopicResponse {
                topic: "t".into(),
                partitions: vec![data],
                ..Default::default()
            }],
            ..Default::default()
        })
    }
}

impl Broker {
    /// The log from the batch on that has this offset, by the length fields alone: the rest of a header may be wrong.
    fn from(&self, offset: i64) -> Bytes {
        let mut log = self.log.lock().unwrap().clone();
        let field = |log: &Bytes, at: usize| i32::from_be_bytes(log[at..at + 4].try_into().unwrap());
        while log.len() > 27 {
            let base = i64::from_be_bytes(log[..8].try_into().unwrap());
            if base + i64::from(field(&log, 23)) >= offset {
                return log;
            }
            let size = 12 + field(&log, 8) as usize;
            drop(log.split_to(size.min(log.len())));
        }
        Bytes::new()
    }
}

pub(crate) fn produced_at(base_offset: i64, error_code: ErrorCode) -> ProduceResponse {
    ProduceResponse {
        responses: vec![TopicProduceResponse {
            name: "t".into(),
            partition_responses: vec![PartitionProduceResponse {
                base_offset,
                error_code,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

pub(crate) fn records_in(batch: &Bytes) -> i64 {
    Batches::new(batch.clone()).map(|batch| i64::from(batch.unwrap().count().unwrap())).sum()
}

/// A listener whose connections are served by script; gone when dropped.
pub(crate) struct Fake {
    pub(crate) broker: Arc<Broker>,
    stopped: Arc<AtomicBool>,
}

impl Fake {
    /// Serves each connection by itself.
    pub(crate) fn raw(
        log: Bytes,
        end_offset: i64,
        serve: impl Fn(TcpStream, Arc<Broker>) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let broker = Arc::new(Broker {
            address,
            log: Mutex::new(log),
            end_offset,
            produced: Mutex::default(),
            asked: Mutex::default(),
        });
        let stopped = Arc::new(AtomicBool::new(false));
        let (shared, stop, serve) = (broker.clone(), stopped.clone(), Arc::new(serve));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { return };
                let (serve, shared) = (serve.clone(), shared.clone());
                thread::spawn(move || serve(stream, shared));
            }
        });
        Fake { broker, stopped }
    }

    /// A broker with this log.
    pub(crate) fn with_log(
        log: Bytes,
        end_offset: i64,
        act: impl Fn(&Asked) -> Act + Send + Sync + 'static,
    ) -> Self {
        Fake::raw(log, end_offset, move |stream, broker| serve(stream, &broker, &act))
    }

    /// A broker with an empty log.
    pub(crate) fn start(act: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> Self {
        Fake::with_log(Bytes::new(), 0, act)
    }

    /// A peer that says this as soon as it is asked something, and closes.
    pub(crate) fn saying(words: &'static [u8]) -> Self {
        Fake::raw(Bytes::new(), 0, move |mut stream, _| {
            // All that was asked is read: closing with unread bytes would reset the connection.
            let mut asked = [0; 4096];
            let _ = stream.read(&mut asked);
            let _ = stream.write_all(words);
            let _ = stream.shutdown(Shutdown::Write);
            while stream.read(&mut asked).is_ok_and(|n| n > 0) {}
        })
    }

    pub(crate) fn address(&self) -> String {
        self.broker.address.to_string()
    }

    pub(crate) fn asked(&self, key: ApiKey) -> Vec<i16> {
        let asked = self.broker.asked.lock().unwrap();
        asked.iter().filter(|(asked, _)| *asked == key).map(|(_, version)| *version).collect()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.broker.address);
    }
}

fn serve(mut stream: TcpStream, broker: &Arc<Broker>, act: &impl Fn(&Asked) -> Act) {
    // Longer than any test: a connection that is left open ends with its peer.
    let _ = stream.set_read_timeout(Some(Duration::from_secs(30)));
    let mut framer = Framer::new(64 << 20);
    let mut bytes = vec![0; 65536];
    loop {
        while let Some(frame) = framer.next_frame() {
            let (header, body) = protocol::decode_request_header(frame).unwrap();
            broker.asked.lock().unwrap().push((header.request_api_key, header.request_api_version));
            let (bytes, close) = match act(&Asked { header, body, broker: broker.clone() }) {
                Act::Send(bytes) => (bytes, false),
                Act::SendAndClose(bytes) => (bytes, true),
                Act::Close => (Bytes::new(), true),
                Act::Nothing => (Bytes::new(), false),
            };
            if stream.write_all(&bytes).is_err() || close {
                let _ = stream.shutdown(Shutdown::Both);
                return;
            }
        }
        match stream.read(&mut bytes) {
            Ok(count) if count > 0 => framer.push(&bytes[..count]).unwrap(),
            _ => return,
        }
    }
}

/// The bytes of an honest answer, with something done to them.
pub(crate) fn spoilt(act: Act, spoil: impl FnOnce(&mut BytesMut)) -> Act {
    let Act::Send(bytes) = act else { return act };
    let mut bytes = BytesMut::from(&bytes[..]);
    spoil(&mut bytes);
    Act::Send(bytes.freeze())
}
