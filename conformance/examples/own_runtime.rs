//! A runtime of one's own for Milena: one thread, tasks, sockets and timers on `mio`, in about 250 lines.
//!
//! ```text
//! cargo run --release --example own_runtime
//! ```
//!
//! What Milena needs of it is [`Runtime`], at the bottom; all above is an executor as small as it can be. It runs the
//! scenario suite on itself against a simulated cluster, as you would do with yours.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant as StdInstant, SystemTime};

use bytes::BytesMut;
use milena_conformance::suite::{Adapter, Suite};
use milena_core::drive::{Runtime, Stream, read_into};
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
    /// New tasks; `None` when the executor has ended, and takes no more.
    spawned: Mutex<Option<Vec<Task>>>,
    /// Tasks that have something to do.
    woken: Mutex<VecDeque<usize>>,
    /// Who waits for a socket to have something to read, and who for room to write.
    sockets: Mutex<BTreeMap<usize, [Option<Waker>; 2]>>,
    /// Who waits for which time; the number tells timers of the same time apart.
    timers: Mutex<BTreeMap<(StdInstant, usize), Waker>>,
}

impl Shared {
    fn number(&self) -> usize {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

struct TaskWaker(usize, Arc<Shared>);

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.1.woken.lock().unwrap().push_back(self.0);
        // Needless on the executor's own thread; a better runtime would know.
        self.1.alarm.wake().unwrap();
    }
}

/// Runs everything on the thread that calls [`block_on`](Executor::block_on). Dropped, it drops its tasks.
pub struct Executor {
    poll: mio::Poll,
    shared: Arc<Shared>,
    tasks: BTreeMap<usize, (Task, Waker)>,
}

const ALARM: usize = 0;
const MAIN: usize = 1;

impl Executor {
    /// # Errors
    /// Those of the system: no descriptors left.
    pub fn new() -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let shared = Shared {
            origin: StdInstant::now(),
            registry: poll.registry().try_clone()?,
            alarm: mio::Waker::new(poll.registry(), Token(ALARM))?,
            next: AtomicUsize::new(MAIN + 1),
            spawned: Mutex::new(Some(Vec::new())),
            woken: Mutex::default(),
            sockets: Mutex::default(),
            timers: Mutex::default(),
        };
        Ok(Executor { poll, shared: Arc::new(shared), tasks: BTreeMap::new() })
    }

    /// What clients run on.
    pub fn runtime(&self) -> OwnRuntime {
        OwnRuntime(self.shared.clone())
    }

    fn waker(&self, task: usize) -> Waker {
        Waker::from(Arc::new(TaskWaker(task, self.shared.clone())))
    }

    /// Runs a future to its end, and all tasks beside it.
    pub fn block_on<T>(&mut self, main: impl Future<Output = T>) -> T {
        let (mut main, waker) = (pin!(main), self.waker(MAIN));
        waker.wake_by_ref();
        loop {
            let spawned = self.shared.spawned.lock().unwrap().as_mut().map(std::mem::take);
            for task in spawned.into_iter().flatten() {
                let number = self.shared.number();
                let waker = self.waker(number);
                waker.wake_by_ref();
                self.tasks.insert(number, (task, waker));
            }
            // Who is woken meanwhile has the next turn, so that sockets and timers have theirs in between.
            let woken = std::mem::take(&mut *self.shared.woken.lock().unwrap());
            for number in woken {
                if number == MAIN {
                    if let Poll::Ready(value) = main.as_mut().poll(&mut Context::from_waker(&waker)) {
                        return value;
                    }
                } else if let Some((task, waker)) = self.tasks.get_mut(&number)
                    && task.as_mut().poll(&mut Context::from_waker(waker)).is_ready()
                {
                    self.tasks.remove(&number);
                }
            }
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
        let mut wakers = Vec::new();
        for event in &events {
            let mut sockets = self.shared.sockets.lock().unwrap();
            let Some([read, write]) = sockets.get_mut(&event.token().0) else { continue };
            wakers.extend(read.take_if(|_| event.is_readable() || event.is_read_closed()));
            wakers.extend(write.take_if(|_| event.is_writable() || event.is_write_closed()));
        }
        let mut timers = self.shared.timers.lock().unwrap();
        let later = timers.split_off(&(StdInstant::now(), usize::MAX));
        wakers.extend(std::mem::replace(&mut *timers, later).into_values());
        drop(timers);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        let left = self.shared.spawned.lock().unwrap().take();
        drop((left, std::mem::take(&mut self.tasks)));
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

const READ: usize = 0;
const WRITE: usize = 1;

impl Socket {
    async fn connect(address: SocketAddr, shared: Arc<Shared>) -> io::Result<Self> {
        let mut socket = Socket { stream: TcpStream::connect(address)?, number: shared.number(), shared };
        let interest = Interest::READABLE | Interest::WRITABLE;
        socket.shared.registry.register(&mut socket.stream, Token(socket.number), interest)?;
        socket.shared.sockets.lock().unwrap().insert(socket.number, [None, None]);
        poll_fn(|cx| match (socket.stream.take_error(), socket.stream.peer_addr()) {
            (Err(error), _) | (Ok(Some(error)), _) => Poll::Ready(Err(error)),
            (_, Err(error)) if error.kind() == ErrorKind::NotConnected => socket.wait(WRITE, cx),
            (_, peer) => Poll::Ready(peer.map(drop)),
        })
        .await?;
        socket.stream.set_nodelay(true)?;
        Ok(socket)
    }

    fn wait<T>(&self, direction: usize, cx: &Context<'_>) -> Poll<T> {
        if let Some(waiting) = self.shared.sockets.lock().unwrap().get_mut(&self.number) {
            waiting[direction] = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Tries until it works or would block; then the executor tells when to try again.
    fn attempt<T>(
        &mut self,
        direction: usize,
        cx: &Context<'_>,
        mut attempt: impl FnMut(&mut TcpStream) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            match attempt(&mut self.stream) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return self.wait(direction, cx),
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
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut BytesMut) -> Poll<io::Result<usize>> {
        self.attempt(READ, cx, |stream| read_into(buffer, |bytes| stream.read(bytes)))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, segments: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.attempt(WRITE, cx, |stream| stream.write_vectored(segments))
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
            let addresses = match host.parse::<IpAddr>() {
                Ok(ip) => vec![SocketAddr::new(ip, port)],
                // The system's resolver blocks: elsewhere than here.
                Err(_) => smol::unblock(move || (host, port).to_socket_addrs().map(Vec::from_iter))
                    .await
                    .map_err(|error| CloseReason::Resolve(error.to_string()))?,
            };
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
        match &mut *self.0.spawned.lock().unwrap() {
            Some(spawned) => spawned.push(Box::pin(task)),
            // Dropped, the task ends its client.
            None => return,
        }
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
