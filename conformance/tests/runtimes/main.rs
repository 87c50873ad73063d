//! What a runtime, its threads and its process do to a client: each adapter where it is used in ways that go wrong elsewhere.

mod blocking;
mod ends;
mod mixed;
mod process;
mod tokio;

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use milena_conformance::cluster::Cluster;
use milena_core::{Client, Config, ReaderConfig, Record, Until, WriterConfig};

/// A cluster of one broker with a topic `t`.
fn cluster() -> Cluster {
    Cluster::builder().topic("t", 1).start().unwrap()
}

fn config(cluster: &Cluster) -> Config {
    Config::new(&cluster.bootstrap()).unwrap()
}

/// Runs a test in bounded time.
fn within(limit: Duration, test: impl FnOnce() + Send + 'static) {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        test();
        let _ = sender.send(());
    });
    match receiver.recv_timeout(limit) {
        Ok(()) => {}
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("still running after {limit:?}"),
        Err(mpsc::RecvTimeoutError::Disconnected) => std::panic::resume_unwind(thread.join().unwrap_err()),
    }
}

/// Writes a record to `t`, reads the topic to its end, and returns what its last record holds.
async fn there_and_back(client: &Client, value: &str) -> String {
    let writer = client.writer(WriterConfig::new("t")).unwrap();
    writer.write(Record::new(value)).await.unwrap();
    let mut config = ReaderConfig::new("t");
    config.until = Until::End;
    let mut reader = client.reader(config).unwrap();
    let mut last = None;
    while let Some(message) = reader.next().await {
        last = message.unwrap().value;
    }
    String::from_utf8(last.unwrap().to_vec()).unwrap()
}
