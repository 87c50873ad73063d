//! A flow of numbered records: written under whatever happens, and read back, each once and in order for each key.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use milena_core::{Message, ReaderConfig, Record, WriterConfig};

use crate::face::{Client, Delivery, Writer};
use crate::suite::place::Place;
use crate::suite::scene::{Outcome, Scene, failed, same};

const KEYS: u64 = 40;

/// The key and the value of record `n`: its place among those of its key.
pub(super) fn record(n: u64) -> (String, String) {
    (format!("key-{}", n % KEYS), (n / KEYS).to_string())
}

/// What was read so far.
#[derive(Default)]
pub(super) struct Checker {
    next: BTreeMap<Vec<u8>, u64>,
    offsets: BTreeMap<i32, i64>,
    pub(super) read: u64,
}

impl Checker {
    /// The next record: behind those before it in its partition, and the next of its key.
    pub(super) fn take(&mut self, message: &Message) -> Outcome {
        let last = self.offsets.insert(message.partition, message.offset);
        if last.is_some_and(|last| last >= message.offset) {
            return Err(failed(format!("{message:?} came after offset {last:?}")));
        }
        let next = self.next.entry(message.key.as_deref().unwrap_or_default().to_vec()).or_default();
        let value = String::from_utf8_lossy(message.value.as_deref().unwrap_or_default());
        same(&format!("{message:?} is lost, doubled or out of order"), &*value, &*next.to_string())?;
        *next += 1;
        self.read += 1;
        Ok(())
    }

    /// All of `count` were read.
    pub(super) fn is_done(&self, count: u64) -> Outcome {
        same("records read", self.read, count)
    }
}

/// A writer and a reader that are at work until the flow is [ended](Flow::end), or dropped.
pub(super) struct Flow<P: Place, T> {
    scene: Scene<P>,
    client: P::Client,
    topic: String,
    stopped: Stop,
    tasks: T,
}

struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// More than the flow has.
const ALL: u64 = u64::MAX;

/// Begins one.
pub(super) fn begin<P: Place>(
    scene: &Scene<P>,
    client: &P::Client,
    topic: &str,
) -> Outcome<Flow<P, impl Future<Output = Outcome<u64>>>> {
    let stopped = Stop(Arc::default());
    let written = Arc::new(AtomicU64::new(ALL));
    let writer = client.writer(WriterConfig::new(topic))?;
    let writing = scene.place.spawn(write(scene.clone(), writer, stopped.0.clone(), written.clone()));
    let reader = client.reader(ReaderConfig::new(topic))?;
    let reading = scene.place.spawn(read(scene.clone(), reader, stopped.0.clone(), written));
    let tasks = async move {
        let written = writing.await?;
        reading.await?;
        Ok(written)
    };
    Ok(Flow { scene: scene.clone(), client: client.clone(), topic: topic.to_owned(), stopped, tasks })
}

impl<P: Place, T: Future<Output = Outcome<u64>>> Flow<P, T> {
    /// Lets what is under way come to its end: all that was written was acknowledged, and is there once.
    pub(super) async fn end(self) -> Outcome {
        drop(self.stopped);
        self.scene.step("ending the flow");
        let written = self.tasks.await?;
        let mut checker = Checker::default();
        self.scene.read_all(&self.client, &self.topic).await?.iter().try_for_each(|m| checker.take(m))?;
        checker.is_done(written)
    }
}

/// Writes until it is stopped; how many records.
async fn write<P: Place>(
    scene: Scene<P>,
    writer: impl Writer,
    stopped: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
) -> Outcome<u64> {
    let mut deliveries = Vec::new();
    while !stopped.load(Ordering::Relaxed) {
        for _ in 0..10 {
            let (key, value) = record(deliveries.len() as u64);
            deliveries.push(writer.enqueue(Record::keyed(&key, &value)).await?);
        }
        scene.sleep(Duration::from_millis(10)).await;
    }
    let count = deliveries.len() as u64;
    for delivery in deliveries {
        delivery.wait().await?;
    }
    written.store(count, Ordering::Relaxed);
    Ok(count)
}

/// Reads beside it, until it has all.
async fn read<P: Place>(
    scene: Scene<P>,
    mut reader: <P::Client as Client>::Reader,
    stopped: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
) -> Outcome {
    let mut checker = Checker::default();
    let mut silent = 0;
    while checker.read < written.load(Ordering::Relaxed) {
        match scene.next_within(&mut reader, Duration::from_millis(100)).await {
            Some(Some(message)) => {
                checker.take(&message?)?;
                silent = 0;
            }
            Some(None) => return Err(failed("the reader ended")),
            None if stopped.load(Ordering::Relaxed) && silent >= 300 => {
                return Err(failed(format!("{} records, and none for half a minute", checker.read)));
            }
            None => silent += 1,
        }
    }
    checker.is_done(written.load(Ordering::Relaxed))
}
