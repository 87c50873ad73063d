//! An incident with a real broker, recorded, and replayed without one.

use milena_conformance::kafka::{Kafka, available_for};
use milena_core::{Config, NewTopic, ReaderConfig, Record, Recording, RecordingConfig, Until, WriterConfig};

const TOPIC: &str = "recorded";
const RECORDS: usize = 200;

#[test]
fn a_killed_leader_is_replayed_on_a_laptop() {
    if !available_for("a recording of a killed leader") {
        return;
    }
    let mut kafka = Kafka::builder().version("4.3.1").start().unwrap();
    let mut config = Config::new(&kafka.bootstrap()).unwrap();
    config.recording = Some(RecordingConfig::default());
    let client = milena_blocking::connect(config).unwrap();
    client.create_topic(NewTopic::new(TOPIC, 3)).unwrap();
    let writer = client.writer(WriterConfig::new(TOPIC)).unwrap();
    let write = |values: std::ops::Range<usize>| {
        let enqueue = |n: usize| writer.enqueue(Record::new(&format!("value {n}"))).unwrap();
        values.map(enqueue).collect::<Vec<_>>()
    };
    for delivery in write(0..RECORDS / 2) {
        delivery.wait().unwrap();
    }
    kafka.kill(1);
    let waiting = write(RECORDS / 2..RECORDS);
    kafka.restart(1).unwrap();
    for delivery in waiting {
        delivery.wait().unwrap();
    }
    let mut reading = ReaderConfig::new(TOPIC);
    reading.until = Until::End;
    assert_eq!(client.reader(reading).unwrap().map(Result::unwrap).count(), RECORDS);
    client.close();
    let bytes = client.recording().unwrap().to_bytes();
    kafka.stop();

    assert!(!bytes.windows(6).any(|window| window == b"value "), "data of records");
    let mut story = String::new();
    let replayed = Recording::from_bytes(&bytes).unwrap().replay(|line| story += &format!("{line}\n"));
    let replayed = replayed.unwrap_or_else(|error| panic!("{story}{error}"));
    let told = |parts: [&str; 2]| story.lines().any(|line| parts.iter().all(|part| line.contains(part)));
    assert!(told([" to broker 1 (", " is lost with "]), "{story}");
    assert!(told(["notice: c", " was not made: "]) && told(["notice: c", " is ready"]), "{story}");
    assert!(told(["answers Fetch", "records"]) && story.contains("are written at offset"), "{story}");
    println!("{} bytes, {} events, {} outputs", bytes.len(), replayed.events, replayed.outputs);
}
