//! Writes records and reads them back by calling the machine: std's sockets, no handles, no runtime, no thread but main.
//!
//! ```text
//! cargo run --release --example by_hand
//! cargo run --release --example by_hand -- localhost:9092
//! ```
//!
//! Without an address it talks to a simulated cluster in this process. `docs/core.md` explains what is done here.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use milena_conformance::cluster::Cluster;
use milena_core::machine::reader::{self, Opened};
use milena_core::machine::writer::{self, BatchId, Gathered, News, Settled, TopicView};
use milena_core::machine::{Ask, Channel, Command, ConnId, Input, Machine, OpId, Output, ReaderId, WriterId};
use milena_core::protocol::CreateTopicsRequest;
use milena_core::protocol::create_topics::CreatableTopic;
use milena_core::record::BatchBuilder;
use milena_core::{Address, CloseReason, Config, Now, ReaderConfig, Target, Until, WriterConfig};

const WRITER: WriterId = WriterId(0);
const READER: ReaderId = ReaderId(0);

/// The machine, and what it cannot have itself: a clock and sockets.
struct Hand {
    machine: Machine,
    config: Arc<Config>,
    start: Instant,
    sockets: BTreeMap<ConnId, (TcpStream, Channel)>,
    /// Where records gather until the machine wants them.
    batches: RefCell<VecDeque<Gathered>>,
}

impl Hand {
    fn now(&self) -> Now {
        let wall = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis() as i64;
        Now { mono: milena_core::Instant::from_micros(self.start.elapsed().as_micros() as u64), wall }
    }

    fn command(&mut self, command: Command) {
        self.machine.command(self.now(), command);
    }

    fn handle(&mut self, input: Input) {
        self.machine.handle(self.now(), input);
    }

    /// Does what the machine wants until there is something for the caller.
    fn next(&mut self) -> Output {
        loop {
            while let Some(output) = self.machine.poll_output() {
                match output {
                    Output::Connect { conn, address } => match connect(&address) {
                        Ok(socket) => {
                            self.sockets.insert(conn, (socket, Channel::new(conn, &self.config)));
                            self.handle(Input::Connected { conn });
                        }
                        Err(error) => {
                            self.handle(Input::Closed { conn, reason: CloseReason::connect(&error) })
                        }
                    },
                    Output::Close { conn } => drop(self.sockets.remove(&conn)),
                    Output::Ready { .. } => {}
                    Output::Writer(_, writer::Output::Work(job)) => {
                        let worked = job.run(&self.batches);
                        self.handle(Input::Worked(vec![worked]));
                    }
                    Output::Notice(notice) => println!("({notice})"),
                    output => return output,
                }
            }
            if self.sockets.is_empty() {
                std::thread::sleep(Duration::from_millis(1));
            }
            for conn in self.sockets.keys().copied().collect::<Vec<_>>() {
                if let Err(reason) = self.pump(conn) {
                    self.handle(Input::Closed { conn, reason });
                }
            }
            if self.machine.poll_timeout().is_some_and(|at| at <= self.now().mono) {
                self.machine.handle_timeout(self.now());
            }
        }
    }

    /// Writes what is to leave, and reads what is there.
    fn pump(&mut self, conn: ConnId) -> Result<(), CloseReason> {
        let now = self.now();
        let Some((socket, channel)) = self.sockets.get_mut(&conn) else { return Ok(()) };
        while let Some(transmit) = self.machine.poll_transmit(now, conn) {
            if let Some(encoded) = channel.send(transmit) {
                self.machine.handle(now, Input::Encoded(encoded));
            }
        }
        while channel.has_unsent() {
            let written = channel.write_with(|segments| socket.write_vectored(segments));
            written.map_err(|error| CloseReason::io(&error))?;
        }
        let mut bytes = [0; 1 << 16];
        let received = match socket.read(&mut bytes) {
            Ok(read) => channel.receive(&bytes[..read]),
            // Unix and Windows call a time-out differently.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(()),
            Err(error) => Err(CloseReason::io(&error)),
        };
        while let Some(answered) = channel.poll_answer() {
            self.machine.handle(now, Input::Answered(answered));
        }
        received
    }

    /// Ten records for the first partition, in one batch.
    fn gather(&mut self, view: &TopicView) {
        let mut builder = BatchBuilder::with_capacity(1024);
        for number in 0..10 {
            builder.append(self.now().wall, None, Some(format!("record {number}").as_bytes()), &[]);
        }
        let (batch, created, reserved) = (BatchId(0), self.now().mono, builder.capacity());
        self.batches.borrow_mut().push_back(Gathered { batch, builder, created, reserved });
        let gathered = writer::Command::Gathered { slot: view.slots[0], news: News::First };
        self.command(Command::Writer(WRITER, gathered));
    }
}

/// A socket that waits for a millisecond where there is nothing to read: all of them are looked at in turn.
fn connect(address: &Address) -> std::io::Result<TcpStream> {
    let socket = TcpStream::connect((&*address.host, address.port))?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(Duration::from_millis(1)))?;
    Ok(socket)
}

/// Makes a topic, writes ten records to it, and reads them back.
pub(crate) fn by_hand(bootstrap: &str, topic: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let config = Arc::new(Config::new(bootstrap)?);
    let machine = Machine::new(config.clone(), [7; 32]);
    let (start, sockets, batches) = (Instant::now(), BTreeMap::new(), RefCell::default());
    let mut hand = Hand { machine, config, start, sockets, batches };

    let new =
        CreatableTopic { name: topic.into(), num_partitions: 1, replication_factor: 1, ..Default::default() };
    let request = CreateTopicsRequest { topics: vec![new], timeout_ms: 10_000, ..Default::default() };
    hand.command(Command::Ask(OpId(0), Ask::new(Arc::new(request), Target::Controller)));
    let mut reading = ReaderConfig::new(topic);
    reading.until = Until::End;
    let (mut gathered, mut read) = (false, Vec::new());
    loop {
        match hand.next() {
            Output::Done { result, .. } => {
                let created = result?.and_then(|answer| answer.take::<CreateTopicsRequest>());
                let mut results = created.iter().flat_map(|created| &created.topics);
                if let Some(refused) = results.find(|topic| !topic.error_code.is_ok()) {
                    return Err(format!("{refused:?}").into());
                }
                let writing = Arc::new(WriterConfig::new(topic));
                hand.command(Command::Writer(WRITER, writer::Command::Open(writing)));
                hand.command(Command::Writer(WRITER, writer::Command::Topic(topic.into())));
            }
            // It comes again when leaders move.
            Output::Writer(_, writer::Output::Topic { view, .. }) if !gathered => {
                gathered = true;
                hand.gather(&view?);
            }
            Output::Writer(_, writer::Output::Settled(Settled { records, outcome, .. })) => {
                println!("{records} records are written from offset {:?}", outcome?.0);
                hand.command(Command::Reader(READER, reader::Command::Open(Arc::new(reading.clone()))));
            }
            Output::Reader(_, reader::Output::Fetched(chunk)) => {
                let mut opened = Opened::new(chunk, &reading);
                while let Some(message) = opened.next_message().transpose()? {
                    let value = message.value.as_deref().unwrap_or_default();
                    read.push(String::from_utf8_lossy(value).into_owned());
                }
                hand.command(Command::Reader(READER, reader::Command::Consumed(opened.bytes())));
            }
            Output::Reader(_, reader::Output::Ended(error)) => {
                return error.map_or(Ok(read), |error| Err(error.into()));
            }
            _ => {}
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let cluster = Cluster::start()?;
    let bootstrap = std::env::args().nth(1).unwrap_or_else(|| cluster.bootstrap());
    let topic = format!("by-hand-{}", SystemTime::UNIX_EPOCH.elapsed()?.as_millis());
    by_hand(&bootstrap, &topic)?.iter().for_each(|record| println!("read {record}"));
    Ok(())
}
