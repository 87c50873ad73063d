//! The whole client: bytes decide what happens next, to a machine with writers, readers and calls, and a small model of a cluster.
//!
//! The input is a list of choices: four bytes of settings, then steps of a byte each and what the step needs. Whatever they are:
//!
//! - Nothing panics, and no step takes more memory or tells more than what there is (slots, calls, the brokers and partitions
//!   that answers have named) and the answer's length explain ([`drive`], [`known`]).
//! - What is kept is bounded by the same, and does not grow while brokers come and go ([`Run::churn`]).
//! - What is under way is what was asked for, and nothing waits for ever ([`ledger`]).
//! - Within a moment, shorter than the first pause after a failure, requests, connects and jobs are few, however soon and
//!   however wrongly brokers answer ([`drive`]), and come to an end if all of them are answered at once ([`Run::storm`]).
//! - A broker that failed is left alone for that moment, and so is what an answer has refused, or a lost connection ([`rests`]).
//! - A connection that has a request says so first, and what comes late for one that has ended counts for nothing.
//! - After the shutdown each operation is done once, each reader has ended once, each record is settled once, each writer is
//!   gone, and all memory is given back ([`ledger`]).
//! - The same input gives the same outputs: one input of four, chosen by its own bytes, is played twice.

mod answers;
mod broker;
mod calls;
mod choices;
mod drive;
mod known;
mod ledger;
mod records;
mod rests;
mod seeds;

use std::io::ErrorKind;
use std::time::Duration;

use milena_core::machine::{Command, ConnId, OpId};
use milena_core::{CloseReason, Config};

use super::Meter;
use answers::Storm;
use broker::{Cluster, Twist};
use choices::Choices;
use drive::Drive;
pub(super) use seeds::seeds;

/// Enough to get anywhere; longer runs only take longer.
const MAX_STEPS: usize = 400;

/// How often brokers are replaced to see whether anything is left of them: at first, for a while, and when it is looked again.
const CHURN: (usize, usize, usize) = (4, 8, 48);

/// What may come to be kept while they are: longer numbers.
const CHURN_BYTES: usize = 128;

pub(super) fn run(input: &[u8], meter: Meter) {
    let first = play(input, meter);
    if input.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) % 4 != 0 {
        return;
    }
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
        // What a step is comes from its low bits; some are another thing now and then.
        let is_other = step >> 5 >= 6;
        self.drive.room = if is_other { Some(7) } else { None };
        match step & 31 {
            1 if is_other => {
                let [scale, factor] = self.choices.word().to_be_bytes();
                self.drive.set_wall(i64::from(factor as i8) << (scale % 32));
            }
            26 if is_other => {
                let how = self.choices.byte();
                self.churn(how);
            }
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
            28 | 29 => self.storm(CALM, true),
            30 if is_other => {
                let storm = if self.choices.flag() { Storm::Garbage } else { Storm::HangUp };
                self.storm(storm, true);
            }
            30 => {
                let (twist, reachable) = (self.twist(), !self.choices.byte().is_multiple_of(4));
                self.storm(Storm::Answers(twist), reachable);
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
    ///
    /// All is asked for once, or once of each node; but records are written batch by batch, each of which may be cut in two again
    /// and again.
    fn storm(&mut self, storm: Storm, reachable: bool) {
        let rounds = 32 + self.drive.config().bootstrap.len() + 4 * self.drive.ledger.unsettled();
        for _ in 0..rounds {
            if self.is_calm_after_a_round(storm, reachable) {
                return;
            }
        }
        panic!("what is asked has no end, though all is answered with {storm:?}");
    }

    fn is_calm_after_a_round(&mut self, storm: Storm, reachable: bool) -> bool {
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
                self.answer_with(conn, asked, storm);
            }
        }
        let jobs = std::mem::take(&mut self.drive.jobs);
        is_calm &= jobs.is_empty();
        if !jobs.is_empty() {
            self.drive.work(jobs);
        }
        is_calm
    }

    /// Brokers are replaced again and again, and what the client keeps does not grow for that.
    fn churn(&mut self, how: u8) {
        let (first, each, between) = CHURN;
        let unsettled = self.drive.ledger.unsettled();
        let mut kept =
            |times: usize| -> Vec<usize> { (0..times).map(|_| self.replace_brokers(how)).collect() };
        kept(first);
        let before = kept(each).into_iter().max().unwrap_or_default();
        kept(between);
        let after = kept(each).into_iter().min().unwrap_or_default();
        if self.drive.ledger.unsettled() <= unsettled {
            let allowed = before + CHURN_BYTES;
            assert!(
                after <= allowed,
                "{after} bytes are kept after {between} changes of brokers, {before} before"
            );
        }
    }

    /// All brokers give way to others, which everybody finds; tells how much the machine keeps then.
    fn replace_brokers(&mut self, how: u8) -> usize {
        self.drive.cluster.replace_brokers();
        self.drive.command(Command::Refresh);
        self.drive.pass(Duration::from_millis(1_300), false);
        if how & 1 != 0 {
            self.storm(Storm::HangUp, true);
            self.drive.pass(Duration::from_millis(1_300), false);
        }
        self.storm(CALM, true);
        if how & 2 != 0 {
            self.append_to(how, 1);
        }
        self.storm(CALM, true);
        self.drive.kept()
    }

    fn end(&mut self) {
        self.drive.check_kept();
        self.drive.shut_down();
        while !self.drive.jobs.is_empty() {
            self.work();
        }
        self.come_too_late();
        assert_eq!(self.drive.until_timeout(), None, "something is due after the shutdown");
        self.drive.ledger.check_end();
    }
}

/// All is answered rightly.
const CALM: Storm = Storm::Answers(Twist::NONE);

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
