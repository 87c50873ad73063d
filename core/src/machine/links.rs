//! Connections: which there are, what happens to them, and what of it others must know.

use super::event::Output;
use super::subject::{Tag, Timer};
use super::{Answered, ConnId, Connection, Encoded, Link, Machine, Notice, Outgoing, Transmit};
use crate::cluster::{Lane, Node};
use crate::error::CloseReason;
use crate::protocol::api_versions::ApiVersionsRequest;
use crate::protocol::{BrokerId, Request};
use crate::time::Now;

impl Machine {
    /// Queues a request at a broker's connection, which is made if there is none.
    pub(super) fn send(&mut self, now: Now, node: Node, lane: Lane, outgoing: Outgoing<Tag>) {
        let conn = match self.lanes.get(&(node, lane)) {
            Some(conn) => *conn,
            None => {
                let Some(address) = self.cluster().address(node).cloned() else {
                    return self.fail_homeless(node, outgoing);
                };
                let conn = ConnId(self.next_connection);
                self.next_connection += 1;
                let negotiate_at = match self.negotiate_at_zero.contains(&node) {
                    true => 0,
                    false => ApiVersionsRequest::STABLE,
                };
                let connect_at = self.cluster().rest(node);
                let connection = Connection::new(self.config.clone(), connect_at, address, negotiate_at);
                self.links.insert(conn, Link { node, lane, connection });
                self.lanes.insert((node, lane), conn);
                conn
            }
        };
        if let Some(link) = self.links.get_mut(&conn) {
            link.connection.queue(now.mono, outgoing);
        }
        self.touch(now, conn);
    }

    pub(super) fn on_connected(&mut self, now: Now, conn: ConnId) {
        match self.links.get_mut(&conn) {
            Some(link) => {
                link.connection.on_connected();
                self.touch(now, conn);
            }
            None => self.shared.outputs.push_back(Output::Close { conn }),
        }
    }

    pub(super) fn on_answer(&mut self, now: Now, answered: Answered) {
        let Answered { conn, correlation, mut answer } = answered;
        let Some(link) = self.links.get_mut(&conn) else { return };
        let (was_ready, node) = (link.connection.is_ready(), link.node);
        answer.broker = link.broker();
        let (api, pause) = (answer.kind.key, answer.throttle);
        if let Err(reason) = link.connection.on_answer(now.mono, correlation, answer, &mut self.replies) {
            return self.close(now, conn, reason);
        }
        if !pause.is_zero() {
            self.shared.outputs.push_back(Output::Notice(Notice::Throttled { conn, api, pause }));
        }
        if !was_ready && link.connection.is_ready() {
            let (broker, address) = (link.broker(), link.connection.address().clone());
            let ready = Notice::ConnectionReady { conn, broker, address };
            self.shared.outputs.push_back(Output::Notice(ready));
            // Before the first broker is known, one that can do no more than negotiate counts as failed.
            if self.cluster().is_known() {
                self.shared.cluster.on_node_ready(node);
            }
        }
        self.touch(now, conn);
    }

    pub(super) fn on_encoded(&mut self, now: Now, encoded: Encoded) {
        let Encoded { conn, correlation, result } = encoded;
        let Some(link) = self.links.get_mut(&conn) else { return };
        match link.connection.on_encoded(correlation, result, &mut self.replies) {
            Ok(()) => self.touch(now, conn),
            Err(reason) => self.close(now, conn, reason),
        }
    }

    pub(super) fn on_link_timer(&mut self, now: Now, conn: ConnId) {
        let Some(link) = self.links.get_mut(&conn) else { return };
        match link.connection.on_timeout(now.mono, &mut self.replies) {
            Ok(()) => self.touch(now, conn),
            Err(reason) => self.close(now, conn, reason),
        }
    }

    pub(super) fn transmit(&mut self, now: Now, conn: ConnId) -> Option<Transmit> {
        let connection = &mut self.links.get_mut(&conn)?.connection;
        let transmit = connection.poll_transmit(now.mono, &mut self.replies);
        self.shared.timers.set(Timer::Connection(conn), connection.poll_timeout());
        if transmit.is_none() {
            // What could not be sent may have been the last that a connection to a broker that has left was kept for.
            self.touch(now, conn);
        }
        transmit
    }

    /// Takes requests back that no connection has sent yet.
    pub(super) fn take_back(&mut self, now: Now, unwanted: impl Fn(&Tag) -> bool) {
        let links = self.links.iter_mut();
        let had = links.filter_map(|(conn, link)| link.connection.take_back(&unwanted).then_some(*conn));
        for conn in had.collect::<Vec<_>>() {
            self.touch(now, conn);
        }
    }

    /// Something of a connection changed: its timer, its wish to connect or to send.
    fn touch(&mut self, now: Now, conn: ConnId) {
        let Some(link) = self.links.get_mut(&conn) else { return };
        let connection = &mut link.connection;
        if connection.poll_connect(now.mono) {
            let address = connection.address().clone();
            self.shared.outputs.push_back(Output::Connect { conn, address });
        }
        self.shared.timers.set(Timer::Connection(conn), connection.poll_timeout());
        if connection.can_transmit(now.mono) {
            self.shared.outputs.push_back(Output::Ready { conn });
        }
        let replaced = self.lanes.get(&(link.node, link.lane)) != Some(&conn);
        if replaced && connection.is_idle() {
            self.close(now, conn, CloseReason::Shutdown);
        }
    }

    pub(super) fn close(&mut self, now: Now, conn: ConnId, reason: CloseReason) {
        let Some(link) = self.links.remove(&conn) else { return };
        let broker = link.broker();
        let Link { node, lane, connection } = link;
        if self.lanes.get(&(node, lane)) == Some(&conn) {
            self.lanes.remove(&(node, lane));
        }
        self.shared.timers.set(Timer::Connection(conn), None);
        self.shared.outputs.push_back(Output::Close { conn });
        let hung_up = matches!(reason, CloseReason::Eof { .. } | CloseReason::Io(..));
        if hung_up && connection.hung_up_on_negotiation() {
            self.negotiate_at_zero.insert(node);
        }
        if reason != CloseReason::Shutdown {
            let failed = !connection.has_answered() || !self.cluster().is_known();
            if failed {
                self.shared.cluster.on_node_failed(now.mono, &mut self.shared.rng, node, reason.clone());
            }
            if let Some(broker) = broker {
                self.coordinators.forget_broker(broker);
            }
            self.tell_end(conn, broker, &connection, &reason);
        }
        connection.on_close(&reason, &mut self.replies);
    }

    fn tell_end(
        &mut self,
        conn: ConnId,
        broker: Option<BrokerId>,
        connection: &Connection<Tag>,
        reason: &CloseReason,
    ) {
        let (address, unanswered) = (connection.address().clone(), connection.load().1);
        if let CloseReason::RequestTimeout { api, after } = *reason {
            self.shared.outputs.push_back(Output::Notice(Notice::RequestOverdue { conn, api, after }));
        }
        let reason = reason.clone();
        let notice = match connection.is_ready() {
            true => Notice::ConnectionLost { conn, broker, address, reason, unanswered },
            false => Notice::ConnectionRefused { conn, broker, address, reason },
        };
        self.shared.outputs.push_back(Output::Notice(notice));
    }

    /// Ends all connections that are there for one purpose.
    pub(super) fn close_lane(&mut self, now: Now, lane: Lane) {
        let own = self.links.iter().filter(|(_, link)| link.lane == lane).map(|(conn, _)| *conn);
        for conn in own.collect::<Vec<_>>() {
            self.close(now, conn, CloseReason::Shutdown);
        }
    }

    /// Connections to bootstrap servers and to addresses that brokers have left take no new requests, and end when idle. Nothing
    /// is remembered of brokers that have left.
    pub(super) fn retire_connections(&mut self, now: Now) {
        let cluster = &self.shared.cluster;
        self.negotiate_at_zero.retain(|node| cluster.address(*node).is_some());
        let stale = |link: &Link| match link.node {
            Node::Seed(_) => true,
            Node::Broker(_) => cluster.address(link.node) != Some(link.connection.address()),
        };
        let stale = self.links.iter().filter(|(_, link)| stale(link));
        let stale: Vec<_> = stale.map(|(conn, link)| (*conn, (link.node, link.lane))).collect();
        for (conn, place) in stale {
            if self.lanes.get(&place) == Some(&conn) {
                self.lanes.remove(&place);
            }
            self.touch(now, conn);
        }
    }
}
