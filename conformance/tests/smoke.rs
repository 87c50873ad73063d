//! A record goes out and comes back.
use milena_conformance::cluster::Cluster;
use milena_tokio::{Config, ReaderConfig, Record, Until, WriterConfig};
use std::time::Duration;

#[tokio::test]
async fn round_trip() {
    let cluster = Cluster::builder().nodes(3).topic("events", 6).start().unwrap();
    let client = milena_tokio::connect(Config::new(&cluster.bootstrap()).unwrap()).await.unwrap();
    let writer = client.writer(WriterConfig::new("events")).unwrap();
    let mut deliveries = Vec::new();
    for i in 0..10_000 {
        let key = format!("k{}", i % 100);
        let value = format!("v{i}");
        deliveries.push(writer.enqueue(Record::keyed(&key, &value)).await.unwrap());
    }
    for d in deliveries {
        d.await.unwrap();
    }
    writer.close().await;
    let mut config = ReaderConfig::new("events");
    config.until = Until::End;
    let mut reader = client.reader(config).unwrap();
    let mut n = 0;
    let read = async {
        while let Some(m) = reader.next().await {
            m.unwrap();
            n += 1;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), read).await.unwrap();
    assert_eq!(n, 10_000);
}
