//! The machine of a recording, once more.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::event::{Event, digest};
use super::story;
use super::value::{Recording, RecordingError, Segment, damaged};
use crate::machine::Machine;
use crate::saved::keeping;

/// What a recording was when it was replayed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replayed {
    /// What went in.
    pub events: u64,
    /// What came out.
    pub outputs: u64,
    /// From the first event to the last.
    pub time: Duration,
    /// Why the client's machine was given up at the end, if it was.
    pub ended: Option<String>,
}

/// Why a recording was not replayed to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplayError {
    /// It can't be read.
    Recording(RecordingError),
    /// What came out is not what came out when it was recorded.
    Differs {
        /// The event, counted from 1.
        event: u64,
        /// What happened.
        what: String,
        /// What came of it now.
        outputs: Vec<String>,
    },
    /// The machine's state is not the one that was recorded, although all outputs were the same so far.
    StateDiffers {
        /// The event before which it was noticed, counted from 1.
        event: u64,
    },
    /// The machine panics, and did not when it was recorded.
    Panicked {
        /// The event, counted from 1.
        event: u64,
        /// What happened.
        what: String,
    },
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplayError::Recording(error) => error.fmt(f),
            ReplayError::Differs { event, what, outputs } => {
                write!(f, "event {event} ({what}) has other outputs than it had: {}", outputs.join("; "))
            }
            ReplayError::StateDiffers { event } => {
                write!(f, "before event {event} the machine's state is another than it was")
            }
            ReplayError::Panicked { event, what } => {
                write!(f, "the machine panics at event {event} ({what})")
            }
        }
    }
}

impl std::error::Error for ReplayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ReplayError::Recording(error) => Some(error),
            _ => None,
        }
    }
}

impl From<RecordingError> for ReplayError {
    fn from(error: RecordingError) -> Self {
        ReplayError::Recording(error)
    }
}

impl Recording {
    /// Puts everything that was recorded into a machine again, looks whether the same comes out, and tells each line of the story:
    /// what happened, when, and what came of it.
    ///
    /// # Errors
    /// At the first event from which something else comes, and where the recording can't be read.
    pub fn replay(&self, tell: impl FnMut(&str)) -> Result<Replayed, ReplayError> {
        self.run(tell, true)
    }

    /// As [`replay`](Self::replay), but nobody looks whether the same comes out: for fuzzers, which can't know what should.
    #[doc(hidden)]
    pub fn replay_unchecked(&self, tell: impl FnMut(&str)) -> Result<Replayed, ReplayError> {
        self.run(tell, false)
    }

    fn run(&self, mut tell: impl FnMut(&str), is_checked: bool) -> Result<Replayed, ReplayError> {
        let Some(first) = self.segments.first() else { return Ok(Replayed::default()) };
        let mut machine: Machine = postcard::from_bytes(&first.snapshot).map_err(damaged)?;
        machine.config().check().map_err(damaged)?;
        tell(&story::beginning(&machine));
        let start = first.start();
        let mut replayed = Replayed { ended: self.ended.clone(), ..Replayed::default() };
        for (index, segment) in self.segments.iter().enumerate() {
            if index > 0 && is_checked && !is_at(&machine, segment) {
                return Err(ReplayError::StateDiffers { event: replayed.events + 1 });
            }
            for step in segment.steps() {
                let (now, event, recorded) = step?;
                replayed.events += 1;
                replayed.time = now.mono.since(start.mono);
                let (what, pull) = (story::event(&event), matches!(event, Event::Transmit(_)));
                let line = format!("{:>11.6}  {what}", replayed.time.as_secs_f64());
                let happen = AssertUnwindSafe(|| event.happen(&mut machine, now));
                let (event, transmit) = match (catch_unwind(happen), recorded) {
                    (Ok(transmit), Some(_)) => (replayed.events, transmit),
                    (Err(_), None) => {
                        tell(&line);
                        tell("             -> the machine panicked here, and does so again");
                        return Ok(replayed);
                    }
                    (Err(_), Some(_)) => return Err(ReplayError::Panicked { event: replayed.events, what }),
                    (Ok(_), None) => {
                        let outputs = vec!["no panic".to_owned()];
                        return Err(ReplayError::Differs { event: replayed.events, what, outputs });
                    }
                };
                let same = recorded == Some(digest(machine.outputs().iter(), transmit.as_ref()));
                let outputs =
                    std::iter::from_fn(|| machine.poll_output()).map(|output| story::output(&output));
                let outputs: Vec<_> = outputs.chain(transmit.as_ref().map(story::transmit)).collect();
                replayed.outputs += outputs.len() as u64;
                // That a connection has nothing to send is no news.
                if !pull || !outputs.is_empty() {
                    tell(&line);
                }
                outputs.iter().for_each(|output| tell(&format!("             -> {output}")));
                if is_checked && !same {
                    return Err(ReplayError::Differs { event, what, outputs });
                }
            }
        }
        if let Some(ended) = &self.ended {
            tell(&story::end(ended));
        }
        Ok(replayed)
    }
}

/// Whether a machine is in the state in which a segment begins.
fn is_at(machine: &Machine, segment: &Segment) -> bool {
    let data = machine.config().recording.is_some_and(|recording| recording.data);
    keeping(data, || machine.is_saved_as(&segment.snapshot))
}
