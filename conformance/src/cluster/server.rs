//! The cluster behind TCP: one listener for each broker, on threads of this process.
//!
//! One mutex guards the [`ClusterState`]. Whoever has an input for it (a connection's reader, the timer, a control
//! method) applies it, moves the outputs to the outboxes of their connections while it still holds the lock, so that
//! their order is kept, and writes to sockets only after. A reader writes its own connection's answers itself, which
//! spares a thread switch for each request; what others cause is written by the connection's writer thread.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use milena_core::protocol::create_acls::AclCreation;
use milena_core::protocol::{BrokerId, LeaderEpoch};
use milena_core::record::Batch;
use milena_core::wire::Framer;

use super::{
    ClusterOptions, ClusterOutput, ClusterState, ConnectionId, Fault, Now, Release, RequestLogEntry,
    Requests, TopicError, UnknownRelease,
};

/// `socket.request.max.bytes`: Kafka's default, 100 MiB.
const MAX_REQUEST_BYTES: usize = 100 * 1024 * 1024;
/// Read at once: some socket buffers' worth, so that a busy connection needs few system calls.
const READ_BYTES: usize = 256 * 1024;
/// A connection with this many bytes of requests waiting is not read from until they are served, as Kafka mutes one that
/// has a request under way; TCP then holds the client back.
const MAX_QUEUED_BYTES: usize = 8 * 1024 * 1024;
/// Answers of this many bytes not taken by a client also stop the reading from it.
const MAX_UNSENT_BYTES: usize = 64 * 1024 * 1024;
/// How often a reader that waits for room looks again by itself.
const ROOM_CHECK: Duration = Duration::from_millis(100);
/// Segments of one vectored write; more than the system's limit (1,024 on Linux) would not be taken at once.
const MAX_SEGMENTS: usize = 256;

/// A running cluster on 127.0.0.1; dropping it stops its threads and closes its sockets.
///
/// ```
/// use milena_conformance::cluster::Cluster;
///
/// let cluster = Cluster::builder().nodes(3).topic("events", 6).start().expect("loopback sockets");
/// assert_eq!(cluster.bootstrap().split(',').count(), 3);
/// ```
pub struct Cluster {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    listeners: Mutex<Vec<Option<JoinHandle<()>>>>,
    timer: Option<JoinHandle<()>>,
}

/// What a [`Cluster`] is to be; see [`ClusterOptions`] for meanings and defaults.
#[derive(Clone, Debug, Default)]
pub struct ClusterBuilder {
    options: ClusterOptions,
    as_version: Option<String>,
    port: u16,
}

/// Why a cluster could not start.
#[derive(Debug)]
pub enum StartError {
    /// `as_version` names no known release.
    Release(UnknownRelease),
    /// The release has no such broker configuration, or not with that value.
    Config(String),
    /// A topic was refused.
    Topic(String, TopicError),
    /// No brokers, or more than there are ports from the first one on.
    Nodes(u16),
    /// A port could not be listened on.
    Listen(u16, io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Release(error) => error.fmt(f),
            StartError::Config(why) => f.write_str(why),
            StartError::Topic(name, error) => write!(f, "topic {name:?} cannot be created: {error}"),
            StartError::Nodes(0) => f.write_str("a cluster needs at least one broker"),
            StartError::Nodes(nodes) => write!(f, "{nodes} brokers need more ports than there are"),
            StartError::Listen(port, error) => write!(f, "cannot listen on 127.0.0.1:{port}: {error}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::Release(error) => Some(error),
            StartError::Topic(_, error) => Some(error),
            StartError::Nodes(_) | StartError::Config(_) => None,
            StartError::Listen(_, error) => Some(error),
        }
    }
}

impl ClusterBuilder {
    /// All options at once; topics and release set on the builder are added to them.
    pub fn options(mut self, options: ClusterOptions) -> Self {
        self.options = options;
        self
    }

    /// The number of brokers. Default 1.
    pub fn nodes(mut self, nodes: u16) -> Self {
        self.options.nodes = nodes;
        self
    }

    /// Adds a topic that is there from the start.
    pub fn topic(mut self, name: &str, partitions: i32) -> Self {
        self.options.topics.push((name.to_owned(), partitions));
        self
    }

    /// The release to behave as, for example `2.8.2`. Default the newest known.
    pub fn as_version(mut self, release: &str) -> Self {
        self.as_version = Some(release.to_owned());
        self
    }

    /// Whether asking for an unknown topic creates it. Default no.
    pub fn auto_create_topics(mut self, allowed: bool) -> Self {
        self.options.auto_create_topics = allowed;
        self
    }

    /// Sets a broker configuration, such as `min.insync.replicas`; see [`ClusterOptions::configs`].
    pub fn config(mut self, name: &str, value: &str) -> Self {
        self.options.configs.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The first broker's port; the others have those after it. Default 0: the system chooses them all.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Binds the listeners and starts the threads.
    pub fn start(self) -> Result<Cluster, StartError> {
        let mut options = self.options;
        if let Some(release) = self.as_version {
            options.as_version = release.parse::<Release>().map_err(StartError::Release)?;
        }
        let nodes = options.nodes;
        if nodes == 0 || self.port.checked_add(nodes - 1).is_none() {
            return Err(StartError::Nodes(nodes));
        }
        options.check_configs().map_err(StartError::Config)?;
        let topics = std::mem::take(&mut options.topics);
        let mut state = ClusterState::new(options);
        for (name, partitions) in topics {
            state.create_topic(&name, partitions).map_err(|error| StartError::Topic(name, error))?;
        }
        let mut listeners = Vec::new();
        let mut addresses = Vec::new();
        for node in 0..nodes {
            let port = if self.port == 0 { 0 } else { self.port + node };
            let (listener, address) = listen(port).map_err(|error| StartError::Listen(port, error))?;
            state.set_address(broker_id(node.into()), &address.ip().to_string(), address.port());
            listeners.push(listener);
            addresses.push(address);
        }
        let inner = Inner { state, outboxes: BTreeMap::new(), timer_at: None, stopped: false };
        let shared =
            Arc::new(Shared { inner: Mutex::new(inner), timer: Condvar::new(), start: Instant::now() });
        let timer = thread::spawn({
            let shared = shared.clone();
            move || shared.run_timer()
        });
        let listeners = listeners.into_iter().enumerate().map(|(node, listener)| {
            let shared = shared.clone();
            Some(thread::spawn(move || shared.run_listener(broker_id(node), &listener)))
        });
        let listeners = Mutex::new(listeners.collect());
        Ok(Cluster { shared, addresses, listeners, timer: Some(timer) })
    }
}

impl Cluster {
    /// A cluster of one broker of the newest release.
    pub fn start() -> Result<Cluster, StartError> {
        Cluster::builder().start()
    }

    /// Starts with [`ClusterOptions::default`].
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::default()
    }

    /// The brokers' addresses as clients want them: `127.0.0.1:PORT,127.0.0.1:PORT`.
    pub fn bootstrap(&self) -> String {
        let addresses: Vec<_> = self.addresses.iter().map(SocketAddr::to_string).collect();
        addresses.join(",")
    }

    /// The brokers' addresses, in the order of their ids, 1 first.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// See [`ClusterState::create_topic`].
    pub fn create_topic(&self, name: &str, partitions: i32) -> Result<(), TopicError> {
        self.shared.step(|state, _| state.create_topic(name, partitions))
    }

    /// See [`ClusterState::delete_topic`].
    pub fn delete_topic(&self, name: &str) -> bool {
        self.shared.step(|state, _| state.delete_topic(name))
    }

    /// See [`ClusterState::move_leader`].
    pub fn move_leader(&self, topic: &str, partition: i32, to: BrokerId) -> bool {
        self.shared.step(|state, _| state.move_leader(topic, partition, to))
    }

    /// See [`ClusterState::leader`].
    pub fn leader(&self, topic: &str, partition: i32) -> Option<(BrokerId, LeaderEpoch)> {
        self.shared.step(|state, _| state.leader(topic, partition))
    }

    /// See [`ClusterState::offsets`].
    pub fn offsets(&self, topic: &str, partition: i32) -> Option<(i64, i64)> {
        self.shared.step(|state, _| state.offsets(topic, partition))
    }

    /// See [`ClusterState::log`].
    pub fn log(&self, topic: &str, partition: i32) -> Vec<Batch> {
        self.shared.step(|state, _| state.log(topic, partition).collect())
    }

    /// See [`ClusterState::requests`].
    pub fn requests(&self) -> Vec<RequestLogEntry> {
        self.shared.step(|state, _| state.requests().to_vec())
    }

    /// See [`ClusterState::on_request`].
    pub fn on_request(&self, requests: impl Into<Requests>, fault: Fault) {
        self.shared.step(|state, _| state.on_request(requests, fault));
    }

    /// See [`ClusterState::hang_up`].
    pub fn hang_up(&self) {
        self.shared.step(|state, _| state.hang_up());
    }

    /// See [`ClusterState::add_acls`].
    pub fn add_acls(&self, rules: impl IntoIterator<Item = AclCreation>) -> Result<(), TopicError> {
        self.shared.step(|state, _| state.add_acls(rules))
    }

    /// See [`ClusterState::set_quota`].
    pub fn set_quota(&self, user: Option<&str>, client_id: Option<&str>, key: &str, value: f64) {
        self.shared.step(|state, _| state.set_quota(user, client_id, key, value));
    }

    /// Crashes a broker: its connections and its listener close, and connecting to it is refused when this returns.
    /// Whether it was up. See [`ClusterState::stop_broker`].
    pub fn stop_broker(&self, broker: BrokerId) -> bool {
        if !self.shared.step(|state, _| state.stop_broker(broker)) {
            return false;
        }
        let Some(node) = self.node(broker) else { return false };
        let handle = lock(&self.listeners)[node].take();
        end_listener(self.addresses[node], handle);
        true
    }

    /// Starts a stopped broker on the port it had. Whether it was stopped; an error if the port is taken meanwhile.
    pub fn start_broker(&self, broker: BrokerId) -> io::Result<bool> {
        let Some(node) = self.node(broker) else { return Ok(false) };
        let mut listeners = lock(&self.listeners);
        if listeners[node].is_some() {
            return Ok(false);
        }
        let (listener, _) = listen(self.addresses[node].port())?;
        self.shared.step(|state, _| state.start_broker(broker));
        let shared = self.shared.clone();
        listeners[node] = Some(thread::spawn(move || shared.run_listener(broker, &listener)));
        Ok(true)
    }

    fn node(&self, broker: BrokerId) -> Option<usize> {
        let node = usize::try_from(broker.0).ok()?.checked_sub(1)?;
        (node < self.addresses.len()).then_some(node)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in 0..self.addresses.len() {
            self.stop_broker(broker_id(node));
        }
        lock(&self.shared.inner).stopped = true;
        self.shared.timer.notify_all();
        if let Some(timer) = self.timer.take() {
            let _ = timer.join();
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

fn broker_id(node: usize) -> BrokerId {
    BrokerId(node as i32 + 1)
}

fn listen(port: u16) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Wakes a listener's thread, whose broker is stopped already, by a connection, and waits for its end.
fn end_listener(address: SocketAddr, handle: Option<JoinHandle<()>>) {
    let Some(handle) = handle else { return };
    while !handle.is_finished() {
        let _ = TcpStream::connect_timeout(&address, Duration::from_millis(100));
        thread::sleep(Duration::from_millis(1));
    }
    let _ = handle.join();
}

/// A thread that panicked has said so; what it shares is still whole enough to shut down.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Shared {
    inner: Mutex<Inner>,
    /// Notified when the next timeout is earlier than the timer's thread knows, or to stop.
    timer: Condvar,
    start: Instant,
}

struct Inner {
    state: ClusterState,
    outboxes: BTreeMap<ConnectionId, Arc<Outbox>>,
    /// What the timer's thread sleeps until.
    timer_at: Option<Duration>,
    stopped: bool,
}

/// One connection's way out.
struct Outbox {
    broker: BrokerId,
    stream: TcpStream,
    pending: Mutex<Pending>,
    /// Notified when there is something to write, something was written, requests were served, or it is closed.
    changed: Condvar,
}

#[derive(Default)]
struct Pending {
    segments: VecDeque<Bytes>,
    bytes: usize,
    /// Bytes of requests waiting in the cluster.
    queued: usize,
    /// Whether a thread is writing, and will go on until nothing is left.
    writing: bool,
    /// Close it once all is written.
    closing: bool,
    closed: bool,
}

impl Shared {
    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall_ms = i64::try_from(wall.as_millis()).unwrap_or(i64::MAX);
        Now { elapsed: self.start.elapsed(), wall_ms }
    }

    /// Applies something to the state and hands out what follows from it.
    fn step<T>(&self, apply: impl FnOnce(&mut ClusterState, Now) -> T) -> T {
        self.step_on(None, apply)
    }

    /// The same, by the reader of a connection, which writes what comes for it by itself.
    fn step_on<T>(&self, own: Option<ConnectionId>, apply: impl FnOnce(&mut ClusterState, Now) -> T) -> T {
        let mut touched: Vec<(ConnectionId, Arc<Outbox>)> = Vec::new();
        let mut crashed: Vec<Arc<Outbox>> = Vec::new();
        let mut inner = lock(&self.inner);
        let result = apply(&mut inner.state, self.now());
        while let Some(output) = inner.state.poll_output() {
            let (ClusterOutput::Send { conn, .. } | ClusterOutput::Close { conn }) = output;
            let Some(outbox) = inner.outboxes.get(&conn).cloned() else { continue };
            let mut pending = lock(&outbox.pending);
            pending.queued = inner.state.queued_bytes(conn);
            match output {
                ClusterOutput::Send { frame, .. } => {
                    pending.bytes += frame.len();
                    pending.segments.extend(frame.into_segments());
                }
                ClusterOutput::Close { .. } => {
                    pending.closing = true;
                    inner.outboxes.remove(&conn);
                    if !inner.state.is_up(outbox.broker) {
                        crashed.push(outbox.clone());
                    }
                }
            }
            drop(pending);
            if touched.last().is_none_or(|(last, _)| *last != conn) {
                touched.push((conn, outbox));
            }
        }
        let timeout = inner.state.poll_timeout();
        let earlier = timeout.is_some_and(|due| inner.timer_at.is_none_or(|at| due < at));
        drop(inner);
        if earlier {
            self.timer.notify_one();
        }
        // A crashed broker sends nothing more, and must not wait for a client that takes nothing.
        for outbox in crashed {
            outbox.close();
        }
        for (conn, outbox) in touched {
            if own != Some(conn) {
                outbox.changed.notify_all();
            }
        }
        result
    }

    fn run_timer(&self) {
        let mut inner = lock(&self.inner);
        while !inner.stopped {
            let timeout = inner.state.poll_timeout();
            let now = self.start.elapsed();
            if timeout.is_some_and(|due| due <= now) {
                drop(inner);
                self.step(|state, now| state.handle_timeout(now));
                inner = lock(&self.inner);
                continue;
            }
            inner.timer_at = timeout;
            inner = match timeout {
                Some(due) => {
                    let waited = self.timer.wait_timeout(inner, due - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.timer.wait(inner).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn run_listener(self: &Arc<Self>, broker: BrokerId, listener: &TcpListener) {
        let mut readers: Vec<JoinHandle<()>> = Vec::new();
        for stream in listener.incoming() {
            let mut inner = lock(&self.inner);
            if !inner.state.brokers().any(|(id, up)| id == broker && up) {
                break;
            }
            readers.retain(|reader| !reader.is_finished());
            let Ok(stream) = stream else { continue };
            // Without it the connection only is slower.
            let _ = stream.set_nodelay(true);
            let Some(conn) = inner.state.connect(broker) else { break };
            let outbox = Outbox { broker, stream, pending: Mutex::default(), changed: Condvar::new() };
            let outbox = Arc::new(outbox);
            inner.outboxes.insert(conn, outbox.clone());
            drop(inner);
            let shared = self.clone();
            readers.push(thread::spawn(move || shared.run_connection(conn, &outbox)));
        }
        for reader in readers {
            let _ = reader.join();
        }
    }

    /// Reads a connection until it ends; its writer runs beside.
    fn run_connection(&self, conn: ConnectionId, outbox: &Arc<Outbox>) {
        let writer = thread::spawn({
            let outbox = outbox.clone();
            move || outbox.run_writer()
        });
        let _ = self.read_requests(conn, outbox);
        let mut inner = lock(&self.inner);
        inner.state.disconnect(conn);
        inner.outboxes.remove(&conn);
        drop(inner);
        outbox.close();
        let _ = writer.join();
    }

    /// Ends with `Ok` when the client closes, or sends what is no frame.
    fn read_requests(&self, conn: ConnectionId, outbox: &Outbox) -> io::Result<()> {
        let mut framer = Framer::new(MAX_REQUEST_BYTES);
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let count = match (&outbox.stream).read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let pushed = framer.push(&buffer[..count]);
            while let Some(frame) = framer.next_frame() {
                let queued = self.step_on(Some(conn), |state, now| {
                    state.handle_frame(now, conn, frame);
                    state.queued_bytes(conn)
                });
                outbox.set_queued(queued);
                outbox.write_pending()?;
                while !outbox.wait_for_room() {
                    // Requests that get no answer leave the queue without an output.
                    outbox.set_queued(lock(&self.inner).state.queued_bytes(conn));
                }
            }
            if pushed.is_err() {
                return Ok(());
            }
        }
    }
}

impl Outbox {
    fn set_queued(&self, queued: usize) {
        lock(&self.pending).queued = queued;
    }

    /// Waits until the client's requests are being served and it takes its answers; false if that lasts.
    fn wait_for_room(&self) -> bool {
        let full = |pending: &mut Pending| {
            !pending.closed && (pending.queued > MAX_QUEUED_BYTES || pending.bytes > MAX_UNSENT_BYTES)
        };
        let waited = self.changed.wait_timeout_while(lock(&self.pending), ROOM_CHECK, full);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Writes what is pending, unless another thread does.
    fn write_pending(&self) -> io::Result<()> {
        let mut pending = lock(&self.pending);
        if pending.writing {
            return Ok(());
        }
        pending.writing = true;
        while !pending.segments.is_empty() && !pending.closed {
            let mut segments = std::mem::take(&mut pending.segments);
            drop(pending);
            let written = self.write_all(&mut segments);
            pending = lock(&self.pending);
            pending.bytes = pending.segments.iter().map(Bytes::len).sum();
            self.changed.notify_all();
            if written.is_err() {
                pending.writing = false;
                drop(pending);
                self.close();
                return written;
            }
        }
        pending.writing = false;
        let closing = pending.closing;
        drop(pending);
        if closing {
            self.close();
        }
        Ok(())
    }

    fn write_all(&self, segments: &mut VecDeque<Bytes>) -> io::Result<()> {
        while !segments.is_empty() {
            let slices: Vec<_> =
                segments.iter().take(MAX_SEGMENTS).map(|segment| IoSlice::new(segment)).collect();
            let mut written = match (&self.stream).write_vectored(&slices) {
                Ok(0) if slices.iter().any(|slice| !slice.is_empty()) => {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            while let Some(first) = segments.front_mut() {
                if written < first.len() {
                    let _ = first.split_to(written);
                    break;
                }
                written -= first.len();
                segments.pop_front();
            }
        }
        Ok(())
    }

    fn run_writer(&self) {
        loop {
            let idle = |pending: &mut Pending| {
                !pending.closed && (pending.writing || (pending.segments.is_empty() && !pending.closing))
            };
            let pending = lock(&self.pending);
            let pending = self.changed.wait_while(pending, idle).unwrap_or_else(PoisonError::into_inner);
            if pending.closed {
                return;
            }
            drop(pending);
            if self.write_pending().is_err() {
                return;
            }
        }
    }

    fn close(&self) {
        lock(&self.pending).closed = true;
        self.changed.notify_all();
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}
