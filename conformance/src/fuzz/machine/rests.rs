//! What has failed is left alone for a moment: brokers that could not be reached, and each piece of work of which an answer said
//! that it failed, or whose connection ended.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use milena_core::machine::{ConnId, ReaderId, WriterId};
use milena_core::protocol::{
    ApiKey, BrokerId, ErrorCode, FetchRequest, InitProducerIdRequest, ListOffsetsRequest, MetadataRequest,
    ProduceRequest,
};
use milena_core::wire::Uuid;
use milena_core::{Address, Instant};

use super::broker::Asked;
use super::drive::MOMENT;
use super::known::{Node, decoded};

/// Codes after which a batch is sent again, and not at once.
const AGAIN: [i16; 8] = [3, 5, 6, 7, 9, 19, 20, 56];

/// What is asked for again when it fails.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Work {
    /// Of a writer: its topic (name and id, one of which the version has) and partition.
    Write(WriterId, String, i32),
    Read(ReaderId, i32),
    Identity(WriterId),
    /// From whoever listens there.
    Metadata(Address),
}

/// Something that failed.
#[derive(Debug)]
struct Failed {
    at: Instant,
    /// So many of its kind were on their way before it failed: they wait no longer for that.
    waiting: usize,
}

impl Failed {
    fn is_recent(&self, now: Instant) -> bool {
        now < self.at + MOMENT
    }

    /// It is tried again: whether that is too soon.
    fn is_too_soon(&mut self, now: Instant) -> bool {
        let is_new = self.waiting == 0;
        self.waiting = self.waiting.saturating_sub(1);
        is_new && self.is_recent(now)
    }
}

/// Who alone reads and who alone writes, so that requests are known to be theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Alone {
    pub(super) writer: Option<WriterId>,
    pub(super) reader: Option<ReaderId>,
}

/// Requests about a partition that a reader awaits answers to.
#[derive(Debug, Default)]
struct Reading {
    open: BTreeSet<(ConnId, i32)>,
    /// There were several at once, to two leaders: an answer to one of them may make another count for nothing.
    is_mixed: bool,
}

#[derive(Debug, Default)]
pub(super) struct Rests {
    nodes: BTreeMap<Node, Failed>,
    work: BTreeMap<Work, Failed>,
    reading: BTreeMap<(ReaderId, i32), Reading>,
}

impl Rests {
    /// A broker could not be reached, while so many connections wait to be made.
    pub(super) fn node_failed(&mut self, node: Node, at: Instant, waiting: usize) {
        self.nodes.insert(node, Failed { at, waiting });
    }

    pub(super) fn node_is_back(&mut self, node: &Node) {
        self.nodes.remove(node);
    }

    /// Metadata came: brokers that have left are forgotten. Of connections that wait to be made it is not known any more whose
    /// they are.
    pub(super) fn on_metadata(&mut self, brokers: &BTreeSet<BrokerId>, waiting: usize) {
        self.nodes.retain(|node, _| match node {
            Node::Seed(_) => true,
            Node::Broker(id) => brokers.contains(id),
        });
        self.nodes.values_mut().for_each(|failed| failed.waiting += waiting);
    }

    /// Requests may be about a topic that is another one now: answers to them may count for nothing.
    pub(super) fn on_other_topic(&mut self) {
        self.reading.values_mut().for_each(|reading| reading.is_mixed |= !reading.open.is_empty());
    }

    /// A connection is asked for, which leads to one of these.
    pub(super) fn on_connect(&mut self, now: Instant, nodes: &[Node]) {
        let has_failed = |node: &&Node| self.nodes.get(node).is_some_and(|failed| failed.is_recent(now));
        let Some(first) = nodes.first().filter(|_| nodes.iter().all(|node| has_failed(&node))) else {
            return;
        };
        let waiting = nodes.iter().find(|node| self.nodes[node].waiting > 0);
        let failed = self.nodes.get_mut(waiting.unwrap_or(first)).expect("it failed");
        let at = failed.at;
        assert!(!failed.is_too_soon(now), "{nodes:?} failed at {at:?}, and is connected to again at {now:?}");
    }

    /// A request leaves: it is about these pieces of work.
    pub(super) fn on_request(&mut self, now: Instant, (conn, asked): (ConnId, &Asked), work: &[Work]) {
        for work in work {
            if let Work::Read(reader, partition) = work {
                let reading = self.reading.entry((*reader, *partition)).or_default();
                reading.is_mixed = !reading.open.is_empty();
                reading.open.insert((conn, asked.correlation));
            }
            let Some(failed) = self.work.get_mut(work) else { continue };
            let (at, key) = (failed.at, asked.key);
            assert!(
                !failed.is_too_soon(now),
                "{work:?} failed at {at:?}, and is tried again at {now:?} with {key:?}"
            );
        }
    }

    /// A request's answer comes, or its connection has ended. So many requests wait to be sent: they may be about the same.
    pub(super) fn on_outcome(
        &mut self,
        (now, waiting): (Instant, usize),
        (conn, asked): (ConnId, &Asked),
        work: Vec<Work>,
        answer: Option<&Bytes>,
    ) {
        let refused = answer.map_or(Refused::All, |frame| refused(asked, frame));
        for work in work {
            if let Work::Read(reader, partition) = work {
                let reading = self.reading.entry((reader, partition)).or_default();
                if !reading.open.remove(&(conn, asked.correlation)) || reading.is_mixed {
                    continue;
                }
            }
            let has_failed = match (&refused, &work) {
                (Refused::Nothing, _) => false,
                (Refused::All, _) => true,
                (Refused::Parts(parts), Work::Write(_, topic, partition)) => {
                    parts.contains(&(topic.clone(), *partition))
                }
                (Refused::Parts(parts), Work::Read(_, partition)) => {
                    parts.contains(&(String::new(), *partition))
                }
                (Refused::Parts(_), Work::Identity(_) | Work::Metadata(_)) => false,
            };
            if has_failed {
                self.work.insert(work, Failed { at: now, waiting });
            } else if let Work::Metadata(_) = work {
                // Whoever failed to tell them may be asked at once for what is wanted next.
                self.work.retain(|work, _| !matches!(work, Work::Metadata(_)));
            }
        }
    }
}

fn topic_of(name: &str, id: Uuid) -> String {
    format!("{name} {id:?}")
}

/// What a request to this address is about, as far as it is known whose it is.
pub(super) fn work_of(address: &Address, alone: Alone, asked: &Asked) -> Vec<Work> {
    match (asked.key, alone) {
        (ApiKey::METADATA, _) => vec![Work::Metadata(address.clone())],
        (ApiKey::INIT_PRODUCER_ID, Alone { writer: Some(writer), .. }) => vec![Work::Identity(writer)],
        (ApiKey::PRODUCE, Alone { writer: Some(writer), .. }) => {
            let request = asked.request::<ProduceRequest>();
            let topics = request.topic_data.iter().filter(|_| request.acks != 0);
            let parts = topics.flat_map(|topic| {
                let name = topic_of(&topic.name, topic.topic_id);
                topic.partition_data.iter().map(move |data| Work::Write(writer, name.clone(), data.index))
            });
            parts.collect()
        }
        (ApiKey::FETCH, Alone { reader: Some(reader), .. }) => {
            let topics = asked.request::<FetchRequest>().topics;
            let parts = topics.iter().flat_map(|topic| &topic.partitions);
            parts.map(|part| Work::Read(reader, part.partition)).collect()
        }
        (ApiKey::LIST_OFFSETS, Alone { reader: Some(reader), .. }) => {
            let topics = asked.request::<ListOffsetsRequest>().topics;
            let parts = topics.iter().flat_map(|topic| &topic.partitions);
            parts.map(|part| Work::Read(reader, part.partition_index)).collect()
        }
        _ => Vec::new(),
    }
}

/// What an answer refuses for a reason that passes.
enum Refused {
    Nothing,
    All,
    /// Topics, empty for a reader's, and partitions.
    Parts(Vec<(String, i32)>),
}

impl Refused {
    /// A partition that is named twice is none that can be told of.
    fn parts(codes: Vec<(String, i32, ErrorCode)>, is_passing: impl Fn(ErrorCode) -> bool) -> Refused {
        let is_single = |topic: &String, partition: i32| {
            codes.iter().filter(|(other, index, _)| (other, *index) == (topic, partition)).count() == 1
        };
        let refused =
            codes.iter().filter(|(topic, partition, code)| is_passing(*code) && is_single(topic, *partition));
        Refused::Parts(refused.map(|(topic, partition, _)| (topic.clone(), *partition)).collect())
    }

    fn all_if(is_refused: bool) -> Refused {
        if is_refused { Refused::All } else { Refused::Nothing }
    }
}

fn refused(asked: &Asked, frame: &Bytes) -> Refused {
    refused_if_read(asked, frame).unwrap_or(Refused::Nothing)
}

fn refused_if_read(asked: &Asked, frame: &Bytes) -> Option<Refused> {
    let any = |code: ErrorCode| !code.is_ok();
    Some(match asked.key {
        ApiKey::METADATA => {
            let answer = decoded::<MetadataRequest>(asked, frame)?;
            Refused::all_if(answer.brokers.is_empty() || any(answer.error_code))
        }
        ApiKey::INIT_PRODUCER_ID => {
            let answer = decoded::<InitProducerIdRequest>(asked, frame)?;
            Refused::all_if(any(answer.error_code) || answer.producer_id.0 < 0 || answer.producer_epoch < 0)
        }
        ApiKey::PRODUCE => {
            let answer = decoded::<ProduceRequest>(asked, frame)?;
            let parts = answer.responses.iter().flat_map(|topic| {
                let name = topic_of(&topic.name, topic.topic_id);
                topic.partition_responses.iter().map(move |part| (name.clone(), part.index, part.error_code))
            });
            Refused::parts(parts.collect(), |code| AGAIN.contains(&code.0))
        }
        ApiKey::FETCH => {
            let request = asked.request::<FetchRequest>();
            let answer = decoded::<FetchRequest>(asked, frame)?;
            if any(answer.error_code) {
                return Some(Refused::All);
            }
            let is_asked_for = |name: &str, id| {
                request.topics.iter().any(|topic| *topic.topic == *name && topic.topic_id == id)
            };
            let topics = answer.responses.iter().filter(|topic| is_asked_for(&topic.topic, topic.topic_id));
            let parts = topics.flat_map(|topic| &topic.partitions);
            let codes = parts.map(|part| (String::new(), part.partition_index, part.error_code));
            Refused::parts(codes.collect(), any)
        }
        ApiKey::LIST_OFFSETS => {
            let answer = decoded::<ListOffsetsRequest>(asked, frame)?;
            let parts = answer.topics.iter().flat_map(|topic| &topic.partitions);
            let codes = parts.map(|part| (String::new(), part.partition_index, part.error_code));
            Refused::parts(codes.collect(), any)
        }
        _ => Refused::Nothing,
    })
}
