//! Randomness as an argument: one small generator, seeded by the driver.

use std::time::Duration;

/// xoshiro256++ (Blackman and Vigna, public domain): fast, small, good enough for jitter and choice, not for secrets.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Rng([u64; 4]);

impl Rng {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        let mut state = [0; 4];
        for (word, bytes) in state.iter_mut().zip(seed.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        // The all-zero state is the one that the generator never leaves.
        if state == [0; 4] {
            state[0] = 0x9e37_79b9_7f4a_7c15;
        }
        let mut rng = Rng(state);
        // Seeds that differ in a few bits only need some rounds until their outputs differ everywhere.
        for _ in 0..16 {
            rng.next();
        }
        rng
    }

    pub(crate) fn next(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number below `bound`, which is not zero.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// `duration` less or more up to a fifth of it, so that many clients don't come back at one moment.
    pub(crate) fn jittered(&mut self, duration: Duration) -> Duration {
        // Half of what fits: an endless wait needs no jitter, but must not wrap to a short one.
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).min(u64::MAX / 2);
        let spread = micros / 5;
        Duration::from_micros(micros - spread + self.next() % (2 * spread + 1))
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// No pause is shorter, whatever its bounds are: who tries again at the same moment would do so for ever.
const SHORTEST: Duration = Duration::from_millis(1);

/// Exponential back-off with jitter between two bounds (KIP-580).
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Backoff {
    pub(crate) min: Duration,
    pub(crate) max: Duration,
}

impl Backoff {
    /// The wait after so many failures in a row; none after none.
    pub(crate) fn after(&self, failures: u32, rng: &mut Rng) -> Duration {
        if failures == 0 {
            return Duration::ZERO;
        }
        let doubled = self.min.saturating_mul(1 << (failures - 1).min(20));
        rng.jittered(doubled.min(self.max)).max(SHORTEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_off_doubles_up_to_its_bound_within_a_fifth() {
        let mut rng = Rng::new([1; 32]);
        let backoff = Backoff { min: Duration::from_millis(100), max: Duration::from_secs(1) };
        assert_eq!(backoff.after(0, &mut rng), Duration::ZERO);
        for (failures, expected) in [(1, 100), (2, 200), (3, 400), (4, 800), (5, 1000), (4_000_000, 1000)] {
            for _ in 0..100 {
                let wait = backoff.after(failures, &mut rng).as_millis();
                assert!((expected * 4 / 5..=expected * 6 / 5).contains(&wait), "{failures}: {wait}");
            }
        }
    }

    #[test]
    fn a_pause_is_never_nothing() {
        let mut rng = Rng::new([1; 32]);
        for (min, max) in [(0, 0), (0, 1000), (1, 0), (1, 1)] {
            let backoff = Backoff { min: Duration::from_millis(min), max: Duration::from_millis(max) };
            for failures in 1..50 {
                assert!(backoff.after(failures, &mut rng) >= Duration::from_millis(1), "{min} to {max} ms");
            }
        }
    }

    #[test]
    fn one_seed_one_sequence() {
        let draw = |seed| {
            let mut rng = Rng::new(seed);
            (0..8).map(|_| rng.next()).collect::<Vec<_>>()
        };
        assert_eq!(draw([7; 32]), draw([7; 32]));
        assert_ne!(draw([7; 32]), draw([8; 32]));
        assert_ne!(draw([0; 32])[0], 0);
        let mut rng = Rng::new([3; 32]);
        let mut seen = [0; 5];
        (0..1000).for_each(|_| seen[rng.below(5)] += 1);
        assert!(seen.iter().all(|n| *n > 150), "{seen:?}");
    }
}
