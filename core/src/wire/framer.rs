//! The way from a byte stream to frames.
//!
//! - Any chunking of the input gives the same frames.
//! - Memory follows what has arrived, not what a length announces.
//! - A small frame is as large as it is: who keeps it keeps no more than that. When the last share of a large one is dropped, its
//!   memory takes the next: fresh memory costs more than the bytes that are put into it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::frame::{FrameError, LooksLike};

/// Bytes of the length before each frame.
const PREFIX_LEN: usize = 4;

/// Frames above this are large.
const SMALL: usize = 32 * 1024;

/// The most a length alone makes the framer allocate. Beyond it, the buffer grows with what has arrived.
const MAX_UNPROVEN: usize = 1024 * 1024;

/// How many times what has arrived of a frame its buffer may be: it is copied few times while it comes in, and a peer pays
/// for a quarter of the memory it takes.
const GROWTH: usize = 4;

/// Buffers of large frames that are kept for the next ones, and their bytes in all.
const SPARES: usize = 4;
const SPARE_BYTES: usize = 16 * 1024 * 1024;

/// Cuts a byte stream into frames.
///
/// ```
/// use milena_core::wire::Framer;
///
/// let mut framer = Framer::new(1 << 20);
/// framer.push(b"\0\0\0\x05hello\0\0\0\x05wo")?;
/// assert_eq!(framer.next_frame().as_deref(), Some(&b"hello"[..]));
/// assert_eq!(framer.next_frame(), None);
/// framer.push(b"rld")?;
/// assert_eq!(framer.next_frame().as_deref(), Some(&b"world"[..]));
/// # Ok::<(), milena_core::wire::FrameError>(())
/// ```
pub struct Framer {
    frames: VecDeque<Bytes>,
    prefix: [u8; PREFIX_LEN],
    /// Bytes there are of the prefix.
    prefixed: usize,
    /// What there is of a frame whose prefix is whole, and its length.
    coming: Option<(Vec<u8>, usize)>,
    spares: Arc<Spares>,
    max_frame_bytes: usize,
    /// No frame has come whole yet.
    first: bool,
}

impl Framer {
    /// A framer at the beginning of a stream, for frames of at most `max_frame_bytes` (without their length
    /// prefix).
    pub fn new(max_frame_bytes: usize) -> Self {
        Self {
            frames: VecDeque::new(),
            prefix: [0; PREFIX_LEN],
            prefixed: 0,
            coming: None,
            spares: Arc::default(),
            max_frame_bytes,
            first: true,
        }
    }

    /// Takes what was received next, which is copied.
    ///
    /// # Errors
    ///
    /// What comes is no frame. Every later call tells the same; the frames before can be taken all the same.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), FrameError> {
        loop {
            if let Some((buffer, length)) = &mut self.coming {
                let (now, later) = bytes.split_at(bytes.len().min(*length - buffer.len()));
                grow(buffer, *length, now.len());
                buffer.extend_from_slice(now);
                bytes = later;
                if buffer.len() < *length {
                    return Ok(());
                }
                let buffer = std::mem::take(buffer);
                self.frames.push_back(Lent::frame(buffer, &self.spares));
                (self.coming, self.first) = (None, false);
            }
            let (now, later) = bytes.split_at(bytes.len().min(PREFIX_LEN - self.prefixed));
            self.prefix[self.prefixed..][..now.len()].copy_from_slice(now);
            self.prefixed += now.len();
            bytes = later;
            if self.prefixed < PREFIX_LEN {
                return Ok(());
            }
            let length = self.check()?;
            self.prefixed = 0;
            let spare = match length {
                0..=SMALL => {
                    self.spares.release_one();
                    None
                }
                _ => self.spares.take(length),
            };
            let buffer = spare.unwrap_or_else(|| Vec::with_capacity(length.min(MAX_UNPROVEN)));
            self.coming = Some((buffer, length));
        }
    }

    /// The next whole frame, without its length prefix, or `None` until more has arrived.
    pub fn next_frame(&mut self) -> Option<Bytes> {
        self.frames.pop_front()
    }

    /// Whether no frame has come whole yet.
    pub fn is_first(&self) -> bool {
        self.first
    }

    /// Whether a frame has begun whose end is not there.
    pub fn is_mid_frame(&self) -> bool {
        self.prefixed > 0 || self.coming.is_some()
    }

    fn check(&self) -> Result<usize, FrameError> {
        let limit = self.max_frame_bytes;
        let looks_like = if self.first { sniff(self.prefix) } else { LooksLike::Unknown };
        let length = i32::from_be_bytes(self.prefix);
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

impl fmt::Debug for Framer {
    /// Without the bytes: they may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let coming = self.coming.as_ref().map(|(buffer, length)| (buffer.len(), length));
        f.debug_struct("Framer").field("frames", &self.frames.len()).field("coming", &coming).finish()
    }
}

/// Makes room for `more` bytes of a frame of this length.
fn grow(buffer: &mut Vec<u8>, length: usize, more: usize) {
    let needed = buffer.len() + more;
    if needed > buffer.capacity() {
        buffer.reserve_exact(length.min(GROWTH * needed) - buffer.len());
    }
}

/// Buffers of large frames that all have dropped, the oldest first.
#[derive(Default)]
struct Spares(Mutex<Vec<Vec<u8>>>);

impl Spares {
    /// One for a frame of this length. One that is much larger would have its holder keep memory that nobody counts.
    fn take(&self, length: usize) -> Option<Vec<u8>> {
        let mut spares = self.0.lock().ok()?;
        let fits =
            spares.iter().rposition(|spare| (length..=length + length / 4).contains(&spare.capacity()))?;
        Some(spares.remove(fits))
    }

    fn give(&self, mut buffer: Vec<u8>) {
        let Ok(mut spares) = self.0.lock() else { return };
        if buffer.capacity() <= SPARE_BYTES {
            buffer.clear();
            spares.push(buffer);
        }
        while spares.len() > SPARES || spares.iter().map(Vec::capacity).sum::<usize>() > SPARE_BYTES {
            spares.remove(0);
        }
    }

    /// A small frame comes, so that fewer large ones may follow: a stream that has become quiet keeps none in the end.
    fn release_one(&self) {
        if let Ok(mut spares) = self.0.lock() {
            spares.pop();
        }
    }
}

/// A large frame in the hands of those who read it.
struct Lent {
    buffer: Vec<u8>,
    spares: Arc<Spares>,
}

impl Lent {
    fn frame(buffer: Vec<u8>, spares: &Arc<Spares>) -> Bytes {
        match buffer.len() {
            0..=SMALL => buffer.into(),
            _ => Bytes::from_owner(Lent { buffer, spares: spares.clone() }),
        }
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.spares.give(std::mem::take(&mut self.buffer));
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

    const LIMIT: usize = 100 * 1024 * 1024;

    fn stream(frames: &[Vec<u8>]) -> Vec<u8> {
        frames.iter().flat_map(|frame| [&(frame.len() as i32).to_be_bytes()[..], frame].concat()).collect()
    }

    fn frames_into(framer: &mut Framer, stream: &[u8]) -> Vec<Bytes> {
        let mut frames = Vec::new();
        for piece in stream.chunks(1000) {
            framer.push(piece).unwrap();
            frames.extend(framer.next_frame());
        }
        frames
    }

    fn frames_of(stream: &[u8], chunks: impl Iterator<Item = usize>) -> Vec<Bytes> {
        let mut framer = Framer::new(LIMIT);
        let mut frames = Vec::new();
        let mut rest = stream;
        for chunk in chunks {
            let (now, later) = rest.split_at(chunk.min(rest.len()));
            framer.push(now).unwrap();
            rest = later;
            frames.extend(std::iter::from_fn(|| framer.next_frame()));
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
        framer.push(&i32::MAX.to_be_bytes()).unwrap();
        assert_eq!(framer.next_frame(), None);
        assert_eq!(framer.coming.unwrap().0.capacity(), MAX_UNPROVEN);
    }

    #[test]
    fn a_frame_beyond_a_mebibyte_grows_with_what_arrives() {
        let mut framer = Framer::new(LIMIT);
        let sent = vec![1; 20_000_000];
        framer.push(&(sent.len() as i32).to_be_bytes()).unwrap();
        let mut places = std::collections::BTreeSet::new();
        for piece in sent.chunks(10_000) {
            framer.push(piece).unwrap();
            let Some((buffer, _)) = &framer.coming else { break };
            assert!(buffer.capacity() <= MAX_UNPROVEN.max(GROWTH * buffer.len()));
            places.insert((buffer.as_ptr(), buffer.capacity()));
        }
        assert!(places.len() <= 4, "{places:?}");
        assert_eq!(framer.next_frame().unwrap(), sent);
    }

    /// The next frame lands where the last one was, as soon as all shares of that are dropped, and not before.
    #[test]
    fn the_memory_of_a_large_frame_is_used_again() {
        let mut framer = Framer::new(LIMIT);
        let mut next = |length: usize| {
            framer.push(&(length as i32).to_be_bytes()).unwrap();
            assert!(framer.is_mid_frame());
            framer.push(&vec![length as u8; length]).unwrap();
            let frame = framer.next_frame().unwrap();
            assert_eq!(frame, vec![length as u8; length]);
            frame
        };
        let first = next(900_001);
        let share = first.slice(5..10);
        let place = first.as_ptr();
        drop(first);
        assert_ne!(next(900_000).as_ptr(), place, "a share of the first is still there");
        drop(share);
        let places = [next(900_000), next(900_000)].map(|frame| frame.as_ptr());
        assert!(places.contains(&place));
        assert_ne!(next(700_000).as_ptr(), place, "more than a quarter of it would lie idle");
    }

    #[test]
    fn what_is_kept_for_large_frames_is_bounded_and_goes_when_small_ones_come() {
        let mut framer = Framer::new(LIMIT);
        let large: Vec<Bytes> = [5_000_000, 6_000_000, 7_000_000, 40_000, 50_000, 60_000]
            .iter()
            .map(|length| frames_into(&mut framer, &stream(&[vec![1; *length]])).remove(0))
            .collect();
        let kept =
            |framer: &Framer| framer.spares.0.lock().unwrap().iter().map(Vec::capacity).collect::<Vec<_>>();
        assert_eq!(kept(&framer), []);
        drop(large);
        assert_eq!(kept(&framer), [7_000_000, 40_000, 50_000, 60_000]);
        for left in (0..4).rev() {
            frames_into(&mut framer, &stream(&[vec![2; 10]]));
            assert_eq!(kept(&framer).len(), left);
        }
        // A frame too large to be kept takes no other's place. One outlives the stream.
        drop(frames_into(&mut framer, &stream(&[vec![1; 90_000], vec![1; 20_000_000]])));
        assert_eq!(kept(&framer), [90_000]);
        let last = frames_into(&mut framer, &stream(&[vec![3; 100_000]])).remove(0);
        drop(framer);
        assert_eq!(last, vec![3; 100_000]);
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
            assert_eq!(framer.push(bytes), Err(error.clone()), "{bytes:?}");
            assert_eq!(framer.push(b"more"), Err(error));
            assert_eq!(framer.next_frame(), None);
        }
    }

    #[test]
    fn only_a_streams_first_bytes_are_sniffed() {
        let mut framer = Framer::new(LIMIT);
        let pushed = framer.push(b"\0\0\0\0HTTP");
        assert_eq!(pushed, Err(too_large(0x4854_5450, LIMIT, LooksLike::Unknown)));
        assert_eq!(framer.next_frame(), Some(Bytes::new()), "the frame before");
    }

    fn too_large(length: u64, limit: usize, looks_like: LooksLike) -> FrameError {
        FrameError::TooLarge { length, limit, looks_like }
    }
}
