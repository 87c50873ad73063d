//! Logs that can't be read, or not wholly.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{BufMut, Bytes, BytesMut};
use milena_conformance::cluster::Cluster;
use milena_core::protocol::{ApiKey, ErrorCode, FetchRequest, FetchResponse, LeaderEpoch};
use milena_core::record::{BatchBuilder, Compression, Producer, RecordError, set_base_offset};
use milena_core::{Config, Error, Fault, Isolation, Message, ReaderConfig, Record, Reset, Start, Until};

use crate::face::{Face, config, on_each, writer};
use crate::fake::{Act, Fake, spoilt};

const MAGIC: usize = 16;
const CRC: usize = 17;
const ATTRIBUTES: usize = 21;
const LAST_OFFSET_DELTA: usize = 23;
const COUNT: usize = 57;

const NOBODY: Producer = Producer {
    id: milena_core::protocol::ProducerId(-1),
    epoch: -1,
    base_sequence: -1,
    transactional: false,
};

/// A batch of these values at this offset.
fn batch_of(offset: i64, values: &[&[u8]], compression: Compression) -> BytesMut {
    let mut builder = BatchBuilder::with_capacity(1024);
    for value in values {
        builder.append(1_700_000_000_000, None, Some(value), &[]);
    }
    let mut bytes = BytesMut::from(&builder.seal(compression, NOBODY).unwrap()[..]);
    set_base_offset(&mut bytes, offset, LeaderEpoch(0));
    bytes
}

/// Two records, at `offset` and behind it.
fn batch(offset: i64) -> BytesMut {
    let (one, two) = (format!("v{offset}"), format!("v{}", offset + 1));
    batch_of(offset, &[one.as_bytes(), two.as_bytes()], Compression::None)
}

/// The CRC is right again.
fn sealed(mut batch: BytesMut) -> BytesMut {
    let crc = crc32c(&batch[ATTRIBUTES..]);
    batch[CRC..CRC + 4].copy_from_slice(&crc.to_be_bytes());
    batch
}

/// CRC-32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

fn log_of(batches: &[BytesMut]) -> Bytes {
    batches.concat().into()
}

fn to_the_end() -> ReaderConfig {
    let mut config = ReaderConfig::new("t");
    config.until = Until::End;
    config
}

/// Offsets, or errors.
fn read(face: Face, config: Config, reader: ReaderConfig) -> Vec<Result<i64, Error>> {
    let items = face.read(config, reader, 100);
    items.iter().filter_map(|item| item.as_ref().err()).for_each(|error| println!("{face:?}: {error}"));
    items.into_iter().map(|item| item.map(checked)).collect()
}

/// The offset of a record whose value is that of the offset.
fn checked(message: Message) -> i64 {
    let offset = message.offset;
    assert_eq!(message.value, Some(Bytes::from(format!("v{offset}"))));
    offset
}

/// What is said of a log of six records with a spoilt batch in the middle, at offset 2.
fn around(face: Face, middle: BytesMut) -> Vec<Result<i64, Error>> {
    let fake = Fake::with_log(log_of(&[batch(0), middle, batch(4)]), 6, |asked| asked.honestly());
    read(face, config(&fake.address()), to_the_end())
}

fn corrupt(item: &Result<i64, Error>) -> RecordError {
    let error = item.as_ref().unwrap_err();
    assert_eq!(error.fault(), Fault::Peer);
    assert!(!error.is_retriable());
    match error {
        Error::CorruptBatch { topic, partition: 0, offset: 2, cause } if topic == "t" => cause.clone(),
        _ => panic!("{error:?}"),
    }
}

/// The error that names offset 2, with all the rest being read.
fn skipped(face: Face, middle: BytesMut) -> RecordError {
    let items = around(face, middle);
    let cause = corrupt(&items[2]);
    let offsets: Vec<_> = items.iter().flatten().copied().collect();
    assert_eq!(offsets, [0, 1, 4, 5], "{items:?}");
    assert_eq!(items.len(), 5, "{items:?}");
    cause
}

/// The error that names offset 2 and ends the reader.
fn ended(face: Face, middle: BytesMut) -> RecordError {
    let items = around(face, middle);
    assert_eq!(items[..2], [Ok(0), Ok(1)]);
    assert_eq!(items.len(), 3, "{items:?}");
    corrupt(&items[2])
}

#[test]
fn wrong_crc() {
    on_each(|face| {
        let mut middle = batch(2);
        let at = middle.len() - 1;
        middle[at] ^= 1;
        let cause = skipped(face, middle.clone());
        assert!(matches!(cause, RecordError::Crc { .. }), "{cause:?}");
        // A reader that does not care reads a wrong header count, or whatever it was.
        let fake = Fake::with_log(log_of(&[middle]), 4, |asked| asked.honestly());
        let mut reader = to_the_end();
        reader.check_crcs = false;
        reader.start = Start::Offset(2);
        let items = read(face, config(&fake.address()), reader);
        assert_eq!(items[0], Ok(2));
        assert!(matches!(corrupt_at(&items[1]), (3, RecordError::BadRecord { index: 1, .. })), "{items:?}");
    });
}

fn corrupt_at(item: &Result<i64, Error>) -> (i64, RecordError) {
    match item {
        Err(Error::CorruptBatch { offset, cause, .. }) => (*offset, cause.clone()),
        _ => panic!("{item:?}"),
    }
}

#[test]
fn claims_all_the_records_there_can_be() {
    on_each(|face| {
        let mut middle = batch(2);
        middle[COUNT..COUNT + 4].copy_from_slice(&i32::MAX.to_be_bytes());
        assert_eq!(skipped(face, sealed(middle)), RecordError::BadCount { count: i32::MAX });
    });
}

#[test]
fn holds_more_or_fewer_records_than_it_claims() {
    on_each(|face| {
        let mut middle = batch(2);
        middle[COUNT + 3] = 3;
        assert_eq!(skipped(face, sealed(middle)), RecordError::BadCount { count: 3 });

        let mut middle = batch(2);
        middle[COUNT + 3] = 1;
        let items = around(face, sealed(middle));
        assert!(matches!(corrupt(&items[2]), RecordError::TrailingBytes(_)), "{items:?}");
        assert_eq!(items[3..], [Ok(4), Ok(5)]);
    });
}

#[test]
fn a_negative_count() {
    on_each(|face| {
        let mut middle = batch(2);
        middle[COUNT] = 0xff;
        assert!(matches!(ended(face, sealed(middle)), RecordError::BadCount { .. }));
    });
}

/// A gibibyte of zeros, gzip and zstd: no more than the limit is ever allocated.
#[test]
fn decompresses_to_gigabytes() {
    let zeros = vec![0; 64 << 20];
    let bombs = [Compression::Gzip, Compression::Zstd, Compression::Lz4]
        .map(|codec| batch_of(2, &[&zeros, &zeros, &zeros], codec));
    drop(zeros);
    on_each(move |face| {
        for bomb in &bombs {
            let fake =
                Fake::with_log(log_of(&[batch(0), bomb.clone(), batch(5)]), 7, |asked| asked.honestly());
            let mut reader = to_the_end();
            reader.max_decompressed_bytes = 1 << 20;
            let before = peak_kib();
            let items = read(face, config(&fake.address()), reader);
            assert_eq!(corrupt(&items[2]), RecordError::TooLarge { limit: 1 << 20 });
            let offsets: Vec<_> = items.iter().flatten().copied().collect();
            assert_eq!(offsets, [0, 1, 5, 6]);
            assert!(peak_kib() - before < 64 << 10, "{} KiB more", peak_kib() - before);
        }
    });
}

/// The most memory that this process ever held.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0)
}

#[test]
fn compressed_nonsense() {
    on_each(|face| {
        for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
            let mut middle = batch(2);
            middle[ATTRIBUTES + 1] = codec.id() as u8;
            let cause = skipped(face, sealed(middle));
            assert!(
                matches!(
                    cause,
                    RecordError::Decompress { .. }
                        | RecordError::TooLarge { .. }
                        | RecordError::BadCount { .. }
                ),
                "{codec}: {cause:?}"
            );
        }
        let mut middle = batch(2);
        middle[ATTRIBUTES + 1] = 7;
        assert_eq!(skipped(face, sealed(middle)), RecordError::UnknownCodec(7));
    });
}

#[test]
fn formats_to_come() {
    on_each(|face| {
        for magic in [3, 4, 0xff] {
            let mut middle = batch(2);
            middle[MAGIC] = magic;
            assert_eq!(ended(face, middle), RecordError::UnsupportedMagic(magic as i8));
        }
    });
}

#[test]
fn a_truncated_batch() {
    on_each(|face| {
        // The broker promises six records and never has more than a part of the third and fourth.
        let mut log = BytesMut::from(&log_of(&[batch(0), batch(2)])[..]);
        log.truncate(log.len() - 3);
        let fake = Fake::with_log(log.freeze(), 6, |asked| asked.honestly());
        let items = read(face, config(&fake.address()), to_the_end());
        assert_eq!(items[..2], [Ok(0), Ok(1)]);
        assert_eq!(corrupt(&items[2]), RecordError::Truncated);
        assert_eq!(items.len(), 3);
    });
}

#[test]
fn a_length_that_makes_no_sense() {
    on_each(|face| {
        for (length, cause) in [
            (-1, RecordError::BadBatchLength(-1)),
            (5, RecordError::BadBatchLength(5)),
            (i32::MAX, RecordError::Truncated),
        ] {
            let mut middle = batch(2);
            middle[8..12].copy_from_slice(&length.to_be_bytes());
            assert_eq!(ended(face, middle), cause);
        }
    });
}

#[test]
fn offsets_at_the_end_of_the_world() {
    on_each(|face| {
        // There is nothing behind the last offset: as a position it can't be.
        let mut last = batch(2);
        set_base_offset(&mut last, i64::MAX - 1, LeaderEpoch(0));
        let cause = match &around(face, last)[2] {
            Err(Error::CorruptBatch { offset: 2, cause, .. }) => cause.clone(),
            other => panic!("{other:?}"),
        };
        assert!(matches!(cause, RecordError::BadLastOffset { .. }), "{cause:?}");

        // Whatever is asked for, the log's end comes as it is.
        let mut middle = batch(2);
        middle[LAST_OFFSET_DELTA] = 0xff;
        let log = log_of(&[batch(0), sealed(middle), batch(4)]);
        let fake = Fake::with_log(log.clone(), 6, move |asked| match asked.key() {
            ApiKey::FETCH => asked.fetched(log.clone()),
            _ => asked.honestly(),
        });
        let items = read(face, config(&fake.address()), to_the_end());
        assert_eq!((&items[..2], items.len()), (&[Ok(0), Ok(1)][..], 3));
        assert!(matches!(corrupt(&items[2]), RecordError::BadLastOffset { .. }), "{items:?}");
    });
}

/// A broker that answers with what was read before: no record comes twice, and nobody spins.
#[test]
fn the_same_batch_again_and_again() {
    on_each(|face| {
        let fake = Fake::with_log(log_of(&[batch(0)]), 4, |asked| match asked.key() {
            ApiKey::FETCH => asked.fetched(log_of(&[batch(0)])),
            _ => asked.honestly(),
        });
        let items = read(face, config(&fake.address()), to_the_end());
        assert_eq!(items[..2], [Ok(0), Ok(1)]);
        assert!(matches!(corrupt(&items[2]), RecordError::Truncated), "{items:?}");
    });
}

/// So many of the first answers to a fetch, or to a look-up of offsets, have a byte too many.
fn undecodable(key: ApiKey, times: usize) -> Fake {
    let turn = AtomicUsize::new(0);
    Fake::with_log(log_of(&[batch(0)]), 2, move |asked| {
        if asked.key() != key || turn.fetch_add(1, Ordering::SeqCst) >= times {
            return asked.honestly();
        }
        spoilt(asked.honestly(), |answer| {
            answer.put_u8(0);
            let length = answer.len() as u32 - 4;
            answer[..4].copy_from_slice(&length.to_be_bytes());
        })
    })
}

/// One of them once ended the reader, as if nobody had ever damaged a packet.
#[test]
fn an_undecodable_answer_once() {
    on_each(|face| {
        for key in [ApiKey::FETCH, ApiKey::LIST_OFFSETS, ApiKey::METADATA] {
            let fake = undecodable(key, 1);
            let items = read(face, config(&fake.address()), to_the_end());
            assert_eq!(items, [Ok(0), Ok(1)], "{key}");
            assert!(fake.asked(key).len() > 1);
        }
    });
}

#[test]
fn an_undecodable_fetch_again_and_again() {
    on_each(|face| {
        let fake = undecodable(ApiKey::FETCH, usize::MAX);
        let items = read(face, config(&fake.address()), to_the_end());
        let error = items[0].as_ref().unwrap_err();
        assert_eq!(error.fault(), Fault::Peer, "{error:?}");
        assert!(error.to_string().contains("Fetch"), "{error}");
        assert_eq!((items.len(), fake.asked(ApiKey::FETCH).len()), (1, 5));
    });
}

#[test]
fn without_an_api_that_reading_needs() {
    on_each(|face| {
        for key in [ApiKey::FETCH, ApiKey::LIST_OFFSETS] {
            let fake = Fake::with_log(log_of(&[batch(0)]), 2, move |asked| match asked.key() {
                ApiKey::API_VERSIONS => asked.versions(&[key]),
                _ => asked.honestly(),
            });
            let items = read(face, config(&fake.address()), to_the_end());
            assert!(
                matches!(&items[..], [Err(Error::Unsupported { api, theirs: None, .. })] if *api == key),
                "{items:?}"
            );
        }
    });
}

#[test]
fn closes_in_the_middle_of_a_fetch_once() {
    on_each(|face| {
        let turn = AtomicUsize::new(0);
        let fake = Fake::with_log(log_of(&[batch(0), batch(2)]), 4, move |asked| {
            let answer = asked.honestly();
            match (asked.key(), answer) {
                (ApiKey::FETCH, Act::Send(bytes)) if turn.fetch_add(1, Ordering::SeqCst) == 0 => {
                    Act::SendAndClose(bytes.slice(..bytes.len() - 20))
                }
                (_, answer) => answer,
            }
        });
        let items = read(face, config(&fake.address()), to_the_end());
        assert_eq!(items, [Ok(0), Ok(1), Ok(2), Ok(3)]);
        assert!(fake.asked(ApiKey::FETCH).len() >= 2);
    });
}

#[test]
fn refused_by_the_broker() {
    on_each(|face| {
        let fake = Fake::start(|asked| match asked.key() {
            ApiKey::FETCH => asked.answer::<FetchRequest>(FetchResponse {
                error_code: ErrorCode::TOPIC_AUTHORIZATION_FAILED,
                ..Default::default()
            }),
            _ => asked.honestly(),
        });
        let mut forever = ReaderConfig::new("t");
        forever.isolation = Isolation::ReadUncommitted;
        let items = read(face, config(&fake.address()), forever);
        let error = items[0].as_ref().unwrap_err();
        assert!(
            matches!(error, Error::Rejected { code: ErrorCode::TOPIC_AUTHORIZATION_FAILED, .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains("\"t\""), "{error}");
        assert_eq!(items.len(), 1);
    });
}

#[test]
fn topics_and_partitions_that_are_not_there() {
    on_each(|face| {
        let cluster = Cluster::builder().topic("t", 2).start().unwrap();
        let config = || config(&cluster.bootstrap());
        let items = read(face, config(), ReaderConfig::new("missing"));
        assert_eq!(items, [Err(Error::UnknownTopic { topic: "missing".into() })]);

        let mut reader = to_the_end();
        for wrong in [2, -1, i32::MAX] {
            reader.partitions = Some(vec![0, wrong]);
            let items = read(face, config(), reader.clone());
            let error = Error::UnknownPartition { topic: "t".into(), partition: wrong, partitions: 2 };
            assert_eq!(items, [Err(error)]);
        }

        for name in ["a b", "..", "a/b"] {
            let items = read(face, config(), ReaderConfig::new(name));
            assert!(
                matches!(&items[..], [Err(Error::Rejected { code: ErrorCode::INVALID_TOPIC_EXCEPTION, .. })]),
                "{items:?}"
            );
        }
    });
}

#[test]
fn an_offset_that_is_not_there() {
    on_each(|face| {
        let cluster = Cluster::builder().topic("t", 1).start().unwrap();
        let config = || config(&cluster.bootstrap());
        face.write(config(), writer(), &[Record::new("v0"), Record::new("v1")]);
        let mut reader = ReaderConfig::new("t");
        reader.start = Start::Offset(100);
        reader.reset = Reset::Error;
        let items = read(face, config(), reader.clone());
        assert_eq!(items, [Err(Error::OffsetOutOfRange { topic: "t".into(), partition: 0, offset: 100 })]);
        reader.start = Start::Offset(i64::MAX);
        reader.reset = Reset::First;
        let items = face.read(config(), reader.clone(), 2);
        assert_eq!(items.into_iter().map(|item| checked(item.unwrap())).collect::<Vec<_>>(), [0, 1]);
        // Behind the end there is nothing to wait for, whatever the offset.
        reader.until = Until::End;
        assert_eq!(read(face, config(), reader), []);
    });
}

#[test]
fn after_the_clients_close() {
    crate::face::within(std::time::Duration::from_secs(10), || {
        let cluster = Cluster::builder().topic("t", 1).start().unwrap();
        let client = milena_blocking::connect(config(&cluster.bootstrap())).unwrap();
        let mut before = client.reader(ReaderConfig::new("t")).unwrap();
        let waiting = std::thread::spawn(move || (before.next(), before.next()));
        client.close();
        assert_eq!(waiting.join().unwrap(), (Some(Err(Error::Closed)), None));
        let mut after = client.reader(ReaderConfig::new("t")).unwrap();
        assert_eq!(after.next(), Some(Err(Error::Closed)));
        assert_eq!(after.next(), None);
    });
}
