//! The frame of a recording: made for what is in it, and taken off.

use milena_core::Recording;

/// Its format and the version, as every recording of this build begins.
fn beginning() -> Vec<u8> {
    let version = env!("CARGO_PKG_VERSION");
    [&b"MILREC\x01"[..], &[version.len() as u8], version.as_bytes()].concat()
}

/// A recording of what the input says: a byte, whose lowest bit asks for a second segment that begins where the first does, both clocks
/// at the beginning in eight bytes each, the length of the snapshot in two, the snapshot, and events.
pub(super) fn framed(input: &[u8]) -> Option<Vec<u8>> {
    let (flags, rest) = input.split_first()?;
    let (mono, rest) = rest.split_first_chunk()?;
    let (wall, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (snapshot, events) = rest.split_at(length.min(rest.len()));
    let mut bytes = beginning();
    let mut segments = vec![(snapshot, events)];
    if flags & 1 == 1 {
        segments.insert(0, (snapshot, &[]));
    }
    put(&mut bytes, segments.len() as u64);
    for (snapshot, events) in segments {
        put(&mut bytes, u64::from_be_bytes(*mono));
        put(&mut bytes, u64::from_be_bytes(*wall));
        for part in [snapshot, events] {
            put(&mut bytes, part.len() as u64);
            bytes.extend_from_slice(part);
        }
    }
    // It was not given up.
    bytes.push(0);
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_be_bytes());
    Some(bytes)
}

/// The segments of a recording as inputs that [`framed`] makes recordings of.
pub(super) fn inputs(recording: &Recording) -> Vec<Vec<u8>> {
    let bytes = recording.to_bytes();
    let mut rest = bytes.strip_prefix(&beginning()[..]).expect("a recording of this build");
    let segments = number(&mut rest);
    let segment = |index| {
        let (mono, wall) = (number(&mut rest).to_be_bytes(), number(&mut rest).to_be_bytes());
        let (snapshot, events) = (part(&mut rest), part(&mut rest));
        let length = u16::try_from(snapshot.len()).expect("a small recording").to_be_bytes();
        [&[u8::from(index > 0)], &mono[..], &wall, &length, snapshot, events].concat()
    };
    (0..segments).map(segment).collect()
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn number(bytes: &mut &[u8]) -> u64 {
    let end = bytes.iter().position(|byte| *byte < 0x80).expect("a number's end");
    let (number, rest) = bytes.split_at(end + 1);
    *bytes = rest;
    number.iter().rev().fold(0, |number, byte| number << 7 | u64::from(byte & 0x7f))
}

fn part<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let length = number(bytes) as usize;
    let (part, rest) = bytes.split_at(length);
    *bytes = rest;
    part
}
