//! A machine, and the recorder of what goes into it.

use std::sync::Arc;

use bytes::Bytes;

use super::event::{Event, digest, since};
use super::value::{Recording, Segment};
use crate::config::{Config, RecordingConfig};
use crate::connection::{ConnId, Transmit};
use crate::error::Error;
use crate::machine::{Command, Input, Machine, Output, Outstanding};
use crate::saved::keeping;
use crate::time::{Instant, Now};

/// Room for events that is taken at once, so that growing does not double it: as much as is kept unless more is asked for.
const MAX_RESERVED: usize = 1 << 20;

/// A [`Machine`] that is recorded if its settings say so, and driven as one.
pub(crate) struct Recorded {
    machine: Machine,
    recorder: Option<Box<Recorder>>,
}

impl Recorded {
    pub(crate) fn new(config: Arc<Config>, seed: [u8; 32]) -> Self {
        let recorder = config.recording.map(|config| Box::new(Recorder::new(config)));
        Recorded { machine: Machine::new(config, seed), recorder }
    }

    /// What went in last, if it is recorded.
    pub(crate) fn recording(&self) -> Option<Recording> {
        self.recorder.as_ref()?.recording()
    }

    /// This machine takes the place of another, whose recording ends.
    pub(crate) fn replace(&mut self, other: &mut Recorded, error: &Error) {
        self.recorder = other.recorder.take();
        if let Some(recorder) = &mut self.recorder {
            recorder.ended.get_or_insert_with(|| error.to_string());
        }
    }

    pub(crate) fn command(&mut self, now: Now, command: Command) {
        self.step(now, Event::Command(command));
    }

    pub(crate) fn handle(&mut self, now: Now, input: Input) {
        self.step(now, Event::Input(input));
    }

    pub(crate) fn handle_timeout(&mut self, now: Now) {
        self.step(now, Event::Timeout);
    }

    pub(crate) fn poll_transmit(&mut self, now: Now, conn: ConnId) -> Option<Transmit> {
        self.step(now, Event::Transmit(conn))
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.machine.poll_output()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.machine.poll_timeout()
    }

    #[cfg(test)]
    pub(crate) fn remembered(&self) -> [usize; 3] {
        self.machine.remembered()
    }

    pub(crate) fn outstanding(&self) -> Outstanding {
        self.machine.outstanding()
    }

    #[inline]
    fn step(&mut self, now: Now, event: Event) -> Option<Transmit> {
        match &mut self.recorder {
            Some(recorder) if recorder.ended.is_none() => recorder.step(&mut self.machine, now, event),
            _ => event.happen(&mut self.machine, now),
        }
    }
}

struct Recorder {
    config: RecordingConfig,
    older: Option<Segment>,
    current: Option<Current>,
    /// Why nothing more is recorded.
    ended: Option<String>,
}

/// The segment that grows.
struct Current {
    start: Now,
    last: Now,
    snapshot: Vec<u8>,
    events: Vec<u8>,
}

impl Recorder {
    fn new(config: RecordingConfig) -> Self {
        Recorder { config, older: None, current: None, ended: None }
    }

    fn step(&mut self, machine: &mut Machine, now: Now, event: Event) -> Option<Transmit> {
        let recorded = keeping(self.config.data, || self.write(machine, now, &event)).is_ok();
        let before = machine.outputs().len();
        let transmit = event.happen(machine, now);
        match &mut self.current {
            Some(current) if recorded => {
                let digest = digest(machine.outputs().iter().skip(before), transmit.as_ref());
                current.events.extend(digest.to_be_bytes());
            }
            // What can't be saved leaves a gap: the next event begins with a snapshot.
            _ => (self.older, self.current) = (None, None),
        }
        transmit
    }

    fn write(&mut self, machine: &Machine, now: Now, event: &Event) -> Result<(), postcard::Error> {
        let limit = |current: &Current| current.snapshot.len().max(self.config.bytes / 2);
        if self.current.as_ref().is_none_or(|current| current.events.len() >= limit(current)) {
            let snapshot = machine.save()?;
            let room = snapshot.len().max(self.config.bytes / 2).min(MAX_RESERVED);
            let new = Current { start: now, last: now, snapshot, events: Vec::with_capacity(room) };
            let full = self.current.replace(new);
            self.older = full.map(|full| full.segment());
        }
        if let Some(current) = &mut self.current {
            let step = (since(now, current.last), event);
            current.last = now;
            current.events = postcard::to_extend(&step, std::mem::take(&mut current.events))?;
        }
        Ok(())
    }

    fn recording(&self) -> Option<Recording> {
        let Current { start, last, snapshot, events } = self.current.as_ref()?;
        let (snapshot, events) = (snapshot.clone(), events.clone());
        let current = Current { start: *start, last: *last, snapshot, events }.segment();
        let segments = self.older.iter().cloned().chain([current]).collect();
        Some(Recording { segments, ended: self.ended.clone() })
    }
}

impl Current {
    fn segment(self) -> Segment {
        let origin = Now { mono: Instant::default(), wall: 0 };
        let Current { start, snapshot, events, .. } = self;
        Segment { start: since(start, origin), snapshot: Bytes::from(snapshot), events: Bytes::from(events) }
    }
}
