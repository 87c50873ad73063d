//! Records out, and back.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use milena_core::protocol::ErrorCode;
use milena_core::{Compression, Error, Fate, Header, ReaderConfig, Record, Until, WriterConfig};

use super::flow::{Checker, record};
use crate::face::{Client, Delivery, Reader, Writer};
use crate::suite::place::Place;
use crate::suite::scene::{Outcome, Scene, code, failed, holds, same};

/// Every record is read once, where its delivery said, in the order of its key.
pub(super) async fn write_and_read<P: Place>(scene: Scene<P>) -> Outcome {
    const RECORDS: u64 = 2000;
    let client = scene.client()?;
    let topic = scene.topic(&client, 6).await?;
    let writer = client.writer(WriterConfig::new(&topic))?;
    scene.step("writing");
    let mut deliveries = Vec::new();
    for n in 0..RECORDS {
        let (key, value) = record(n);
        deliveries.push(writer.enqueue(Record::keyed(&key, &value)).await?);
    }
    let mut places = BTreeMap::new();
    for (n, delivery) in (0..).zip(deliveries) {
        let written = delivery.wait().await?;
        same("the topic", &*written.topic, &*topic)?;
        let offset = written.offset.ok_or_else(|| failed("a record without an offset"))?;
        same("who has this place", places.insert((written.partition, offset), record(n)), None)?;
    }
    writer.close().await;
    same("bytes buffered behind it", writer.buffered_bytes(), 0)?;

    scene.step("reading");
    let mut config = ReaderConfig::new(&topic);
    config.until = Until::End;
    let mut reader = client.reader(config)?;
    let mut checker = Checker::default();
    while let Some(message) = reader.next().await {
        let message = message?;
        checker.take(&message)?;
        let (key, value) = places
            .remove(&(message.partition, message.offset))
            .ok_or_else(|| failed(format!("{message:?} was never written")))?;
        same("the key", message.key.as_deref(), Some(key.as_bytes()))?;
        same("the value", message.value.as_deref(), Some(value.as_bytes()))?;
    }
    checker.is_done(RECORDS)?;
    let ends: i64 = (0..6).filter_map(|partition| reader.position(partition)).sum();
    same("all positions", ends, RECORDS as i64)?;
    let lags: Vec<_> = (0..6).filter_map(|partition| reader.lag(partition)).collect();
    holds("the lags", !lags.is_empty() && lags.iter().all(|lag| *lag == 0), &lags)
}

/// No and empty keys and values, headers, timestamps, chosen partitions.
pub(super) async fn all_that_a_record_can_be<P: Place>(scene: Scene<P>) -> Outcome {
    let client = scene.client()?;
    let topic = scene.topic(&client, 3).await?;
    let writer = client.writer(WriterConfig::default())?;
    writer.write(Record { partition: Some(2), ..Record::new("first").to(&topic) }).await?;
    let first = scene.read_all(&client, &topic).await?;
    let now = first.first().ok_or_else(|| failed("the first record is not there"))?.timestamp;
    holds("a record's own timestamp", now > 1_500_000_000_000, now)?;

    let headers = [
        Header { key: "h", value: Some(b"1") },
        Header { key: "", value: None },
        Header { key: "h", value: Some(b"") },
    ];
    let blank = Record { partition: Some(1), topic: Some(&topic), ..Record::default() };
    let records = [
        blank,
        Record { key: Some(b""), value: Some(b""), ..blank },
        Record { key: Some(b"\0\xff"), ..blank },
        Record { value: Some("ž".as_bytes()), headers: &headers, ..blank },
        Record { value: Some(b"before"), timestamp: Some(now - 3_600_000), ..blank },
        Record { value: Some(b"now"), timestamp: Some(now), ..blank },
    ];
    for (n, result) in (0..).zip(writer.write_all(records.to_vec()).await) {
        let written = result?;
        same("the place", (written.partition, written.offset), (1, Some(n)))?;
    }
    let mut messages = scene.read_all(&client, &topic).await?;
    messages.retain(|message| message.partition == 1);
    same("how many", messages.len(), records.len())?;
    for (message, record) in messages.iter().zip(records) {
        same("the key", message.key.as_deref(), record.key)?;
        same("the value", message.value.as_deref(), record.value)?;
        let read: Vec<_> = message.headers.iter().map(|header| (header.key, header.value)).collect();
        let wanted: Vec<_> =
            record.headers.iter().map(|header| (header.key.as_bytes(), header.value)).collect();
        same("the headers", read, wanted)?;
        if let Some(timestamp) = record.timestamp {
            same("the timestamp", message.timestamp, timestamp)?;
        }
    }
    Ok(())
}

/// Each waits for the one before: nothing may wait for company.
pub(super) async fn one_record_at_a_time<P: Place>(scene: Scene<P>) -> Outcome {
    let client = scene.client()?;
    let topic = scene.topic(&client, 1).await?;
    let writer = client.writer(WriterConfig::new(&topic))?;
    for n in 0..30 {
        let written = writer.write(Record::new(&n.to_string())).await?;
        same("the place", (written.partition, written.offset), (0, Some(n)))?;
    }
    let messages = scene.read_all(&client, &topic).await?;
    let values: Vec<_> = messages.into_iter().map(|message| message.value).collect();
    same("the values", values, (0..30).map(|n| Some(Bytes::from(n.to_string()))).collect::<Vec<_>>())
}

/// Up to the brokers' limit they pass; above it, and above the writer's own, they alone fail.
pub(super) async fn large_records<P: Place>(scene: Scene<P>) -> Outcome {
    let client = scene.client()?;
    let topic = scene.topic(&client, 1).await?;
    let mut config = WriterConfig::new(&topic);
    (config.batch_bytes, config.request_bytes) = (3 << 20, 8 << 20);
    let writer = client.writer(config)?;
    let large = |size: usize| (0..size).map(|n| (n % 251) as u8).collect::<Vec<_>>();

    let longest = large(1_048_400);
    same("what fits", writer.write(Record::new(&longest)).await?.offset, Some(0))?;
    scene.step("writing what the broker refuses");
    let error = writer.write(Record::new(&large(2 << 20))).await.expect_err("above the brokers' limit");
    same("its fate", error.fate, Fate::Rejected)?;
    same("its cause", code(&error.cause), Some(ErrorCode::MESSAGE_TOO_LARGE))?;
    scene.step("writing what the writer refuses");
    let error = writer.write(Record::new(&large(4 << 20))).await.expect_err("above the writer's limit");
    same("its fate", error.fate, Fate::NotWritten)?;
    holds("its cause", matches!(error.cause, Error::RecordTooLarge { limit: 3_145_728, .. }), &error)?;
    scene.step("writing on");
    same("what comes behind", writer.write(Record::new("small")).await?.offset, Some(1))?;
    let messages = scene.read_all(&client, &topic).await?;
    let values: Vec<_> = messages.iter().map(|message| message.value.as_deref()).collect();
    holds("the values", values == [Some(&longest[..]), Some(b"small")], values.len())
}

/// All codecs in one topic, in batches large enough to be worth compressing: the first on the thread that writes, the last where a
/// runtime has what takes a while.
pub(super) async fn every_codec<P: Place>(scene: Scene<P>) -> Outcome {
    let client = scene.client()?;
    let topic = scene.topic(&client, 1).await?;
    let compiled = || Compression::ALL.into_iter().filter(|codec| codec.is_compiled());
    let value = |codec: Compression, n: u64| format!("{codec} {n} ").repeat(if n < 99 { 20 } else { 30_000 });
    for compression in compiled() {
        let mut config = WriterConfig::new(&topic);
        config.compression = compression;
        config.linger = Duration::from_millis(20);
        let writer = client.writer(config)?;
        let values: Vec<_> = (0..100).map(|n| value(compression, n)).collect();
        for result in writer.write_all(values.iter().map(Record::new).collect()).await {
            result?;
        }
    }
    scene.step("reading");
    let mut messages = scene.read_all(&client, &topic).await?.into_iter();
    for compression in compiled() {
        for n in 0..100 {
            let message = messages.next().ok_or_else(|| failed(format!("{compression} {n} is not there")))?;
            holds("the value", message.value == Some(Bytes::from(value(compression, n))), n)?;
        }
    }
    same("what is left", messages.next(), None)
}

/// Each task's records come in the order of its calls.
pub(super) async fn many_tasks_on_one_writer<P: Place>(scene: Scene<P>) -> Outcome {
    const TASKS: u64 = 8;
    const RECORDS: u64 = 250;
    let client = scene.client()?;
    let topic = scene.topic(&client, 3).await?;
    let writer = client.writer(WriterConfig::new(&topic))?;
    let start = |task: u64| {
        let writer = writer.clone();
        scene.place.spawn(async move {
            let key = format!("task-{task}");
            let mut deliveries = Vec::new();
            for n in 0..RECORDS {
                deliveries.push(writer.enqueue(Record::keyed(&key, &n.to_string())).await?);
            }
            for delivery in deliveries {
                delivery.wait().await?;
            }
            Ok(()) as Outcome
        })
    };
    let tasks: Vec<_> = (0..TASKS).map(start).collect();
    for task in tasks {
        task.await?;
    }
    let mut checker = Checker::default();
    scene.read_all(&client, &topic).await?.iter().try_for_each(|message| checker.take(message))?;
    checker.is_done(TASKS * RECORDS)
}

/// Twenty at once, each with a writer and a reader.
pub(super) async fn many_clients<P: Place>(scene: Scene<P>) -> Outcome {
    const CLIENTS: usize = 20;
    const PARTITIONS: i32 = 4;
    let client = scene.client()?;
    let topic = scene.topic(&client, PARTITIONS).await?;
    let start = |n: usize| {
        let (its, topic) = (scene.clone(), topic.clone());
        let partition = n as i32 % PARTITIONS;
        scene.place.spawn(async move {
            let client = its.client()?;
            let writer = client.writer(WriterConfig::new(&topic))?;
            let mut config = ReaderConfig::new(&topic);
            config.partitions = Some(vec![partition]);
            let mut reader = client.reader(config)?;
            for i in 0..10 {
                let value = format!("client {n} record {i}");
                let record = Record { partition: Some(partition), ..Record::new(&value) };
                let written = writer.write(record).await?;
                let message = loop {
                    let message = its.next(&mut reader, Duration::from_secs(20)).await?;
                    if message.value.as_deref() == Some(value.as_bytes()) {
                        break message;
                    }
                };
                same("the offset", written.offset, Some(message.offset))?;
            }
            writer.close().await;
            client.close();
            Ok(()) as Outcome
        })
    };
    let tasks: Vec<_> = (0..CLIENTS).map(start).collect();
    for task in tasks {
        task.await?;
    }
    same("records in all", scene.read_all(&client, &topic).await?.len(), 10 * CLIENTS)
}
