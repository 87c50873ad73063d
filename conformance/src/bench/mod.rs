//! Benches of the client: throughput of writing and reading and what it would cost without a client, the latency of one
//! write, the cost of doing nothing, and how long others wait for their turn.
//!
//! Only the steady part is measured: connecting, creating the topic and a first record come before.

mod compare;
mod fairness;
mod floor;
mod idle;
mod load;
mod measure;
mod values;

use std::error::Error as StdError;
use std::fmt::{self, Write as _};
use std::pin::Pin;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use milena_async_std::{AsyncIo, async_std as on_async_std, smol as on_smol};
use milena_core::protocol::ErrorCode;
use milena_core::{Acks, Compression, Config, Error, NewTopic, RecordingConfig, drive};
use tokio::runtime::Builder;

use crate::face::{Client, at_once};
pub use compare::{Comparison, compare};
pub(crate) use measure::process_cpu;
use measure::{Cost, peak_rss_mb};
pub(crate) use values::Values;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Records handed over as fast as they are taken.
    Produce,
    /// Records read from the first on.
    Consume,
    /// Records written one at a time.
    Latency,
    /// A client that has nothing to do.
    Idle,
    /// A task beside a writer and a reader on one thread.
    Fairness,
}

/// The client's runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// tokio, with that many worker threads; 0 for the current thread alone.
    Tokio {
        /// Worker threads.
        threads: usize,
    },
    /// smol: its global executor, one thread beside the one that waits; for [`Kind::Fairness`] one thread for both.
    Smol,
    /// async-std.
    AsyncStd,
    /// Threads.
    Blocking,
    /// No client: one thread does what can't be left out. For [`Kind::Produce`] and [`Kind::Consume`].
    Floor,
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Runtime::Tokio { threads: 0 } => f.write_str("tokio"),
            Runtime::Tokio { threads } => write!(f, "tokio-{threads}"),
            Runtime::Smol => f.write_str("smol"),
            Runtime::AsyncStd => f.write_str("async-std"),
            Runtime::Blocking => f.write_str("blocking"),
            Runtime::Floor => f.write_str("floor"),
        }
    }
}

/// One measurement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bench {
    /// What is measured.
    pub kind: Kind,
    /// `host:port` of one or more brokers.
    pub bootstrap: String,
    /// The topic written or read.
    pub topic: String,
    /// The client's runtime.
    pub runtime: Runtime,
    /// Records to measure.
    pub records: usize,
    /// Bytes of one value. Told only, not used, by [`Kind::Consume`], as are the codec and the acks.
    pub size: usize,
    /// Codec of what is written.
    pub codec: Compression,
    /// Partitions of the topic, if it has to be created.
    pub partitions: i32,
    /// When a write is done.
    pub acks: Acks,
    /// Whether to read owned messages one by one, not batches in place.
    pub messages: bool,
    /// Whether the client keeps a recording, as by default.
    pub record: bool,
    /// How long a batch that is not full waits for more: [`Kind::Produce`].
    pub linger: Duration,
    /// How long to measure: [`Kind::Idle`] and [`Kind::Fairness`], each of their lines.
    pub seconds: u64,
}

type Result<T> = std::result::Result<T, Box<dyn StdError>>;

/// A future to be spawned, or to wait for.
type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What some benches need of a runtime beside a client.
#[derive(Clone)]
struct Host {
    spawn: Arc<dyn Fn(Task) + Send + Sync>,
    sleep: fn(Duration) -> Task,
}

impl Host {
    fn new(spawn: impl Fn(Task) + Send + Sync + 'static, sleep: fn(Duration) -> Task) -> Self {
        Host { spawn: Arc::new(spawn), sleep }
    }
}

/// Measures, and tells it in lines of `key=value` pairs: one, or two or three where something is measured with and without.
///
/// # Errors
/// Those of the client; records that were not acknowledged; fewer records in the topic than are to be read.
pub fn run(bench: &Bench) -> Result<String> {
    if bench.runtime == Runtime::Floor {
        return floor::run(bench);
    }
    let mut config = Config::new(&bench.bootstrap)?;
    config.recording = bench.record.then(RecordingConfig::default);
    let async_io_sleep = |time| -> Task {
        Box::pin(async move {
            smol::Timer::after(time).await;
        })
    };
    match bench.runtime {
        Runtime::Tokio { threads } => {
            let mut builder = match threads {
                0 => Builder::new_current_thread(),
                _ => Builder::new_multi_thread(),
            };
            let runtime = builder.worker_threads(threads.max(1)).enable_all().build()?;
            let host = Host::new(|task| drop(tokio::spawn(task)), |time| Box::pin(tokio::time::sleep(time)));
            runtime.block_on(async { measured(milena_tokio::connect(config).await?, bench, host).await })
        }
        Runtime::Smol if bench.kind == Kind::Fairness => {
            let executor = Arc::new(smol::Executor::new());
            let spawn = |executor: &Arc<smol::Executor<'static>>| {
                let executor = executor.clone();
                move |task: Task| executor.spawn(task).detach()
            };
            let client = drive::start(AsyncIo::new(spawn(&executor)), config, [0; 32])?;
            let host = Host::new(spawn(&executor), async_io_sleep);
            smol::block_on(executor.run(async { measured(client, bench, host).await }))
        }
        Runtime::Smol => {
            let host = Host::new(|task| smol::spawn(task).detach(), async_io_sleep);
            smol::block_on(async { measured(on_smol::connect(config).await?, bench, host).await })
        }
        Runtime::AsyncStd => {
            let host = Host::new(|task| drop(async_std::task::spawn(task)), async_io_sleep);
            async_std::task::block_on(async {
                measured(on_async_std::connect(config).await?, bench, host).await
            })
        }
        Runtime::Blocking => {
            let sleep = |time| -> Task { Box::pin(async move { thread::sleep(time) }) };
            let host = Host::new(|task| drop(thread::spawn(|| at_once(task))), sleep);
            at_once(measured(milena_blocking::connect(config)?, bench, host))
        }
        Runtime::Floor => unreachable!("it has no client"),
    }
}

async fn measured<C: Client>(client: C, bench: &Bench, host: Host) -> Result<String> {
    if bench.kind != Kind::Consume {
        match client.create_topic(NewTopic::new(&bench.topic, bench.partitions)).await {
            Err(Error::Rejected { code: ErrorCode::TOPIC_ALREADY_EXISTS, .. }) => {}
            result => result?,
        }
    }
    match bench.kind {
        Kind::Produce => load::produce(&client, bench).await,
        Kind::Consume => load::consume(&client, bench).await,
        Kind::Latency => load::latency(&client, bench).await,
        Kind::Idle => idle::run(&client, bench, &host).await,
        Kind::Fairness => fairness::run(&client, bench, &host).await,
    }
}

fn line(bench: &Bench, cost: &Cost, bytes: usize, more: &[(&str, u128)]) -> String {
    let Bench { runtime, records, size, codec, partitions, .. } = bench;
    let linger = bench.linger.as_millis();
    let kind = match bench.kind {
        Kind::Produce => "produce",
        Kind::Consume if bench.messages => "consume-messages",
        Kind::Consume => "consume",
        Kind::Latency => "latency",
        Kind::Idle | Kind::Fairness => unreachable!("they have lines of their own"),
    };
    let acks = match bench.acks {
        Acks::All => "all",
        Acks::Leader => "1",
        Acks::None => "0",
    };
    let (seconds, count) = (cost.elapsed.as_secs_f64(), *records as f64);
    let mut line = format!(
        "bench={kind} runtime={runtime} records={records} size={size} codec={codec} partitions={partitions} acks={acks} linger_ms={linger}"
    );
    // Writing to a String does not fail.
    let _ = write!(
        line,
        " records_per_s={:.0} mb_per_s={:.1} cpu_s_per_m={:.4} allocs_per_record={:.4} switches={}",
        count / seconds,
        bytes as f64 / 1e6 / seconds,
        cost.cpu.as_secs_f64() * 1e6 / count,
        cost.allocations as f64 / count,
        cost.switches,
    );
    more.iter().for_each(|(key, value)| _ = write!(line, " {key}={value}"));
    if let Some(peak) = peak_rss_mb() {
        let _ = write!(line, " peak_rss_mb={peak:.1}");
    }
    line
}
