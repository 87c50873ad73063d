//! Messages by chance: every field gets some value, most of them at an edge of its type.

use bytes::Bytes;
use milena_core::wire::{Event, Field, Str, Supplier, TaggedField};

use crate::sim::Random;

/// Elements of all arrays of a message together: enough for any shape, and a message stays below a megabyte.
const MAX_ELEMENTS: usize = 400;

/// The first tag given to an unknown field: no struct knows one as high.
const FIRST_UNKNOWN_TAG: u32 = 500;

/// Fills messages by chance.
#[derive(Debug)]
pub struct Chance<'a> {
    random: &'a mut Random,
    elements_left: usize,
}

impl<'a> Chance<'a> {
    /// For one message.
    pub fn new(random: &'a mut Random) -> Self {
        Self { random, elements_left: MAX_ELEMENTS }
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.random.within(1..=n) == 1
    }

    fn random_bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.random.word() as u8).collect()
    }

    /// Mostly short, now and then long.
    fn length(&mut self, longest: u64) -> usize {
        let bound = match self.random.within(0..=19) {
            0..8 => 0,
            8..18 => 12,
            18 => 300,
            _ => longest,
        };
        self.random.within(0..=bound) as usize
    }

    fn integer(&mut self, current: i64) -> i64 {
        match self.random.within(0..=9) {
            0 | 1 => current,
            2 => 0,
            3 => -1,
            4 => i64::MAX,
            5 => i64::MIN,
            6 => self.random.within(0..=99) as i64,
            _ => self.random.word() as i64,
        }
    }
}

impl Supplier for Chance<'_> {
    fn fixed(&mut self, _: &'static Field, current: Event<'_>, bytes: &mut [u8]) {
        match current {
            Event::Bool(_) => bytes[0] = self.random.within(0..=1) as u8,
            Event::Float(_) => {
                let choices = [0.0, -0.0, 1.0, -1.5, 0.1, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324];
                let chosen = match self.random.within(0..=choices.len() as u64 + 2) as usize {
                    index if index < choices.len() => choices[index],
                    // JSON has neither NaN nor infinities.
                    _ => Some(f64::from_bits(self.random.word())).filter(|it| it.is_finite()).unwrap_or(2.5),
                };
                bytes.copy_from_slice(&chosen.to_be_bytes());
            }
            Event::Uuid(_) if self.one_in(3) => bytes.fill(0),
            Event::Int(current) => {
                // The lowest bytes: an extreme of 64 bits is none of fewer, but for this.
                let value = self.integer(current);
                let bits = bytes.len() as u32 * 8;
                let value = match value {
                    i64::MAX | i64::MIN => value >> (64 - bits),
                    value => value,
                };
                bytes.copy_from_slice(&value.to_be_bytes()[8 - bytes.len()..]);
            }
            _ => {
                let random = self.random_bytes(bytes.len());
                bytes.copy_from_slice(&random);
            }
        }
    }

    fn text(&mut self, _: &'static Field, may_be_null: bool) -> Option<Str> {
        if may_be_null && self.one_in(4) {
            return None;
        }
        const LETTERS: [char; 12] =
            ['a', 'Z', '0', '.', ' ', '"', '\\', '\u{0}', '\u{7f}', 'é', '\u{20ac}', '\u{1f600}'];
        let letters = self.length(8_000);
        Some((0..letters).map(|_| self.random.pick(&LETTERS)).collect::<String>().into())
    }

    fn bytes(&mut self, _: &'static Field, may_be_null: bool) -> Option<Bytes> {
        if may_be_null && self.one_in(4) {
            return None;
        }
        let len = self.length(20_000);
        Some(self.random_bytes(len).into())
    }

    fn count(&mut self, _: &'static Field, may_be_null: bool) -> Option<usize> {
        if may_be_null && self.one_in(4) {
            return None;
        }
        let most = match self.random.within(0..=11) {
            0..4 => 0,
            4..11 => 3,
            _ => 40,
        };
        let count = (self.random.within(0..=most) as usize).min(self.elements_left);
        self.elements_left -= count;
        Some(count)
    }

    fn is_present(&mut self, _: &'static Field) -> bool {
        self.one_in(2)
    }

    fn unknown_tagged_fields(&mut self) -> Vec<TaggedField> {
        if !self.one_in(8) {
            return Vec::new();
        }
        let mut tag = FIRST_UNKNOWN_TAG;
        (0..=self.random.within(0..=2))
            .map(|_| {
                tag += 1 + self.random.within(0..=69999) as u32;
                let len = self.length(400);
                TaggedField { tag, data: self.random_bytes(len).into() }
            })
            .collect()
    }
}
