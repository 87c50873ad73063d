//! Frames: Kafka's messages on a byte stream, each behind its length as a 32-bit integer.
//!
//! [`Framer`] obeys two rules. Any chunking of the input gives the same frames. Memory follows what has
//! arrived, not what a length announces.

use bytes::{Buf, Bytes, BytesMut};
use std::collections::VecDeque;
use std::fmt;
use std::io::IoSlice;

/// Bytes of the length before each frame.
const PREFIX_LEN: usize = 4;

/// Room kept for the next read: enough that a busy socket is emptied in few calls.
const MIN_SPARE: usize = 64 * 1024;

/// Allocated at once when the buffer runs out: several reads' worth, so that small frames share one
/// allocation.
const CHUNK: usize = 2 * MIN_SPARE;

/// The most a length alone makes the framer allocate. Beyond it, the buffer grows with what has arrived.
const MAX_UNPROVEN: usize = 1024 * 1024;

/// How far the buffer may grow beyond what has arrived: a large frame is copied few times while it comes in,
/// and a peer pays for a quarter of the memory it takes.
const GROWTH: usize = 3;

/// A message ready to be sent: its length, its header and its body.
///
/// It is a list of segments, to be written one after the other (with one vectored write). Record batches are
/// segments of their own, the very bytes that were put into the message: they are never copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    segments: Vec<Bytes>,
    len: usize,
}

impl Frame {
    /// A frame of segments of which the first begins with the length prefix.
    pub(crate) fn new(segments: Vec<Bytes>) -> Self {
        let len = segments.iter().map(Bytes::len).sum();
        Self { segments, len }
    }

    /// A frame of bytes that are no message of Kafka's: what SASL mechanisms say to each other after a
    /// SaslHandshake of version 0 ([KIP-43]). They are read by a [`Framer`] as any other frame.
    ///
    /// [KIP-43]: https://cwiki.apache.org/confluence/display/KAFKA/KIP-43%3A+Kafka+SASL+enhancements
    ///
    /// # Errors
    ///
    /// [`FrameError::TooLarge`] if they are more than a length prefix can say.
    pub fn of_bytes(bytes: Bytes) -> Result<Self, FrameError> {
        let limit = i32::MAX as usize;
        match i32::try_from(bytes.len()) {
            Ok(length) => Ok(Self::new(vec![Bytes::copy_from_slice(&length.to_be_bytes()), bytes])),
            Err(_) => Err(FrameError::TooLarge {
                length: bytes.len() as u64,
                limit,
                looks_like: LooksLike::Unknown,
            }),
        }
    }

    /// Its bytes in all, with the length prefix.
    #[expect(clippy::len_without_is_empty, reason = "a frame has at least its length prefix")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Its segments, in the order they are to be written.
    pub fn segments(&self) -> &[Bytes] {
        &self.segments
    }

    /// Its segments, for a writer that takes them one by one.
    pub fn into_segments(self) -> Vec<Bytes> {
        self.segments
    }

    /// Its bytes in one piece, which copies them if there are several segments.
    pub fn to_bytes(&self) -> Bytes {
        match &self.segments[..] {
            [only] => only.clone(),
            segments => segments.concat().into(),
        }
    }
}

/// Frames on their way into a socket that takes what it has room for.
#[derive(Debug, Default)]
pub struct SendQueue {
    segments: VecDeque<Bytes>,
}

/// Segments of one vectored write: more than the frames of a full produce request have.
const SEGMENTS: usize = 64;

impl SendQueue {
    /// Appends a frame.
    pub fn push(&mut self, frame: Frame) {
        self.segments.extend(frame.into_segments());
    }

    /// Whether everything was written.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Calls `write` with what comes next, and takes off as many bytes as it says it has written.
    pub fn write_with<E>(&mut self, write: impl FnOnce(&[IoSlice<'_>]) -> Result<usize, E>) -> Result<(), E> {
        let mut slices = [IoSlice::new(&[]); SEGMENTS];
        let count = self.segments.len().min(SEGMENTS);
        slices.iter_mut().zip(&self.segments).for_each(|(slice, segment)| *slice = IoSlice::new(segment));
        let mut written = write(&slices[..count])?;
        while let Some(segment) = self.segments.front_mut() {
            if written < segment.len() {
                segment.advance(written);
                break;
            }
            written -= segment.len();
            self.segments.pop_front();
        }
        Ok(())
    }
}

/// What the first bytes of a stream look like, if not like Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LooksLike {
    /// A TLS record: the peer's listener wants TLS, and this client did not use it.
    Tls,
    /// An HTTP response: the port is a web server's.
    Http,
    /// Nothing known.
    Unknown,
}

/// Why a byte stream holds no frames. The stream is lost: the connection is to be closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The length is negative.
    Negative(i32),
    /// The length is above the limit, or what is taken for a length is the beginning of another protocol.
    TooLarge {
        /// The length announced, in bytes.
        length: u64,
        /// The limit, in bytes.
        limit: usize,
        /// What the peer seems to speak. Known only for a stream's first bytes, where it counts whatever the
        /// limit.
        looks_like: LooksLike,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Negative(length) => write!(f, "frame of negative length {length}"),
            Self::TooLarge { looks_like: LooksLike::Tls, .. } => {
                f.write_str("the peer speaks TLS on this connection, Kafka in plain text was expected")
            }
            Self::TooLarge { looks_like: LooksLike::Http, .. } => {
                f.write_str("the peer speaks HTTP on this connection, Kafka was expected")
            }
            Self::TooLarge { length, limit, .. } => {
                write!(f, "frame of {length} bytes, at most {limit} allowed")
            }
        }
    }
}

impl std::error::Error for FrameError {}

/// Cuts a byte stream into frames.
///
/// Append what was received to [`buffer`](Self::buffer), then call [`next_frame`](Self::next_frame) until
/// there is none. Frames are slices of the buffer, not copies.
#[derive(Debug)]
pub struct Framer {
    buffer: BytesMut,
    max_frame_bytes: usize,
    first: bool,
}

impl Framer {
    /// A framer at the beginning of a stream, for frames of at most `max_frame_bytes` (without their length
    /// prefix).
    pub fn new(max_frame_bytes: usize) -> Self {
        Self { buffer: BytesMut::new(), max_frame_bytes, first: true }
    }

    /// The buffer to append received bytes to, with room for at least 64 KiB.
    ///
    /// While a large frame comes in there is room for all of it: at once up to 1 MiB, then for up to four
    /// times what has arrived.
    pub fn buffer(&mut self) -> &mut BytesMut {
        let spare = self.buffer.capacity() - self.buffer.len();
        let missing = self.missing();
        let wanted = if missing > spare {
            missing.min(MAX_UNPROVEN.max(GROWTH * self.buffer.len())).max(MIN_SPARE)
        } else if spare < MIN_SPARE {
            CHUNK
        } else {
            0
        };
        if wanted > spare {
            self.buffer.reserve(wanted);
        }
        &mut self.buffer
    }

    /// The next whole frame, without its length prefix, or `None` until more has arrived.
    ///
    /// # Errors
    ///
    /// What comes is no frame. Every later call tells the same.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, FrameError> {
        let Some(prefix) = self.prefix() else { return Ok(None) };
        let length = self.check(prefix)?;
        if self.buffer.len() < PREFIX_LEN + length {
            return Ok(None);
        }
        self.first = false;
        let mut frame = self.buffer.split_to(PREFIX_LEN + length);
        drop(frame.split_to(PREFIX_LEN));
        Ok(Some(frame.freeze()))
    }

    /// Moves every whole frame to `frames`.
    ///
    /// # Errors
    ///
    /// Those of [`next_frame`](Self::next_frame); the frames before are in `frames` all the same.
    pub fn take_frames(&mut self, frames: &mut Vec<Bytes>) -> Result<(), FrameError> {
        while let Some(frame) = self.next_frame()? {
            frames.push(frame);
        }
        Ok(())
    }

    fn prefix(&self) -> Option<[u8; PREFIX_LEN]> {
        self.buffer.first_chunk().copied()
    }

    /// Bytes that are not there yet of the frame that has begun.
    fn missing(&self) -> usize {
        let length = self.prefix().and_then(|prefix| self.check(prefix).ok()).unwrap_or(0);
        (PREFIX_LEN + length).saturating_sub(self.buffer.len())
    }

    fn check(&self, prefix: [u8; PREFIX_LEN]) -> Result<usize, FrameError> {
        let limit = self.max_frame_bytes;
        let looks_like = if self.first { sniff(prefix) } else { LooksLike::Unknown };
        let length = i32::from_be_bytes(prefix);
        match usize::try_from(length) {
            Err(_) => Err(FrameError::Negative(length)),
            // Waiting for 350 MB of a TLS alert would only hide what is wrong, even where so large a frame is
            // allowed.
            Ok(length) if length > limit || looks_like != LooksLike::Unknown => {
                Err(FrameError::TooLarge { length: length as u64, limit, looks_like })
            }
            Ok(length) => Ok(length),
        }
    }
}

/// A TLS record is its type (21 alert, 22 handshake) and the version 3.0 to 3.4; the other side answers a
/// plain text request with one of these two. As a length it would be 352 to 369 MiB, which no broker's first
/// response is.
fn sniff(prefix: [u8; PREFIX_LEN]) -> LooksLike {
    match prefix {
        [0x15 | 0x16, 3, 0..=4, _] => LooksLike::Tls,
        [b'H', b'T', b'T', b'P'] => LooksLike::Http,
        _ => LooksLike::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_send_queue_writes_everything_in_order_however_little_is_taken() {
        for take in [1, 3, 7, 1000] {
            let mut queue = SendQueue::default();
            let mut expected = Vec::new();
            for length in [5, 0, 100, 1] {
                let frame = crate::protocol::encode_request(
                    &mut crate::protocol::produce::ProduceRequest {
                        topic_data: vec![crate::protocol::produce::TopicProduceData {
                            partition_data: vec![crate::protocol::produce::PartitionProduceData {
                                records: Some(vec![7; length].into()),
                                ..Default::default()
                            }],
                            ..Default::default()
                        }],
                        ..Default::default()
                    },
                    3,
                    1,
                    None,
                )
                .unwrap();
                expected.extend_from_slice(&frame.to_bytes());
                queue.push(frame);
            }
            let mut written = Vec::new();
            while !queue.is_empty() {
                let write = |slices: &[IoSlice<'_>]| {
                    let all = slices.iter().flat_map(|slice| slice.iter().copied()).collect::<Vec<u8>>();
                    let taken = take.min(all.len());
                    written.extend_from_slice(&all[..taken]);
                    Ok::<_, ()>(taken)
                };
                queue.write_with(write).unwrap();
            }
            assert_eq!(written, expected);
        }
    }

    const LIMIT: usize = 100 * 1024 * 1024;

    fn stream(frames: &[Vec<u8>]) -> Vec<u8> {
        frames.iter().flat_map(|frame| [&(frame.len() as i32).to_be_bytes()[..], frame].concat()).collect()
    }

    fn frames_of(stream: &[u8], chunks: impl Iterator<Item = usize>) -> Vec<Bytes> {
        let mut framer = Framer::new(LIMIT);
        let mut frames = Vec::new();
        let mut rest = stream;
        for chunk in chunks {
            let (now, later) = rest.split_at(chunk.min(rest.len()));
            framer.buffer().extend_from_slice(now);
            rest = later;
            while let Some(frame) = framer.next_frame().unwrap() {
                frames.push(frame);
            }
            if rest.is_empty() {
                break;
            }
        }
        frames
    }

    #[test]
    fn any_chunking_gives_the_same_frames() {
        let sent: Vec<Vec<u8>> = [0, 1, 3, 4, 5, 300, 70_000, 2, 200_000, 0]
            .iter()
            .enumerate()
            .map(|(index, &len)| (0..len).map(|byte| (byte * 7 + index) as u8).collect())
            .collect();
        let stream = stream(&sent);
        let mut seed = 1u64;
        let mut random = move || {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            1 + (seed >> 33) as usize % 9_000
        };
        for frames in [
            frames_of(&stream, std::iter::repeat(usize::MAX)),
            frames_of(&stream, std::iter::repeat(1)),
            frames_of(&stream, std::iter::repeat(5)),
            frames_of(&stream, std::iter::repeat(65_536)),
            frames_of(&stream, std::iter::repeat_with(&mut random)),
        ] {
            assert_eq!(frames, sent);
        }
    }

    #[test]
    fn a_length_alone_allocates_at_most_a_mebibyte() {
        let mut framer = Framer::new(i32::MAX as usize);
        framer.buffer().extend_from_slice(&i32::MAX.to_be_bytes());
        assert_eq!(framer.next_frame(), Ok(None));
        assert!(framer.buffer().capacity() <= MAX_UNPROVEN + CHUNK, "{}", framer.buffer().capacity());
    }

    #[test]
    fn a_large_frame_lands_in_one_allocation_and_is_not_copied_out() {
        let mut framer = Framer::new(LIMIT);
        let body = vec![7; 900_000];
        framer.buffer().extend_from_slice(&(body.len() as i32).to_be_bytes());
        let buffer = framer.buffer();
        assert!(buffer.capacity() - buffer.len() >= body.len());
        let place = buffer.as_ptr();
        buffer.extend_from_slice(&body);
        let frame = framer.next_frame().unwrap().unwrap();
        assert_eq!(frame, body);
        assert_eq!(frame.as_ptr(), place.wrapping_add(PREFIX_LEN));
    }

    #[test]
    fn a_frame_beyond_a_mebibyte_grows_with_what_arrives() {
        let mut framer = Framer::new(LIMIT);
        let sent = stream(&[vec![1; 20_000_000]]);
        let mut reads = 0;
        let mut rest = &sent[..];
        while !rest.is_empty() {
            let arrived = framer.buffer.len();
            let buffer = framer.buffer();
            assert!(buffer.capacity() <= MAX_UNPROVEN + CHUNK + 2 * (GROWTH + 1) * arrived);
            let room = (buffer.capacity() - buffer.len()).min(rest.len());
            buffer.extend_from_slice(&rest[..room]);
            rest = &rest[room..];
            reads += 1;
        }
        assert!(reads < 8, "{reads}");
        assert_eq!(framer.next_frame().unwrap().unwrap().len(), 20_000_000);
    }

    #[test]
    fn there_is_always_room_for_a_read() {
        let mut framer = Framer::new(LIMIT);
        let mut held = Vec::new();
        for _ in 0..2_000 {
            let buffer = framer.buffer();
            assert!(buffer.capacity() - buffer.len() >= MIN_SPARE);
            buffer.extend_from_slice(&stream(&[vec![9; 500]]));
            held.extend(framer.next_frame().unwrap());
        }
        assert!(held.iter().all(|frame| frame == &vec![9; 500]) && held.len() == 2_000);
    }

    #[test]
    fn what_is_no_frame_is_told_again_and_again() {
        let cases: [(&[u8], usize, FrameError); 7] = [
            (b"\xff\xff\xff\xff", LIMIT, FrameError::Negative(-1)),
            (b"\x80\0\0\0", LIMIT, FrameError::Negative(i32::MIN)),
            (b"\0\0\0\x09", 8, too_large(9, 8, LooksLike::Unknown)),
            (b"\x7f\xff\xff\xff", LIMIT, too_large(0x7fff_ffff, LIMIT, LooksLike::Unknown)),
            (b"\x15\x03\x03\0\x02\x02\x50", usize::MAX, too_large(0x1503_0300, usize::MAX, LooksLike::Tls)),
            (b"\x16\x03\x01\x02", LIMIT, too_large(0x1603_0102, LIMIT, LooksLike::Tls)),
            (b"HTTP/1.1 400", LIMIT, too_large(0x4854_5450, LIMIT, LooksLike::Http)),
        ];
        for (bytes, limit, error) in cases {
            let mut framer = Framer::new(limit);
            framer.buffer().extend_from_slice(bytes);
            assert_eq!(framer.next_frame(), Err(error.clone()), "{bytes:?}");
            framer.buffer().extend_from_slice(b"more");
            assert_eq!(framer.next_frame(), Err(error));
        }
    }

    #[test]
    fn bytes_of_another_protocol_travel_in_frames() {
        let token = Bytes::from_static(b"\0user\0secret");
        let frame = Frame::of_bytes(token.clone()).unwrap();
        assert_eq!(frame.len(), 4 + token.len());
        assert_eq!(frames_of(&frame.to_bytes(), std::iter::repeat(3)), [token]);
        assert_eq!(Frame::of_bytes(Bytes::new()).unwrap().to_bytes(), [0; 4][..]);
    }

    #[test]
    fn only_a_streams_first_bytes_are_sniffed() {
        let mut framer = Framer::new(LIMIT);
        framer.buffer().extend_from_slice(b"\0\0\0\0HTTP");
        assert_eq!(framer.next_frame(), Ok(Some(Bytes::new())));
        assert_eq!(framer.next_frame(), Err(too_large(0x4854_5450, LIMIT, LooksLike::Unknown)));
    }

    fn too_large(length: u64, limit: usize, looks_like: LooksLike) -> FrameError {
        FrameError::TooLarge { length, limit, looks_like }
    }
}
