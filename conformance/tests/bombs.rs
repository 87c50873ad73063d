//! What a small batch that decompresses to gigabytes costs, by the allocator's own count.

use std::alloc::System;

use bytes::BytesMut;
use milena_core::record::{
    BatchBuilder, Batches, Compression, Encoding, Limits, MessageFormat, Producer, RecordError,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const LIMIT: usize = 1 << 20;

/// A batch of format v2 whose block is this one many times.
fn repeated(zeros: &[u8], codec: Compression) -> BytesMut {
    const HEADER: usize = 61;
    let mut builder = BatchBuilder::with_capacity(0);
    builder.append(0, None, Some(zeros), &[]);
    let one = builder.seal(codec, Producer::NONE).unwrap();
    let mut bytes = BytesMut::from(&one[..]);
    while bytes.len() < 10 << 20 {
        bytes.extend_from_slice(&one[HEADER..]);
    }
    let length = (bytes.len() - 12) as i32;
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes
}

#[test]
fn no_more_is_allocated_than_the_limit_and_the_codecs_own_tables() {
    let zeros = vec![0; 10 << 20];
    let mut bombs: Vec<_> = Compression::ALL[1..]
        .iter()
        .map(|codec| (format!("{codec} v2"), repeated(&zeros, *codec).freeze()))
        .collect();
    for compression in [Compression::Gzip, Compression::Snappy, Compression::Lz4] {
        for format in [MessageFormat::V0, MessageFormat::V1] {
            let mut builder = BatchBuilder::with_capacity(0);
            builder.append(0, None, Some(&zeros), &[]);
            let sealed = builder.seal(Encoding { format, compression, level: None }, Producer::NONE).unwrap();
            bombs.push((format!("{compression} {format:?}"), sealed));
        }
    }
    for (name, bytes) in bombs {
        let batch = Batches::new(bytes).next().unwrap().unwrap();
        let region = Region::new(ALLOCATOR);
        let opened = batch.records(&Limits { max_decompressed_bytes: LIMIT }).map(drop);
        let allocated = region.change().bytes_allocated;
        assert_eq!(opened, Err(RecordError::TooLarge { limit: LIMIT }), "{name}");
        println!("{name}: {} KiB", allocated >> 10);
        // The output doubles up to the limit: twice that in all. Windows of the codecs come on top.
        assert!(allocated < 8 * LIMIT, "{name}: {allocated} bytes");
    }
}
