//! Recordings of a client that writes and reads, as chance would not make them.

use std::time::Duration;

use milena_core::protocol::ApiKey;
use milena_core::{NewTopic, ReaderConfig, Record, Recording, RecordingConfig, Start, WriterConfig};

use super::file;
use crate::cluster::{ClusterOptions, Fault, Requests};
use crate::sim::{self, FaultPlan, Options, World};

pub(in crate::fuzz) fn seeds() -> Vec<Vec<u8>> {
    [(1024, false), (4096, false), (4096, true)]
        .into_iter()
        .flat_map(|(bytes, data)| {
            let recordings = sim::run(bytes as u64, options(), async move |world| {
                life(&world, RecordingConfig { bytes, data }).await
            });
            recordings.result.expect("a simulation comes to its end")
        })
        .flat_map(|recording| file::inputs(&recording))
        .collect()
}

/// Two brokers, of which one drops a connection once.
fn options() -> Options {
    let lost =
        sim::Fault::Requests { requests: Requests::of(ApiKey::PRODUCE).times(1), fault: Fault::CloseAfter };
    Options {
        cluster: ClusterOptions { nodes: 2, topics: vec![("t".to_owned(), 2)], ..Default::default() },
        faults: FaultPlan::default().at(Duration::ZERO, lost),
        ..Options::default()
    }
}

/// What is recorded in the midst of things, and after the end.
async fn life(world: &World, recording: RecordingConfig) -> Vec<Recording> {
    let mut config = world.config();
    config.recording = Some(recording);
    let client = world.client(config, 0).expect("settings are right");
    let mut recordings = Vec::new();
    let writer = client.writer(WriterConfig::new("t")).expect("settings are right");
    let mut config = ReaderConfig::new("t");
    config.start = Start::Offset(0);
    let mut reader = client.reader(config).expect("settings are right");
    for number in 0..8u8 {
        let delivery = writer.enqueue(Record::new(&[number; 20][..])).await.expect("room");
        recordings.extend(client.recording());
        delivery.await.expect("it is written");
        reader.next().await.expect("it has no end").expect("a record");
    }
    client.create_topic(NewTopic::new("u", 1)).await.expect("a topic");
    recordings.extend(client.recording());
    client.close();
    recordings.extend(client.recording());
    // The first ones are no more than a beginning.
    recordings.split_off(recordings.len() - 4)
}
