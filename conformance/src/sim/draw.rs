//! What a seed makes of a world for a user's code: the network's pace, and some trouble that ends.

use std::time::Duration;

use super::trouble::{self, Stage};
use super::{Kind, Options, Random};
use crate::cluster::ClusterOptions;

const BROKERS: u16 = 3;
/// When the last fault has begun.
const TROUBLE: Duration = Duration::from_secs(20);
/// What every program has to live with. Refusals by error code, lost page caches, clocks and killed processes a program's
/// own plan may have.
const KINDS: [Kind; 17] = [
    Kind::Stall,
    Kind::Partition,
    Kind::LostRequests,
    Kind::LostAnswers,
    Kind::Refuse,
    Kind::BlackHole,
    Kind::DeafClient,
    Kind::DeafBroker,
    Kind::Reset,
    Kind::Stop,
    Kind::SlowDisk,
    Kind::StallFollower,
    Kind::MoveLeader,
    Kind::DelayAnswer,
    Kind::Throttle,
    Kind::CloseBefore,
    Kind::CloseAfter,
];

impl Options {
    /// What a seed makes of three brokers and this topic: a network of one pace or another, and faults of up to three kinds,
    /// which begin in the first twenty seconds and last about as long. No record that was acknowledged by all in-sync
    /// replicas is lost by them.
    ///
    /// Any of it can be replaced: `Options { faults: FaultPlan::default(), ..Options::draw(seed, "orders", 3) }`.
    pub fn draw(seed: u64, topic: &str, partitions: i32) -> Self {
        let mut random = Random::new(seed).fork();
        let latency = random.pick(&[100, 1_000, 10_000, 100_000]);
        let kinds: Vec<_> = (0..random.within(0..=3)).map(|_| random.pick(&KINDS)).collect();
        let stage =
            Stage { nodes: BROKERS, processes: 1, topic, partitions: partitions.max(1), end: TROUBLE };
        Options {
            cluster: ClusterOptions {
                nodes: BROKERS,
                topics: vec![(topic.to_owned(), partitions)],
                validate_records: true,
                seed,
                ..Default::default()
            },
            latency: (Duration::from_micros(latency / 10), Duration::from_micros(latency)),
            faults: trouble::draw(&mut random, &stage, &kinds),
            ..Default::default()
        }
    }
}
