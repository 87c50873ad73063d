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

use milena_core::drive::read_into;
use milena_core::handle::{Driver, Gate};
use milena_core::wire::{Framer, SendQueue};
use milena_core::{Address, CloseReason, ConnId, Instant, Now};

pub(crate) struct Threads {
    origin: StdInstant,
    connect_timeout: Duration,
    clock: Arc<Clock>,
    links: Arc<Mutex<BTreeMap<ConnId, Arc<Link>>>>,
}

/// When the gate is to be called.
pub(crate) struct Clock {
    origin: StdInstant,
    state: Mutex<ClockState>,
    changed: Condvar,
}

#[derive(Default)]
struct ClockState {
    at: Option<Instant>,
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
        let origin = StdInstant::now();
        let clock = Arc::new(Clock { origin, state: Mutex::default(), changed: Condvar::new() });
        Threads { origin, connect_timeout, clock, links: Arc::default() }
    }

    pub(crate) fn clock(&self) -> Arc<Clock> {
        self.clock.clone()
    }
}

impl Clock {
    /// Calls the gate when it wants to be called, until the client ends.
    pub(crate) fn start(self: Arc<Self>, gate: Weak<Gate>) -> std::io::Result<()> {
        spawn("milena-clock".to_owned(), move || {
            while self.wait() {
                match gate.upgrade() {
                    Some(gate) => gate.handle_timeout(),
                    None => return,
                }
            }
        })
    }

    /// True when it is time, false when the client has ended.
    fn wait(&self) -> bool {
        let mut state = lock(&self.state);
        loop {
            if state.stopped {
                return false;
            }
            let left = state
                .at
                .map(|at| Duration::from_micros(at.as_micros()).saturating_sub(self.origin.elapsed()));
            state = match left {
                Some(Duration::ZERO) => {
                    state.at = None;
                    return true;
                }
                Some(left) => {
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl Driver for Threads {
    fn now(&self) -> Now {
        Now { mono: Instant::from_micros(self.origin.elapsed().as_micros() as u64), wall: self.wall() }
    }

    fn wall(&self) -> i64 {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis() as i64
    }

    fn connect(&self, gate: &Arc<Gate>, conn: ConnId, address: &Address) {
        let link = Arc::new(Link::default());
        lock(&self.links).insert(conn, link.clone());
        let (gate, links, address, timeout) =
            (gate.clone(), self.links.clone(), address.clone(), self.connect_timeout);
        let reader = {
            let gate = gate.clone();
            move || {
                let end = read(&gate, conn, &link, &address, timeout);
                lock(&links).remove(&conn);
                if let Err(reason) = end {
                    gate.closed(conn, reason);
                }
                link.close();
            }
        };
        if let Err(error) = spawn(format!("milena-{conn}-read"), reader) {
            gate.closed(conn, CloseReason::io(&error));
        }
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
        if state.at.is_none_or(|before| at < before) {
            state.at = Some(at);
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
        let mut state = lock(&self.state);
        loop {
            if state.closed {
                return false;
            }
            if std::mem::take(&mut state.ready) {
                return true;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn connect(address: &Address, timeout: Duration) -> Result<TcpStream, CloseReason> {
    let addresses = (&*address.host, address.port).to_socket_addrs();
    let addresses = addresses.map_err(|error| CloseReason::Resolve(error.to_string()))?;
    let mut last = CloseReason::Resolve("the name has no address".to_owned());
    for address in addresses {
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
    let (writer, writer_gate, writer_link) = (stream.try_clone().map_err(lost)?, gate.clone(), link.clone());
    spawn(format!("milena-{conn}-write"), move || write(&writer_gate, conn, &writer_link, writer))
        .map_err(lost)?;
    gate.connected(conn);
    let mut framer = Framer::new(gate.max_frame_bytes());
    let mut answered = false;
    loop {
        match read_into(framer.buffer(), |bytes| stream.read(bytes)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(lost(error)),
            Ok(0) if lock(&link.state).closed => return Ok(()),
            Ok(0) => {
                let mid_frame = !framer.buffer().is_empty();
                return Err(CloseReason::Eof { mid_frame, before_first_answer: !answered });
            }
            Ok(_) => {}
        }
        let mut frames = Vec::new();
        let failed = framer.take_frames(&mut frames);
        if !frames.is_empty() {
            answered = true;
            gate.frames(conn, frames);
        }
        failed.map_err(CloseReason::Frame)?;
    }
}

fn write(gate: &Gate, conn: ConnId, link: &Link, mut stream: TcpStream) {
    let mut unsent = SendQueue::default();
    while link.wait() {
        loop {
            let more = gate.transmit(conn, &mut unsent);
            while !unsent.is_empty() {
                match unsent.write_with(|segments| stream.write_vectored(segments)) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => {
                        gate.closed(conn, CloseReason::io(&error));
                        link.close();
                        return;
                    }
                }
            }
            if !more {
                break;
            }
        }
    }
}
