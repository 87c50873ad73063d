//! Configurations: where a value comes from, and what the brokers make of it.
//!
//! Rules: a topic's value is its own, or that of the brokers' configurations behind it, or the default. A broker's value is
//! what was set for it while it runs, or for all brokers, or what it was started with, or the default. What it was started
//! with is [`ClusterOptions`], written as text: its fields, and its `configs`. What is set while the brokers run changes
//! topics from then on; only what is set for all brokers counts there, as a partition is seen by all of them alike.
//!
//! [`ClusterOptions`]: crate::cluster::ClusterOptions

mod alter;
mod describe;
mod known;
mod options;

use std::collections::BTreeMap;
use std::time::Duration;

use milena_core::protocol::{BrokerId, ErrorCode};
use milena_core::wire::Str;

use super::Refusal;
use crate::cluster::ClusterOptions;
use crate::cluster::release::Release;
use crate::cluster::state::ClusterState;
use crate::cluster::topic::TopicSettings;
use known::{Known, known};

pub(in crate::cluster) use known::Scope;

/// What was set for one resource.
pub(in crate::cluster) type Overrides = BTreeMap<Str, Str>;

/// Where a value comes from, with DescribeConfigs' numbers.
mod source {
    pub(super) const TOPIC: i8 = 1;
    pub(super) const DYNAMIC_BROKER: i8 = 2;
    pub(super) const DYNAMIC_DEFAULT_BROKER: i8 = 3;
    pub(super) const STATIC_BROKER: i8 = 4;
    pub(super) const DEFAULT: i8 = 5;
    pub(super) const BROKER_LOGGER: i8 = 6;
    pub(super) const CLIENT_METRICS: i8 = 7;
    pub(super) const GROUP: i8 = 8;
}

/// All that was configured.
#[derive(Debug, Default)]
pub(super) struct Configs {
    /// What the brokers were started with.
    started: Overrides,
    /// What was set since, for each resource; the brokers' common resource has no name.
    set: BTreeMap<(Scope, Str), Overrides>,
}

/// A configuration's value.
struct Effective {
    value: Option<Str>,
    source: i8,
    /// All that could give it a value, the one that does first: name, value, source.
    synonyms: Vec<(Str, Option<Str>, i8)>,
}

impl Configs {
    pub(super) fn new(options: &ClusterOptions) -> Self {
        Configs { started: options.as_configs(), set: BTreeMap::new() }
    }

    fn of(&self, scope: Scope, name: &str) -> &Overrides {
        static NONE: Overrides = BTreeMap::new();
        self.set.get(&(scope, Str::from(name))).unwrap_or(&NONE)
    }

    fn replace(&mut self, scope: Scope, name: Str, overrides: Overrides) {
        match overrides.is_empty() {
            true => self.set.remove(&(scope, name)),
            false => self.set.insert((scope, name), overrides),
        };
    }
}

impl ClusterState {
    /// A configuration of all brokers, as text; empty if it has no value.
    pub(in crate::cluster) fn broker_config(&self, name: &str) -> Str {
        self.broker_values(None, &[name]).into_iter().find_map(|(_, value, _)| value).unwrap_or_default()
    }

    /// A configuration of all brokers that is a number; 0 if it is not known.
    pub(in crate::cluster) fn broker_config_number(&self, name: &str) -> i64 {
        self.broker_config(name).parse().unwrap_or(0)
    }

    /// The values that brokers' configurations have, the one that counts first.
    fn broker_values(&self, broker: Option<BrokerId>, names: &[&str]) -> Vec<(Str, Option<Str>, i8)> {
        let configs = &self.admin.configs;
        let own = broker.map(|id| configs.of(Scope::Broker, &id.to_string()));
        let started = |name: &str| match (broker, name) {
            (Some(id), "node.id" | "broker.id") => Some(id.to_string().into()),
            (Some(id), "listeners" | "advertised.listeners") => self.listener(id),
            _ => configs.started.get(name).cloned(),
        };
        let default =
            |name: &str| known(Scope::Broker, name, self.options.as_version)?.default.map(Str::from);
        type Level<'a> = (i8, &'a dyn Fn(&str) -> Option<Str>);
        let levels: [Level<'_>; 4] = [
            (source::DYNAMIC_BROKER, &|name| own?.get(name).cloned()),
            (source::DYNAMIC_DEFAULT_BROKER, &|name| configs.of(Scope::Broker, "").get(name).cloned()),
            (source::STATIC_BROKER, &started),
            (source::DEFAULT, &default),
        ];
        let at_level = |(source, value): Level<'_>| {
            let values =
                names.iter().filter_map(move |name| Some((Str::from(*name), Some(value(name)?), source)));
            values.collect::<Vec<_>>()
        };
        levels.into_iter().flat_map(at_level).collect()
    }

    fn listener(&self, broker: BrokerId) -> Option<Str> {
        let broker = self.broker(broker)?;
        let protocol = if self.options.security.is_some() { "SASL_PLAINTEXT" } else { "PLAINTEXT" };
        Some(format!("{protocol}://{}:{}", broker.host, broker.port).into())
    }

    /// What a topic's configuration is worth with these overrides, as `broker` sees it.
    fn topic_config(&self, broker: Option<BrokerId>, overrides: &Overrides, known: &Known) -> Effective {
        let mut synonyms = self.broker_values(broker, &known.synonyms);
        // In Kafka's order of names, hours count only where nothing is said in milliseconds, at whatever level.
        let named = |wanted: &&str| synonyms.iter().find(|(name, _, _)| name == *wanted);
        let inherited = known.synonyms.iter().find_map(named).map(|(name, value, _)| in_ms(name, value));
        let first = known.synonyms.first().copied().unwrap_or_default();
        let at = synonyms.iter().position(|(name, _, _)| *name == *first).unwrap_or(synonyms.len());
        synonyms.drain(..at);
        let mut value = inherited.unwrap_or_else(|| known.default.map(Str::from));
        if let Some(own) = overrides.get(known.name) {
            value = Some(own.clone());
            synonyms.insert(0, (known.name.into(), value.clone(), source::TOPIC));
        }
        let source = synonyms.first().map_or(source::DEFAULT, |(_, _, source)| *source);
        Effective { value, source, synonyms }
    }

    /// A new topic's overrides, checked, and what the brokers make of them.
    pub(in crate::cluster) fn topic_overrides<'a>(
        &self,
        configs: impl Iterator<Item = (&'a Str, Option<&'a Str>)>,
    ) -> Result<Overrides, Refusal> {
        let mut overrides = Overrides::new();
        for (name, value) in configs {
            let Some(value) = value else {
                let message = format!("Null value not supported for topic configs: {name}");
                return Err((ErrorCode::INVALID_CONFIG, message));
            };
            overrides.insert(Str::from(&**name), Str::from(&**value));
        }
        check(Scope::Topic, &overrides, self.options.as_version)?;
        Ok(overrides)
    }

    /// Sets all that is configured for a topic.
    pub(in crate::cluster) fn configure_topic(&mut self, name: &str, overrides: Overrides) {
        self.admin.configs.replace(Scope::Topic, name.into(), overrides);
        self.on_topic_configured(name);
    }

    fn on_topic_configured(&mut self, name: &str) {
        let settings = self.topic_settings(self.admin.configs.of(Scope::Topic, name));
        if let Some(topic) = self.topics.get_mut(name) {
            topic.settings = settings;
        }
    }

    /// A topic is gone: what was set for it is forgotten.
    pub(in crate::cluster) fn forget_topic_configs(&mut self, name: &str) {
        self.admin.configs.set.remove(&(Scope::Topic, Str::from(name)));
    }

    /// What the brokers do with a topic that has these overrides.
    pub(in crate::cluster) fn topic_settings(&self, overrides: &Overrides) -> TopicSettings {
        let release = self.options.as_version;
        let text = |name: &str| {
            let known = known(Scope::Topic, name, release)?;
            self.topic_config(None, overrides, known).value
        };
        // What is not a number was refused when it was set.
        let number = |name: &str| text(name).and_then(|value| value.parse::<i64>().ok());
        let limit = |name: &str| number(name).and_then(|value| u64::try_from(value).ok());
        let difference = || number("message.timestamp.difference.max.ms").unwrap_or(i64::MAX);
        let policies = text("cleanup.policy").unwrap_or_default();
        let cleaned_by = |wanted: &str| policies.split(',').any(|policy| policy.trim() == wanted);
        TopicSettings {
            max_message_bytes: limit("max.message.bytes").unwrap_or(0) as usize,
            retention_bytes: limit("retention.bytes").unwrap_or(u64::MAX),
            retention: limit("retention.ms").map(Duration::from_millis),
            delete: cleaned_by("delete"),
            log_append_time: text("message.timestamp.type").is_some_and(|kind| kind == *"LogAppendTime"),
            timestamp_before_max_ms: number("message.timestamp.before.max.ms").unwrap_or_else(difference),
            timestamp_after_max_ms: number("message.timestamp.after.max.ms").unwrap_or_else(difference),
            min_in_sync_replicas: limit("min.insync.replicas").unwrap_or(1) as usize,
            unclean_leader_election: text("unclean.leader.election.enable")
                .is_some_and(|value| value.eq_ignore_ascii_case("true")),
        }
    }
}

/// The value of a broker's configuration in the unit of the topic's.
fn in_ms(name: &str, value: &Option<Str>) -> Option<Str> {
    let unit = match name.rsplit('.').next() {
        Some("hours") => 3_600_000,
        Some("minutes") => 60_000,
        _ => return value.clone(),
    };
    let count = value.as_ref()?.parse::<i64>().ok()?;
    Some((if count < 0 { -1 } else { count.saturating_mul(unit) }).to_string().into())
}

/// Whether all names and values are such as a kind of resource can have.
fn check(scope: Scope, overrides: &Overrides, release: Release) -> Result<(), Refusal> {
    for (name, value) in overrides {
        let refused = match known(scope, name, release) {
            Some(known) => known.check(value).err(),
            None => {
                let of_what = match scope {
                    Scope::Topic => "topic",
                    Scope::Group => "group",
                    Scope::ClientMetrics => "client metrics",
                    Scope::Broker => continue,
                };
                Some(format!("Unknown {of_what} config name: {name}"))
            }
        };
        if let Some(message) = refused {
            return Err((ErrorCode::INVALID_CONFIG, message));
        }
    }
    Ok(())
}
