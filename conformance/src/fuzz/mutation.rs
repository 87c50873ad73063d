//! Inputs that are nearly right: seeds with a few changes, as a fuzzer without coverage makes them.

use crate::sim::Random;

/// The longest input: what is longer only takes longer.
const MAX_LEN: usize = 64 * 1024;

/// Numbers that lengths, counts and offsets break at.
const EDGES: [i64; 10] = [0, 1, -1, -2, 127, 128, 255, 32767, i32::MAX as i64, i64::MIN];

pub(super) fn mutated(random: &mut Random, seeds: &[Vec<u8>], input: &mut Vec<u8>) {
    let pick = |random: &mut Random, len: usize| random.within(0..=len.max(1) as u64 - 1) as usize;
    if !seeds.is_empty() && !random.percent(2) {
        let seed = &seeds[pick(random, seeds.len())];
        input.extend_from_slice(&seed[..seed.len().min(MAX_LEN)]);
    }
    for _ in 0..random.of_any_size(4) {
        let at = pick(random, input.len());
        match random.within(0..=7) {
            0 if !input.is_empty() => input[at] ^= 1 << random.within(0..=7),
            1 if !input.is_empty() => input[at] = random.word() as u8,
            2 => input.truncate(at),
            3 => input.insert(at, random.word() as u8),
            4 => {
                let edge = random.pick(&EDGES).to_be_bytes();
                let width = 1 << random.within(0..=3);
                let end = (at + width).min(input.len());
                input[at.min(end)..end].copy_from_slice(&edge[8 - (end - at.min(end))..]);
            }
            5 => {
                // A piece of itself once more.
                let end = (at + random.of_any_size(6)).min(input.len());
                let piece = input[at.min(end)..end].to_vec();
                let to = pick(random, input.len());
                input.splice(to..to, piece);
            }
            6 if !seeds.is_empty() => {
                let other = &seeds[pick(random, seeds.len())];
                let from = pick(random, other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from.min(other.len())..]);
            }
            _ => {
                let count = random.of_any_size(5);
                input.extend((0..count).map(|_| random.word() as u8));
            }
        }
        input.truncate(MAX_LEN);
    }
}
