//! A scripted world for the machine on virtual time: brokers are a queue of requests that the test answers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

#[cfg(not(feature = "recording"))]
use super::Machine;
use super::{Ask, Command, Input, Notice, Output};
use crate::balancer::Record;
use crate::cluster::Target;
use crate::config::{Config, ReaderConfig, WriterConfig};
use crate::connection::{AnyAnswer, Channel, ConnId};
use crate::consumer::{self, Chunk};
use crate::context::{OpId, ReaderId, WriterId};
use crate::error::{CloseReason, Error};
use crate::producer::{self, Accumulator, Budget, Delivery, Job, View};
use crate::protocol::api_versions::{ApiVersion, ApiVersionsRequest, ApiVersionsResponse};
use crate::protocol::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use crate::protocol::list_groups::ListGroupsRequest;
use crate::protocol::metadata::*;
use crate::protocol::produce::{
    PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceResponse,
};
use crate::protocol::{self, ApiKey, BrokerId, ErrorCode, LeaderEpoch, ProducerId, Request};
#[cfg(feature = "recording")]
use crate::recording::Recorded as Machine;
use crate::sync::lock;
use crate::time::{Instant, Now};
use crate::wire::{Frame, Str, Uuid};

pub(crate) const WRITER: WriterId = WriterId(0);
pub(crate) const READER: ReaderId = ReaderId(0);
const SEED: u16 = 9000;

/// A request that a broker has received.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    pub(crate) conn: ConnId,
    pub(crate) port: u16,
    pub(crate) key: ApiKey,
    pub(crate) version: i16,
    correlation: i32,
    body: Bytes,
}

impl Asked {
    pub(crate) fn request<R: Request>(&self) -> R {
        assert_eq!(self.key, R::KEY);
        R::decode(self.body.clone(), self.version).unwrap()
    }

    /// The request in a frame, without its length.
    pub(crate) fn of(conn: ConnId, port: u16, frame: Bytes) -> Asked {
        let (header, body) = protocol::decode_request_header(frame).unwrap();
        let (key, version) = (header.request_api_key, header.request_api_version);
        Asked { conn, port, key, version, correlation: header.correlation_id, body }
    }

    /// An answer to it.
    pub(crate) fn encode<R: Request>(&self, mut response: R::Response) -> Frame {
        protocol::encode_response::<R>(&mut response, self.version, self.correlation).unwrap()
    }
}

#[cfg(feature = "recording")]
impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking()
            && let Some(recording) = self.client.recording()
        {
            let (mut story, bytes) = (String::new(), recording.to_bytes());
            let recording = crate::Recording::from_bytes(&bytes).unwrap();
            let replayed = recording.replay(|line| story += &format!("{line}\n"));
            assert!(replayed.is_ok(), "{story}{replayed:?}");
        }
    }
}

/// An answer to a produce request that treats all partitions alike.
pub(super) fn produced(asked: &Asked, error_code: ErrorCode, base_offset: i64) -> ProduceResponse {
    let request: ProduceRequest = asked.request();
    let responses = request.topic_data.into_iter().map(|topic| TopicProduceResponse {
        partition_responses: (topic.partition_data.iter())
            .map(|partition| PartitionProduceResponse {
                index: partition.index,
                error_code,
                base_offset,
                ..Default::default()
            })
            .collect(),
        name: topic.name,
        topic_id: topic.topic_id,
        ..Default::default()
    });
    ProduceResponse { responses: responses.collect(), ..Default::default() }
}

pub(crate) struct World {
    pub(crate) client: Machine,
    config: Arc<Config>,
    next_op: u64,
    pub(crate) now: Now,
    /// Connections made, and the ports they lead to.
    pub(crate) open: BTreeMap<ConnId, u16>,
    channels: BTreeMap<ConnId, Channel>,
    /// Ports where nobody listens.
    pub(crate) refused: BTreeSet<u16>,
    pub(crate) connects: Vec<u16>,
    /// Not yet answered, oldest first.
    pub(crate) asked: VecDeque<Asked>,
    /// APIs that are not answered by themselves.
    pub(crate) held: BTreeSet<ApiKey>,
    pub(crate) hold_jobs: bool,
    pub(crate) jobs: VecDeque<Job>,
    /// Leader and epoch of each partition.
    pub(crate) topics: BTreeMap<String, Vec<(i32, i32)>>,
    pub(crate) topic_id: u8,
    pub(crate) brokers: Vec<i32>,
    /// Where brokers listen: the id is added to it.
    pub(crate) base_port: i32,
    pub(crate) next_producer: i64,
    pub(crate) ranges: BTreeMap<ApiKey, (i16, i16)>,
    pub(crate) metadata_asked: Vec<Instant>,
    pub(crate) done: BTreeMap<OpId, Result<Option<AnyAnswer>, Error>>,
    pub(crate) view: Option<Result<Arc<View>, Error>>,
    pub(crate) accumulator: Arc<Accumulator>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) notices: Vec<Notice>,
    /// Writers of which nothing more follows.
    pub(crate) gone: Vec<WriterId>,
    pub(crate) chunks: Vec<Chunk>,
    pub(crate) ended: Option<Option<Error>>,
}

impl World {
    /// Three brokers at 9001 to 9003, and topic `t` with one partition on the first.
    pub(crate) fn new(change: impl FnOnce(&mut Config)) -> World {
        let mut config = Config::new(&format!("seed:{SEED}")).unwrap();
        // Every script is recorded, in many segments, and replayed when it is over.
        #[cfg(feature = "recording")]
        {
            config.recording = Some(crate::RecordingConfig { bytes: 1024, data: false });
        }
        change(&mut config);
        let ranges = protocol::APIS.iter().map(|api| (api.key, (*api.versions.start(), api.stable)));
        let config = Arc::new(config);
        let accumulator = Arc::new(Accumulator::new(64 << 20, WriterConfig::default().batch_bytes));
        World {
            client: Machine::new(config.clone(), [1; 32]),
            config,
            next_op: 0,
            now: Now { mono: Instant::from_micros(1_000_000), wall: 1_700_000_000_000 },
            open: BTreeMap::new(),
            channels: BTreeMap::new(),
            refused: BTreeSet::new(),
            connects: Vec::new(),
            asked: VecDeque::new(),
            held: BTreeSet::from([ApiKey::PRODUCE, ApiKey::FETCH, ApiKey::LIST_OFFSETS]),
            hold_jobs: false,
            jobs: VecDeque::new(),
            topics: BTreeMap::from([("t".to_owned(), vec![(1, 0)])]),
            topic_id: 1,
            brokers: vec![1, 2, 3],
            base_port: i32::from(SEED),
            next_producer: 1000,
            ranges: ranges.collect(),
            metadata_asked: Vec::new(),
            done: BTreeMap::new(),
            view: None,
            budget: accumulator.budget.clone(),
            accumulator,
            notices: Vec::new(),
            gone: Vec::new(),
            chunks: Vec::new(),
            ended: None,
        }
    }

    /// A world in which a writer knows topic `t`.
    pub(crate) fn writing(
        partitions: &[(i32, i32)],
        change: impl FnOnce(&mut Config, &mut WriterConfig),
    ) -> World {
        let mut writer = WriterConfig::new("t");
        let mut world = World::new(|config| change(config, &mut writer));
        world.topics.insert("t".to_owned(), partitions.to_vec());
        world.open_writer(writer);
        assert_eq!(world.view.as_ref().unwrap().as_ref().unwrap().partitions.len(), partitions.len());
        world
    }

    /// A world in which a reader was opened.
    pub(crate) fn reading(
        partitions: &[(i32, i32)],
        change: impl FnOnce(&mut Config, &mut ReaderConfig),
    ) -> World {
        let mut reader = ReaderConfig::new("t");
        let mut world = World::new(|config| change(config, &mut reader));
        world.topics.insert("t".to_owned(), partitions.to_vec());
        world.reader(consumer::Command::Open(Arc::new(reader)));
        world
    }

    /// Opens a writer, whose records gather in a new place, and has it look up topic `t`.
    pub(crate) fn open_writer(&mut self, config: WriterConfig) {
        self.accumulator = Arc::new(Accumulator::new(config.buffer_bytes, config.batch_bytes));
        self.budget = self.accumulator.budget.clone();
        self.writer(producer::Command::Open(Arc::new(config)));
        self.writer(producer::Command::Topic("t".into()));
    }

    pub(crate) fn command(&mut self, command: Command) {
        self.client.command(self.now, command);
        self.run();
    }

    pub(crate) fn writer(&mut self, command: producer::Command) {
        self.command(Command::Writer(WRITER, command));
    }

    pub(crate) fn reader(&mut self, command: consumer::Command) {
        self.command(Command::Reader(READER, command));
    }

    /// Starts what has a result.
    pub(crate) fn start(&mut self, command: impl FnOnce(OpId) -> Command) -> OpId {
        let op = OpId(self.next_op);
        self.next_op += 1;
        self.command(command(op));
        op
    }

    pub(crate) fn handle(&mut self, input: Input) {
        self.client.handle(self.now, input);
        self.run();
    }

    /// Does what is wanted until nothing is; jobs that are wanted together are told of together.
    pub(crate) fn run(&mut self) {
        loop {
            while let Some(output) = self.client.poll_output() {
                self.output(output);
            }
            if self.hold_jobs || self.jobs.is_empty() {
                return;
            }
            let worked = std::mem::take(&mut self.jobs).into_iter().map(|job| self.work(job)).collect();
            self.client.handle(self.now, Input::Worked(worked));
        }
    }

    /// Runs the oldest job alone.
    pub(crate) fn run_job(&mut self) -> bool {
        let Some(job) = self.jobs.pop_front() else { return false };
        let worked = self.work(job);
        self.client.handle(self.now, Input::Worked(vec![worked]));
        true
    }

    pub(crate) fn work(&self, job: Job) -> producer::Worked {
        let gather = self.accumulator.gather(job.slot).expect("its slot was told");
        job.run(&*gather)
    }

    fn output(&mut self, output: Output) {
        match output {
            Output::Connect { conn, address } => {
                self.connects.push(address.port);
                let input = match self.refused.contains(&address.port) {
                    false => {
                        self.open.insert(conn, address.port);
                        self.channels.insert(conn, Channel::new(conn, &self.config));
                        Input::Connected { conn }
                    }
                    true => {
                        let reason =
                            CloseReason::Connect(std::io::ErrorKind::ConnectionRefused, "refused".to_owned());
                        Input::Closed { conn, reason }
                    }
                };
                self.client.handle(self.now, input);
            }
            Output::Close { conn } => {
                self.open.remove(&conn);
                self.asked.retain(|asked| asked.conn != conn);
            }
            Output::Ready { conn } => {
                while let Some(transmit) = self.client.poll_transmit(self.now, conn) {
                    self.transmit(conn, transmit);
                }
            }
            Output::Done { op, result } => assert!(self.done.insert(op, result).is_none(), "done twice"),
            Output::Writer(writer, output) => {
                assert_eq!(writer, WRITER);
                self.writer_output(output);
            }
            Output::Reader(_, consumer::Output::Fetched(chunk)) => self.chunks.push(chunk),
            Output::Reader(_, consumer::Output::Ended(error)) => {
                assert!(self.ended.replace(error).is_none(), "ended twice");
            }
            Output::Notice(notice) => self.notices.push(notice),
        }
    }

    fn writer_output(&mut self, output: producer::Output) {
        match output {
            producer::Output::Work(job) => self.jobs.push_back(job),
            producer::Output::Gone => self.gone.push(WRITER),
            output => {
                let topic = match &output {
                    producer::Output::Topic { topic, .. } => Some(topic.clone()),
                    _ => None,
                };
                self.accumulator.on_output(output, &mut Vec::new(), &mut Vec::new());
                if let Some(topic) = topic.and_then(|topic| self.accumulator.find(&topic)) {
                    self.view = lock(&topic.state).view.clone();
                }
            }
        }
    }

    /// A request leaves as bytes, and reaches its broker.
    fn transmit(&mut self, conn: ConnId, transmit: super::Transmit) {
        let channel = &self.channels[&conn];
        let encoded = channel.send(transmit);
        let mut bytes = Vec::new();
        let write = |segments: &[std::io::IoSlice<'_>]| {
            segments.iter().for_each(|segment| bytes.extend_from_slice(segment));
            Ok::<_, ()>(segments.iter().map(|segment| segment.len()).sum())
        };
        channel.write_with(write).unwrap();
        if let Some(encoded) = encoded {
            self.client.handle(self.now, Input::Encoded(encoded));
        }
        if !bytes.is_empty() {
            self.receive(conn, Bytes::from(bytes.split_off(4)));
        }
    }

    /// A broker sends a frame, of which this is what comes after its length.
    pub(crate) fn frame(&mut self, conn: ConnId, frame: &[u8]) {
        let Some(channel) = self.channels.get(&conn) else { return };
        let received = channel.receive(&[&(frame.len() as i32).to_be_bytes(), frame].concat());
        while let Some(answered) = channel.poll_answer() {
            self.client.handle(self.now, Input::Answered(answered));
        }
        if let Err(reason) = received {
            self.client.handle(self.now, Input::Closed { conn, reason });
        }
        self.run();
    }

    fn receive(&mut self, conn: ConnId, frame: Bytes) {
        let asked = Asked::of(conn, self.open[&conn], frame);
        if asked.key == ApiKey::METADATA {
            self.metadata_asked.push(self.now.mono);
        }
        self.asked.push_back(asked);
        self.answer_by_itself(conn);
    }

    /// Answers the oldest request of a connection unless that is left to the test: brokers answer in order.
    fn answer_by_itself(&mut self, conn: ConnId) {
        let oldest = self.asked.iter().find(|asked| asked.conn == conn);
        let Some(asked) = oldest.filter(|asked| !self.held.contains(&asked.key)).cloned() else { return };
        if let Some(frame) = self.usual_answer(&asked) {
            self.answer_with(&asked, &frame);
        }
    }

    /// A broker's usual answer, where the world has one.
    pub(crate) fn usual_answer(&mut self, asked: &Asked) -> Option<Frame> {
        match asked.key {
            ApiKey::API_VERSIONS => Some(asked.encode::<ApiVersionsRequest>(self.versions())),
            ApiKey::METADATA => Some(asked.encode::<MetadataRequest>(self.metadata(asked))),
            ApiKey::INIT_PRODUCER_ID => {
                self.next_producer += 1;
                let producer_id = ProducerId(self.next_producer);
                let response = InitProducerIdResponse { producer_id, ..Default::default() };
                Some(asked.encode::<InitProducerIdRequest>(response))
            }
            ApiKey::PRODUCE => Some(asked.encode::<ProduceRequest>(produced(asked, ErrorCode::NONE, 0))),
            _ => None,
        }
    }

    pub(crate) fn versions(&self) -> ApiVersionsResponse {
        let apis = self.ranges.iter().map(|(key, (min, max))| ApiVersion {
            api_key: *key,
            min_version: *min,
            max_version: *max,
            ..Default::default()
        });
        ApiVersionsResponse { api_keys: apis.collect(), ..Default::default() }
    }

    pub(crate) fn metadata(&self, asked: &Asked) -> MetadataResponse {
        let brokers = self.brokers.iter().map(|id| MetadataResponseBroker {
            node_id: BrokerId(*id),
            host: Str::from("broker"),
            port: self.base_port + id,
            ..Default::default()
        });
        let topics = asked.request::<MetadataRequest>().topics.unwrap().into_iter().map(|topic| {
            let partitions = topic.name.as_deref().and_then(|name| self.topics.get(name));
            let of = |(index, (leader, epoch)): (usize, &(i32, i32))| MetadataResponsePartition {
                partition_index: index as i32,
                leader_id: BrokerId(*leader),
                leader_epoch: LeaderEpoch(*epoch),
                ..Default::default()
            };
            MetadataResponseTopic {
                error_code: partitions.map_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, |_| ErrorCode::NONE),
                topic_id: if partitions.is_some() { Uuid([self.topic_id; 16]) } else { Uuid::ZERO },
                name: topic.name,
                partitions: partitions.into_iter().flatten().enumerate().map(of).collect(),
                ..Default::default()
            }
        });
        MetadataResponse {
            brokers: brokers.collect(),
            controller_id: BrokerId(self.brokers[0]),
            topics: topics.collect(),
            ..Default::default()
        }
    }

    /// Gives an answer to a request; it leaves the queue.
    pub(crate) fn answer<R: Request>(&mut self, asked: &Asked, response: R::Response) {
        self.answer_with(asked, &asked.encode::<R>(response));
    }

    fn answer_with(&mut self, asked: &Asked, frame: &Frame) {
        self.asked.retain(|other| (other.conn, other.correlation) != (asked.conn, asked.correlation));
        self.frame(asked.conn, &frame.to_bytes()[4..]);
        self.answer_by_itself(asked.conn);
    }

    /// Answers a request with bytes that are no answer to it.
    pub(crate) fn garble(&mut self, asked: &Asked) {
        self.frame(asked.conn, &[&asked.correlation.to_be_bytes()[..], &[0xff; 3]].concat());
    }

    /// The requests of this kind that wait for an answer.
    pub(crate) fn take(&mut self, key: ApiKey) -> Vec<Asked> {
        self.asked.iter().filter(|asked| asked.key == key).cloned().collect()
    }

    /// Answers all partitions of a produce request alike.
    pub(crate) fn produced(&mut self, asked: &Asked, code: ErrorCode, offset: i64) {
        self.answer::<ProduceRequest>(asked, produced(asked, code, offset));
    }

    pub(crate) fn accept(&mut self, asked: &Asked, offset: i64) {
        self.produced(asked, ErrorCode::NONE, offset);
    }

    pub(crate) fn refuse(&mut self, asked: &Asked, code: ErrorCode) {
        self.produced(asked, code, -1);
    }

    pub(crate) fn hang_up(&mut self, conn: ConnId) {
        self.asked.retain(|asked| asked.conn != conn);
        self.open.remove(&conn);
        let reason = CloseReason::Eof { mid_frame: false, before_first_answer: false };
        self.handle(Input::Closed { conn, reason });
    }

    /// Lets time pass, timer by timer.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let end = self.now.mono + duration;
        while let Some(at) = self.client.poll_timeout().filter(|at| *at <= end) {
            self.now.mono = self.now.mono.max(at);
            self.client.handle_timeout(self.now);
            self.run();
            let next = self.client.poll_timeout();
            assert!(next.is_none_or(|next| next > self.now.mono), "what was due at {at:?} still is");
        }
        self.now.mono = end;
    }

    pub(crate) fn pass_ms(&mut self, ms: u64) {
        self.pass(Duration::from_millis(ms));
    }

    pub(crate) fn write(&mut self, partition: usize, value: &[u8]) -> Delivery {
        let view = self.view.clone().unwrap().unwrap();
        let gather = &view.partitions[partition];
        let (delivery, news) = gather.append(self.now, &Record::new(value), true).unwrap();
        if let Some(news) = news {
            self.writer(producer::Command::Gathered { slot: gather.slot, news });
        }
        delivery
    }
}

/// One is answered at a time: what is left over at the end is nothing.
fn assert_still(world: &World) {
    assert!(world.open.is_empty() && world.jobs.is_empty(), "{:?}", world.open);
    assert_eq!(world.client.poll_timeout(), None);
}

#[test]
fn a_connect_is_done_with_the_first_answer_and_its_connection_to_the_seed_ends() {
    let mut world = World::new(|_| {});
    let op = world.start(Command::Connect);
    assert!(matches!(world.done[&op], Ok(None)));
    assert_eq!(world.connects, [SEED]);
    assert!(world.open.is_empty());
    let again = world.start(Command::Connect);
    assert!(matches!(world.done[&again], Ok(None)));
}

#[test]
fn a_connect_to_nobody_ends_with_the_reason_of_each_server() {
    let mut world = World::new(|config| config.bootstrap_timeout = Duration::from_secs(5));
    world.refused.insert(SEED);
    let op = world.start(Command::Connect);
    world.pass_ms(4_999);
    assert!(world.done.is_empty());
    world.pass_ms(1);
    let Err(Error::Bootstrap { attempts }) = &world.done[&op] else { panic!("{:?}", world.done) };
    assert_eq!((attempts.len(), attempts[0].0.as_str()), (1, "seed:9000"));
    // Back-off: 0.1, 0.2, 0.4, 0.8, then each second, less or more a fifth.
    assert!((7..=10).contains(&world.connects.len()), "{}", world.connects.len());
}

#[test]
fn a_peer_that_is_no_kafka_ends_the_connect_at_once() {
    let mut world = World::new(|_| {});
    world.held.insert(ApiKey::API_VERSIONS);
    let op = world.start(Command::Connect);
    let conn = world.take(ApiKey::API_VERSIONS)[0].conn;
    world.frame(conn, &[0, 0, 0, 7, 0, 0]);
    let Err(Error::Bootstrap { attempts }) = &world.done[&op] else { panic!("{:?}", world.done) };
    assert_eq!(attempts[0].1, CloseReason::Correlation { expected: -1, got: 7 });
}

#[test]
fn a_shutdown_ends_everything_and_what_comes_later_ends_at_once() {
    let mut world = World::writing(&[(1, 0)], |_, _| {});
    let delivery = world.write(0, b"a");
    let until = Instant::MAX;
    let sleep = world.start(|op| Command::Writer(WRITER, producer::Command::Wait { op, until }));
    world.reader(consumer::Command::Open(Arc::new(ReaderConfig::new("t"))));
    world.command(Command::Shutdown(Error::Closed));
    assert!(matches!(world.done[&sleep], Err(Error::Closed)));
    assert_eq!(world.ended, Some(Some(Error::Closed)));
    assert_eq!(delivery.outcome().unwrap().unwrap_err().fate, crate::Fate::Unknown);
    assert_still(&world);
    let connect = world.start(Command::Connect);
    assert!(matches!(world.done[&connect], Err(Error::Closed)));
}

/// The job runs outside of the lock: the writer may be gone when it comes back.
#[test]
fn a_batch_that_was_being_sealed_at_the_shutdown_fails() {
    let mut world = World::writing(&[(1, 0)], |_, _| {});
    world.hold_jobs = true;
    let delivery = world.write(0, b"a");
    assert_eq!(world.jobs.len(), 1);
    world.command(Command::Shutdown(Error::Closed));
    while world.run_job() {}
    world.run();
    let error = delivery.outcome().expect("it waits for ever").unwrap_err();
    assert_eq!((error.fate, error.cause), (crate::Fate::NotWritten, Error::Closed));
    assert_eq!(world.budget.used(), 0);
}

#[test]
fn a_closed_writer_delivers_what_it_has_and_refuses_the_rest() {
    let mut world = World::writing(&[(1, 0)], |_, writer| writer.linger = Duration::from_secs(60));
    let delivery = world.write(0, b"a");
    let view = world.view.clone().unwrap().unwrap();
    world.writer(producer::Command::Close);
    let asked = world.take(ApiKey::PRODUCE).remove(0);
    world.accept(&asked, 7);
    assert_eq!(delivery.outcome().unwrap().unwrap().offset, Some(7));
    assert!(view.partitions[0].append(world.now, &Record::new("late"), true).is_err());
    assert_eq!(world.budget.used(), 0);
}

#[test]
fn a_closed_reader_closes_its_own_connections_only() {
    let mut world = World::reading(&[(1, 0), (2, 0)], |_, reader| reader.start = crate::Start::Offset(0));
    assert_eq!(world.take(ApiKey::FETCH).len(), 2);
    let own: Vec<ConnId> = world.take(ApiKey::FETCH).iter().map(|asked| asked.conn).collect();
    world.reader(consumer::Command::Close);
    assert!(own.iter().all(|conn| !world.open.contains_key(conn)));
    world.pass(Duration::from_secs(1000));
    assert!(world.take(ApiKey::FETCH).is_empty());
}

/// A request that waited for a broker was sent for a reader that was closed: nobody closed the connection that was made for it.
#[test]
fn a_closed_reader_has_nothing_parked() {
    let mut world = World::reading(&[(1, 0)], |_, reader| reader.start = crate::Start::Offset(0));
    let base_port = std::mem::replace(&mut world.base_port, -1000);
    let asked = world.take(ApiKey::FETCH).remove(0);
    world.command(Command::Refresh);
    world.pass_ms(200);
    world.hang_up(asked.conn);
    world.pass_ms(200);
    assert_eq!(world.client.outstanding().parked, 1, "no broker has an address");
    world.reader(consumer::Command::Close);
    assert_eq!(world.client.outstanding().parked, 0);
    world.base_port = base_port;
    world.pass(Duration::from_secs(2));
    assert!(world.take(ApiKey::FETCH).is_empty());
}

/// Both are a driver's mistakes, and neither may take the client down.
#[test]
fn an_id_that_is_opened_twice_and_a_client_without_servers_do_no_harm() {
    let mut world = World::writing(&[(1, 0)], |_, _| {});
    let delivery = world.write(0, b"a");
    world.client.command(world.now, Command::Writer(WRITER, producer::Command::Open(Arc::default())));
    world.pass(Duration::from_secs(1));
    let asked = world.take(ApiKey::PRODUCE).remove(0);
    world.accept(&asked, 0);
    assert!(delivery.outcome().unwrap().is_ok());

    let mut world = World::new(|config| {
        config.bootstrap.clear();
        // No replay takes such settings.
        #[cfg(feature = "recording")]
        (config.recording = None);
    });
    let op = world.start(Command::Connect);
    world.pass(Duration::from_secs(20));
    assert!(matches!(world.done[&op], Err(Error::Timeout { .. })));
    let any = Ask::new(Arc::new(ListGroupsRequest::default()), Target::Any);
    let op = world.start(|op| Command::Ask(op, any));
    world.pass(Duration::from_secs(120));
    assert!(world.done[&op].is_err(), "{:?}", world.done[&op]);
}

/// A reader of a partition whose leader is in no answer, in a world whose settings were never checked.
fn of_a_missing_broker(now: Instant) -> World {
    let mut world = World::new(|config| {
        config.backoff = (Duration::ZERO, Duration::ZERO);
        #[cfg(feature = "recording")]
        (config.recording = None);
    });
    world.brokers = vec![2, 3];
    world.now.mono = now;
    let config = ReaderConfig { start: crate::Start::Offset(0), ..ReaderConfig::new("t") };
    world.reader(consumer::Command::Open(Arc::new(config)));
    world
}

#[test]
fn a_broker_that_is_missing_is_not_asked_for_without_a_pause() {
    let world = of_a_missing_broker(Instant::from_micros(1_000_000));
    assert!(world.client.poll_timeout() > Some(world.now.mono));
}

/// There no pause is one.
#[test]
fn at_the_end_of_time_a_machine_panics_and_does_not_go_in_circles() {
    let panicked = std::panic::catch_unwind(|| drop(of_a_missing_broker(Instant::MAX))).unwrap_err();
    let what = panicked.downcast_ref::<&str>().unwrap();
    assert_eq!(*what, "what is asked for at one moment comes to an end");
}

/// Brokers come under a new id and address each time, and the old ones are gone.
fn replace_brokers(world: &mut World, times: i32, mut each: impl FnMut(&mut World)) {
    for id in 10..10 + times {
        world.brokers = vec![id];
        world.topics.insert("t".to_owned(), vec![(id, id)]);
        world.command(Command::Refresh);
        world.pass_ms(1_500);
        each(world);
    }
}

#[test]
fn brokers_that_have_left_are_forgotten_by_readers() {
    let mut world = World::reading(&[(1, 0)], |_, reader| reader.start = crate::Start::Offset(0));
    replace_brokers(&mut world, 9, |world| {
        assert_eq!(world.take(ApiKey::FETCH).len(), 2, "at the broker that has left, and at the new one");
        let left = world.take(ApiKey::FETCH).remove(0);
        world.hang_up(left.conn);
    });
    replace_brokers(&mut world, 1, |_| {});
    assert!(world.client.remembered()[0] <= 2, "{:?}", world.client.remembered());
}

#[test]
fn brokers_that_have_left_are_forgotten_by_writers() {
    let mut world = World::writing(&[(1, 0)], |_, _| {});
    replace_brokers(&mut world, 9, |world| {
        let delivery = world.write(0, b"a");
        let asked = world.take(ApiKey::PRODUCE).remove(0);
        world.accept(&asked, 0);
        assert!(delivery.outcome().unwrap().is_ok());
    });
    assert_eq!(world.client.remembered()[1], 1);
}

/// The last request there was one that the broker has no version for: nothing looked at the connection any more.
#[test]
fn a_connection_to_a_broker_that_has_left_ends_when_its_last_request_cannot_be_sent() {
    let mut world = World::new(|_| {});
    world.start(Command::Connect);
    world.command(Command::Refresh);
    world.pass_ms(200);
    world.ranges.remove(&ApiKey::LIST_GROUPS);
    world.held.insert(ApiKey::API_VERSIONS);
    let target = Target::Broker(BrokerId(2));
    let op = world.start(|op| Command::Ask(op, Ask::new(Arc::new(ListGroupsRequest::default()), target)));
    let asked = world.take(ApiKey::API_VERSIONS).remove(0);
    assert_eq!(asked.port, 9002);
    world.brokers = vec![1, 3];
    world.command(Command::Refresh);
    world.pass_ms(200);
    assert!(world.open.contains_key(&asked.conn), "a request waits there");
    let versions = world.versions();
    world.answer::<ApiVersionsRequest>(&asked, versions);
    assert!(matches!(world.done[&op], Err(Error::Unsupported { .. })), "{:?}", world.done);
    assert!(!world.open.contains_key(&asked.conn));
}

/// What is in flight at a broker that has left still counts there.
#[test]
fn a_broker_that_has_left_is_remembered_while_a_writer_awaits_its_answer() {
    let mut world = World::writing(&[(1, 0)], |_, _| {});
    let delivery = world.write(0, b"a");
    let asked = world.take(ApiKey::PRODUCE).remove(0);
    replace_brokers(&mut world, 2, |_| {});
    assert_eq!(world.client.remembered()[1], 1);
    world.accept(&asked, 7);
    assert_eq!(delivery.outcome().unwrap().unwrap().offset, Some(7));
    replace_brokers(&mut world, 1, |_| {});
    assert_eq!(world.client.remembered()[1], 0);
}

#[test]
fn brokers_that_have_left_are_forgotten_where_versions_are_negotiated() {
    let mut world = World::new(|_| {});
    world.start(Command::Connect);
    replace_brokers(&mut world, 9, |world| {
        world.held.insert(ApiKey::API_VERSIONS);
        world.start(|op| Command::Ask(op, Ask::new(Arc::new(ListGroupsRequest::default()), Target::Any)));
        let asked = world.take(ApiKey::API_VERSIONS).remove(0);
        world.held.remove(&ApiKey::API_VERSIONS);
        world.hang_up(asked.conn);
        assert_eq!(world.client.remembered()[2], 1);
    });
}

#[test]
fn the_same_inputs_give_the_same_outputs() {
    let script = || {
        let mut world = World::writing(&[(1, 0), (2, 0), (3, 0)], |_, _| {});
        world.refused.insert(9002);
        for partition in [0, 1, 2, 1] {
            drop(world.write(partition, b"a"));
        }
        world.pass(Duration::from_secs(5));
        (world.connects.clone(), world.metadata_asked.clone(), world.asked.len())
    };
    assert_eq!(script(), script());
}
