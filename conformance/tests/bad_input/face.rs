//! The same calls on every runtime, and the bounds of a test.

use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use milena_core::{
    Config, Error, Message, NewTopic, ReaderConfig, Record, WriteError, WriterConfig, Written,
};

/// A runtime's adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Face {
    Tokio,
    Blocking,
}

pub(crate) const FACES: [Face; 2] = [Face::Tokio, Face::Blocking];

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

impl Face {
    pub(crate) fn connect(self, config: Config) -> Result<(), Error> {
        match self {
            Face::Tokio => block_on(async { milena_tokio::connect(config).await.map(drop) }),
            Face::Blocking => milena_blocking::connect(config).map(drop),
        }
    }

    pub(crate) fn create_topic(self, config: Config, topic: NewTopic) -> Result<(), Error> {
        match self {
            Face::Tokio => {
                block_on(async { milena_tokio::client(config).unwrap().create_topic(topic).await })
            }
            Face::Blocking => milena_blocking::client(config).unwrap().create_topic(topic),
        }
    }

    pub(crate) fn write(
        self,
        config: Config,
        writer: WriterConfig,
        records: &[Record<'_>],
    ) -> Vec<Result<Written, WriteError>> {
        let records = records.iter().copied();
        match self {
            Face::Tokio => block_on(async {
                let client = milena_tokio::client(config).unwrap();
                client.writer(writer).unwrap().write_all(records).await
            }),
            Face::Blocking => {
                milena_blocking::client(config).unwrap().writer(writer).unwrap().write_all(records)
            }
        }
    }

    /// Reads until the end, but not more than `limit` items.
    pub(crate) fn read(
        self,
        config: Config,
        reader: ReaderConfig,
        limit: usize,
    ) -> Vec<Result<Message, Error>> {
        match self {
            Face::Tokio => block_on(async {
                let client = milena_tokio::client(config).unwrap();
                let mut reader = client.reader(reader).unwrap();
                let mut items = Vec::new();
                while items.len() < limit
                    && let Some(item) = reader.next().await
                {
                    items.push(item);
                }
                items
            }),
            Face::Blocking => {
                milena_blocking::client(config).unwrap().reader(reader).unwrap().take(limit).collect()
            }
        }
    }
}

/// Impatient settings.
pub(crate) fn config(bootstrap: &str) -> Config {
    let mut config = Config::new(bootstrap).unwrap();
    config.bootstrap_timeout = Duration::from_secs(1);
    config.connect_timeout = Duration::from_secs(1);
    config.request_timeout = Duration::from_secs(1);
    config.api_timeout = Duration::from_secs(2);
    config.topic_grace = Duration::from_millis(300);
    config
}

/// An impatient writer to topic `t`.
pub(crate) fn writer() -> WriterConfig {
    let mut config = WriterConfig::new("t");
    config.delivery_timeout = Duration::from_secs(2);
    config.max_block = Duration::from_secs(2);
    config
}

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Runs a test on every runtime's adapter in bounded time, and sees to it that no thread or task of the client panics.
pub(crate) fn on_each(test: impl Fn(Face) + Send + Sync + Clone + 'static) {
    for face in FACES {
        let test = test.clone();
        within(Duration::from_secs(20), move || test(face));
    }
}

/// Runs a test in bounded time; panics of the library count even where its runtime swallows them.
pub(crate) fn within(limit: Duration, test: impl FnOnce() + Send + 'static) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let file = info.location().map_or("", |location| location.file());
            if !file.contains("bad_input") {
                PANICS.fetch_add(1, Ordering::SeqCst);
            }
            usual(info);
        }));
    });
    let (sender, receiver) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        test();
        let _ = sender.send(());
    });
    match receiver.recv_timeout(limit) {
        Ok(()) => {}
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("still running after {limit:?}"),
        Err(mpsc::RecvTimeoutError::Disconnected) => panic::resume_unwind(thread.join().unwrap_err()),
    }
    assert_eq!(PANICS.load(Ordering::SeqCst), 0, "the library panicked: see above");
}
