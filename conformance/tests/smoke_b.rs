use milena_conformance::cluster::Cluster;
use milena_blocking::{Config, ReaderConfig, Record, Until, WriterConfig};
#[test]
fn round_trip() {
    let cluster = Cluster::builder().nodes(3).topic("events", 6).start().unwrap();
    let client = milena_blocking::connect(Config::new(&cluster.bootstrap()).unwrap()).unwrap();
    let writer = client.writer(WriterConfig::new("events")).unwrap();
    let mut deliveries = Vec::new();
    for i in 0..10_000 {
        let key = format!("k{}", i % 100);
        let value = format!("v{i}");
        deliveries.push(writer.enqueue(Record::keyed(&key, &value)).unwrap());
    }
    for d in deliveries { d.wait().unwrap(); }
    writer.close();
    let mut config = ReaderConfig::new("events");
    config.until = Until::End;
    let n = client.reader(config).unwrap().map(|m| m.unwrap()).count();
    assert_eq!(n, 10_000);
}
