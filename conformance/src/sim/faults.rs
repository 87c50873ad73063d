//! Faults in force: when each begins and ends, and what it does to which link.

use std::collections::BTreeMap;
use std::time::Duration;

use milena_core::protocol::BrokerId;

use super::link::{Phase, Step};
use super::network::{Event, State};
use super::plan::{End, Fault, Kind, PlanError, ProcessId, Route};
use super::trace::Event as Told;
use super::{World, lock};
use crate::cluster::ConnectionId;

/// What lasts and is not over, in the order in which it began.
#[derive(Default)]
pub(super) struct InForce {
    lasting: BTreeMap<u64, Fault>,
    next: u64,
    /// Batches to be corrupted.
    corrupting: Vec<Route>,
    /// Brokers' ends of connections whose clients are gone without a word.
    orphans: Vec<ConnectionId>,
}

impl InForce {
    fn find<T>(&self, of_this: impl FnMut(&Fault) -> Option<T>) -> Option<T> {
        self.lasting.values().rev().find_map(of_this)
    }

    /// What keeps data of this direction from arriving.
    pub(super) fn blocks(&self, process: ProcessId, broker: BrokerId, up: bool) -> Option<Kind> {
        self.find(|fault| match fault {
            Fault::Partition { route, way } => {
                (route.covers(process, broker) && way.covers(up)).then(|| fault.kind())
            }
            _ => None,
        })
    }

    /// What keeps a connect from reaching its broker.
    pub(super) fn holds_connect(&self, process: ProcessId, broker: BrokerId) -> Option<Kind> {
        let black_hole = self.find(|fault| match fault {
            Fault::BlackHole { route } => route.covers(process, broker).then_some(Kind::BlackHole),
            // The machine is gone: nobody answers.
            Fault::Crash { broker: down, lose_page_cache: true } => {
                (*down == broker).then_some(Kind::LostPageCache)
            }
            _ => None,
        });
        black_hole.or_else(|| self.blocks(process, broker, true))
    }

    pub(super) fn refuses(&self, process: ProcessId, broker: BrokerId) -> bool {
        let refused = self.find(|fault| match fault {
            Fault::Refuse { route } => route.covers(process, broker).then_some(()),
            _ => None,
        });
        refused.is_some()
    }

    /// Latency, and how many of 10,000 pieces are held up for how long, if they are not as usual.
    #[expect(clippy::type_complexity, reason = "two pairs, as the options have them")]
    pub(super) fn delays(
        &self,
        process: ProcessId,
        broker: BrokerId,
        up: bool,
    ) -> (Option<(Duration, Duration)>, Option<(u64, Duration)>) {
        let latency = self.find(|fault| match fault {
            Fault::Latency { route, way, shortest, longest } => {
                (route.covers(process, broker) && way.covers(up)).then_some((*shortest, *longest))
            }
            _ => None,
        });
        let stalls = self.find(|fault| match fault {
            Fault::Stalls { route, per_ten_thousand, longest } => {
                route.covers(process, broker).then_some((*per_ten_thousand, *longest))
            }
            _ => None,
        });
        (latency, stalls)
    }

    /// Bytes per second.
    pub(super) fn bandwidth(&self, process: ProcessId, broker: BrokerId, up: bool) -> Option<u64> {
        self.find(|fault| match fault {
            Fault::Bandwidth { route, way, bytes_per_second } => {
                (route.covers(process, broker) && way.covers(up)).then_some(*bytes_per_second)
            }
            _ => None,
        })
    }

    /// The largest piece.
    pub(super) fn pieces(&self, process: ProcessId, broker: BrokerId) -> Option<usize> {
        self.find(|fault| match fault {
            Fault::Pieces { route, longest } => route.covers(process, broker).then_some(*longest),
            _ => None,
        })
    }

    /// Whether a batch on this link is to be corrupted, and by which order.
    pub(super) fn corrupts(&self, process: ProcessId, broker: BrokerId) -> Option<usize> {
        self.corrupting.iter().position(|route| route.covers(process, broker))
    }

    pub(super) fn corrupted(&mut self, order: usize) {
        self.corrupting.remove(order);
    }

    fn drift(&self, of: ProcessId) -> i64 {
        let ppm = self.find(|fault| match fault {
            Fault::Drift { process, ppm } => (*process == of).then_some(*ppm),
            _ => None,
        });
        ppm.unwrap_or_default()
    }
}

impl State {
    /// A fault begins; one that lasts may have an end.
    pub(super) fn begin_fault(&mut self, fault: Fault, until: Option<Duration>) {
        self.tell(Told::Note(match until {
            Some(until) => format!("until {:.6}: {fault:?}", until.as_secs_f64()),
            None => format!("{fault:?}"),
        }));
        let id = self.faults.next;
        if fault.lasts() {
            self.faults.next += 1;
            self.faults.lasting.insert(id, fault.clone());
            if let Some(until) = until {
                self.set(until, Event::End(id));
            }
        }
        if self.carry_out(&fault) {
            self.trace.fire(fault.kind());
        }
    }

    /// Does what is to be done at the start. Whether that alone is an effect: what bites later counts when it does.
    fn carry_out(&mut self, fault: &Fault) -> bool {
        match fault {
            Fault::Crash { broker, lose_page_cache } => {
                if *lose_page_cache {
                    self.deafen_clients(Route::all().to(*broker));
                }
                self.control(|cluster| cluster.crash_broker(*broker, *lose_page_cache))
            }
            Fault::Isolate { broker } => self.control(|cluster| cluster.isolate_broker(*broker)),
            Fault::SlowDisk { broker, shortest, longest } => {
                self.control(|cluster| cluster.slow_disk(*broker, (*shortest, *longest)))
            }
            Fault::StallFollower { broker } => self.control(|cluster| cluster.stall_follower(*broker, true)),
            Fault::MoveLeader { topic, partition, to } => self.control(|cluster| {
                let clean = cluster.in_sync(topic, *partition).contains(to);
                clean
                    && cluster.leader(topic, *partition).is_some_and(|(leader, _)| leader != *to)
                    && cluster.move_leader(topic, *partition, *to)
            }),
            Fault::Requests { requests, fault } => {
                self.cluster.on_request(requests.clone(), fault.clone());
                false
            }
            Fault::HalfOpen { route, deaf: End::Client } => self.deafen_clients(*route),
            Fault::HalfOpen { route, deaf: End::Broker } => self.deafen_brokers(*route),
            Fault::Reset { route } => self.reset_links(*route),
            Fault::CorruptRecords { route } => {
                self.faults.corrupting.push(*route);
                false
            }
            Fault::Drift { process, .. } => {
                self.set_drift(*process);
                true
            }
            Fault::WallJump { process, by_ms } => {
                self.clocks.entry(*process).or_default().jumped_ms += by_ms;
                true
            }
            Fault::Pause { process } => self.inbox.pause(*process),
            Fault::Kill { process, machine } => {
                let route = Route::all().from(*process);
                if *machine {
                    self.deafen_brokers(route);
                } else if self.random.percent(50) {
                    self.reset_links(route);
                }
                self.inbox.kill(*process)
            }
            Fault::Latency { .. }
            | Fault::Stalls { .. }
            | Fault::Bandwidth { .. }
            | Fault::Pieces { .. }
            | Fault::Partition { .. }
            | Fault::Refuse { .. }
            | Fault::BlackHole { .. } => false,
        }
    }

    pub(super) fn end_fault(&mut self, id: u64) {
        let Some(fault) = self.faults.lasting.remove(&id) else { return };
        self.tell(Told::Note(format!("over: {fault:?}")));
        match fault {
            Fault::Crash { broker, lose_page_cache } => {
                self.control(|cluster| cluster.start_broker(broker));
                if lose_page_cache {
                    // It knows nothing of the connections that it had.
                    let known = self.links.values_mut().filter(|link| link.broker == broker && link.deaf);
                    known.for_each(|link| link.reset());
                }
            }
            Fault::Isolate { broker } => {
                self.control(|cluster| cluster.rejoin_broker(broker));
            }
            Fault::SlowDisk { broker, .. } => {
                let usual = self.options.cluster.disk_latency;
                self.control(|cluster| cluster.slow_disk(broker, usual));
            }
            Fault::StallFollower { broker } => {
                self.control(|cluster| cluster.stall_follower(broker, false));
            }
            Fault::Drift { process, .. } => self.set_drift(process),
            Fault::Pause { process } => self.inbox.resume(process),
            _ => {}
        }
        self.release();
    }

    /// Ends everything that is wrong or planned to be.
    fn heal(&mut self) {
        self.forget_plan();
        self.options.stalls = 0;
        while let Some(id) = self.faults.lasting.first_key_value().map(|(id, _)| *id) {
            self.end_fault(id);
        }
        self.faults.corrupting.clear();
        self.cluster.clear_faults();
        for conn in std::mem::take(&mut self.faults.orphans) {
            self.cluster.disconnect(conn);
        }
        self.tell(Told::Note("healed".to_owned()));
    }

    /// What was held up goes on its way, if nothing holds it up any more.
    fn release(&mut self) {
        let held = |link: &super::link::Link| link.stopped.is_some() || link.up.held + link.down.held > 0;
        let ids: Vec<u64> = self.links.iter().filter(|(_, link)| held(link)).map(|(id, _)| *id).collect();
        let at = self.now;
        for id in ids {
            let Some(link) = self.links.get_mut(&id) else { continue };
            let (process, broker) = (link.process, link.broker);
            let step = match link.stopped {
                Some(Step::Knock) if self.faults.holds_connect(process, broker).is_none() => {
                    Some(Event::Knock(id))
                }
                Some(Step::Welcome) if self.faults.blocks(process, broker, false).is_none() => {
                    Some(Event::Welcome(id))
                }
                _ => None,
            };
            if step.is_some() {
                link.stopped = None;
            }
            let mut free = [0, 0];
            for (up, free) in [true, false].into_iter().zip(&mut free) {
                if self.faults.blocks(process, broker, up).is_none() {
                    *free = std::mem::take(&mut link.pipe(up).held);
                }
            }
            if let Some(step) = step {
                self.set(at, step);
            }
            (0..free[0]).for_each(|_| _ = self.set(at, Event::Up(id)));
            (0..free[1]).for_each(|_| _ = self.set(at, Event::Down(id)));
        }
    }

    fn set_drift(&mut self, process: ProcessId) {
        let ppm = self.faults.drift(process);
        let now = self.now;
        self.clocks.entry(process).or_default().set_rate(now, ppm);
    }

    /// The links that are open, of a route.
    fn open_links(&self, route: Route) -> Vec<u64> {
        let open = self.links.iter().filter(|(_, link)| {
            link.phase == Phase::Open && !link.deaf && route.covers(link.process, link.broker)
        });
        open.map(|(id, _)| *id).collect()
    }

    /// Whether there were any.
    fn reset_links(&mut self, route: Route) -> bool {
        let ids = self.open_links(route);
        for id in &ids {
            self.forget_connection(*id, false);
            self.reset_link(*id);
        }
        !ids.is_empty()
    }

    /// The brokers' ends are gone, and the clients do not hear of it.
    fn deafen_clients(&mut self, route: Route) -> bool {
        let ids = self.open_links(route);
        for id in &ids {
            self.forget_connection(*id, false);
            if let Some(link) = self.links.get_mut(id) {
                link.deaf = true;
                link.conn = None;
                link.up.pieces.clear();
                link.down = Default::default();
                // Its end would never arrive.
                if link.abandoned {
                    self.links.remove(id);
                }
            }
        }
        !ids.is_empty()
    }

    /// The clients' ends are gone, and the brokers do not hear of it.
    fn deafen_brokers(&mut self, route: Route) -> bool {
        let ids = self.open_links(route);
        for id in &ids {
            self.forget_connection(*id, true);
            self.reset_link(*id);
        }
        !ids.is_empty()
    }

    fn forget_connection(&mut self, id: u64, orphan: bool) {
        let Some(conn) = self.links.get_mut(&id).and_then(|link| link.conn.take()) else { return };
        self.by_connection.remove(&conn);
        match orphan {
            true => self.faults.orphans.push(conn),
            false => self.control(|cluster| cluster.disconnect(conn)),
        }
    }
}

impl World {
    /// Something goes wrong now; what lasts does so until the world [heals](Self::heal).
    ///
    /// # Errors
    /// If that makes no sense.
    pub fn fault(&self, fault: Fault) -> Result<(), PlanError> {
        let mut state = lock(&self.shared.state);
        fault.check(state.options.cluster.nodes)?;
        state.begin_fault(fault, None);
        Ok(())
    }

    /// Something goes wrong now, for so long.
    ///
    /// # Errors
    /// If that makes no sense: also if the fault is a moment.
    pub fn fault_for(&self, duration: Duration, fault: Fault) -> Result<(), PlanError> {
        let mut state = lock(&self.shared.state);
        fault.check(state.options.cluster.nodes)?;
        let (from, until) = (state.now, state.now + duration);
        match fault.lasts() {
            false => Err(PlanError::Moment { kind: fault.kind(), until }),
            true if until == from => Err(PlanError::EndsBeforeStart { kind: fault.kind(), from, until }),
            true => {
                state.begin_fault(fault, Some(until));
                Ok(())
            }
        }
    }

    /// Everything that is wrong or planned to go wrong is over: brokers are up, partitions and stalls gone, clocks right,
    /// ordered faults forgotten. What was lost stays lost.
    pub fn heal(&self) {
        lock(&self.shared.state).heal();
    }

    /// Resets every connection; what was under way on them is lost.
    pub fn drop_connections(&self) {
        lock(&self.shared.state).reset_links(Route::all());
    }

    /// Connections of a route that clients have, and those that they have let go of, but on which something is still on its
    /// way.
    pub fn connections(&self, route: Route) -> (usize, usize) {
        let state = lock(&self.shared.state);
        let links = || state.links.values().filter(|link| route.covers(link.process, link.broker));
        let abandoned = links().filter(|link| link.abandoned).count();
        (links().count() - abandoned, abandoned)
    }
}
