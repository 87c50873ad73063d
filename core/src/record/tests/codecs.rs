//! Codecs: what other encoders make, levels, bombs.

use super::*;

/// 1000 times the numbers from 0 to 59, each followed by a space: what the files beside this one hold.
#[cfg(any(feature = "gzip", feature = "lz4", feature = "lz4-c", feature = "zstd", feature = "zstd-c"))]
fn numbers() -> Vec<u8> {
    (0..60).map(|number| format!("{number} ")).collect::<String>().repeat(1000).into_bytes()
}

/// The streams, alone and joined with each other and with ours, and cut anywhere.
#[cfg(any(feature = "gzip", feature = "lz4", feature = "lz4-c", feature = "zstd", feature = "zstd-c"))]
#[track_caller]
fn reads(codec: Compression, streams: &[&[u8]]) {
    let ours = Encoding::from(codec).compress(b"ours", 0).unwrap();
    let mut expected = Vec::new();
    for stream in streams {
        let read = codec.decompress(stream, 2, 128 << 20).unwrap();
        assert!(read.is_empty() || read == numbers(), "{} bytes", read.len());
        let joined = [stream, &ours[..], stream].concat();
        assert_eq!(codec.decompress(&joined, 2, 128 << 20), Ok([&read[..], b"ours", &read].concat()));
        expected.extend(read);
    }
    assert_eq!(codec.decompress(&streams.concat(), 2, 128 << 20), Ok(expected));
    for stream in streams {
        for cut in 1..stream.len() {
            assert!(codec.decompress(&stream[..cut], 2, 128 << 20).is_err(), "cut at {cut}");
        }
    }
}

/// By lz4 1.9.4: blocks that refer to those before, content size, checksums of blocks and content. Then a skippable frame.
#[cfg(any(feature = "lz4", feature = "lz4-c"))]
#[test]
fn lz4_by_others() {
    let linked = include_bytes!("linked.lz4");
    assert_eq!(linked[4] & 0b0011_1100, 0b0001_1100, "linked, block checksums, content size and checksum");
    let skippable = [0x5f, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    reads(Compression::Lz4, &[linked, &skippable]);
    for at in 0..linked.len() {
        let mut spoilt = linked.to_vec();
        spoilt[at] ^= 0x10;
        assert!(Compression::Lz4.decompress(&spoilt, 2, 1 << 20).is_err(), "byte {at}");
    }
    for garbage in [&b"no frame at all"[..], &[0x04, 0x22, 0x4d], &[0x02, 0x21, 0x4c, 0x18, 0, 0, 0, 0]] {
        assert!(Compression::Lz4.decompress(garbage, 2, 1 << 20).is_err());
        assert!(Compression::Lz4.decompress(&[linked, garbage].concat(), 2, 1 << 20).is_err());
    }
    // A skippable frame of 4 GiB - 1.
    let lying = [0x50, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0xff, 0];
    assert!(Compression::Lz4.decompress(&lying, 2, 1 << 20).is_err());
}

/// By zstd 1.5.4: written to a pipe, so without a content size; with a window of 128 MiB; and a skippable frame.
#[cfg(any(feature = "zstd", feature = "zstd-c"))]
#[test]
fn zstd_by_others() {
    let (streamed, window) = (include_bytes!("streamed.zst"), include_bytes!("window128m.zst"));
    assert_eq!((streamed[4] >> 5, window[5]), (0, 17 << 3), "no content size; a window of 2^(10 + 17)");
    let skippable = [0x5f, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    reads(Compression::Zstd, &[streamed, window]);
    let joined = [&skippable[..], streamed, &skippable, &skippable, window].concat();
    assert_eq!(Compression::Zstd.decompress(&joined, 2, 128 << 20), Ok(numbers().repeat(2)));
    // A window is memory, too: it counts against the limit, if that is above what everyone has to take.
    let refused = Compression::Zstd.decompress(window, 2, (128 << 20) - 1);
    assert!(matches!(refused, Err(RecordError::Decompress { .. })), "{refused:?}");
    // One more is too large a window for anyone.
    let mut larger = window.to_vec();
    larger[5] = 17 << 3 | 1;
    assert!(Compression::Zstd.decompress(&larger, 2, 1 << 20).is_err());
}

/// By gzip 1.12, with a file's name in the header.
#[cfg(feature = "gzip")]
#[test]
fn gzip_by_others() {
    let named = include_bytes!("named.gz");
    assert_eq!(named[3], 8, "a name");
    reads(Compression::Gzip, &[named]);
}

/// By hand: literals only, in xerial's framing, with another stream behind it, and raw.
#[cfg(feature = "snappy")]
#[test]
fn snappy_by_others() {
    const HEADER: &[u8] = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
    let (abc, de) = (&[3, 2 << 2, b'a', b'b', b'c'], &[2, 1 << 2, b'd', b'e']);
    let stream = [HEADER, &[0, 0, 0, 5], abc, &[0, 0, 0, 4], de].concat();
    for (stream, expected) in [
        (abc.to_vec(), &b"abc"[..]),
        (stream.clone(), b"abcde"),
        ([&stream[..], &stream].concat(), b"abcdeabcde"),
        ([HEADER, &stream].concat(), b"abcde"),
        (HEADER.to_vec(), b""),
    ] {
        assert_eq!(Compression::Snappy.decompress(&stream, 2, 100), Ok(expected.to_vec()));
    }
    for cut in 1..stream.len() {
        // A cut between blocks is no error: nothing says how many there are.
        if ![16, 16 + 4 + 5].contains(&cut) {
            assert!(Compression::Snappy.decompress(&stream[..cut], 2, 100).is_err(), "cut at {cut}");
        }
    }
}

fn at_level(compression: Compression, level: i32) -> Encoding {
    Encoding { level: Some(level), ..compression.into() }
}

#[test]
fn levels_make_a_difference_and_are_checked() {
    let block = noise(9, 200_000);
    for codec in compiled() {
        let Some(levels) = codec.levels() else {
            let refused = RecordError::BadLevel { codec, level: 1 };
            assert_eq!(at_level(codec, 1).check(), Err(refused.clone()));
            let mut builder = BatchBuilder::with_capacity(0);
            builder.append(0, None, None, &[]);
            assert!(refused.to_string().starts_with(codec.name()), "{refused}");
            assert_eq!(builder.seal(at_level(codec, 1), Producer::NONE).is_err(), codec != Compression::None);
            continue;
        };
        let (lowest, highest) = levels.into_inner();
        let mut sizes = Vec::new();
        for level in [lowest, 1, highest.min(19)] {
            let compressed = at_level(codec, level).compress(&block, 0).unwrap();
            assert_eq!(codec.decompress(&compressed, 2, 1 << 20), Ok(block.clone()), "{codec} {level}");
            sizes.push(compressed.len());
        }
        assert!(sizes[0] >= sizes[1] && sizes[1] > sizes[2], "{codec}: {sizes:?}");
        for level in [lowest - 1, highest + 1, i32::MIN, i32::MAX] {
            let refused = RecordError::BadLevel { codec, level };
            assert_eq!(at_level(codec, level).check(), Err(refused.clone()));
            assert_eq!(at_level(codec, level).compress(&block, 0), Err(refused.clone()));
            let text = refused.to_string();
            assert_eq!(text, format!("{codec} has levels {lowest} to {highest}, not {level}"));
        }
        assert_eq!(at_level(codec, highest).check(), Ok(()));
    }
    #[cfg(all(feature = "lz4", not(feature = "lz4-c")))]
    assert!(
        at_level(Compression::Lz4, 9)
            .check()
            .unwrap_err()
            .to_string()
            .contains("enable milena-core's feature `lz4-c`")
    );
}

/// What repeats is written but once: 10 MB that claim to be gigabytes, and stop at the limit.
#[test]
fn bombs_of_many_streams_stop_at_the_limit() {
    let zeros = vec![0; 10 << 20];
    for codec in compiled().skip(1) {
        let one = Encoding::from(codec).compress(&zeros, 0).unwrap();
        let bomb = one.repeat((10 << 20) / one.len() + 1);
        for limit in [0, 1 << 20, zeros.len(), (20 << 20) + 1] {
            assert_eq!(codec.decompress(&bomb, 2, limit), Err(RecordError::TooLarge { limit }), "{codec}");
        }
    }
}

/// By hand, as no encoder would: frames that decompress 30,000 times, and frames of next to nothing.
#[cfg(any(feature = "zstd", feature = "zstd-c"))]
#[test]
fn zstd_bombs_by_hand() {
    // A window of 8 MiB; blocks that are one byte 128 KiB times, the last one marked.
    let block = |last: u32| (last | 1 << 1 | (128 << 10) << 3).to_le_bytes()[..3].to_vec();
    let head = [0x28, 0xb5, 0x2f, 0xfd, 0, 13 << 3];
    let run = [block(0), vec![7]].concat();
    let end = [block(1), vec![7]].concat();
    let frame = [&head[..], &run, &end].concat();
    assert_eq!(Compression::Zstd.decompress(&frame, 2, 1 << 20), Ok(vec![7; 256 << 10]));
    let limit = 1 << 20;
    for bomb in [[&head[..], &run.repeat(2 << 20)].concat(), frame.repeat(700_000)] {
        assert_eq!(Compression::Zstd.decompress(&bomb, 2, limit), Err(RecordError::TooLarge { limit }));
    }
}
