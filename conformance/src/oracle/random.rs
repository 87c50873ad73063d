//! Messages and batches by chance: every field gets some value, most of them at an edge of its type.

use bytes::Bytes;
use data_encoding::HEXLOWER;
use milena_core::wire::{Event, Field, Str, Supplier, TaggedField};

use serde_json::{Value, json};

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

/// A batch of any format and codec, as [`Java::write`](super::java::Java::write) takes it, its offsets without gaps.
pub(super) fn batch(random: &mut Random) -> Value {
    let magic = random.within(0..=2);
    let codecs = ["none", "gzip", "snappy", "lz4", "zstd"];
    let codec = codecs[random.within(0..=if magic == 2 { 4 } else { 3 }) as usize];
    let level = match codec {
        "gzip" if random.percent(50) => Some(random.within(1..=9) as i64),
        "zstd" if random.percent(50) => Some(random.within(0..=17) as i64 - 5),
        _ => None,
    };
    let timestamp_type = match magic {
        0 => "NoTimestampType",
        _ if random.percent(25) => "LogAppendTime",
        _ => "CreateTime",
    };
    let is_idempotent = magic == 2 && random.percent(50);
    let chance = |random: &mut Random, value: u64, otherwise: i64| match is_idempotent {
        true => random.within(0..=value) as i64,
        false => otherwise,
    };
    let count = random.of_any_size(7);
    let base_offset = match random.within(0..=3) {
        0 => 0,
        1 => i64::MAX as u64 - 1000,
        _ => random.within(0..=1 << 40),
    };
    let began = random.within(0..=4_102_444_800_000);
    let records: Vec<Value> = (0..count as u64)
        .map(|index| {
            let timestamp = match random.within(0..=9) {
                0 => began.saturating_sub(random.within(0..=1 << 33)),
                _ => began + random.within(0..=5000),
            };
            let headers: Vec<Value> = match magic == 2 && random.percent(20) {
                true => (0..random.of_any_size(3)).map(|_| header(random)).collect(),
                false => Vec::new(),
            };
            json!({
                "offset": base_offset + index,
                "timestamp": if magic == 0 { -1 } else { timestamp as i64 },
                "key": data(random),
                "value": data(random),
                "headers": headers,
            })
        })
        .collect();
    json!({
        "magic": magic,
        "codec": codec,
        "level": level,
        "timestampType": timestamp_type,
        "baseOffset": base_offset,
        "logAppendTime": if timestamp_type == "LogAppendTime" { began as i64 } else { -1 },
        "producerId": chance(random, 1 << 40, -1),
        "producerEpoch": chance(random, i16::MAX as u64, -1),
        "baseSequence": chance(random, i32::MAX as u64, -1),
        "isTransactional": is_idempotent && random.percent(50),
        "partitionLeaderEpoch": if magic == 2 { random.within(0..=9) as i64 } else { -1 },
        "records": records,
    })
}

fn header(random: &mut Random) -> Value {
    let keys = ["", "trace-id", "é", "\u{1f600}", "a key that is longer than the others, as some are"];
    json!({ "key": random.pick(&keys), "value": data(random) })
}

/// Hex or null; some of it compresses, some does not.
fn data(random: &mut Random) -> Value {
    let len = match random.within(0..=20) {
        0..3 => return Value::Null,
        3..6 => 0,
        20 => random.within(0..=20_000),
        _ => random.within(1..=100),
    };
    let repeats = random.percent(50);
    let bytes: Vec<u8> = (0..len)
        .map(|at| if repeats { b"compressible "[at as usize % 13] } else { random.word() as u8 })
        .collect();
    HEXLOWER.encode(&bytes).into()
}
