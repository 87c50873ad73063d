//! The world outside of the clients: true time, byte streams that cut and delay, and the brokers behind them.
//!
//! Rules:
//! - Everything that will happen is an event at a time; events of one time happen in the order in which they were set.
//! - What is written is cut into pieces of any size, each of which takes its own time; a direction of a link keeps its order.
//! - A link that one side closes still delivers what was under way; one that is reset loses it.
//! - The lock is never held while a task is polled or dropped; wakers only put a task into a queue.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use milena_core::Address;
use milena_core::protocol::{self, ApiKey, BrokerId, FetchRequest, Message};
use milena_core::record::Batches;
use milena_core::wire::Frame;

use super::Options;
use super::epochs::{self, Epochs};
use super::executor::Inbox;
use super::faults::InForce;
use super::link::{Link, PIECE_BITS, Phase, Step};
use super::plan::{Kind, Planned, ProcessId};
use super::runtime::Clock;
use super::trace::{Event as Told, Trace};
use crate::cluster::{self, ClusterOutput, ClusterState, ConnectionId};
use crate::random::Random;

/// The wall clock when a run starts: 2026-01-01, in milliseconds since 1970.
pub(super) const WALL_START_MS: i64 = 1_767_225_600_000;
/// Bytes of a batch before those that its CRC covers, the CRC itself included in what may be wrong.
const BEFORE_CRC_BYTES: usize = 17;
/// First version of Fetch that names leader epochs.
const NAMES_EPOCHS: i16 = 9;

/// What the clients' runtimes and the world's handle share.
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) inbox: Arc<Inbox>,
}

pub(super) struct State {
    pub(super) now: Duration,
    pub(super) options: Options,
    pub(super) random: Random,
    /// What links' generators start from.
    link_seed: u64,
    pub(super) cluster: ClusterState,
    events: BTreeMap<(Duration, u64), Event>,
    next_event: u64,
    hosts: BTreeMap<String, BrokerId>,
    pub(super) links: BTreeMap<u64, Link>,
    pub(super) by_connection: BTreeMap<ConnectionId, u64>,
    next_link: u64,
    pub(super) inbox: Arc<Inbox>,
    pub(super) faults: InForce,
    pub(super) clocks: BTreeMap<ProcessId, Clock>,
    /// The first thing that a client asked which brokers put up with and a client should not do.
    pub(super) mistake: Option<String>,
    tells_epochs: bool,
    epochs: Epochs,
    pub(super) trace: Trace,
}

pub(super) enum Event {
    Wake(Waker),
    /// A client's wish to connect reaches the broker,
    Knock(u64),
    /// and its answer the client.
    Welcome(u64),
    /// A piece reaches the broker,
    Up(u64),
    /// or the client.
    Down(u64),
    /// A planned fault begins,
    Begin(Box<Planned>),
    /// or ends.
    End(u64),
}

impl State {
    pub(super) fn new(seed: u64, options: Options, inbox: Arc<Inbox>) -> Self {
        let mut cluster = ClusterState::new(options.cluster.clone());
        let mut hosts = BTreeMap::new();
        for (broker, _) in cluster.brokers().collect::<Vec<_>>() {
            cluster.set_address(broker, &host(broker), PORT);
            hosts.insert(host(broker), broker);
        }
        let mut random = Random::new(seed);
        let mut state = State {
            now: Duration::ZERO,
            trace: Trace::new(options.trace_entries),
            link_seed: random.word(),
            random,
            cluster,
            events: BTreeMap::new(),
            next_event: 0,
            hosts,
            links: BTreeMap::new(),
            by_connection: BTreeMap::new(),
            next_link: 1,
            inbox,
            faults: InForce::default(),
            clocks: BTreeMap::new(),
            mistake: None,
            tells_epochs: epochs::are_told(options.cluster.as_version),
            epochs: Epochs::default(),
            options,
        };
        for planned in state.options.faults.planned.clone() {
            state.set(planned.from, Event::Begin(Box::new(planned)));
        }
        state
    }

    pub(super) fn now(&self) -> Duration {
        self.now
    }

    pub(super) fn clock(&self, process: ProcessId) -> Clock {
        self.clocks.get(&process).copied().unwrap_or_default()
    }

    fn cluster_now(&self) -> cluster::Now {
        cluster::Now { elapsed: self.now, wall_ms: WALL_START_MS + self.now.as_millis() as i64 }
    }

    pub(super) fn draw(&mut self) -> u64 {
        self.random.word()
    }

    /// What happened so far.
    pub(super) fn story(&self) -> Trace {
        let mut trace = self.trace.clone();
        for (name, count) in self.cluster.faults_met() {
            if let Some(kind) = Kind::of_request(name) {
                trace.fire_times(kind, *count);
            }
        }
        trace
    }

    pub(super) fn tell(&mut self, event: Told) {
        self.trace.tell(self.now, event);
    }

    pub(super) fn set(&mut self, at: Duration, event: Event) -> (Duration, u64) {
        let key = (at, self.next_event);
        self.next_event += 1;
        self.events.insert(key, event);
        key
    }

    pub(super) fn unset(&mut self, event: &(Duration, u64)) {
        self.events.remove(event);
    }

    /// Nothing that was planned happens any more.
    pub(super) fn forget_plan(&mut self) {
        self.events.retain(|_, event| !matches!(event, Event::Begin(_) | Event::End(_)));
    }

    /// Lets the next thing happen, at its time; false if nothing ever will.
    pub(super) fn advance(&mut self) -> bool {
        let event = self.events.first_key_value().map(|((at, _), _)| *at);
        let timeout = self.cluster.poll_timeout();
        let Some(at) = [event, timeout].into_iter().flatten().min() else { return false };
        self.now = self.now.max(at);
        if event == Some(at)
            && let Some((_, event)) = self.events.pop_first()
        {
            match event {
                Event::Wake(waker) => waker.wake(),
                Event::Knock(link) => self.on_knock(link),
                Event::Welcome(link) => self.on_welcome(link),
                Event::Up(link) => self.on_up(link),
                Event::Down(link) => self.on_down(link),
                Event::Begin(planned) => self.begin_fault(planned.fault, planned.until),
                Event::End(fault) => self.end_fault(fault),
            }
        } else {
            self.cluster.handle_timeout(self.cluster_now());
        }
        self.route();
        true
    }

    /// Does something to the cluster, at this time.
    pub(super) fn control<T>(&mut self, apply: impl FnOnce(&mut ClusterState) -> T) -> T {
        self.cluster.handle_timeout(self.cluster_now());
        self.route();
        let result = apply(&mut self.cluster);
        self.route();
        result
    }

    // ---- links ----

    /// What the broker at the end of a link was asked and has not answered.
    pub(super) fn asked(&self, link: u64) -> impl Iterator<Item = ApiKey> {
        self.links.get(&link).into_iter().flat_map(|link| link.asked.iter().map(|(_, key)| *key))
    }

    pub(super) fn connect(&mut self, process: ProcessId, client: u32, address: &Address) -> Option<u64> {
        let broker = *self.hosts.get(&address.host).filter(|_| address.port == PORT)?;
        let id = self.next_link;
        self.next_link += 1;
        let random = Random::new(self.link_seed.wrapping_mul(id | 1) ^ id);
        self.links.insert(id, Link::new(process, client, broker, random));
        self.tell(Told::Connect { link: id, broker });
        let at = self.now + self.delay(id, true);
        self.set(at, Event::Knock(id));
        Some(id)
    }

    fn on_knock(&mut self, id: u64) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.abandoned {
            self.links.remove(&id);
            return;
        }
        let (process, broker) = (link.process, link.broker);
        if let Some(kind) = self.faults.holds_connect(process, broker) {
            link.stopped = Some(Step::Knock);
            return self.trace.fire(kind);
        }
        if self.faults.refuses(process, broker) {
            self.trace.fire(Kind::Refuse);
        } else {
            link.conn = self.cluster.connect(broker);
            self.by_connection.extend(link.conn.map(|conn| (conn, id)));
        }
        let at = self.now + self.delay(id, false);
        self.set(at, Event::Welcome(id));
    }

    fn on_welcome(&mut self, id: u64) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if !link.abandoned
            && let Some(kind) = self.faults.blocks(link.process, link.broker, false)
        {
            link.stopped = Some(Step::Welcome);
            return self.trace.fire(kind);
        }
        // It may have been reset on the way.
        if link.phase == Phase::Connecting {
            (link.phase, link.ended) = match link.conn {
                Some(_) => (Phase::Open, false),
                None => (Phase::Refused, true),
            };
            link.wake();
        }
        let phase = link.phase;
        if link.abandoned {
            self.end(id);
        } else if phase == Phase::Open {
            self.tell(Told::Connected { link: id });
        } else {
            self.tell(Told::Refused { link: id });
        }
    }

    /// How long one piece takes.
    fn delay(&mut self, id: u64, up: bool) -> Duration {
        let Some(link) = self.links.get_mut(&id) else { return Duration::ZERO };
        let (latency, stalls) = self.faults.delays(link.process, link.broker, up);
        let (shortest, longest) = match latency {
            Some(latency) => {
                self.trace.fire(Kind::Latency);
                latency
            }
            None => self.options.latency,
        };
        let delay = link.random.duration(shortest, longest);
        let planned = stalls.is_some();
        let (stalls, longest) = stalls.unwrap_or((self.options.stalls, self.options.longest_stall));
        if stalls == 0 || link.random.within(0..=9_999) >= stalls {
            return delay;
        }
        if planned {
            self.trace.fire(Kind::Stall);
        }
        delay + link.random.duration(Duration::ZERO, longest)
    }

    fn send(&mut self, id: u64, up: bool, piece: Option<Bytes>) {
        let delay = self.delay(id, up);
        let now = self.now;
        let Some(link) = self.links.get_mut(&id) else { return };
        let bytes = piece.as_ref().map_or(0, Bytes::len);
        let rate = self.faults.bandwidth(link.process, link.broker, up);
        let deaf = link.deaf;
        let pipe = link.pipe(up);
        pipe.bytes += bytes;
        if deaf {
            return;
        }
        let mut at = now + delay;
        if let Some(rate) = rate {
            let takes = Duration::from_micros(bytes as u64 * 1_000_000 / rate);
            pipe.free = pipe.free.max(now) + takes;
            at += pipe.free - now;
            self.trace.fire(Kind::Bandwidth);
        }
        pipe.last = pipe.last.max(at);
        pipe.pieces.push_back(piece);
        let at = pipe.last;
        self.set(at, if up { Event::Up(id) } else { Event::Down(id) });
    }

    pub(super) fn send_in_pieces(&mut self, id: u64, up: bool, mut data: Bytes) {
        let Some(link) = self.links.get(&id) else { return };
        let most = self.faults.pieces(link.process, link.broker);
        if most.is_some() {
            self.trace.fire(Kind::Pieces);
        }
        while !data.is_empty() {
            let Some(link) = self.links.get_mut(&id) else { return };
            let size = link.random.of_any_size(PIECE_BITS).min(data.len()).min(most.unwrap_or(usize::MAX));
            let piece = data.split_to(size);
            self.send(id, up, Some(piece));
        }
    }

    fn on_up(&mut self, id: u64) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if let Some(kind) = self.faults.blocks(link.process, link.broker, true) {
            link.up.held += 1;
            return self.trace.fire(kind);
        }
        let Some(piece) = link.up.pieces.pop_front() else { return };
        let Some(piece) = piece else { return self.end(id) };
        link.up.bytes -= piece.len();
        link.wake();
        self.trace.piece(self.now, id << 1, &piece);
        if let Err(error) = link.framer.push(&piece) {
            panic!("a client sent what is no frame: {error}");
        }
        loop {
            let now = self.cluster_now();
            let Some(link) = self.links.get_mut(&id) else { return };
            // A broker that has closed the connection takes no more.
            let Some(conn) = link.conn else { return };
            let Some(frame) = link.framer.next_frame() else { return };
            let (broker, bytes) = (link.broker, frame.len());
            if let Ok((header, body)) = protocol::decode_request_header(frame.clone()) {
                let (key, version) = (header.request_api_key, header.request_api_version);
                let correlation_id = header.correlation_id;
                link.asked.push_back((correlation_id, key));
                let names_epochs = self.tells_epochs && key == ApiKey::FETCH && version >= NAMES_EPOCHS;
                let fetch = names_epochs.then(|| FetchRequest::decode(body, version)).and_then(Result::ok);
                let mistake = match link.asked_again.are_too_many(self.now, key, &frame) {
                    true => Some("again and again, without a pause"),
                    false => fetch.and_then(|fetch| self.epochs.mistake(link.client, id, &fetch)),
                };
                if let Some(mistake) = mistake.filter(|_| self.mistake.is_none()) {
                    let at = self.now.as_secs_f64();
                    self.mistake = Some(format!("{at:.6}: broker {broker} is asked {key} {mistake}"));
                }
                self.tell(Told::Request { link: id, broker, key, version, correlation_id, bytes });
            }
            self.cluster.handle_frame(now, conn, frame);
            self.route();
        }
    }

    fn on_down(&mut self, id: u64) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if let Some(kind) = self.faults.blocks(link.process, link.broker, false) {
            link.down.held += 1;
            return self.trace.fire(kind);
        }
        let Some(piece) = link.down.pieces.pop_front() else { return };
        match piece {
            Some(piece) => {
                link.down.bytes -= piece.len();
                link.received.extend_from_slice(&piece);
                self.trace.piece(self.now, id << 1 | 1, &piece);
            }
            None => link.ended = true,
        }
        link.wake();
    }

    /// The client's end of a link is gone, and all that it had sent was delivered.
    fn end(&mut self, id: u64) {
        let Some(link) = self.links.remove(&id) else { return };
        if let Some(conn) = link.conn {
            self.by_connection.remove(&conn);
            self.cluster.disconnect(conn);
        }
    }

    /// What was under way is lost, the end that a client sent too.
    pub(super) fn reset_link(&mut self, id: u64) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.reset();
        if link.abandoned {
            self.links.remove(&id);
        }
        self.tell(Told::Reset { link: id });
    }

    pub(super) fn abandon(&mut self, id: u64) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.abandoned = true;
        match link.phase {
            // It ends when its way there and back does.
            Phase::Connecting => {}
            Phase::Open if !link.deaf => {
                self.send(id, true, None);
                self.tell(Told::ClosedByClient { link: id });
            }
            Phase::Open | Phase::Refused | Phase::Reset => self.end(id),
        }
    }

    /// Carries out what the cluster wants.
    fn route(&mut self) {
        while let Some(output) = self.cluster.poll_output() {
            match output {
                ClusterOutput::Send { conn, frame } => {
                    let Some(id) = self.by_connection.get(&conn).copied() else { continue };
                    let frame = self.corrupted(id, &frame).unwrap_or_else(|| frame.to_bytes());
                    let correlation_id = protocol::correlation_id(&frame[4..]).unwrap_or_default();
                    let Some(link) = self.links.get_mut(&id) else { continue };
                    let broker = link.broker;
                    link.answered(correlation_id);
                    self.tell(Told::Answer { link: id, broker, correlation_id, bytes: frame.len() - 4 });
                    self.send_in_pieces(id, false, frame);
                }
                ClusterOutput::Close { conn } => {
                    let Some(id) = self.by_connection.remove(&conn) else { continue };
                    let Some(link) = self.links.get_mut(&id) else { continue };
                    link.conn = None;
                    let crashed = !self.cluster.brokers().any(|(broker, up)| broker == link.broker && up);
                    let heard = self.faults.blocks(link.process, link.broker, false).is_none();
                    if crashed && heard && link.random.percent(50) {
                        self.reset_link(id);
                    } else {
                        self.tell(Told::ClosedByBroker { link: id });
                        self.send(id, false, None);
                    }
                }
            }
        }
    }

    /// The frame with one bit of its first batch changed, if that was ordered: where the batch's own CRC covers it.
    fn corrupted(&mut self, id: u64, frame: &Frame) -> Option<Bytes> {
        let link = self.links.get_mut(&id)?;
        let ordered = self.faults.corrupts(link.process, link.broker)?;
        let mut before = 0;
        for segment in frame.segments() {
            if let Some(Ok(batch)) = Batches::new(segment.clone()).next()
                && batch.verify_crc().is_ok()
            {
                let mut bytes = BytesMut::from(frame.to_bytes());
                let place = link.random.within(BEFORE_CRC_BYTES as u64..=batch.bytes().len() as u64 - 1);
                bytes[before + place as usize] ^= 1 << link.random.within(0..=7);
                self.faults.corrupted(ordered);
                self.trace.fire(Kind::CorruptRecords);
                return Some(bytes.freeze());
            }
            before += segment.len();
        }
        None
    }
}

/// Every broker's port.
const PORT: u16 = 9092;

fn host(broker: BrokerId) -> String {
    format!("broker-{broker}")
}

/// The address of every broker, as a client's bootstrap setting.
pub(super) fn bootstrap(cluster: &ClusterState) -> String {
    let addresses = cluster.brokers().map(|(broker, _)| format!("{}:{PORT}", host(broker)));
    addresses.collect::<Vec<_>>().join(",")
}
