//! Chance from a seed.

use std::ops::RangeInclusive;
use std::time::Duration;

/// A small generator (splitmix64): one seed, one sequence.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of this seed.
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// Another generator, whose sequence follows from this one's place.
    pub fn fork(&mut self) -> Random {
        Random(self.word())
    }

    /// Any 64 bits.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number of the range.
    pub fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (first, last) = range.into_inner();
        let count = u128::from(last.saturating_sub(first)) + 1;
        first + ((u128::from(self.word()) * count) >> 64) as u64
    }

    /// A number from 1 to 2 to the power of `bits`, small ones as likely as large ones.
    pub fn of_any_size(&mut self, bits: u64) -> usize {
        let scale = 1 << self.within(0..=bits);
        self.within(1..=scale) as usize
    }

    /// A time between the two, to the microsecond.
    pub fn duration(&mut self, shortest: Duration, longest: Duration) -> Duration {
        Duration::from_micros(self.within(shortest.as_micros() as u64..=longest.as_micros() as u64))
    }

    /// True so many times of a hundred.
    pub fn percent(&mut self, chance: u64) -> bool {
        self.within(0..=99) < chance
    }

    /// One of several.
    ///
    /// # Panics
    /// If there is none.
    pub fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.within(0..=choices.len() as u64 - 1) as usize].clone()
    }
}
