//! What can happen to a machine, and what is kept of the outputs that it leads to.

use std::fmt::{self, Write as _};

use crate::connection::{ConnId, Transmit};
use crate::machine::{Command, Input, Machine, Output};
use crate::time::{Instant, Now};

/// Something that happens to a machine.
#[derive(serde::Serialize, serde::Deserialize)]
pub(super) enum Event {
    Command(Command),
    Input(Input),
    /// Something may be due.
    Timeout,
    /// A connection can take a request.
    Transmit(ConnId),
}

impl Event {
    /// Has it happen; the request that is to leave, if that was asked for.
    pub(super) fn happen(self, machine: &mut Machine, now: Now) -> Option<Transmit> {
        match self {
            Event::Command(command) => machine.command(now, command),
            Event::Input(input) => machine.handle(now, input),
            Event::Timeout => machine.handle_timeout(now),
            Event::Transmit(conn) => return machine.poll_transmit(now, conn),
        }
        None
    }
}

/// A time as it is written down: as the difference from the one before.
pub(super) type Since = (u64, i64);

pub(super) fn since(now: Now, before: Now) -> Since {
    (now.mono.as_micros().wrapping_sub(before.mono.as_micros()), now.wall.wrapping_sub(before.wall))
}

pub(super) fn after(before: Now, (mono, wall): Since) -> Now {
    let mono = Instant::from_micros(before.mono.as_micros().wrapping_add(mono));
    Now { mono, wall: before.wall.wrapping_add(wall) }
}

/// FNV-1a of text that is never put together.
struct Fnv(u64);

impl fmt::Write for Fnv {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}

/// What tells whether two machines gave the same outputs. Of record data it knows the length, of answers that are handed on nothing
/// but what they answer.
pub(super) fn digest<'a>(outputs: impl Iterator<Item = &'a Output>, transmit: Option<&Transmit>) -> u32 {
    let mut fnv = Fnv(0xcbf2_9ce4_8422_2325);
    for output in outputs {
        // Nothing that is written to this one fails.
        let _ = match output {
            Output::Done { op, result: Ok(Some(answer)) } => {
                write!(fnv, "{op:?} {:?} {} {:?};", answer.kind, answer.version, answer.broker)
            }
            output => write!(fnv, "{output:?};"),
        };
    }
    if let Some(Transmit { request, version, correlation, answered }) = transmit {
        let _ = write!(fnv, "{:?} {version} {correlation} {answered}", request.kind());
    }
    (fnv.0 ^ (fnv.0 >> 32)) as u32
}
