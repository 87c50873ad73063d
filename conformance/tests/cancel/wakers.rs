//! Futures that are polled once and dropped, again and again, while nothing happens: nothing piles up.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use milena_conformance::cluster::{Fault as RequestFault, Requests};
use milena_conformance::sim::{self, Fault, Route, World};
use milena_core::protocol::ApiKey;
use milena_core::{NewTopic, ReaderConfig, Record, WriterConfig};

use crate::stage::{TOPIC, config, latest, options};

const TIMES: usize = 10_000;

/// A waker that shows by its token whether it is kept.
struct Kept(#[expect(dead_code, reason = "counted")] Arc<()>);

impl Wake for Kept {
    fn wake(self: Arc<Self>) {}
}

/// Polls many futures once each, all by different tasks, and drops them; returns how many of their wakers are kept.
fn drop_many<F: Future>(mut future: impl FnMut() -> F) -> usize {
    let token = Arc::new(());
    for _ in 0..TIMES {
        let waker = Waker::from(Arc::new(Kept(token.clone())));
        assert!(pin!(future()).poll(&mut Context::from_waker(&waker)).is_pending());
    }
    Arc::strong_count(&token) - 1
}

fn within(test: impl AsyncFnOnce(World) + Send + 'static) {
    let run = sim::run(1, options(), test);
    run.result.unwrap_or_else(|stuck| panic!("{stuck}\n{}", run.trace));
}

#[test]
fn futures_dropped_while_no_broker_answers_leave_nothing() {
    within(async |world| {
        world.fault(Fault::BlackHole { route: Route::all() }).unwrap();
        let client = world.client(config(&world), 0).unwrap();
        let writer = client.writer(WriterConfig::new(TOPIC)).unwrap();
        let mut reader = client.reader(ReaderConfig::new(TOPIC)).unwrap();
        // The first one wants the topic.
        drop_many(|| writer.enqueue(Record::new("v")));
        let before = client.outstanding();
        assert_eq!((before.waiters, before.operations), (0, 0), "{before:?}");
        assert_eq!(drop_many(|| client.connect()), 0);
        assert_eq!(drop_many(|| client.create_topic(NewTopic::new("new", 1))), 0);
        assert_eq!(drop_many(|| client.delete_topic("spare")), 0);
        assert_eq!(drop_many(|| client.call(latest(TOPIC, 0))), 0);
        assert_eq!(drop_many(|| writer.enqueue(Record::new("v"))), 0);
        assert_eq!(drop_many(|| writer.write(Record::new("v"))), 0);
        assert_eq!(drop_many(|| writer.write_all([Record::new("v")])), 0);
        // A reader has one that waits for it, and keeps the last.
        let token = Arc::new(());
        for _ in 0..TIMES {
            let waker = Waker::from(Arc::new(Kept(token.clone())));
            assert!(pin!(reader.next()).poll(&mut Context::from_waker(&waker)).is_pending());
            assert!(pin!(reader.next_batch()).poll(&mut Context::from_waker(&waker)).is_pending());
        }
        assert_eq!(Arc::strong_count(&token) - 1, 1);
        assert_eq!(client.outstanding(), before);
    });
}

#[test]
fn futures_dropped_while_a_batch_is_not_answered_leave_nothing() {
    within(async |world| {
        let client = world.client(config(&world), 0).unwrap();
        let mut small = WriterConfig::new(TOPIC);
        (small.batch_bytes, small.request_bytes, small.buffer_bytes) = (4096, 4096, 4096);
        let writer = client.writer(small).unwrap();
        world.cluster(|cluster| {
            cluster.on_request(Requests::of(ApiKey::PRODUCE).always(), RequestFault::NeverAnswer)
        });
        let large = vec![b'x'; 3000];
        let record = Record { partition: Some(0), ..Record::new(&large) };
        let mut delivery = writer.enqueue(record).await.unwrap();
        // It was sent, and takes most of the room.
        world.sleep(Duration::from_millis(100)).await;
        let before = client.outstanding();
        assert_eq!((before.unanswered, before.waiters), (1, 0), "{before:?}");
        assert_eq!(drop_many(|| writer.enqueue(record)), 0);
        assert_eq!(drop_many(|| writer.write(record)), 0);
        assert_eq!(drop_many(|| writer.flush()), 0);
        // One that waits itself, while others come and go, keeps its place and the last waker.
        let token = Arc::new(());
        for _ in 0..TIMES {
            let waker = Waker::from(Arc::new(Kept(token.clone())));
            assert!(pin!(&mut delivery).poll(&mut Context::from_waker(&waker)).is_pending());
            assert!(pin!(writer.flush()).poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        assert_eq!((Arc::strong_count(&token) - 1, client.outstanding().waiters), (1, 1));
        assert_eq!(drop_many(|| writer.close()), 0);
        drop(delivery);
        assert_eq!(client.outstanding(), before);
        world.heal();
        world.timeout(Duration::from_secs(20), writer.close()).await.unwrap();
        assert_eq!(writer.buffered_bytes(), 0);
    });
}
