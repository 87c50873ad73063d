//! Brokers' configurations as the options of a cluster: the same things, by Kafka's names.

use std::time::Duration;

use milena_core::wire::Str;

use super::Overrides;
use super::known::{Known, Scope, known};
use crate::cluster::ClusterOptions;

/// Any class does: there is one way to enforce access rules.
const AUTHORIZER: &str = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";

impl ClusterOptions {
    /// Checks [`configs`](Self::configs).
    ///
    /// # Errors
    ///
    /// Says which of them the release does not have, or cannot have with that value.
    pub fn check_configs(&self) -> Result<(), String> {
        self.configs.iter().try_for_each(|(name, value)| self.check_config(name, value).map(|_| ()))
    }

    fn check_config(&self, name: &str, value: &str) -> Result<&'static Known, String> {
        let release = self.as_version;
        let known = known(Scope::Broker, name, release)
            .ok_or_else(|| format!("brokers of Kafka {release} have no configuration {name:?}"))?;
        known.check(value).map(|()| known)
    }

    /// Sets the fields that stand for some of the configurations. Those that are wrong are left out.
    pub(in crate::cluster) fn apply_configs(&mut self) {
        for (name, value) in std::mem::take(&mut self.configs) {
            if self.check_config(&name, &value).is_ok() {
                self.apply(&name, &value);
                self.configs.push((name, value));
            }
        }
    }

    fn apply(&mut self, name: &str, value: &str) {
        // A number is one, or it would have been refused; those that a field cannot hold are as good as its largest.
        let number = || value.parse::<i64>().unwrap_or(0);
        let int = || i32::try_from(number()).unwrap_or(i32::MAX);
        let millis = || Duration::from_millis(u64::try_from(number()).unwrap_or(0));
        match name {
            "auto.create.topics.enable" => self.auto_create_topics = value.eq_ignore_ascii_case("true"),
            "num.partitions" => self.default_partitions = int(),
            "default.replication.factor" => {
                self.default_replication_factor = i16::try_from(number()).unwrap_or(i16::MAX);
            }
            "message.max.bytes" => self.max_message_bytes = usize::try_from(number()).unwrap_or(0),
            "log.retention.bytes" => self.retention_bytes = u64::try_from(number()).unwrap_or(u64::MAX),
            "min.insync.replicas" => self.min_in_sync_replicas = usize::try_from(number()).unwrap_or(1),
            "unclean.leader.election.enable" => {
                self.unclean_leader_election = value.eq_ignore_ascii_case("true");
            }
            "replica.lag.time.max.ms" => self.replica_lag_max = millis(),
            "broker.session.timeout.ms" => self.broker_session = millis(),
            "max.incremental.fetch.session.cache.slots" => {
                self.fetch_sessions = usize::try_from(number()).unwrap_or(0);
            }
            "group.initial.rebalance.delay.ms" => self.group_initial_rebalance_delay = millis(),
            "group.min.session.timeout.ms" => self.group_min_session_timeout = millis(),
            "group.max.session.timeout.ms" => self.group_max_session_timeout = millis(),
            "group.max.size" => self.group_max_size = usize::try_from(number()).unwrap_or(usize::MAX),
            "offsets.retention.minutes" => self.offsets_retention = millis() * 60_000,
            "authorizer.class.name" => self.authorizer = !value.is_empty(),
            "allow.everyone.if.no.acl.found" => self.allow_everyone = value.eq_ignore_ascii_case("true"),
            "super.users" => {
                let users = value.split(';').map(str::trim).filter(|user| !user.is_empty());
                self.super_users = users.map(str::to_owned).collect();
            }
            "sasl.enabled.mechanisms" => {
                if let Some(security) = &mut self.security {
                    security.mechanisms = value.split(',').map(|name| name.trim().to_owned()).collect();
                }
            }
            "connections.max.reauth.ms" => {
                if let Some(security) = &mut self.security {
                    let lifetime = u64::try_from(number()).ok().filter(|ms| *ms > 0);
                    security.session_lifetime = lifetime.map(Duration::from_millis);
                }
            }
            _ => {}
        }
    }

    /// What the brokers were started with, where it is not Kafka's default.
    pub(super) fn as_configs(&self) -> Overrides {
        let partitions = self.coordinator_partitions.to_string();
        let authorizer = if self.authorizer { AUTHORIZER } else { "" };
        let fields = [
            ("auto.create.topics.enable", self.auto_create_topics.to_string()),
            ("num.partitions", self.default_partitions.to_string()),
            (
                "default.replication.factor",
                self.default_replication_factor.min(self.nodes.max(1) as i16).to_string(),
            ),
            ("message.max.bytes", self.max_message_bytes.to_string()),
            ("log.retention.bytes", i64::try_from(self.retention_bytes).unwrap_or(-1).to_string()),
            ("min.insync.replicas", self.min_in_sync_replicas.to_string()),
            ("unclean.leader.election.enable", self.unclean_leader_election.to_string()),
            ("replica.lag.time.max.ms", self.replica_lag_max.as_millis().to_string()),
            ("group.initial.rebalance.delay.ms", self.group_initial_rebalance_delay.as_millis().to_string()),
            ("group.min.session.timeout.ms", self.group_min_session_timeout.as_millis().to_string()),
            ("group.max.session.timeout.ms", self.group_max_session_timeout.as_millis().to_string()),
            ("group.max.size", i32::try_from(self.group_max_size).unwrap_or(i32::MAX).to_string()),
            ("offsets.retention.minutes", (self.offsets_retention.as_secs() / 60).to_string()),
            ("offsets.topic.num.partitions", partitions.clone()),
            ("transaction.state.log.num.partitions", partitions.clone()),
            ("share.coordinator.state.topic.num.partitions", partitions),
            ("authorizer.class.name", authorizer.to_owned()),
            ("allow.everyone.if.no.acl.found", self.allow_everyone.to_string()),
            ("super.users", self.super_users.join(";")),
        ];
        let security = self.security.iter().flat_map(|security| {
            let lifetime = security.session_lifetime.map_or(0, |lifetime| lifetime.as_millis());
            [
                ("sasl.enabled.mechanisms", security.mechanisms.join(",")),
                ("connections.max.reauth.ms", lifetime.to_string()),
            ]
        });
        let fields: Vec<_> = fields.into_iter().chain(security).collect();
        let texts = fields.iter().map(|(name, value)| (*name, value.as_str()));
        let configs = self.configs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut started = Overrides::new();
        for (name, value) in texts.chain(configs) {
            let default = known(Scope::Broker, name, self.as_version).and_then(|known| known.default);
            match default.unwrap_or_default() == value {
                true => started.remove(name),
                false => started.insert(Str::from(name), Str::from(value)),
            };
        }
        started
    }
}
