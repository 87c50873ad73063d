//! What crossed the network and when: a digest of every byte, and the last events in words.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use milena_core::protocol::{ApiKey, BrokerId};

use super::plan::Kind;

/// The record of one run. Two runs of one seed must leave equal ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    digest: Digest,
    events: u64,
    requests: u64,
    fired: BTreeMap<Kind, u64>,
    tail: VecDeque<(Duration, Event)>,
    /// The last notes from before the tail: what the user's code said is not to drown in what the network did.
    notes: VecDeque<(Duration, Event)>,
    kept: usize,
}

/// Something worth telling when a run failed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Event {
    Connect {
        link: u64,
        broker: BrokerId,
    },
    Connected {
        link: u64,
    },
    Refused {
        link: u64,
    },
    Request {
        link: u64,
        broker: BrokerId,
        key: ApiKey,
        version: i16,
        correlation_id: i32,
        bytes: usize,
    },
    Answer {
        link: u64,
        broker: BrokerId,
        correlation_id: i32,
        bytes: usize,
    },
    ClosedByBroker {
        link: u64,
    },
    ClosedByClient {
        link: u64,
    },
    Reset {
        link: u64,
    },
    /// What a client says of itself.
    Notice {
        client: u32,
        text: String,
    },
    Note(String),
}

impl Trace {
    pub(super) fn new(kept: usize) -> Self {
        let (tail, notes) = (VecDeque::new(), VecDeque::new());
        Trace { digest: Digest::NEW, events: 0, requests: 0, fired: BTreeMap::new(), tail, notes, kept }
    }

    /// What all events and bytes came to, in one number.
    pub fn digest(&self) -> u64 {
        self.digest.0
    }

    /// How many pieces of data and other events there were.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// How many requests reached a broker.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// How often each kind of fault had an effect.
    pub fn fired(&self) -> &BTreeMap<Kind, u64> {
        &self.fired
    }

    /// A fault had an effect.
    pub(super) fn fire(&mut self, kind: Kind) {
        self.fire_times(kind, 1);
    }

    pub(super) fn fire_times(&mut self, kind: Kind, times: u64) {
        *self.fired.entry(kind).or_default() += times;
    }

    pub(super) fn tell(&mut self, at: Duration, event: Event) {
        self.events += 1;
        self.requests += u64::from(matches!(event, Event::Request { .. }));
        (at, &event).hash(&mut self.digest);
        self.tail.push_back((at, event));
        if self.tail.len() > self.kept
            && let Some(oldest @ (_, Event::Note(_))) = self.tail.pop_front()
        {
            self.notes.push_back(oldest);
            if self.notes.len() > self.kept {
                self.notes.pop_front();
            }
        }
    }

    /// Data arrived.
    pub(super) fn piece(&mut self, at: Duration, link: u64, data: &[u8]) {
        self.events += 1;
        (at, link).hash(&mut self.digest);
        self.digest.write(data);
    }
}

/// FNV-1a's step, on words, with the high bits brought down: it has to notice a difference, not to resist anyone.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Digest(u64);

/// A value in one number.
pub(super) fn digest(value: impl Hash) -> u64 {
    let mut digest = Digest::NEW;
    value.hash(&mut digest);
    digest.0
}

impl Digest {
    const NEW: Digest = Digest(0xcbf2_9ce4_8422_2325);

    fn mix(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        self.0 ^= self.0 >> 29;
    }
}

impl Hasher for Digest {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.mix(u64::from_le_bytes(*word)));
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            self.mix(u64::from_le_bytes(last));
        }
        self.mix(bytes.len() as u64);
    }

    fn write_u64(&mut self, word: u64) {
        self.mix(word);
    }

    fn write_u32(&mut self, word: u32) {
        self.mix(u64::from(word));
    }

    fn write_isize(&mut self, word: isize) {
        self.mix(word as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} events, digest {:016x}; the last {}:", self.events, self.digest.0, self.tail.len())?;
        self.notes
            .iter()
            .chain(&self.tail)
            .try_for_each(|(at, event)| writeln!(f, "{:>11.6} {event}", at.as_secs_f64()))
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Connect { link, broker } => write!(f, "link {link} to broker {broker}: connect"),
            Event::Connected { link } => write!(f, "link {link}: connected"),
            Event::Refused { link } => write!(f, "link {link}: refused"),
            Event::Request { link, broker, key, version, correlation_id, bytes } => {
                write!(f, "link {link} > broker {broker}: #{correlation_id} {key} v{version}, {bytes} bytes")
            }
            Event::Answer { link, broker, correlation_id, bytes } => {
                write!(f, "link {link} < broker {broker}: #{correlation_id}, {bytes} bytes")
            }
            Event::ClosedByBroker { link } => write!(f, "link {link}: closed by the broker"),
            Event::ClosedByClient { link } => write!(f, "link {link}: closed by the client"),
            Event::Reset { link } => write!(f, "link {link}: reset"),
            Event::Notice { client, text } => write!(f, "client {client}: {text}"),
            Event::Note(text) => write!(f, "-- {text}"),
        }
    }
}
