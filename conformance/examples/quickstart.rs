//! Writes records with Milena, reads them back, and checks what came.
//!
//! ```text
//! cargo run --release --example quickstart
//! cargo run --release --example quickstart -- --bootstrap-server localhost:9092 --runtime blocking --records 1000000
//! ```
//!
//! The runtimes are tokio, smol, async-std and blocking.
//!
//! Without `--bootstrap-server` it starts a simulated cluster in this process. On a real one it creates a topic of its
//! own and leaves it there.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use indicatif::{ProgressBar, ProgressStyle};
use lexopt::{Arg, ValueExt as _};
use milena_conformance::cluster::Cluster;
use milena_core::{Client, Config, Message, NewTopic, ReaderConfig, Record, Until, WriterConfig};

/// Records of one customer are written and read in order; those of different customers share the partitions.
const CUSTOMERS: usize = 1000;
const PARTITIONS: i32 = 6;

/// The same on every async runtime, by whichever of their `connect`s the client was made ...
async fn with_futures(client: Client, topic: &str, records: usize) -> Result<Report, Box<dyn Error>> {
    client.create_topic(NewTopic::new(topic, PARTITIONS)).await?;

    let start = Instant::now();
    let bar = progress("writing", records);
    let writer = client.writer(WriterConfig::new(topic))?;
    let mut deliveries = Vec::with_capacity(records);
    for number in 0..records {
        let (key, value) = order(number);
        // Does not wait for the brokers, only for room in the buffer when they can't keep up.
        deliveries.push(writer.enqueue(Record::keyed(&key, &value)).await?);
        bar.inc(1);
    }
    for delivery in deliveries {
        // Here the record is acknowledged by all in-sync replicas, or the error tells what became of it.
        delivery.await?;
    }
    writer.close().await;
    bar.finish_and_clear();
    let wrote = start.elapsed();

    let start = Instant::now();
    let bar = progress("reading", records);
    let mut config = ReaderConfig::new(topic);
    config.until = Until::End;
    let mut reader = client.reader(config)?;
    let mut check = Check::default();
    while let Some(message) = reader.next().await {
        check.message(&message?)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    check.end(records, wrote, start.elapsed())
}

/// ... and on plain threads: there is no async runtime, each call blocks, and a reader is an iterator.
fn with_threads(config: Config, topic: &str, records: usize) -> Result<Report, Box<dyn Error>> {
    let client = milena_blocking::connect(config)?;
    client.create_topic(NewTopic::new(topic, PARTITIONS))?;

    let start = Instant::now();
    let bar = progress("writing", records);
    let writer = client.writer(WriterConfig::new(topic))?;
    let mut deliveries = Vec::with_capacity(records);
    for number in 0..records {
        let (key, value) = order(number);
        deliveries.push(writer.enqueue(Record::keyed(&key, &value))?);
        bar.inc(1);
    }
    for delivery in deliveries {
        delivery.wait()?;
    }
    writer.close();
    bar.finish_and_clear();
    let wrote = start.elapsed();

    let start = Instant::now();
    let bar = progress("reading", records);
    let mut config = ReaderConfig::new(topic);
    config.until = Until::End;
    let mut check = Check::default();
    for message in client.reader(config)? {
        check.message(&message?)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    check.end(records, wrote, start.elapsed())
}

/// Key and value of the record with this number.
fn order(number: usize) -> (String, String) {
    let customer = format!("customer-{}", number % CUSTOMERS);
    let value = format!("order {} of {customer}", number / CUSTOMERS);
    (customer, value)
}

/// What was read so far: the next order of each customer.
#[derive(Default)]
struct Check {
    next: BTreeMap<String, usize>,
    records: usize,
}

impl Check {
    fn message(&mut self, message: &Message) -> Result<(), String> {
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        let customer = text(message.key.as_deref());
        let value = text(message.value.as_deref());
        let next = self.next.entry(customer.clone()).or_default();
        let expected = format!("order {next} of {customer}");
        if value != expected {
            let at = format!("partition {} offset {}", message.partition, message.offset);
            return Err(format!("read {value:?} instead of {expected:?} at {at}"));
        }
        *next += 1;
        self.records += 1;
        Ok(())
    }

    fn end(self, records: usize, wrote: Duration, read: Duration) -> Result<Report, Box<dyn Error>> {
        if self.records != records {
            return Err(format!("wrote {records} records, but read {}", self.records).into());
        }
        Ok(Report { records, keys: self.next.len(), wrote, read })
    }
}

/// What was done and how fast.
struct Report {
    records: usize,
    keys: usize,
    wrote: Duration,
    read: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { records, keys, wrote, read } = self;
        let rate = |time: &Duration| *records as f64 / time.as_secs_f64();
        writeln!(f, "wrote {records} records in {wrote:.2?}: {:.0} a second, all acknowledged", rate(wrote))?;
        writeln!(f, "read  {records} records in {read:.2?}: {:.0} a second", rate(read))?;
        write!(
            f,
            "checked: every value is what was written, and the values of each of {keys} keys came in order"
        )
    }
}

/// A bar on standard error if that is a terminal, nothing otherwise.
fn progress(what: &'static str, records: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} [{wide_bar}] {human_pos}/{human_len}");
    let bar = ProgressBar::new(records as u64).with_message(what);
    style.map_or(bar.clone(), |style| bar.with_style(style))
}

enum Runtime {
    Tokio,
    Smol,
    AsyncStd,
    Blocking,
}

impl Runtime {
    fn run(&self, config: Config, topic: &str, records: usize) -> Result<Report, Box<dyn Error>> {
        match self {
            Runtime::Tokio => tokio::runtime::Runtime::new()?
                .block_on(async { with_futures(milena_tokio::connect(config).await?, topic, records).await }),
            Runtime::Smol => smol::block_on(async {
                with_futures(milena_async_std::smol::connect(config).await?, topic, records).await
            }),
            Runtime::AsyncStd => async_std::task::block_on(async {
                with_futures(milena_async_std::async_std::connect(config).await?, topic, records).await
            }),
            Runtime::Blocking => with_threads(config, topic, records),
        }
    }
}

struct Options {
    bootstrap: Option<String>,
    runtime: Runtime,
    records: usize,
}

const RUNTIMES: &str = "tokio, smol, async-std, blocking";

fn options(mut parser: lexopt::Parser) -> Result<Options, lexopt::Error> {
    let mut options = Options { bootstrap: None, runtime: Runtime::Tokio, records: 100_000 };
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("bootstrap-server") => options.bootstrap = Some(parser.value()?.string()?),
            Arg::Long("runtime") => {
                options.runtime = match parser.value()?.string()?.as_str() {
                    "tokio" => Runtime::Tokio,
                    "smol" => Runtime::Smol,
                    "async-std" => Runtime::AsyncStd,
                    "blocking" => Runtime::Blocking,
                    other => return Err(format!("--runtime: {other:?} is none of {RUNTIMES}").into()),
                }
            }
            Arg::Long("records") => options.records = parser.value()?.parse()?,
            other => return Err(other.unexpected()),
        }
    }
    Ok(options)
}

/// What there is to tell in the end.
pub(crate) fn quickstart(parser: lexopt::Parser) -> Result<String, Box<dyn Error>> {
    let options = options(parser).map_err(|error| {
        format!(
            "{error}; the options are --bootstrap-server HOST:PORT, --runtime ({RUNTIMES}) and --records N"
        )
    })?;
    // It lives until the end of this function.
    let cluster = match options.bootstrap {
        Some(_) => None,
        None => Some(Cluster::builder().nodes(3).start()?),
    };
    let bootstrap = options.bootstrap.or(cluster.as_ref().map(Cluster::bootstrap)).unwrap_or_default();
    let topic = format!("milena-quickstart-{}", SystemTime::UNIX_EPOCH.elapsed()?.as_millis());
    let whose = if cluster.is_some() { "a simulated cluster" } else { "the cluster" };
    println!("topic {topic} with {PARTITIONS} partitions on {whose} at {bootstrap}");

    let mut config = Config::new(&bootstrap)?;
    // Who tries this out wants to know soon that nothing listens there.
    config.bootstrap_timeout = Duration::from_secs(3);
    let report = options.runtime.run(config, &topic, options.records)?;
    Ok(report.to_string())
}

fn main() -> ExitCode {
    match quickstart(lexopt::Parser::from_env()) {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("failed: {error}");
            ExitCode::FAILURE
        }
    }
}
