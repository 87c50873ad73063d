//! What a writer is asked.

use std::time::Duration;

use milena_core::protocol::ApiKey;
use milena_core::{Delivery, Error, Record, WriteError, Writer, WriterConfig};

use crate::stage::{Fate, PARTITIONS, Point, Stage, TOPIC, config, options};
use crate::{case, sweep};

type Done = (bool, Option<Writer>);

const LINGER: Duration = Duration::from_secs(10);

#[test]
fn writes_are_dropped_anywhere() {
    sweep(
        "writes",
        &[
            case("write", ApiKey::PRODUCE, |stage| Box::pin(write(stage, None))),
            case("write that asks for its topic", ApiKey::METADATA, |stage| Box::pin(write(stage, None))),
            case("write without room", ApiKey::PRODUCE, |stage| Box::pin(no_room(stage, true))),
            case("write to no topic", ApiKey::METADATA, |stage| Box::pin(write(stage, Some("missing")))),
            case("write_all", ApiKey::PRODUCE, |stage| Box::pin(write_all(stage, 0))),
            case("write_all without room", ApiKey::PRODUCE, |stage| Box::pin(write_all(stage, 1500))),
            case("enqueue", ApiKey::METADATA, |stage| Box::pin(enqueue(stage, None))),
            case("enqueue without room", ApiKey::PRODUCE, |stage| Box::pin(no_room(stage, false))),
            case("enqueue to no topic", ApiKey::METADATA, |stage| Box::pin(enqueue(stage, Some("missing"))))
                .calm(),
            case("delivery", ApiKey::PRODUCE, |stage| Box::pin(delivery(stage))),
            case("delivery of a new producer", ApiKey::INIT_PRODUCER_ID, |stage| Box::pin(delivery(stage))),
            case("flush", ApiKey::PRODUCE, |stage| Box::pin(flush(stage))),
            case("close", ApiKey::PRODUCE, |stage| Box::pin(close(stage))),
            case("a writer's life", ApiKey::PRODUCE, |stage| Box::pin(life(stage))),
        ],
    );
}

/// A writer, which in a warm client knows its topic.
async fn writer(stage: &Stage, change: impl FnOnce(&mut WriterConfig)) -> Writer {
    let mut config = WriterConfig::new(TOPIC);
    change(&mut config);
    let writer = stage.client.writer(config).unwrap();
    if stage.warm {
        for partition in 0..PARTITIONS {
            stage.written(&writer, partition).await;
        }
    }
    writer
}

fn small(config: &mut WriterConfig) {
    (config.batch_bytes, config.request_bytes, config.buffer_bytes) = (4096, 4096, 4096);
}

fn record(value: &[u8]) -> Record<'_> {
    Record { partition: Some(0), ..Record::new(value) }
}

fn is_unknown_topic(error: &WriteError) -> bool {
    error.fate == milena_core::Fate::NotWritten && matches!(error.cause, Error::UnknownTopic { .. })
}

/// Dropped before it was accepted it is not written, and later it is: what is buffered tells which.
async fn write(stage: &Stage, topic: Option<&str>) -> Done {
    let writer = writer(stage, |_| {}).await;
    let value = stage.value(0);
    let written = stage.cut(writer.write(Record { topic, ..record(&value) })).await;
    let accepted = writer.buffered_bytes() > 0 || stage.log(0).contains(&value);
    match &written {
        Some(Err(error)) if topic.is_some() => assert!(is_unknown_topic(error), "{error:?}"),
        Some(written) => stage.expect(&value, written.as_ref().map(|_| Fate::Once).unwrap()),
        None if accepted => stage.expect(&value, Fate::Once),
        None => {}
    }
    (written.is_some(), Some(writer))
}

async fn enqueue(stage: &Stage, topic: Option<&str>) -> Done {
    let writer = writer(stage, |_| {}).await;
    let value = stage.value(0);
    let enqueued = stage.cut(writer.enqueue(Record { topic, ..record(&value) })).await;
    let ready = enqueued.is_some();
    match enqueued {
        Some(Err(error)) if topic.is_some() => assert!(is_unknown_topic(&error), "{error:?}"),
        Some(delivery) => delivered(stage, &value, delivery.unwrap()).await,
        None => assert_eq!(writer.buffered_bytes(), 0),
    }
    (ready, Some(writer))
}

async fn delivered(stage: &Stage, value: &[u8], delivery: Delivery) {
    stage.expect(value, Fate::Once);
    stage.within(delivery).await.unwrap();
}

/// Another record fills the buffer.
async fn no_room(stage: &Stage, whole: bool) -> Done {
    let writer = writer(stage, small).await;
    let (before, value) = (stage.value(3000), stage.value(3000));
    stage.expect(&before, Fate::Once);
    let delivery = stage.within(writer.enqueue(record(&before))).await.unwrap();
    let buffered = writer.buffered_bytes();
    let ready = match whole {
        true => {
            let written = stage.cut(writer.write(record(&value))).await;
            stage.expect(&value, if written.is_some() { Fate::Once } else { Fate::AtMostOnce });
            written.map(|written| written.unwrap()).is_some()
        }
        false => match stage.cut(writer.enqueue(record(&value))).await {
            Some(enqueued) => {
                delivered(stage, &value, enqueued.unwrap()).await;
                true
            }
            None => {
                assert!(writer.buffered_bytes() <= buffered);
                false
            }
        },
    };
    stage.within(delivery).await.unwrap();
    (ready, Some(writer))
}

/// Of several records the first so many are written.
async fn write_all(stage: &Stage, bytes: usize) -> Done {
    let writer = writer(stage, |config| {
        if bytes > 0 {
            small(config)
        }
    })
    .await;
    let values: Vec<_> = (0..5).map(|_| stage.value(bytes)).collect();
    let records = values.iter().zip((0..PARTITIONS).cycle());
    let records = records.map(|(value, partition)| Record { partition: Some(partition), ..record(value) });
    let results = stage.cut(writer.write_all(records)).await;
    let fate = if results.is_some() { Fate::Once } else { Fate::Prefix };
    values.iter().for_each(|value| stage.expect(value, fate));
    results.iter().flatten().for_each(|result| assert!(result.is_ok(), "{result:?}"));
    (results.is_some(), Some(writer))
}

async fn delivery(stage: &Stage) -> Done {
    let writer = writer(stage, |_| {}).await;
    let value = stage.value(0);
    stage.begin();
    let delivery = stage.within(writer.enqueue(record(&value))).await.unwrap();
    stage.expect(&value, Fate::Once);
    let written = stage.cut(delivery).await;
    written.iter().for_each(|written| assert!(written.is_ok(), "{written:?}"));
    (written.is_some(), Some(writer))
}

/// Begun, it has its records leave, whether it is waited for or not.
async fn flush(stage: &Stage) -> Done {
    let writer = writer(stage, |_| {}).await;
    stage.within(writer.close()).await;
    let mut config = WriterConfig::new(TOPIC);
    config.linger = LINGER;
    let writer = stage.client.writer(config).unwrap();
    let value = stage.value(0);
    let delivery = stage.within(writer.enqueue(record(&value))).await.unwrap();
    stage.expect(&value, Fate::Once);
    let flushed = stage.cut(writer.flush()).await;
    let begun = stage.point != Point::Unpolled;
    assert!(flushed.is_none() || delivery.outcome().is_some());
    let written = stage.world.timeout(LINGER / 2, delivery).await;
    assert_eq!(written.map(|written| written.is_ok()), begun.then_some(true));
    stage.within(writer.flush()).await;
    (flushed.is_some(), Some(writer))
}

/// Begun, it has closed the writer.
async fn close(stage: &Stage) -> Done {
    let writer = writer(stage, |_| {}).await;
    let (value, late) = (stage.value(0), stage.value(0));
    let delivery = stage.within(writer.enqueue(record(&value))).await.unwrap();
    let closed = stage.cut(writer.close()).await;
    delivered(stage, &value, delivery).await;
    let refused = stage.within(writer.write(record(&late))).await;
    match stage.point {
        Point::Unpolled => stage.expect(&late, refused.map(|_| Fate::Once).unwrap()),
        Point::After(_) => assert_eq!(refused.unwrap_err().cause, Error::Closed),
    }
    (closed.is_some(), None)
}

/// A writer goes with what it was about to write.
async fn life(stage: &Stage) -> Done {
    let value = stage.value(0);
    let life = async {
        let writer = stage.client.writer(WriterConfig::new(TOPIC)).unwrap();
        writer.write(record(&value)).await.unwrap();
    };
    let written = stage.cut(life).await;
    stage.expect(&value, if written.is_some() { Fate::Once } else { Fate::AtMostOnce });
    // What it had accepted is still on its way, and nothing orders it before what another writer writes.
    stage.until(|now| now.writers == 0).await;
    (written.is_some(), None)
}

/// Once a topic that was gone took its batches along, as far as `flush` and `close` knew of them.
#[test]
fn flush_waits_for_records_whose_topic_is_gone() {
    let run = milena_conformance::sim::run(1, options(), async |world| {
        let client = world.client(config(&world), 0).unwrap();
        let mut config = WriterConfig::new("spare");
        config.delivery_timeout = LINGER;
        let writer = client.writer(config).unwrap();
        writer.write(Record::new("there")).await.unwrap();
        world.cluster(|cluster| cluster.delete_topic("spare"));
        let delivery = writer.enqueue(Record::new("late")).await.unwrap();
        // The client has heard of it.
        world.sleep(LINGER / 2).await;
        assert!(delivery.outcome().is_none());
        writer.close().await;
        delivery.outcome().expect("it was waited for")
    });
    let error = run.result.unwrap().unwrap_err();
    assert!(matches!(error.cause, Error::Timeout { operation: "delivery", .. }), "{error:?}");
}
