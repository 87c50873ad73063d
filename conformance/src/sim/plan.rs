//! What is to go wrong, and when: the one type for faults, whoever orders them.
//!
//! Rules:
//! - A fault is either a moment (a reset) or lasts (a partition). What lasts is over at its end, or when the world
//!   [heals](super::World::heal); what is over leaves only its consequences.
//! - Of two faults of one kind that are in force at a time for the same bytes, the one that began last counts.
//! - A plan is [checked](FaultPlan::check) before anything starts.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use milena_core::protocol::BrokerId;

use crate::cluster::{Fault as RequestFault, Requests};

/// One process of the simulated world: tasks, clients and a clock that live and die together.
///
/// 0 is the one in which everything starts; [`World::process`](super::World::process) makes others, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId(pub u32);

/// Which connections a fault is for: all, until told otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Route {
    pub(super) process: Option<ProcessId>,
    pub(super) broker: Option<BrokerId>,
}

impl Route {
    /// Between every process and every broker.
    pub fn all() -> Route {
        Route::default()
    }

    /// Only those of this process.
    pub fn from(self, process: ProcessId) -> Route {
        Route { process: Some(process), ..self }
    }

    /// Only those to this broker.
    pub fn to(self, broker: BrokerId) -> Route {
        Route { broker: Some(broker), ..self }
    }

    pub(super) fn covers(&self, process: ProcessId, broker: BrokerId) -> bool {
        self.process.is_none_or(|only| only == process) && self.broker.is_none_or(|only| only == broker)
    }
}

/// Which direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From client to broker: what was asked does not arrive.
    Requests,
    /// From broker to client: what was asked is done, and nobody hears of it.
    Answers,
    /// Both.
    Both,
}

impl Way {
    pub(super) fn covers(self, up: bool) -> bool {
        match self {
            Way::Requests => up,
            Way::Answers => !up,
            Way::Both => true,
        }
    }
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The client's.
    Client,
    /// The broker's.
    Broker,
}

/// Something that goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Lasts: each piece of data takes so long.
    Latency {
        /// Where.
        route: Route,
        /// In which direction.
        way: Way,
        /// At least.
        shortest: Duration,
        /// At most.
        longest: Duration,
    },
    /// Lasts: some pieces are held up.
    Stalls {
        /// Where.
        route: Route,
        /// How many of 10,000.
        per_ten_thousand: u64,
        /// For how long, at most.
        longest: Duration,
    },
    /// Lasts: each connection carries only so much.
    Bandwidth {
        /// Where.
        route: Route,
        /// In which direction.
        way: Way,
        /// How much.
        bytes_per_second: u64,
    },
    /// Lasts: data is cut into small pieces.
    Pieces {
        /// Where.
        route: Route,
        /// The largest, in bytes.
        longest: usize,
    },
    /// Lasts: nothing gets through. What was sent arrives at the end, unless its connection was given up.
    Partition {
        /// Where.
        route: Route,
        /// In which direction.
        way: Way,
    },
    /// Lasts: connects are refused.
    Refuse {
        /// Where.
        route: Route,
    },
    /// Lasts: connects are not answered.
    BlackHole {
        /// Where.
        route: Route,
    },
    /// A moment: connections end, and one side never hears of it.
    HalfOpen {
        /// Where.
        route: Route,
        /// The side that does not hear of it.
        deaf: End,
    },
    /// A moment: connections are reset; what is under way is lost.
    Reset {
        /// Where.
        route: Route,
    },
    /// A moment: a bit of the next batch that a broker sends to a reader is wrong.
    CorruptRecords {
        /// Where.
        route: Route,
    },
    /// Lasts: the broker is down.
    Crash {
        /// Which one.
        broker: BrokerId,
        /// Whether the machine goes with it: it loses some of what was not forced to its disk, and clients hear nothing
        /// until it is up again.
        lose_page_cache: bool,
    },
    /// Lasts: the broker is cut off from the others, not from clients.
    Isolate {
        /// Which one.
        broker: BrokerId,
    },
    /// Lasts: the broker's disk is slow.
    SlowDisk {
        /// Which one.
        broker: BrokerId,
        /// What a write takes at least,
        shortest: Duration,
        /// and at most.
        longest: Duration,
    },
    /// Lasts: the broker copies nothing as a follower.
    StallFollower {
        /// Which one.
        broker: BrokerId,
    },
    /// A moment: a partition gets another leader, if that one is in sync.
    MoveLeader {
        /// Its topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// To whom.
        to: BrokerId,
    },
    /// A moment: requests are to meet a fault.
    Requests {
        /// Which ones.
        requests: Requests,
        /// What happens to them.
        fault: RequestFault,
    },
    /// Lasts: the process's clocks are fast, or slow if it is negative, by so many microseconds in a second.
    Drift {
        /// Whose.
        process: ProcessId,
        /// How much.
        ppm: i64,
    },
    /// A moment: the process's wall clock jumps.
    WallJump {
        /// Whose.
        process: ProcessId,
        /// Forward, or back if it is negative.
        by_ms: i64,
    },
    /// Lasts: the process stands still, and finds everything overdue after it.
    Pause {
        /// Which one.
        process: ProcessId,
    },
    /// A moment: the process is gone with all its tasks and clients.
    Kill {
        /// Which one.
        process: ProcessId,
        /// Whether its machine goes with it: brokers do not hear of it then.
        machine: bool,
    },
}

/// A kind of fault, as the simulator counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each is named after its fault")]
pub enum Kind {
    Latency,
    Stall,
    Bandwidth,
    Pieces,
    Partition,
    LostRequests,
    LostAnswers,
    Refuse,
    BlackHole,
    DeafClient,
    DeafBroker,
    Reset,
    CorruptRecords,
    Stop,
    LostPageCache,
    Isolate,
    SlowDisk,
    StallFollower,
    MoveLeader,
    Delay,
    DelayAnswer,
    /// A client is told to pause.
    Throttle,
    ErrorCode,
    Answer,
    CloseBefore,
    CloseAfter,
    NeverAnswer,
    AnswerTwice,
    Corrupt,
    Drift,
    WallJump,
    Pause,
    Kill,
    KillMachine,
}

impl Fault {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Fault::Latency { .. } => Kind::Latency,
            Fault::Stalls { .. } => Kind::Stall,
            Fault::Bandwidth { .. } => Kind::Bandwidth,
            Fault::Pieces { .. } => Kind::Pieces,
            Fault::Partition { way: Way::Both, .. } => Kind::Partition,
            Fault::Partition { way: Way::Requests, .. } => Kind::LostRequests,
            Fault::Partition { way: Way::Answers, .. } => Kind::LostAnswers,
            Fault::Refuse { .. } => Kind::Refuse,
            Fault::BlackHole { .. } => Kind::BlackHole,
            Fault::HalfOpen { deaf: End::Client, .. } => Kind::DeafClient,
            Fault::HalfOpen { deaf: End::Broker, .. } => Kind::DeafBroker,
            Fault::Reset { .. } => Kind::Reset,
            Fault::CorruptRecords { .. } => Kind::CorruptRecords,
            Fault::Crash { lose_page_cache: false, .. } => Kind::Stop,
            Fault::Crash { lose_page_cache: true, .. } => Kind::LostPageCache,
            Fault::Isolate { .. } => Kind::Isolate,
            Fault::SlowDisk { .. } => Kind::SlowDisk,
            Fault::StallFollower { .. } => Kind::StallFollower,
            Fault::MoveLeader { .. } => Kind::MoveLeader,
            Fault::Requests { fault, .. } => match fault {
                RequestFault::Delay(_) => Kind::Delay,
                RequestFault::DelayAnswer(_) => Kind::DelayAnswer,
                RequestFault::Throttle(_) => Kind::Throttle,
                RequestFault::Error(_) => Kind::ErrorCode,
                RequestFault::Answer(_) => Kind::Answer,
                RequestFault::CloseBefore => Kind::CloseBefore,
                RequestFault::CloseAfter => Kind::CloseAfter,
                RequestFault::NeverAnswer => Kind::NeverAnswer,
                RequestFault::AnswerTwice => Kind::AnswerTwice,
                RequestFault::Corrupt => Kind::Corrupt,
            },
            Fault::Drift { .. } => Kind::Drift,
            Fault::WallJump { .. } => Kind::WallJump,
            Fault::Pause { .. } => Kind::Pause,
            Fault::Kill { machine: false, .. } => Kind::Kill,
            Fault::Kill { machine: true, .. } => Kind::KillMachine,
        }
    }

    /// Whether it lasts; the others are moments.
    pub fn lasts(&self) -> bool {
        !matches!(
            self,
            Fault::HalfOpen { .. }
                | Fault::Reset { .. }
                | Fault::CorruptRecords { .. }
                | Fault::MoveLeader { .. }
                | Fault::Requests { .. }
                | Fault::WallJump { .. }
                | Fault::Kill { .. }
        )
    }

    fn broker(&self) -> Option<BrokerId> {
        match self {
            Fault::Latency { route, .. }
            | Fault::Stalls { route, .. }
            | Fault::Bandwidth { route, .. }
            | Fault::Pieces { route, .. }
            | Fault::Partition { route, .. }
            | Fault::Refuse { route }
            | Fault::BlackHole { route }
            | Fault::HalfOpen { route, .. }
            | Fault::Reset { route }
            | Fault::CorruptRecords { route } => route.broker,
            Fault::Crash { broker, .. }
            | Fault::Isolate { broker }
            | Fault::SlowDisk { broker, .. }
            | Fault::StallFollower { broker }
            | Fault::MoveLeader { to: broker, .. } => Some(*broker),
            _ => None,
        }
    }

    /// Whether it makes sense in a cluster of this many brokers.
    ///
    /// # Errors
    /// What does not.
    pub fn check(&self, nodes: u16) -> Result<(), PlanError> {
        if let Some(broker) = self.broker()
            && !(1..=i32::from(nodes.max(1))).contains(&broker.0)
        {
            return Err(PlanError::UnknownBroker { broker, nodes: nodes.max(1) });
        }
        match self {
            Fault::Latency { shortest, longest, .. } | Fault::SlowDisk { shortest, longest, .. }
                if shortest > longest =>
            {
                Err(PlanError::ShortestIsLonger { shortest: *shortest, longest: *longest })
            }
            Fault::Stalls { per_ten_thousand, .. } if *per_ten_thousand > 10_000 => {
                Err(PlanError::TooMany(*per_ten_thousand))
            }
            Fault::Bandwidth { bytes_per_second: 0, .. } => Err(PlanError::NoBandwidth),
            Fault::Pieces { longest: 0, .. } => Err(PlanError::NoPieces),
            Fault::Drift { ppm, .. } if !(-500_000..=500_000).contains(ppm) => Err(PlanError::Drift(*ppm)),
            Fault::Pause { process: ProcessId(0) } | Fault::Kill { process: ProcessId(0), .. } => {
                Err(PlanError::Main)
            }
            Fault::MoveLeader { partition, .. } if *partition < 0 => Err(PlanError::Partition(*partition)),
            _ => Ok(()),
        }
    }
}

impl Kind {
    /// What may be ordered for requests.
    const OF_REQUESTS: [Kind; 10] = [
        Kind::Delay,
        Kind::DelayAnswer,
        Kind::Throttle,
        Kind::ErrorCode,
        Kind::Answer,
        Kind::CloseBefore,
        Kind::CloseAfter,
        Kind::NeverAnswer,
        Kind::AnswerTwice,
        Kind::Corrupt,
    ];

    /// The kind of a request's fault by its name.
    pub(super) fn of_request(name: &str) -> Option<Kind> {
        Kind::OF_REQUESTS.into_iter().find(|kind| kind.to_string() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Latency => "latency",
            Kind::Stall => "stall",
            Kind::Bandwidth => "bandwidth",
            Kind::Pieces => "small pieces",
            Kind::Partition => "partition",
            Kind::LostRequests => "partition, requests only",
            Kind::LostAnswers => "partition, answers only",
            Kind::Refuse => "connect refused",
            Kind::BlackHole => "connect black-holed",
            Kind::DeafClient => "half-open, client deaf",
            Kind::DeafBroker => "half-open, broker deaf",
            Kind::Reset => "reset",
            Kind::CorruptRecords => "corrupt records",
            Kind::Stop => "broker stop",
            Kind::LostPageCache => "broker crash, page cache lost",
            Kind::Isolate => "broker isolated",
            Kind::SlowDisk => "slow disk",
            Kind::StallFollower => "follower stalled",
            Kind::MoveLeader => "leader move",
            Kind::Delay => "request delayed",
            Kind::DelayAnswer => "answer delayed",
            Kind::Throttle => "throttled",
            Kind::ErrorCode => "error code",
            Kind::Answer => "answered by user code",
            Kind::CloseBefore => "closed before serving",
            Kind::CloseAfter => "closed after serving",
            Kind::NeverAnswer => "never answered",
            Kind::AnswerTwice => "answered twice",
            Kind::Corrupt => "corrupt answer",
            Kind::Drift => "clock drift",
            Kind::WallJump => "wall clock jump",
            Kind::Pause => "process pause",
            Kind::Kill => "process kill",
            Kind::KillMachine => "machine kill",
        })
    }
}

/// What happens when; nothing, until told otherwise.
///
/// ```
/// use std::time::Duration;
/// use milena_conformance::sim::{Fault, FaultPlan, Options, Route, Way};
/// use milena_core::protocol::BrokerId;
///
/// let s = Duration::from_secs;
/// let mut options = Options::default();
/// options.faults = FaultPlan::default()
///     .at(s(1), Fault::Reset { route: Route::all() })
///     .between(s(2)..s(5), Fault::Partition { route: Route::all().to(BrokerId(1)), way: Way::Answers })
///     .between(s(3)..s(9), Fault::Crash { broker: BrokerId(1), lose_page_cache: false });
/// assert!(options.faults.check(options.cluster.nodes).is_ok());
/// assert!(options.faults.heals());
/// ```
#[derive(Clone, Debug, Default)]
pub struct FaultPlan {
    pub(super) planned: Vec<Planned>,
}

#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) from: Duration,
    /// `None`: it never ends, or it is a moment.
    pub(super) until: Option<Duration>,
    pub(super) fault: Fault,
}

impl FaultPlan {
    /// At this time; what lasts goes on until the world [heals](super::World::heal).
    #[must_use]
    pub fn at(self, from: Duration, fault: Fault) -> FaultPlan {
        self.with(Planned { from, until: None, fault })
    }

    /// From this time to that one, for what lasts.
    #[must_use]
    pub fn between(self, times: Range<Duration>, fault: Fault) -> FaultPlan {
        self.with(Planned { from: times.start, until: Some(times.end), fault })
    }

    fn with(mut self, planned: Planned) -> FaultPlan {
        let place = self.planned.partition_point(|before| before.from <= planned.from);
        self.planned.insert(place, planned);
        self
    }

    /// Whether it makes sense in a cluster of this many brokers.
    ///
    /// # Errors
    /// The first fault that does not.
    pub fn check(&self, nodes: u16) -> Result<(), PlanError> {
        for Planned { from, until, fault } in &self.planned {
            fault.check(nodes)?;
            match until {
                Some(until) if !fault.lasts() => {
                    return Err(PlanError::Moment { kind: fault.kind(), until: *until });
                }
                Some(until) if until <= from => {
                    return Err(PlanError::EndsBeforeStart {
                        kind: fault.kind(),
                        from: *from,
                        until: *until,
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The same, for a run that is to show that everything works again when all faults are over.
    ///
    /// # Errors
    /// Also for a fault that never ends.
    pub fn check_heals(&self, nodes: u16) -> Result<(), PlanError> {
        self.check(nodes)?;
        let endless = self.planned.iter().find(|planned| planned.fault.lasts() && planned.until.is_none());
        endless.map_or(Ok(()), |planned| Err(PlanError::NeverHeals(planned.fault.kind())))
    }

    /// Whether every fault ends by itself.
    pub fn heals(&self) -> bool {
        self.check_heals(u16::MAX).is_ok()
    }

    /// When the last fault begins or ends.
    pub fn end(&self) -> Duration {
        let ends = self.planned.iter().map(|planned| planned.until.unwrap_or(planned.from));
        ends.max().unwrap_or_default()
    }

    /// How many faults there are.
    pub fn len(&self) -> usize {
        self.planned.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.planned.is_empty()
    }

    /// The plan without what begins after its first so many faults.
    #[must_use]
    pub fn first(&self, count: usize) -> FaultPlan {
        FaultPlan { planned: self.planned[..count.min(self.len())].to_vec() }
    }

    /// The plan without one of its faults, counted from 0.
    #[must_use]
    pub fn without(&self, index: usize) -> FaultPlan {
        let mut plan = self.clone();
        if index < plan.len() {
            plan.planned.remove(index);
        }
        plan
    }

    /// The faults, in the order in which they begin.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.planned.iter().map(|planned| &planned.fault)
    }
}

impl fmt::Display for FaultPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Planned { from, until, fault } in &self.planned {
            write!(f, "{:>11.6} ", from.as_secs_f64())?;
            match until {
                Some(until) => writeln!(f, "until {:.6}: {fault:?}", until.as_secs_f64())?,
                None => writeln!(f, "{fault:?}")?,
            }
        }
        Ok(())
    }
}

/// Why a fault or a plan of them makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// It names a broker that the cluster does not have.
    UnknownBroker {
        /// The broker.
        broker: BrokerId,
        /// The cluster has those from 1 to this.
        nodes: u16,
    },
    /// It ends before it begins, or at once.
    EndsBeforeStart {
        /// What.
        kind: Kind,
        /// Its start.
        from: Duration,
        /// Its end.
        until: Duration,
    },
    /// It is a moment, but has an end.
    Moment {
        /// What.
        kind: Kind,
        /// The end that it cannot have.
        until: Duration,
    },
    /// It has no end, where everything is to work again at last.
    NeverHeals(Kind),
    /// The shortest time is longer than the longest.
    ShortestIsLonger {
        /// The one.
        shortest: Duration,
        /// The other.
        longest: Duration,
    },
    /// More than 10,000 of 10,000.
    TooMany(u64),
    /// A connection that carries nothing is a partition.
    NoBandwidth,
    /// Pieces of no bytes.
    NoPieces,
    /// A clock cannot be so fast or slow: 500,000 ppm at most.
    Drift(i64),
    /// Process 0, which everything starts in, can't be paused or killed.
    Main,
    /// No partition has such a number.
    Partition(i32),
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanError::UnknownBroker { broker, nodes } => {
                write!(f, "there is no broker {broker}: the cluster has those from 1 to {nodes}")
            }
            PlanError::EndsBeforeStart { kind, from, until } => {
                write!(f, "{kind}: ends at {until:?}, but begins at {from:?}")
            }
            PlanError::Moment { kind, until } => {
                write!(f, "{kind}: is a moment and can't last until {until:?}")
            }
            PlanError::NeverHeals(kind) => {
                write!(f, "{kind}: never ends, so nothing can be said about what works after it")
            }
            PlanError::ShortestIsLonger { shortest, longest } => {
                write!(f, "the shortest time, {shortest:?}, is longer than the longest, {longest:?}")
            }
            PlanError::TooMany(count) => write!(f, "{count} of 10,000 pieces are more than all"),
            PlanError::NoBandwidth => f.write_str("a bandwidth must be 1 byte a second or more"),
            PlanError::NoPieces => f.write_str("a piece has 1 byte or more"),
            PlanError::Drift(ppm) => write!(f, "a drift of {ppm} ppm is beyond 500,000"),
            PlanError::Main => f.write_str("process 0 is main's own and can't be paused or killed"),
            PlanError::Partition(partition) => write!(f, "there is no partition {partition}"),
        }
    }
}

impl std::error::Error for PlanError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_faults_are_known_by_the_clusters_names() {
        let s = Duration::from_secs;
        for fault in [
            RequestFault::Delay(s(1)),
            RequestFault::DelayAnswer(s(1)),
            RequestFault::Error(milena_core::protocol::ErrorCode::UNKNOWN_SERVER_ERROR),
            RequestFault::answer(|_: milena_core::protocol::FetchRequest| Default::default()),
            RequestFault::CloseBefore,
            RequestFault::CloseAfter,
            RequestFault::NeverAnswer,
            RequestFault::AnswerTwice,
            RequestFault::Corrupt,
        ] {
            let kind = Kind::of_request(fault.name());
            assert_eq!(kind, Some(Fault::Requests { requests: Requests::any(), fault }.kind()));
        }
    }

    #[test]
    fn a_plan_that_makes_no_sense_is_refused_by_name() {
        let s = Duration::from_secs;
        let route = Route::all();
        let to = |broker| route.to(BrokerId(broker));
        let plan = FaultPlan::default;
        for (plan, error) in [
            (
                plan().at(s(1), Fault::Reset { route: to(4) }),
                "no broker 4: the cluster has those from 1 to 3",
            ),
            (plan().at(s(1), Fault::Crash { broker: BrokerId(0), lose_page_cache: false }), "no broker 0"),
            (plan().between(s(2)..s(1), Fault::Refuse { route }), "refused: ends at 1s, but begins at 2s"),
            (plan().between(s(2)..s(2), Fault::Refuse { route }), "refused: ends at 2s, but begins at 2s"),
            (
                plan().between(s(1)..s(2), Fault::Reset { route }),
                "reset: is a moment and can't last until 2s",
            ),
            (
                plan().at(s(1), Fault::Stalls { route, per_ten_thousand: 10_001, longest: s(1) }),
                "10001 of 10,000",
            ),
            (
                plan().at(s(1), Fault::Latency { route, way: Way::Both, shortest: s(2), longest: s(1) }),
                "the shortest time, 2s, is longer",
            ),
            (
                plan().at(s(1), Fault::Bandwidth { route, way: Way::Both, bytes_per_second: 0 }),
                "1 byte a second",
            ),
            (plan().at(s(1), Fault::Pieces { route, longest: 0 }), "1 byte or more"),
            (plan().at(s(1), Fault::Drift { process: ProcessId(1), ppm: -600_000 }), "-600000 ppm"),
            (plan().at(s(1), Fault::Pause { process: ProcessId(0) }), "process 0"),
            (plan().at(s(1), Fault::MoveLeader { topic: "t".into(), partition: -1, to: BrokerId(1) }), "-1"),
        ] {
            let refused = plan.check(3).map_err(|error| error.to_string());
            assert!(refused.as_ref().is_err_and(|text| text.contains(error)), "{error}: {refused:?}");
        }
    }

    #[test]
    fn what_never_ends_can_be_planned_but_not_healed_from() {
        let s = Duration::from_secs;
        let plan = FaultPlan::default()
            .at(s(9), Fault::Partition { route: Route::all(), way: Way::Requests })
            .between(s(1)..s(3), Fault::Refuse { route: Route::all() })
            .at(s(2), Fault::Reset { route: Route::all() });
        assert_eq!(plan.check(1), Ok(()));
        assert_eq!(plan.check_heals(1), Err(PlanError::NeverHeals(Kind::LostRequests)));
        assert_eq!((plan.len(), plan.end(), plan.first(2).end()), (3, s(9), s(3)));
        assert!(plan.first(2).heals() && !plan.heals() && plan.without(2).heals());
        let kinds: Vec<_> = plan.without(0).faults().map(Fault::kind).collect();
        assert_eq!(kinds, [Kind::Reset, Kind::LostRequests]);
    }
}
