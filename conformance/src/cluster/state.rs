//! The state of all brokers: connections and the order of their requests, timers, and what a test may do to the cluster.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use milena_core::protocol::{self, ApiKey, BrokerId, ErrorCode, LeaderEpoch, Request, RequestHeader};
use milena_core::wire::{Frame, Str, Uuid};

use super::admin::{Admin, Admission, Authentication, FAILURE_DELAY, Overrides};
use super::api::{self, Call, Outcome, Parked};
use super::coordinator::Coordinators;
use super::fault::{Asked, Fault, Faults};
use super::groups::Groups;
use super::partition::Partition;
use super::release::Release;
use super::replication::Place;
use super::sessions::Sessions;
use super::topic::{self, Topic, TopicError, TopicSettings};
use super::transactions::Transactions;
use super::{ClusterOptions, ClusterOutput, ConnectionId, Now, RequestLogEntry};
use crate::random::Random;

/// Violations kept: the first ones tell what is wrong.
const MOST_VIOLATIONS: usize = 16;
/// In front of every answer.
const LENGTH_BYTES: usize = 4;
/// What a corrupted answer keeps, so that it is taken for the one that is due.
const CORRELATION_ID_BYTES: usize = 4;
/// The principal of whoever did not say who he is.
const ANONYMOUS: Str = Str::from_static("User:ANONYMOUS");

/// All brokers, topics and connections of a simulated cluster; see the [module](super) for its rules.
#[derive(Debug)]
pub struct ClusterState {
    pub(super) options: ClusterOptions,
    pub(super) now: Now,
    pub(super) random: Random,
    pub(super) cluster_id: Uuid,
    /// By API key: looked up for each request.
    served: BTreeMap<i16, RangeInclusive<i16>>,
    pub(super) brokers: Vec<Broker>,
    pub(super) topics: BTreeMap<Str, Topic>,
    pub(super) topic_names: BTreeMap<Uuid, Str>,
    connections: BTreeMap<ConnectionId, Connection>,
    next_connection: u64,
    timers: BTreeSet<(Duration, Timer)>,
    /// Followers that are copying.
    pub(super) copying: BTreeSet<(Place, BrokerId)>,
    /// Connections whose fetch or write may be complete.
    pub(super) woken: BTreeSet<ConnectionId>,
    /// Answers to requests that waited for their coordinator.
    completed: VecDeque<(ConnectionId, Frame)>,
    pub(super) sessions: Sessions,
    pub(super) coordinators: Coordinators,
    pub(super) groups: Groups,
    pub(super) transactions: Transactions,
    pub(super) admin: Admin,
    outputs: VecDeque<ClusterOutput>,
    pub(super) faults: Faults,
    pub(super) requests: Vec<RequestLogEntry>,
    pub(super) violations: Vec<String>,
}

/// Whose time has come.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// What keeps a connection busy ends.
    Connection(ConnectionId),
    /// The group's next deadline may be due.
    Group(Str),
    /// The transactional id's next deadline may be due.
    Transaction(Str),
    /// A follower copies.
    Copy(Place, BrokerId),
    /// A broker hears who leads in this epoch.
    Learn(Place, BrokerId, LeaderEpoch),
    /// The controller's patience with a broker ends,
    Fence(BrokerId),
    /// or the leaders' with a follower.
    Shrink(BrokerId),
}

/// One broker as the others know it.
#[derive(Debug)]
pub(super) struct Broker {
    pub(super) id: BrokerId,
    pub(super) host: Str,
    pub(super) port: u16,
    pub(super) up: bool,
    /// Cut off from the other brokers.
    pub(super) isolated: bool,
    /// Gone, as the controller has it.
    pub(super) fenced: bool,
    /// Copies nothing.
    pub(super) stalled: bool,
    /// How long its disk takes for what a request writes, from shortest to longest.
    pub(super) disk_latency: (Duration, Duration),
    /// `broker.rack`
    pub(super) rack: Option<Str>,
}

impl Broker {
    /// Whether it reaches the others, and copies.
    pub(super) fn is_following(&self) -> bool {
        self.up && !self.isolated && !self.stalled
    }
}

#[derive(Debug)]
struct Connection {
    broker: BrokerId,
    /// What its last request said.
    client_id: Option<Str>,
    /// Who it is, as access rules name it.
    principal: Str,
    authentication: Authentication,
    /// It has exceeded a quota, and is slowed down with its next answer.
    throttle: Option<Duration>,
    /// Requests behind the one being served.
    queue: VecDeque<Bytes>,
    queued_bytes: usize,
    busy: Option<Busy>,
    /// What is to happen to the answer of the request being served.
    fault: Option<Fault>,
}

/// What keeps a connection from its next request.
#[derive(Debug)]
struct Busy {
    /// When it ends by itself.
    until: Option<Duration>,
    with: Activity,
}

#[derive(Debug)]
enum Activity {
    Parked(Parked),
    Request(RequestHeader, Bytes),
    Answer(Frame),
    /// The same, and then the connection closes.
    LastAnswer(Frame),
    /// It waits for its coordinator, which will [`answer`](ClusterState::answer).
    Elsewhere,
    Nothing,
}

impl ClusterState {
    /// A cluster whose brokers are all up, at address `localhost:9092` until [`Self::set_address`] says otherwise.
    ///
    /// Topics with an invalid name or number of partitions are left out; [`Self::create_topic`] reports such errors.
    pub fn new(mut options: ClusterOptions) -> Self {
        options.apply_configs();
        let nodes = options.nodes.max(1);
        let broker = |id: u16| Broker {
            id: BrokerId(i32::from(id)),
            host: Str::from("localhost"),
            port: 9092,
            up: true,
            isolated: false,
            fenced: false,
            stalled: false,
            disk_latency: options.disk_latency,
            rack: options.racks.get(usize::from(id) - 1).map(|rack| Str::from(rack.as_str())),
        };
        let served = options.as_version.advertised().into_iter().filter_map(|(key, _)| {
            let versions = options.as_version.versions(key)?;
            Some((key.0, versions))
        });
        let mut state = ClusterState {
            now: Now::default(),
            random: Random::new(options.seed),
            cluster_id: Uuid::default(),
            served: served.collect(),
            brokers: (1..=nodes).map(broker).collect(),
            topics: BTreeMap::new(),
            topic_names: BTreeMap::new(),
            connections: BTreeMap::new(),
            next_connection: 0,
            timers: BTreeSet::new(),
            copying: BTreeSet::new(),
            woken: BTreeSet::new(),
            outputs: VecDeque::new(),
            faults: Faults::default(),
            requests: Vec::new(),
            violations: Vec::new(),
            completed: VecDeque::new(),
            sessions: Sessions::default(),
            coordinators: Coordinators::default(),
            groups: Groups::default(),
            transactions: Transactions::default(),
            admin: Admin::new(&options),
            options,
        };
        state.cluster_id = state.random_uuid();
        for (name, partitions) in std::mem::take(&mut state.options.topics) {
            if let Ok(assignment) = state.plan_topic(&name, partitions, -1) {
                state.insert_topic(&name, assignment, state.default_settings());
            }
        }
        state
    }

    /// Sets the address that Metadata gives for a broker.
    pub fn set_address(&mut self, broker: BrokerId, host: &str, port: u16) {
        if let Some(broker) = self.broker_mut(broker) {
            broker.host = Str::from(host);
            broker.port = port;
        }
    }

    // ---- inputs ----

    /// A client connects to a broker; `None`: refused, as the broker is stopped or does not exist.
    pub fn connect(&mut self, broker: BrokerId) -> Option<ConnectionId> {
        if !self.is_up(broker) {
            return None;
        }
        let conn = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let connection = Connection {
            broker,
            client_id: None,
            principal: ANONYMOUS,
            authentication: Authentication::new(self.options.security.is_some()),
            throttle: None,
            queue: VecDeque::new(),
            queued_bytes: 0,
            busy: None,
            fault: None,
        };
        self.connections.insert(conn, connection);
        Some(conn)
    }

    /// The client closed a connection; what was asked on it and not served yet is forgotten.
    pub fn disconnect(&mut self, conn: ConnectionId) {
        self.end_busy(conn);
        self.connections.remove(&conn);
    }

    /// Closes every client's connection, as brokers do with those that are idle for long (`connections.max.idle.ms`).
    pub fn hang_up(&mut self) {
        for conn in self.connections.keys().copied().collect::<Vec<_>>() {
            self.close(conn);
        }
    }

    /// One request came in, without its length prefix.
    pub fn handle_frame(&mut self, now: Now, conn: ConnectionId, frame: Bytes) {
        self.now = now;
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        if connection.busy.is_some() {
            connection.queued_bytes += frame.len();
            connection.queue.push_back(frame);
            return;
        }
        self.begin(conn, frame);
        self.settle();
    }

    /// Time has passed; call it when [`Self::poll_timeout`] is due.
    pub fn handle_timeout(&mut self, now: Now) {
        self.now = now;
        while self.timers.first().is_some_and(|(due, _)| *due <= now.elapsed) {
            match self.timers.pop_first() {
                Some((_, Timer::Connection(conn))) => self.resume(conn),
                Some((_, Timer::Group(id))) => self.on_group_timer(&id),
                Some((_, Timer::Transaction(id))) => self.on_transaction_timer(&id),
                Some((_, Timer::Copy(place, replica))) => self.on_copy_timer(&place, replica),
                Some((_, Timer::Learn(place, broker, epoch))) => self.on_learn_timer(&place, broker, epoch),
                Some((_, Timer::Fence(broker))) => self.on_fence_timer(broker),
                Some((_, Timer::Shrink(broker))) => self.on_shrink_timer(broker),
                None => {}
            }
            self.settle();
        }
    }

    // ---- outputs ----

    /// What is to be done next, until `None`.
    pub fn poll_output(&mut self) -> Option<ClusterOutput> {
        self.outputs.pop_front()
    }

    /// When [`Self::handle_timeout`] is to be called, on [`Now::elapsed`]'s clock.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.timers.first().map(|(due, _)| *due)
    }

    /// How many connections brokers have, as far as they know.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Bytes of requests waiting behind the one being served: a driver stops reading from a connection that has many.
    pub fn queued_bytes(&self, conn: ConnectionId) -> usize {
        self.connections.get(&conn).map_or(0, |connection| connection.queued_bytes)
    }

    // ---- topics ----

    pub(super) fn broker(&self, broker: BrokerId) -> Option<&Broker> {
        self.brokers.iter().find(|known| known.id == broker)
    }

    pub(super) fn is_up(&self, broker: BrokerId) -> bool {
        self.broker(broker).is_some_and(|known| known.up)
    }

    pub(super) fn broker_mut(&mut self, broker: BrokerId) -> Option<&mut Broker> {
        self.brokers.iter_mut().find(|known| known.id == broker)
    }

    pub(super) fn connections_of(&self, broker: BrokerId) -> Vec<ConnectionId> {
        let on_broker = self.connections.iter().filter(|(_, connection)| connection.broker == broker);
        on_broker.map(|(conn, _)| *conn).collect()
    }

    pub(super) fn default_settings(&self) -> TopicSettings {
        self.topic_settings(&Overrides::new())
    }

    /// Checks a topic to be created, and spreads its replicas over the brokers that are up; -1 means the default.
    pub(super) fn plan_topic(
        &self,
        name: &str,
        partitions: i32,
        replication_factor: i16,
    ) -> Result<Vec<Vec<BrokerId>>, TopicError> {
        self.check_new_name(name)?;
        let alive = self.alive();
        let nodes = self.brokers.len();
        let replicas = match replication_factor {
            -1 => usize::try_from(self.options.default_replication_factor).unwrap_or(1).clamp(1, nodes),
            factor => usize::try_from(factor).unwrap_or(0),
        };
        let partitions = match partitions {
            -1 => self.options.default_partitions.max(1),
            count => count,
        };
        topic::check_counts(partitions, replicas, alive.len())?;
        // Each topic starts at another broker, so that many topics of one partition are spread too.
        let first = self.topics.len();
        let assignment = (0..partitions as usize).map(|partition| {
            (0..replicas).map(|replica| alive[(first + partition + replica) % alive.len()]).collect()
        });
        Ok(assignment.collect())
    }

    pub(super) fn check_new_name(&self, name: &str) -> Result<(), TopicError> {
        topic::check_name(name)?;
        if self.topics.contains_key(name) {
            let message = format!("Topic '{name}' already exists.");
            return Err(TopicError::new(protocol::ErrorCode::TOPIC_ALREADY_EXISTS, message));
        }
        match topic::collision(name, self.topics.keys()) {
            Some(other) => {
                let message = format!("Topic '{name}' collides with existing topic: {other}");
                Err(TopicError::new(protocol::ErrorCode::INVALID_TOPIC_EXCEPTION, message))
            }
            None => Ok(()),
        }
    }

    pub(super) fn insert_topic(
        &mut self,
        name: &str,
        assignment: Vec<Vec<BrokerId>>,
        settings: TopicSettings,
    ) -> Uuid {
        let id = self.random_uuid();
        let partitions = assignment
            .into_iter()
            .map(|replicas| Partition::new(replicas, |broker| self.is_alive(broker)))
            .collect();
        let name = Str::from(name);
        self.topic_names.insert(id, name.clone());
        self.topics.insert(name, Topic { id, partitions, settings });
        id
    }

    pub(super) fn remove_topic(&mut self, name: &str) -> bool {
        let Some(topic) = self.topics.remove(name) else { return false };
        self.forget_topic_configs(name);
        self.topic_names.remove(&topic.id);
        for partition in &topic.partitions {
            self.woken.extend(&partition.waiting);
        }
        self.on_topic_deleted(name);
        true
    }

    pub(super) fn random_uuid(&mut self) -> Uuid {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.random.word().to_be_bytes());
        bytes[8..].copy_from_slice(&self.random.word().to_be_bytes());
        Uuid(bytes)
    }

    // ---- requests ----

    /// Serves the next request of an idle connection.
    fn begin(&mut self, conn: ConnectionId, frame: Bytes) {
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        let broker = connection.broker;
        let size = frame.len();
        if connection.authentication.takes_bare_tokens() {
            let outcome = self.handle_bare_token(conn, &frame);
            return self.conclude(conn, outcome);
        }
        let Ok((header, body)) = protocol::decode_request_header(frame) else {
            return self.reject(conn, format!("a header of {size} bytes that can't be decoded"));
        };
        connection.client_id.clone_from(&header.client_id);
        let key = header.request_api_key;
        let version = header.request_api_version;
        self.record(RequestLogEntry {
            at: self.now.elapsed,
            broker,
            conn,
            key,
            version,
            correlation_id: header.correlation_id,
            bytes: size,
        });
        let asked = Asked { broker, header, body };
        let fault = if self.faults.is_empty() { None } else { self.faults.take(&asked) };
        let Asked { header, body, .. } = asked;
        match fault {
            Some(Fault::CloseBefore) => self.close(conn),
            Some(Fault::NeverAnswer) => self.set_busy(conn, None, Activity::Nothing),
            Some(Fault::Delay(delay)) => {
                self.set_busy(conn, Some(self.now.elapsed + delay), Activity::Request(header, body));
            }
            None if key == ApiKey::PRODUCE => match self.broker(broker).map(|known| known.disk_latency) {
                Some((shortest, longest)) if !longest.is_zero() => {
                    let due = self.now.elapsed + self.random.duration(shortest, longest);
                    self.set_busy(conn, Some(due), Activity::Request(header, body));
                }
                _ => self.serve(conn, &header, body, None),
            },
            fault => self.serve(conn, &header, body, fault),
        }
    }

    fn serve(&mut self, conn: ConnectionId, header: &RequestHeader, body: Bytes, fault: Option<Fault>) {
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        let mut call = Call {
            conn,
            broker: connection.broker,
            key: header.request_api_key,
            version: header.request_api_version,
            correlation_id: header.correlation_id,
            throttle: Duration::ZERO,
            forced: None,
        };
        match fault {
            Some(Fault::Error(code)) => call.forced = Some(code),
            Some(Fault::Throttle(pause)) => call.throttle = pause,
            Some(Fault::Answer(answerer)) => {
                if let Some(frame) = answerer.respond(header, body.clone()) {
                    return self.send(conn, frame);
                }
            }
            fault => connection.fault = fault,
        }
        let admission = connection.authentication.admit(call.key, self.now.elapsed);
        if admission == Admission::OutOfTurn {
            call.forced = Some(ErrorCode::ILLEGAL_SASL_STATE);
        }
        if call.key == ApiKey::PRODUCE && call.forced.is_none() {
            call.throttle = call.throttle.max(self.count_produced(&call, body.len()));
        }
        if !call.throttle.is_zero() {
            self.throttle(conn, call.throttle);
        }
        let supported = self.served.get(&call.key.0).is_some_and(|range| range.contains(&call.version));
        let outcome = match supported {
            _ if admission == Admission::Close => Outcome::Close,
            true => self.dispatch(&call, body),
            false => api::api_versions::unsupported(self, &call),
        };
        match outcome {
            Outcome::Answer(frame) if admission == Admission::OutOfTurn => {
                self.conclude(conn, Outcome::Refuse(frame));
            }
            Outcome::Reject => {
                let what = if supported { "can't be decoded" } else { "was not offered" };
                self.reject(conn, format!("{} version {} that {what}", call.key, call.version));
            }
            outcome => self.conclude(conn, outcome),
        }
    }

    fn conclude(&mut self, conn: ConnectionId, outcome: Outcome) {
        match outcome {
            Outcome::Close => self.close(conn),
            Outcome::Reject => self.reject(conn, "what is no token".to_owned()),
            Outcome::Silent => {
                let fault = self.connections.get_mut(&conn).and_then(|connection| connection.fault.take());
                if matches!(fault, Some(Fault::CloseAfter)) {
                    self.close(conn);
                } else if let Some(pause) = self.end_throttle(conn) {
                    self.set_busy(conn, Some(self.now.elapsed + pause), Activity::Nothing);
                }
            }
            Outcome::Elsewhere => self.set_busy(conn, None, Activity::Elsewhere),
            Outcome::Refuse(frame) => {
                let after = self.now.elapsed + FAILURE_DELAY;
                self.set_busy(conn, Some(after), Activity::LastAnswer(frame));
            }
            Outcome::Answer(frame) => self.send(conn, frame),
            Outcome::Park(parked) => {
                self.watch(conn, &parked, true);
                self.set_busy(conn, Some(parked.deadline()), Activity::Parked(parked));
            }
        }
    }

    /// Hangs up on a client that does not keep to the protocol.
    fn reject(&mut self, conn: ConnectionId, what: String) {
        if self.violations.len() < MOST_VIOLATIONS {
            self.violations.push(what);
        }
        self.close(conn);
    }

    /// Sends an answer, or does to it what was ordered.
    fn send(&mut self, conn: ConnectionId, frame: Frame) {
        let fault = self.connections.get_mut(&conn).and_then(|connection| connection.fault.take());
        let frame = match fault {
            Some(Fault::CloseAfter) => return self.close(conn),
            Some(Fault::DelayAnswer(delay)) => {
                let due = self.now.elapsed + delay;
                return self.set_busy(conn, Some(due), Activity::Answer(frame));
            }
            Some(Fault::AnswerTwice) => {
                self.outputs.push_back(ClusterOutput::Send { conn, frame: frame.clone() });
                frame
            }
            Some(Fault::Corrupt) => self.corrupted(&frame),
            _ => frame,
        };
        let Some(pause) = self.end_throttle(conn) else {
            return self.outputs.push_back(ClusterOutput::Send { conn, frame });
        };
        // It exceeded a quota: the answer comes later, or nothing more for a while.
        let until = Some(self.now.elapsed + pause);
        if self.options.as_version < Release::V2_0 {
            return self.set_busy(conn, until, Activity::Answer(frame));
        }
        self.outputs.push_back(ClusterOutput::Send { conn, frame });
        self.set_busy(conn, until, Activity::Nothing);
    }

    fn corrupted(&mut self, frame: &Frame) -> Frame {
        let mut body = BytesMut::from(frame.to_bytes().slice(LENGTH_BYTES..));
        let bits = body.len().saturating_sub(CORRELATION_ID_BYTES) as u64 * 8;
        let bit = self.random.within(0..=bits.max(1) - 1);
        if let Some(byte) = body.get_mut(CORRELATION_ID_BYTES + (bit / 8) as usize) {
            *byte ^= 1 << (bit % 8);
        }
        Frame::of_bytes(body.freeze()).unwrap_or_else(|_| frame.clone())
    }

    /// Slows a connection down with its next answer.
    pub(super) fn throttle(&mut self, conn: ConnectionId, pause: Duration) {
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.throttle = connection.throttle.max(Some(pause));
        }
    }

    /// What the next answer of a connection tells of that.
    pub(super) fn throttle_time_ms(&self, conn: ConnectionId) -> i32 {
        let pause = self.connections.get(&conn).and_then(|connection| connection.throttle);
        pause.map_or(0, |pause| pause.as_millis() as i32)
    }

    fn end_throttle(&mut self, conn: ConnectionId) -> Option<Duration> {
        self.connections.get_mut(&conn)?.throttle.take()
    }

    fn record(&mut self, entry: RequestLogEntry) {
        if self.requests.len() >= self.options.request_log.saturating_mul(2).max(2) {
            self.requests.drain(..self.requests.len() / 2);
        }
        self.requests.push(entry);
    }

    fn set_busy(&mut self, conn: ConnectionId, until: Option<Duration>, with: Activity) {
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.busy = Some(Busy { until, with });
            self.timers.extend(until.map(|due| (due, Timer::Connection(conn))));
        }
    }

    fn end_busy(&mut self, conn: ConnectionId) -> Option<Activity> {
        let busy = self.connections.get_mut(&conn)?.busy.take()?;
        if let Some(due) = busy.until {
            self.timers.remove(&(due, Timer::Connection(conn)));
        }
        if let Activity::Parked(parked) = &busy.with {
            self.watch(conn, parked, false);
        }
        Some(busy.with)
    }

    /// Adds a connection to those woken by the partitions that its request waits for, or removes it.
    fn watch(&mut self, conn: ConnectionId, parked: &Parked, add: bool) {
        for (name, index) in parked.places() {
            if let Some(partition) = self.topics.get_mut(name).and_then(|topic| topic.partition_mut(*index)) {
                match add {
                    true => partition.waiting.insert(conn),
                    false => partition.waiting.remove(&conn),
                };
            }
        }
    }

    /// Ends what keeps a connection busy, and serves what has queued up behind it.
    fn resume(&mut self, conn: ConnectionId) {
        match self.end_busy(conn) {
            Some(Activity::Parked(parked)) => {
                let frame = self.complete_parked(parked);
                self.send(conn, frame);
            }
            Some(Activity::Request(header, body)) => self.serve(conn, &header, body, None),
            Some(Activity::Answer(frame)) => self.send(conn, frame),
            Some(Activity::LastAnswer(frame)) => {
                self.outputs.push_back(ClusterOutput::Send { conn, frame });
                self.close(conn);
            }
            Some(Activity::Elsewhere | Activity::Nothing) | None => {}
        }
        self.proceed(conn);
    }

    /// Serves what has queued up on a connection, until one of them takes time.
    fn proceed(&mut self, conn: ConnectionId) {
        while let Some(connection) = self.connections.get_mut(&conn) {
            if connection.busy.is_some() {
                return;
            }
            let Some(frame) = connection.queue.pop_front() else { return };
            connection.queued_bytes -= frame.len();
            self.begin(conn, frame);
        }
    }

    // ---- coordinators ----

    /// Sets a timer; what it means is looked up when it is due, so it may come too often but never too late.
    pub(super) fn set_timer(&mut self, due: Duration, timer: Timer) {
        self.timers.insert((due, timer));
    }

    /// Answers a request whose outcome was [`Outcome::Elsewhere`]; nothing happens if its connection is gone.
    ///
    /// The requests behind it are served only when the machine at work is done ([`Self::settle`]).
    pub(super) fn answer<R: Request>(&mut self, call: &Call, response: R::Response) {
        self.completed.push_back((call.conn, call.answer::<R>(response)));
    }

    /// What the client of a connection calls itself.
    pub(super) fn client_id(&self, conn: ConnectionId) -> Option<Str> {
        self.connections.get(&conn)?.client_id.clone()
    }

    /// Who a connection belongs to.
    pub(super) fn principal(&self, conn: ConnectionId) -> Str {
        self.connections.get(&conn).map_or(ANONYMOUS, |connection| connection.principal.clone())
    }

    pub(super) fn set_principal(&mut self, conn: ConnectionId, principal: Str) {
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.principal = principal;
        }
    }

    /// How far a connection has come in proving who it is.
    pub(super) fn authentication(&mut self, conn: ConnectionId) -> Option<&mut Authentication> {
        Some(&mut self.connections.get_mut(&conn)?.authentication)
    }

    fn complete(&mut self, conn: ConnectionId, frame: Frame) {
        let busy = self.connections.get(&conn).and_then(|connection| connection.busy.as_ref());
        if matches!(busy, Some(Busy { with: Activity::Elsewhere, .. })) {
            self.end_busy(conn);
            self.send(conn, frame);
            self.proceed(conn);
        }
    }

    /// Answers what has become complete, until nothing changes any more.
    pub(super) fn settle(&mut self) {
        loop {
            if let Some((conn, frame)) = self.completed.pop_front() {
                self.complete(conn, frame);
                continue;
            }
            let Some(conn) = self.woken.pop_first() else { return };
            let busy = self.connections.get(&conn).and_then(|connection| connection.busy.as_ref());
            let complete = match busy.map(|busy| &busy.with) {
                Some(Activity::Parked(parked)) => self.is_complete(parked),
                _ => false,
            };
            if complete {
                self.resume(conn);
            }
        }
    }

    pub(super) fn close(&mut self, conn: ConnectionId) {
        self.disconnect(conn);
        self.outputs.push_back(ClusterOutput::Close { conn });
    }
}
