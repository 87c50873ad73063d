//! A thousand clients, one after another, on each runtime: nothing of them is left, neither memory nor threads, tasks or
//! descriptors.
//!
//! One test after another in one process, which nothing else may disturb.

use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use milena_core::{Client, Config, ReaderConfig, Record, WriterConfig};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

const WARM_UP: usize = 100;
const CLIENTS: usize = 1_000;

/// What a process holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    bytes: isize,
    threads: usize,
    descriptors: usize,
    tasks: usize,
}

fn held(tasks: usize) -> Held {
    let stats = INSTRUMENTED_SYSTEM.stats();
    let count = |path: &str| fs::read_dir(path).unwrap().count();
    // What a reallocation adds is told apart from both.
    let bytes = stats.bytes_allocated as isize - stats.bytes_deallocated as isize;
    Held { bytes, threads: count("/proc/self/task"), descriptors: count("/proc/self/fd"), tasks }
}

/// A client's whole life: half of them are closed, half just dropped, with a reader's fetch under way.
async fn live(client: Client, number: usize) {
    let writer = client.writer(WriterConfig::new("t")).unwrap();
    writer.write(Record::new("v")).await.unwrap();
    let mut reader = client.reader(ReaderConfig::new("t")).unwrap();
    reader.next().await.unwrap().unwrap();
    if number.is_multiple_of(2) {
        writer.close().await;
        client.close();
    }
}

/// A broker in a process of its own: what it keeps would look like a leak.
struct Broker(Child);

impl Broker {
    fn start() -> (Self, String) {
        let mut broker = Command::new(env!("CARGO_BIN_EXE_milena-conformance"))
            .args(["broker", "--topic", "t"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(broker.stdout.take().unwrap()).read_line(&mut line).unwrap();
        (Broker(broker), line.trim().strip_prefix("bootstrap=").unwrap().to_owned())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It ends with its standard input, which waiting closes.
        let _ = self.0.wait();
    }
}

/// Lives so many lives, and sees what is left at their end.
fn thousand(runtime: &str, tasks: impl Fn() -> usize, mut one: impl FnMut(&Config, usize)) {
    let (_broker, bootstrap) = Broker::start();
    let config = Config::new(&bootstrap).unwrap();
    (0..WARM_UP).for_each(|number| one(&config, number));
    let before = settled(&tasks, None);
    let start = Instant::now();
    (0..CLIENTS).for_each(|number| one(&config, number));
    let after = settled(&tasks, Some(before));
    let _ = writeln!(
        std::io::stderr(),
        "{runtime}: {CLIENTS} clients in {:.1?}; before {before:?}, after {after:?}",
        start.elapsed()
    );
    assert!(after.threads <= before.threads, "{runtime}: {before:?} {after:?}");
    assert!(after.descriptors <= before.descriptors, "{runtime}: {before:?} {after:?}");
    assert!(after.tasks <= before.tasks, "{runtime}: {before:?} {after:?}");
    let each = (after.bytes - before.bytes) / CLIENTS as isize;
    assert!(each < 100, "{runtime}: {each} bytes are left of each client, {before:?} {after:?}");
}

/// Connections, threads and tasks end a moment after their client.
fn settled(tasks: &impl Fn() -> usize, goal: Option<Held>) -> Held {
    let start = Instant::now();
    loop {
        std::thread::sleep(Duration::from_millis(300));
        let now = held(tasks());
        let there = goal.is_none_or(|goal| {
            now.threads <= goal.threads && now.descriptors <= goal.descriptors && now.tasks <= goal.tasks
        });
        if there || start.elapsed() > Duration::from_secs(10) {
            return now;
        }
    }
}

#[test]
fn nothing_is_left_of_a_thousand_clients_on_each_runtime() {
    let runtimes = [
        ("tokio current-thread", tokio::runtime::Builder::new_current_thread()),
        ("tokio multi-thread", tokio::runtime::Builder::new_multi_thread()),
    ];
    for (name, mut builder) in runtimes {
        let runtime = builder.worker_threads(2).enable_all().build().unwrap();
        let alive = || {
            // A current-thread runtime ends its tasks in `block_on` only.
            runtime.block_on(async { tokio::time::sleep(Duration::from_millis(50)).await });
            runtime.metrics().num_alive_tasks()
        };
        thousand(name, alive, |config, number| {
            runtime
                .block_on(async { live(milena_tokio::connect(config.clone()).await.unwrap(), number).await });
        });
    }
    // These tell no numbers of tasks; one that lived on would hold memory and a socket.
    thousand(
        "smol",
        || 0,
        |config, number| {
            smol::block_on(async {
                live(milena_async_std::smol::connect(config.clone()).await.unwrap(), number).await
            });
        },
    );
    thousand(
        "async-std",
        || 0,
        |config, number| {
            async_std::task::block_on(async {
                live(milena_async_std::async_std::connect(config.clone()).await.unwrap(), number).await;
            });
        },
    );
    thousand(
        "blocking",
        || 0,
        |config, number| {
            let client = milena_blocking::connect(config.clone()).unwrap();
            let writer = client.writer(milena_blocking::WriterConfig::new("t")).unwrap();
            writer.write(Record::new("v")).unwrap();
            let mut reader = client.reader(milena_blocking::ReaderConfig::new("t")).unwrap();
            reader.next().unwrap().unwrap();
            if number.is_multiple_of(2) {
                writer.close();
                client.close();
            }
        },
    );
}
