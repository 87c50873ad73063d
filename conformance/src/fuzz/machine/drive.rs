//! The machine and what drives it: time, connections that lead nowhere, jobs that are held back. What comes out is checked here.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use milena_core::machine::writer::{self, Job};
use milena_core::machine::{Answered, Channel, Command, ConnId, Input, Machine, Notice, Output, reader};
use milena_core::protocol::{ApiKey, BrokerId};
use milena_core::{Address, CloseReason, Config, Instant, Now};

use super::super::Meter;
use super::broker::{Asked, Cluster};
use super::known::{Known, Node};
use super::ledger::Ledger;
use super::rests::{Alone, Rests, Work, work_of};

/// Shorter than any pause after a failure: those begin at 100 ms, a fifth less by chance.
pub(super) const MOMENT: Duration = Duration::from_millis(80);

/// Bytes that any step may take, and a step for each thing that there is. Half of it is enough for all that chance has tried.
const ALLOWED: usize = 16 << 10;
const ALLOWED_EACH: usize = 1 << 10;

/// Bytes that the machine may keep, and for each thing that there is, as they are saved.
const KEPT: usize = 4 << 10;
const KEPT_EACH: usize = 1 << 10;

/// For each byte of an answer, once it is decoded: what it says is kept, and told to those who asked.
const HANDLING: usize = 16;

/// For each byte of an answer while it is decoded: the target `messages` has the reason.
const DECODED: usize = 100;

/// What decoding reserves before the elements of arrays have come.
const DECODING: usize = 4 * 64 * 1024;

/// What a frame's length alone makes the framer allocate at most.
const UNPROVEN: usize = 1 << 20;

/// A connection as its driver sees it.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) address: Address,
    /// The connect has succeeded.
    pub(super) is_made: bool,
    /// There is something to pull.
    is_ready: bool,
    /// An answer came.
    has_answered: bool,
    channel: Channel,
    /// Requests that the broker has not answered, oldest first.
    pub(super) asked: Vec<Asked>,
    /// Requests whose answers have not come, and what they are about.
    awaited: BTreeMap<i32, (Asked, Vec<Work>)>,
    /// The beginning of a request, the rest of which was not written yet.
    written: BytesMut,
    /// What has come of the next answers.
    arrived: BytesMut,
    /// Requests that the machine awaits answers to, but for that of version negotiation.
    unanswered: usize,
    /// Bytes on the way to the client.
    pub(super) coming: Vec<u8>,
    /// Bytes that came since the last answer, at most.
    held: usize,
    /// What comes may begin with a length that is none.
    pub(super) has_garbage: bool,
}

/// What was done within a moment, and what led to it.
#[derive(Debug, Default)]
struct Done {
    since: Instant,
    requests: usize,
    jobs: usize,
    connects: usize,
    /// Commands, and outputs that are progress: each may lead to a few requests more.
    causes: usize,
    /// Requests of users' own calls.
    calls: usize,
    /// Calls that were there when it began, or came since.
    callers: usize,
}

#[derive(Debug)]
pub(super) struct Drive {
    machine: Machine,
    meter: Meter,
    config: Arc<Config>,
    pub(super) now: Now,
    pub(super) cluster: Cluster,
    pub(super) ledger: Ledger,
    pub(super) conns: BTreeMap<ConnId, Conn>,
    /// The one that ended last.
    pub(super) ended: Option<(ConnId, Conn)>,
    pub(super) jobs: Vec<Job>,
    known: Known,
    rests: Rests,
    alone: Alone,
    done: Done,
    /// When this step began: connections that were not yet asked for, and requests that were not sent.
    waiting: usize,
    unsent: usize,
    /// How much a socket takes at once: `None` is all there is.
    pub(super) room: Option<usize>,
    /// The longest answer that came.
    longest: usize,
    is_shut: bool,
    /// All that came out, a line each.
    pub(super) told: String,
}

impl Drive {
    pub(super) fn new(config: Config, cluster: Cluster, seed: u8, meter: Meter) -> Self {
        let config = Arc::new(config);
        let now = Now { mono: Instant::from_micros(1_000_000), wall: 1_700_000_000_000 };
        Drive {
            machine: Machine::new(config.clone(), [seed; 32]),
            meter,
            config,
            now,
            cluster,
            ledger: Ledger::default(),
            conns: BTreeMap::new(),
            ended: None,
            jobs: Vec::new(),
            known: Known::default(),
            rests: Rests::default(),
            alone: Alone::default(),
            done: Done { since: now.mono, ..Done::default() },
            waiting: 0,
            unsent: 0,
            room: None,
            longest: 0,
            is_shut: false,
            told: String::new(),
        }
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn command(&mut self, command: Command) {
        self.done.causes += 1;
        self.done.callers += usize::from(matches!(command, Command::Ask(..)));
        self.step("a command", 0, |machine, now| machine.command(now, command));
        self.check_outstanding();
    }

    /// `bytes`: of the answer that it is about.
    pub(super) fn handle(&mut self, input: Input, bytes: usize) {
        self.step("an input", bytes, |machine, now| machine.handle(now, input));
        self.check_outstanding();
    }

    /// How much there is that may want something.
    fn size(&self) -> usize {
        self.ledger.size(&self.known) + self.conns.len() + self.nodes()
    }

    /// How many nodes the machine may know of.
    fn nodes(&self) -> usize {
        self.config.bootstrap.len() + self.known.brokers()
    }

    /// One step of the machine: it takes no more memory than it may, and tells no more than it may.
    fn step<T>(&mut self, what: &str, bytes: usize, step: impl FnOnce(&mut Machine, Now) -> T) -> T {
        let outstanding = self.machine.outstanding();
        self.waiting = outstanding.connections.saturating_sub(self.conns.len());
        self.unsent = outstanding.queued + outstanding.parked;
        let size = self.size();
        let before = (self.meter.0)();
        let result = step(&mut self.machine, self.now);
        let taken = (self.meter.0)() - before;
        let allowed = ALLOWED + size * ALLOWED_EACH + bytes * HANDLING;
        assert!(taken <= allowed as u64, "{what} took {taken} bytes of memory, {allowed} are allowed");
        let most = 16 + 4 * size;
        let mut count = 0;
        while let Some(output) = self.machine.poll_output() {
            count += 1;
            assert!(count <= most, "more than {most} outputs after {what}, the last of them {output:?}");
            let _ = writeln!(self.told, "{:?} {output:?}", self.now.mono);
            self.on_output(output);
        }
        result
    }

    /// How many bytes the machine's state is long, as it is saved in a recording.
    pub(super) fn kept(&self) -> usize {
        postcard::serialize_with_flavor(&self.machine, postcard::ser_flavors::Size::default())
            .expect("a machine can be saved")
    }

    /// What is kept is explained by what there is, and by what an answer may say about each of it.
    pub(super) fn check_kept(&self) {
        let (kept, size) = (self.kept(), self.size() + self.ledger.unsettled());
        let allowed = KEPT + size * (KEPT_EACH + self.longest);
        assert!(kept <= allowed, "{kept} bytes are kept, {allowed} are allowed");
    }

    fn check_outstanding(&mut self) {
        let outstanding = self.machine.outstanding();
        let unanswered: usize = self.conns.values().map(|conn| conn.unanswered).sum();
        assert_eq!(outstanding.unanswered, unanswered, "requests sent and not answered");
        if !self.is_shut {
            if outstanding.queued == 0 {
                self.check_idle();
            }
            // Nothing of those who are gone waits to be sent.
            let is_clear = outstanding.queued + outstanding.parked == 0;
            let alone = self.ledger.alone();
            if self.alone.writer != alone.writer {
                self.alone.writer = alone.writer.filter(|_| is_clear);
            }
            if self.alone.reader != alone.reader {
                self.alone.reader = alone.reader.filter(|_| is_clear);
            }
            return self.ledger.check_outstanding(&outstanding, &self.known, self.nodes());
        }
        let requests = outstanding.queued + outstanding.unanswered + outstanding.parked + outstanding.lookups;
        let places = outstanding.connections + outstanding.readers + outstanding.fetched_bytes;
        let left = requests + places + outstanding.operations + outstanding.timers;
        assert_eq!(left, 0, "something is left after the shutdown: {outstanding:?}");
    }

    fn on_output(&mut self, output: Output) {
        match output {
            Output::Connect { conn, address } => self.on_connect(conn, address),
            Output::Close { conn } => {
                if let Some(mut gone) = self.conns.remove(&conn) {
                    for (asked, work) in std::mem::take(&mut gone.awaited).into_values() {
                        self.rests.on_outcome((self.now.mono, self.unsent), (conn, &asked), work, None);
                    }
                    self.ended = Some((conn, gone));
                }
            }
            Output::Ready { conn } => {
                let ready = self.conns.get_mut(&conn).filter(|conn| conn.is_made);
                ready.unwrap_or_else(|| panic!("{conn} is ready, and was not made")).is_ready = true;
            }
            Output::Done { op, .. } => self.ledger.on_done(op),
            Output::Writer(writer, output) => {
                self.ledger.on_writer(writer, &output);
                match output {
                    writer::Output::Work(job) => {
                        self.jobs.push(job);
                        self.count("jobs", |done| &mut done.jobs);
                    }
                    writer::Output::Settled(_) => self.done.causes += 1,
                    _ => {}
                }
            }
            Output::Reader(reader, output) => {
                self.done.causes += usize::from(matches!(output, reader::Output::Fetched(_)));
                self.ledger.on_reader(reader, &output);
            }
            Output::Notice(Notice::BatchSplit { .. }) => self.done.causes += 1,
            Output::Notice(Notice::ConnectionReady { broker, address, .. }) => {
                // Before the first broker is known, one that can do no more than negotiate counts as failed.
                if self.known.is_known {
                    self.rests.node_is_back(&node_of(broker, address));
                }
            }
            Output::Notice(
                Notice::ConnectionRefused { conn, broker, address, .. }
                | Notice::ConnectionLost { conn, broker, address, .. },
            ) => {
                let (last, gone) = self.ended.as_ref().expect("it has just ended");
                assert_eq!(*last, conn, "the notice names the connection that ended");
                if !gone.has_answered || !self.known.is_known {
                    self.rests.node_failed(node_of(broker, address), self.now.mono, self.waiting);
                }
            }
            Output::Notice(_) => {}
        }
    }

    /// A broker that failed is left alone for a moment.
    ///
    /// It failed if a connection to it ended before its first answer. Those that were waiting to be made by then (each lane has
    /// its own) wait for what they waited for, and what was asked to be made is not asked again. A connection that gets ready shows
    /// that it is back. It is brokers that are left alone, not addresses: if answers gave one address to several, all of them
    /// must have failed.
    fn on_connect(&mut self, conn: ConnId, address: Address) {
        self.rests.on_connect(self.now.mono, &self.known.nodes_at(&self.config.bootstrap, &address));
        let new = Conn {
            address,
            is_made: false,
            is_ready: false,
            has_answered: false,
            channel: Channel::new(conn, &self.config),
            asked: Vec::new(),
            awaited: BTreeMap::new(),
            written: BytesMut::new(),
            arrived: BytesMut::new(),
            unanswered: 0,
            coming: Vec::new(),
            held: 0,
            has_garbage: false,
        };
        assert!(self.conns.insert(conn, new).is_none(), "{conn} is connected twice");
        self.count("connects", |done| &mut done.connects);
    }

    /// Whatever brokers answer, and how soon: what fails is tried again after a pause.
    fn count(&mut self, what: &str, of: fn(&mut Done) -> &mut usize) {
        self.begin_moment();
        *of(&mut self.done) += 1;
        let (count, size) = (*of(&mut self.done), self.size());
        let most = 8 + 2 * size + 2 * self.done.causes;
        assert!(count <= most, "{count} {what} within {MOMENT:?}, {most} would do: {:?}", self.done);
    }

    fn begin_moment(&mut self) {
        if self.now.mono >= self.done.since + MOMENT {
            let callers = self.ledger.live_operations();
            self.done = Done { since: self.now.mono, callers, ..Done::default() };
        }
    }

    /// A call is sent once, and again after a pause.
    fn count_call(&mut self) {
        self.begin_moment();
        self.done.calls += 1;
        let Done { calls, callers, .. } = self.done;
        assert!(calls <= callers, "{calls} requests of {callers} calls within {MOMENT:?}");
    }

    /// Time passes: to the timers on the way one after the other, or past them to the one that is late.
    pub(super) fn pass(&mut self, span: Duration, is_late: bool) {
        let target = self.now.mono + span;
        for _ in 0..if is_late { 0 } else { 64 } {
            let Some(at) = self.machine.poll_timeout().filter(|at| *at <= target) else { break };
            self.set_time(at);
            self.fire();
        }
        self.set_time(target);
        self.fire();
        self.ledger.check_deadlines(self.now.mono, self.jobs.is_empty());
    }

    pub(super) fn until_timeout(&self) -> Option<Duration> {
        self.machine.poll_timeout().map(|at| at.since(self.now.mono))
    }

    fn set_time(&mut self, at: Instant) {
        let passed = at.since(self.now.mono);
        self.now.mono = self.now.mono + passed;
        self.now.wall += passed.as_millis() as i64;
    }

    /// Somebody sets the clock on the wall: nothing but records' timestamps goes by it.
    pub(super) fn set_wall(&mut self, by: i64) {
        self.now.wall += by;
    }

    fn fire(&mut self) {
        let mut fired = 0;
        while self.machine.poll_timeout().is_some_and(|at| at <= self.now.mono) {
            fired += 1;
            assert!(fired <= 4, "something is due again and again at {:?}", self.now.mono);
            self.step("a timeout", 0, Machine::handle_timeout);
            self.check_outstanding();
        }
    }

    /// The connect succeeds.
    pub(super) fn connected(&mut self, conn: ConnId) {
        let Some(made) = self.conns.get_mut(&conn).filter(|conn| !conn.is_made) else { return };
        made.is_made = true;
        self.handle(Input::Connected { conn }, 0);
    }

    pub(super) fn closed(&mut self, conn: ConnId, reason: CloseReason) {
        self.handle(Input::Closed { conn, reason }, 0);
        assert!(!self.conns.contains_key(&conn), "{conn} has ended, and is not given up");
    }

    /// So many requests leave, if there are as many.
    pub(super) fn pull(&mut self, conn: ConnId, most: usize) {
        self.write(conn, None);
        for _ in 0..most {
            // What this very pull leads to may make it ready again.
            let known = self.conns.get_mut(&conn);
            let was_ready = known.is_some_and(|from| std::mem::take(&mut from.is_ready));
            let transmit = self.step("a pull", 0, |machine, now| machine.poll_transmit(now, conn));
            let Some(from) = self.conns.get_mut(&conn) else {
                assert!(transmit.is_none(), "{conn} is none, and has a request: {transmit:?}");
                return;
            };
            let Some(transmit) = transmit else { return };
            from.is_ready = true;
            assert!(was_ready, "{conn} has a request and was not said to be ready: {transmit:?}");
            let _ = writeln!(self.told, "{:?} {conn} {transmit:?}", self.now.mono);
            let key = transmit.request.kind().key;
            from.unanswered += usize::from(key != ApiKey::API_VERSIONS);
            let encoded = from.channel.send(transmit);
            from.unanswered -= usize::from(encoded.is_some());
            if CALLED.contains(&key) {
                self.count_call();
            }
            self.count("requests", |done| &mut done.requests);
            self.write(conn, self.room);
            if let Some(encoded) = encoded {
                self.handle(Input::Encoded(encoded), 0);
            }
            self.check_outstanding();
        }
    }

    /// So many bytes go to the socket, or all there are; the broker has received what is whole.
    fn write(&mut self, conn: ConnId, room: Option<usize>) {
        let Some(from) = self.conns.get_mut(&conn) else { return };
        let written = &mut from.written;
        let taken = from.channel.write_with(|segments| {
            let mut room = room.unwrap_or(usize::MAX);
            let before = written.len();
            for segment in segments {
                let taken = &segment[..segment.len().min(room)];
                written.extend_from_slice(taken);
                room -= taken.len();
            }
            Ok::<_, Infallible>(written.len() - before)
        });
        assert_eq!(taken, Ok(()));
        while let Some(frame) = next_frame(&mut from.written) {
            let asked = Asked::of(frame);
            if !asked.is_answered() {
                continue;
            }
            let work = work_of(&from.address, self.alone, &asked);
            self.rests.on_request(self.now.mono, (conn, &asked), &work);
            from.awaited.insert(asked.correlation, (asked.clone(), work));
            from.asked.push(asked);
        }
    }

    /// So many of the bytes that are on their way come.
    pub(super) fn receive(&mut self, conn: ConnId, count: usize) {
        let Some(to) = self.conns.get_mut(&conn) else { return };
        let rest = to.coming.split_off(count.min(to.coming.len()));
        let bytes = std::mem::replace(&mut to.coming, rest);
        if !bytes.is_empty() {
            self.take(conn, &bytes);
        }
    }

    fn take(&mut self, conn: ConnId, bytes: &[u8]) {
        let Some(to) = self.conns.get_mut(&conn).filter(|conn| conn.is_made) else { return };
        let before = (self.meter.0)();
        let received = to.channel.receive(bytes);
        let answers: Vec<_> = std::iter::from_fn(|| to.channel.poll_answer()).collect();
        let taken = (self.meter.0)() - before;
        // What came before may be a part of it, and its end a part of what comes next.
        let held = to.held + bytes.len();
        to.held = if answers.is_empty() { held } else { bytes.len() };
        to.arrived.extend_from_slice(bytes);
        // Lengths that nothing follows are garbage's.
        let announced = if to.has_garbage { UNPROVEN } else { 0 };
        let allowed = (1 + answers.len()) * DECODING + held * DECODED + announced;
        assert!(taken <= allowed as u64, "{} bytes took {taken}, {allowed} are allowed", bytes.len());
        for answered in answers {
            self.answered(answered, held);
        }
        if let Err(reason) = received {
            self.closed(conn, reason);
        }
    }

    pub(super) fn receive_all(&mut self, conn: ConnId) {
        self.receive(conn, usize::MAX);
    }

    /// The broker hangs up, behind what it has sent.
    pub(super) fn end_of_stream(&mut self, conn: ConnId) {
        self.receive_all(conn);
        self.take(conn, &[]);
    }

    fn answered(&mut self, answered: Answered, bytes: usize) {
        let (conn, is_negotiation) = (answered.conn, answered.answer.kind.key == ApiKey::API_VERSIONS);
        let mut brokers = None;
        if let Some(to) = self.conns.get_mut(&conn) {
            to.unanswered -= usize::from(!is_negotiation);
            let frame = next_frame(&mut to.arrived).expect("what was read has come");
            self.longest = self.longest.max(frame.len());
            let (asked, work) = to.awaited.remove(&answered.correlation).expect("it was asked");
            let unsent = self.machine.outstanding();
            let unsent = unsent.queued + unsent.parked;
            self.rests.on_outcome((self.now.mono, unsent), (conn, &asked), work, Some(&frame));
            brokers = self.known.learn(&asked, &frame);
        }
        if let Some(brokers) = &brokers {
            let waiting = self.machine.outstanding().connections.saturating_sub(self.conns.len());
            self.rests.on_metadata(brokers, waiting);
            if self.known.is_other_topic {
                self.rests.on_other_topic();
            }
        }
        self.handle(Input::Answered(answered), bytes);
        if let Some(to) = self.conns.get_mut(&conn) {
            to.has_answered = true;
        }
        if brokers.is_some_and(|brokers| !brokers.is_empty()) {
            self.check_retired();
        }
    }

    /// A broker has one connection for calls, one for records and one for each reader; others end when they are idle.
    fn check_idle(&self) {
        let mut idle: BTreeMap<&Address, usize> = BTreeMap::new();
        for conn in self.conns.values().filter(|conn| conn.unanswered == 0) {
            *idle.entry(&conn.address).or_default() += 1;
        }
        let each = 2 + self.ledger.live_readers().count();
        for (address, count) in idle {
            let nodes = self.known.nodes_at(&self.config.bootstrap, address).len();
            let most = nodes * each;
            assert!(count <= most, "{count} connections to {address} have nothing to do, {most} would do");
        }
    }

    /// When the brokers are known, bootstrap servers' connections end as soon as they have nothing to do.
    fn check_retired(&self) {
        let seeds = self.conns.iter().filter(|(_, conn)| self.config.bootstrap.contains(&conn.address));
        let idle: Vec<_> = seeds.filter(|(_, conn)| conn.unanswered == 0).map(|(conn, _)| *conn).collect();
        let queued = self.machine.outstanding().queued;
        assert!(queued > 0 || idle.is_empty(), "{idle:?} have nothing to do any more, and are kept");
    }

    /// Something about a connection that has ended: nothing of it counts any more.
    pub(super) fn late(&mut self, what: u8) {
        let Some((conn, gone)) = self.ended.take() else { return };
        let told = self.told.len();
        match what % 3 {
            0 => self.handle(Input::Closed { conn, reason: CloseReason::Shutdown }, 0),
            1 => assert!(
                self.step("a late pull", 0, |machine, now| machine.poll_transmit(now, conn)).is_none()
            ),
            _ => {
                let Some(asked) = gone.asked.first() else { return };
                let broker = self.cluster.broker_at(&gone.address);
                let frame = self.cluster.answer(asked, broker, super::broker::Twist::NONE);
                let _ = gone.channel.receive(&framed(&frame));
                let Some(answered) = gone.channel.poll_answer() else { return };
                self.handle(Input::Answered(answered), frame.len());
            }
        }
        assert_eq!(self.told.len(), told, "what is late about {conn} counts: {}", &self.told[told..]);
    }

    /// Jobs are done, and told of together.
    pub(super) fn work(&mut self, jobs: Vec<Job>) {
        let worked = jobs.into_iter().map(|job| {
            let place = &self.ledger.writers[&job.writer].places[job.slot];
            job.run(place)
        });
        let worked: Vec<_> = worked.collect();
        let bytes = 64 * worked.len();
        self.handle(Input::Worked(worked), bytes);
    }

    pub(super) fn shut_down(&mut self) {
        self.is_shut = true;
        self.command(Command::Shutdown(milena_core::Error::Closed));
        assert!(self.conns.is_empty(), "connections are left after the shutdown: {:?}", self.conns.keys());
    }
}

/// APIs that only users' own calls ask for.
const CALLED: [ApiKey; 5] = [
    ApiKey::DESCRIBE_CLUSTER,
    ApiKey::CREATE_TOPICS,
    ApiKey::HEARTBEAT,
    ApiKey::DELETE_RECORDS,
    ApiKey::LIST_GROUPS,
];

fn node_of(broker: Option<BrokerId>, address: Address) -> Node {
    broker.map_or(Node::Seed(address), Node::Broker)
}

/// Takes a frame, without its length, if it is whole.
fn next_frame(bytes: &mut BytesMut) -> Option<Bytes> {
    let length = bytes.first_chunk().copied().map(i32::from_be_bytes)?;
    let length = usize::try_from(length).ok().filter(|length| bytes.len() >= 4 + length)?;
    bytes.advance(4);
    Some(bytes.split_to(length).freeze())
}

/// A frame's bytes on the wire.
pub(super) fn framed(frame: &[u8]) -> Vec<u8> {
    [&(frame.len() as i32).to_be_bytes(), frame].concat()
}

impl Drop for Drive {
    /// Whoever looks for the reason of a failure begins with what came out last.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let last: Vec<_> = self.told.lines().rev().take(12).collect();
            eprintln!("what came out last:");
            last.iter().rev().for_each(|line| eprintln!("  {}", line.chars().take(300).collect::<String>()));
        }
    }
}
