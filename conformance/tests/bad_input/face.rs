//! The same calls on every runtime, and the bounds of a test.

use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use milena_core::{
    Client, Config, Error, Message, NewTopic, ReaderConfig, Record, WriteError, WriterConfig, Written,
};

/// A runtime's adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Face {
    Tokio,
    Smol,
    AsyncStd,
    Blocking,
}

pub(crate) const FACES: [Face; 4] = [Face::Tokio, Face::Smol, Face::AsyncStd, Face::Blocking];

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

impl Face {
    /// Runs this with a client of an async runtime.
    fn with_client<T>(self, config: Config, run: impl AsyncFnOnce(Client) -> T) -> T {
        match self {
            Face::Tokio => block_on(async { run(milena_tokio::client(config).unwrap()).await }),
            Face::Smol => smol::block_on(run(milena_async_std::smol::client(config).unwrap())),
            Face::AsyncStd => {
                async_std::task::block_on(run(milena_async_std::async_std::client(config).unwrap()))
            }
            Face::Blocking => unreachable!("it has calls of its own"),
        }
    }

    pub(crate) fn connect(self, config: Config) -> Result<(), Error> {
        match self {
            Face::Tokio => block_on(milena_tokio::connect(config)).map(drop),
            Face::Smol => smol::block_on(milena_async_std::smol::connect(config)).map(drop),
            Face::AsyncStd => {
                async_std::task::block_on(milena_async_std::async_std::connect(config)).map(drop)
            }
            Face::Blocking => milena_blocking::connect(config).map(drop),
        }
    }

    pub(crate) fn create_topic(self, config: Config, topic: NewTopic) -> Result<(), Error> {
        match self {
            Face::Blocking => milena_blocking::client(config).unwrap().create_topic(topic),
            _ => self.with_client(config, async |client| client.create_topic(topic).await),
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
            Face::Blocking => {
                milena_blocking::client(config).unwrap().writer(writer).unwrap().write_all(records)
            }
            _ => self
                .with_client(config, async |client| client.writer(writer).unwrap().write_all(records).await),
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
            Face::Blocking => {
                milena_blocking::client(config).unwrap().reader(reader).unwrap().take(limit).collect()
            }
            _ => self.with_client(config, async |client| {
                let mut reader = client.reader(reader).unwrap();
                let mut items = Vec::new();
                while items.len() < limit
                    && let Some(item) = reader.next().await
                {
                    items.push(item);
                }
                items
            }),
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

/// Runs a test on every runtime's adapter at the same time, in bounded time, and sees to it that no thread or task of the client
/// panics. The tests wait more than they work.
pub(crate) fn on_each(test: impl Fn(Face) + Send + Sync + Clone + 'static) {
    std::thread::scope(|scope| {
        for face in FACES {
            let test = test.clone();
            scope.spawn(move || within(Duration::from_secs(20), move || test(face)));
        }
    });
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
