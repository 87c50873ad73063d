//! Plain threads: many of them, deadlines, a bound on the client's own, signals, and async tasks that block.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use milena_blocking::{Client, Error, Fate, ReaderConfig, Record, TimedOut, Until, WriterConfig};
use milena_conformance::cluster::{Cluster, Fault, Requests};
use milena_core::protocol::ApiKey;

use crate::{cluster, config, within};

fn client(cluster: &Cluster) -> Client {
    milena_blocking::client(config(cluster)).unwrap()
}

#[test]
fn many_threads_share_a_writer() {
    within(Duration::from_secs(30), || {
        let cluster = cluster();
        let writer = client(&cluster).writer(WriterConfig::new("t")).unwrap();
        thread::scope(|scope| {
            for number in 0..16 {
                let writer = &writer;
                scope.spawn(move || {
                    for turn in 0..200 {
                        let value = format!("{number} {turn}");
                        writer.write(Record::new(&value)).unwrap();
                    }
                });
            }
        });
        let mut config = ReaderConfig::new("t");
        config.until = Until::End;
        let mut next = [0; 16];
        for message in client(&cluster).reader(config).unwrap() {
            let value = String::from_utf8(message.unwrap().value.unwrap().to_vec()).unwrap();
            let (number, turn) = value.split_once(' ').unwrap();
            let number: usize = number.parse().unwrap();
            assert_eq!(turn.parse(), Ok(next[number]));
            next[number] += 1;
        }
        assert_eq!(next, [200; 16]);
    });
}

#[test]
fn each_wait_has_a_deadline_and_loses_nothing() {
    within(Duration::from_secs(30), || {
        let cluster = cluster();
        let client = client(&cluster);
        let mut small = WriterConfig::new("t");
        (small.batch_bytes, small.request_bytes, small.buffer_bytes) = (4096, 4096, 4096);
        let writer = client.writer(small).unwrap();
        let mut reader = client.reader(ReaderConfig::new("t")).unwrap();
        let soon = Duration::from_millis(50);
        assert_eq!(reader.next_timeout(soon), Err(TimedOut));
        assert!(matches!(reader.next_batch_timeout(soon), Err(TimedOut)));

        let value = [b'v'; 3000];
        cluster.on_request(ApiKey::PRODUCE, Fault::Delay(Duration::from_secs(1)));
        let start = Instant::now();
        let mut delivery =
            writer.enqueue_timeout(Record::new(&value), Duration::from_secs(10)).unwrap().unwrap();
        assert_eq!(delivery.wait_timeout(soon), Err(TimedOut));
        // There is no room for another one until the first is acknowledged.
        assert!(matches!(writer.enqueue_timeout(Record::new(&value), soon), Err(TimedOut)));
        assert_eq!(writer.flush_timeout(soon), Err(TimedOut));
        assert_eq!(writer.close_timeout(soon), Err(TimedOut));
        assert!(start.elapsed() < Duration::from_millis(900), "{:?}", start.elapsed());
        assert_eq!(writer.write(Record::new("late")).unwrap_err().fate, Fate::NotWritten);

        assert_eq!(delivery.wait_timeout(Duration::from_secs(10)).unwrap().unwrap().offset, Some(0));
        assert_eq!(writer.close_timeout(Duration::MAX), Ok(()));
        let message = reader.next_timeout(Duration::from_secs(10)).unwrap().unwrap().unwrap();
        assert_eq!((message.offset, message.value.unwrap().len()), (0, 3000));
        assert_eq!(reader.next_timeout(soon), Err(TimedOut));
        assert_eq!(cluster.offsets("t", 0), Some((0, 1)));
    });
}

/// The names of this process's threads that clients started, by what follows `milena-`.
fn own_threads(of: &str) -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|name| name.starts_with("milena-") && name.contains(of)).count()
}

/// In a process of its own: other tests have clients, too.
#[test]
fn the_number_of_threads_is_bounded() {
    crate::process::alone("blocking::threads");
}

#[test]
#[ignore = "runs in a process of its own"]
fn threads() {
    let cluster = Cluster::builder().nodes(3).topic("t", 6).start().unwrap();
    let client = client(&cluster);
    let mut readers: Vec<_> = (0..2).map(|_| client.reader(ReaderConfig::new("t")).unwrap()).collect();
    let writers: Vec<_> = (0..10).map(|_| client.writer(WriterConfig::new("t")).unwrap()).collect();
    for round in 0..1_000 {
        let writer = &writers[round % writers.len()];
        writer.write(Record::keyed(&round.to_string(), "v")).unwrap();
    }
    readers.iter_mut().for_each(|reader| drop(reader.next().unwrap().unwrap()));
    let threads = own_threads("");
    // As its documentation has it: brokers, and connections to each.
    assert!((1 + 2 * 3 * 2..=1 + 2 * 3 * (3 + readers.len())).contains(&threads), "{threads}");
    drop((client, readers, writers));
    let start = Instant::now();
    while own_threads("") > 0 {
        assert!(start.elapsed() < Duration::from_secs(5), "{} are left", own_threads(""));
        thread::sleep(Duration::from_millis(10));
    }
}

/// The task's thread stands still meanwhile, but the call comes to its end.
#[test]
fn a_blocking_call_in_an_async_task_ends() {
    within(Duration::from_secs(20), || {
        let cluster = cluster();
        let client = client(&cluster);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let offset = runtime.block_on(async {
            let writer = client.writer(WriterConfig::new("t")).unwrap();
            tokio::spawn(async move { writer.write(Record::new("v")).unwrap().offset }).await.unwrap()
        });
        assert_eq!(offset, Some(0));
    });
}

#[test]
fn a_signal_ends_the_calls_that_wait() {
    crate::process::alone("blocking::signal");
}

#[test]
#[ignore = "runs in a process of its own"]
fn signal() {
    use rustix::process::{Signal, getpid, kill_process};
    use signal_hook::consts::{SIGTERM, SIGUSR1};
    use signal_hook::iterator::Signals;

    let cluster = cluster();
    let client = client(&cluster);
    let mut signals = Signals::new([SIGTERM, SIGUSR1]).unwrap();
    let mut reader = client.reader(ReaderConfig::new("t")).unwrap();
    let writer = client.writer(WriterConfig::new("t")).unwrap();
    // Signals that mean nothing disturb nothing.
    for _ in 0..200 {
        kill_process(getpid(), Signal::USR1).unwrap();
        writer.write(Record::new("v")).unwrap();
        reader.next().unwrap().unwrap();
    }
    cluster.on_request(Requests::of(ApiKey::PRODUCE).always(), Fault::NeverAnswer);
    thread::scope(|scope| {
        let reading = scope.spawn(|| reader.next());
        let writing = scope.spawn(|| writer.write(Record::new("unanswered")));
        scope.spawn(|| {
            while signals.forever().next() != Some(SIGTERM) {}
            client.close();
        });
        thread::sleep(Duration::from_millis(200));
        assert!(!reading.is_finished() && !writing.is_finished());
        kill_process(getpid(), Signal::TERM).unwrap();
        assert_eq!(reading.join().unwrap(), Some(Err(Error::Closed)));
        let error = writing.join().unwrap().unwrap_err();
        assert_eq!((error.fate, error.cause), (Fate::Unknown, Error::Closed));
    });
}
