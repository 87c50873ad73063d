//! The world outside of the client: a virtual clock, byte streams that cut and delay, and the brokers behind them.
//!
//! Rules:
//! - Everything that will happen is an event at a time; events of one time happen in the order in which they were set.
//! - What is written is cut into pieces of any size, each of which takes its own time; a direction of a link keeps its order.
//! - A link that one side closes still delivers what was under way; one that is reset loses it.
//! - The lock is never held while a task is polled or dropped; wakers only put a task into a queue.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use milena_core::drive::{Runtime, Stream};
use milena_core::protocol::{self, ApiKey, BrokerId};
use milena_core::wire::Framer;
use milena_core::{Address, CloseReason, Instant, Now};

use super::executor::Inbox;
use super::random::Random;
use super::stuck::{Owner, Wait};
use super::trace::{Event as Told, Trace};
use super::{Options, lock};
use crate::cluster::{self, ClusterOutput, ClusterState, ConnectionId};

/// The wall clock when a run starts: 2026-01-01, in milliseconds since 1970.
const WALL_START_MS: i64 = 1_767_225_600_000;
/// `socket.request.max.bytes`: Kafka's default, 100 MiB.
const MAX_REQUEST_BYTES: usize = 100 << 20;
/// Bytes on their way from a client to a broker, at most: as small as a slow network's send buffer, so that writes have
/// to wait.
const WINDOW_BYTES: usize = 64 << 10;
/// Most pieces are small, but large data should not take an event for each few bytes: up to 2 to the power of this.
const PIECE_BITS: u64 = 15;

/// What the clients' runtimes and the world's handle share.
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) inbox: Arc<Inbox>,
}

pub(super) struct State {
    now: Duration,
    options: Options,
    random: Random,
    pub(super) cluster: ClusterState,
    events: BTreeMap<(Duration, u64), Event>,
    next_event: u64,
    links: BTreeMap<u64, Link>,
    by_connection: BTreeMap<ConnectionId, u64>,
    next_link: u64,
    pub(super) trace: Trace,
}

enum Event {
    Wake(Waker),
    /// A client's wish to connect reaches the broker,
    Knock(u64),
    /// and its answer the client.
    Welcome(u64),
    /// A piece reaches the broker,
    Up(u64),
    /// or the client.
    Down(u64),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Connecting,
    Open,
    Refused,
    Reset,
}

/// One direction of a link.
#[derive(Default)]
struct Pipe {
    /// What is under way; `None` is the end. Each has its event.
    pieces: VecDeque<Option<Bytes>>,
    bytes: usize,
    /// When the last of it arrives.
    last: Duration,
}

struct Link {
    broker: BrokerId,
    conn: Option<ConnectionId>,
    phase: Phase,
    up: Pipe,
    down: Pipe,
    framer: Framer,
    /// What the broker was asked and has not answered, with the correlation ids.
    asked: VecDeque<(i32, ApiKey)>,
    received: BytesMut,
    ended: bool,
    abandoned: bool,
    waiting: Vec<Waker>,
}

impl Link {
    fn wake(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }

    fn wait(&mut self, cx: &Context<'_>) {
        if !self.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.waiting.push(cx.waker().clone());
        }
    }

    fn reset(&mut self) {
        self.phase = Phase::Reset;
        self.up = Pipe::default();
        self.down = Pipe::default();
        self.conn = None;
        self.wake();
    }
}

impl State {
    pub(super) fn new(seed: u64, options: Options) -> Self {
        let mut cluster = ClusterState::new(options.cluster.clone());
        for (broker, _) in cluster.brokers().collect::<Vec<_>>() {
            cluster.set_address(broker, &host(broker), PORT);
        }
        State {
            now: Duration::ZERO,
            trace: Trace::new(options.trace_entries),
            options,
            random: Random::new(seed),
            cluster,
            events: BTreeMap::new(),
            next_event: 0,
            links: BTreeMap::new(),
            by_connection: BTreeMap::new(),
            next_link: 1,
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.now
    }

    fn cluster_now(&self) -> cluster::Now {
        cluster::Now { elapsed: self.now, wall_ms: WALL_START_MS + self.now.as_millis() as i64 }
    }

    pub(super) fn draw(&mut self) -> u64 {
        self.random.word()
    }

    pub(super) fn tell(&mut self, event: Told) {
        self.trace.tell(self.now, event);
    }

    fn set(&mut self, at: Duration, event: Event) -> (Duration, u64) {
        let key = (at, self.next_event);
        self.next_event += 1;
        self.events.insert(key, event);
        key
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

    /// Resets every link that is open.
    pub(super) fn drop_connections(&mut self) {
        for (id, link) in &mut self.links {
            if link.phase == Phase::Open {
                if let Some(conn) = link.conn {
                    self.cluster.disconnect(conn);
                    self.by_connection.remove(&conn);
                }
                link.reset();
                self.trace.tell(self.now, Told::Reset { link: *id });
            }
        }
        self.route();
    }

    // ---- links ----

    /// What the broker at the end of a link was asked and has not answered.
    pub(super) fn asked(&self, link: u64) -> impl Iterator<Item = ApiKey> {
        self.links.get(&link).into_iter().flat_map(|link| link.asked.iter().map(|(_, key)| *key))
    }

    fn connect(&mut self, address: &Address) -> Option<u64> {
        let known = self.cluster.brokers().map(|(broker, _)| broker).collect::<Vec<_>>();
        let broker =
            known.into_iter().find(|broker| host(*broker) == address.host && address.port == PORT)?;
        let id = self.next_link;
        self.next_link += 1;
        let link = Link {
            broker,
            conn: None,
            phase: Phase::Connecting,
            up: Pipe::default(),
            down: Pipe::default(),
            framer: Framer::new(MAX_REQUEST_BYTES),
            asked: VecDeque::new(),
            received: BytesMut::new(),
            ended: false,
            abandoned: false,
            waiting: Vec::new(),
        };
        self.links.insert(id, link);
        self.tell(Told::Connect { link: id, broker });
        let at = self.now + self.delay();
        self.set(at, Event::Knock(id));
        Some(id)
    }

    fn on_knock(&mut self, id: u64) {
        let at = self.now + self.delay();
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.abandoned {
            self.links.remove(&id);
            return;
        }
        link.conn = self.cluster.connect(link.broker);
        if let Some(conn) = link.conn {
            self.by_connection.insert(conn, id);
        }
        self.set(at, Event::Welcome(id));
    }

    fn on_welcome(&mut self, id: u64) {
        let Some(link) = self.links.get_mut(&id) else { return };
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
    fn delay(&mut self) -> Duration {
        let (shortest, longest) = self.options.latency;
        let delay = self.random.duration(shortest, longest);
        match self.random.within(0..=9_999) < self.options.stalls {
            true => delay + self.random.duration(Duration::ZERO, self.options.longest_stall),
            false => delay,
        }
    }

    fn send(&mut self, id: u64, up: bool, piece: Option<Bytes>) {
        let delay = self.delay();
        let Some(link) = self.links.get_mut(&id) else { return };
        let pipe = if up { &mut link.up } else { &mut link.down };
        pipe.last = pipe.last.max(self.now + delay);
        pipe.bytes += piece.as_ref().map_or(0, Bytes::len);
        pipe.pieces.push_back(piece);
        let at = pipe.last;
        self.set(at, if up { Event::Up(id) } else { Event::Down(id) });
    }

    fn send_in_pieces(&mut self, id: u64, up: bool, mut data: Bytes) {
        while !data.is_empty() {
            let size = self.random.of_any_size(PIECE_BITS).min(data.len());
            let piece = data.split_to(size);
            self.send(id, up, Some(piece));
        }
    }

    fn on_up(&mut self, id: u64) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(piece) = link.up.pieces.pop_front() else { return };
        let Some(piece) = piece else { return self.end(id) };
        link.up.bytes -= piece.len();
        link.wake();
        self.trace.piece(self.now, id << 1, &piece);
        link.framer.buffer().extend_from_slice(&piece);
        loop {
            let now = self.cluster_now();
            let Some(link) = self.links.get_mut(&id) else { return };
            // A broker that has closed the connection takes no more.
            let Some(conn) = link.conn else { return };
            let frame = match link.framer.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => return,
                Err(error) => panic!("a client sent what is no frame: {error}"),
            };
            let (broker, bytes) = (link.broker, frame.len());
            if let Ok((header, _)) = protocol::decode_request_header(frame.clone()) {
                let (key, version) = (header.request_api_key, header.request_api_version);
                let correlation_id = header.correlation_id;
                link.asked.push_back((correlation_id, key));
                self.tell(Told::Request { link: id, broker, key, version, correlation_id, bytes });
            }
            self.cluster.handle_frame(now, conn, frame);
            self.route();
        }
    }

    fn on_down(&mut self, id: u64) {
        let Some(link) = self.links.get_mut(&id) else { return };
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

    fn abandon(&mut self, id: u64) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.abandoned = true;
        match link.phase {
            // It ends when its way there and back does.
            Phase::Connecting => {}
            Phase::Open => {
                self.send(id, true, None);
                self.tell(Told::ClosedByClient { link: id });
            }
            Phase::Refused | Phase::Reset => self.end(id),
        }
    }

    /// Carries out what the cluster wants.
    fn route(&mut self) {
        while let Some(output) = self.cluster.poll_output() {
            match output {
                ClusterOutput::Send { conn, frame } => {
                    let Some(id) = self.by_connection.get(&conn).copied() else { continue };
                    let frame = frame.to_bytes();
                    let correlation_id = protocol::correlation_id(&frame[4..]).unwrap_or_default();
                    let Some(link) = self.links.get_mut(&id) else { continue };
                    let broker = link.broker;
                    // Those before it wanted no answer.
                    let done = link.asked.iter().position(|(asked, _)| *asked == correlation_id);
                    link.asked.drain(..done.map_or(0, |index| index + 1));
                    self.tell(Told::Answer { link: id, broker, correlation_id, bytes: frame.len() - 4 });
                    self.send_in_pieces(id, false, frame);
                }
                ClusterOutput::Close { conn } => {
                    let Some(id) = self.by_connection.remove(&conn) else { continue };
                    let Some(link) = self.links.get_mut(&id) else { continue };
                    link.conn = None;
                    let crashed = !self.cluster.brokers().any(|(broker, up)| broker == link.broker && up);
                    if crashed && self.random.percent(50) {
                        link.reset();
                        self.tell(Told::Reset { link: id });
                    } else {
                        self.tell(Told::ClosedByBroker { link: id });
                        self.send(id, false, None);
                    }
                }
            }
        }
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

/// What a client runs on.
pub(super) struct SimRuntime {
    pub(super) shared: Arc<Shared>,
    /// Its number, from 1.
    pub(super) client: u32,
    /// How far this client's wall clock is ahead of the brokers', in milliseconds.
    pub(super) skew_ms: i64,
}

impl Runtime for SimRuntime {
    type Stream = SimStream;

    fn now(&self) -> Now {
        let now = lock(&self.shared.state).now;
        Now {
            mono: Instant::from_micros(now.as_micros() as u64),
            wall: WALL_START_MS + now.as_millis() as i64 + self.skew_ms,
        }
    }

    fn connect(
        &self,
        address: &Address,
    ) -> impl Future<Output = Result<SimStream, CloseReason>> + Send + 'static {
        let link = lock(&self.shared.state).connect(address);
        let stream = link.map(|link| SimStream { shared: self.shared.clone(), link });
        let unknown = CloseReason::Resolve(format!("{} is not known", address.host));
        async move {
            let stream = stream.ok_or(unknown)?;
            std::future::poll_fn(|cx| stream.poll_connected(cx)).await?;
            Ok(stream)
        }
    }

    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + Send + 'static {
        Sleep { shared: self.shared.clone(), at: Duration::from_micros(at.as_micros()), event: None }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.shared.inbox.spawn(Owner::Client(self.client, None), task);
    }
}

/// Ready at a time.
pub(super) struct Sleep {
    pub(super) shared: Arc<Shared>,
    pub(super) at: Duration,
    pub(super) event: Option<(Duration, u64)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let shared = self.shared.clone();
        let mut state = lock(&shared.state);
        if let Some(event) = self.event.take() {
            state.events.remove(&event);
        }
        if state.now >= self.at {
            return Poll::Ready(());
        }
        self.event = Some(state.set(self.at, Event::Wake(cx.waker().clone())));
        shared.inbox.wait(Wait::Time(self.at));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(event) = self.event.take() {
            lock(&self.shared.state).events.remove(&event);
        }
    }
}

/// The client's end of a link.
pub(super) struct SimStream {
    shared: Arc<Shared>,
    link: u64,
}

impl SimStream {
    fn poll_connected(&self, cx: &Context<'_>) -> Poll<Result<(), CloseReason>> {
        let mut state = lock(&self.shared.state);
        let refused = || CloseReason::connect(&io::ErrorKind::ConnectionRefused.into());
        let Some(link) = state.links.get_mut(&self.link) else { return Poll::Ready(Err(refused())) };
        match link.phase {
            Phase::Connecting => {
                link.wait(cx);
                self.shared.inbox.wait(Wait::Connect(link.broker));
                Poll::Pending
            }
            Phase::Open => Poll::Ready(Ok(())),
            Phase::Refused | Phase::Reset => Poll::Ready(Err(refused())),
        }
    }
}

impl Stream for SimStream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut BytesMut) -> Poll<io::Result<usize>> {
        let mut state = lock(&self.shared.state);
        let reset = || Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        let Some(link) = state.links.get_mut(&self.link) else { return reset() };
        if link.phase == Phase::Reset {
            return reset();
        }
        if !link.received.is_empty() {
            let count = link.received.len().min(buffer.capacity() - buffer.len());
            assert!(count > 0, "the driver reads into a full buffer");
            buffer.extend_from_slice(&link.received[..count]);
            link.received.advance(count);
            return Poll::Ready(Ok(count));
        }
        if link.ended {
            return Poll::Ready(Ok(0));
        }
        link.wait(cx);
        self.shared.inbox.wait(Wait::Data(link.broker, self.link));
        Poll::Pending
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, segments: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut state = lock(&self.shared.state);
        let state = &mut *state;
        let Some(link) = state.links.get_mut(&self.link).filter(|link| link.phase == Phase::Open) else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        };
        let room = WINDOW_BYTES.saturating_sub(link.up.bytes);
        if room == 0 {
            link.wait(cx);
            self.shared.inbox.wait(Wait::Room(link.broker));
            return Poll::Pending;
        }
        let offered: usize = segments.iter().map(|segment| segment.len()).sum();
        let mut taken = offered.min(room);
        // Sockets may always take less.
        if state.random.percent(20) {
            taken = state.random.of_any_size(PIECE_BITS).min(taken);
        }
        let mut data = BytesMut::with_capacity(taken);
        for segment in segments {
            data.extend_from_slice(&segment[..segment.len().min(taken - data.len())]);
        }
        state.send_in_pieces(self.link, true, data.freeze());
        Poll::Ready(Ok(taken))
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        lock(&self.shared.state).abandon(self.link);
    }
}
