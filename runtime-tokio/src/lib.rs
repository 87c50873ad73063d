//! Milena on tokio: sockets, timers and tasks for the sans-IO Kafka client.
//!
//! [`connect`] gives a [`Client`], and from it come [`Writer`]s and [`Reader`]s. They work in any task of any runtime;
//! the client's own tasks run on the runtime in which it was connected, of either flavour; those of a client made inside of a
//! `LocalSet` run beside it. A [`Reader`] is also a `futures_core::Stream`.
//!
//! ```no_run
//! use milena_tokio::{Config, ReaderConfig, Record, Until, WriterConfig};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = milena_tokio::connect(Config::new("localhost:9092")?).await?;
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
//! A client's tasks run until it is closed or its last handle is dropped. A runtime that is shut down before ends the
//! client: what is under way, and every later call, fails with [`Error::Closed`], wherever its handles are used.
//!
//! A current-thread runtime runs its tasks only inside of `block_on`: a client on one makes no progress outside of it.
//!
//! # Fork
//!
//! A client belongs to the process that made it, as its runtime does: after a `fork` the child must make both anew.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant as StdInstant, SystemTime};

use milena_core::drive::Runtime;
use milena_core::gate::Job;
pub use milena_core::*;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::Handle;

/// A client whose first broker has answered.
///
/// # Errors
/// [`Error::Config`], [`Error::Runtime`] outside of a tokio runtime, and [`Error::Bootstrap`] if no bootstrap server can be used.
///
/// # Panics
/// As tokio does, in a runtime without I/O or time enabled.
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
/// [`Error::Config`], and [`Error::Runtime`] outside of a tokio runtime.
///
/// # Panics
/// As tokio does, in a runtime without I/O or time enabled.
pub fn client(config: Config) -> Result<Client, Error> {
    drive::start(Tokio::current()?, config, seed())
}

/// From the operating system, by the way of std's hash keys: two draws of two words.
fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    for bytes in seed.chunks_mut(8) {
        bytes.copy_from_slice(&RandomState::new().build_hasher().finish().to_le_bytes());
    }
    seed
}

/// Sockets, timers and tasks of a tokio runtime, of either flavour.
///
/// For [`drive::start`], whose caller chooses the seed; everybody else has [`client`].
#[derive(Debug)]
pub struct Tokio {
    origin: StdInstant,
    handle: Handle,
}

impl Tokio {
    /// The runtime that this is called in.
    ///
    /// # Errors
    /// [`Error::Runtime`] if there is none.
    ///
    /// # Panics
    /// As tokio does, if the runtime has no I/O or time enabled: here, where the mistake is, and not in a task of the client.
    pub fn current() -> Result<Self, Error> {
        let handle = Handle::try_current().map_err(|error| Error::Runtime { reason: error.to_string() })?;
        drop(tokio::time::sleep(Duration::ZERO));
        // What comes of it does not count: with no descriptors left, connecting will say so.
        #[cfg(unix)]
        drop(tokio::net::UnixDatagram::unbound());
        Ok(Tokio { origin: StdInstant::now(), handle })
    }
}

impl Runtime for Tokio {
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
            let addresses = tokio::net::lookup_host((host, port)).await;
            let addresses = addresses.map_err(|error| CloseReason::Resolve(error.to_string()))?;
            let mut last = CloseReason::Resolve("the name has no address".to_owned());
            for address in addresses {
                match TcpStream::connect(address).await {
                    Ok(stream) => {
                        stream.set_nodelay(true).map_err(|error| CloseReason::io(&error))?;
                        return Ok(Socket(stream));
                    }
                    Err(error) => last = CloseReason::connect(&error),
                }
            }
            Err(last)
        }
    }

    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + Send + 'static {
        tokio::time::sleep_until((self.origin + Duration::from_micros(at.as_micros())).into())
    }

    fn run(&self, job: Job) -> Option<Job> {
        if !job.is_heavy() {
            return Some(job);
        }
        self.handle.spawn_blocking(move || job.run());
        None
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(task);
    }
}

/// A connected socket.
#[derive(Debug)]
pub struct Socket(TcpStream);

/// tokio's own reads and writes know from a short one that the socket is at its end, which saves asking it again.
impl drive::Stream for Socket {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        let read = Pin::new(&mut self.0).poll_read(cx, &mut buffer);
        read.map_ok(|()| buffer.filled().len())
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, segments: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, segments)
    }
}
