//! The machine and what drives it: time, connections that lead nowhere, jobs that are held back. What comes out is checked here.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use milena_core::machine::writer::{self, Job};
use milena_core::machine::{Answered, Channel, Command, ConnId, Input, Machine, Notice, Output, reader};
use milena_core::protocol::ApiKey;
use milena_core::{Address, CloseReason, Config, Instant, Now};

use super::super::Meter;
use super::broker::{Asked, Cluster};
use super::ledger::Ledger;

/// Shorter than any pause after a failure: those begin at 100 ms, a fifth less by chance.
const MOMENT: Duration = Duration::from_millis(80);

/// Bytes that any step may take, and a step for each thing that there is. Half of it is enough for all that chance has tried.
const ALLOWED: usize = 16 << 10;
const ALLOWED_EACH: usize = 1 << 10;

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
    /// Requests that the machine awaits answers to, but for that of version negotiation.
    unanswered: usize,
    /// Bytes on the way to the client.
    pub(super) coming: Vec<u8>,
    /// Bytes that came since the last answer, at most.
    held: usize,
    /// Correlation ids of metadata that name the brokers there are, all of them.
    pub(super) true_metadata: BTreeSet<i32>,
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
}

/// A broker that could not be reached.
#[derive(Debug)]
struct Failed {
    at: Instant,
    /// So many connections were waiting to be made before it failed: they wait no longer for that.
    waiting: usize,
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
    /// Nodes that answers have named which are no broker's, at most.
    strangers: usize,
    /// An answer may have given a broker's address to another, or another id.
    is_confused: bool,
    done: Done,
    failed: BTreeMap<Address, Failed>,
    /// Connections that were not yet asked for when this step began.
    waiting: usize,
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
            strangers: 0,
            is_confused: false,
            done: Done { since: now.mono, ..Done::default() },
            failed: BTreeMap::new(),
            waiting: 0,
            is_shut: false,
            told: String::new(),
        }
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn command(&mut self, command: Command) {
        self.done.causes += 1;
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
        self.ledger.size() + self.conns.len() + self.nodes()
    }

    /// How many nodes the machine may know of.
    fn nodes(&self) -> usize {
        self.config.bootstrap.len() + self.cluster.len() + self.strangers
    }

    /// One step of the machine: it takes no more memory than it may, and tells no more than it may.
    fn step<T>(&mut self, what: &str, bytes: usize, step: impl FnOnce(&mut Machine, Now) -> T) -> T {
        self.waiting = self.machine.outstanding().connections.saturating_sub(self.conns.len());
        let size = self.size();
        let before = (self.meter.0)();
        let result = step(&mut self.machine, self.now);
        let taken = (self.meter.0)() - before;
        let allowed = ALLOWED + size * ALLOWED_EACH + bytes * HANDLING;
        assert!(taken <= allowed as u64, "{what} took {taken} bytes of memory, {allowed} are allowed");
        // An answer may have an element in every few bytes.
        let most = 16 + 4 * size + bytes / 4;
        let mut count = 0;
        while let Some(output) = self.machine.poll_output() {
            count += 1;
            assert!(count <= most, "more than {most} outputs after {what}, the last of them {output:?}");
            let _ = writeln!(self.told, "{:?} {output:?}", self.now.mono);
            self.on_output(output);
        }
        result
    }

    fn check_outstanding(&self) {
        let outstanding = self.machine.outstanding();
        let unanswered: usize = self.conns.values().map(|conn| conn.unanswered).sum();
        assert_eq!(outstanding.unanswered, unanswered, "requests sent and not answered");
        if !self.is_shut {
            if outstanding.queued == 0 && !self.is_confused {
                self.check_idle();
            }
            return self.ledger.check_outstanding(&outstanding, self.nodes());
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
                if let Some(gone) = self.conns.remove(&conn) {
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
            Output::Notice(Notice::ConnectionReady { address, .. }) => drop(self.failed.remove(&address)),
            Output::Notice(Notice::ConnectionRefused { conn, address, .. }) => {
                let (last, gone) = self.ended.as_ref().expect("it has just ended");
                assert_eq!(*last, conn, "the notice names the connection that ended");
                if !gone.has_answered && !self.is_confused {
                    let (at, waiting) = (self.now.mono, self.waiting);
                    self.failed.insert(address, Failed { at, waiting });
                }
            }
            Output::Notice(_) => {}
        }
    }

    /// A broker that failed is left alone for a moment.
    ///
    /// It failed if a connection to it ended before its first answer. Those that were waiting to be made by then (each lane has
    /// its own) wait for what they waited for, and what was asked to be made is not asked again. A connection that gets ready shows
    /// that it is back. It is brokers that are left alone, not addresses: once answers have named a broker's address under
    /// another id, or left the broker out, nothing is checked until true metadata came.
    fn on_connect(&mut self, conn: ConnId, address: Address) {
        if let Some(failed) = self.failed.get_mut(&address)
            && self.now.mono < failed.at + MOMENT
        {
            let (now, at) = (self.now.mono, failed.at);
            assert!(failed.waiting > 0, "{address} failed at {at:?}, and is connected to again at {now:?}");
            failed.waiting -= 1;
        }
        let new = Conn {
            address,
            is_made: false,
            is_ready: false,
            has_answered: false,
            channel: Channel::new(conn, &self.config),
            asked: Vec::new(),
            unanswered: 0,
            coming: Vec::new(),
            held: 0,
            true_metadata: BTreeSet::new(),
        };
        assert!(self.conns.insert(conn, new).is_none(), "{conn} is connected twice");
        self.count("connects", |done| &mut done.connects);
    }

    /// Whatever brokers answer, and how soon: what fails is tried again after a pause.
    fn count(&mut self, what: &str, of: fn(&mut Done) -> &mut usize) {
        if self.now.mono >= self.done.since + MOMENT {
            self.done = Done { since: self.now.mono, ..Done::default() };
        }
        *of(&mut self.done) += 1;
        let (count, size) = (*of(&mut self.done), self.size());
        let most = 16 + 4 * size + 2 * self.done.causes;
        assert!(count <= most, "{count} {what} within {MOMENT:?}, {most} would do: {:?}", self.done);
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
        self.now.wall = 1_700_000_000_000 + self.now.mono.as_micros() as i64 / 1000;
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
            let is_negotiation = transmit.request.kind().key == ApiKey::API_VERSIONS;
            from.unanswered += usize::from(!is_negotiation);
            let encoded = from.channel.send(transmit);
            let mut bytes = Vec::new();
            let written = from.channel.write_with(|segments| {
                segments.iter().for_each(|segment| bytes.extend_from_slice(segment));
                Ok::<_, Infallible>(bytes.len())
            });
            assert_eq!(written, Ok(()));
            if !bytes.is_empty() {
                let asked = Asked::of(Bytes::from(bytes.split_off(4)));
                if asked.is_answered() {
                    from.asked.push(asked);
                }
            }
            from.unanswered -= usize::from(encoded.is_some());
            self.count("requests", |done| &mut done.requests);
            if let Some(encoded) = encoded {
                self.handle(Input::Encoded(encoded), 0);
            }
            self.check_outstanding();
        }
    }

    /// An answer that is none of a broker that is as it should be: it may name anybody.
    pub(super) fn confuse(&mut self, bytes: usize) {
        self.is_confused = true;
        self.strangers += bytes / 8;
        self.failed.clear();
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
        // Lengths that nothing follows are garbage's.
        let announced = if self.is_confused { UNPROVEN } else { 0 };
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
        let Answered { conn, correlation, .. } = answered;
        let mut is_true = false;
        if let Some(to) = self.conns.get_mut(&conn) {
            to.has_answered = true;
            to.unanswered -= usize::from(answered.answer.kind.key != ApiKey::API_VERSIONS);
            is_true = to.true_metadata.remove(&correlation);
        }
        self.handle(Input::Answered(answered), bytes);
        if is_true {
            self.check_retired();
        }
        if is_true && self.is_confused && self.conns.values().all(|conn| conn.coming.is_empty()) {
            self.is_confused = false;
            self.failed.clear();
        }
    }

    /// A broker has one connection for calls, one for records and one for each reader; others end when they are idle.
    fn check_idle(&self) {
        let mut idle: BTreeMap<&Address, usize> = BTreeMap::new();
        for conn in self.conns.values().filter(|conn| conn.unanswered == 0) {
            *idle.entry(&conn.address).or_default() += 1;
        }
        let most = 2 + self.ledger.live_readers().count();
        let more = idle.iter().find(|(_, count)| **count > most);
        assert!(more.is_none(), "{more:?} connections have nothing to do, {most} would do");
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
