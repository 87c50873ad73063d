//! The state of all brokers: connections and the order of their requests, timers, and what a test may do to the cluster.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;
use milena_core::protocol::{self, ApiKey, BrokerId, ErrorCode, LeaderEpoch, Request, RequestHeader};
use milena_core::record::Batch;
use milena_core::wire::{Frame, Str, Uuid};

use super::admin::{Admin, Admission, Authentication, FAILURE_DELAY, Overrides};
use super::api::{self, Call, Outcome, ParkedFetch};
use super::coordinator::Coordinators;
use super::fault::{Fault, Faults};
use super::groups::Groups;
use super::release::Release;
use super::topic::{self, Partition, Topic, TopicError, TopicSettings};
use super::transactions::Transactions;
use super::{ClusterOptions, ClusterOutput, ConnectionId, Now, RequestLogEntry};

/// The principal of whoever did not say who he is.
const ANONYMOUS: Str = Str::from_static("User:ANONYMOUS");

/// All brokers, topics and connections of a simulated cluster; see the [module](super) for its rules.
#[derive(Debug)]
pub struct ClusterState {
    pub(super) options: ClusterOptions,
    pub(super) now: Now,
    random: u64,
    pub(super) cluster_id: Uuid,
    /// By API key: looked up for each request.
    served: BTreeMap<i16, RangeInclusive<i16>>,
    pub(super) brokers: Vec<Broker>,
    pub(super) topics: BTreeMap<Str, Topic>,
    pub(super) topic_names: BTreeMap<Uuid, Str>,
    connections: BTreeMap<ConnectionId, Connection>,
    next_connection: u64,
    timers: BTreeSet<(Duration, Timer)>,
    /// Connections whose fetch may be complete.
    pub(super) woken: BTreeSet<ConnectionId>,
    /// Answers to requests that waited for their coordinator.
    completed: VecDeque<(ConnectionId, Frame)>,
    pub(super) coordinators: Coordinators,
    pub(super) groups: Groups,
    pub(super) transactions: Transactions,
    pub(super) admin: Admin,
    outputs: VecDeque<ClusterOutput>,
    faults: Faults,
    requests: Vec<RequestLogEntry>,
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
}

/// One broker as the others know it.
#[derive(Debug)]
pub(super) struct Broker {
    pub(super) id: BrokerId,
    pub(super) host: Str,
    pub(super) port: u16,
    pub(super) up: bool,
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
    Fetch(Box<ParkedFetch>),
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
        let broker =
            |id| Broker { id: BrokerId(i32::from(id)), host: Str::from("localhost"), port: 9092, up: true };
        let served = options.as_version.advertised().into_iter().filter_map(|(key, _)| {
            let versions = options.as_version.versions(key)?;
            Some((key.0, versions))
        });
        let mut state = ClusterState {
            now: Now::default(),
            random: options.seed,
            cluster_id: Uuid::default(),
            served: served.collect(),
            brokers: (1..=nodes).map(broker).collect(),
            topics: BTreeMap::new(),
            topic_names: BTreeMap::new(),
            connections: BTreeMap::new(),
            next_connection: 0,
            timers: BTreeSet::new(),
            woken: BTreeSet::new(),
            outputs: VecDeque::new(),
            faults: Faults::default(),
            requests: Vec::new(),
            completed: VecDeque::new(),
            coordinators: Coordinators::default(),
            groups: Groups::default(),
            transactions: Transactions::default(),
            admin: Admin::new(&options),
            options,
        };
        state.cluster_id = state.random_uuid();
        for (name, partitions) in std::mem::take(&mut state.options.topics) {
            let _ = state.create_topic(&name, partitions);
        }
        state
    }

    /// Sets the address that Metadata gives for a broker.
    pub fn set_address(&mut self, broker: BrokerId, host: &str, port: u16) {
        if let Some(broker) = self.brokers.iter_mut().find(|known| known.id == broker) {
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
        };
        self.connections.insert(conn, connection);
        Some(conn)
    }

    /// The client closed a connection; what was asked on it and not served yet is forgotten.
    pub fn disconnect(&mut self, conn: ConnectionId) {
        self.end_busy(conn);
        self.connections.remove(&conn);
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

    /// Bytes of requests waiting behind the one being served: a driver stops reading from a connection that has many.
    pub fn queued_bytes(&self, conn: ConnectionId) -> usize {
        self.connections.get(&conn).map_or(0, |connection| connection.queued_bytes)
    }

    // ---- control ----

    /// Creates a topic with the default number of replicas. Errors are those that CreateTopics answers with.
    pub fn create_topic(&mut self, name: &str, partitions: i32) -> Result<(), TopicError> {
        let assignment = self.plan_topic(name, partitions, -1)?;
        self.insert_topic(name, assignment, self.default_settings());
        Ok(())
    }

    /// Deletes a topic with its data; whether it was there.
    pub fn delete_topic(&mut self, name: &str) -> bool {
        let removed = self.remove_topic(name);
        self.settle();
        removed
    }

    /// Makes a broker the leader of a partition, in a new leader epoch; it becomes a replica if it was none.
    ///
    /// Whether it was done: not if there is no such partition or broker, or the broker is stopped.
    pub fn move_leader(&mut self, topic: &str, partition: i32, to: BrokerId) -> bool {
        if !self.is_up(to) {
            return false;
        }
        let Some(partition) = self.topics.get_mut(topic).and_then(|topic| topic.partition_mut(partition))
        else {
            return false;
        };
        if !partition.replicas.contains(&to) {
            partition.replicas.push(to);
        }
        if !partition.in_sync.contains(&to) {
            partition.in_sync.push(to);
        }
        partition.elect(to);
        self.woken.extend(&partition.waiting);
        self.on_leaders_changed();
        self.settle();
        true
    }

    /// Who leads a partition, in which leader epoch; [`BrokerId::NONE`] while nobody does.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<(BrokerId, LeaderEpoch)> {
        let partition = self.topics.get(topic)?.partition(partition)?;
        Some((partition.leader, partition.leader_epoch))
    }

    /// Crashes a broker: its connections close, and its partitions get another leader if a replica is in sync.
    ///
    /// Nothing that was written is lost. Whether it was up.
    pub fn stop_broker(&mut self, broker: BrokerId) -> bool {
        let Some(stopped) = self.brokers.iter_mut().find(|known| known.id == broker && known.up) else {
            return false;
        };
        stopped.up = false;
        let on_broker = self.connections.iter().filter(|(_, connection)| connection.broker == broker);
        for conn in on_broker.map(|(conn, _)| *conn).collect::<Vec<_>>() {
            self.close(conn);
        }
        for partition in self.topics.values_mut().flat_map(|topic| &mut topic.partitions) {
            partition.on_broker_down(broker);
            self.woken.extend(&partition.waiting);
        }
        self.on_leaders_changed();
        self.settle();
        true
    }

    /// Starts a stopped broker; it catches up and joins the in-sync replicas at once. Whether it was stopped.
    pub fn start_broker(&mut self, broker: BrokerId) -> bool {
        let Some(started) = self.brokers.iter_mut().find(|known| known.id == broker && !known.up) else {
            return false;
        };
        started.up = true;
        let up: Vec<_> = self.brokers.iter().filter(|known| known.up).map(|known| known.id).collect();
        for partition in self.topics.values_mut().flat_map(|topic| &mut topic.partitions) {
            partition.on_broker_up(broker);
            // Replicas that were up but not in sync can follow again if there is a leader now.
            up.iter().for_each(|replica| partition.on_broker_up(*replica));
        }
        self.on_leaders_changed();
        self.settle();
        true
    }

    /// Orders a fault for the next request of this API that has none yet.
    pub fn on_request(&mut self, key: ApiKey, fault: Fault) {
        self.faults.push(key, fault);
    }

    /// The batches stored in a partition, oldest first; none if there is no such partition.
    pub fn log(&self, topic: &str, partition: i32) -> impl Iterator<Item = Batch> {
        let partition = self.topics.get(topic).and_then(|topic| topic.partition(partition));
        partition.into_iter().flat_map(|partition| {
            let log = &partition.log;
            log.entries().filter_map(|entry| log.batch(entry))
        })
    }

    /// The first offset stored in a partition and the next one it will give out.
    pub fn offsets(&self, topic: &str, partition: i32) -> Option<(i64, i64)> {
        let log = &self.topics.get(topic)?.partition(partition)?.log;
        Some((log.start_offset(), log.end_offset()))
    }

    /// The requests served last, oldest first; see [`ClusterOptions::request_log`].
    pub fn requests(&self) -> &[RequestLogEntry] {
        &self.requests
    }

    /// The brokers' ids, and whether each is up.
    pub fn brokers(&self) -> impl Iterator<Item = (BrokerId, bool)> {
        self.brokers.iter().map(|broker| (broker.id, broker.up))
    }

    // ---- topics ----

    pub(super) fn is_up(&self, broker: BrokerId) -> bool {
        self.brokers.iter().any(|known| known.id == broker && known.up)
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
        let alive: Vec<_> = self.brokers.iter().filter(|broker| broker.up).map(|broker| broker.id).collect();
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
            .map(|replicas| Partition::new(replicas, |broker| self.is_up(broker)))
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
        true
    }

    /// splitmix64, twice: ids need no more than to be different and to follow from the seed.
    pub(super) fn random_uuid(&mut self) -> Uuid {
        let mut next = || {
            self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.random;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        };
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&next().to_be_bytes());
        bytes[8..].copy_from_slice(&next().to_be_bytes());
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
            return self.conclude(conn, outcome, None);
        }
        let Ok((header, body)) = protocol::decode_request_header(frame) else { return self.close(conn) };
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
        match self.faults.take(key) {
            Some(Fault::CloseBefore) => self.close(conn),
            Some(Fault::NeverAnswer) => self.set_busy(conn, None, Activity::Nothing),
            Some(Fault::Delay(delay)) => {
                self.set_busy(conn, Some(self.now.elapsed + delay), Activity::Request(header, body));
            }
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
        let mut answer_after = None;
        match fault {
            Some(Fault::Error(code)) => call.forced = Some(code),
            Some(Fault::DelayAnswer(delay)) => answer_after = Some(self.now.elapsed + delay),
            _ => {}
        }
        if let Some(Fault::Throttle(pause)) = fault {
            call.throttle = pause;
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
        let outcome = match outcome {
            _ if fault == Some(Fault::CloseAfter) => Outcome::Close,
            Outcome::Answer(frame) if admission == Admission::OutOfTurn => Outcome::Refuse(frame),
            outcome => outcome,
        };
        self.conclude(conn, outcome, answer_after);
    }

    fn conclude(&mut self, conn: ConnectionId, outcome: Outcome, answer_after: Option<Duration>) {
        match outcome {
            Outcome::Close => self.close(conn),
            Outcome::Silent => {
                if let Some(pause) = self.end_throttle(conn) {
                    self.set_busy(conn, Some(self.now.elapsed + pause), Activity::Nothing);
                }
            }
            Outcome::Elsewhere => self.set_busy(conn, None, Activity::Elsewhere),
            Outcome::Refuse(frame) => {
                let after = self.now.elapsed + FAILURE_DELAY;
                self.set_busy(conn, Some(after), Activity::LastAnswer(frame));
            }
            Outcome::Answer(frame) => match answer_after {
                Some(_) => self.set_busy(conn, answer_after, Activity::Answer(frame)),
                None => self.send(conn, frame),
            },
            Outcome::Park(fetch) => {
                self.watch(conn, &fetch, true);
                self.set_busy(conn, Some(fetch.deadline), Activity::Fetch(fetch));
            }
        }
    }

    /// Sends an answer; later, or nothing more for a while, if the connection exceeded a quota.
    fn send(&mut self, conn: ConnectionId, frame: Frame) {
        let Some(pause) = self.end_throttle(conn) else {
            return self.outputs.push_back(ClusterOutput::Send { conn, frame });
        };
        let until = Some(self.now.elapsed + pause);
        if self.options.as_version < Release::V2_0 {
            return self.set_busy(conn, until, Activity::Answer(frame));
        }
        self.outputs.push_back(ClusterOutput::Send { conn, frame });
        self.set_busy(conn, until, Activity::Nothing);
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
        if let Activity::Fetch(fetch) = &busy.with {
            self.watch(conn, fetch, false);
        }
        Some(busy.with)
    }

    /// Adds a connection to those woken by the partitions that its fetch names, or removes it.
    fn watch(&mut self, conn: ConnectionId, fetch: &ParkedFetch, add: bool) {
        for (name, index) in fetch.partitions(&self.topic_names) {
            if let Some(partition) = self.topics.get_mut(&name).and_then(|topic| topic.partition_mut(index)) {
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
            Some(Activity::Fetch(fetch)) => {
                let frame = self.complete_fetch(&fetch);
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
        self.serve_queued(conn);
    }

    fn serve_queued(&mut self, conn: ConnectionId) {
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

    /// Whether a connection is still there.
    pub(super) fn is_connected(&self, conn: ConnectionId) -> bool {
        self.connections.contains_key(&conn)
    }

    fn complete(&mut self, conn: ConnectionId, frame: Frame) {
        let busy = self.connections.get(&conn).and_then(|connection| connection.busy.as_ref());
        if matches!(busy, Some(Busy { with: Activity::Elsewhere, .. })) {
            self.end_busy(conn);
            self.send(conn, frame);
            self.serve_queued(conn);
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
                Some(Activity::Fetch(fetch)) => self.is_complete(fetch),
                _ => false,
            };
            if complete {
                self.resume(conn);
            }
        }
    }

    fn close(&mut self, conn: ConnectionId) {
        self.disconnect(conn);
        self.outputs.push_back(ClusterOutput::Close { conn });
    }
}
