//! What answers have told the machine: whom it may know of, and how many partitions there may be.
//!
//! It is never less than what the machine knows, and no more than what answers that reached it have named: metadata replace the
//! brokers, other answers add to them until then.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use milena_core::Address;
use milena_core::machine::RequestKind;
use milena_core::protocol::{
    ApiKey, BrokerId, FetchRequest, FindCoordinatorRequest, MetadataRequest, MetadataResponse,
    ProduceRequest, Request,
};
use milena_core::wire::Uuid;

use super::broker::Asked;

/// Whom a connection may lead to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    Seed(Address),
    Broker(BrokerId),
}

#[derive(Debug, Default)]
pub(super) struct Known {
    brokers: BTreeSet<(BrokerId, Address)>,
    /// The most partitions that any answer has named, of each topic.
    partitions: BTreeMap<String, usize>,
    ids: BTreeMap<String, Uuid>,
    /// The newest metadata named another topic of the same name.
    pub(super) is_other_topic: bool,
    /// Brokers were named with an address at least once.
    pub(super) is_known: bool,
}

/// What an answer's frame, without its length, says.
pub(super) fn decoded<R: Request>(asked: &Asked, frame: &Bytes) -> Option<R::Response> {
    RequestKind::of::<R>().decode(frame.clone(), asked.version).ok()?.take::<R>()
}

fn address(host: &str, port: i32) -> Option<Address> {
    Some(Address { host: host.to_owned(), port: u16::try_from(port).ok()? })
}

impl Known {
    /// How many brokers the machine may know of.
    pub(super) fn brokers(&self) -> usize {
        let mut ids: Vec<_> = self.brokers.iter().map(|(id, _)| *id).collect();
        ids.dedup();
        ids.len()
    }

    pub(super) fn partitions(&self, topic: &str) -> usize {
        self.partitions.get(topic).copied().unwrap_or(0)
    }

    /// All that may be meant by an address.
    pub(super) fn nodes_at(&self, seeds: &[Address], address: &Address) -> Vec<Node> {
        let seeds = seeds.iter().filter(|seed| *seed == address).cloned().map(Node::Seed);
        let brokers = self.brokers.iter().filter(|(_, at)| at == address);
        seeds.chain(brokers.map(|(id, _)| Node::Broker(*id))).collect()
    }

    /// Takes an answer that reaches the machine; if it is metadata, these are the brokers there are.
    pub(super) fn learn(&mut self, asked: &Asked, frame: &Bytes) -> Option<BTreeSet<BrokerId>> {
        match asked.key {
            ApiKey::METADATA => return self.replace(decoded::<MetadataRequest>(asked, frame)?),
            ApiKey::PRODUCE => {
                let answer = decoded::<ProduceRequest>(asked, frame);
                let named = answer.into_iter().flat_map(|answer| answer.node_endpoints);
                self.add(named.map(|named| (named.node_id, address(&named.host, named.port))));
            }
            ApiKey::FETCH => {
                let answer = decoded::<FetchRequest>(asked, frame);
                let named = answer.into_iter().flat_map(|answer| answer.node_endpoints);
                self.add(named.map(|named| (named.node_id, address(&named.host, named.port))));
            }
            ApiKey::FIND_COORDINATOR => {
                let answer = decoded::<FindCoordinatorRequest>(asked, frame)?;
                let only = (answer.node_id, address(&answer.host, answer.port));
                let each = answer.coordinators.iter().map(|one| (one.node_id, address(&one.host, one.port)));
                self.add(each.chain([only]));
            }
            _ => {}
        }
        None
    }

    fn add(&mut self, named: impl Iterator<Item = (BrokerId, Option<Address>)>) {
        self.brokers.extend(named.filter_map(|(id, address)| Some((id, address?))));
    }

    fn replace(&mut self, answer: MetadataResponse) -> Option<BTreeSet<BrokerId>> {
        if answer.brokers.is_empty() || !answer.error_code.is_ok() {
            return None;
        }
        self.is_other_topic = false;
        for topic in &answer.topics {
            let Some(name) = &topic.name else { continue };
            let most = self.partitions.entry(name.to_string()).or_default();
            *most = (*most).max(topic.partitions.len());
            let id = self.ids.insert(name.to_string(), topic.topic_id);
            self.is_other_topic |= id.is_some_and(|id| id != topic.topic_id);
        }
        let named = answer.brokers.iter().map(|one| (one.node_id, address(&one.host, one.port)));
        let named: BTreeSet<_> = named.filter_map(|(id, address)| Some((id, address?))).collect();
        let ids = named.iter().map(|(id, _)| *id).collect();
        // If none of them can be reached, connections to those before are kept for the time being.
        if !named.is_empty() {
            (self.brokers, self.is_known) = (named, true);
        }
        Some(ids)
    }
}
