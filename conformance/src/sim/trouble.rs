//! What goes wrong, and when it ends.

use std::time::Duration;

use milena_core::protocol::{ApiKey, BrokerId, ErrorCode};

use super::{Random, World};
use crate::cluster::Fault;

/// A kind of trouble.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble {
    /// Leaders move.
    Leaders,
    /// Brokers stop and start.
    Brokers,
    /// Connections are reset.
    Connections,
    /// Requests are delayed, refused, or not answered.
    Answers,
}

/// Faults that wait for requests when the trouble is over cost up to a request's time-out each.
const MOST_FAULTS: usize = 12;

/// Causes it until `end`, and mends it then.
pub(super) async fn cause(
    trouble: Trouble,
    topic: &'static str,
    world: World,
    mut random: Random,
    end: Duration,
) {
    let nodes: Vec<BrokerId> = world.cluster(|cluster| cluster.brokers().map(|(id, _)| id).collect());
    let longest = random.pick(&[50, 500, 3_000]);
    let mut ordered = 0;
    while world.now() < end {
        let pause = random.duration(Duration::ZERO, Duration::from_millis(longest));
        world.sleep(pause.min(end.saturating_sub(world.now()))).await;
        match trouble {
            Trouble::Leaders => {
                let (partition, to) = (random.within(0..=5) as i32, random.pick(&nodes));
                if world.cluster(|cluster| cluster.move_leader(topic, partition, to)) {
                    world.note(format!("partition {partition} moves to {to}"));
                }
            }
            Trouble::Brokers => {
                let broker = random.pick(&nodes);
                if world.cluster(|cluster| cluster.stop_broker(broker)) {
                    world.note(format!("broker {broker} stops"));
                } else {
                    world.cluster(|cluster| cluster.start_broker(broker));
                    world.note(format!("broker {broker} starts"));
                }
            }
            Trouble::Connections => {
                world.note("all connections are reset");
                world.drop_connections();
            }
            // What is not met by then is met during the healing: it must be little enough for that.
            Trouble::Answers if ordered == MOST_FAULTS => return,
            Trouble::Answers => {
                ordered += 1;
                let (key, fault) = fault(&mut random);
                world.note(format!("the next {key} will meet {fault:?}"));
                world.cluster(|cluster| cluster.on_request(key, fault));
            }
        }
    }
    for broker in nodes {
        world.cluster(|cluster| cluster.start_broker(broker));
    }
}

/// What may go wrong with a request. An error code is one that a real broker could give for it at any time, and that
/// the client is to live with: a lie (a gap where there is none) would rightly cost records.
fn fault(random: &mut Random) -> (ApiKey, Fault) {
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
    let fault = match random.within(0..=9) {
        0 => Fault::Delay(delay),
        1 => Fault::DelayAnswer(delay),
        2 => Fault::CloseBefore,
        3 | 4 => Fault::CloseAfter,
        5 => Fault::NeverAnswer,
        _ if codes.is_empty() => Fault::CloseAfter,
        _ => Fault::Error(random.pick(codes)),
    };
    (key, fault)
}
