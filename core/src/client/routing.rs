//! Where requests go: from a target to a broker, and to the connection that leads there.
//!
//! Rules:
//! - A request whose target is not known just now is parked until metadata or a coordinator's lookup tell, or until the
//!   one who waits for it gives up. Whoever sent it sees to that: nothing here has a deadline.
//! - It fails, as not sent, when the cluster said that there is no such target.
//! - What was parked or queued, and then given up, is not sent.

use super::Client;
use crate::cluster::coordinators::Key;
use crate::connection::{Answer, Connection, Failure, Lane, Node, Outgoing, Reply};
use crate::context::{Routed, Tag, Target};
use crate::error::Error;
use crate::protocol::api_versions::ApiVersionsRequest;
use crate::protocol::{ApiKey, ErrorCode, Request};
use crate::time::Now;

/// The way to a target.
enum Way {
    To(Node),
    Wait,
    Lost(Error),
}

impl Client {
    pub(super) fn route(&mut self, now: Now, routed: Routed) {
        if let Target::Leader { topic, .. } = &routed.target {
            self.cluster.keep(now.mono, topic);
            // Whoever asks anew would like to know how it is now.
            if self.cluster.leader(topic, 0).is_err() {
                self.cluster.ask_again(topic);
            }
        }
        self.route_by(now, routed, false);
    }

    /// `fresh`: the metadata are as new as they can be.
    fn route_by(&mut self, now: Now, routed: Routed, fresh: bool) {
        match self.way(now, &routed.target, fresh) {
            Way::To(node) => self.send(now, node, routed.lane, routed.outgoing),
            Way::Wait => drop(self.parked.insert(routed.outgoing.tag, routed)),
            Way::Lost(error) => self.fail_routed(routed, error),
        }
    }

    fn fail_routed(&mut self, routed: Routed, error: Error) {
        let result = Err(Failure { sent: false, error });
        self.replies.push(Reply { tag: routed.outgoing.tag, result });
    }

    fn way(&mut self, now: Now, target: &Target, fresh: bool) -> Way {
        if *target == Target::Any {
            return Way::To(self.cluster.node_to_ask(now.mono));
        }
        let asking = self.cluster.is_asking();
        let lost = match target {
            _ if !self.cluster.is_known() => None,
            Target::Coordinator { kind, key } => return self.way_to_coordinator(&(*kind, key.clone())),
            Target::Leader { topic, partition } => match self.cluster.leader(topic, *partition) {
                Ok(Some(leader)) => return Way::To(Node::Broker(leader)),
                Ok(None) => None,
                Err(error) => Some(error),
            },
            Target::Broker(id) => match self.cluster.address(Node::Broker(*id)) {
                Some(_) => return Way::To(Node::Broker(*id)),
                None => Some(Error::UnknownBroker { broker: *id }),
            },
            Target::Controller => match self.cluster.controller() {
                Some(id) => return Way::To(Node::Broker(id)),
                None => Some(Error::Rejected {
                    api: ApiKey::METADATA,
                    code: ErrorCode::BROKER_NOT_AVAILABLE,
                    message: Some("the metadata name no controller".to_owned()),
                })
                .filter(|_| fresh || !asking),
            },
            Target::Any => None,
        };
        if !asking {
            self.cluster.want_refresh();
        }
        lost.map_or(Way::Wait, Way::Lost)
    }

    fn way_to_coordinator(&mut self, key: &Key) -> Way {
        if let Some(broker) = self.coordinators.find(key)
            && self.cluster.address(Node::Broker(broker)).is_some()
        {
            return Way::To(Node::Broker(broker));
        }
        if let Some(lookup) = self.coordinators.look_up(key) {
            let outgoing = Outgoing {
                call: lookup.call,
                tag: Tag::Coordinator(lookup.id),
                versions: lookup.versions,
                timeout: self.config.request_timeout,
                answered: true,
            };
            self.requests.push(Routed { target: Target::Any, lane: Lane::General, outgoing });
        }
        Way::Wait
    }

    pub(super) fn on_coordinator(&mut self, now: Now, id: u64, result: Result<Option<Answer>, Failure>) {
        let Some(((kind, key), found)) = self.coordinators.on_reply(id, result) else { return };
        let error = match found {
            Ok((broker, address)) => {
                if self.cluster.address(Node::Broker(broker)) != Some(&address) {
                    self.cluster.learn(broker, address);
                    self.retire_connections(now);
                }
                None
            }
            Err(error) => Some(error),
        };
        let target = Target::Coordinator { kind, key };
        let waiting = self.parked.iter().filter(|(_, routed)| routed.target == target);
        let waiting: Vec<Tag> = waiting.map(|(tag, _)| *tag).collect();
        for routed in waiting.iter().filter_map(|tag| self.parked.remove(tag)).collect::<Vec<_>>() {
            match &error {
                Some(error) => self.fail_routed(routed, error.clone()),
                None => self.route_by(now, routed, true),
            }
        }
    }

    /// New metadata came: what waits for them looks again.
    pub(super) fn unpark(&mut self, now: Now) {
        for routed in std::mem::take(&mut self.parked).into_values() {
            self.route_by(now, routed, true);
        }
    }

    /// No bootstrap server will ever do.
    pub(super) fn fail_parked(&mut self, now: Now) {
        let Some(error) = self.trouble(now) else { return };
        for routed in std::mem::take(&mut self.parked).into_values() {
            self.fail_routed(routed, error.clone());
        }
    }

    /// What led to this target is out of date.
    pub(super) fn doubt(&mut self, target: &Target) {
        match target {
            Target::Coordinator { kind, key } => self.coordinators.forget(&(*kind, key.clone())),
            Target::Leader { topic, .. } => self.cluster.doubt_leaders(topic),
            Target::Controller => self.cluster.doubt_controller(),
            Target::Any | Target::Broker(_) => self.cluster.want_refresh(),
        }
    }

    /// Takes a request back that no connection has sent yet.
    pub(super) fn take_back(&mut self, now: Now, tag: Tag) {
        let had = self.connections.iter_mut().find_map(|(id, c)| c.take_back(&tag).then_some(*id));
        if let Some(id) = had {
            self.touch(now, id);
        }
    }

    pub(super) fn send(&mut self, now: Now, node: Node, lane: Lane, outgoing: Outgoing<Tag>) {
        let id = match self.lanes.get(&(node, lane)) {
            Some(id) => *id,
            None => {
                let Some(address) = self.cluster.address(node).cloned() else { return };
                let id = self.next_connection;
                self.next_connection += 1;
                let negotiate_at = match self.negotiate_at_zero.contains(&node) {
                    true => 0,
                    false => ApiVersionsRequest::STABLE,
                };
                let connect_at = self.cluster.rest(node);
                let connection =
                    Connection::new(self.config.clone(), connect_at, node, lane, address, negotiate_at);
                self.connections.insert(id, connection);
                self.lanes.insert((node, lane), id);
                id
            }
        };
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.queue(now.mono, outgoing);
        }
        self.touch(now, id);
    }
}
