//! A runtime of one's own for Milena: one thread, tasks, sockets and timers on `mio`, in about 200 lines.
//!
//! ```text
//! cargo run --release --example own_runtime
//! ```
//!
//! What Milena needs of it is [`Runtime`], at the bottom; all above is an executor as small as it can be. It runs the
//! scenario suite on itself against a simulated cluster, as you would do with yours.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant as StdInstant, SystemTime};

use futures_util::stream::{FuturesUnordered, StreamExt};
use milena_conformance::suite::{Adapter, Suite};
use milena_core::drive::{Runtime, Stream};
use milena_core::{Address, CloseReason, Instant, Now};
use mio::net::TcpStream;
use mio::{Events, Interest, Registry, Token};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What tasks, sockets, timers and other threads tell the executor.
struct Shared {
    origin: StdInstant,
    registry: Registry,
    /// Ends the executor's wait.
    alarm: mio::Waker,
    next: AtomicUsize,
    /// New tasks on their way to the executor.
    spawned: Sender<Task>,
    /// Who waits for a socket: one task reads and writes.
    sockets: Mutex<BTreeMap<usize, Waker>>,
    /// Who waits for which time; the number tells timers of the same time apart.
    timers: Mutex<BTreeMap<(StdInstant, usize), Waker>>,
}

impl Shared {
    fn number(&self) -> usize {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        // Needless on the executor's own thread; a better runtime would know.
        self.alarm.wake().unwrap();
    }
}

/// Runs everything on the thread that calls [`block_on`](Executor::block_on). Dropped, it drops its tasks.
pub struct Executor {
    poll: mio::Poll,
    shared: Arc<Shared>,
    spawned: Receiver<Task>,
    /// It knows which of them were woken.
    tasks: FuturesUnordered<Task>,
}

const ALARM: usize = 0;

impl Executor {
    /// # Errors
    /// Those of the system: no descriptors left.
    pub fn new() -> io::Result<Self> {
        let (poll, (sender, spawned)) = (mio::Poll::new()?, mpsc::channel());
        let shared = Shared {
            origin: StdInstant::now(),
            registry: poll.registry().try_clone()?,
            alarm: mio::Waker::new(poll.registry(), Token(ALARM))?,
            next: AtomicUsize::new(ALARM + 1),
            spawned: sender,
            sockets: Mutex::default(),
            timers: Mutex::default(),
        };
        Ok(Executor { poll, shared: Arc::new(shared), spawned, tasks: FuturesUnordered::new() })
    }

    /// What clients run on.
    pub fn runtime(&self) -> OwnRuntime {
        OwnRuntime(self.shared.clone())
    }

    /// Runs a future to its end, and all tasks beside it.
    pub fn block_on<T>(&mut self, main: impl Future<Output = T>) -> T {
        let (mut main, waker) = (pin!(main), Waker::from(self.shared.clone()));
        let mut cx = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(value) = main.as_mut().poll(&mut cx) {
                return value;
            }
            self.tasks.extend(self.spawned.try_iter());
            // It stops now and then, so that sockets and timers have their turn.
            while let Poll::Ready(Some(())) = self.tasks.poll_next_unpin(&mut cx) {}
            self.wait();
        }
    }

    /// Until a socket is ready, a time has come, or a task was woken.
    fn wait(&mut self) {
        let next = self.shared.timers.lock().unwrap().first_key_value().map(|((at, _), _)| *at);
        let timeout = next.map(|at| at.saturating_duration_since(StdInstant::now()));
        let mut events = Events::with_capacity(64);
        match self.poll.poll(&mut events, timeout) {
            Err(error) if error.kind() != ErrorKind::Interrupted => panic!("cannot wait: {error}"),
            _ => {}
        }
        let mut timers = self.shared.timers.lock().unwrap();
        let later = timers.split_off(&(StdInstant::now(), usize::MAX));
        let due = std::mem::replace(&mut *timers, later);
        drop(timers);
        let sockets = &self.shared.sockets;
        let ready = events.iter().filter_map(|event| sockets.lock().unwrap().remove(&event.token().0));
        ready.chain(due.into_values()).for_each(Waker::wake);
    }
}

/// A time to wait for.
struct Sleep(Arc<Shared>, (StdInstant, usize));

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if StdInstant::now() >= self.1.0 {
            return Poll::Ready(());
        }
        self.0.timers.lock().unwrap().insert(self.1, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.0.timers.lock().unwrap().remove(&self.1);
    }
}

/// A socket that the executor watches.
pub struct Socket {
    stream: TcpStream,
    number: usize,
    shared: Arc<Shared>,
}

impl Socket {
    async fn connect(address: SocketAddr, shared: Arc<Shared>) -> io::Result<Self> {
        let mut socket = Socket { stream: TcpStream::connect(address)?, number: shared.number(), shared };
        let interest = Interest::READABLE | Interest::WRITABLE;
        socket.shared.registry.register(&mut socket.stream, Token(socket.number), interest)?;
        let connected = |stream: &mut TcpStream| match (stream.take_error()?, stream.peer_addr()) {
            (Some(error), _) => Err(error),
            (_, Err(error)) if error.kind() == ErrorKind::NotConnected => Err(ErrorKind::WouldBlock.into()),
            (_, peer) => peer.map(drop),
        };
        poll_fn(|cx| socket.attempt(cx, connected)).await?;
        socket.stream.set_nodelay(true)?;
        Ok(socket)
    }

    /// Tries until it works or would block; then the executor tells when to try again.
    fn attempt<T>(
        &mut self,
        cx: &Context<'_>,
        mut attempt: impl FnMut(&mut TcpStream) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            match attempt(&mut self.stream) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.shared.sockets.lock().unwrap().insert(self.number, cx.waker().clone());
                    return Poll::Pending;
                }
                result => return Poll::Ready(result),
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.shared.sockets.lock().unwrap().remove(&self.number);
        let _ = self.shared.registry.deregister(&mut self.stream);
    }
}

impl Stream for Socket {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.attempt(cx, |stream| stream.read(buffer))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, segments: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.attempt(cx, |stream| stream.write_vectored(segments))
    }
}

/// What Milena needs of a runtime.
#[derive(Clone)]
pub struct OwnRuntime(Arc<Shared>);

impl Runtime for OwnRuntime {
    type Stream = Socket;

    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mono = Instant::from_micros(self.0.origin.elapsed().as_micros() as u64);
        Now { mono, wall: wall.as_millis() as i64 }
    }

    fn connect(
        &self,
        address: &Address,
    ) -> impl Future<Output = Result<Socket, CloseReason>> + Send + 'static {
        let (Address { host, port }, shared) = (address.clone(), self.0.clone());
        async move {
            // The system's resolver blocks: elsewhere than here.
            let addresses = smol::unblock(move || (host, port).to_socket_addrs().map(Vec::from_iter)).await;
            let addresses = addresses.map_err(|error| CloseReason::Resolve(error.to_string()))?;
            let mut last = CloseReason::Resolve("the name has no address".to_owned());
            for address in addresses {
                match Socket::connect(address, shared.clone()).await {
                    Ok(socket) => return Ok(socket),
                    Err(error) => last = CloseReason::connect(&error),
                }
            }
            Err(last)
        }
    }

    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + Send + 'static {
        Sleep(self.0.clone(), (self.0.origin + Duration::from_micros(at.as_micros()), self.0.number()))
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        // An executor that has ended drops the task, and that ends its client.
        let _ = self.0.spawned.send(Box::pin(task));
        self.0.alarm.wake().unwrap();
    }
}

/// The scenario suite's way to run a scenario here.
pub fn adapter() -> Adapter {
    Adapter::new("the example runtime", |scenario| {
        let mut executor = Executor::new().expect("descriptors are left");
        let runtime = executor.runtime();
        executor.block_on(scenario.on(move || runtime.clone()));
    })
}

fn main() -> ExitCode {
    Suite::new([adapter()]).main()
}
