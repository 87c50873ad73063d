//! A task that writes without a pause leaves its thread's other tasks their turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use milena_conformance::cluster::Cluster;
use milena_tokio::{Config, Record, WriterConfig};

#[tokio::test(flavor = "current_thread")]
async fn writing_gives_way_once_for_each_full_batch() {
    let cluster = Cluster::builder().topic("events", 1).start().unwrap();
    let client = milena_tokio::connect(Config::new(&cluster.bootstrap()).unwrap()).await.unwrap();
    let mut config = WriterConfig::new("events");
    config.batch_bytes = 1 << 16;
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
    // 10 MB, well below what the buffer holds: nothing else makes it wait.
    let value = [0; 1000];
    for _ in 0..10_000 {
        drop(writer.enqueue(Record::new(&value)).await.unwrap());
    }
    let turns = turns.load(Ordering::Relaxed);
    assert!(turns >= 100, "{turns} turns in about 150 batches");
    writer.close().await;
}
