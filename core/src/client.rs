//! The client as one machine: it owns all the others, and routes between them.
//!
//! The contract with whoever drives it:
//! - Everything that happens is an [`Input`], with the time at which it happened. Everything wanted is an [`Output`].
//! - After each input, all outputs are taken ([`Client::poll_output`] until `None`) before time passes or another lock is
//!   taken; then [`Client::poll_timeout`] tells when [`Client::handle_timeout`] is due.
//! - `Ready { conn }` means that [`Client::poll_transmit`] has a frame; it is pulled when the socket has room, until `None`.
//! - `Connect` is followed by exactly one `Connected` or `Closed`; after `Close`, and after `Closed`, nothing of the
//!   connection counts any more, and late inputs for it are ignored.
//! - The same inputs at the same times give the same outputs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

mod outstanding;
mod routing;

use crate::admin::{Ask, Operation, Progress};
use crate::cluster::Cluster;
use crate::cluster::coordinators::Coordinators;
use crate::config::{Address, Config, ReaderConfig, WriterConfig};
use crate::connection::{Answer, ByVersion, ConnId, Connection, Failure, Lane, Node, Outgoing, Reply};
use crate::consumer::{self, Chunk, Consumer};
use crate::context::{Ctx, OpId, ReaderId, Routed, Tag, Timer, WriterId};
use crate::error::{CloseReason, Error, Fate, WriteError};
use crate::producer::{self, Budget, Completion, Job, News, Outcome, Producer, View, Worked};
use crate::protocol::Request;
use crate::protocol::metadata::MetadataRequest;
use crate::rng::Rng;
use crate::time::{Instant, Now, Timers};
use crate::wire::Frame;

pub use outstanding::Outstanding;

/// What users want.
pub(crate) enum Command {
    /// Done when a broker answered.
    Connect,
    /// Done with the answer.
    Ask(Ask),
    /// Done at this time: with what stood in the way of the one who waits for something of a writer, if that is known.
    Sleep {
        writer: WriterId,
        until: Instant,
    },
    OpenWriter {
        writer: WriterId,
        config: Arc<WriterConfig>,
        budget: Arc<Budget>,
    },
    /// A writer wants to write to a topic: it is told of it now and whenever it changes.
    Topic {
        writer: WriterId,
        topic: Arc<str>,
    },
    /// What is known of the topics seems to be out of date.
    Refresh,
    News {
        writer: WriterId,
        slot: usize,
        news: News,
    },
    Flush {
        writer: WriterId,
    },
    /// It writes what it has, and is gone then.
    CloseWriter {
        writer: WriterId,
    },
    OpenReader {
        reader: ReaderId,
        config: Arc<ReaderConfig>,
    },
    Consumed {
        reader: ReaderId,
        bytes: usize,
    },
    CloseReader {
        reader: ReaderId,
    },
    Cancel {
        op: OpId,
    },
    /// Everything ends.
    Shutdown,
}

/// What happened.
#[derive(Debug)]
pub(crate) enum Input {
    Connected { conn: ConnId },
    Frame { conn: ConnId, frame: Bytes },
    Closed { conn: ConnId, reason: CloseReason },
    Worked(Worked),
}

/// What is wanted.
pub(crate) enum Output {
    Connect {
        conn: ConnId,
        address: Address,
    },
    Close {
        conn: ConnId,
    },
    Ready {
        conn: ConnId,
    },
    Work(Job),
    Done {
        op: OpId,
        result: Result<Option<Answer>, Error>,
    },
    Topic {
        writer: WriterId,
        topic: Arc<str>,
        view: Result<Arc<View>, Error>,
    },
    Complete {
        completion: Arc<Completion>,
        first: u32,
        records: u32,
        outcome: Outcome,
    },
    Release {
        budget: Arc<Budget>,
        bytes: usize,
    },
    Fetched {
        reader: ReaderId,
        chunk: Chunk,
    },
    /// A reader has nothing more to come: its end, or an error.
    Ended {
        reader: ReaderId,
        error: Option<Error>,
    },
}

pub(crate) struct Client {
    config: Arc<Config>,
    rng: Rng,
    timers: Timers<Timer>,
    outputs: VecDeque<Output>,
    requests: Vec<Routed>,
    replies: Vec<Reply<Tag>>,
    cluster: Cluster,
    coordinators: Coordinators,
    /// Requests that wait until their target is known; each tag has one at most.
    parked: BTreeMap<Tag, Routed>,
    connections: BTreeMap<u64, Connection<Tag>>,
    /// The connection that takes new requests.
    lanes: BTreeMap<(Node, Lane), u64>,
    next_connection: u64,
    /// Nodes that hang up on ApiVersions in newer versions.
    negotiate_at_zero: BTreeSet<Node>,
    writers: BTreeMap<WriterId, Producer>,
    /// Writers that are gone when they are idle.
    closing: BTreeSet<WriterId>,
    readers: BTreeMap<ReaderId, Consumer>,
    /// Who waits for a first broker: the operation itself, or a reader.
    connecting: BTreeMap<OpId, Option<ReaderId>>,
    operations: BTreeMap<OpId, Operation>,
    sleeping: BTreeMap<OpId, WriterId>,
    next_op: u64,
    closed: bool,
}

impl Client {
    pub(crate) fn new(config: Arc<Config>, seed: [u8; 32]) -> Self {
        let mut rng = Rng::new(seed);
        Client {
            cluster: Cluster::new(config.clone(), &mut rng),
            coordinators: Coordinators::default(),
            parked: BTreeMap::new(),
            config,
            rng,
            timers: Timers::new(),
            outputs: VecDeque::new(),
            requests: Vec::new(),
            replies: Vec::new(),
            connections: BTreeMap::new(),
            lanes: BTreeMap::new(),
            next_connection: 0,
            negotiate_at_zero: BTreeSet::new(),
            writers: BTreeMap::new(),
            closing: BTreeSet::new(),
            readers: BTreeMap::new(),
            connecting: BTreeMap::new(),
            operations: BTreeMap::new(),
            sleeping: BTreeMap::new(),
            next_op: 0,
            closed: false,
        }
    }

    /// Takes a wish; the id names it in `Done`, for those that have one.
    pub(crate) fn start(&mut self, now: Now, command: Command) -> OpId {
        let op = OpId(self.next_op);
        self.next_op += 1;
        if self.closed {
            let command_waits = matches!(command, Command::Connect | Command::Ask(_) | Command::Sleep { .. });
            if command_waits {
                self.outputs.push_back(Output::Done { op, result: Err(Error::Closed) });
            }
            if let Command::OpenReader { reader, .. } = command {
                self.outputs.push_back(Output::Ended { reader, error: Some(Error::Closed) });
            }
            if let Command::Topic { writer, topic } = command {
                self.outputs.push_back(Output::Topic { writer, topic, view: Err(Error::Closed) });
            }
            return op;
        }
        match command {
            Command::Connect => {
                if self.cluster.is_known() {
                    self.outputs.push_back(Output::Done { op, result: Ok(None) });
                } else {
                    self.await_broker(now, op, None);
                }
            }
            Command::Sleep { writer, until } => {
                self.sleeping.insert(op, writer);
                self.timers.set(Timer::Op(op), Some(until));
            }
            Command::Ask(ask) => {
                let mut operation = Operation::new(op, ask, &self.config, now.mono);
                operation.send(&mut self.ctx(now).0);
                self.operations.insert(op, operation);
            }
            Command::OpenWriter { writer, config, budget } => {
                self.writers.insert(writer, Producer::new(writer, config, self.config.clone(), budget));
            }
            Command::Topic { writer, topic } => {
                self.cluster.ask_again(&topic);
                if let Some(producer) = self.writers.get_mut(&writer)
                    && producer.on_topic(&self.cluster, &topic)
                {
                    self.cluster.want(&topic);
                }
                self.writer_events(writer);
            }
            Command::Refresh => self.cluster.want_refresh(),
            Command::News { writer, slot, news } => {
                self.with_writer(now, writer, |producer, ctx, cluster| {
                    producer.on_news(ctx, cluster, slot, news)
                });
            }
            Command::Flush { writer } => {
                self.with_writer(now, writer, |producer, ctx, cluster| producer.flush(ctx, cluster));
            }
            Command::CloseWriter { writer } => {
                self.closing.insert(writer);
                self.with_writer(now, writer, |producer, ctx, cluster| producer.flush(ctx, cluster));
            }
            Command::OpenReader { reader, config } => {
                self.cluster.want(&config.topic);
                self.readers.insert(reader, Consumer::new(reader, config, self.config.clone()));
                if !self.cluster.is_known() {
                    self.await_broker(now, op, Some(reader));
                }
                self.with_reader(now, reader, |consumer, ctx, cluster| consumer.on_metadata(ctx, cluster));
            }
            Command::Consumed { reader, bytes } => {
                self.with_reader(now, reader, |consumer, ctx, cluster| {
                    consumer.on_consumed(ctx, cluster, bytes)
                });
            }
            Command::CloseReader { reader } => {
                if let Some(consumer) = self.readers.remove(&reader) {
                    self.cluster.release(consumer.topic());
                    self.timers.set(Timer::Reader(reader), None);
                    let lane = Lane::Fetch(reader.0);
                    let own: Vec<u64> =
                        self.connections.iter().filter(|(_, c)| c.lane == lane).map(|(id, _)| *id).collect();
                    own.into_iter().for_each(|id| self.close(now, id, CloseReason::Shutdown));
                }
            }
            Command::Cancel { op } => {
                if let Some(operation) = self.operations.remove(&op) {
                    self.end_operation(now, op, &operation);
                }
                self.connecting.remove(&op);
                self.sleeping.remove(&op);
                self.timers.set(Timer::Op(op), None);
            }
            Command::Shutdown => self.shut_down(now),
        }
        self.settle(now);
        op
    }

    pub(crate) fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Connected { conn } => match self.connections.get_mut(&conn.0) {
                Some(connection) => {
                    connection.on_connected();
                    self.touch(now, conn.0);
                }
                None => self.outputs.push_back(Output::Close { conn }),
            },
            Input::Frame { conn, frame } => {
                let Some(connection) = self.connections.get_mut(&conn.0) else { return };
                let was_ready = connection.is_ready();
                match connection.on_frame(now.mono, frame, &mut self.replies) {
                    Ok(()) => {
                        // Before the first broker is known, one that can do no more than negotiate counts as failed.
                        if !was_ready && connection.is_ready() && self.cluster.is_known() {
                            let node = connection.node;
                            self.cluster.on_node_ready(node);
                        }
                        self.touch(now, conn.0);
                    }
                    Err(reason) => self.close(now, conn.0, reason),
                }
            }
            Input::Closed { conn, reason } => self.close(now, conn.0, reason),
            Input::Worked(worked) if !self.writers.contains_key(&worked.writer) => {
                let budget = worked.gather.budget.clone();
                for batch in worked.into_batches() {
                    let fate = if batch.maybe_written { Fate::Unknown } else { Fate::NotWritten };
                    if !batch.abandoned {
                        self.outputs.push_back(Output::Complete {
                            completion: batch.completion,
                            first: batch.first,
                            records: batch.records,
                            outcome: Err(WriteError { fate, cause: Error::Closed }),
                        });
                    }
                    let (budget, bytes) = (budget.clone(), batch.reserved);
                    self.outputs.push_back(Output::Release { budget, bytes });
                }
            }
            Input::Worked(worked) => {
                let writer = worked.writer;
                self.with_writer(now, writer, |producer, ctx, cluster| {
                    producer.on_worked(ctx, cluster, worked)
                });
            }
        }
        self.settle(now);
    }

    pub(crate) fn handle_timeout(&mut self, now: Now) {
        while let Some(timer) = self.timers.pop_due(now.mono) {
            match timer {
                // What is due there is looked at when the client settles.
                Timer::Metadata => {}
                Timer::Connection(id) => {
                    let Some(connection) = self.connections.get_mut(&id) else { continue };
                    match connection.on_timeout(now.mono, &mut self.replies) {
                        Ok(()) => self.touch(now, id),
                        Err(reason) => self.close(now, id, reason),
                    }
                }
                Timer::Partition(writer, slot) => {
                    self.with_writer(now, writer, |producer, ctx, cluster| {
                        producer.on_timer(ctx, cluster, slot)
                    });
                }
                Timer::Identity(writer) => {
                    self.with_writer(now, writer, |producer, ctx, _| producer.on_identity_timer(ctx));
                }
                Timer::Reader(reader) => {
                    self.with_reader(now, reader, |consumer, ctx, cluster| consumer.on_timer(ctx, cluster));
                }
                Timer::Op(op) => {
                    if let Some(reader) = self.connecting.remove(&op) {
                        self.fail_bootstrap(now, op, reader);
                    }
                    if let Some(writer) = self.sleeping.remove(&op) {
                        let trouble = || self.writers.get(&writer).and_then(Producer::trouble);
                        let result = self.trouble(now).or_else(trouble).map_or(Ok(None), Err);
                        self.outputs.push_back(Output::Done { op, result });
                    }
                    let parked = self.parked.contains_key(&Tag::Op(op));
                    let blocked = if parked { self.trouble(now) } else { None };
                    self.with_operation(now, op, |operation, ctx| operation.on_timer(ctx, blocked));
                }
            }
            self.settle(now);
        }
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(crate) fn poll_transmit(&mut self, now: Now, conn: ConnId) -> Option<Frame> {
        let connection = self.connections.get_mut(&conn.0)?;
        let frame = connection.poll_transmit(now.mono, &mut self.replies);
        self.timers.set(Timer::Connection(conn.0), connection.poll_timeout());
        self.settle(now);
        frame
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.earliest()
    }

    /// Routes requests and replies until none is left, and asks for metadata when that is due.
    fn settle(&mut self, now: Now) {
        loop {
            if !self.closed
                && let Some((node, request)) = self.cluster.poll_request(now.mono)
            {
                // Before version 4 nobody can say that a topic is not to be created.
                let call = ByVersion::new(move |version| MetadataRequest {
                    allow_auto_topic_creation: request.allow_auto_topic_creation || version < 4,
                    ..request.clone()
                });
                let outgoing = Outgoing {
                    call: Box::new(call),
                    tag: Tag::Metadata,
                    // Version 0 can't ask for no topics at all.
                    versions: (1, MetadataRequest::STABLE),
                    timeout: self.config.request_timeout,
                    answered: true,
                };
                self.send(now, node, Lane::General, outgoing);
            }
            for routed in std::mem::take(&mut self.requests) {
                self.route(now, routed);
            }
            // What was routed may have found that metadata are needed.
            let due = !self.closed && self.cluster.poll_timeout().is_some_and(|at| at <= now.mono);
            if self.replies.is_empty() && self.requests.is_empty() && !due {
                break;
            }
            for reply in std::mem::take(&mut self.replies) {
                self.dispatch(now, reply);
            }
        }
        if !self.closing.is_empty() {
            self.close_idle_writers();
        }
        self.timers.set(Timer::Metadata, self.cluster.poll_timeout().filter(|_| !self.closed));
    }

    fn close_idle_writers(&mut self) {
        for writer in self.closing.clone() {
            if self.writers.get(&writer).is_some_and(|producer| !producer.is_idle()) {
                continue;
            }
            self.closing.remove(&writer);
            // A record that another thread appends at this very moment is refused, or fails.
            if let Some(producer) = self.writers.get_mut(&writer) {
                producer.shut_down();
                self.writer_events(writer);
            }
            if let Some(producer) = self.writers.remove(&writer) {
                producer.topics().for_each(|topic| self.cluster.release(topic));
            }
        }
    }

    /// Something of a connection changed: its timer, its wish to connect or to send.
    fn touch(&mut self, now: Now, id: u64) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.poll_connect(now.mono) {
            let address = connection.address.clone();
            self.outputs.push_back(Output::Connect { conn: ConnId(id), address });
        }
        self.timers.set(Timer::Connection(id), connection.poll_timeout());
        if connection.can_transmit(now.mono) {
            self.outputs.push_back(Output::Ready { conn: ConnId(id) });
        }
        let replaced = self.lanes.get(&(connection.node, connection.lane)) != Some(&id);
        if replaced && connection.is_idle() {
            self.close(now, id, CloseReason::Shutdown);
        }
    }

    fn close(&mut self, now: Now, id: u64, reason: CloseReason) {
        let Some(connection) = self.connections.remove(&id) else { return };
        let (node, lane) = (connection.node, connection.lane);
        if self.lanes.get(&(node, lane)) == Some(&id) {
            self.lanes.remove(&(node, lane));
        }
        self.timers.set(Timer::Connection(id), None);
        self.outputs.push_back(Output::Close { conn: ConnId(id) });
        let hung_up = matches!(reason, CloseReason::Eof { .. } | CloseReason::Io(..));
        if hung_up && connection.hung_up_on_negotiation() {
            self.negotiate_at_zero.insert(node);
        }
        let failed = !connection.has_answered() || !self.cluster.is_known();
        if failed && reason != CloseReason::Shutdown {
            self.cluster.on_node_failed(now.mono, &mut self.rng, node, reason.clone());
        }
        if let Node::Broker(broker) = node
            && reason != CloseReason::Shutdown
        {
            self.coordinators.forget_broker(broker);
        }
        connection.on_close(&reason, &mut self.replies);
    }

    fn dispatch(&mut self, now: Now, reply: Reply<Tag>) {
        let Reply { tag, result } = reply;
        match tag {
            Tag::Metadata => self.on_metadata(now, result),
            Tag::Coordinator(id) => self.on_coordinator(now, id, result),
            Tag::InitProducerId(writer) => {
                self.with_writer(now, writer, |producer, ctx, cluster| {
                    producer.on_identity(ctx, cluster, result)
                });
            }
            Tag::Produce(writer, id) => {
                self.with_writer(now, writer, |producer, ctx, cluster| {
                    producer.on_produced(ctx, cluster, id, result)
                });
            }
            Tag::ListOffsets(reader, id) => {
                self.with_reader(now, reader, |consumer, ctx, cluster| {
                    consumer.on_offsets(ctx, cluster, id, result)
                });
            }
            Tag::Fetch(reader, broker) => {
                self.with_reader(now, reader, |consumer, ctx, cluster| {
                    consumer.on_fetched(ctx, cluster, broker, result);
                });
            }
            Tag::Op(op) => self.with_operation(now, op, |operation, ctx| operation.on_reply(ctx, result)),
        }
    }

    fn on_metadata(&mut self, now: Now, result: Result<Option<Answer>, Failure>) {
        match result.map(|answer| answer.map(|answer| (answer.version, answer.take::<MetadataRequest>()))) {
            Ok(Some((version, Some(answer)))) => {
                self.cluster.on_metadata(now.mono, &mut self.rng, answer, version);
            }
            Ok(_) => self.cluster.on_failure(now.mono, &mut self.rng, Error::Closed),
            Err(failure) => self.cluster.on_failure(now.mono, &mut self.rng, failure.error),
        }
        if self.cluster.is_known() {
            for (op, reader) in std::mem::take(&mut self.connecting) {
                self.timers.set(Timer::Op(op), None);
                if reader.is_none() {
                    self.outputs.push_back(Output::Done { op, result: Ok(None) });
                }
            }
            self.retire_connections(now);
            self.unpark(now);
        } else if self.cluster.is_hopeless() {
            for (op, reader) in std::mem::take(&mut self.connecting) {
                self.timers.set(Timer::Op(op), None);
                self.fail_bootstrap(now, op, reader);
            }
            self.fail_parked(now);
        }
        self.tell_leaders(now);
    }

    fn await_broker(&mut self, now: Now, op: OpId, reader: Option<ReaderId>) {
        self.connecting.insert(op, reader);
        self.timers.set(Timer::Op(op), Some(now.mono + self.config.bootstrap_timeout));
        self.cluster.want_refresh();
    }

    fn fail_bootstrap(&mut self, now: Now, op: OpId, reader: Option<ReaderId>) {
        let error = match self.trouble(now) {
            Some(error @ Error::Bootstrap { .. }) => error,
            other => Error::Timeout {
                operation: "finding a first broker",
                after: self.config.bootstrap_timeout,
                last: other.map(Arc::new),
            },
        };
        match reader {
            Some(reader) => self.with_reader(now, reader, |consumer, _, _| consumer.fail(error)),
            None => self.outputs.push_back(Output::Done { op, result: Err(error) }),
        }
    }

    /// What keeps this client from knowing the cluster better, if anything does.
    fn trouble(&self, now: Now) -> Option<Error> {
        let trouble = self.cluster.trouble();
        let answered = matches!(trouble, Some(Error::Rejected { .. } | Error::Unsupported { .. }));
        if self.cluster.is_known() || answered {
            return trouble.cloned();
        }
        // A server that has not failed yet is told by what it leaves waiting.
        let attempts = self.cluster.seeds().filter_map(|(node, address, failure)| {
            let waiting = || {
                let connection = self.connections.get(self.lanes.get(&(node, Lane::General))?)?;
                connection.waits_for(now.mono)
            };
            Some((address.to_string(), failure.cloned().or_else(waiting)?))
        });
        let attempts: Vec<_> = attempts.collect();
        (!attempts.is_empty()).then_some(Error::Bootstrap { attempts })
    }

    /// Connections to bootstrap servers and to addresses that brokers have left take no new requests, and end when idle.
    fn retire_connections(&mut self, now: Now) {
        let stale = |connection: &Connection<Tag>| match connection.node {
            Node::Seed(_) => true,
            Node::Broker(_) => self.cluster.address(connection.node) != Some(&connection.address),
        };
        let stale: Vec<u64> = self.connections.iter().filter(|(_, c)| stale(c)).map(|(id, _)| *id).collect();
        for id in stale {
            if let Some(connection) = self.connections.get(&id)
                && self.lanes.get(&(connection.node, connection.lane)) == Some(&id)
            {
                self.lanes.remove(&(connection.node, connection.lane));
            }
            self.touch(now, id);
        }
    }

    /// Leaders may have changed: everyone looks where his partitions are now.
    fn tell_leaders(&mut self, now: Now) {
        for writer in self.writers.keys().copied().collect::<Vec<_>>() {
            self.with_writer(now, writer, |producer, ctx, cluster| producer.on_metadata(ctx, cluster));
        }
        for reader in self.readers.keys().copied().collect::<Vec<_>>() {
            self.with_reader(now, reader, |consumer, ctx, cluster| consumer.on_metadata(ctx, cluster));
        }
    }

    fn ctx(&mut self, now: Now) -> (Ctx<'_>, &Cluster) {
        let timeout = self.config.request_timeout;
        (Ctx::new(now, &mut self.rng, &mut self.timers, &mut self.requests, timeout), &self.cluster)
    }

    fn with_writer(
        &mut self,
        now: Now,
        writer: WriterId,
        f: impl FnOnce(&mut Producer, &mut Ctx<'_>, &Cluster),
    ) {
        let Some(mut producer) = self.writers.remove(&writer) else { return };
        let (mut ctx, cluster) = self.ctx(now);
        f(&mut producer, &mut ctx, cluster);
        self.writers.insert(writer, producer);
        if self.writer_events(writer) {
            self.tell_leaders(now);
        }
    }

    /// Carries out what a writer wants; true if a leader became known on the way.
    fn writer_events(&mut self, writer: WriterId) -> bool {
        let mut moved = false;
        let events = self.writers.get_mut(&writer).map(Producer::take_events).unwrap_or_default();
        for event in events {
            match event {
                producer::Event::Work(job) => self.outputs.push_back(Output::Work(job)),
                producer::Event::Topic { topic, view } => {
                    self.outputs.push_back(Output::Topic { writer, topic, view })
                }
                producer::Event::Complete { completion, first, records, outcome } => {
                    self.outputs.push_back(Output::Complete { completion, first, records, outcome });
                }
                producer::Event::Release { budget, bytes } => {
                    self.outputs.push_back(Output::Release { budget, bytes })
                }
                producer::Event::Refresh => self.cluster.want_refresh(),
                producer::Event::Leader { topic, partition, leader, epoch, address } => {
                    moved |= self.cluster.on_leader_hint(&topic, partition, leader, epoch, address);
                }
            }
        }
        moved
    }

    fn with_reader(
        &mut self,
        now: Now,
        reader: ReaderId,
        f: impl FnOnce(&mut Consumer, &mut Ctx<'_>, &Cluster),
    ) {
        let Some(mut consumer) = self.readers.remove(&reader) else { return };
        let (mut ctx, cluster) = self.ctx(now);
        f(&mut consumer, &mut ctx, cluster);
        let events = consumer.take_events();
        let topic = consumer.topic().clone();
        self.readers.insert(reader, consumer);
        let mut moved = false;
        for event in events {
            match event {
                consumer::Event::Fetched(chunk) => self.outputs.push_back(Output::Fetched { reader, chunk }),
                consumer::Event::Ended => self.outputs.push_back(Output::Ended { reader, error: None }),
                consumer::Event::Failed(error) => {
                    self.outputs.push_back(Output::Ended { reader, error: Some(error) });
                }
                consumer::Event::Refresh => self.cluster.want_refresh(),
                consumer::Event::Leader { partition, leader, epoch, address } => {
                    moved |= self.cluster.on_leader_hint(&topic, partition, leader, epoch, address);
                }
            }
        }
        if moved {
            self.tell_leaders(now);
        }
    }

    fn with_operation(
        &mut self,
        now: Now,
        op: OpId,
        f: impl FnOnce(&mut Operation, &mut Ctx<'_>) -> Progress,
    ) {
        let Some(mut operation) = self.operations.remove(&op) else { return };
        let progress = f(&mut operation, &mut self.ctx(now).0);
        if progress.misrouted {
            self.doubt(operation.target());
        }
        match progress.done {
            Some(result) => {
                self.end_operation(now, op, &operation);
                self.outputs.push_back(Output::Done { op, result });
            }
            None => drop(self.operations.insert(op, operation)),
        }
    }

    /// What its request still waits for, it waits for no longer.
    fn end_operation(&mut self, now: Now, op: OpId, operation: &Operation) {
        self.timers.set(Timer::Op(op), None);
        if operation.is_in_flight() && self.parked.remove(&Tag::Op(op)).is_none() {
            self.take_back(now, Tag::Op(op));
        }
    }

    /// Ends everything: what waits fails, what was not acknowledged is told so.
    fn shut_down(&mut self, now: Now) {
        self.closed = true;
        let connecting = std::mem::take(&mut self.connecting).into_keys();
        let operations = std::mem::take(&mut self.operations).into_keys();
        for op in connecting.chain(operations).chain(std::mem::take(&mut self.sleeping).into_keys()) {
            self.outputs.push_back(Output::Done { op, result: Err(Error::Closed) });
        }
        for reader in std::mem::take(&mut self.readers).into_keys() {
            self.outputs.push_back(Output::Ended { reader, error: Some(Error::Closed) });
        }
        for writer in self.writers.keys().copied().collect::<Vec<_>>() {
            if let Some(producer) = self.writers.get_mut(&writer) {
                producer.shut_down();
            }
            self.writer_events(writer);
        }
        self.writers.clear();
        for id in self.connections.keys().copied().collect::<Vec<_>>() {
            self.close(now, id, CloseReason::Shutdown);
        }
        self.replies.clear();
        self.requests.clear();
        self.parked.clear();
        self.timers = Timers::new();
    }
}
