//! Futures that are polled once and dropped: the client goes on, nothing is lost and nothing is written that should not be.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use milena_conformance::cluster::{Cluster, Fault};
use milena_core::protocol::ApiKey;
use milena_core::record::Limits;
use milena_core::{NewTopic, ReaderConfig, Record, Until};

use crate::face::{block_on, config, within, writer};

/// Polls a future once and drops it.
fn once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn on_tokio<F: Future<Output = ()>>(test: impl FnOnce(Cluster) -> F + Send + 'static) {
    within(Duration::from_secs(10), || {
        block_on(test(Cluster::builder().nodes(2).topic("t", 1).start().unwrap()))
    });
}

fn values(cluster: &Cluster) -> Vec<Bytes> {
    let batches = cluster.log("t", 0);
    let records = batches.iter().flat_map(|batch| batch.records(&Limits::default()).unwrap());
    records.map(|record| record.unwrap().value.unwrap()).collect()
}

#[test]
fn connect() {
    on_tokio(|cluster| async move {
        assert!(once(milena_tokio::connect(config(&cluster.bootstrap()))).is_pending());
        let client = milena_tokio::client(config(&cluster.bootstrap())).unwrap();
        assert!(once(client.connect()).is_pending());
        client.connect().await.unwrap();
    });
}

#[test]
fn enqueue_before_the_topic_is_known() {
    on_tokio(|cluster| async move {
        let client = milena_tokio::client(config(&cluster.bootstrap())).unwrap();
        let writer = client.writer(writer()).unwrap();
        assert!(once(writer.enqueue(Record::new("dropped"))).is_pending());
        assert!(once(writer.write(Record::new("dropped"))).is_pending());
        assert!(once(writer.write_all([Record::new("dropped")])).is_pending());
        assert_eq!(writer.write(Record::new("v0")).await.unwrap().offset, Some(0));
        writer.close().await;
        assert_eq!(values(&cluster), ["v0"]);
    });
}

#[test]
fn write_of_an_accepted_record() {
    on_tokio(|cluster| async move {
        let client = milena_tokio::client(config(&cluster.bootstrap())).unwrap();
        let writer = client.writer(writer()).unwrap();
        writer.write(Record::new("v0")).await.unwrap();
        assert!(once(writer.write(Record::new("v1"))).is_pending());
        drop(writer.enqueue(Record::new("v2")).await.unwrap());
        assert!(once(writer.write_all([Record::new("v3"), Record::new("v4")])).is_pending());
        let mut delivery = writer.enqueue(Record::new("v5")).await.unwrap();
        assert!(once(&mut delivery).is_pending());
        assert_eq!(delivery.await.unwrap().offset, Some(5));
        writer.close().await;
        assert_eq!(values(&cluster), ["v0", "v1", "v2", "v3", "v4", "v5"]);
    });
}

#[test]
fn enqueue_without_room() {
    on_tokio(|cluster| async move {
        let client = milena_tokio::client(config(&cluster.bootstrap())).unwrap();
        let mut small = writer();
        (small.batch_bytes, small.request_bytes, small.buffer_bytes) = (4096, 4096, 4096);
        let writer = client.writer(small).unwrap();
        writer.write(Record::new("v0")).await.unwrap();
        cluster.on_request(ApiKey::PRODUCE, Fault::Delay(Duration::from_millis(200)));
        let large = vec![b'x'; 3000];
        let first = writer.enqueue(Record::new(&large)).await.unwrap();
        for _ in 0..3 {
            assert!(once(writer.enqueue(Record::new(&large))).is_pending());
        }
        let second = writer.enqueue(Record::new(&large)).await.unwrap();
        assert_eq!(first.await.unwrap().offset, Some(1));
        assert_eq!(second.await.unwrap().offset, Some(2));
        assert_eq!(values(&cluster).len(), 3);
        writer.close().await;
        assert_eq!(writer.buffered_bytes(), 0);
    });
}

#[test]
fn flush_and_close() {
    on_tokio(|cluster| async move {
        let client = milena_tokio::client(config(&cluster.bootstrap())).unwrap();
        let mut slow = writer();
        slow.linger = Duration::from_millis(1500);
        let writer = client.writer(slow).unwrap();
        let first = writer.enqueue(Record::new("v0")).await.unwrap();
        // Polled once, it has begun.
        let start = std::time::Instant::now();
        assert!(once(writer.flush()).is_pending());
        assert_eq!(first.await.unwrap().offset, Some(0));
        let second = writer.enqueue(Record::new("v1")).await.unwrap();
        assert!(once(writer.close()).is_pending());
        assert!(writer.write(Record::new("late")).await.is_err());
        assert_eq!(second.await.unwrap().offset, Some(1));
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
        writer.flush().await;
        writer.close().await;
        assert_eq!(values(&cluster), ["v0", "v1"]);
    });
}

#[test]
fn the_last_writer() {
    on_tokio(|cluster| async move {
        let client = milena_tokio::client(config(&cluster.bootstrap())).unwrap();
        let mut slow = writer();
        slow.linger = Duration::from_secs(1);
        let writer = client.writer(slow).unwrap();
        let delivery = writer.enqueue(Record::new("v0")).await.unwrap();
        drop(writer);
        assert_eq!(delivery.await.unwrap().offset, Some(0));
    });
}

#[test]
fn next() {
    on_tokio(|cluster| async move {
        let client = milena_tokio::client(config(&cluster.bootstrap())).unwrap();
        let mut until_end = ReaderConfig::new("t");
        until_end.until = Until::End;
        let writer = client.writer(writer()).unwrap();
        let expected: Vec<_> = (0..500).map(|i| Bytes::from(format!("v{i}"))).collect();
        let results = writer.write_all(expected.iter().map(Record::new)).await;
        assert!(results.iter().all(Result::is_ok));
        let mut reader = client.reader(until_end).unwrap();
        let mut read = Vec::new();
        let mut dropped = 0;
        loop {
            // Each call is dropped once before it is waited for: what it had to give comes either way.
            let item = match once(reader.next()) {
                Poll::Ready(item) => item,
                Poll::Pending => {
                    dropped += 1;
                    assert!(once(reader.next_batch()).is_pending());
                    reader.next().await
                }
            };
            let Some(item) = item else { break };
            read.push(item.unwrap().value.unwrap());
        }
        assert!(dropped > 0);
        assert_eq!(read, expected);
    });
}

#[test]
fn a_reader_with_a_fetch_under_way() {
    on_tokio(|cluster| async move {
        let client = milena_tokio::client(config(&cluster.bootstrap())).unwrap();
        for _ in 0..20 {
            let mut reader = client.reader(ReaderConfig::new("t")).unwrap();
            assert!(once(reader.next()).is_pending());
        }
        let writer = client.writer(writer()).unwrap();
        writer.write(Record::new("v0")).await.unwrap();
        let mut reader = client.reader(ReaderConfig::new("t")).unwrap();
        assert_eq!(reader.next().await.unwrap().unwrap().offset, 0);
        // It waits for more when it goes.
        assert!(once(reader.next()).is_pending());
        drop(reader);
        writer.write(Record::new("v1")).await.unwrap();
    });
}

#[test]
fn create_topic() {
    on_tokio(|cluster| async move {
        let client = milena_tokio::client(config(&cluster.bootstrap())).unwrap();
        assert!(once(client.create_topic(NewTopic::new("u", 1))).is_pending());
        client.connect().await.unwrap();
        assert!(once(client.create_topic(NewTopic::new("v", 1))).is_pending());
        client.create_topic(NewTopic::new("w", 1)).await.unwrap();
        assert!(cluster.offsets("w", 0).is_some());
        assert!(once(client.delete_topic("w")).is_pending());
    });
}

/// The client goes with calls under way: they end.
#[test]
fn the_client_while_calls_wait() {
    on_tokio(|cluster| async move {
        let client = milena_tokio::client(config(&cluster.bootstrap())).unwrap();
        let writer = client.writer(writer()).unwrap();
        writer.write(Record::new("v0")).await.unwrap();
        let mut reader = client.reader(ReaderConfig::new("t")).unwrap();
        reader.next().await.unwrap().unwrap();
        cluster.on_request(ApiKey::CREATE_TOPICS, Fault::NeverAnswer);
        let other = client.clone();
        let create = tokio::spawn(async move { other.create_topic(NewTopic::new("u", 1)).await });
        let next = tokio::spawn(async move { reader.next().await });
        tokio::task::yield_now().await;
        client.close();
        assert_eq!(create.await.unwrap(), Err(milena_core::Error::Closed));
        assert_eq!(next.await.unwrap(), Some(Err(milena_core::Error::Closed)));
        drop((client, writer));
    });
}
