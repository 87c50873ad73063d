//! Readers at the end, in the middle, and slower than what comes.

use std::time::Duration;

use milena_core::{Error, ReaderConfig, Record, Reset, Start, Until, WriterConfig};

use crate::face::{Client, Reader, Writer};
use crate::suite::place::Place;
use crate::suite::scene::{Outcome, Scene, failed, holds, same};

/// A reader that has read all waits; what is written then comes soon.
pub(super) async fn waiting_at_the_end<P: Place>(scene: Scene<P>) -> Outcome {
    let client = scene.client()?;
    let topic = scene.topic(&client, 2).await?;
    let mut reader = client.reader(ReaderConfig::new(&topic))?;
    scene.step("waiting in vain");
    let before = scene.place.now();
    let nothing = scene.next_within(&mut reader, Duration::from_millis(300)).await;
    holds("what an empty topic has", nothing.is_none(), nothing)?;
    let waited = scene.place.now() - before;
    holds(
        "how long it waited",
        waited >= Duration::from_millis(300) && waited < Duration::from_secs(3),
        waited,
    )?;

    let writer = client.writer(WriterConfig::new(&topic))?;
    for n in 0..10 {
        scene.step("writing to the waiting reader");
        let (write, value) = (writer.clone(), n.to_string());
        let its = scene.clone();
        let written = scene.place.spawn(async move {
            its.sleep(Duration::from_millis(50)).await;
            write.write(Record { partition: Some(n % 2), ..Record::new(&value) }).await
        });
        let message = scene.next(&mut reader, Duration::from_secs(10)).await?;
        let written = written.await?;
        same("the value", message.value.as_deref(), Some(n.to_string().as_bytes()))?;
        same("the place", (written.partition, written.offset), (message.partition, Some(message.offset)))?;
    }
    Ok(())
}

/// At an offset, at a time, behind the last, and where there is nothing any more.
pub(super) async fn where_to_start<P: Place>(scene: Scene<P>) -> Outcome {
    let client = scene.client()?;
    let topic = scene.topic(&client, 1).await?;
    let writer = client.writer(WriterConfig::new(&topic))?;
    writer.write(Record::new("0")).await?;
    let first = scene.read_all(&client, &topic).await?;
    let now = first.first().ok_or_else(|| failed("the first record is not there"))?.timestamp;
    for n in 1..10 {
        let value = n.to_string();
        writer.write(Record { timestamp: Some(now + n), ..Record::new(&value) }).await?;
    }
    for (start, wanted) in [
        (Start::First, 0),
        (Start::Offset(4), 4),
        (Start::Timestamp(now + 7), 7),
        (Start::Timestamp(now + 10), 10),
        (Start::Last, 10),
    ] {
        let mut config = ReaderConfig::new(&topic);
        (config.start, config.until) = (start, Until::End);
        let mut reader = client.reader(config)?;
        let mut offsets = Vec::new();
        while let Some(message) = reader.next().await {
            offsets.push(message?.offset);
        }
        same(&format!("what {start:?} has"), offsets, (wanted..10).collect::<Vec<_>>())?;
    }
    let mut config = ReaderConfig::new(&topic);
    (config.start, config.reset) = (Start::Offset(1000), Reset::First);
    let message = scene.next(&mut client.reader(config.clone())?, Duration::from_secs(10)).await?;
    same("what an offset outside is reset to", message.offset, 0)?;
    config.reset = Reset::Error;
    let outside = Error::OffsetOutOfRange { topic: topic.clone(), partition: 0, offset: 1000 };
    same("an offset outside", client.reader(config)?.next().await, Some(Err(outside)))
}

/// It has a buffer of 64 KiB and stops again and again, and misses nothing of 2 MB.
pub(super) async fn a_slow_reader<P: Place>(scene: Scene<P>) -> Outcome {
    const RECORDS: usize = 1000;
    let client = scene.client()?;
    let topic = scene.topic(&client, 2).await?;
    let writer = client.writer(WriterConfig::new(&topic))?;
    let mut config = ReaderConfig::new(&topic);
    (config.buffer_bytes, config.partition_bytes, config.max_bytes) = (1 << 16, 1 << 14, 1 << 15);
    let mut reader = client.reader(config)?;
    let values: Vec<_> = (0..RECORDS).map(|n| format!("{n:02000}")).collect();
    let records = values.iter().enumerate();
    let records = records.map(|(n, value)| Record { partition: Some(n as i32 % 2), ..Record::new(value) });
    for result in writer.write_all(records.collect()).await {
        result?;
    }
    scene.step("reading slowly");
    let mut offsets = [0, 0];
    for n in 0..RECORDS {
        if n % 100 == 0 {
            scene.sleep(Duration::from_millis(100)).await;
        }
        let message = scene.next(&mut reader, Duration::from_secs(10)).await?;
        let offset = &mut offsets[message.partition as usize];
        same("the offset", message.offset, *offset)?;
        let wanted = &values[*offset as usize * 2 + message.partition as usize];
        same("the value", message.value.as_deref(), Some(wanted.as_bytes()))?;
        *offset += 1;
    }
    same("how many of each partition", offsets, [500, 500])
}
