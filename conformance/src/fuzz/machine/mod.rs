//! The whole client: bytes decide what happens next, to a machine with writers, readers and calls, and a small model of a cluster.
//!
//! The input is a list of choices: four bytes of settings, then steps of a byte each and what the step needs. Whatever they are:
//!
//! - Nothing panics, and no step takes more memory or tells more than what there is (slots, brokers, calls) and the answer's
//!   length explain ([`drive`]).
//! - What is under way is what was asked for, and nothing waits for ever ([`ledger`]).
//! - Within a moment, shorter than the first pause after a failure, requests, connects and jobs are few, however soon and
//!   however wrongly brokers answer; a broker that failed is left alone ([`drive`]).
//! - A connection that has a request says so first, and what comes late for one that has ended counts for nothing.
//! - After the shutdown each operation is done once, each reader has ended once, each record is settled once, each writer is
//!   gone, and all memory is given back ([`ledger`]).
//! - The same input gives the same outputs.

mod answers;
mod broker;
mod calls;
mod choices;
mod drive;
mod ledger;
mod records;
mod seeds;

use std::io::ErrorKind;
use std::time::Duration;

use milena_core::machine::{Command, ConnId, OpId};
use milena_core::{CloseReason, Config};

use super::Meter;
use broker::{Cluster, Twist};
use choices::Choices;
use drive::Drive;
pub(super) use seeds::seeds;

/// Enough to get anywhere; longer runs only take longer.
const MAX_STEPS: usize = 400;

pub(super) fn run(input: &[u8], meter: Meter) {
    let first = play(input, meter);
    let again = play(input, Meter::OFF);
    if first != again {
        let (first, again) =
            first.lines().zip(again.lines()).find(|(one, other)| one != other).unwrap_or_default();
        panic!("the same input gives other outputs; the first that differs:\n{first}\n{again}");
    }
}

struct Run<'a> {
    choices: Choices<'a>,
    drive: Drive,
    next_op: u64,
}

/// Does what the input says, and tells all that came out, a line each.
pub(super) fn play(input: &[u8], meter: Meter) -> String {
    let mut run = Run::new(input, meter);
    for _ in 0..MAX_STEPS {
        if run.choices.is_over() {
            break;
        }
        let step = run.choices.byte();
        run.step(step);
    }
    run.end();
    std::mem::take(&mut run.drive.told)
}

impl<'a> Run<'a> {
    fn new(input: &'a [u8], meter: Meter) -> Self {
        let mut choices = Choices(input);
        let [size, age, writer, reader] = [(); 4].map(|()| choices.byte());
        let seeds = ["s1:1", "s1:1,s2:2"][usize::from(size >> 7)];
        let mut config = Config::new(seeds).expect("addresses");
        config.max_in_flight = 1 + usize::from(size >> 4 & 7) % 5;
        config.max_frame_bytes = 1 << 20;
        let newest = [i16::MAX, i16::MAX, i16::MAX, 12, 8, 5, 2, 1][usize::from(age & 7)];
        let cluster = Cluster::new(1 + i32::from(size & 3) % 3, 1 + usize::from(size >> 2 & 3), newest);
        let drive = Drive::new(config, cluster, age >> 3, meter);
        let mut run = Run { choices, drive, next_op: 0 };
        run.open_writer(writer);
        run.open_reader(reader);
        run
    }

    fn step(&mut self, step: u8) {
        match step & 31 {
            0 | 1 => {
                let until = self.drive.until_timeout().unwrap_or_default();
                self.drive.pass(until, false);
            }
            late @ (2 | 3) => {
                let span = self.choices.span();
                self.drive.pass(span, late == 3);
            }
            4 | 5 => {
                if let Some(conn) = self.conn(false) {
                    self.drive.connected(conn);
                }
            }
            6 => self.refuse(),
            7 => self.hang_up(),
            8 => {
                let count = 1 + self.choices.below(4);
                if let Some(conn) = self.conn(true) {
                    self.drive.pull(conn, count);
                }
            }
            9..=12 => self.answer(),
            13 => {
                let count = self.choices.word().into();
                if let Some(conn) = self.conn(true) {
                    self.drive.receive(conn, count);
                }
            }
            14..=16 => self.append(),
            17 => self.flush(),
            18 => self.write_to(),
            19 => self.work(),
            20 => self.consume(),
            21 => self.call(),
            22 => self.cancel(),
            23 => self.drive.command(Command::Refresh),
            24 => self.open_or_close_writer(),
            25 => self.open_or_close_reader(),
            26 => {
                let [what, topic, partition] = [(); 3].map(|()| self.choices.byte());
                self.drive.cluster.change(what, topic.into(), partition.into());
            }
            27 => {
                let what = self.choices.byte();
                self.drive.late(what);
            }
            28 | 29 => self.storm(Twist::NONE, true),
            30 => {
                let (twist, reachable) = (self.twist(), !self.choices.byte().is_multiple_of(4));
                self.storm(twist, reachable);
            }
            _ => self.wait(),
        }
    }

    /// A connection that is made, or one that is being made.
    fn conn(&mut self, is_made: bool) -> Option<ConnId> {
        let there = self.drive.conns.iter().filter(|(_, conn)| conn.is_made == is_made);
        let there: Vec<_> = there.map(|(conn, _)| *conn).collect();
        self.choices.pick(&there).copied()
    }

    fn new_op(&mut self) -> OpId {
        self.next_op += 1;
        OpId(self.next_op)
    }

    fn refuse(&mut self) {
        let reason = match self.choices.below(4) {
            0 => CloseReason::Resolve("no such host".to_owned()),
            1 => CloseReason::ConnectTimeout(Duration::from_secs(1)),
            _ => refused(),
        };
        if let Some(conn) = self.conn(false) {
            self.drive.closed(conn, reason);
        }
    }

    fn hang_up(&mut self) {
        let how = self.choices.below(4);
        let Some(conn) = self.conn(true) else { return };
        let reason = match how {
            // The stream's end says what it is.
            0 | 1 => return self.drive.end_of_stream(conn),
            2 => CloseReason::Io(ErrorKind::ConnectionReset, "reset".to_owned()),
            _ => CloseReason::Unasked,
        };
        self.drive.closed(conn, reason);
    }

    /// Everything is answered at once and alike, and time stands still: what is asked must come to an end.
    fn storm(&mut self, twist: Twist, reachable: bool) {
        for _ in 0..64 {
            let conns: Vec<_> = self.drive.conns.iter().map(|(conn, known)| (*conn, known.is_made)).collect();
            let mut is_calm = true;
            for (conn, is_made) in conns {
                match (is_made, reachable) {
                    (false, false) => self.drive.closed(conn, refused()),
                    (false, true) => self.drive.connected(conn),
                    (true, _) => {}
                }
                is_calm &= is_made;
                self.drive.pull(conn, 16);
                self.drive.receive_all(conn);
                let asked = self.drive.conns.get_mut(&conn).map(|conn| std::mem::take(&mut conn.asked));
                for asked in asked.into_iter().flatten() {
                    is_calm = false;
                    self.answer_with(conn, asked, twist);
                }
            }
            let jobs = std::mem::take(&mut self.drive.jobs);
            is_calm &= jobs.is_empty();
            if !jobs.is_empty() {
                self.drive.work(jobs);
            }
            if is_calm {
                return;
            }
        }
    }

    fn end(&mut self) {
        self.drive.shut_down();
        while !self.drive.jobs.is_empty() {
            self.work();
        }
        self.come_too_late();
        assert_eq!(self.drive.until_timeout(), None, "something is due after the shutdown");
        self.drive.ledger.check_end();
    }
}

fn refused() -> CloseReason {
    CloseReason::Connect(ErrorKind::ConnectionRefused, "refused".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fuzzer without coverage gets no further than its seeds do.
    #[test]
    fn the_seeds_get_to_where_something_can_go_wrong() {
        let told: String = seeds().iter().map(|seed| play(seed, Meter::OFF)).collect();
        for what in [
            "outcome: Ok((Some(0), None))",
            "NeedsV2",
            "Fetched(Chunk",
            "result: Ok(Some(",
            "result: Ok(None)",
            "InvalidRequest",
            "BatchRetried",
            "BatchSplit",
            "BatchesRenumbered",
            "LeaderMoved",
            "ConnectionRefused",
            "ConnectionLost",
            "RequestOverdue",
            "Correlation {",
            "Decode(",
            "Unasked",
            "Throttled",
            "BatchExpired",
            "format: V0",
            "Ended(None)",
            "Ended(Some(Rejected",
        ] {
            assert!(told.contains(what), "no seed leads to {what}");
        }
    }
}
