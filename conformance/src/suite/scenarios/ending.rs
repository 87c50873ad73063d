//! Flushing, closing and dropping, whatever is under way.

use std::time::Duration;

use milena_core::protocol::FetchRequest;
use milena_core::protocol::fetch::{FetchPartition, FetchTopic};
use milena_core::{Call, Error, Fate, ReaderConfig, Record, Target, WriteError, WriterConfig};

use crate::face::{Client, Delivery, Reader, Writer};
use crate::suite::place::Place;
use crate::suite::scene::{Outcome, Scene, failed, holds, same};

/// Batches that would wait for far longer than a scenario may take.
fn patient(topic: &str) -> WriterConfig {
    let mut config = WriterConfig::new(topic);
    config.linger = Duration::from_secs(100);
    config
}

/// Both send at once what gathers, and wait for it.
pub(super) async fn flush_and_close<P: Place>(scene: Scene<P>) -> Outcome {
    let client = scene.client()?;
    let topic = scene.topic(&client, 3).await?;
    let writer = client.writer(patient(&topic))?;
    for closing in [false, true] {
        let mut deliveries = Vec::new();
        for n in 0..100 {
            deliveries.push(writer.enqueue(Record::keyed(&format!("{n}"), "v")).await?);
        }
        scene.step(if closing { "closing a writer" } else { "flushing a writer" });
        match closing {
            true => writer.close().await,
            false => writer.flush().await,
        }
        let done = deliveries.iter().filter(|delivery| matches!(delivery.outcome(), Some(Ok(_)))).count();
        same("records acknowledged by then", done, 100)?;
        same("bytes buffered by then", writer.buffered_bytes(), 0)?;
    }
    let closed = WriteError { fate: Fate::NotWritten, cause: Error::Closed };
    same("a write behind it", writer.write(Record::new("late")).await, Err(closed))?;
    writer.close().await;
    same("records written", scene.read_all(&client, &topic).await?.len(), 200)
}

/// What it had accepted is written all the same.
pub(super) async fn a_writer_is_dropped<P: Place>(scene: Scene<P>) -> Outcome {
    let client = scene.client()?;
    let topic = scene.topic(&client, 1).await?;
    let writer = client.writer(patient(&topic))?;
    let mut deliveries = Vec::new();
    for n in 0..50 {
        deliveries.push(writer.enqueue(Record::new(&n.to_string())).await?);
    }
    drop(writer);
    for (n, delivery) in (0..).zip(deliveries) {
        same("the offset", delivery.wait().await?.offset, Some(n))?;
    }
    same("records written", scene.read_all(&client, &topic).await?.len(), 50)
}

/// While it fetches, while it waits, with records in it: others go on.
pub(super) async fn a_reader_is_dropped<P: Place>(scene: Scene<P>) -> Outcome {
    let client = scene.client()?;
    let topic = scene.topic(&client, 2).await?;
    let writer = client.writer(WriterConfig::new(&topic))?;
    for result in writer.write_all((0..100).map(|_| Record::new("v")).collect()).await {
        result?;
    }
    for n in 0..10 {
        let mut reader = client.reader(ReaderConfig::new(&topic))?;
        scene.sleep(Duration::from_millis(n)).await;
        for _ in 0..10 * n {
            scene.next(&mut reader, Duration::from_secs(10)).await?;
        }
    }
    let mut idle = client.reader(ReaderConfig::new(&topic))?;
    for _ in 0..100 {
        scene.next(&mut idle, Duration::from_secs(10)).await?;
    }
    let nothing = scene.next_within(&mut idle, Duration::from_millis(50)).await;
    holds("what is behind the end", nothing.is_none(), nothing)?;
    drop(idle);
    same("records read", scene.read_all(&client, &topic).await?.len(), 100)
}

/// With a call, a read and records under way: each ends at once, and says so.
pub(super) async fn a_client_is_closed<P: Place>(scene: Scene<P>) -> Outcome {
    let client = scene.client()?;
    let topic = scene.topic(&client, 1).await?;
    client.writer(WriterConfig::new(&topic))?.write(Record::new("v")).await?;
    let writer = client.writer(patient(&topic))?;
    let delivery = writer.enqueue(Record::new("never sent")).await?;
    let mut reader = client.reader(ReaderConfig::new(&topic))?;
    scene.next(&mut reader, Duration::from_secs(10)).await?;
    let reading = scene.place.spawn(async move { (reader.next().await, reader.next().await) });
    let (caller, name) = (client.clone(), topic.clone());
    let calling = scene.place.spawn(async move { caller.call(long_fetch(&name)).await.map(drop) });
    scene.sleep(Duration::from_millis(300)).await;
    let start = scene.place.now();
    scene.step("closing a client");
    client.close();
    same("a read under way", reading.await, (Some(Err(Error::Closed)), None))?;
    same("a call under way", calling.await, Err(Error::Closed))?;
    let closed = WriteError { fate: Fate::NotWritten, cause: Error::Closed };
    same("a record that gathered", delivery.wait().await, Err(closed.clone()))?;
    same("a write behind it", writer.write(Record::new("v")).await, Err(closed))?;
    same("a call behind it", client.call(long_fetch(&topic)).await.map(drop), Err(Error::Closed))?;
    writer.close().await;
    client.close();
    let took = scene.place.now() - start;
    holds("how long it took", took < Duration::from_secs(3), took)
}

/// A fetch that waits for more than there will be.
fn long_fetch(topic: &str) -> Call<FetchRequest> {
    let partition = FetchPartition { partition_max_bytes: 1 << 20, ..Default::default() };
    let topics = FetchTopic { topic: topic.into(), partitions: vec![partition], ..Default::default() };
    let request =
        FetchRequest { max_wait_ms: 20_000, min_bytes: 1 << 20, topics: vec![topics], ..Default::default() };
    // Later versions name topics by id.
    Call::new(request).to(Target::leader(topic, 0)).versions(4..=12)
}

/// Client, writer, reader and delivery in each of their 24 orders.
pub(super) async fn handles_are_dropped_in_any_order<P: Place>(scene: Scene<P>) -> Outcome {
    let client = scene.client()?;
    let topic = scene.topic(&client, 1).await?;
    for order in 0..24 {
        let client = scene.client()?;
        let writer = client.writer(WriterConfig::new(&topic))?;
        let mut reader = client.reader(ReaderConfig::new(&topic))?;
        let written = writer.write(Record::new("v")).await?;
        same("the offset", written.offset.is_some(), true)?;
        scene.next(&mut reader, Duration::from_secs(10)).await?;
        let delivery = writer.enqueue(Record::new("under way")).await?;
        let mut handles: Vec<Box<dyn Send>> =
            vec![Box::new(client), Box::new(writer), Box::new(reader), Box::new(delivery)];
        let mut left = order;
        for among in (1..=4).rev() {
            drop(handles.remove(left % among));
            left /= among;
        }
    }
    scene.step("looking what came of it");
    let messages = scene.read_all(&client, &topic).await?;
    let written = messages.iter().filter(|message| message.value.as_deref() == Some(b"v")).count();
    same("records acknowledged", written, 24)?;
    match messages.len() {
        24..=48 => Ok(()),
        more => Err(failed(format!("{more} records of at most 48"))),
    }
}
