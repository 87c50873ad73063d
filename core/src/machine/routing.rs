//! Where requests go: from a target to a broker, and to the connection that leads there.
//!
//! Rules:
//! - A request whose target is not known just now is parked until metadata or a coordinator's lookup tell, or until the
//!   one who waits for it gives up. Whoever sent it sees to that: nothing here has a deadline.
//! - It fails, as not sent, when the cluster said that there is no such target.
//! - What was parked or queued, and then given up, is not sent.

use super::subject::Tag;
use super::{AnyAnswer, Failure, Machine, Outgoing, Reply};
use crate::cluster::coordinators::Key;
use crate::cluster::{Lane, Node, Target};
use crate::config::MAX_TOPIC_BYTES;
use crate::context::Routed;
use crate::error::Error;
use crate::protocol::{ApiKey, ErrorCode};
use crate::time::Now;

/// The way to a target.
enum Way {
    To(Node),
    Wait,
    Lost(Error),
}

impl Machine {
    pub(super) fn route(&mut self, now: Now, routed: Routed<Tag>) {
        if let Target::Leader { topic, .. } = &routed.target {
            // No request could name it, not even that for metadata, which names all.
            if topic.len() > MAX_TOPIC_BYTES {
                let code = ErrorCode::INVALID_TOPIC_EXCEPTION;
                let message = Some(format!("a topic's name has {MAX_TOPIC_BYTES} bytes at most"));
                return self.fail_routed(routed, Error::Rejected { api: ApiKey::METADATA, code, message });
            }
            self.shared.cluster.keep(now.mono, topic);
            // Whoever asks anew would like to know how it is now.
            if self.shared.cluster.leader(topic, 0).is_err() {
                self.shared.cluster.ask_again(topic);
            }
        }
        self.route_by(now, routed, false);
    }

    /// `fresh`: the metadata are as new as they can be.
    fn route_by(&mut self, now: Now, routed: Routed<Tag>, fresh: bool) {
        match self.way(now, &routed.target, fresh) {
            Way::To(node) => self.send(now, node, routed.lane, routed.outgoing),
            Way::Wait => drop(self.parked.insert(routed.outgoing.tag, routed)),
            Way::Lost(error) => self.fail_routed(routed, error),
        }
    }

    fn fail_routed(&mut self, routed: Routed<Tag>, error: Error) {
        let result = Err(Failure { sent: false, error });
        self.replies.push(Reply { tag: routed.outgoing.tag, result });
    }

    fn way(&mut self, now: Now, target: &Target, fresh: bool) -> Way {
        if *target == Target::Any {
            return Way::To(self.shared.cluster.node_to_ask(now.mono));
        }
        let asking = self.shared.cluster.is_asking();
        let lost = match target {
            _ if !self.shared.cluster.is_known() => None,
            Target::Coordinator { kind, key } => return self.way_to_coordinator(&(*kind, key.clone())),
            Target::Leader { topic, partition } => match self.shared.cluster.leader(topic, *partition) {
                Ok(Some(leader)) => return Way::To(Node::Broker(leader)),
                Ok(None) => None,
                Err(error) => Some(error),
            },
            Target::Broker(id) if self.cluster().has_broker(*id) => return Way::To(Node::Broker(*id)),
            Target::Broker(id) => Some(Error::UnknownBroker { broker: *id }),
            Target::Controller => match self.shared.cluster.controller() {
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
            self.shared.cluster.want_refresh();
        }
        lost.map_or(Way::Wait, Way::Lost)
    }

    fn way_to_coordinator(&mut self, key: &Key) -> Way {
        if let Some(broker) = self.coordinators.find(key)
            && self.cluster().has_broker(broker)
        {
            return Way::To(Node::Broker(broker));
        }
        if let Some(lookup) = self.coordinators.look_up(key) {
            let outgoing = Outgoing {
                request: lookup.request,
                tag: Tag::Coordinator(lookup.id),
                versions: lookup.versions,
                timeout: self.config.request_timeout,
                answered: true,
            };
            self.shared.requests.push(Routed { target: Target::Any, lane: Lane::General, outgoing });
        }
        Way::Wait
    }

    pub(super) fn on_coordinator(&mut self, now: Now, id: u64, result: Result<Option<AnyAnswer>, Failure>) {
        let Some(((kind, key), found)) = self.coordinators.on_reply(id, result) else { return };
        let error = match found {
            Ok((broker, address)) => {
                if self.shared.cluster.address(Node::Broker(broker)) != Some(&address) {
                    self.shared.cluster.learn(broker, address);
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
            Target::Leader { topic, .. } => self.shared.cluster.doubt_leaders(topic),
            Target::Controller => self.shared.cluster.doubt_controller(),
            Target::Any | Target::Broker(_) => self.shared.cluster.want_refresh(),
        }
    }

    /// It was on its way to a broker that the cluster no longer has.
    pub(super) fn fail_homeless(&mut self, node: Node, outgoing: Outgoing<Tag>) {
        let error = match node {
            Node::Broker(broker) => Error::UnknownBroker { broker },
            Node::Seed(_) => Error::Bootstrap { attempts: Vec::new() },
        };
        self.replies.push(Reply { tag: outgoing.tag, result: Err(Failure { sent: false, error }) });
    }
}
