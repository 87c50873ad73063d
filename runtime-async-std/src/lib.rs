//! Milena on async-io: sockets and timers for the sans-IO Kafka client, with tasks on the executor of one's choice.
//!
//! | you are on | you use | feature |
//! | --- | --- | --- |
//! | smol | `smol::connect` | `smol`, on by default |
//! | async-std | `async_std::connect` | `async-std` |
//! | an executor of your own | [`AsyncIo`] | none |
//!
//! async-std is discontinued ([RUSTSEC-2025-0052](https://rustsec.org/advisories/RUSTSEC-2025-0052.html)), and its
//! authors advise to move to smol. It runs on async-io, too, so programs that are still on it are served until they have moved; new
//! ones should take smol.
//!
//! The modules hold what `milena-tokio` holds, by the same names: whoever changes the runtime changes one `use` line.
//! [`Client`]s, [`Writer`]s and [`Reader`]s work in any task of any runtime; a [`Reader`] is also a `futures_core::Stream`.
//!
#![cfg_attr(feature = "smol", doc = "```no_run")]
#![cfg_attr(not(feature = "smol"), doc = "```ignore")]
//! use milena_async_std::smol as milena;
//! use milena::{Config, ReaderConfig, Record, Until, WriterConfig};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = milena::connect(Config::new("localhost:9092")?).await?;
//! let writer = client.writer(WriterConfig::new("events"))?;
//! let written = writer.write(Record::keyed("customer-7", "paid")).await?;
//! println!("partition {} offset {:?}", written.partition, written.offset);
//!
//! let mut config = ReaderConfig::new("events");
//! config.until = Until::End;
//! let mut reader = client.reader(config)?;
//! while let Some(message) = reader.next().await {
//!     println!("{:?}", message?.value);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # When things end
//!
//! A client's tasks run on the executor until the client is closed or its last handle is dropped. An executor that is dropped
//! before ends the client: what is under way, and every later call, fails with [`Error::Closed`].
//!
//! # Fork
//!
//! A client belongs to the process that made it: after a `fork` the child must make a client of its own.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, IoSlice, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant as StdInstant, SystemTime};

use async_io::{Async, Timer};
use milena_core::drive::{Runtime, Stream};
use milena_core::gate::Job;
pub use milena_core::*;

/// Each executor's own way to a client; what differs is where the client's tasks run.
macro_rules! executor {
    ($(#[$doc:meta])* $module:ident, $spawn:expr) => {
        $(#[$doc])*
        pub mod $module {
            pub use milena_core::*;

            use crate::{AsyncIo, seed};

            /// A client whose first broker has answered.
            ///
            /// # Errors
            /// [`Error::Config`], and [`Error::Bootstrap`] if no bootstrap server can be used.
            ///
            /// # Cancel safety
            /// Dropping the future ends the client.
            pub async fn connect(config: Config) -> Result<Client, Error> {
                let client = client(config)?;
                client.connect().await?;
                Ok(client)
            }

            /// A client that connects when it is first used.
            ///
            /// # Errors
            /// [`Error::Config`].
            pub fn client(config: Config) -> Result<Client, Error> {
                drive::start(runtime(), config, seed())
            }

            /// What such a client runs on.
            pub fn runtime() -> AsyncIo {
                AsyncIo::new($spawn)
            }
        }
    };
}

#[cfg(feature = "smol")]
executor! {
    /// Clients on smol: their tasks run on its global executor, whose threads `SMOL_THREADS` numbers (one by default).
    smol, |task| smol::spawn(task).detach()
}

#[cfg(feature = "async-std")]
executor! {
    /// Clients on async-std, which is discontinued: prefer smol in new programs.
    async_std, |task| drop(async_std::task::spawn(task))
}

/// A task of a client.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Sockets and timers of async-io, and tasks on any executor.
///
/// ```
/// use std::sync::Arc;
/// use milena_async_std::{AsyncIo, Config, drive};
///
/// # #[cfg(feature = "smol")]
/// # fn example() -> Result<(), milena_async_std::Error> {
/// let executor = Arc::new(smol::Executor::new());
/// let spawner = executor.clone();
/// let runtime = AsyncIo::new(move |task| spawner.spawn(task).detach());
/// let client = drive::start(runtime, Config::new("localhost:9092")?, [7; 32])?;
/// # Ok(())
/// # }
/// ```
pub struct AsyncIo {
    origin: StdInstant,
    spawn: Box<dyn Fn(Task) + Send + Sync>,
}

impl AsyncIo {
    /// `spawn` starts a task; nobody waits for it, and it goes on until it ends by itself.
    ///
    /// The client holds `spawn`. If that holds the executor, the executor lives as long as the client does; where it is to end
    /// before, hold it by a `Weak`.
    pub fn new(spawn: impl Fn(Task) + Send + Sync + 'static) -> Self {
        AsyncIo { origin: StdInstant::now(), spawn: Box::new(spawn) }
    }
}

impl fmt::Debug for AsyncIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncIo").finish_non_exhaustive()
    }
}

/// From the operating system, by the way of std's hash keys.
#[cfg(any(feature = "smol", feature = "async-std"))]
fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    for bytes in seed.chunks_mut(8) {
        bytes.copy_from_slice(&RandomState::new().build_hasher().finish().to_le_bytes());
    }
    seed
}

impl Runtime for AsyncIo {
    type Stream = Socket;

    fn now(&self) -> Now {
        Now { mono: Instant::from_micros(self.origin.elapsed().as_micros() as u64), wall: self.wall() }
    }

    fn wall(&self) -> i64 {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis() as i64
    }

    fn connect(
        &self,
        address: &Address,
    ) -> impl Future<Output = Result<Socket, CloseReason>> + Send + 'static {
        let Address { host, port } = address.clone();
        async move {
            let addresses = match host.parse::<IpAddr>() {
                Ok(ip) => vec![SocketAddr::new(ip, port)],
                Err(_) => blocking::unblock(move || (host, port).to_socket_addrs().map(Vec::from_iter))
                    .await
                    .map_err(|error| CloseReason::Resolve(error.to_string()))?,
            };
            let mut last = CloseReason::Resolve("the name has no address".to_owned());
            for address in addresses {
                match Async::<TcpStream>::connect(address).await {
                    Ok(stream) => {
                        stream.get_ref().set_nodelay(true).map_err(|error| CloseReason::io(&error))?;
                        return Ok(Socket { stream, readable: true, writable: true });
                    }
                    Err(error) => last = CloseReason::connect(&error),
                }
            }
            Err(last)
        }
    }

    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + Send + 'static {
        let timer = Timer::at(self.origin + Duration::from_micros(at.as_micros()));
        async move {
            timer.await;
        }
    }

    fn run(&self, job: Job) -> Option<Job> {
        if !job.is_heavy() {
            return Some(job);
        }
        blocking::unblock(move || job.run()).detach();
        None
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        (self.spawn)(Box::pin(task));
    }
}

/// A connected socket.
///
/// Asking the reactor costs a system call each time, as does an attempt that would block: so a socket that took or gave less than
/// it could is known to be at its end, and only then the reactor is asked.
#[derive(Debug)]
pub struct Socket {
    stream: Async<TcpStream>,
    readable: bool,
    writable: bool,
}

impl Stream for Socket {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            if !self.readable {
                ready!(self.stream.poll_readable(cx))?;
            }
            let result = self.stream.get_ref().read(buffer);
            self.readable = result.as_ref().is_ok_and(|read| *read == buffer.len());
            match result {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => self.readable = true,
                result => return Poll::Ready(result),
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, segments: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            if !self.writable {
                ready!(self.stream.poll_writable(cx))?;
            }
            let result = self.stream.get_ref().write_vectored(segments);
            let whole = || segments.iter().map(|segment| segment.len()).sum::<usize>();
            self.writable = result.as_ref().is_ok_and(|written| *written == whole());
            match result {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => self.writable = true,
                result => return Poll::Ready(result),
            }
        }
    }
}
