//! What is bounded: memory, time, and what there is.

use std::time::Duration;

use milena_core::protocol::{ListOffsetsRequest, MetadataRequest};
use milena_core::{Call, Error, Fate, ReaderConfig, Record, Target, WriteError, WriterConfig};

use crate::face::{Client, Delivery, Reader, Writer};
use crate::suite::place::Place;
use crate::suite::scene::{Outcome, Scene, failed, holds, on_all_brokers, same};
use crate::suite::stage::Trouble;

/// More is written than the buffer holds: writers wait, and the bound is kept.
pub(super) async fn back_pressure<P: Place>(scene: Scene<P>) -> Outcome {
    const TASKS: usize = 4;
    const RECORDS: usize = 400;
    const BUFFER: usize = 64 << 10;
    let client = scene.client()?;
    let topic = scene.topic(&client, 3).await?;
    let mut config = WriterConfig::new(&topic);
    (config.buffer_bytes, config.batch_bytes, config.request_bytes) = (BUFFER, BUFFER / 4, BUFFER);
    let writer = client.writer(config)?;
    let start = |_| {
        let writer = writer.clone();
        scene.place.spawn(async move {
            let mut fullest = 0;
            for n in 0..RECORDS {
                let value = vec![n as u8; 1000];
                drop(writer.enqueue(Record::new(&value)).await?);
                fullest = fullest.max(writer.buffered_bytes());
            }
            Ok(fullest) as Outcome<usize>
        })
    };
    let tasks: Vec<_> = (0..TASKS).map(start).collect();
    for task in tasks {
        let fullest = task.await?;
        holds("bytes buffered", fullest > 0 && fullest <= BUFFER, fullest)?;
    }
    writer.close().await;
    same("bytes buffered behind it", writer.buffered_bytes(), 0)?;
    same("records written", scene.read_all(&client, &topic).await?.len(), TASKS * RECORDS)
}

/// Writes and calls to a broker that does not answer end in their time, and say what is known.
pub(super) async fn a_silent_leader<P: Place>(scene: Scene<P>) -> Outcome {
    scene.needs(Trouble::Pause(SILENCE))?;
    let client = scene.client()?;
    let topic = scene.topic(&client, 6).await?;
    let leaders = scene.leaders(&client, &topic).await?;
    let led = leaders.iter().position(|(leader, _)| *leader == scene.victim());
    let led = led.ok_or_else(|| failed(format!("the victim leads none of {leaders:?}")))? as i32;
    let record = Record { partition: Some(led), ..Record::new("v") };

    let mut config = WriterConfig::new(&topic);
    config.delivery_timeout = SOON;
    let impatient = client.writer(config)?;
    let mut config = WriterConfig::new(&topic);
    (config.buffer_bytes, config.batch_bytes, config.max_block) = (4096, 4096, SOON);
    let small = client.writer(config)?;
    settle(&[&impatient, &small], record).await?;

    let paused = scene.begin(Trouble::Pause(SILENCE)).await;
    let start = scene.place.now();
    scene.step("writing to a silent leader");
    let (value, large) = (record, vec![b'x'; 3000]);
    let sent = impatient.enqueue(value).await?;
    let filling = small.enqueue(Record { value: Some(&large), ..record }).await?;
    let full = small.enqueue(Record { value: Some(&large), ..record }).await;
    let error = full.err().ok_or_else(|| failed("there was room in a full buffer"))?;
    holds("a full buffer", is_timeout(&error.cause) && error.fate == Fate::NotWritten, &error)?;
    let error = sent.wait().await.err().ok_or_else(|| failed("a silent leader acknowledged a record"))?;
    holds("an unanswered record", error.fate == Fate::Unknown, &error)?;
    scene.step("calling a silent broker");
    let call = Call::new(MetadataRequest::default()).to(Target::Broker(scene.victim())).timeout(SOON / 2);
    let error = client.call(call).await.err();
    holds("an unanswered call", error.as_ref().is_some_and(is_timeout), &error)?;
    let waited = scene.place.now() - start;
    holds("how long it took", waited < SILENCE, waited)?;

    scene.step("waiting for its end");
    scene.end(paused).await?;
    filling.wait().await?;
    settle(&[&impatient, &small], record).await
}

/// Writes until there is no time-out any more: brokers may have much to begin, or to catch up, with.
async fn settle(writers: &[&impl Writer], record: Record<'_>) -> Outcome {
    for writer in writers {
        let mut attempts = 0;
        while let Err(error) = writer.write(record).await {
            attempts += 1;
            holds("a write", is_timeout(&error.cause) && attempts < 20, &error)?;
        }
    }
    Ok(())
}

/// Below the time after which brokers take another for dead.
const SILENCE: Duration = Duration::from_millis(2500);
const SOON: Duration = Duration::from_millis(800);

fn is_timeout(error: &Error) -> bool {
    matches!(error, Error::Timeout { .. })
}

/// Everything that names it says so.
pub(super) async fn missing_topic<P: Place>(scene: Scene<P>) -> Outcome {
    let mut config = scene.config()?;
    config.topic_grace = Duration::from_millis(300);
    let client = scene.place.client(config)?;
    let topic = scene.name();
    let missing = Error::UnknownTopic { topic: topic.clone() };
    let writer = client.writer(WriterConfig::new(&topic))?;
    let not_written = WriteError { fate: Fate::NotWritten, cause: missing.clone() };
    same("a write", writer.write(Record::new("v")).await, Err(not_written))?;
    let mut reader = client.reader(ReaderConfig::new(&topic))?;
    same("a read", reader.next().await, Some(Err(missing.clone())))?;
    same("a read behind it", reader.next().await, None)?;
    let call = Call::new(ListOffsetsRequest::default()).to(Target::leader(&topic, 0));
    same("a call to its leader", client.call(call).await.map(drop), Err(missing))?;
    scene.step("creating it after all");
    client.create_topic(on_all_brokers(&topic, 1)).await?;
    let mut refused = 0;
    let written = loop {
        match writer.write(Record::new("v")).await {
            Err(error) if refused < 100 && error.cause.is_retriable() => refused += 1,
            result => break result?,
        }
    };
    same("a write to what was missing", written.offset, Some(0))
}

/// The topic is there, the partition is not.
pub(super) async fn missing_partition<P: Place>(scene: Scene<P>) -> Outcome {
    let mut config = scene.config()?;
    config.topic_grace = Duration::from_millis(300);
    let client = scene.place.client(config)?;
    let topic = scene.topic(&client, 2).await?;
    let writer = client.writer(WriterConfig::new(&topic))?;
    writer.write(Record::new("v")).await?;
    let missing = Error::UnknownPartition { topic: topic.clone(), partition: 7, partitions: 2 };
    let not_written = WriteError { fate: Fate::NotWritten, cause: missing.clone() };
    let record = Record { partition: Some(7), ..Record::new("v") };
    same("a write", writer.write(record).await, Err(not_written))?;
    let mut config = ReaderConfig::new(&topic);
    config.partitions = Some(vec![7]);
    same("a read", client.reader(config)?.next().await, Some(Err(missing.clone())))?;
    let call = Call::new(ListOffsetsRequest::default()).to(Target::leader(&topic, 7));
    same("a call to its leader", client.call(call).await.map(drop), Err(missing))?;
    writer.write(Record::new("v")).await?;
    Ok(())
}
