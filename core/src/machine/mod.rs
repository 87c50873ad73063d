//! The client as one machine of values: what happens goes in, what is wanted comes out, and nothing else is touched.
//!
//! [`Machine`] owns all the others (the cluster, connections, a sender for each writer, a fetcher for each reader, calls), and
//! routes between them. The handles ([`Client`](crate::Client) and its kin) and their drivers are built on it; whoever wants to
//! drive it himself, in a simulator, a fuzzer or a tool, can do so: `docs/core.md` of the repository tells how, and its example
//! `by_hand` does. [`Connection`] is the same for one connection to one broker, and all that a proxy needs.
//!
//! Handles keep their shape between minor versions; what is in here may change with any of them.
//!
//! The contract with whoever drives it:
//! - Everything that happens is a [`Command`], an [`Input`], a request pulled ([`Machine::poll_transmit`]) or a time that has come
//!   ([`Machine::handle_timeout`]), with the time at which it happened; time never goes back. Everything wanted is an [`Output`].
//! - After each of them, all outputs are taken ([`Machine::poll_output`] until `None`) before anything is waited for; then
//!   [`Machine::poll_timeout`] tells when [`Machine::handle_timeout`] is due.
//! - `Ready { conn }` means that [`Machine::poll_transmit`] has a request; it is pulled when the socket has room, until `None`.
//!   A [`Channel`] puts requests into bytes, and makes answers of bytes.
//! - `Connect` is followed by exactly one `Connected` or `Closed`; after `Close`, and after `Closed`, nothing of the
//!   connection counts any more, and late inputs for it are ignored.
//! - The same calls at the same times give the same outputs: a run is the list of these calls.
//! - Settings are believed: whoever has them from somebody calls their `check` first, as the handles do.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

mod discovery;
mod event;
mod links;
mod outstanding;
mod routing;
mod subject;

#[cfg(test)]
mod call_tests;
#[cfg(test)]
mod notice_tests;
#[cfg(test)]
pub(crate) mod tests;

pub use event::{Command, Input, Output};
pub use outstanding::Outstanding;

pub use crate::admin::Ask;
pub use crate::connection::{
    Answered, AnyAnswer, AnyRequest, Channel, ConnId, Connection, Encoded, Failure, Outgoing, Reply,
    RequestKind, Transmit,
};
pub use crate::context::{OpId, ReaderId, WriterId};
pub use crate::notice::{BatchName, Notice};

/// What is a writer's.
pub mod writer {
    pub use crate::producer::{
        BatchId, Command, Gathered, Gathering, Job, Left, News, Outcome, Output, Settled, TopicView, Worked,
    };
}

/// What is a reader's.
pub mod reader {
    pub use crate::consumer::{Chunk, Command, Opened, Output};
}

use crate::admin::{Operation, Progress};
use crate::cluster::coordinators::Coordinators;
use crate::cluster::{Cluster, Lane, Node};
use crate::config::Config;
use crate::consumer::{self, Fetcher};
use crate::context::{Ctx, Routed};
use crate::error::{CloseReason, Error};
use crate::producer::{self, Sender};
use crate::protocol::BrokerId;
use crate::rng::Rng;
use crate::time::{Instant, Now, Timers};
use subject::{Awaiting, Shared, Tag, Timer};

/// Rounds of requests and replies at one moment at most, and timers due at once more than there were. A round more is one node more
/// that can't be asked: beyond this something goes in circles, and a panic (which the gate survives) beats an endless loop.
const MAX_ROUNDS: usize = 10_000;

/// A client of one cluster, without sockets, clocks or threads.
///
/// # Inputs: what happens
/// [`command`](Self::command), [`handle`](Self::handle), [`handle_timeout`](Self::handle_timeout). None of them can fail: a
/// hostile peer becomes outputs.
///
/// # Polls: what is wanted
/// [`poll_output`](Self::poll_output), [`poll_transmit`](Self::poll_transmit), [`poll_timeout`](Self::poll_timeout).
///
/// # For a look
/// [`outstanding`](Self::outstanding).
///
/// With the feature `recording` it can be saved by serde, in a format whose map keys may be anything (postcard, not JSON). Outputs
/// that were not taken yet are not saved.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Machine {
    config: Arc<Config>,
    shared: Shared,
    #[cfg_attr(feature = "recording", serde(skip))]
    replies: Vec<Reply<Tag>>,
    coordinators: Coordinators,
    /// Requests that wait until their target is known; each tag has one at most.
    parked: BTreeMap<Tag, Routed<Tag>>,
    links: BTreeMap<ConnId, Link>,
    /// The connection that takes new requests.
    lanes: BTreeMap<(Node, Lane), ConnId>,
    next_connection: u64,
    /// Nodes that hang up on ApiVersions in newer versions.
    negotiate_at_zero: BTreeSet<Node>,
    writers: BTreeMap<WriterId, Sender>,
    readers: BTreeMap<ReaderId, Fetcher>,
    operations: BTreeMap<OpId, Operation>,
    /// Who waits for a first broker.
    connecting: BTreeSet<Awaiting>,
    /// Who waits for something of a writer, for a while.
    waits: BTreeMap<OpId, WriterId>,
    /// It has ended: for those who come later.
    closed: Option<Error>,
}

/// A connection, and what it is for.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
struct Link {
    node: Node,
    lane: Lane,
    connection: Connection<Tag>,
}

impl Link {
    fn broker(&self) -> Option<BrokerId> {
        match self.node {
            Node::Broker(id) => Some(id),
            Node::Seed(_) => None,
        }
    }
}

impl Machine {
    /// A client with these settings. All of its chance comes from the seed.
    pub fn new(config: Arc<Config>, seed: [u8; 32]) -> Self {
        let mut rng = Rng::new(seed);
        let shared = Shared {
            cluster: Cluster::new(config.clone(), &mut rng),
            rng,
            timers: Timers::new(),
            requests: Vec::new(),
            outputs: VecDeque::new(),
            request_timeout: config.request_timeout,
        };
        Machine {
            config,
            shared,
            replies: Vec::new(),
            coordinators: Coordinators::default(),
            parked: BTreeMap::new(),
            links: BTreeMap::new(),
            lanes: BTreeMap::new(),
            next_connection: 0,
            negotiate_at_zero: BTreeSet::new(),
            writers: BTreeMap::new(),
            readers: BTreeMap::new(),
            operations: BTreeMap::new(),
            connecting: BTreeSet::new(),
            waits: BTreeMap::new(),
            closed: None,
        }
    }

    /// Takes what a user wants.
    pub fn command(&mut self, now: Now, command: Command) {
        match self.closed.clone() {
            Some(error) => self.refuse(command, error),
            None => self.take(now, command),
        }
        self.settle(now);
    }

    fn take(&mut self, now: Now, command: Command) {
        match command {
            Command::Connect(op) if self.cluster().is_known() => self.done(op, Ok(None)),
            Command::Connect(op) => self.await_broker(now, Awaiting::Op(op)),
            Command::Ask(op, ask) => {
                let mut operation = Operation::new(ask, &self.config, now.mono);
                self.shared.step(now, op, &mut operation, |operation, ctx| operation.send(ctx));
                self.operations.insert(op, operation);
            }
            Command::Cancel(op) => {
                if let Some(operation) = self.operations.remove(&op) {
                    self.end_operation(now, op, &operation);
                }
                self.awaits_no_more(Awaiting::Op(op));
                self.waits.remove(&op);
                self.shared.timers.set(Timer::Op(op), None);
            }
            Command::Refresh => self.shared.cluster.want_refresh(),
            Command::Writer(writer, command) => match command {
                // An id that is there already is the caller's mistake.
                producer::Command::Open(config) => {
                    let sender = || Sender::new(writer, config, self.config.clone());
                    self.writers.entry(writer).or_insert_with(sender);
                }
                producer::Command::Wait { op, until } => {
                    self.waits.insert(op, writer);
                    self.shared.timers.set(Timer::Op(op), Some(until));
                }
                command if self.writers.contains_key(&writer) => {
                    self.with_writer(now, writer, |sender, ctx| sender.on_command(ctx, command));
                }
                command => self.refuse(Command::Writer(writer, command), Error::Closed),
            },
            Command::Reader(reader, command) => match command {
                consumer::Command::Open(_) if self.readers.contains_key(&reader) => {}
                consumer::Command::Open(config) => {
                    self.readers.insert(reader, Fetcher::new(reader, config, self.config.clone()));
                    if !self.cluster().is_known() {
                        self.await_broker(now, Awaiting::Reader(reader));
                    }
                    self.with_reader(now, reader, |fetcher, ctx| fetcher.open(ctx));
                }
                consumer::Command::Consumed(bytes) => {
                    self.with_reader(now, reader, |fetcher, ctx| fetcher.on_consumed(ctx, bytes));
                }
                consumer::Command::Close => {
                    self.with_reader(now, reader, |fetcher, ctx| fetcher.close(ctx));
                    self.readers.remove(&reader);
                    self.awaits_no_more(Awaiting::Reader(reader));
                    let own = |tag: &Tag| matches!(tag, Tag::Reader(of, _) if *of == reader);
                    self.parked.retain(|tag, _| !own(tag));
                    self.take_back(now, own);
                    self.close_lane(now, Lane::Fetch(reader.0));
                }
            },
            Command::Shutdown(error) => self.shut_down(now, error),
        }
    }

    /// Answers a command that comes too late.
    fn refuse(&mut self, command: Command, error: Error) {
        let output = match command {
            Command::Connect(op)
            | Command::Ask(op, _)
            | Command::Writer(_, producer::Command::Wait { op, .. }) => {
                Output::Done { op, result: Err(error) }
            }
            Command::Writer(writer, producer::Command::Topic(topic)) => {
                Output::Writer(writer, producer::Output::Topic { topic, view: Err(error) })
            }
            Command::Writer(writer, producer::Command::Close) if !self.writers.contains_key(&writer) => {
                Output::Writer(writer, producer::Output::Gone)
            }
            Command::Reader(reader, consumer::Command::Open(_)) => {
                Output::Reader(reader, consumer::Output::Ended(Some(error)))
            }
            Command::Cancel(_)
            | Command::Refresh
            | Command::Writer(..)
            | Command::Reader(..)
            | Command::Shutdown(_) => return,
        };
        self.shared.outputs.push_back(output);
    }

    /// Takes what happened.
    pub fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Connected { conn } => self.on_connected(now, conn),
            Input::Answered(answered) => self.on_answer(now, answered),
            Input::Encoded(encoded) => self.on_encoded(now, encoded),
            Input::Closed { conn, reason } => self.close(now, conn, reason),
            Input::Worked(worked) => {
                let mut writers = BTreeSet::new();
                for worked in worked {
                    let writer = worked.writer;
                    writers.insert(writer);
                    self.with_writer(now, writer, |sender, ctx| sender.on_worked(ctx, worked));
                }
                for writer in writers {
                    self.with_writer(now, writer, |sender, ctx| sender.go_on(ctx));
                }
            }
        }
        self.settle(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        let mut left = MAX_ROUNDS + self.shared.timers.len();
        while let Some(timer) = self.shared.timers.pop_due(now.mono) {
            assert!(left > 0, "timers that are due come to an end");
            left -= 1;
            match timer {
                // What is due there is looked at when the client settles.
                Timer::Metadata => {}
                Timer::Connection(conn) => self.on_link_timer(now, conn),
                Timer::Connect(awaiting) => {
                    if self.connecting.remove(&awaiting) {
                        self.fail_bootstrap(now, awaiting);
                    }
                }
                Timer::Writer(writer, timer) => {
                    self.with_writer(now, writer, |sender, ctx| sender.on_timer(ctx, timer));
                }
                Timer::Reader(reader) => self.with_reader(now, reader, |fetcher, ctx| fetcher.on_timer(ctx)),
                Timer::Op(op) => {
                    if let Some(writer) = self.waits.remove(&op) {
                        let sender = self.writers.get(&writer);
                        let trouble = match sender {
                            Some(sender) if !sender.knows_its_topics() => self.trouble(now),
                            _ => None,
                        };
                        let trouble = trouble.or_else(|| sender.and_then(Sender::trouble));
                        let result = trouble.map_or(Ok(None), Err);
                        self.done(op, result);
                    }
                    let parked = self.parked.contains_key(&Tag::Op(op));
                    let blocked = if parked { self.trouble(now) } else { None };
                    self.with_operation(now, op, |operation, ctx| operation.on_timer(ctx, blocked));
                }
            }
            self.settle(now);
        }
    }

    /// What is wanted next; to be called until there is nothing.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.shared.outputs.pop_front()
    }

    /// The next request that is to leave on a connection; to be called when its socket has room, until there is none.
    pub fn poll_transmit(&mut self, now: Now, conn: ConnId) -> Option<Transmit> {
        let transmit = self.transmit(now, conn);
        self.settle(now);
        transmit
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.shared.timers.earliest()
    }

    /// How many brokers its parts remember: readers, writers, and what it knows of their versions.
    #[cfg(test)]
    pub(crate) fn remembered(&self) -> [usize; 3] {
        let readers = self.readers.values().map(Fetcher::nodes).sum();
        [readers, self.writers.values().map(Sender::nodes).sum(), self.negotiate_at_zero.len()]
    }

    /// Its state, in the bytes of a recording.
    #[cfg(feature = "recording")]
    pub(crate) fn save(&self) -> Result<Vec<u8>, postcard::Error> {
        // Outputs are left out: they are gone when time passes.
        debug_assert!(self.replies.is_empty() && self.shared.requests.is_empty(), "it has settled");
        postcard::to_allocvec(self)
    }

    /// Whether it would be [saved](Self::save) as these bytes.
    #[cfg(feature = "recording")]
    pub(crate) fn is_saved_as(&self, saved: &[u8]) -> bool {
        crate::saved::is_saved_as(self, saved)
    }

    /// The outputs that were not taken yet.
    #[cfg(feature = "recording")]
    pub(crate) fn outputs(&self) -> &VecDeque<Output> {
        &self.shared.outputs
    }

    #[cfg(feature = "recording")]
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Routes requests and replies until none is left, and asks for metadata when that is due.
    fn settle(&mut self, now: Now) {
        for round in 0.. {
            assert!(round < MAX_ROUNDS, "what is asked for at one moment comes to an end");
            if self.closed.is_none()
                && let Some((node, request)) = self.shared.cluster.poll_request(now.mono)
            {
                self.ask_for_metadata(now, node, request);
            }
            for routed in std::mem::take(&mut self.shared.requests) {
                self.route(now, routed);
            }
            if self.shared.cluster.take_moved() {
                self.tell_leaders(now);
            }
            // What was routed may have found that metadata are needed.
            let due = self.cluster().poll_timeout().is_some_and(|at| at <= now.mono) && self.closed.is_none();
            if self.replies.is_empty() && self.shared.requests.is_empty() && !due {
                break;
            }
            for reply in std::mem::take(&mut self.replies) {
                self.dispatch(now, reply);
            }
        }
        let Shared { cluster, outputs, timers, .. } = &mut self.shared;
        outputs.extend(cluster.take_notices().map(Output::Notice));
        timers.set(Timer::Metadata, cluster.poll_timeout().filter(|_| self.closed.is_none()));
    }

    fn dispatch(&mut self, now: Now, reply: Reply<Tag>) {
        let Reply { tag, result } = reply;
        match tag {
            Tag::Metadata => self.on_metadata(now, result),
            Tag::Coordinator(id) => self.on_coordinator(now, id, result),
            Tag::Op(op) => self.with_operation(now, op, |operation, ctx| operation.on_reply(ctx, result)),
            Tag::Writer(writer, tag) => {
                self.with_writer(now, writer, |sender, ctx| sender.on_reply(ctx, tag, result));
            }
            Tag::Reader(reader, tag) => {
                self.with_reader(now, reader, |fetcher, ctx| fetcher.on_reply(ctx, tag, result));
            }
        }
    }

    /// Leaders may have changed: everyone looks where his partitions are now.
    fn tell_leaders(&mut self, now: Now) {
        for writer in self.writers.keys().copied().collect::<Vec<_>>() {
            self.with_writer(now, writer, |sender, ctx| sender.on_metadata(ctx));
        }
        for reader in self.readers.keys().copied().collect::<Vec<_>>() {
            self.with_reader(now, reader, |fetcher, ctx| fetcher.on_metadata(ctx));
        }
    }

    fn cluster(&self) -> &Cluster {
        &self.shared.cluster
    }

    fn done(&mut self, op: OpId, result: Result<Option<AnyAnswer>, Error>) {
        self.shared.outputs.push_back(Output::Done { op, result });
    }

    fn with_writer(&mut self, now: Now, writer: WriterId, f: impl FnOnce(&mut Sender, &mut Ctx<'_, Sender>)) {
        let Some(sender) = self.writers.get_mut(&writer) else { return };
        self.shared.step(now, writer, sender, f);
        if sender.is_gone() {
            self.writers.remove(&writer);
            self.shared.outputs.push_back(Output::Writer(writer, producer::Output::Gone));
        }
    }

    fn with_reader(
        &mut self,
        now: Now,
        reader: ReaderId,
        f: impl FnOnce(&mut Fetcher, &mut Ctx<'_, Fetcher>),
    ) {
        let Some(fetcher) = self.readers.get_mut(&reader) else { return };
        self.shared.step(now, reader, fetcher, f);
    }

    fn with_operation(
        &mut self,
        now: Now,
        op: OpId,
        f: impl FnOnce(&mut Operation, &mut Ctx<'_, Operation>) -> Progress,
    ) {
        let Some(operation) = self.operations.get_mut(&op) else { return };
        let progress = self.shared.step(now, op, operation, f);
        if progress.misrouted {
            let target = operation.target().clone();
            self.doubt(&target);
        }
        if let Some(result) = progress.done
            && let Some(operation) = self.operations.remove(&op)
        {
            self.end_operation(now, op, &operation);
            self.done(op, result);
        }
    }

    /// What its request still waits for, it waits for no longer.
    fn end_operation(&mut self, now: Now, op: OpId, operation: &Operation) {
        self.shared.timers.set(Timer::Op(op), None);
        if operation.is_in_flight() && self.parked.remove(&Tag::Op(op)).is_none() {
            self.take_back(now, |tag| *tag == Tag::Op(op));
        }
    }

    /// Ends everything: what waits fails, what was not acknowledged is told so.
    fn shut_down(&mut self, now: Now, error: Error) {
        self.closed = Some(error.clone());
        for awaiting in std::mem::take(&mut self.connecting) {
            if let Awaiting::Op(op) = awaiting {
                self.done(op, Err(error.clone()));
            }
        }
        let operations = std::mem::take(&mut self.operations).into_keys();
        for op in operations.chain(std::mem::take(&mut self.waits).into_keys()) {
            self.done(op, Err(error.clone()));
        }
        for reader in self.readers.keys().copied().collect::<Vec<_>>() {
            self.with_reader(now, reader, |fetcher, ctx| fetcher.fail(ctx, error.clone()));
        }
        self.readers.clear();
        for writer in self.writers.keys().copied().collect::<Vec<_>>() {
            self.with_writer(now, writer, |sender, ctx| sender.shut_down(ctx, error.clone()));
        }
        for conn in self.links.keys().copied().collect::<Vec<_>>() {
            self.close(now, conn, CloseReason::Shutdown);
        }
        self.replies.clear();
        self.shared.requests.clear();
        self.parked.clear();
        self.coordinators = Coordinators::default();
        self.shared.timers = Timers::new();
    }
}
