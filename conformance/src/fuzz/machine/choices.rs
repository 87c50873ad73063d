//! The input as a list of choices.

use std::time::Duration;

use crate::sim::Random;

/// Each choice takes a byte or a few; past the end every byte is zero.
#[derive(Debug)]
pub(super) struct Choices<'a>(pub(super) &'a [u8]);

impl Choices<'_> {
    pub(super) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A number below `count`; 0 if there is none.
    pub(super) fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count.max(1)
    }

    pub(super) fn pick<'c, T>(&mut self, from: &'c [T]) -> Option<&'c T> {
        if from.is_empty() { None } else { from.get(self.below(from.len())) }
    }

    pub(super) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    pub(super) fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// From microseconds to minutes, short ones as likely as long ones.
    pub(super) fn span(&mut self) -> Duration {
        let [scale, factor] = self.word().to_be_bytes();
        Duration::from_micros((u64::from(factor) + 1) << (scale % 20))
    }

    /// Chance, from two bytes.
    pub(super) fn random(&mut self) -> Random {
        Random::new(self.word().into())
    }
}
