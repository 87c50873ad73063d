//! Runtimes that end before their clients do: no call waits for ever.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use milena_async_std::AsyncIo;
use milena_conformance::cluster::Cluster;
use milena_core::{
    Client, Error, Fate, NewTopic, Reader, ReaderConfig, Record, WriteError, Writer, WriterConfig, drive,
};

use crate::{cluster, config, within};

/// What outlives its runtime.
struct Left {
    client: Client,
    writer: Writer,
    reader: Reader,
}

async fn busy(client: Client) -> Left {
    let writer = client.writer(WriterConfig::new("t")).unwrap();
    writer.write(Record::new("v")).await.unwrap();
    let mut reader = client.reader(ReaderConfig::new("t")).unwrap();
    reader.next().await.unwrap().unwrap();
    Left { client, writer, reader }
}

/// A call is under way on another runtime when this one ends, others come later.
fn calls_end_with(left: Left, end: impl FnOnce()) {
    let Left { client, writer, mut reader } = left;
    let waiting = thread::spawn(move || {
        let next = smol::block_on(reader.next());
        (next, smol::block_on(reader.next()))
    });
    thread::sleep(Duration::from_millis(100));
    assert!(!waiting.is_finished());
    end();
    assert_eq!(waiting.join().unwrap(), (Some(Err(Error::Closed)), None));
    smol::block_on(async {
        let closed = WriteError { fate: Fate::NotWritten, cause: Error::Closed };
        assert_eq!(writer.write(Record::new("late")).await, Err(closed));
        writer.flush().await;
        writer.close().await;
        assert_eq!(client.connect().await, Err(Error::Closed));
        assert_eq!(client.create_topic(NewTopic::new("u", 1)).await, Err(Error::Closed));
        let mut reader = client.reader(ReaderConfig::new("t")).unwrap();
        assert_eq!(reader.next().await, Some(Err(Error::Closed)));
    });
}

fn on_tokio(flavour: fn() -> tokio::runtime::Builder) {
    within(Duration::from_secs(20), move || {
        let cluster = cluster();
        let runtime = flavour().enable_all().build().unwrap();
        let left = runtime.block_on(async { busy(milena_tokio::client(config(&cluster)).unwrap()).await });
        calls_end_with(left, || drop(runtime));
    });
}

#[test]
fn a_current_thread_runtime_is_dropped() {
    on_tokio(tokio::runtime::Builder::new_current_thread);
}

#[test]
fn a_multi_thread_runtime_is_dropped() {
    on_tokio(tokio::runtime::Builder::new_multi_thread);
}

#[test]
fn a_runtime_is_shut_down_in_the_background() {
    within(Duration::from_secs(20), || {
        let cluster = cluster();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let left = runtime.block_on(async { busy(milena_tokio::client(config(&cluster)).unwrap()).await });
        calls_end_with(left, || runtime.shutdown_background());
    });
}

/// An executor whose spawner does not keep it alive.
#[test]
fn an_executor_is_dropped() {
    within(Duration::from_secs(20), || {
        let cluster = cluster();
        let executor = Arc::new(smol::Executor::new());
        let left = smol::block_on(executor.run(busy(on_executor(&executor, &cluster))));
        calls_end_with(left, || drop(executor));
    });
}

fn on_executor(executor: &Arc<smol::Executor<'static>>, cluster: &Cluster) -> Client {
    let executor = Arc::downgrade(executor);
    let runtime = AsyncIo::new(move |task| {
        if let Some(executor) = executor.upgrade() {
            executor.spawn(task).detach();
        }
    });
    drive::start(runtime, config(cluster), [7; 32]).unwrap()
}

/// The client connects for the first time when its runtime is gone already.
#[test]
fn a_client_is_first_used_when_its_runtime_is_gone() {
    within(Duration::from_secs(20), || {
        let cluster = cluster();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let client = runtime.block_on(async { milena_tokio::client(config(&cluster)).unwrap() });
        drop(runtime);
        assert_eq!(smol::block_on(client.connect()), Err(Error::Closed));
    });
}

#[test]
fn records_that_were_accepted_are_said_to_be_lost() {
    within(Duration::from_secs(20), || {
        let cluster = cluster();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        // The handles outlive it, so that it is the runtime's end that counts.
        let (_client, _writer, delivery) = runtime.block_on(async {
            let client = milena_tokio::client(config(&cluster)).unwrap();
            let mut slow = WriterConfig::new("t");
            slow.linger = Duration::from_secs(60);
            let writer = client.writer(slow).unwrap();
            let first = writer.enqueue(Record::new("first")).await.unwrap();
            writer.flush().await;
            first.await.unwrap();
            let delivery = writer.enqueue(Record::new("v")).await.unwrap();
            (client, writer, delivery)
        });
        drop(runtime);
        let closed = WriteError { fate: Fate::NotWritten, cause: Error::Closed };
        assert_eq!(smol::block_on(delivery), Err(closed));
        assert_eq!(cluster.offsets("t", 0), Some((0, 1)));
    });
}
