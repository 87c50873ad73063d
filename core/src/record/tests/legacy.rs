//! Message sets of formats v0 and v1.

use super::*;

const OLD: [MessageFormat; 2] = [MessageFormat::V0, MessageFormat::V1];

/// The codecs of this build that the old formats have.
fn codecs() -> impl Iterator<Item = Compression> {
    compiled().filter(|codec| *codec != Compression::Zstd)
}

/// The definition, a bit at a time.
fn bitwise_crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| match crc & 1 {
            1 => (crc >> 1) ^ 0xedb8_8320,
            _ => crc >> 1,
        })
    })
}

/// An entry from the layout in the module's documentation.
fn entry(
    magic: u8,
    attributes: u8,
    offset: i64,
    timestamp: i64,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Vec<u8> {
    let mut body = vec![magic, attributes];
    if magic > 0 {
        body.extend_from_slice(&timestamp.to_be_bytes());
    }
    for field in [key, value] {
        body.extend_from_slice(&field.map_or(-1, |field| field.len() as i32).to_be_bytes());
        body.extend_from_slice(field.unwrap_or_default());
    }
    let size = body.len() as i32 + 4;
    let crc = bitwise_crc32(&body);
    [&offset.to_be_bytes()[..], &size.to_be_bytes(), &crc.to_be_bytes(), &body].concat()
}

fn small(magic: u8, offset: i64) -> Vec<u8> {
    entry(magic, 0, offset, offset * 10, Some(&[offset as u8]), None)
}

/// A set of such entries, compressed with gzip.
fn wrapper(magic: u8, offset: i64, set: &[u8]) -> Vec<u8> {
    let value = Encoding::from(Compression::Gzip).compress(set, 0).unwrap();
    entry(magic, 1, offset, 777, None, Some(&value))
}

fn offsets_of(bytes: Vec<u8>) -> Result<Vec<i64>, RecordError> {
    Ok(read_default(bytes.into())?.into_iter().map(|(offset, _)| offset).collect())
}

fn old(format: MessageFormat, compression: Compression) -> Encoding {
    Encoding { format, compression, level: None }
}

/// Records without headers, and without timestamps where the format has none.
fn records_for(format: MessageFormat, count: usize) -> Vec<Fields> {
    let mut records = varied(count);
    for (timestamp, _, _, headers) in &mut records {
        headers.clear();
        if format == MessageFormat::V0 {
            *timestamp = -1;
        }
    }
    records
}

fn built(records: &[Fields]) -> BatchBuilder {
    let mut builder = BatchBuilder::with_capacity(64);
    for record in records {
        append(&mut builder, record);
    }
    builder
}

/// All records of all batches.
fn read_all(bytes: Bytes) -> Vec<(i64, Fields)> {
    let batches = Batches::new(bytes).map(|batch| {
        let batch = batch.unwrap();
        assert_eq!(batch.verify_crc(), Ok(()));
        read(&batch, &Limits::default()).unwrap()
    });
    batches.flatten().collect()
}

#[test]
fn known_bytes_of_entries() {
    let mut builder = BatchBuilder::with_capacity(0);
    builder.append(1000, Some(b"k"), Some(b"val"), &[]);
    builder.append(998, None, Some(b""), &[]);
    for (magic, format) in [(0, MessageFormat::V0), (1, MessageFormat::V1)] {
        let bytes = builder.clone().seal_at(5, old(format, Compression::None), Producer::NONE).unwrap();
        let first = entry(magic, 0, 5, 1000, Some(b"k"), Some(b"val"));
        let second = entry(magic, 0, 6, 998, None, Some(b""));
        assert_eq!(bytes, [first, second].concat(), "v{magic}");
    }
    assert_eq!(
        entry(1, 0, 5, 1000, Some(b"k"), None)[..],
        [
            &[0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 23][..],
            &bitwise_crc32(&[1, 0, 0, 0, 0, 0, 0, 0, 3, 0xe8, 0, 0, 0, 1, b'k', 255, 255, 255, 255])
                .to_be_bytes(),
            &[1, 0, 0, 0, 0, 0, 0, 0, 3, 0xe8, 0, 0, 0, 1, b'k', 255, 255, 255, 255],
        ]
        .concat()
    );
}

#[test]
fn every_codec_gives_back_what_was_appended_in_every_format() {
    for (format, codec) in OLD.into_iter().flat_map(|format| codecs().map(move |codec| (format, codec))) {
        for (count, base) in [(1, 0), (2, 7), (60, 1 << 40), (1000, i64::MAX - 1000)] {
            let records = records_for(format, count);
            let bytes = built(&records).seal_at(base, old(format, codec), Producer::NONE).unwrap();
            let last = base + count as i64 - 1;
            let batches: Vec<Batch> = Batches::new(bytes.clone()).map(Result::unwrap).collect();
            let batch = batches.last().unwrap();
            assert_eq!((batch.magic(), batch.compression()), (format.magic(), Ok(codec)));
            assert_eq!(batch.last_offset(), last);
            let alone = codec == Compression::None;
            assert_eq!(batches.len(), if alone { count } else { 1 });
            assert_eq!((batch.base_offset(), batch.count()), (alone.then_some(last), alone.then_some(1)));
            assert_eq!(
                (batch.partition_leader_epoch(), batch.producer_id()),
                (LeaderEpoch::NONE, ProducerId::NONE)
            );
            assert_eq!((batch.producer_epoch(), batch.base_sequence(), batch.last_sequence()), (-1, -1, -1));
            assert!(!batch.is_transactional() && !batch.is_control() && batch.delete_horizon().is_none());
            let largest = match alone {
                true => records.last().unwrap().0,
                false => records.iter().map(|record| record.0).max().unwrap(),
            };
            assert_eq!((batch.max_timestamp(), batch.base_timestamp()), (largest, largest));
            assert_eq!(
                read_all(bytes),
                (base..).zip(records).collect::<Vec<_>>(),
                "{format:?} {codec} {count}"
            );
        }
    }
}

/// v1 counts from the back of the wrapper, v0 does not count; compaction leaves gaps in either.
#[test]
fn offsets_inside_a_compressed_set() {
    let set = |magic, offsets: &[i64]| offsets.iter().flat_map(|at| small(magic, *at)).collect::<Vec<u8>>();
    assert_eq!(offsets_of(wrapper(1, 109, &set(1, &[0, 5, 9]))), Ok(vec![100, 105, 109]));
    assert_eq!(offsets_of(wrapper(1, 109, &set(1, &[3, 4]))), Ok(vec![108, 109]), "the first ones are gone");
    assert_eq!(offsets_of(wrapper(1, 4, &set(1, &[104]))), Ok(vec![4]), "absolute by mistake");
    assert_eq!(offsets_of(wrapper(1, 0, &set(1, &[0]))), Ok(vec![0]));
    assert_eq!(offsets_of(wrapper(0, 109, &set(0, &[100, 105, 109]))), Ok(vec![100, 105, 109]));
    assert_eq!(offsets_of(wrapper(0, 109, &set(0, &[100]))), Ok(vec![100]), "the last ones are gone");
    for magic in [0, 1] {
        assert_eq!(offsets_of(wrapper(magic, 7, &[])), Ok(vec![]));
        assert_eq!(offsets_of(entry(magic, 1, 7, 0, None, Some(b""))), Ok(vec![]));
    }
}

#[test]
fn times_inside_a_compressed_set() {
    let set = [small(1, 0), small(1, 2)].concat();
    let mut bytes = BytesMut::from(&wrapper(1, 2, &set)[..]);
    let times = |bytes: &BytesMut| {
        let batch = only(bytes.clone().freeze());
        assert_eq!(batch.verify_crc(), Ok(()));
        let read = read(&batch, &Limits::default()).unwrap();
        (
            batch.timestamp_type(),
            batch.max_timestamp(),
            read.into_iter().map(|(_, fields)| fields.0).collect(),
        )
    };
    assert_eq!(times(&bytes), (TimestampType::CreateTime, 777, vec![0, 20]));
    set_log_append_time(&mut bytes, 88);
    assert_eq!(times(&bytes), (TimestampType::LogAppendTime, 88, vec![88, 88]));
    let mut alone = BytesMut::from(&small(1, 4)[..]);
    assert_eq!(times(&alone), (TimestampType::CreateTime, 40, vec![40]));
    set_log_append_time(&mut alone, 99);
    assert_eq!(times(&alone), (TimestampType::LogAppendTime, 99, vec![99]));
    for bytes in [small(0, 4), wrapper(0, 4, &small(0, 4))] {
        let mut bytes = BytesMut::from(&bytes[..]);
        assert_eq!(times(&bytes), (TimestampType::None, -1, vec![-1]));
        set_log_append_time(&mut bytes, 99);
        assert_eq!(times(&bytes), (TimestampType::None, -1, vec![-1]));
    }
}

#[test]
fn a_broker_places_entries() {
    for magic in [0, 1] {
        let mut bytes = small(magic, 0);
        set_base_offset(&mut bytes, 1 << 40, LeaderEpoch(6));
        assert_eq!(bytes[8..], small(magic, 0)[8..], "an entry has no leader epoch");
        assert_eq!(offsets_of(bytes), Ok(vec![1 << 40]));
    }
}

#[test]
#[should_panic(expected = "a compressed set's first offset")]
fn a_compressed_set_is_not_placed_by_its_first_offset() {
    set_base_offset(&mut wrapper(1, 3, &small(1, 0)), 100, LeaderEpoch(0));
}

#[test]
fn a_set_is_read_from_its_middle() {
    for (magic, shift) in [(0, 0), (1, 100)] {
        let set: Vec<u8> = [0, 1, 5, 6].into_iter().flat_map(|at| small(magic, at)).collect();
        let batch = only(wrapper(magic, 6 + shift, &set).into());
        let within = |from: i64, to: i64| {
            let mut cursor = batch.records(&Limits::default()).unwrap().within(from + shift..to + shift);
            assert_eq!((cursor.remaining(), cursor.size_hint()), (4, (0, Some(4))));
            let offsets: Vec<i64> = cursor.by_ref().map(|record| record.unwrap().offset - shift).collect();
            assert!(cursor.next_ref().is_none() && cursor.remaining() == 0);
            offsets
        };
        assert_eq!(within(0, 100), [0, 1, 5, 6]);
        assert_eq!(within(1, 6), [1, 5]);
        assert_eq!(within(2, 100), [5, 6]);
        assert_eq!(within(0, 0), [0; 0]);
        assert_eq!(within(7, 100), [0; 0]);
    }
}

#[test]
fn formats_and_codecs_one_behind_the_other_end_where_a_fetch_was_cut() {
    let mut parts = Vec::new();
    let mut expected = Vec::new();
    for (format, codec) in
        MessageFormat::ALL.into_iter().flat_map(|format| codecs().map(move |c| (format, c)))
    {
        let (base, records) = (expected.len() as i64, records_for(format, 3));
        parts.push(built(&records).seal_at(base, old(format, codec), Producer::NONE).unwrap());
        expected.extend((base..).zip(records));
    }
    let whole = Bytes::from(parts.concat());
    assert_eq!(read_all(whole.clone()), expected);
    let ends: Vec<usize> = Batches::new(whole.clone())
        .scan(0, |end, batch| {
            *end += batch.unwrap().size_bytes();
            Some(*end)
        })
        .collect();
    for cut in 0..=whole.len() {
        let mut batches = Batches::new(whole.slice(..cut));
        let read = batches.by_ref().map(Result::unwrap).count();
        assert_eq!(read, ends.iter().filter(|end| **end <= cut).count(), "{cut}");
        assert_eq!(batches.is_truncated(), cut > 0 && !ends.contains(&cut), "{cut}");
    }
}

#[test]
fn heads_that_make_no_sense_are_refused() {
    for (magic, smallest) in [(0u8, 14), (1, 22)] {
        let bytes = entry(magic, 0, 0, 0, None, None);
        assert_eq!(bytes.len(), smallest + 12);
        let short = (smallest as i32 - 1).to_be_bytes();
        assert_eq!(
            first(with_field(&bytes, 8, &short)),
            Err(RecordError::BadBatchLength(smallest as i32 - 1))
        );
        for offset in [-1, i64::MIN, i64::MAX] {
            let spoilt = with_field(&bytes, 0, &offset.to_be_bytes());
            assert_eq!(first(spoilt), Err(RecordError::BadOffset(offset)));
        }
        for id in [4, 5, 7] {
            let batch = first(entry(magic, id, 0, 0, None, Some(b"x")).into()).unwrap();
            assert_eq!(batch.compression(), Err(RecordError::UnknownCodec(id as i8)));
            assert_eq!(read(&batch, &Limits::default()), Err(RecordError::UnknownCodec(id as i8)));
        }
        let mut spoilt = bytes.clone();
        spoilt[20] ^= 1;
        assert!(matches!(first(spoilt.into()).unwrap().verify_crc(), Err(RecordError::Crc { .. })));
    }
}

#[test]
fn malformed_entries_are_refused() {
    let bad = |index, what| Err(RecordError::BadRecord { index, what });
    for magic in [0u8, 1] {
        let (one, other) = (small(magic, 0), 1 - magic);
        let key_at = if magic == 0 { 18 } else { 26 };
        let set = |second: Vec<u8>| offsets_of(wrapper(magic, 9, &[one.clone(), second].concat()));
        assert_eq!(set(small(magic, 9)).map(|offsets| offsets.len()), Ok(2));

        assert_eq!(set(small(other, 9)), bad(1, Malformed::Magic));
        assert_eq!(set(wrapper(magic, 9, &one)), bad(1, Malformed::Nested));
        assert_eq!(set(small(magic, 0)), bad(1, Malformed::Offset), "twice the same");
        assert_eq!(set(small(magic, -1)), bad(1, Malformed::Offset));
        assert_eq!(offsets_of(wrapper(magic, 9, &small(magic, -9))), bad(0, Malformed::Offset));
        for cut in 1..small(magic, 9).len() {
            let what = bad(1, Malformed::RecordLength);
            assert_eq!(set(small(magic, 9)[..cut].to_vec()), what, "v{magic} cut at {cut}");
        }
        for size in [-1i32, i32::MIN, 0, 13, 1000, i32::MAX] {
            let second = with_field(&small(magic, 9), 8, &size.to_be_bytes());
            assert_eq!(set(second.to_vec()), bad(1, Malformed::RecordLength), "{size}");
        }
        let mut flipped = small(magic, 9);
        *flipped.last_mut().unwrap() ^= 1;
        assert_eq!(set(flipped), bad(1, Malformed::Crc));

        for (length, what) in
            [(-2i32, Malformed::KeyLength), (100, Malformed::KeyLength), (i32::MIN, Malformed::KeyLength)]
        {
            let spoilt = with_field(&one, key_at, &length.to_be_bytes());
            assert_eq!(read(&first(spoilt).unwrap(), &Limits::default()).map(drop), bad(0, what).map(drop));
        }
        for (length, what) in
            [(-2i32, Malformed::ValueLength), (1, Malformed::ValueLength), (i32::MAX, Malformed::ValueLength)]
        {
            let spoilt = with_field(&one, key_at + 5, &length.to_be_bytes());
            assert_eq!(read(&first(spoilt).unwrap(), &Limits::default()).map(drop), bad(0, what).map(drop));
        }
        let spoilt = with_field(&one, key_at, &(-1i32).to_be_bytes());
        assert!(read(&first(spoilt).unwrap(), &Limits::default()).is_err(), "the key's byte is no length");
        let longer = entry(magic, 0, 0, 0, Some(b"k"), Some(b"vv"));
        let spoilt = with_field(&longer, key_at + 5, &1i32.to_be_bytes());
        assert_eq!(
            read(&first(spoilt).unwrap(), &Limits::default()),
            Err(RecordError::BadRecord { index: 0, what: Malformed::TrailingBytes })
        );
        assert_eq!(
            offsets_of(entry(magic, 1, 9, 0, None, None)),
            bad(0, Malformed::ValueLength),
            "no set at all"
        );
    }
    // What counts from the wrapper's back may not begin below 0, what is absolute may not pass it.
    assert_eq!(offsets_of(wrapper(1, 5, &[small(1, 0), small(1, 6)].concat())), bad(0, Malformed::Offset));
    assert_eq!(
        offsets_of(wrapper(1, 0, &[small(1, 0), entry(1, 0, i64::MAX, 0, None, None)].concat())),
        bad(0, Malformed::Offset)
    );
    assert_eq!(offsets_of(wrapper(0, 5, &[small(0, 0), small(0, 6)].concat())), bad(1, Malformed::Offset));
}

/// What comes before a damaged entry is read first.
#[test]
fn an_inner_crc_stops_the_cursor_where_it_is_wrong() {
    let mut second = small(1, 1);
    second[13] ^= 0x10;
    let batch = only(wrapper(1, 2, &[small(1, 0), second, small(1, 2)].concat()).into());
    let mut records = batch.records(&Limits::default()).unwrap();
    assert_eq!(records.next().unwrap().unwrap().offset, 0);
    assert_eq!(records.remaining(), 2);
    assert_eq!(records.next(), Some(Err(RecordError::BadRecord { index: 1, what: Malformed::Crc })));
    assert_eq!((records.next(), records.remaining()), (None, 0));
}

#[test]
fn spoilt_sets_never_panic() {
    for (format, codec) in OLD.into_iter().flat_map(|format| codecs().map(move |codec| (format, codec))) {
        let sound = built(&records_for(format, 5)).seal(old(format, codec), Producer::NONE).unwrap();
        for (at, flip) in (0..sound.len()).flat_map(|at| [1, 0x80, 0xff].map(|flip| (at, flip))) {
            let mut bytes = sound.to_vec();
            bytes[at] ^= flip;
            for batch in Batches::new(bytes.into()).map_while(Result::ok) {
                let _ = (batch.verify_crc(), read(&batch, &Limits { max_decompressed_bytes: 1 << 20 }));
            }
        }
    }
}

#[test]
fn sets_stop_at_the_limit() {
    for (format, codec) in
        OLD.into_iter().flat_map(|format| codecs().skip(1).map(move |codec| (format, codec)))
    {
        let records = [(0, None, Some(vec![0; 4 << 20]), vec![])];
        let batch = only(built(&records).seal(old(format, codec), Producer::NONE).unwrap());
        let limits = Limits { max_decompressed_bytes: 1 << 20 };
        assert_eq!(read(&batch, &limits), Err(RecordError::TooLarge { limit: 1 << 20 }));
    }
}

#[test]
fn what_only_v2_has_is_not_written_as_v0_or_v1() {
    for format in OLD {
        let magic = format.magic();
        let needs = |what| Err(RecordError::NeedsV2 { magic, what });
        let plain = built(&[(0, None, None, vec![])]);
        assert_eq!(plain.clone().seal(old(format, Compression::Zstd), Producer::NONE), needs(V2Only::Zstd));
        let producer = Producer { id: ProducerId(4), epoch: 0, base_sequence: 0, transactional: false };
        let encoding = old(format, Compression::None);
        assert_eq!(plain.clone().seal(encoding, producer), needs(V2Only::Producer));
        let header = built(&[(0, None, None, vec![]), (0, None, None, vec![("h".into(), None)])]);
        assert_eq!(header.seal(encoding, Producer::NONE), needs(V2Only::Headers));
        let none = BatchBuilder::with_capacity(0);
        assert_eq!(
            none.seal(encoding, Producer::NONE),
            Err(RecordError::NotSealable { count: 0, bytes: 61 })
        );
        for base in [-1, i64::MIN, i64::MAX] {
            let sealed = plain.clone().seal_at(base, encoding, Producer::NONE);
            assert_eq!(sealed, Err(RecordError::BadOffset(base)));
        }
    }
}

/// KIP-57: v0 has a checksum of its own in the frame's header, and either is read there.
#[cfg(feature = "lz4")]
#[test]
fn lz4_has_a_header_checksum_of_its_own_in_v0() {
    let set = |format| {
        let sealed =
            built(&records_for(format, 9)).seal(old(format, Compression::Lz4), Producer::NONE).unwrap();
        let value = if format == MessageFormat::V0 { 26 } else { 34 };
        (sealed.slice(value..value + 6), sealed[value + 6], sealed)
    };
    let (header, checksum, _) = set(MessageFormat::V0);
    assert_eq!(header[..], [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40]);
    assert_eq!(u64::from(checksum), u64::from(twox_hash::XxHash32::oneshot(0, &header) >> 8) & 0xff);
    let (header, checksum, _) = set(MessageFormat::V1);
    assert_eq!(u64::from(checksum), u64::from(twox_hash::XxHash32::oneshot(0, &header[4..]) >> 8) & 0xff);

    let block = noise(3, 100_000);
    let of = |format| Encoding { format, ..Compression::Lz4.into() }.compress(&block, 0).unwrap();
    let (v0, v1) = (of(MessageFormat::V0), of(MessageFormat::V1));
    assert_ne!(v0, v1);
    for frames in [v0.clone(), v1.clone(), [&v0[..], &v1, &v0].concat()] {
        let read = Compression::Lz4.decompress(&frames, 0, 1 << 20).unwrap();
        assert_eq!(read, block.repeat(read.len() / block.len()));
    }
    assert_eq!(Compression::Lz4.decompress(&v1, 1, 1 << 20), Ok(block));
    assert!(Compression::Lz4.decompress(&v0, 1, 1 << 20).is_err());
    let mut neither = v0;
    neither[6] ^= 1;
    assert!(Compression::Lz4.decompress(&neither, 0, 1 << 20).is_err());
}
