//! What crossed the network and when: a digest of every byte, and the last events in words.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use milena_core::protocol::{ApiKey, BrokerId};

/// The record of one run. Two runs of one seed must leave equal ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    digest: u64,
    events: u64,
    tail: VecDeque<(Duration, Event)>,
    /// The last notes from before the tail: what the user's code said is not to drown in what the network did.
    notes: VecDeque<(Duration, Event)>,
    kept: usize,
}

/// Something worth telling when a run failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Connect { link: u64, broker: BrokerId },
    Connected { link: u64 },
    Refused { link: u64 },
    Request { link: u64, broker: BrokerId, key: ApiKey, version: i16, correlation_id: i32, bytes: usize },
    Answer { link: u64, broker: BrokerId, correlation_id: i32, bytes: usize },
    ClosedByBroker { link: u64 },
    ClosedByClient { link: u64 },
    Reset { link: u64 },
    Note(String),
}

impl Trace {
    pub(super) fn new(kept: usize) -> Self {
        Trace {
            digest: 0xcbf2_9ce4_8422_2325,
            events: 0,
            tail: VecDeque::new(),
            notes: VecDeque::new(),
            kept,
        }
    }

    /// What all events and bytes came to, in one number.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// How many pieces of data and other events there were.
    pub fn events(&self) -> u64 {
        self.events
    }

    pub(super) fn tell(&mut self, at: Duration, event: Event) {
        self.piece(at, 0, format!("{event:?}").as_bytes());
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
        self.mix(at.as_micros() as u64);
        self.mix(link);
        let (words, rest) = data.as_chunks::<8>();
        words.iter().for_each(|word| self.mix(u64::from_le_bytes(*word)));
        rest.iter().for_each(|byte| self.mix(u64::from(*byte)));
        self.mix(data.len() as u64);
    }

    /// FNV-1a's step, on words, with the high bits brought down: it has to notice a difference, not to resist anyone.
    fn mix(&mut self, word: u64) {
        self.digest = (self.digest ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        self.digest ^= self.digest >> 29;
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} events, digest {:016x}; the last {}:", self.events, self.digest, self.tail.len())?;
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
            Event::Note(text) => write!(f, "-- {text}"),
        }
    }
}
