//! Settings that make no sense are refused by name, before anything starts.

use std::time::Duration;

use milena_core::{Acks, Compression, Config, Error, ReaderConfig, Start, WriterConfig};

use crate::face::{FACES, Face};
use crate::fake::Fake;

/// The name of a setting, and a way to spoil it.
type Wrong<T> = (&'static str, fn(&mut T));

fn setting(error: &Error) -> &'static str {
    println!("{error}");
    match error {
        Error::Config { setting, reason } => {
            assert!(!reason.is_empty());
            setting
        }
        _ => panic!("{error:?}"),
    }
}

#[test]
fn addresses() {
    for wrong in
        ["", " ", ",", "host:0", "host:65536", "host:http", "http://host:9092", ":9092", "[::1", "a b:9092"]
    {
        assert_eq!(setting(&Config::new(wrong).unwrap_err()), "bootstrap", "{wrong:?}");
    }
}

#[test]
fn of_clients() {
    let wrong: [Wrong<Config>; 11] = [
        ("bootstrap", |c| c.bootstrap.clear()),
        ("client_id", |c| c.client_id = "x".repeat(40_000)),
        ("bootstrap_timeout", |c| c.bootstrap_timeout = Duration::ZERO),
        ("connect_timeout", |c| c.connect_timeout = Duration::ZERO),
        ("request_timeout", |c| c.request_timeout = Duration::ZERO),
        ("api_timeout", |c| c.api_timeout = Duration::ZERO),
        ("backoff", |c| c.backoff = (Duration::from_secs(2), Duration::from_secs(1))),
        ("backoff", |c| c.backoff.0 = Duration::ZERO),
        ("metadata_max_age", |c| c.metadata_max_age = Duration::ZERO),
        ("max_in_flight", |c| c.max_in_flight = 6),
        ("max_frame_bytes", |c| c.max_frame_bytes = 1000),
    ];
    for face in FACES {
        for (name, spoil) in wrong {
            let mut config = Config::new("127.0.0.1:1").unwrap();
            spoil(&mut config);
            assert_eq!(setting(&face.connect(config).unwrap_err()), name);
        }
    }
}

/// The longest times there are, and zeros where they mean something, overflow nothing.
#[test]
fn extremes_are_no_panics() {
    crate::face::on_each(|face: Face| {
        let fake = Fake::start(|asked| asked.honestly());
        let mut config = Config::new(&fake.address()).unwrap();
        config.bootstrap_timeout = Duration::MAX;
        config.connect_timeout = Duration::MAX;
        config.request_timeout = Duration::MAX;
        config.api_timeout = Duration::MAX;
        config.metadata_max_age = Duration::MAX;
        config.topic_grace = Duration::ZERO;
        config.backoff = (Duration::from_millis(1), Duration::MAX);
        let mut writer = WriterConfig::new("t");
        writer.delivery_timeout = Duration::MAX;
        writer.max_block = Duration::MAX;
        let written = face.write(config, writer, &[milena_core::Record::new("v")]);
        assert_eq!(written[0].as_ref().unwrap().offset, Some(0));
    });
}

#[test]
fn of_writers() {
    let wrong: [Wrong<WriterConfig>; 10] = [
        ("idempotence", |c| c.acks = Acks::Leader),
        ("topic", |c| c.topic = Some("".into())),
        ("topic", |c| c.topic = Some("x".repeat(250).into())),
        ("batch_bytes", |c| c.batch_bytes = 0),
        ("batch_bytes", |c| c.batch_bytes = usize::MAX),
        ("request_bytes", |c| c.request_bytes = 1),
        ("buffer_bytes", |c| c.buffer_bytes = 1),
        ("delivery_timeout", |c| c.delivery_timeout = Duration::ZERO),
        ("delivery_timeout", |c| c.linger = Duration::from_secs(300)),
        ("max_block", |c| c.max_block = Duration::ZERO),
    ];
    let client = milena_blocking::client(Config::new("127.0.0.1:1").unwrap()).unwrap();
    for (name, spoil) in wrong {
        let mut config = WriterConfig::new("t");
        spoil(&mut config);
        assert_eq!(setting(&client.writer(config).unwrap_err()), name);
    }
    assert_eq!(setting(&"2".parse::<Acks>().unwrap_err()), "acks");
    let error = "lzma".parse::<Compression>().unwrap_err();
    assert!(error.to_string().contains("lzma"), "{error}");
}

#[test]
fn of_readers() {
    let wrong: [Wrong<ReaderConfig>; 10] = [
        ("topic", |c| c.topic = "".into()),
        ("topic", |c| c.topic = "x".repeat(250).into()),
        ("partitions", |c| c.partitions = Some(Vec::new())),
        ("start", |c| c.start = Start::Offset(-1)),
        ("min_bytes", |c| c.min_bytes = -1),
        ("max_bytes", |c| c.max_bytes = 0),
        ("max_bytes", |c| (c.min_bytes, c.max_bytes) = (10, 9)),
        ("partition_bytes", |c| c.partition_bytes = 0),
        ("buffer_bytes", |c| c.buffer_bytes = 1),
        ("max_wait", |c| c.max_wait = Duration::from_secs(3600)),
    ];
    let client = milena_blocking::client(Config::new("127.0.0.1:1").unwrap()).unwrap();
    for (name, spoil) in wrong {
        let mut config = ReaderConfig::new("t");
        spoil(&mut config);
        match client.reader(config) {
            Ok(_) => panic!("{name} was taken"),
            Err(error) => assert_eq!(setting(&error), name),
        }
    }
}
