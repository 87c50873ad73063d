//! What a seed makes of a world for a user's code: the network's pace, and some trouble that ends.

use std::time::Duration;

use milena_core::protocol::{ApiKey, BrokerId};

use super::{Fault, FaultPlan, Options, Random, Route, Way};
use crate::cluster::{self, ClusterOptions, Requests};

const BROKERS: u16 = 3;

impl Options {
    /// What a seed makes of three brokers and this topic: a network of one pace or another, with or without stalls, and up
    /// to four faults that begin in the first twenty seconds and last up to ten. No record that was acknowledged by all
    /// in-sync replicas is lost by them.
    ///
    /// Any of it can be replaced: `Options { faults: FaultPlan::default(), ..Options::draw(seed, "orders", 3) }`.
    pub fn draw(seed: u64, topic: &str, partitions: i32) -> Self {
        let mut random = Random::new(seed).fork();
        let latency = random.pick(&[100, 1_000, 10_000, 100_000]);
        Options {
            cluster: ClusterOptions {
                nodes: BROKERS,
                topics: vec![(topic.to_owned(), partitions)],
                validate_records: true,
                seed,
                ..Default::default()
            },
            latency: (Duration::from_micros(latency / 10), Duration::from_micros(latency)),
            stalls: random.pick(&[0, 0, 20, 200]),
            faults: (0..random.within(0..=4))
                .fold(FaultPlan::default(), |plan, _| trouble(plan, &mut random, topic, partitions)),
            ..Default::default()
        }
    }
}

fn trouble(plan: FaultPlan, random: &mut Random, topic: &str, partitions: i32) -> FaultPlan {
    let from = random.duration(Duration::ZERO, Duration::from_secs(20));
    let until = from + random.duration(Duration::from_millis(1), Duration::from_secs(10));
    let broker = BrokerId(random.within(1..=u64::from(BROKERS)) as i32);
    let route = Route::all().to(broker);
    let way = random.pick(&[Way::Requests, Way::Answers, Way::Both]);
    match random.within(0..=5) {
        0 => plan.between(from..until, Fault::Crash { broker, lose_page_cache: false }),
        1 => plan.between(from..until, Fault::Partition { route, way }),
        2 => plan.between(from..until, Fault::Refuse { route }),
        3 => plan.at(from, Fault::Reset { route }),
        4 => {
            let partition = random.within(0..=partitions.max(1) as u64 - 1) as i32;
            plan.at(from, Fault::MoveLeader { topic: topic.to_owned(), partition, to: broker })
        }
        _ => {
            let requests = Requests::of(ApiKey::PRODUCE).at(broker);
            plan.at(from, Fault::Requests { requests, fault: cluster::Fault::CloseAfter })
        }
    }
}
