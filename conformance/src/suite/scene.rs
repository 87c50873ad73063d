//! What a scenario has in its hands: a place, a stage, topics of its own, and the ways to say that something is wrong.

use std::fmt::Debug;
use std::panic::Location;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use milena_core::protocol::{BrokerId, ErrorCode, MetadataRequest};
use milena_core::{Call, Config, Error, Message, NewTopic, ReaderConfig, Until};

use super::place::Place;
use super::stage::{BROKERS, Stage, Ticket, Trouble};
use crate::face::{Client, Reader};

/// Why a scenario does not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Something is wrong.
    Failed(String),
    /// It can't be had here, and why.
    NotHere(&'static str),
}

pub(super) type Outcome<T = ()> = Result<T, Stop>;

impl<E: std::error::Error> From<E> for Stop {
    #[track_caller]
    fn from(error: E) -> Self {
        failed(error.to_string())
    }
}

/// What is wrong, and where it was noticed.
#[track_caller]
pub(super) fn failed(what: impl AsRef<str>) -> Stop {
    let location = Location::caller();
    Stop::Failed(format!("{} ({}:{})", what.as_ref(), location.file(), location.line()))
}

/// Fails unless the two are equal.
#[track_caller]
pub(super) fn same<T: PartialEq<U> + Debug, U: Debug>(what: &str, got: T, wanted: U) -> Outcome {
    match got == wanted {
        true => Ok(()),
        false => Err(failed(format!("{what}: {got:?}, expected {wanted:?}"))),
    }
}

/// Fails unless it holds; `got` is shown then.
#[track_caller]
pub(super) fn holds(what: &str, it_does: bool, got: impl Debug) -> Outcome {
    match it_does {
        true => Ok(()),
        false => Err(failed(format!("{what}: {got:?}"))),
    }
}

/// What a scenario is doing just now, for the report if it never ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Step(Arc<Mutex<&'static str>>);

impl Step {
    pub(super) fn set(&self, step: &'static str) {
        *self.0.lock().expect("nobody panics with it") = step;
    }

    pub(super) fn name(&self) -> &'static str {
        match *self.0.lock().expect("nobody panics with it") {
            "" => "beginning",
            step => step,
        }
    }
}

/// What differs between two runs of a scenario at one place.
#[derive(Clone)]
pub(super) struct Setting {
    pub(super) stage: Arc<dyn Stage>,
    /// What the names of its topics begin with.
    pub(super) name: String,
    pub(super) step: Step,
}

/// A run of a scenario. Clones are the same run, for its tasks.
#[derive(Clone)]
pub(super) struct Scene<P> {
    pub(super) place: P,
    setting: Setting,
    topics: Arc<AtomicU32>,
}

impl<P: Place> Scene<P> {
    pub(super) fn new(place: P, setting: Setting) -> Self {
        Scene { place, setting, topics: Arc::default() }
    }

    /// Says what is being done now.
    pub(super) fn step(&self, step: &'static str) {
        self.setting.step.set(step);
    }

    /// The usual settings, but for a patience that brokers on a loaded machine need with new topics.
    pub(super) fn config(&self) -> Outcome<Config> {
        let mut config = Config::new(&self.setting.stage.bootstrap())?;
        config.topic_grace = Duration::from_secs(20);
        Ok(config)
    }

    pub(super) fn client(&self) -> Outcome<P::Client> {
        Ok(self.place.client(self.config()?)?)
    }

    /// A name for a topic that nobody else has.
    pub(super) fn name(&self) -> String {
        format!("{}-{}", self.setting.name, self.topics.fetch_add(1, Ordering::Relaxed))
    }

    /// A topic with so many partitions, on all brokers.
    pub(super) async fn topic(&self, client: &P::Client, partitions: i32) -> Outcome<String> {
        let name = self.name();
        let mut lost = 0;
        loop {
            match client.create_topic(on_all_brokers(&name, partitions)).await {
                // Brokers take a request that waits for long for an idle connection; it is done all the same.
                Err(Error::Connection { .. }) if lost < 5 => lost += 1,
                Err(error) if lost > 0 && code(&error) == Some(ErrorCode::TOPIC_ALREADY_EXISTS) => {
                    return Ok(name);
                }
                result => return Ok(result.map(|()| name)?),
            }
        }
    }

    pub(super) async fn sleep(&self, duration: Duration) {
        self.place.sleep(duration).await;
    }

    /// The next record; an error if none comes for so long.
    pub(super) async fn next(&self, reader: &mut impl Reader, limit: Duration) -> Outcome<Message> {
        match self.next_within(reader, limit).await {
            Some(Some(next)) => Ok(next?),
            Some(None) => Err(failed("the reader ended, expected a record")),
            None => Err(failed(format!("no record came within {limit:?}"))),
        }
    }

    /// What the reader returns within this time.
    pub(super) async fn next_within(
        &self,
        reader: &mut impl Reader,
        limit: Duration,
    ) -> Option<Option<Result<Message, Error>>> {
        reader.next_within(limit, self.place.sleep(limit)).await
    }

    /// All that a topic has.
    pub(super) async fn read_all(&self, client: &P::Client, topic: &str) -> Outcome<Vec<Message>> {
        let mut config = ReaderConfig::new(topic);
        config.until = Until::End;
        let mut reader = client.reader(config)?;
        let mut messages = Vec::new();
        while let Some(message) = reader.next().await {
            messages.push(message?);
        }
        Ok(messages)
    }

    /// Who leads each partition of a topic, and all who have it; waits until there is a leader for each.
    pub(super) async fn leaders(
        &self,
        client: &P::Client,
        topic: &str,
    ) -> Outcome<Vec<(BrokerId, Vec<BrokerId>)>> {
        for _ in 0..100 {
            let asked = milena_core::protocol::metadata::MetadataRequestTopic {
                name: Some(topic.into()),
                ..Default::default()
            };
            let request = MetadataRequest { topics: Some(vec![asked]), ..Default::default() };
            let mut answer = client.call(Call::new(request).repeatable()).await?.response;
            let Some(mut found) = answer.topics.pop() else { return Err(failed("no topic in the metadata")) };
            found.partitions.sort_by_key(|partition| partition.partition_index);
            let leaders: Vec<_> = found
                .partitions
                .iter()
                .map(|partition| (partition.leader_id, partition.replica_nodes.iter().collect()))
                .collect();
            if found.error_code.is_ok()
                && !leaders.is_empty()
                && leaders.iter().all(|(leader, _)| leader.0 >= 0)
            {
                return Ok(leaders);
            }
            self.sleep(Duration::from_millis(100)).await;
        }
        Err(failed("a partition has no leader for ten seconds"))
    }

    pub(super) fn victim(&self) -> BrokerId {
        self.setting.stage.victim()
    }

    /// Ends the scenario where this trouble can't be had.
    pub(super) fn needs(&self, trouble: Trouble) -> Outcome {
        self.setting.stage.lacks(trouble).map_or(Ok(()), |why| Err(Stop::NotHere(why)))
    }

    /// Ends the scenario where clients can't talk to other peers.
    pub(super) fn needs_peers(&self) -> Outcome {
        self.setting.stage.lacks_peers().map_or(Ok(()), |why| Err(Stop::NotHere(why)))
    }

    /// Puts the cluster to a trouble, from its beginning to its end.
    pub(super) async fn trouble(&self, trouble: Trouble) -> Outcome {
        let ticket = self.begin(trouble).await;
        self.end(ticket).await
    }

    /// Orders a trouble, and waits until it has begun.
    pub(super) async fn begin(&self, trouble: Trouble) -> Ticket {
        let ticket = self.setting.stage.order(trouble);
        while !ticket.has_begun() {
            self.sleep(MOMENT).await;
        }
        ticket
    }

    /// Waits until it is over.
    pub(super) async fn end(&self, trouble: Ticket) -> Outcome {
        loop {
            match trouble.outcome() {
                Some(Ok(())) => return Ok(()),
                Some(Err(error)) => return Err(failed(format!("the trouble itself failed: {error}"))),
                None => self.sleep(MOMENT).await,
            }
        }
    }
}

/// Between two looks at what takes its time.
const MOMENT: Duration = Duration::from_millis(10);

/// A topic to be created, as the scenarios' topics are.
pub(super) fn on_all_brokers(name: &str, partitions: i32) -> NewTopic {
    let mut topic = NewTopic::new(name, partitions);
    topic.replication_factor = BROKERS as i16;
    topic
}

/// The code of a refusal.
pub(super) fn code(error: &Error) -> Option<ErrorCode> {
    match error {
        Error::Rejected { code, .. } => Some(*code),
        _ => None,
    }
}
