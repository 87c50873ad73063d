//! Every fuzz target for a moment, with every allocation counted, and what fuzzing has found before.
//!
//! One test alone: allocations of others would count. `MILENA_FUZZ_SECONDS` (default 3) is the time for each target.

use std::alloc::System;
use std::time::Duration;

use milena_conformance::fuzz::{Meter, TARGETS, smoke, target};
use milena_core::record::{BatchBuilder, Batches, Compression, Header, Limits, Producer};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const METER: Meter = Meter(|| ALLOCATOR.stats().bytes_allocated as u64);

type Input = fn() -> Vec<u8>;

/// Inputs that once broke a property: target, what it was, input.
const FINDINGS: [(&str, &str, Input); 5] = [
    ("records", "a zstd window of 64 MiB was allocated whatever the limit", zstd_with_a_large_window),
    ("records", "equal headers were not equal, for the length of a varint", header_with_a_long_varint),
    ("machine", "a coordinator's lookup was outstanding after the shutdown", lookup_at_the_shutdown),
    ("machine", "a reader got data after its end", data_behind_an_error),
    ("machine", "who failed to tell metadata was asked again at once", the_last_broker_refuses),
];

/// Once the cluster is known, a call to a group's coordinator; then nothing more.
fn lookup_at_the_shutdown() -> Vec<u8> {
    vec![0x0e, 0, 0, 0, 28, 21, 0x2a, 0]
}

/// Three brokers are asked for data of a topic; one of them refuses the reader, the others have some.
fn data_behind_an_error() -> Vec<u8> {
    let (calm, records) = ([28, 0, 28, 0, 28, 0, 28], [14, 2, 20, 0, 0, 14, 5, 30, 0, 1, 19, 0, 9]);
    let asked = [0, 0, 0, 0, 8, 3, 3, 8, 3, 4, 8, 3, 5, 8, 3, 6, 8, 3, 7];
    let stored = [9, 0, 0, 6, 9, 0, 0, 7];
    let answers = [9, 4, 0, 4, 17, 0, 9, 0, 0, 3, 9, 0, 0, 5];
    [&[0x0e, 0, 0, 0, 28][..], &records, &calm, &records, &asked, &stored, &answers].concat()
}

/// Nobody can be reached any more but the broker that is asked for metadata, and that one refuses them.
fn the_last_broker_refuses() -> Vec<u8> {
    let (calm, records) = ([28, 0, 28, 0, 28, 0, 28], [14, 2, 20, 0, 0, 14, 5, 30, 0, 1, 19, 0, 9]);
    [&[0x02, 0, 0x88, 0, 28][..], &records, &calm, &records, &[30, 17, 9, 0]].concat()
}

/// A batch of one record with one header, whose value's length of zero takes two bytes.
fn header_with_a_long_varint() -> Vec<u8> {
    let mut builder = BatchBuilder::with_capacity(0);
    builder.append(0, None, None, &[Header { key: "k", value: Some(b"") }]);
    let mut batch = builder.seal(Compression::None, Producer::NONE).unwrap().to_vec();
    assert_eq!(batch.pop(), Some(0), "the value's length is last");
    batch.extend_from_slice(&[0x80, 0]);
    batch[61] += 2;
    batch[11] += 1;
    batch
}

/// A batch of one record, in a zstd frame that is a few bytes long and asks for a window of 64 MiB.
fn zstd_with_a_large_window() -> Vec<u8> {
    const HEADER: usize = 61;
    let mut builder = BatchBuilder::with_capacity(0);
    builder.append(0, None, Some(b"value"), &[]);
    let batch = builder.seal(Compression::None, Producer::NONE).unwrap();
    let records = &batch[HEADER..];
    // A frame without a size, its window descriptor, and one last block of bytes as they are.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, (26 - 10) << 3];
    frame.extend_from_slice(&((records.len() as u32) << 3 | 1).to_le_bytes()[..3]);
    frame.extend_from_slice(records);
    let mut compressed = batch[..HEADER].to_vec();
    compressed[22] |= Compression::Zstd.id() as u8;
    compressed[8..12].copy_from_slice(&((HEADER - 12 + frame.len()) as i32).to_be_bytes());
    compressed.extend_from_slice(&frame);
    compressed
}

#[test]
fn no_property_breaks() {
    let batch = Batches::new(zstd_with_a_large_window().into()).next().unwrap().unwrap();
    let values = batch.records(&Limits::default()).unwrap().map(|record| record.unwrap().value);
    assert_eq!(values.collect::<Vec<_>>(), [Some("value".into())], "within the default limit it is read");

    for (name, finding, input) in FINDINGS {
        println!("{name}: {finding}");
        (target(name).unwrap().run)(&input(), METER);
    }
    let seconds = std::env::var("MILENA_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    for target in TARGETS {
        let runs = smoke(target, 1, Duration::from_secs(seconds), METER);
        println!("{}: {runs} runs", target.name);
        assert!(runs > 100, "{} had {runs} runs", target.name);
    }
}
