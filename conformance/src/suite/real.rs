//! Real brokers, shared by all runtimes: a conductor does once what many ask for at the same time.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use milena_core::protocol::describe_quorum::{PartitionData, TopicData};
use milena_core::protocol::{BrokerId, DescribeQuorumRequest, MetadataRequest};
use milena_core::{Config, Error};

use super::stage::{BROKERS, Stage, Ticket, Trouble};
use crate::kafka::Kafka;

/// After which brokers hang up on idle clients, and on those who wait for them so long: longer than what they do takes.
const IDLE: Duration = Duration::from_secs(6);
/// How much later they may notice.
const NOTICED: Duration = Duration::from_secs(2);
/// How long the first who asks for a trouble waits for the others.
const COMPANY: Duration = Duration::from_secs(3);

/// A running Kafka. It ends when this is dropped.
pub(super) struct Real {
    bootstrap: String,
    victim: BrokerId,
    /// Taken when it ends.
    orders: Option<Sender<(Trouble, Ticket)>>,
    conductor: Option<JoinHandle<()>>,
}

impl Drop for Real {
    /// The brokers' files are gone when this returns.
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.conductor.take().map(JoinHandle::join);
    }
}

impl Real {
    /// Starts it for so many runtimes.
    pub(super) fn start(release: &str, runtimes: usize) -> Result<Self, String> {
        let idle_ms = IDLE.as_millis().to_string();
        let builder = Kafka::builder().version(release).nodes(BROKERS);
        let kafka = builder.property("connections.max.idle.ms", idle_ms).start();
        let kafka = kafka.map_err(|error| error.to_string())?;
        let bootstrap = kafka.bootstrap();
        let victim = victim(&bootstrap).map_err(|error| format!("looking for the controller: {error}"))?;
        let (orders, taken) = mpsc::channel();
        let node = victim.0 as usize;
        let conductor = thread::spawn(move || Conductor { kafka, node, runtimes }.run(&taken));
        Ok(Real { bootstrap, victim, orders: Some(orders), conductor: Some(conductor) })
    }
}

impl Stage for Real {
    fn bootstrap(&self) -> String {
        self.bootstrap.clone()
    }

    fn victim(&self) -> BrokerId {
        self.victim
    }

    fn lacks(&self, trouble: Trouble) -> Option<&'static str> {
        (trouble == Trouble::Cut).then_some("real brokers hang up on idle clients only; see a_broker_crashes")
    }

    fn order(&self, trouble: Trouble) -> Ticket {
        let ticket = Ticket::default();
        let told = self.orders.as_ref().is_some_and(|orders| orders.send((trouble, ticket.clone())).is_ok());
        if !told {
            ticket.end(Err("the conductor is gone"));
        }
        ticket
    }
}

/// The first broker that is not the active controller: without that one, topics could be neither made nor moved.
fn victim(bootstrap: &str) -> Result<BrokerId, Error> {
    let client = milena_blocking::connect(Config::new(bootstrap)?)?;
    let partitions = vec![PartitionData::default()];
    let log = TopicData { topic_name: "__cluster_metadata".into(), partitions, ..Default::default() };
    let quorum = client.call(DescribeQuorumRequest { topics: vec![log], ..Default::default() });
    let controller = match quorum {
        // Of ZooKeeper's days: metadata tells it.
        Err(Error::Unsupported { .. }) => client.call(MetadataRequest::default())?.response.controller_id,
        quorum => quorum?.response.topics[0].partitions[0].leader_id,
    };
    let mut brokers = (1..=i32::from(BROKERS)).map(BrokerId);
    Ok(brokers.find(|broker| *broker != controller).expect("there are three"))
}

struct Conductor {
    kafka: Kafka,
    node: usize,
    runtimes: usize,
}

impl Conductor {
    fn run(mut self, orders: &Receiver<(Trouble, Ticket)>) {
        let mut next = None;
        while let Some((trouble, ticket)) = next.take().or_else(|| orders.recv().ok()) {
            let mut tickets = vec![ticket];
            let deadline = Instant::now() + COMPANY;
            while tickets.len() < self.runtimes {
                match orders.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                    Ok((same, ticket)) if same == trouble => tickets.push(ticket),
                    Ok(other) => {
                        next = Some(other);
                        break;
                    }
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
                }
            }
            let result = self.make(trouble, || tickets.iter().for_each(Ticket::begin));
            tickets.iter().for_each(|ticket| ticket.end(result.clone()));
        }
    }

    fn make(&mut self, trouble: Trouble, begun: impl FnOnce()) -> Result<(), String> {
        match trouble {
            Trouble::Crash(duration) => {
                self.kafka.kill(self.node);
                begun();
                thread::sleep(duration);
                return self.kafka.restart(self.node).map_err(|error| error.to_string());
            }
            Trouble::Pause(duration) => {
                self.kafka.pause(self.node);
                begun();
                thread::sleep(duration);
                self.kafka.resume(self.node);
            }
            Trouble::HangUp => {
                begun();
                thread::sleep(IDLE + NOTICED);
            }
            Trouble::Cut => return Err("not here".to_owned()),
        }
        Ok(())
    }
}
