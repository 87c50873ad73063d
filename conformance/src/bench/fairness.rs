//! How long a task waits for its turn: alone on its thread, and beside a writer and a reader at full speed.
//!
//! The task gives way again and again, and now and then sleeps a millisecond. Its delays are the time until it goes on, and
//! by how much it overslept; runtimes whose timers are coarse oversleep alone, too. Of a turn the CPU that the thread used
//! meanwhile is told as well: what other tasks took, without what other processes did.

use std::fmt::Write as _;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use milena_core::{ReaderConfig, Record, WriterConfig};

use super::measure::thread_cpu;
use super::values::Values;
use super::{Bench, Host, Result, Task};
use crate::face::{Client, Reader, Writer};

const SLEEP: Duration = Duration::from_millis(1);
/// Turns given away between two sleeps.
const TURNS: usize = 100;
/// The writer and the reader are at full speed after so long.
const WARM_UP: Duration = Duration::from_millis(500);

/// Delays in nanoseconds.
#[derive(Default)]
struct Delays {
    turns: Vec<u64>,
    /// CPU of the thread during each turn.
    turn_cpu: Vec<u64>,
    sleeps: Vec<u64>,
}

pub(super) async fn run<C: Client>(client: &C, bench: &Bench, host: &Host) -> Result<String> {
    let alone = observed(bench, host).await;
    let load = Arc::new(Load::default());
    let writer = client.writer(WriterConfig::new(&bench.topic))?;
    let reader = client.reader(ReaderConfig::new(&bench.topic))?;
    (host.spawn)(Box::pin(load.clone().write(writer, Values::new(bench.size))));
    (host.spawn)(Box::pin(load.clone().read(reader)));
    (host.sleep)(WARM_UP).await;
    let (written, read) = (load.written.load(Ordering::Relaxed), load.read.load(Ordering::Relaxed));
    let beside = observed(bench, host).await;
    let per_s =
        |now: &AtomicUsize, before| (now.load(Ordering::Relaxed) - before) as u64 / bench.seconds.max(1);
    let (written, read) = (per_s(&load.written, written), per_s(&load.read, read));
    load.over.store(true, Ordering::Relaxed);
    if let Some(error) = load.failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(error.into());
    }
    let mut text = told(bench, "nothing", alone);
    text.push('\n');
    text.push_str(&told(bench, "writer-and-reader", beside));
    // Writing to a String does not fail.
    let _ = write!(text, " written_per_s={written} read_per_s={read}");
    Ok(text)
}

/// The delays of a task over the bench's time.
async fn observed(bench: &Bench, host: &Host) -> Delays {
    let result = Arc::new(Mutex::new(None));
    let (sleep, time, place) = (host.sleep, Duration::from_secs(bench.seconds), result.clone());
    (host.spawn)(Box::pin(async move {
        let delays = observe(sleep, time).await;
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(delays);
    }));
    loop {
        (host.sleep)(Duration::from_millis(20)).await;
        if let Some(delays) = result.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return delays;
        }
    }
}

async fn observe(sleep: fn(Duration) -> Task, time: Duration) -> Delays {
    let (start, mut delays) = (Instant::now(), Delays::default());
    while start.elapsed() < time {
        for _ in 0..TURNS {
            let (cpu, asked) = (thread_cpu(), Instant::now());
            give_way().await;
            delays.turns.push(asked.elapsed().as_nanos() as u64);
            delays.turn_cpu.push(thread_cpu().saturating_sub(cpu).as_nanos() as u64);
        }
        let asked = Instant::now();
        sleep(SLEEP).await;
        delays.sleeps.push(asked.elapsed().saturating_sub(SLEEP).as_nanos() as u64);
    }
    delays
}

/// To the end of the runtime's queue.
async fn give_way() {
    let mut given = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut given, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The writer and the reader.
#[derive(Default)]
struct Load {
    over: AtomicBool,
    written: AtomicUsize,
    read: AtomicUsize,
    failed: Mutex<Option<String>>,
}

impl Load {
    async fn write(self: Arc<Self>, writer: impl Writer, values: Values) {
        while !self.over.load(Ordering::Relaxed) {
            let index = self.written.fetch_add(1, Ordering::Relaxed);
            if let Err(error) = writer.enqueue(Record::new(values.at(index))).await {
                return self.fail(error.to_string());
            }
        }
    }

    async fn read(self: Arc<Self>, mut reader: impl Reader) {
        while !self.over.load(Ordering::Relaxed) {
            let mut batch = match reader.next_batch().await {
                Some(Ok(batch)) => batch,
                Some(Err(error)) => return self.fail(error.to_string()),
                None => return self.fail("the reader ended".to_owned()),
            };
            while let Some(record) = batch.next_record() {
                if let Err(error) = record {
                    return self.fail(error.to_string());
                }
                self.read.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn fail(&self, error: String) {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

fn told(bench: &Bench, beside: &str, mut delays: Delays) -> String {
    let mut text =
        format!("bench=fairness runtime={} beside={beside} seconds={}", bench.runtime, bench.seconds);
    let Delays { turns, turn_cpu, sleeps } = &mut delays;
    let _ = write!(text, " turns={} sleeps={}", turns.len(), sleeps.len());
    for (name, delays) in [("turn", turns), ("turn_cpu", turn_cpu), ("sleep", sleeps)] {
        delays.sort_unstable();
        let at = |share: f64| delays[((delays.len() - 1) as f64 * share).round() as usize] as f64 / 1e3;
        let _ = write!(
            text,
            " {name}_p50_us={:.1} {name}_p99_us={:.1} {name}_max_us={:.1}",
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
    text
}
