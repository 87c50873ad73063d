//! Batches written, read back, and spoilt in every way a peer could.

mod codecs;
#[cfg(feature = "gzip")]
mod legacy;

use bytes::{Bytes, BytesMut};

use super::*;
use crate::protocol::{LeaderEpoch, ProducerId};

/// The codecs of this build, [`Compression::None`] first.
fn compiled() -> impl Iterator<Item = Compression> {
    Compression::ALL.into_iter().filter(|codec| codec.is_compiled())
}

/// A record as values: timestamp, key, value, headers.
type Fields = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(String, Option<Vec<u8>>)>);

/// Bytes that repeat a little, from a seed.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        match next() {
            word if word % 3 > 0 => bytes.extend_from_slice(&word.to_le_bytes()),
            word => bytes.extend_from_slice(&[b'a' + (word >> 60) as u8; 12]),
        }
    }
    bytes.truncate(len);
    bytes
}

fn varied(count: usize) -> Vec<Fields> {
    (0..count)
        .map(|i| {
            let key = (i % 3 > 0).then(|| noise(i as u64, i % 5 * 7));
            let value = (i % 7 > 0).then(|| noise(i as u64 + 1000, i % 11 * i % 700));
            let headers =
                (0..i % 4).map(|h| ("ž".repeat(h), (h != 1).then(|| noise(h as u64, h * 40)))).collect();
            (1_700_000_000_000 + (i as i64 * 7919 % 1000) - 500, key, value, headers)
        })
        .collect()
}

fn append(builder: &mut BatchBuilder, (timestamp, key, value, headers): &Fields) -> u32 {
    let headers: Vec<_> =
        headers.iter().map(|(key, value)| Header { key, value: value.as_deref() }).collect();
    let (before, expected) =
        (builder.len(), builder.record_size(*timestamp, key.as_deref(), value.as_deref(), &headers));
    let index = builder.append(*timestamp, key.as_deref(), value.as_deref(), &headers);
    assert_eq!(builder.len() - before, expected, "record_size");
    index
}

fn sealed(records: &[Fields], compression: Compression) -> Bytes {
    let mut builder = BatchBuilder::with_capacity(64);
    for (index, record) in records.iter().enumerate() {
        assert_eq!(append(&mut builder, record), index as u32);
    }
    assert_eq!(builder.count() as usize, records.len());
    builder.seal(compression, Producer::NONE).unwrap()
}

/// The only batch in `bytes`.
fn only(bytes: Bytes) -> Batch {
    let mut batches = Batches::new(bytes);
    let batch = batches.next().expect("a batch").expect("a sound one");
    assert_eq!(batches.next(), None);
    assert!(!batches.is_truncated());
    batch
}

fn fields(record: &RecordRef<'_>) -> Fields {
    let headers = record
        .headers()
        .map(|header| (String::from_utf8_lossy(header.key).into_owned(), header.value.map(Vec::from)))
        .collect();
    (record.timestamp, record.key.map(Vec::from), record.value.map(Vec::from), headers)
}

/// All records, read borrowed and owned, which must agree.
fn read(batch: &Batch, limits: &Limits) -> Result<Vec<(i64, Fields)>, RecordError> {
    let mut cursor = batch.records(limits)?;
    let mut owned = cursor.clone();
    let mut records = Vec::new();
    loop {
        let next = cursor.next_ref();
        match (&next, owned.next()) {
            (None, None) => return Ok(records),
            (Some(Err(error)), Some(Err(other))) => {
                assert_eq!(*error, other);
                let error = error.clone();
                assert!(cursor.next_ref().is_none() && owned.next().is_none(), "an error is the last item");
                return Err(error);
            }
            (Some(Ok(record)), Some(Ok(other))) => {
                assert_eq!((record.offset, record.timestamp), (other.offset, other.timestamp));
                assert_eq!((record.key, record.value), (other.key.as_deref(), other.value.as_deref()));
                assert!(record.headers().eq(&other.headers));
                assert_eq!(record.headers().len(), other.headers.len());
                records.push((record.offset, fields(record)));
            }
            (one, other) => panic!("borrowed {one:?}, owned {other:?}"),
        }
    }
}

fn read_default(bytes: Bytes) -> Result<Vec<(i64, Fields)>, RecordError> {
    let batch = only(bytes);
    batch.verify_crc()?;
    read(&batch, &Limits::default())
}

#[test]
fn every_codec_gives_back_what_was_appended() {
    for compression in compiled() {
        for count in [1, 2, 3, 60, 127, 128, 129, 1000] {
            let records = varied(count);
            let bytes = sealed(&records, compression);
            let batch = only(bytes.clone());
            assert_eq!(batch.compression(), Ok(compression));
            assert_eq!(batch.count(), Some(count as u32));
            assert_eq!((batch.base_offset(), batch.last_offset()), (Some(0), count as i64 - 1));
            assert_eq!(batch.base_timestamp(), records[0].0);
            assert_eq!(batch.max_timestamp(), records.iter().map(|record| record.0).max().unwrap());
            assert_eq!(batch.size_bytes(), bytes.len());
            let expected: Vec<_> = (0..).zip(records).collect();
            assert_eq!(read_default(bytes), Ok(expected), "{compression} {count}");
        }
    }
}

#[test]
fn values_of_every_size_survive_every_codec() {
    for compression in compiled() {
        for size in [0, 1, 15, 63, 64, 8191, 8192, 32 << 10, (32 << 10) + 1, 64 << 10, 200_000, 3 << 20] {
            for value in [vec![b'x'; size], noise(size as u64, size)] {
                let bytes = sealed(&[(5, None, Some(value.clone()), vec![])], compression);
                assert_eq!(
                    read_default(bytes),
                    Ok(vec![(0, (5, None, Some(value), vec![]))]),
                    "{compression} {size}"
                );
            }
        }
    }
}

/// Written by hand from the layout in the module's documentation.
#[test]
fn known_bytes_of_a_batch() {
    let mut builder = BatchBuilder::with_capacity(256);
    builder.append(1000, Some(b"k"), Some(b"val"), &[]);
    builder.append(
        998,
        None,
        Some(b""),
        &[Header { key: "h", value: Some(b"!") }, Header { key: "", value: None }],
    );
    let producer = Producer { id: ProducerId(0x0102), epoch: 3, base_sequence: 9, transactional: true };
    let bytes = builder.seal(Compression::None, producer).unwrap();
    let mut expected: Vec<u8> = vec![
        0, 0, 0, 0, 0, 0, 0, 0, // base offset
        0, 0, 0, 73, // length: 49 of header, 11 and 13 of records
        0xff, 0xff, 0xff, 0xff, // leader epoch
        2,    // magic
        0, 0, 0, 0, // the CRC, below
        0, 0x10, // attributes: transactional
        0, 0, 0, 1, // last offset delta
        0, 0, 0, 0, 0, 0, 0x03, 0xe8, // base timestamp
        0, 0, 0, 0, 0, 0, 0x03, 0xe8, // max timestamp
        0, 0, 0, 0, 0, 0, 0x01, 0x02, // producer id
        0, 3, // producer epoch
        0, 0, 0, 9, // base sequence
        0, 0, 0, 2, // count
        20, 0, 0, 0, 2, b'k', 6, b'v', b'a', b'l',
        0, // length, attributes, deltas, key, value, no headers
        24, 0, 3, 2, 1, 0, 4, 2, b'h', 2, b'!', 0, 1, // delta -2, null key, empty value, two headers
    ];
    let crc = bitwise_crc32c(&expected[21..]);
    expected[17..21].copy_from_slice(&crc.to_be_bytes());
    assert_eq!(bytes, expected);
}

/// The definition, a bit at a time.
fn bitwise_crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(
            crc ^ u32::from(byte),
            |crc, _| {
                if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 }
            },
        )
    })
}

#[test]
fn sealing_keeps_the_buffer() {
    let mut builder = BatchBuilder::with_capacity(4096);
    let capacity = builder.capacity();
    for _ in 0..20 {
        builder.append(0, Some(b"key"), Some(&[7; 100]), &[]);
    }
    assert!(builder.len() <= capacity && builder.capacity() == capacity);
    let len = builder.len();
    let bytes = builder.seal(Compression::None, Producer::NONE).unwrap();
    assert_eq!(bytes.len(), len);
    // A copy would have the batch's length for its capacity.
    let buffer = bytes.try_into_mut().expect("the only handle");
    assert_eq!(buffer.capacity(), capacity);
}

#[test]
fn any_two_timestamps_share_a_batch() {
    let times = [i64::MAX, i64::MIN, 0, -1, i64::MIN + 1, i64::MAX - 1];
    let records: Vec<Fields> = times.iter().map(|&time| (time, None, None, vec![])).collect();
    let read = read_default(sealed(&records, Compression::None)).unwrap();
    assert_eq!(read.iter().map(|(_, fields)| fields.0).collect::<Vec<_>>(), times);
}

#[test]
fn an_empty_batch_is_not_sealed() {
    let builder = BatchBuilder::with_capacity(0);
    assert!(builder.is_empty());
    assert_eq!(
        builder.seal(Compression::None, Producer::NONE),
        Err(RecordError::NotSealable { count: 0, bytes: 61 })
    );
}

#[test]
fn a_broker_places_and_stamps() {
    let records = varied(5);
    for compression in compiled() {
        let mut bytes = BytesMut::from(&sealed(&records, compression)[..]);
        bytes.extend_from_slice(b"the next batch");
        set_base_offset(&mut bytes, 1 << 40, LeaderEpoch(6));
        let batch = Batches::new(bytes.clone().freeze()).next().unwrap().unwrap();
        assert_eq!(batch.verify_crc(), Ok(()), "base offset and leader epoch are not covered");
        assert_eq!((batch.base_offset(), batch.last_offset()), (Some(1 << 40), (1 << 40) + 4));
        assert_eq!(batch.partition_leader_epoch(), LeaderEpoch(6));
        assert_eq!(batch.timestamp_type(), TimestampType::CreateTime);

        set_log_append_time(&mut bytes, 77);
        let batch = Batches::new(bytes.freeze()).next().unwrap().unwrap();
        assert_eq!(batch.verify_crc(), Ok(()));
        assert_eq!(batch.timestamp_type(), TimestampType::LogAppendTime);
        assert_eq!((batch.max_timestamp(), batch.base_timestamp()), (77, records[0].0));
        let read = read(&batch, &Limits::default()).unwrap();
        assert_eq!(read.len(), 5);
        for (index, (offset, fields)) in read.into_iter().enumerate() {
            assert_eq!((offset, fields.0), ((1 << 40) + index as i64, 77));
            assert_eq!((&fields.1, &fields.2), (&records[index].1, &records[index].2));
        }
    }
}

#[test]
fn a_marker_ends_a_transaction() {
    for kind in [ControlType::Commit, ControlType::Abort] {
        let batch = only(end_transaction_marker(kind, ProducerId(8), 2, 5, 1234));
        assert_eq!(batch.verify_crc(), Ok(()));
        assert!(batch.is_control() && batch.is_transactional());
        assert_eq!((batch.producer_id(), batch.producer_epoch()), (ProducerId(8), 2));
        assert_eq!((batch.base_sequence(), batch.last_sequence()), (-1, -1));
        let mut records = batch.records(&Limits::default()).unwrap();
        let record = records.next().unwrap().unwrap();
        assert_eq!(ControlType::from_key(&record.key.unwrap()), Some(kind));
        assert_eq!(record.value.as_deref(), Some(&[0, 0, 0, 0, 0, 5][..]));
        assert_eq!((record.timestamp, records.next()), (1234, None));
    }
    assert_eq!(ControlType::from_key(&[0, 0, 0, 4]), Some(ControlType::Other(4)));
    assert_eq!(ControlType::from_key(&[0, 0, 0]), None);
}

#[test]
fn sequences_wrap_to_zero() {
    assert_eq!(increment_sequence(5, 3), 8);
    assert_eq!(increment_sequence(i32::MAX, 1), 0);
    assert_eq!(increment_sequence(i32::MAX - 2, 5), 2);
    assert_eq!(increment_sequence(i32::MAX, i32::MAX), i32::MAX - 1);
}

#[test]
fn batches_end_where_a_fetch_was_cut() {
    let codecs = [Compression::None, compiled().last().unwrap(), Compression::None];
    let parts = codecs.map(|codec| sealed(&varied(9), codec));
    let whole = Bytes::from(parts.concat());
    let ends: Vec<usize> = parts
        .iter()
        .scan(0, |end, part| Some(std::mem::replace(end, *end + part.len()) + part.len()))
        .collect();
    for cut in 0..=whole.len() {
        let mut batches = Batches::new(whole.slice(..cut));
        let read: Vec<Batch> = batches.by_ref().map(Result::unwrap).collect();
        let complete = ends.iter().filter(|&&end| end <= cut).count();
        assert_eq!(read.len(), complete);
        assert_eq!(batches.is_truncated(), cut > 0 && !ends.contains(&cut), "{cut}");
        for (batch, part) in read.iter().zip(&parts) {
            assert_eq!(batch.bytes(), part);
        }
    }
}

#[test]
fn a_flipped_bit_fails_the_crc() {
    for compression in compiled() {
        let sound = sealed(&varied(20), compression);
        // Base offset, length and leader epoch are not covered, the magic decides what is.
        for bit in 17 * 8..sound.len() * 8 {
            let mut bytes = BytesMut::from(&sound[..]);
            bytes[bit / 8] ^= 1 << (bit % 8);
            match Batches::new(bytes.freeze()).next().unwrap() {
                Ok(batch) => assert!(matches!(batch.verify_crc(), Err(RecordError::Crc { .. })), "bit {bit}"),
                Err(error) => assert!(
                    matches!(error, RecordError::BadLastOffset { .. } | RecordError::BadCount { .. }),
                    "bit {bit}: {error}"
                ),
            }
        }
    }
}

/// A batch whose header fields are overwritten, for errors that a CRC would hide.
fn with_field(bytes: &[u8], at: usize, field: &[u8]) -> Bytes {
    let mut bytes = bytes.to_vec();
    bytes[at..at + field.len()].copy_from_slice(field);
    bytes.into()
}

fn first(bytes: Bytes) -> Result<Batch, RecordError> {
    let mut batches = Batches::new(bytes);
    let first = batches.next().expect("a batch or an error");
    assert!(first.is_ok() || batches.next().is_none(), "an error is the last item");
    first
}

#[test]
fn headers_that_make_no_sense_are_refused() {
    let sound = sealed(&varied(3), Compression::None);
    for magic in [3i8, 4, -1, i8::MIN] {
        let spoilt = with_field(&sound, 16, &magic.to_be_bytes());
        assert_eq!(first(spoilt), Err(RecordError::UnsupportedMagic(magic)));
    }
    for length in [i32::MIN, -1, 0, 13, 14, 48] {
        assert_eq!(
            first(with_field(&sound, 8, &length.to_be_bytes())),
            Err(RecordError::BadBatchLength(length))
        );
    }
    let spoilt = with_field(&sound, 23, &(-1i32).to_be_bytes());
    assert_eq!(first(spoilt), Err(RecordError::BadLastOffset { base_offset: 0, last_offset_delta: -1 }));
    let spoilt = with_field(&sound, 0, &(i64::MAX - 1).to_be_bytes());
    assert_eq!(
        first(spoilt),
        Err(RecordError::BadLastOffset { base_offset: i64::MAX - 1, last_offset_delta: 2 })
    );
    let spoilt = with_field(&sound, 57, &(-3i32).to_be_bytes());
    assert_eq!(first(spoilt), Err(RecordError::BadCount { count: -3 }));
    let batch = first(with_field(&sound, 21, &[0, 7])).unwrap();
    assert_eq!(batch.compression(), Err(RecordError::UnknownCodec(7)));
    assert_eq!(read(&batch, &Limits::default()), Err(RecordError::UnknownCodec(7)));
}

#[test]
fn counts_must_match_the_records() {
    for compression in compiled() {
        // Five records of ten bytes.
        let records: Vec<Fields> = (0..5).map(|_| (0, None, Some(vec![1, 2, 3]), vec![])).collect();
        let sound = sealed(&records, compression);
        for count in [6, 7, 8, 1000, i32::MAX] {
            let batch = first(with_field(&sound, 57, &count.to_be_bytes())).unwrap();
            assert_eq!(read(&batch, &Limits::default()), Err(RecordError::BadCount { count }));
        }
        for count in 0..5i32 {
            let batch = first(with_field(&sound, 57, &count.to_be_bytes())).unwrap();
            assert_eq!(
                read(&batch, &Limits::default()),
                Err(RecordError::TrailingBytes((5 - count as usize) * 10)),
                "{compression}"
            );
        }
    }
}

/// One batch of given block, count and last offset delta; the CRC is right.
fn batch_of(block: &[u8], count: i32, last_offset_delta: i32, attributes: i16) -> Batch {
    let mut bytes = vec![0; 61];
    bytes.extend_from_slice(block);
    header::write_header(
        &mut bytes,
        &header::HeaderFields {
            base_offset: 0,
            attributes,
            last_offset_delta,
            base_timestamp: 0,
            max_timestamp: 0,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            count,
        },
    );
    only(bytes.into())
}

fn error_of(block: &[u8], count: i32, last_offset_delta: i32) -> RecordError {
    read(&batch_of(block, count, last_offset_delta, 0), &Limits::default()).unwrap_err()
}

#[test]
fn malformed_records_are_refused() {
    // Length, attributes, timestamp delta, offset delta, key length, value length, header count.
    let cases: [(&[u8], Malformed); 19] = [
        (&[0, 0, 0, 0, 0, 0, 0], Malformed::RecordLength),
        (&[1, 0, 0, 0, 1, 1, 0], Malformed::RecordLength),
        (&[14, 0, 0, 0, 1, 1, 0], Malformed::RecordLength),
        (&[0xfe, 0xff, 0xff, 0xff, 0x0f, 0, 0], Malformed::RecordLength),
        (&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0], Malformed::Varint),
        (&[0x80, 0x80, 0x80, 0x80, 0x10, 0, 0], Malformed::Varint),
        (&[12, 0, 0x80, 0x80, 0x80, 0x80, 0x80], Malformed::Varint),
        (&[12, 0, 0, 1, 1, 1, 0], Malformed::OffsetDelta),
        (&[12, 0, 0, 4, 1, 1, 0], Malformed::OffsetDelta),
        (&[12, 0, 0, 0, 3, 1, 0], Malformed::KeyLength),
        (&[12, 0, 0, 0, 6, 1, 0], Malformed::KeyLength),
        (&[12, 0, 0, 0, 1, 3, 0], Malformed::ValueLength),
        (&[12, 0, 0, 0, 1, 4, 0], Malformed::ValueLength),
        (&[12, 0, 0, 0, 1, 1, 1], Malformed::HeaderCount),
        (&[12, 0, 0, 0, 1, 1, 2], Malformed::HeaderCount),
        (&[16, 0, 0, 0, 1, 1, 2, 1, 0], Malformed::HeaderKeyLength),
        (&[16, 0, 0, 0, 1, 1, 2, 0, 3], Malformed::HeaderValueLength),
        (&[16, 0, 0, 0, 1, 1, 2, 0, 2], Malformed::HeaderValueLength),
        (&[14, 0, 0, 0, 1, 1, 0, 0], Malformed::TrailingBytes),
    ];
    for (block, what) in cases {
        assert_eq!(error_of(block, 1, 1), RecordError::BadRecord { index: 0, what }, "{block:?}");
    }
    // A header count of 2^31 - 1 in a record of a few bytes.
    let block = [22, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0];
    assert_eq!(error_of(&block, 1, 0), RecordError::BadRecord { index: 0, what: Malformed::HeaderCount });
    // The same offset twice.
    let block = [12, 0, 0, 0, 1, 1, 0, 12, 0, 0, 0, 1, 1, 0];
    assert_eq!(error_of(&block, 2, 1), RecordError::BadRecord { index: 1, what: Malformed::OffsetDelta });
}

#[test]
fn gaps_left_by_compaction_are_read() {
    let block = [12, 0, 0, 6, 1, 1, 0, 12, 0, 0, 18, 1, 1, 0];
    let read_back = read(&batch_of(&block, 2, 12, 0), &Limits::default()).unwrap();
    assert_eq!(read_back.iter().map(|record| record.0).collect::<Vec<_>>(), [3, 9]);
    for codec in 0..5 {
        assert_eq!(read(&batch_of(&[], 0, 12, codec), &Limits::default()), Ok(vec![]));
    }
}

#[test]
fn blocks_cut_anywhere_are_errors() {
    for compression in compiled() {
        let sound = sealed(&varied(12), compression);
        for cut in 61..sound.len() {
            let batch = batch_of(&sound[61..cut], 12, 11, compression.id().into());
            assert!(read(&batch, &Limits::default()).is_err(), "{compression} cut at {cut}");
        }
    }
}

#[test]
fn spoilt_blocks_never_panic() {
    for compression in compiled() {
        let sound = sealed(&varied(12), compression);
        for at in 61..sound.len() {
            for flip in [1, 0x80, 0xff] {
                let mut block = sound[61..].to_vec();
                block[at - 61] ^= flip;
                let batch = batch_of(&block, 12, 11, compression.id().into());
                // Flips inside a value may well be read; what counts is that all is bounded and nothing panics.
                let limits = Limits { max_decompressed_bytes: 1 << 20 };
                let _ = read(&batch, &limits);
            }
        }
    }
}

#[test]
fn bombs_stop_at_the_limit() {
    let block = vec![0; 10 << 20];
    for compression in compiled().skip(1) {
        let bomb = Encoding::from(compression).compress(&block, 0).unwrap();
        assert!(bomb.len() < 1 << 20, "{compression}: {} bytes", bomb.len());
        for limit in [0, 1, 1000, 1 << 20, block.len() - 1] {
            assert_eq!(compression.decompress(&bomb, 2, limit), Err(RecordError::TooLarge { limit }));
        }
        for limit in [block.len(), block.len() + 1, usize::MAX] {
            let out = compression.decompress(&bomb, 2, limit).unwrap();
            assert_eq!(out, block);
            assert!(limit == usize::MAX || out.capacity() <= limit + 1, "{compression}: {}", out.capacity());
        }
        let batch = batch_of(&bomb, 1, 0, compression.id().into());
        let limits = Limits { max_decompressed_bytes: 1 << 20 };
        assert_eq!(read(&batch, &limits), Err(RecordError::TooLarge { limit: 1 << 20 }));
    }
}

#[test]
fn joined_streams_are_read_as_one() {
    let parts: Vec<Vec<u8>> = [0, 1, 70_000, 0, 300].map(|len| noise(len as u64, len)).into();
    for compression in compiled() {
        let joined = parts
            .iter()
            .flat_map(|part| Encoding::from(compression).compress(part, 0).unwrap())
            .collect::<Vec<_>>();
        assert_eq!(compression.decompress(&joined, 2, 1 << 20), Ok(parts.concat()), "{compression}");
        let limit = parts.concat().len() - 1;
        assert_eq!(compression.decompress(&joined, 2, limit), Err(RecordError::TooLarge { limit }));
    }
}

#[cfg(feature = "snappy")]
#[test]
fn snappy_is_read_with_and_without_framing() {
    let data = noise(3, 100_000);
    let raw = snap::raw::Encoder::new().compress_vec(&data).unwrap();
    assert_eq!(Compression::Snappy.decompress(&raw, 2, 1 << 20), Ok(data.clone()));
    let framed = Encoding::from(Compression::Snappy).compress(&data, 0).unwrap();
    assert_eq!(framed[..16], *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01");
    let first = u32::from_be_bytes(framed[16..20].try_into().unwrap()) as usize;
    assert_eq!(snap::raw::decompress_len(&framed[20..]), Ok(32 << 10));
    assert_eq!(snap::raw::Decoder::new().decompress_vec(&framed[20..20 + first]).unwrap(), data[..32 << 10]);

    // A declared size of 4 GiB - 1 in six bytes.
    let lying = [0xff, 0xff, 0xff, 0xff, 0x0f, 0x00];
    let error = Compression::Snappy.decompress(&lying, 2, usize::MAX).unwrap_err();
    assert!(
        matches!(&error, RecordError::Decompress { reason, .. } if reason.contains("larger size")),
        "{error}"
    );
    for length in [-1i32, 7, i32::MAX] {
        let block = [&framed[..16], &length.to_be_bytes(), &lying].concat();
        assert!(Compression::Snappy.decompress(&block, 2, 1 << 20).is_err());
    }
}

#[test]
fn names_and_numbers_of_codecs() {
    for (id, name) in ["none", "gzip", "snappy", "lz4", "zstd"].into_iter().enumerate() {
        let codec: Compression = name.parse().unwrap();
        assert_eq!((codec.id() as usize, codec.to_string().as_str()), (id, name));
        assert_eq!(Compression::from_id(id as i8), Ok(codec));
    }
    assert_eq!(Compression::from_id(5), Err(RecordError::UnknownCodec(5)));
    assert!("GZIP".parse::<Compression>().is_err());
}

#[test]
fn a_codec_that_is_not_compiled_says_so() {
    for codec in Compression::ALL.into_iter().filter(|codec| !codec.is_compiled()) {
        let refused = RecordError::CodecNotCompiled(codec);
        let mut builder = BatchBuilder::with_capacity(100);
        builder.append(0, None, None, &[]);
        assert_eq!(builder.seal(codec, Producer::NONE), Err(refused.clone()));
        let batch = batch_of(&[0; 9], 1, 0, codec.id().into());
        assert_eq!(read(&batch, &Limits::default()), Err(refused));
    }
}
