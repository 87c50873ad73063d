//! A broker that costs next to nothing, so that a client alone is measured: it takes any write and keeps none, and serves
//! one prebuilt batch without an end.
//!
//! One thread for each connection reads a request, answers it, and reads the next. A request's buffer is used again for the
//! next one, and an answer's records are written from where they lie: no byte of a record is copied but by the kernel.

mod answers;

use std::io::{self, BufReader, IoSlice, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::SystemTime;

use bytes::Bytes;
use milena_core::record::{BatchBuilder, Compression, Producer};

use crate::bench::Values;
use answers::Answers;

/// What a fetch brings of a partition: as much as clients ask for by default.
pub(crate) const BATCH_BYTES: usize = 1 << 20;
/// `socket.request.max.bytes`: Kafka's default.
const MAX_REQUEST_BYTES: usize = 100 << 20;

/// A null broker on 127.0.0.1, which ends with its process.
pub struct NullBroker {
    answers: Arc<Answers>,
    address: SocketAddr,
}

impl NullBroker {
    /// Listens on `port`, 0 for any, and serves topics by name and number of partitions; what is read has values of `size`
    /// bytes.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn start(port: u16, topics: &[(String, i32)], size: usize) -> io::Result<NullBroker> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let address = listener.local_addr()?;
        let answers = Arc::new(Answers::new(address, topics, batch(size)));
        let broker = NullBroker { answers: answers.clone(), address };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answers = answers.clone();
                thread::spawn(move || {
                    if let Err(error) = serve(&stream, &answers)
                        && error.kind() == io::ErrorKind::InvalidData
                    {
                        eprintln!("null-broker: {error}");
                    }
                });
            }
        });
        Ok(broker)
    }

    /// `host:port`.
    pub fn bootstrap(&self) -> String {
        self.address.to_string()
    }

    /// Produce requests so far.
    pub fn produces(&self) -> u64 {
        self.answers.produces.load(Ordering::Relaxed)
    }

    /// Fetch requests so far.
    pub fn fetches(&self) -> u64 {
        self.answers.fetches.load(Ordering::Relaxed)
    }
}

/// As many records with values of this size as a fetch of one partition brings, one at least.
pub(crate) fn batch(size: usize) -> Bytes {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (values, now) = (Values::new(size), now.as_millis() as i64);
    let mut builder = BatchBuilder::with_capacity(BATCH_BYTES);
    builder.append(now, None, Some(values.at(0)), &[]);
    let mut next = 1;
    while builder.append_within(BATCH_BYTES, now, None, Some(values.at(next)), &[]).is_ok() {
        next += 1;
    }
    builder.seal(Compression::None, Producer::NONE).expect("some records below 2 GiB can be sealed")
}

/// Answers a connection's requests until the client closes it.
fn serve(stream: &TcpStream, answers: &Answers) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input = BufReader::new(stream);
    let mut buffer = Vec::new();
    loop {
        let mut length = [0; 4];
        input.read_exact(&mut length)?;
        let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > MAX_REQUEST_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not a request of Kafka's"));
        }
        if buffer.len() < length {
            buffer.resize(length, 0);
        }
        input.read_exact(&mut buffer[..length])?;
        let whole = Bytes::from(buffer);
        let answer = answers.answer(whole.slice(..length))?;
        // Nobody else has a share of it any more: nothing is copied.
        buffer = Vec::from(whole);
        let mut slices: Vec<_> = answer.iter().map(|segment| IoSlice::new(segment)).collect();
        let mut rest = &mut slices[..];
        while !rest.is_empty() {
            let written = (&mut &*stream).write_vectored(rest)?;
            IoSlice::advance_slices(&mut rest, written);
        }
    }
}
