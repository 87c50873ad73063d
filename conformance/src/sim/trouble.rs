//! Plans of faults by chance.
//!
//! What a plan may hold is bounded by what a client has to live with: a broker that lies (a gap where there is none, a
//! changed answer whose CRC nobody can check) would rightly cost records, so such faults are for users' plans only.

use std::time::Duration;

use milena_core::protocol::{ApiKey, BrokerId, ErrorCode};

use super::plan::{End, Fault, FaultPlan, Kind, ProcessId, Route, Way};
use crate::cluster::{Fault as RequestFault, Requests};
use crate::random::Random;

/// Faults that wait for requests when the trouble is over cost up to a request's time-out each.
const MOST_REQUESTS: usize = 12;
/// Of one kind.
const MOST_FAULTS: u64 = 16;
/// Losses of a page cache: with a second one, a record may have been on those two brokers only.
const MOST_LOSSES: u64 = 1;

/// Whom a plan is for.
pub(super) struct Stage<'a> {
    pub(super) nodes: u16,
    /// Processes 1 to this.
    pub(super) processes: u32,
    pub(super) topic: &'a str,
    pub(super) partitions: i32,
    /// Everything is over then.
    pub(super) end: Duration,
}

/// A plan of faults of these kinds, each of which comes now and then until the end.
pub(super) fn draw(random: &mut Random, stage: &Stage<'_>, kinds: &[Kind]) -> FaultPlan {
    let mut plan = FaultPlan::default();
    let mut requests = 0;
    for kind in kinds {
        let most = match kind {
            Kind::LostPageCache => MOST_LOSSES,
            Kind::Kill | Kind::KillMachine | Kind::Drift => 2,
            _ => MOST_FAULTS,
        };
        for _ in 0..random.of_any_size(4).min(most as usize) {
            let from = random.duration(Duration::ZERO, stage.end);
            let fault = stage.fault(*kind, random);
            if let Fault::Requests { .. } = fault {
                requests += 1;
                if requests > MOST_REQUESTS {
                    continue;
                }
            }
            if !fault.lasts() {
                plan = plan.at(from, fault);
                continue;
            }
            // Short ones are as likely as long ones.
            let longest = (stage.end.as_millis() as u64).max(2).ilog2();
            let lasts = Duration::from_millis(random.of_any_size(longest.into()) as u64);
            plan = plan.between(from..from + lasts, fault);
        }
    }
    plan
}

impl Stage<'_> {
    fn fault(&self, kind: Kind, random: &mut Random) -> Fault {
        let ms = Duration::from_millis;
        let route = self.route(random);
        let broker = self.broker(random);
        let process = ProcessId(random.within(1..=u64::from(self.processes)) as u32);
        let way = random.pick(&[Way::Both, Way::Requests, Way::Answers]);
        match kind {
            Kind::Latency => {
                let longest = ms(random.of_any_size(11) as u64);
                Fault::Latency { route, way, shortest: longest / 10, longest }
            }
            Kind::Stall => Fault::Stalls {
                route,
                per_ten_thousand: random.pick(&[20, 200, 2_000]),
                longest: ms(random.of_any_size(14) as u64),
            },
            Kind::Bandwidth => {
                Fault::Bandwidth { route, way, bytes_per_second: 1_000 + random.of_any_size(20) as u64 }
            }
            Kind::Pieces => Fault::Pieces { route, longest: 8 + random.of_any_size(7) },
            Kind::Partition => Fault::Partition { route, way: Way::Both },
            Kind::LostRequests => Fault::Partition { route, way: Way::Requests },
            Kind::LostAnswers => Fault::Partition { route, way: Way::Answers },
            Kind::Refuse => Fault::Refuse { route },
            Kind::BlackHole => Fault::BlackHole { route },
            Kind::DeafClient => Fault::HalfOpen { route, deaf: End::Client },
            Kind::DeafBroker => Fault::HalfOpen { route, deaf: End::Broker },
            Kind::Reset => Fault::Reset { route },
            Kind::CorruptRecords => Fault::CorruptRecords { route },
            Kind::Stop => Fault::Crash { broker, lose_page_cache: false },
            Kind::LostPageCache => Fault::Crash { broker, lose_page_cache: true },
            Kind::Isolate => Fault::Isolate { broker },
            Kind::SlowDisk => {
                let longest = ms(random.of_any_size(10) as u64);
                Fault::SlowDisk { broker, shortest: longest / 10, longest }
            }
            Kind::StallFollower => Fault::StallFollower { broker },
            Kind::MoveLeader => Fault::MoveLeader {
                topic: self.topic.to_owned(),
                partition: random.within(0..=self.partitions as u64 - 1) as i32,
                to: broker,
            },
            Kind::Drift => Fault::Drift { process, ppm: random.within(0..=40_000) as i64 - 20_000 },
            Kind::WallJump => Fault::WallJump { process, by_ms: random.within(0..=600_000) as i64 - 300_000 },
            Kind::Pause => Fault::Pause { process },
            Kind::Kill => Fault::Kill { process, machine: false },
            Kind::KillMachine => Fault::Kill { process, machine: true },
            Kind::Delay
            | Kind::DelayAnswer
            | Kind::Throttle
            | Kind::ErrorCode
            | Kind::Answer
            | Kind::CloseBefore
            | Kind::CloseAfter
            | Kind::NeverAnswer
            | Kind::AnswerTwice
            | Kind::Corrupt => {
                let (key, fault) = of_request(kind, random);
                Fault::Requests { requests: Requests::of(key), fault }
            }
        }
    }

    fn route(&self, random: &mut Random) -> Route {
        let mut route = Route::all();
        if random.percent(60) {
            route = route.to(self.broker(random));
        }
        if random.percent(40) {
            route = route.from(ProcessId(random.within(1..=u64::from(self.processes)) as u32));
        }
        route
    }

    fn broker(&self, random: &mut Random) -> BrokerId {
        BrokerId(random.within(1..=u64::from(self.nodes)) as i32)
    }
}

/// What may go wrong with a request. An error code is one that a real broker could give for it at any time, and that
/// the client is to live with.
fn of_request(kind: Kind, random: &mut Random) -> (ApiKey, RequestFault) {
    const KEYS: [ApiKey; 8] = [
        ApiKey::PRODUCE,
        ApiKey::PRODUCE,
        ApiKey::PRODUCE,
        ApiKey::FETCH,
        ApiKey::METADATA,
        ApiKey::LIST_OFFSETS,
        ApiKey::INIT_PRODUCER_ID,
        ApiKey::API_VERSIONS,
    ];
    let key = random.pick(&KEYS);
    let codes: &[ErrorCode] = match key {
        ApiKey::PRODUCE => &[
            ErrorCode::NOT_LEADER_OR_FOLLOWER,
            ErrorCode::REQUEST_TIMED_OUT,
            ErrorCode::NOT_ENOUGH_REPLICAS,
            ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
            ErrorCode::KAFKA_STORAGE_ERROR,
            ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        ],
        ApiKey::FETCH | ApiKey::LIST_OFFSETS => &[
            ErrorCode::NOT_LEADER_OR_FOLLOWER,
            ErrorCode::FENCED_LEADER_EPOCH,
            ErrorCode::UNKNOWN_LEADER_EPOCH,
            ErrorCode::KAFKA_STORAGE_ERROR,
            ErrorCode::OFFSET_NOT_AVAILABLE,
        ],
        ApiKey::METADATA => &[ErrorCode::LEADER_NOT_AVAILABLE],
        ApiKey::INIT_PRODUCER_ID => &[ErrorCode::COORDINATOR_LOAD_IN_PROGRESS],
        _ => &[],
    };
    let delay = random.duration(Duration::ZERO, Duration::from_secs(4));
    let fault = match kind {
        Kind::Delay => RequestFault::Delay(delay),
        Kind::DelayAnswer => RequestFault::DelayAnswer(delay),
        Kind::Throttle => RequestFault::Throttle(delay),
        Kind::CloseBefore => RequestFault::CloseBefore,
        Kind::NeverAnswer => RequestFault::NeverAnswer,
        Kind::AnswerTwice => RequestFault::AnswerTwice,
        // No scenario has this one, but for a test that has to fail.
        Kind::Corrupt => RequestFault::Corrupt,
        Kind::ErrorCode if !codes.is_empty() => RequestFault::Error(random.pick(codes)),
        _ => RequestFault::CloseAfter,
    };
    (key, fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plan_that_chance_makes_is_sound_and_heals() {
        let stage = Stage { nodes: 3, processes: 4, topic: "t", partitions: 2, end: Duration::from_secs(10) };
        for seed in 0..500 {
            let mut random = Random::new(seed);
            for kind in
                [Kind::Latency, Kind::Partition, Kind::Stop, Kind::Pause, Kind::MoveLeader, Kind::Drift]
            {
                let plan = draw(&mut random, &stage, &[kind, Kind::ErrorCode]);
                assert_eq!(plan.check_heals(3), Ok(()), "seed {seed}: {plan}");
                assert!(plan.faults().any(|fault| fault.kind() == kind));
            }
        }
    }
}
