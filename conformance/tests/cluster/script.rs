//! A cluster on virtual time, and the requests that the tests send it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use milena_conformance::cluster::{ClusterOptions, ClusterOutput, ClusterState, ConnectionId, Now};
use milena_core::protocol::fetch::{FetchPartition, FetchTopic};
use milena_core::protocol::metadata::MetadataRequestTopic;
use milena_core::protocol::produce::{PartitionProduceData, PartitionProduceResponse, TopicProduceData};
use milena_core::protocol::{
    BrokerId, ErrorCode, FetchRequest, FetchResponse, MetadataRequest, MetadataResponse, ProduceRequest,
    ProducerId, Request, decode_response, encode_request,
};
use milena_core::record::{BatchBuilder, Batches, Compression, Limits, Producer};

/// Any wall clock; records of these tests are written at about this time.
pub(crate) const WALL_MS: i64 = 1_700_000_000_000;

/// A cluster, its clock, and the answers not looked at yet.
pub(crate) struct Script {
    pub(crate) state: ClusterState,
    pub(crate) now: Now,
    pub(crate) correlation_id: i32,
    pub(crate) answers: BTreeMap<ConnectionId, Vec<Bytes>>,
    pub(crate) closed: Vec<ConnectionId>,
}

impl Script {
    pub(crate) fn new(options: ClusterOptions) -> Self {
        let state = ClusterState::new(ClusterOptions { validate_records: true, ..options });
        let now = Now { elapsed: Duration::ZERO, wall_ms: WALL_MS };
        Script { state, now, correlation_id: 0, answers: BTreeMap::new(), closed: Vec::new() }
    }

    pub(crate) fn with_topic(nodes: u16) -> Self {
        Script::new(ClusterOptions { nodes, topics: vec![("t".to_owned(), 2)], ..ClusterOptions::default() })
    }

    pub(crate) fn as_release(release: &str) -> Self {
        let as_version = release.parse().unwrap();
        Script::new(ClusterOptions {
            topics: vec![("t".to_owned(), 1)],
            auto_create_topics: true,
            as_version,
            ..ClusterOptions::default()
        })
    }

    pub(crate) fn connect(&mut self, broker: i32) -> ConnectionId {
        self.state.connect(BrokerId(broker)).expect("the broker is up")
    }

    pub(crate) fn drain(&mut self) {
        while let Some(output) = self.state.poll_output() {
            match output {
                ClusterOutput::Send { conn, frame } => {
                    self.answers.entry(conn).or_default().push(frame.to_bytes().slice(4..));
                }
                ClusterOutput::Close { conn } => self.closed.push(conn),
            }
        }
    }

    /// Lets time pass, timer by timer.
    pub(crate) fn advance(&mut self, ms: u64) {
        let end = self.now.elapsed + Duration::from_millis(ms);
        loop {
            let due = self.state.poll_timeout().filter(|due| *due <= end);
            let to = due.unwrap_or(end);
            self.now.wall_ms += (to - self.now.elapsed).as_millis() as i64;
            self.now.elapsed = to;
            if due.is_none() {
                return self.drain();
            }
            self.state.handle_timeout(self.now);
            self.drain();
        }
    }

    pub(crate) fn raw(&mut self, conn: ConnectionId, frame: &[u8]) {
        self.state.handle_frame(self.now, conn, Bytes::copy_from_slice(frame));
        self.drain();
    }

    pub(crate) fn send<R: Request>(&mut self, conn: ConnectionId, mut request: R, version: i16) -> i32 {
        self.correlation_id += 1;
        let frame = encode_request(&mut request, version, self.correlation_id, Some("test")).unwrap();
        self.raw(conn, &frame.to_bytes()[4..]);
        self.correlation_id
    }

    /// The next answer on a connection, if there is one.
    pub(crate) fn answer<R: Request>(
        &mut self,
        conn: ConnectionId,
        version: i16,
    ) -> Option<(i32, R::Response)> {
        let answers = self.answers.get_mut(&conn).filter(|answers| !answers.is_empty())?;
        Some(decode_response::<R>(answers.remove(0), version).unwrap())
    }

    pub(crate) fn call<R: Request>(&mut self, conn: ConnectionId, request: R, version: i16) -> R::Response {
        let sent = self.send(conn, request, version);
        let (correlation_id, response) = self.answer::<R>(conn, version).expect("an answer");
        assert_eq!(correlation_id, sent);
        response
    }

    pub(crate) fn produce(
        &mut self,
        conn: ConnectionId,
        partition: i32,
        batch: Bytes,
    ) -> PartitionProduceResponse {
        let mut response = self.call(conn, produce_request("t", partition, -1, batch), 12);
        response.responses.remove(0).partition_responses.remove(0)
    }

    /// Error code and base offset.
    pub(crate) fn produced(&mut self, conn: ConnectionId, batch: Bytes) -> (ErrorCode, i64) {
        let answer = self.produce(conn, 0, batch);
        (answer.error_code, answer.base_offset)
    }

    pub(crate) fn metadata(&mut self, conn: ConnectionId, topic: &str, version: i16) -> MetadataResponse {
        self.call(conn, metadata_request(topic), version)
    }
}

pub(crate) fn batch_with(values: &[&str], producer: Producer) -> Bytes {
    let mut builder = BatchBuilder::with_capacity(1024);
    for (value, offset) in values.iter().zip(0..) {
        builder.append(WALL_MS + offset, None, Some(value.as_bytes()), &[]);
    }
    builder.seal(Compression::None, producer).unwrap()
}

pub(crate) fn batch(values: &[&str]) -> Bytes {
    batch_with(values, Producer::NONE)
}

pub(crate) fn numbered(id: i64, epoch: i16, base_sequence: i32, count: usize) -> Bytes {
    let producer = Producer { id: ProducerId(id), epoch, base_sequence, transactional: false };
    batch_with(&vec!["v"; count], producer)
}

pub(crate) fn produce_request(topic: &str, index: i32, acks: i16, records: Bytes) -> ProduceRequest {
    let partition = PartitionProduceData { index, records: Some(records), ..Default::default() };
    let topic =
        TopicProduceData { name: topic.into(), partition_data: vec![partition], ..Default::default() };
    ProduceRequest { acks, timeout_ms: 1000, topic_data: vec![topic], ..Default::default() }
}

pub(crate) fn fetch_request(topic: &str, partition: i32, fetch_offset: i64) -> FetchRequest {
    let partition =
        FetchPartition { partition, fetch_offset, partition_max_bytes: 1 << 20, ..Default::default() };
    let topic = FetchTopic { topic: topic.into(), partitions: vec![partition], ..Default::default() };
    FetchRequest { max_wait_ms: 500, min_bytes: 1, topics: vec![topic], ..Default::default() }
}

pub(crate) fn metadata_request(topic: &str) -> MetadataRequest {
    let topic = MetadataRequestTopic { name: Some(topic.into()), ..Default::default() };
    MetadataRequest { topics: Some(vec![topic]), allow_auto_topic_creation: true, ..Default::default() }
}

/// The code of the one partition, and its records' offsets and values.
pub(crate) fn fetched(response: &FetchResponse) -> (ErrorCode, Vec<(i64, String)>) {
    let partition = &response.responses[0].partitions[0];
    let mut records = Vec::new();
    for batch in Batches::new(partition.records.clone().unwrap_or_default()) {
        let batch = batch.unwrap();
        batch.verify_crc().unwrap();
        for record in batch.records(&Limits::default()).unwrap() {
            let record = record.unwrap();
            records.push((record.offset, String::from_utf8(record.value.unwrap().to_vec()).unwrap()));
        }
    }
    (partition.error_code, records)
}

pub(crate) fn values(records: &[(i64, &str)]) -> (ErrorCode, Vec<(i64, String)>) {
    (ErrorCode::NONE, records.iter().map(|(offset, value)| (*offset, (*value).to_owned())).collect())
}

pub(crate) fn failed(code: ErrorCode) -> (ErrorCode, Vec<(i64, String)>) {
    (code, Vec::new())
}

impl Script {
    pub(crate) fn produced_at(&mut self, conn: ConnectionId, version: i16, batch: Bytes) {
        let response = self.call(conn, produce_request("t", 0, -1, batch), version);
        assert_eq!(response.responses[0].partition_responses[0].error_code, ErrorCode::NONE);
    }
}
