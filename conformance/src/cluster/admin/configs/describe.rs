//! DescribeConfigs and ListConfigResources.

use milena_core::protocol::describe_configs::{
    DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use milena_core::protocol::list_config_resources::ConfigResource;
use milena_core::protocol::{
    BrokerId, DescribeConfigsRequest, DescribeConfigsResponse, ErrorCode, ListConfigResourcesRequest,
    ListConfigResourcesResponse,
};
use milena_core::wire::Str;

use super::known::{Kind, all, known};
use super::{Effective, Scope, source};
use crate::cluster::admin::{CLUSTER, Operation, Refusal, ResourceType};
use crate::cluster::api::Call;
use crate::cluster::state::ClusterState;
use crate::cluster::topic;

/// The resource type of a broker's loggers, which are told and cannot be changed here.
pub(super) const BROKER_LOGGER: i8 = 8;

impl ClusterState {
    pub(in crate::cluster::admin) fn describe_configs(
        &mut self,
        call: &Call,
        request: DescribeConfigsRequest,
    ) -> DescribeConfigsResponse {
        let results = request.resources.into_iter().map(|resource| {
            let described = self
                .check_resource(
                    call,
                    Operation::DescribeConfigs,
                    resource.resource_type,
                    &resource.resource_name,
                )
                .and_then(|()| self.describe_resource(call, &resource, request.include_synonyms));
            let (error_code, error_message, configs) = match described {
                Ok(configs) => (ErrorCode::NONE, None, configs),
                Err((code, message)) => (code, Some(message.into()), Vec::new()),
            };
            DescribeConfigsResult {
                error_code,
                error_message,
                resource_type: resource.resource_type,
                resource_name: resource.resource_name,
                configs,
                ..Default::default()
            }
        });
        DescribeConfigsResponse { results: results.collect(), ..Default::default() }
    }

    /// Whether a connection may see or change what is configured for a resource.
    pub(super) fn check_resource(
        &self,
        call: &Call,
        operation: Operation,
        number: i8,
        name: &str,
    ) -> Result<(), Refusal> {
        if let Some(code) = call.forced {
            return Err((code, code.name().to_owned()));
        }
        let (resource, name, code) = match Scope::from_number(number) {
            Some(Scope::Topic) => (ResourceType::Topic, name, ErrorCode::TOPIC_AUTHORIZATION_FAILED),
            Some(Scope::Group) => (ResourceType::Group, name, ErrorCode::GROUP_AUTHORIZATION_FAILED),
            None if number != BROKER_LOGGER => {
                return Err((ErrorCode::INVALID_REQUEST, format!("Unknown resource type {number}")));
            }
            _ => (ResourceType::Cluster, CLUSTER, ErrorCode::CLUSTER_AUTHORIZATION_FAILED),
        };
        match self.authorize(call, operation, resource, name) {
            true => Ok(()),
            false => Err((code, code.name().to_owned())),
        }
    }

    fn describe_resource(
        &self,
        call: &Call,
        resource: &DescribeConfigsResource,
        synonyms: bool,
    ) -> Result<Vec<DescribeConfigsResourceResult>, Refusal> {
        let name = &resource.resource_name;
        let scope = Scope::from_number(resource.resource_type);
        let described = match scope {
            Some(Scope::Topic) => {
                topic::check_name(name).map_err(|error| (error.code, error.message))?;
                if !self.topics.contains_key(&**name) {
                    let code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
                    return Err((code, "This server does not host this topic-partition.".to_owned()));
                }
                self.effective_topic_configs(Some(call.broker), name)
            }
            Some(Scope::Broker) if name.is_empty() => {
                let set = self.admin.configs.of(Scope::Broker, "").iter();
                let source = source::DYNAMIC_DEFAULT_BROKER;
                set.map(|(name, value)| (name.clone(), plain(name, Some(value.clone()), source))).collect()
            }
            Some(Scope::Broker) => {
                self.check_broker(call, name)?;
                self.effective_broker_configs(call.broker)
            }
            Some(Scope::Group) => self.effective_group_configs(name)?,
            Some(Scope::ClientMetrics) => {
                let set = self.admin.configs.of(Scope::ClientMetrics, name).iter();
                let value = |(name, value): (&Str, &Str)| {
                    let value = Some(value.clone());
                    (name.clone(), Effective { value, source: source::CLIENT_METRICS, synonyms: Vec::new() })
                };
                set.map(value).collect()
            }
            None => {
                self.check_broker(call, name)?;
                let level = Effective {
                    value: Some("INFO".into()),
                    source: source::BROKER_LOGGER,
                    synonyms: Vec::new(),
                };
                vec![("root".into(), level)]
            }
        };
        let wanted = resource.configuration_keys.as_ref().filter(|keys| !keys.is_empty());
        let described =
            described.into_iter().filter(|(name, _)| wanted.is_none_or(|keys| keys.contains(name)));
        let described =
            described.map(|(name, effective)| self.described_config(call, scope, name, effective, synonyms));
        Ok(described.collect())
    }

    /// A broker tells only of itself.
    pub(super) fn check_broker(&self, call: &Call, name: &str) -> Result<(), Refusal> {
        let invalid = |message: String| Err((ErrorCode::INVALID_REQUEST, message));
        match name.parse::<i32>() {
            Ok(id) if BrokerId(id) == call.broker => Ok(()),
            Ok(id) => invalid(format!("Unexpected broker id, expected {} but received {id}", call.broker)),
            Err(_) => invalid(format!("Broker id must be an integer, but it is: {name}")),
        }
    }

    fn described_config(
        &self,
        call: &Call,
        scope: Option<Scope>,
        name: Str,
        effective: Effective,
        synonyms: bool,
    ) -> DescribeConfigsResourceResult {
        let known = scope.and_then(|scope| known(scope, &name, self.options.as_version));
        let is_sensitive = match scope {
            Some(Scope::Broker | Scope::Topic) => known.is_none_or(|known| known.kind == Kind::Password),
            _ => false,
        };
        let shown = |value: Option<Str>| value.filter(|_| !is_sensitive);
        let all = effective.synonyms.into_iter().filter(|_| synonyms && call.version >= 1);
        let all = all.map(|(name, value, source)| DescribeConfigsSynonym {
            name,
            value: shown(value),
            source,
            ..Default::default()
        });
        DescribeConfigsResourceResult {
            value: shown(effective.value),
            read_only: scope == Some(Scope::Broker) && known.is_none_or(|known| !known.dynamic),
            is_default: call.version == 0 && effective.source == source::DEFAULT,
            config_source: effective.source,
            is_sensitive,
            synonyms: all.collect(),
            config_type: known.map_or(0, |known| known.kind as i8),
            documentation: None,
            name,
            ..Default::default()
        }
    }

    /// All configurations of a topic.
    fn effective_topic_configs(&self, broker: Option<BrokerId>, topic: &str) -> Vec<(Str, Effective)> {
        let overrides = self.admin.configs.of(Scope::Topic, topic);
        let known = all(Scope::Topic, self.options.as_version);
        known.map(|known| (known.name.into(), self.topic_config(broker, overrides, known))).collect()
    }

    /// The same with the parts that CreateTopics tells: name, value, source.
    pub(in crate::cluster) fn told_topic_configs(
        &self,
        overrides: &super::Overrides,
    ) -> Vec<(Str, Option<Str>, i8)> {
        let known = all(Scope::Topic, self.options.as_version);
        let told = known.map(|known| {
            let effective = self.topic_config(None, overrides, known);
            (known.name.into(), effective.value, effective.source)
        });
        told.collect()
    }

    fn effective_broker_configs(&self, broker: BrokerId) -> Vec<(Str, Effective)> {
        let release = self.options.as_version;
        let effective = all(Scope::Broker, release).map(|known| {
            let behind = all(Scope::Topic, release).find(|topic| topic.synonyms.contains(&known.name));
            let itself = [known.name];
            let names = behind.map_or(&itself[..], |topic| &topic.synonyms);
            let mut synonyms = self.broker_values(Some(broker), names);
            let at = synonyms.iter().position(|(name, _, _)| *name == *known.name).unwrap_or(synonyms.len());
            synonyms.drain(..at);
            let value = synonyms.first().and_then(|(_, value, _)| value.clone());
            let source = synonyms.first().map_or(source::DEFAULT, |(_, _, source)| *source);
            (known.name.into(), Effective { value, source, synonyms })
        });
        effective.collect()
    }

    fn effective_group_configs(&self, group: &str) -> Result<Vec<(Str, Effective)>, Refusal> {
        if group.is_empty() {
            return Err((ErrorCode::INVALID_REQUEST, "Group name must not be empty".to_owned()));
        }
        let set = self.admin.configs.of(Scope::Group, group);
        let effective = all(Scope::Group, self.options.as_version).map(|known| {
            // A group's configuration is a broker's with `group.` before it.
            let (value, source) = match set.get(known.name) {
                Some(value) => (Some(value.clone()), source::GROUP),
                None => {
                    let brokers = self.broker_config(&format!("group.{}", known.name));
                    let inherited = (!brokers.is_empty()).then_some(brokers);
                    (inherited.or(known.default.map(Str::from)), source::DEFAULT)
                }
            };
            (known.name.into(), plain(known.name, value, source))
        });
        Ok(effective.collect())
    }

    pub(in crate::cluster::admin) fn list_config_resources(
        &mut self,
        call: &Call,
        request: ListConfigResourcesRequest,
    ) -> ListConfigResourcesResponse {
        let refused =
            |error_code: ErrorCode| ListConfigResourcesResponse { error_code, ..Default::default() };
        if let Some(code) = call.forced {
            return refused(code);
        }
        if !self.authorize(call, Operation::DescribeConfigs, ResourceType::Cluster, CLUSTER) {
            return refused(ErrorCode::CLUSTER_AUTHORIZATION_FAILED);
        }
        // Version 0 was ListClientMetricsResources.
        let mut types: Vec<i8> = match call.version {
            0 => vec![Scope::ClientMetrics as i8],
            _ => request.resource_types.iter().collect(),
        };
        if types.is_empty() {
            types = Scope::ALL.iter().map(|scope| *scope as i8).chain([BROKER_LOGGER]).collect();
        }
        let mut resources = Vec::new();
        for number in types {
            let names: Vec<Str> = match Scope::from_number(number) {
                Some(Scope::Topic) => self.topics.keys().cloned().collect(),
                Some(scope @ (Scope::ClientMetrics | Scope::Group)) => {
                    let set = self.admin.configs.set.keys().filter(|(of, _)| *of == scope);
                    set.map(|(_, name)| name.clone()).collect()
                }
                None if number != BROKER_LOGGER => return refused(ErrorCode::UNSUPPORTED_VERSION),
                _ => self.brokers.iter().map(|broker| broker.id.to_string().into()).collect(),
            };
            resources.extend(names.into_iter().map(|resource_name| ConfigResource {
                resource_name,
                resource_type: number,
                ..Default::default()
            }));
        }
        ListConfigResourcesResponse { config_resources: resources, ..Default::default() }
    }
}

/// A value that is its own only synonym.
fn plain(name: &str, value: Option<Str>, source: i8) -> Effective {
    Effective { synonyms: vec![(name.into(), value.clone(), source)], value, source }
}
