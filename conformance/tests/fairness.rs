//! A task that writes without a pause leaves its thread's other tasks their turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use milena_conformance::cluster::Cluster;
use milena_tokio::{Config, Record, WriterConfig};

#[tokio::test(flavor = "current_thread")]
async fn writing_gives_way_once_for_each_full_batch() {
    // About 150 batches.
    let turns = turns_beside(10_000, &[0; 1000], 1 << 16).await;
    assert!(turns >= 100, "{turns} turns");
}

/// A batch of small records takes milliseconds to fill.
#[tokio::test(flavor = "current_thread")]
async fn writing_small_records_gives_way_within_a_batch() {
    let turns = turns_beside(20_480, b"small", 1 << 20).await;
    assert!((9..100).contains(&turns), "{turns} turns: one for each 2,048 records are 10");
}

/// Turns that another task of the thread had while records were written.
async fn turns_beside(records: usize, value: &[u8], batch_bytes: usize) -> usize {
    let cluster = Cluster::builder().topic("events", 1).start().unwrap();
    let client = milena_tokio::connect(Config::new(&cluster.bootstrap()).unwrap()).await.unwrap();
    let mut config = WriterConfig::new("events");
    config.batch_bytes = batch_bytes;
    let writer = client.writer(config).unwrap();
    writer.write(Record::new("first")).await.unwrap();

    let turns = Arc::new(AtomicUsize::new(0));
    tokio::spawn({
        let turns = turns.clone();
        async move {
            loop {
                turns.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        }
    });
    // Well below what the buffer holds: nothing else makes it wait.
    for _ in 0..records {
        drop(writer.enqueue(Record::new(value)).await.unwrap());
    }
    let turns = turns.load(Ordering::Relaxed);
    writer.close().await;
    turns
}
