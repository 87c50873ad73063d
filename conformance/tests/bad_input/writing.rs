//! Records that can't be written, and what becomes of those beside them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes};
use milena_conformance::cluster::{Cluster, ClusterOptions, Fault};
use milena_core::protocol::metadata::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use milena_core::protocol::{
    ApiKey, BrokerId, ErrorCode, InitProducerIdRequest, InitProducerIdResponse, MetadataRequest,
    MetadataResponse, ProduceRequest,
};
use milena_core::record::{Batches, Limits};
use milena_core::{Acks, Compression, Error, Fate, NewTopic, Record, WriteError, WriterConfig, Written};

use crate::face::{Face, config, on_each, within, writer};
use crate::fake::{Act, Fake, produced_at, records_in, spoilt};

fn cluster() -> Cluster {
    Cluster::builder().topic("t", 1).start().unwrap()
}

/// The values of a partition, in order.
fn values(cluster: &Cluster, topic: &str) -> Vec<Bytes> {
    let batches = cluster.log(topic, 0);
    let records = batches.iter().flat_map(|batch| batch.records(&Limits::default()).unwrap());
    records.map(|record| record.unwrap().value.unwrap()).collect()
}

fn one(face: Face, cluster: &Cluster, record: Record<'_>) -> Result<Written, WriteError> {
    told(face, face.write(config(&cluster.bootstrap()), writer(), &[record]).remove(0))
}

fn told(face: Face, result: Result<Written, WriteError>) -> Result<Written, WriteError> {
    if let Err(error) = &result {
        println!("{face:?}: {error}");
    }
    result
}

/// Why a record was not written, from a fake.
fn failed(face: Face, fake: &Fake) -> WriteError {
    let start = Instant::now();
    let result = told(face, face.write(config(&fake.address()), writer(), &[Record::new("v")]).remove(0));
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    result.unwrap_err()
}

fn not_written(cause: Error) -> WriteError {
    WriteError { fate: Fate::NotWritten, cause }
}

#[test]
fn a_topic_that_is_not_there() {
    on_each(|face| {
        // Only where both sides allow it, a topic is created.
        for (allowed, wanted) in [(false, false), (true, false), (false, true), (true, true)] {
            let cluster = Cluster::builder().auto_create_topics(allowed).start().unwrap();
            let mut config = config(&cluster.bootstrap());
            config.allow_auto_topic_creation = wanted;
            let start = Instant::now();
            let result = face.write(config, writer(), &[Record::new("v").to("new")]).remove(0);
            match allowed && wanted {
                true => assert_eq!(result.unwrap().offset, Some(0)),
                false => {
                    let expected = not_written(Error::UnknownTopic { topic: "new".into() });
                    assert_eq!(told(face, result), Err(expected));
                    assert!(cluster.offsets("new", 0).is_none());
                    assert!(start.elapsed() < Duration::from_secs(2));
                }
            }
        }
    });
}

#[test]
fn a_topic_that_comes_later() {
    on_each(|face| {
        let cluster = Arc::new(Cluster::builder().start().unwrap());
        let late = cluster.clone();
        let mut config = config(&cluster.bootstrap());
        config.topic_grace = Duration::from_secs(5);
        let creator = std::thread::spawn(move || {
            while !late.requests().iter().any(|request| request.key == ApiKey::METADATA) {
                std::thread::yield_now();
            }
            late.create_topic("t", 1).unwrap();
        });
        let written = face.write(config, writer(), &[Record::new("v")]).remove(0).unwrap();
        assert_eq!(written.offset, Some(0));
        creator.join().unwrap();
    });
}

#[test]
fn names_that_no_topic_can_have() {
    on_each(|face| {
        let cluster = cluster();
        let long = "x".repeat(300);
        let huge = "x".repeat(40_000);
        for name in ["a b", ".", "a/b", "é"] {
            let error = one(face, &cluster, Record::new("v").to(name)).unwrap_err();
            assert_eq!(error.fate, Fate::NotWritten);
            let code = ErrorCode::INVALID_TOPIC_EXCEPTION;
            assert!(
                matches!(&error.cause, Error::Rejected { code: got, .. } if *got == code),
                "{name:?}: {error:?}"
            );
        }
        // What can't even be asked for, or is empty.
        for name in ["", &long, &huge] {
            let error = one(face, &cluster, Record::new("v").to(name)).unwrap_err();
            assert_eq!(error.fate, Fate::NotWritten);
            assert!(matches!(error.cause, Error::InvalidRecord { .. }), "{error:?}");
        }
        // The client is not the worse for it.
        assert_eq!(one(face, &cluster, Record::new("v")).unwrap().offset, Some(0));
    });
}

#[test]
fn a_bad_record_does_no_harm_to_others() {
    on_each(|face| {
        let cluster = cluster();
        let long = "x".repeat(300);
        let large = vec![b'x'; 5000];
        let mut writer = writer();
        writer.batch_bytes = 4096;
        let records = [
            Record::new("v0"),
            Record { partition: Some(7), ..Record::new("bad") },
            Record::new("v1"),
            Record::new(&large),
            Record::new("v2"),
            Record { partition: Some(-1), ..Record::new("bad") },
            Record::new("bad").to(&long),
            Record::new("bad").to("missing"),
            Record::new("v3"),
        ];
        let results = face.write(config(&cluster.bootstrap()), writer, &records);
        let offsets: Vec<_> =
            results.iter().map(|result| result.as_ref().ok().map(|w| w.offset.unwrap())).collect();
        assert_eq!(offsets, [Some(0), None, Some(1), None, Some(2), None, None, None, Some(3)]);
        let cause = |index: usize| told(face, results[index].clone()).unwrap_err().cause;
        for (index, partition) in [(1, 7), (5, -1)] {
            assert_eq!(cause(index), Error::UnknownPartition { topic: "t".into(), partition, partitions: 1 });
        }
        assert!(matches!(cause(3), Error::RecordTooLarge { size: 5001.., limit: 4096 }), "{:?}", cause(3));
        assert!(matches!(cause(6), Error::InvalidRecord { .. }));
        assert_eq!(cause(7), Error::UnknownTopic { topic: "missing".into() });
        assert_eq!(values(&cluster, "t"), ["v0", "v1", "v2", "v3"]);
    });
}

#[test]
fn a_record_without_any_topic() {
    on_each(|face| {
        let cluster = cluster();
        let mut writer = WriterConfig::default();
        writer.max_block = Duration::from_secs(2);
        let records = [Record::new("v"), Record::new("w").to("t")];
        let results = face.write(config(&cluster.bootstrap()), writer, &records);
        let error = told(face, results[0].clone()).unwrap_err();
        assert!(matches!(error.cause, Error::InvalidRecord { .. }), "{error:?}");
        assert_eq!(results[1].as_ref().unwrap().offset, Some(0));
    });
}

/// Batches that are larger than the topic allows are cut until they fit; only a record that never fits fails.
#[test]
fn a_topic_for_small_batches_only() {
    on_each(|face| {
        for (compression, idempotence) in
            [(Compression::None, true), (Compression::None, false), (Compression::Lz4, true)]
        {
            let options =
                ClusterOptions { max_message_bytes: 1000, validate_records: true, ..Default::default() };
            let cluster = Cluster::builder().options(options).topic("t", 1).start().unwrap();
            let mut writer = writer();
            // All that is written gathers in one batch.
            writer.linger = Duration::from_millis(100);
            writer.delivery_timeout = Duration::from_secs(8);
            writer.compression = compression;
            writer.idempotence = idempotence;
            // Every byte another, so that no codec makes it small.
            let mut seed = 1_u64;
            let mut noise = |bytes: usize| -> Vec<u8> {
                (0..bytes)
                    .map(|_| {
                        seed = seed
                            .wrapping_mul(6_364_136_223_846_793_005)
                            .wrapping_add(1_442_695_040_888_963_407);
                        (seed >> 56) as u8
                    })
                    .collect()
            };
            let mut all: Vec<Vec<u8>> = (0..200).map(|_| noise(50)).collect();
            all[77] = noise(2000);
            let records: Vec<_> = all.iter().map(Record::new).collect();
            let results = face.write(config(&cluster.bootstrap()), writer, &records);
            for (index, result) in results.iter().enumerate() {
                match result {
                    Ok(_) => assert_ne!(index, 77),
                    Err(error) => {
                        assert_eq!(index, 77, "{error}");
                        println!("{face:?}: {error}");
                        assert_eq!(error.fate, Fate::Rejected);
                        assert!(
                            matches!(error.cause, Error::Rejected { code: ErrorCode::MESSAGE_TOO_LARGE, .. }),
                            "{error:?}"
                        );
                    }
                }
            }
            all.remove(77);
            assert_eq!(values(&cluster, "t"), all, "{compression} {idempotence}");
            let offsets: Vec<_> = results.iter().flatten().map(|written| written.offset.unwrap()).collect();
            assert_eq!(offsets, (0..199).collect::<Vec<_>>());
            assert!(cluster.log("t", 0).iter().all(|batch| batch.size_bytes() <= 1000));
        }
    });
}

#[test]
fn after_the_writers_close() {
    within(Duration::from_secs(10), || {
        let cluster = cluster();
        let client = milena_blocking::connect(config(&cluster.bootstrap())).unwrap();
        let writer = client.writer(writer()).unwrap();
        let delivery = writer.enqueue(Record::new("v0")).unwrap();
        writer.close();
        assert_eq!(delivery.wait().unwrap().offset, Some(0));
        assert_eq!(writer.write(Record::new("late")).unwrap_err(), not_written(Error::Closed));
        assert_eq!(writer.clone().enqueue(Record::new("late")).unwrap_err(), not_written(Error::Closed));
        // Twice is as good as once, and other writers go on.
        writer.close();
        let other = client.writer(crate::face::writer()).unwrap();
        assert_eq!(other.write(Record::new("v1")).unwrap().offset, Some(1));
        assert_eq!(values(&cluster, "t"), ["v0", "v1"]);
    });
}

#[test]
fn after_the_clients_close() {
    within(Duration::from_secs(10), || {
        let cluster = cluster();
        let client = milena_blocking::connect(config(&cluster.bootstrap())).unwrap();
        let used = client.writer(writer()).unwrap();
        used.write(Record::new("v0")).unwrap();
        let fresh = client.writer(writer()).unwrap();
        client.close();
        let start = Instant::now();
        for writer in [&used, &fresh, &client.writer(writer()).unwrap()] {
            assert_eq!(writer.write(Record::new("late")).unwrap_err(), not_written(Error::Closed));
            assert_eq!(writer.write(Record::new("late").to("u")).unwrap_err(), not_written(Error::Closed));
            writer.flush();
            writer.close();
        }
        assert_eq!(client.create_topic(NewTopic::new("u", 1)), Err(Error::Closed));
        assert_eq!(client.delete_topic("t"), Err(Error::Closed));
        client.close();
        assert!(start.elapsed() < Duration::from_secs(1));
        assert_eq!(values(&cluster, "t"), ["v0"]);
    });
}

/// Records under way when the client is closed: each is told at once, and nobody claims to know more than can be known.
#[test]
fn the_clients_close_with_records_under_way() {
    within(Duration::from_secs(10), || {
        let cluster = cluster();
        let client = milena_blocking::connect(config(&cluster.bootstrap())).unwrap();
        let writer = client.writer(writer()).unwrap();
        writer.write(Record::new("v0")).unwrap();
        cluster.on_request(ApiKey::PRODUCE, Fault::NeverAnswer);
        let sent = writer.enqueue(Record::new("sent")).unwrap();
        while !cluster.requests().iter().filter(|r| r.key == ApiKey::PRODUCE).count().eq(&2) {
            std::thread::yield_now();
        }
        let waits = writer.enqueue(Record::new("waits")).unwrap();
        client.close();
        assert_eq!(sent.wait().unwrap_err(), WriteError { fate: Fate::Unknown, cause: Error::Closed });
        assert_eq!(waits.wait().unwrap_err(), not_written(Error::Closed));
        assert_eq!(writer.buffered_bytes(), 0);
    });
}

#[test]
fn a_broker_without_idempotence() {
    on_each(|face| {
        let fake = Fake::start(|asked| match asked.key() {
            ApiKey::API_VERSIONS => asked.versions(&[ApiKey::INIT_PRODUCER_ID]),
            _ => asked.honestly(),
        });
        let error = failed(face, &fake);
        assert_eq!(error.fate, Fate::NotWritten);
        assert!(error.to_string().contains("turn idempotence off"), "{error}");
        assert!(fake.broker.produced.lock().unwrap().is_empty());

        let mut off = writer();
        off.idempotence = false;
        let results = face.write(config(&fake.address()), off, &[Record::new("v0"), Record::new("v1")]);
        let offsets: Vec<_> = results.into_iter().map(|result| result.unwrap().offset.unwrap()).collect();
        assert_eq!(offsets, [0, 1]);
        let produced = fake.broker.produced.lock().unwrap();
        let batches = produced.iter().flat_map(|batch| Batches::new(batch.clone()));
        assert!(
            batches
                .map(Result::unwrap)
                .all(|batch| batch.producer_id().0 == -1 && batch.base_sequence() == -1)
        );
    });
}

#[test]
fn no_producer_id() {
    on_each(|face| {
        let fake = Fake::start(|asked| match asked.key() {
            ApiKey::INIT_PRODUCER_ID => {
                let error_code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
                asked.answer::<InitProducerIdRequest>(InitProducerIdResponse {
                    error_code,
                    ..Default::default()
                })
            }
            _ => asked.honestly(),
        });
        let error = failed(face, &fake);
        assert_eq!(error.fate, Fate::NotWritten);
        assert!(
            matches!(
                error.cause,
                Error::Rejected {
                    api: ApiKey::INIT_PRODUCER_ID,
                    code: ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
                    ..
                }
            ),
            "{error:?}"
        );

        let fake = Fake::start(|asked| match asked.key() {
            ApiKey::INIT_PRODUCER_ID => Act::Nothing,
            _ => asked.honestly(),
        });
        let error = failed(face, &fake);
        assert_eq!(error.fate, Fate::NotWritten);
        assert!(matches!(error.cause, Error::Timeout { .. }), "{error:?}");
        assert!(error.to_string().contains("InitProducerId"), "{error}");
    });
}

#[test]
fn refused_by_the_broker() {
    on_each(|face| {
        for (code, fate) in [
            (ErrorCode::TOPIC_AUTHORIZATION_FAILED, Fate::Rejected),
            (ErrorCode::INVALID_RECORD, Fate::Rejected),
            (ErrorCode::UNKNOWN_SERVER_ERROR, Fate::Rejected),
            (ErrorCode(999), Fate::Rejected),
        ] {
            let fake = Fake::start(move |asked| match asked.key() {
                ApiKey::PRODUCE => asked.answer::<ProduceRequest>(produced_at(-1, code)),
                _ => asked.honestly(),
            });
            let error = failed(face, &fake);
            assert_eq!(error.fate, fate, "{error}");
            assert!(matches!(error.cause, Error::Rejected { code: got, .. } if got == code), "{error:?}");
        }
        // What passes is tried again until the time is up, and the last cause is told.
        let fake = Fake::start(|asked| match asked.key() {
            ApiKey::PRODUCE => {
                asked.answer::<ProduceRequest>(produced_at(-1, ErrorCode::NOT_ENOUGH_REPLICAS))
            }
            _ => asked.honestly(),
        });
        let error = failed(face, &fake);
        assert_eq!(error.fate, Fate::NotWritten, "{error:?}");
        assert!(error.to_string().contains("NOT_ENOUGH_REPLICAS"), "{error}");
        assert!(fake.asked(ApiKey::PRODUCE).len() > 2);
    });
}

#[test]
fn no_good_answer_to_a_produce_request() {
    on_each(|face| {
        for (act, word) in [
            ((|_| Act::Nothing) as fn(Act) -> Act, "not answered within"),
            (|_| Act::Close, "closed the connection"),
            (|answer| spoilt(answer, |bytes| bytes[7] ^= 0x55), "correlation id"),
            (
                |answer| {
                    spoilt(answer, |bytes| {
                        bytes.put_u8(9);
                        let length = bytes.len() as u32 - 4;
                        bytes[..4].copy_from_slice(&length.to_be_bytes());
                    })
                },
                "ProduceResponse",
            ),
            (|_| Act::Send(Bytes::from_static(b"\x7f\xff\xff\xff")), "2147483647"),
            (|_| Act::SendAndClose(Bytes::from_static(b"\0\0\0\x50abc")), "in the middle of an answer"),
        ] {
            let fake = Fake::start(move |asked| match asked.key() {
                ApiKey::PRODUCE => act(asked.honestly()),
                _ => asked.honestly(),
            });
            let error = failed(face, &fake);
            assert_eq!(error.fate, Fate::Unknown);
            assert!(matches!(error.cause, Error::Timeout { last: Some(_), .. }), "{error:?}");
            assert!(error.to_string().contains(word), "{error}");
        }
    });
}

#[test]
fn an_answer_for_something_else() {
    on_each(|face| {
        let fake = Fake::start(|asked| match asked.key() {
            ApiKey::PRODUCE => {
                let mut answer = produced_at(0, ErrorCode::NONE);
                answer.responses[0].name = "other".into();
                asked.answer::<ProduceRequest>(answer)
            }
            _ => asked.honestly(),
        });
        let error = failed(face, &fake);
        assert_eq!(error.fate, Fate::Unknown);
        assert!(error.to_string().contains("lacks the partition"), "{error}");

        // An offset at the end of the world: what lies behind it is not told.
        let fake = Fake::start(|asked| match asked.key() {
            ApiKey::PRODUCE => asked.answer::<ProduceRequest>(produced_at(i64::MAX, ErrorCode::NONE)),
            _ => asked.honestly(),
        });
        let mut gathering = writer();
        gathering.linger = Duration::from_millis(100);
        let records = [Record::new("a"), Record::new("b")];
        let results = face.write(config(&fake.address()), gathering, &records);
        let offsets: Vec<_> = results.into_iter().map(|result| result.unwrap().offset).collect();
        assert_eq!(offsets, [Some(i64::MAX), None]);
    });
}

/// An answer was lost: the retry says so by its numbers, and the record is there once.
#[test]
fn a_lost_answer_is_no_second_record() {
    on_each(|face| {
        let cluster = cluster();
        cluster.on_request(ApiKey::PRODUCE, Fault::CloseAfter);
        assert_eq!(one(face, &cluster, Record::new("v")).unwrap().offset, Some(0));
        assert_eq!(values(&cluster, "t"), ["v"]);
    });
}

#[test]
fn metadata_that_make_no_sense() {
    on_each(|face| {
        type Spoil = fn(&mut MetadataResponse);
        let spoils: [Spoil; 5] = [
            |answer| answer.topics[0].partitions.clear(),
            |answer| answer.topics[0].partitions[0].partition_index = i32::MAX,
            |answer| answer.topics[0].partitions[0].partition_index = -1,
            |answer| answer.topics.clear(),
            |answer| answer.topics[0].name = Some("other".into()),
        ];
        for spoil in spoils {
            let fake = Fake::start(move |asked| match asked.key() {
                ApiKey::METADATA => {
                    let mut answer = metadata(asked.broker.address.port());
                    if asked.request::<MetadataRequest>().topics.is_some_and(|topics| !topics.is_empty()) {
                        spoil(&mut answer);
                    }
                    asked.answer::<MetadataRequest>(answer)
                }
                _ => asked.honestly(),
            });
            let error = failed(face, &fake);
            assert_eq!(error.fate, Fate::NotWritten);
            assert!(matches!(error.cause, Error::Timeout { last: Some(_), .. }), "{error:?}");
            assert!(error.to_string().contains("\"t\""), "{error}");
            // Nobody asks again and again without a pause.
            assert!(fake.asked(ApiKey::METADATA).len() < 20, "{}", fake.asked(ApiKey::METADATA).len());
        }
    });
}

#[test]
fn a_leader_that_nobody_knows() {
    on_each(|face| {
        for leader in [-1, 99] {
            let fake = Fake::start(move |asked| match asked.key() {
                ApiKey::METADATA => {
                    let mut answer = metadata(asked.broker.address.port());
                    answer.topics[0].partitions[0].leader_id = BrokerId(leader);
                    asked.answer::<MetadataRequest>(answer)
                }
                _ => asked.honestly(),
            });
            let error = failed(face, &fake);
            assert_eq!(error.fate, Fate::NotWritten);
            assert!(matches!(error.cause, Error::Timeout { last: Some(_), .. }), "{leader}: {error:?}");
            assert!(fake.asked(ApiKey::METADATA).len() < 40, "{}", fake.asked(ApiKey::METADATA).len());
        }
    });
}

/// `advertised.listeners` of a broker that lead nowhere: the address is told, by writers and readers.
#[test]
fn a_leader_at_a_wrong_address() {
    on_each(|face| {
        let fake = Fake::start(|asked| match asked.key() {
            ApiKey::METADATA => {
                let mut answer = metadata(asked.broker.address.port());
                answer.brokers[0].host = "no-such-host.invalid".into();
                asked.answer::<MetadataRequest>(answer)
            }
            _ => asked.honestly(),
        });
        let error = failed(face, &fake);
        assert!(error.to_string().contains("no-such-host.invalid"), "{error}");
        let mut items = face.read(config(&fake.address()), milena_core::ReaderConfig::new("t"), 2);
        let error = items.remove(0).unwrap_err();
        println!("{face:?}: {error}");
        assert!(error.to_string().contains("no-such-host.invalid"), "{error}");
        assert!(items.is_empty());
    });
}

/// Topic `t` with one partition, at this port.
fn metadata(port: u16) -> MetadataResponse {
    MetadataResponse {
        brokers: vec![MetadataResponseBroker {
            node_id: BrokerId(1),
            host: "127.0.0.1".into(),
            port: port.into(),
            ..Default::default()
        }],
        controller_id: BrokerId(1),
        topics: vec![MetadataResponseTopic {
            name: Some("t".into()),
            partitions: vec![MetadataResponsePartition { leader_id: BrokerId(1), ..Default::default() }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

#[test]
fn no_room_in_the_buffer() {
    on_each(|face| {
        let fake = Fake::start(|asked| match asked.key() {
            ApiKey::PRODUCE => Act::Nothing,
            _ => asked.honestly(),
        });
        let mut writer = writer();
        writer.delivery_timeout = Duration::from_secs(4);
        writer.max_block = Duration::from_secs(1);
        writer.batch_bytes = 4096;
        writer.request_bytes = 4096;
        writer.buffer_bytes = 4096;
        let large = vec![b'x'; 3000];
        let start = Instant::now();
        let results =
            face.write(config(&fake.address()), writer, &[Record::new(&large), Record::new(&large)]);
        assert!(start.elapsed() < Duration::from_secs(6));
        let error = told(face, results[1].clone()).unwrap_err();
        assert_eq!(error.fate, Fate::NotWritten);
        assert!(error.to_string().contains("room in the writer's buffer"), "{error}");
        let error = told(face, results[0].clone()).unwrap_err();
        assert_eq!(error.fate, Fate::Unknown);
    });
}

#[test]
fn topics_that_cannot_be_created_or_deleted() {
    on_each(|face| {
        let cluster = cluster();
        let create = |topic| {
            let result = face.create_topic(config(&cluster.bootstrap()), topic);
            match result {
                Err(error) => {
                    println!("{face:?}: {error}");
                    match error {
                        Error::Rejected { api: ApiKey::CREATE_TOPICS, code, message: Some(_) } => code,
                        other => panic!("{other:?}"),
                    }
                }
                Ok(()) => ErrorCode::NONE,
            }
        };
        assert_eq!(create(NewTopic::new("t", 1)), ErrorCode::TOPIC_ALREADY_EXISTS);
        assert_eq!(create(NewTopic::new("a b", 1)), ErrorCode::INVALID_TOPIC_EXCEPTION);
        assert_eq!(create(NewTopic::new("u", 0)), ErrorCode::INVALID_PARTITIONS);
        let topic = NewTopic { replication_factor: 3, ..NewTopic::new("u", 1) };
        assert_eq!(create(topic), ErrorCode::INVALID_REPLICATION_FACTOR);
        assert_eq!(create(NewTopic::new("u", 1)), ErrorCode::NONE);

        let client = milena_blocking::connect(config(&cluster.bootstrap())).unwrap();
        let error = client.delete_topic("missing").unwrap_err();
        println!("{error}");
        assert!(
            matches!(
                error,
                Error::Rejected {
                    api: ApiKey::DELETE_TOPICS,
                    code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                    ..
                }
            ),
            "{error:?}"
        );
    });
}

/// Without acknowledgements a broker can only hang up: the next write is not the worse for it.
#[test]
fn without_acknowledgements() {
    on_each(|face| {
        let turn = AtomicUsize::new(0);
        let fake = Fake::start(move |asked| match asked.key() {
            ApiKey::PRODUCE => {
                let _ = asked.honestly();
                match turn.fetch_add(1, Ordering::SeqCst) {
                    0 => Act::Close,
                    _ => Act::Nothing,
                }
            }
            _ => asked.honestly(),
        });
        let results = face.write(
            config(&fake.address()),
            writer().acks(Acks::None),
            &[Record::new("a"), Record::new("b")],
        );
        assert!(results.iter().all(|result| result.as_ref().is_ok_and(|written| written.offset.is_none())));
        let produced = fake.broker.produced.lock().unwrap();
        assert!(produced.iter().map(records_in).sum::<i64>() <= 2);
    });
}
