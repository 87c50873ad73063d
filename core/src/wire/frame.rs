//! Frames: Kafka's messages on a byte stream, each behind its length as a 32-bit integer.

use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::fmt;
use std::io::IoSlice;

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
    /// SaslHandshake of version 0 ([KIP-43]). They are read by a [`Framer`](super::Framer) as any other frame.
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

    /// Puts what is left of an earlier queue before this one.
    pub fn put_before(&mut self, mut earlier: SendQueue) {
        earlier.segments.append(&mut self.segments);
        *self = earlier;
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
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
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
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
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

    #[test]
    fn bytes_of_another_protocol_travel_in_frames() {
        let token = Bytes::from_static(b"\0user\0secret");
        let frame = Frame::of_bytes(token.clone()).unwrap();
        assert_eq!(frame.len(), 4 + token.len());
        assert_eq!(frame.to_bytes(), [&12_i32.to_be_bytes()[..], &token].concat());
        assert_eq!(Frame::of_bytes(Bytes::new()).unwrap().to_bytes(), [0; 4][..]);
    }
}
