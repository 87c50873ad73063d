//! The connection's framer.

use bytes::Bytes;
use milena_core::wire::{FrameError, Framer};

use super::Meter;

/// Frames above this are refused: small, so that a fuzzer meets it.
const MAX_FRAME: usize = 4096;

/// The first byte says how the rest is cut.
pub(super) fn run(input: &[u8], meter: Meter) {
    let Some((cut, stream)) = input.split_first() else { return };
    let whole = frames(stream, stream.len().max(1));
    assert_eq!(frames(stream, 1), whole, "byte by byte");
    assert_eq!(frames(stream, usize::from(*cut) + 1), whole, "in pieces of {}", usize::from(*cut) + 1);
    let (frames_there, error) = &whole;
    let told: usize = frames_there.iter().map(|frame| 4 + frame.len()).sum();
    assert!(told <= stream.len() && frames_there.iter().all(|frame| frame.len() <= MAX_FRAME));
    if error.is_none() {
        let rest = &stream[told..];
        let complete =
            rest.first_chunk().is_some_and(|length| rest.len() - 4 >= i32::from_be_bytes(*length) as usize);
        assert!(!complete, "a whole frame was left behind");
    }
    // A frame's buffer is its length: whatever a peer announces.
    meter.within(4 * stream.len() + 64 * 1024, || frames(stream, 1024));
}

fn frames(stream: &[u8], piece: usize) -> (Vec<Bytes>, Option<FrameError>) {
    let mut framer = Framer::new(MAX_FRAME);
    let mut frames = Vec::new();
    for piece in stream.chunks(piece) {
        let pushed = framer.push(piece);
        frames.extend(std::iter::from_fn(|| framer.next_frame()));
        if let Err(error) = pushed {
            return (frames, Some(error));
        }
    }
    (frames, None)
}
