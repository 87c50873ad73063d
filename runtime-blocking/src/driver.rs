//! The threads of a client: one for its clock, two for each connection.
//!
//! - The reader thread of a connection makes it, then reads, frames and hands frames to the gate until it ends. It waits
//!   in the socket; closing shuts the socket down, which ends the wait.
//! - The writer thread waits until the gate has frames, pulls them and writes them.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::process;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant as StdInstant, SystemTime};

use milena_core::drive::READ_BYTES;
use milena_core::gate::{Driver, Gate};
use milena_core::machine::Channel;
use milena_core::{Address, CloseReason, ConnId, Instant, Now};

pub(crate) struct Threads {
    connect_timeout: Duration,
    pub(crate) clock: Arc<Clock>,
    links: Arc<Mutex<BTreeMap<ConnId, Arc<Link>>>>,
}

/// When the gate is to be called.
pub(crate) struct Clock {
    origin: StdInstant,
    state: Mutex<ClockState>,
    changed: Condvar,
}

struct ClockState {
    /// `MAX` for never.
    at: Instant,
    stopped: bool,
}

/// What the gate tells a connection's threads.
#[derive(Default)]
struct Link {
    state: Mutex<LinkState>,
    changed: Condvar,
}

#[derive(Default)]
struct LinkState {
    ready: bool,
    closed: bool,
    /// To end the reader's wait with, and the process that it belongs to.
    stream: Option<(TcpStream, u32)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn spawn(name: String, body: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    thread::Builder::new().name(name).spawn(body).map(drop)
}

impl Threads {
    pub(crate) fn new(connect_timeout: Duration) -> Self {
        let state = Mutex::new(ClockState { at: Instant::MAX, stopped: false });
        let clock = Arc::new(Clock { origin: StdInstant::now(), state, changed: Condvar::new() });
        Threads { connect_timeout, clock, links: Arc::default() }
    }
}

impl Clock {
    /// Calls the gate when it wants to be called, until the client ends.
    pub(crate) fn start(self: Arc<Self>, gate: Weak<Gate>) -> std::io::Result<()> {
        spawn("milena-clock".to_owned(), move || {
            let call = |gate: Arc<Gate>| gate.handle_timeout();
            while self.wait() && gate.upgrade().map(call).is_some() {}
        })
    }

    /// True when it is time, false when the client has ended.
    fn wait(&self) -> bool {
        let mut state = lock(&self.state);
        while !state.stopped {
            let left = Duration::from_micros(state.at.as_micros()).saturating_sub(self.origin.elapsed());
            if left.is_zero() {
                state.at = Instant::MAX;
                return true;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }
}

impl Driver for Threads {
    fn now(&self) -> Now {
        Now { mono: Instant::from_micros(self.clock.origin.elapsed().as_micros() as u64), wall: self.wall() }
    }

    fn wall(&self) -> i64 {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis() as i64
    }

    fn connect(&self, gate: &Arc<Gate>, conn: ConnId, address: &Address) -> Result<(), CloseReason> {
        let link = Arc::new(Link::default());
        lock(&self.links).insert(conn, link.clone());
        let (gate, links, address, timeout) =
            (gate.clone(), self.links.clone(), address.clone(), self.connect_timeout);
        let reader = move || {
            let end = read(&gate, conn, &link, &address, timeout);
            lock(&links).remove(&conn);
            if let Err(reason) = end {
                gate.closed(conn, reason);
            }
            link.close();
        };
        let spawned = spawn(format!("milena-{conn}-read"), reader);
        spawned.map_err(|error| {
            lock(&self.links).remove(&conn);
            CloseReason::io(&error)
        })
    }

    fn close(&self, conn: ConnId) {
        let link = lock(&self.links).remove(&conn);
        if let Some(link) = link {
            link.close();
        }
    }

    fn ready(&self, conn: ConnId) {
        let link = lock(&self.links).get(&conn).cloned();
        if let Some(link) = link {
            lock(&link.state).ready = true;
            link.changed.notify_one();
        }
    }

    fn wake_at(&self, at: Instant) {
        let mut state = lock(&self.clock.state);
        if at < state.at {
            state.at = at;
            self.clock.changed.notify_one();
        }
    }

    fn stop(&self) {
        lock(&self.clock.state).stopped = true;
        self.clock.changed.notify_one();
    }
}

impl Link {
    fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        if let Some((stream, owner)) = state.stream.take()
            && owner == process::id()
        {
            // It fails only where the peer was faster. In a forked child it would end the connection of the parent.
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.changed.notify_one();
    }

    /// Waits until there are frames; false at the end.
    fn wait(&self) -> bool {
        let idle = |state: &mut LinkState| !state.ready && !state.closed;
        let state = self.changed.wait_while(lock(&self.state), idle);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut state.ready) && !state.closed
    }
}

fn connect(address: &Address, timeout: Duration) -> Result<TcpStream, CloseReason> {
    let resolved = (&*address.host, address.port).to_socket_addrs();
    let mut last = CloseReason::Resolve("the name has no address".to_owned());
    for address in resolved.map_err(|error| CloseReason::Resolve(error.to_string()))? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(|error| CloseReason::io(&error))?;
                return Ok(stream);
            }
            Err(error) => last = CloseReason::connect(&error),
        }
    }
    Err(last)
}

/// The life of a connection: an error is how it ended, unless it was told to end.
fn read(
    gate: &Arc<Gate>,
    conn: ConnId,
    link: &Arc<Link>,
    address: &Address,
    timeout: Duration,
) -> Result<(), CloseReason> {
    let lost = |error| CloseReason::io(&error);
    let mut stream = connect(address, timeout)?;
    {
        let mut state = lock(&link.state);
        if state.closed {
            return Ok(());
        }
        state.stream = Some((stream.try_clone().map_err(lost)?, process::id()));
    }
    let channel = Arc::new(gate.connected(conn));
    let writer = {
        let (gate, link, channel) = (gate.clone(), link.clone(), channel.clone());
        let stream = stream.try_clone().map_err(lost)?;
        move || write(&gate, &link, &channel, stream)
    };
    spawn(format!("milena-{conn}-write"), writer).map_err(lost)?;
    let mut bytes = vec![0; READ_BYTES];
    loop {
        match stream.read(&mut bytes) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(lost(error)),
            Ok(0) if lock(&link.state).closed => return Ok(()),
            Ok(read) => gate.received(&channel, &bytes[..read])?,
        }
    }
}

fn write(gate: &Gate, link: &Link, channel: &Channel, mut stream: TcpStream) {
    let mut more = false;
    while more || link.wait() {
        more = gate.transmit(channel);
        while channel.has_unsent() {
            let written = channel.write_with(|segments| match stream.write_vectored(segments)? {
                0 => Err(ErrorKind::WriteZero.into()),
                written => Ok::<_, std::io::Error>(written),
            });
            if let Err(error) = written
                && error.kind() != ErrorKind::Interrupted
            {
                gate.closed(channel.conn(), CloseReason::io(&error));
                return link.close();
            }
        }
    }
}
