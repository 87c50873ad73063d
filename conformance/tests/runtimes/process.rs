//! What the process itself runs out of, and what a fork leaves of a client.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::time::{Duration, Instant};

use fork::Fork;
use milena_conformance::cluster::Cluster;
use milena_core::protocol::ApiKey;
use milena_core::{Client, CloseReason, Config, Error, Record, WriterConfig};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::{cluster, config};

/// Runs an ignored test of this binary in a process of its own, in bounded time.
pub(crate) fn alone(test: &str) {
    let exe = std::env::current_exe().unwrap();
    let mut child = Command::new(exe).args([test, "--exact", "--ignored", "--nocapture"]).spawn().unwrap();
    let start = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if start.elapsed() > Duration::from_secs(60) => {
                child.kill().unwrap();
                panic!("{test} does not end");
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    assert!(status.success(), "{test}: {status}");
}

#[test]
fn without_descriptors_a_client_says_so_and_goes_on_when_there_are_some() {
    alone("process::descriptors");
}

/// Of little patience, but always enough for one more attempt: the longest wait between two is far shorter.
fn impatient(cluster: &Cluster) -> Config {
    let mut config = config(cluster);
    config.bootstrap_timeout = Duration::from_millis(700);
    config.backoff = (Duration::from_millis(10), Duration::from_millis(100));
    config
}

/// Takes what is left.
fn exhaust() -> Vec<File> {
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

type Connect = fn(&tokio::runtime::Runtime, &Client) -> Result<(), Error>;

fn says_so<T: std::fmt::Debug>(result: Result<T, Error>) {
    let error = result.unwrap_err();
    let Error::Bootstrap { attempts } = &error else { panic!("{error:?}") };
    // ENFILE or EMFILE has no kind of its own in std.
    let (_, CloseReason::Connect(_, text) | CloseReason::Io(_, text)) = &attempts[0] else {
        panic!("{error:?}")
    };
    assert!(text.contains("Too many open files"), "{error}");
    assert!(error.is_retriable(), "{error:?}");
}

#[test]
#[ignore = "runs in a process of its own"]
fn descriptors() {
    // The broker's own come out of the same limit: it is warm and lives in this process.
    let cluster = cluster();
    setrlimit(Resource::Nofile, Rlimit { current: Some(100), maximum: Some(100) }).unwrap();
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let clients: [(Client, Connect); 3] = [
        (tokio.block_on(async { milena_tokio::client(impatient(&cluster)).unwrap() }), |tokio, client| {
            tokio.block_on(client.connect())
        }),
        (milena_async_std::smol::client(impatient(&cluster)).unwrap(), |_, client| {
            smol::block_on(client.connect())
        }),
        (milena_async_std::async_std::client(impatient(&cluster)).unwrap(), |_, client| {
            async_std::task::block_on(client.connect())
        }),
    ];
    // Their reactors want descriptors of their own.
    smol::block_on(smol::Timer::after(Duration::from_millis(1)));
    let taken = exhaust();
    for (client, connect) in &clients {
        says_so(connect(&tokio, client));
    }
    says_so(milena_blocking::connect(impatient(&cluster)));
    drop(taken);
    for (client, connect) in &clients {
        connect(&tokio, client).unwrap();
    }
    milena_blocking::connect(impatient(&cluster)).unwrap();
}

#[test]
fn a_forked_child_makes_clients_of_its_own_and_does_its_parent_no_harm() {
    alone("process::forked");
}

#[test]
#[ignore = "runs in a process of its own"]
fn forked() {
    let cluster = cluster();
    let client = milena_blocking::client(config(&cluster)).unwrap();
    let writer = client.writer(WriterConfig::new("t")).unwrap();
    writer.write(Record::new("before")).unwrap();
    let connections =
        || cluster.requests().iter().filter(|request| request.key == ApiKey::API_VERSIONS).count();
    let before = connections();
    match fork::fork().unwrap() {
        Fork::Child => {
            // Nothing may unwind into the test harness of the parent.
            let child = catch_unwind(AssertUnwindSafe(|| {
                drop((writer, client));
                let client = milena_blocking::connect(config(&cluster)).unwrap();
                client.writer(WriterConfig::new("t")).unwrap().write(Record::new("child")).unwrap();
                let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                tokio.block_on(async {
                    let client = milena_tokio::connect(config(&cluster)).await.unwrap();
                    client.writer(WriterConfig::new("t")).unwrap().write(Record::new("child")).await.unwrap();
                });
            }));
            std::process::exit(if child.is_ok() { 0 } else { 1 });
        }
        Fork::Parent(child) => {
            assert_eq!(fork::waitpid(child).unwrap(), 0);
            let childs = connections() - before;
            assert_eq!(writer.write(Record::new("after")).unwrap().offset, Some(3));
            // The parent's connections are those from before the fork.
            assert_eq!(connections() - before, childs);
        }
    }
}
