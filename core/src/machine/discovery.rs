//! How the cluster comes to be known: metadata, and who waits for a first broker.

use std::sync::Arc;

use super::subject::{Awaiting, Shared, Tag, Timer};
use super::{AnyAnswer, Failure, Machine, Outgoing};
use crate::cluster::{Lane, Node};
use crate::connection::ByVersion;
use crate::error::Error;
use crate::protocol::Request;
use crate::protocol::metadata::MetadataRequest;
use crate::time::Now;

impl Machine {
    pub(super) fn ask_for_metadata(&mut self, now: Now, node: Node, request: MetadataRequest) {
        // Before version 4 nobody can say that a topic is not to be created.
        let request = ByVersion::new(move |version| MetadataRequest {
            allow_auto_topic_creation: request.allow_auto_topic_creation || version < 4,
            ..request.clone()
        });
        let outgoing = Outgoing {
            request: Arc::new(request),
            tag: Tag::Metadata,
            // Version 0 can't ask for no topics at all.
            versions: (1, MetadataRequest::STABLE),
            timeout: self.config.request_timeout,
            answered: true,
        };
        self.send(now, node, Lane::General, outgoing);
    }

    pub(super) fn on_metadata(&mut self, now: Now, result: Result<Option<AnyAnswer>, Failure>) {
        let Shared { cluster, rng, .. } = &mut self.shared;
        match result.map(|answer| answer.map(|answer| (answer.version, answer.take::<MetadataRequest>()))) {
            Ok(Some((version, Some(answer)))) => cluster.on_metadata(now.mono, rng, answer, version),
            Ok(_) => cluster.on_failure(now.mono, rng, Error::Closed),
            Err(failure) => cluster.on_failure(now.mono, rng, failure.error),
        }
        if cluster.is_known() {
            for awaiting in std::mem::take(&mut self.connecting) {
                self.shared.timers.set(Timer::Connect(awaiting), None);
                if let Awaiting::Op(op) = awaiting {
                    self.done(op, Ok(None));
                }
            }
            self.retire_connections(now);
            self.unpark(now);
        } else if cluster.is_hopeless() {
            for awaiting in std::mem::take(&mut self.connecting) {
                self.shared.timers.set(Timer::Connect(awaiting), None);
                self.fail_bootstrap(now, awaiting);
            }
            self.fail_parked(now);
        }
        self.tell_leaders(now);
    }

    pub(super) fn await_broker(&mut self, now: Now, awaiting: Awaiting) {
        self.connecting.insert(awaiting);
        let until = now.mono + self.config.bootstrap_timeout;
        self.shared.timers.set(Timer::Connect(awaiting), Some(until));
        self.shared.cluster.want_refresh();
    }

    pub(super) fn awaits_no_more(&mut self, awaiting: Awaiting) {
        self.connecting.remove(&awaiting);
        self.shared.timers.set(Timer::Connect(awaiting), None);
    }

    pub(super) fn fail_bootstrap(&mut self, now: Now, awaiting: Awaiting) {
        let error = match self.trouble(now) {
            Some(error @ Error::Bootstrap { .. }) => error,
            other => Error::Timeout {
                operation: "finding a first broker",
                after: self.config.bootstrap_timeout,
                last: other.map(Arc::new),
            },
        };
        match awaiting {
            Awaiting::Reader(reader) => {
                self.with_reader(now, reader, |fetcher, ctx| fetcher.fail(ctx, error))
            }
            Awaiting::Op(op) => self.done(op, Err(error)),
        }
    }

    /// What keeps this client from knowing the cluster better, if anything does.
    pub(super) fn trouble(&self, now: Now) -> Option<Error> {
        let trouble = self.cluster().trouble();
        let answered = matches!(trouble, Some(Error::Rejected { .. } | Error::Unsupported { .. }));
        if self.cluster().is_known() || answered {
            return trouble.cloned();
        }
        // A server that has not failed yet is told by what it leaves waiting.
        let attempts = self.cluster().seeds().filter_map(|(node, address, failure)| {
            let waiting = || {
                let link = self.links.get(self.lanes.get(&(node, Lane::General))?)?;
                link.connection.waits_for(now.mono)
            };
            Some((address.to_string(), failure.cloned().or_else(waiting)?))
        });
        let attempts: Vec<_> = attempts.collect();
        (!attempts.is_empty()).then_some(Error::Bootstrap { attempts })
    }
}
