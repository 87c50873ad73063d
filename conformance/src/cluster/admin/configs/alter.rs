//! AlterConfigs and IncrementalAlterConfigs.
//!
//! Rules: a resource is changed as a whole or not at all, each at most once in a request, and only by its controller. The
//! older API replaces all that was set, the newer one changes what it names.

use std::collections::BTreeSet;

use milena_core::protocol::{
    AlterConfigsRequest, AlterConfigsResponse, ErrorCode, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse, alter_configs, incremental_alter_configs,
};
use milena_core::wire::Str;

use super::known::{Kind, known};
use super::{Overrides, Scope, check};
use crate::cluster::admin::{Operation, Refusal};
use crate::cluster::api::Call;
use crate::cluster::state::ClusterState;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// One change: name, operation, value.
type Change = (Str, i8, Option<Str>);

impl ClusterState {
    pub(in crate::cluster::admin) fn alter_configs(
        &mut self,
        call: &Call,
        request: AlterConfigsRequest,
    ) -> AlterConfigsResponse {
        let twice = repeated(request.resources.iter().map(|of| (of.resource_type, &of.resource_name)));
        let responses = request.resources.into_iter().map(|resource| {
            let (number, name) = (resource.resource_type, resource.resource_name);
            let changes = resource.configs.into_iter().map(|config| (config.name, SET, config.value));
            let altered = match twice.contains(&(number, name.clone())) {
                true => Err(doubled_resource()),
                false => self.alter(call, number, &name, changes.collect(), true, request.validate_only),
            };
            let (error_code, error_message) = told(altered);
            alter_configs::AlterConfigsResourceResponse {
                error_code,
                error_message,
                resource_type: number,
                resource_name: name,
                ..Default::default()
            }
        });
        AlterConfigsResponse { responses: responses.collect(), ..Default::default() }
    }

    pub(in crate::cluster::admin) fn incremental_alter_configs(
        &mut self,
        call: &Call,
        request: IncrementalAlterConfigsRequest,
    ) -> IncrementalAlterConfigsResponse {
        let twice = repeated(request.resources.iter().map(|of| (of.resource_type, &of.resource_name)));
        let responses = request.resources.into_iter().map(|resource| {
            let (number, name) = (resource.resource_type, resource.resource_name);
            let changes = resource.configs.into_iter();
            let changes = changes.map(|config| (config.name, config.config_operation, config.value));
            let altered = match twice.contains(&(number, name.clone())) {
                true => Err(doubled_resource()),
                false => self.alter(call, number, &name, changes.collect(), false, request.validate_only),
            };
            let (error_code, error_message) = told(altered);
            incremental_alter_configs::AlterConfigsResourceResponse {
                error_code,
                error_message,
                resource_type: number,
                resource_name: name,
                ..Default::default()
            }
        });
        IncrementalAlterConfigsResponse { responses: responses.collect(), ..Default::default() }
    }

    fn alter(
        &mut self,
        call: &Call,
        number: i8,
        name: &Str,
        changes: Vec<Change>,
        anew: bool,
        validate_only: bool,
    ) -> Result<(), Refusal> {
        self.check_resource(call, Operation::AlterConfigs, number, name)?;
        let scope = Scope::from_number(number)
            .ok_or_else(|| (ErrorCode::INVALID_REQUEST, format!("Unknown resource type {number}")))?;
        let invalid = |message: String| Err((ErrorCode::INVALID_REQUEST, message));
        if !repeated(changes.iter().map(|(name, _, _)| (0, name))).is_empty() {
            return invalid("Error due to duplicate config keys".to_owned());
        }
        if let Some((name, _, _)) = changes.iter().find(|(_, op, value)| *op != DELETE && value.is_none()) {
            return invalid(format!("Null value not supported for : {name}"));
        }
        match scope {
            Scope::Topic if !self.topics.contains_key(&**name) => {
                let message = format!("The topic '{name}' does not exist.");
                return Err((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, message));
            }
            Scope::Broker if !name.is_empty() => self.check_broker(call, name)?,
            Scope::Group if name.is_empty() => {
                return invalid("Default group resources are not allowed.".to_owned());
            }
            _ => {}
        }
        let mut overrides = match anew {
            true => Overrides::new(),
            false => self.admin.configs.of(scope, name).clone(),
        };
        for change in changes {
            self.change(scope, &mut overrides, change)?;
        }
        check(scope, &overrides, self.options.as_version).map_err(|(code, message)| match scope {
            Scope::Broker => (ErrorCode::INVALID_REQUEST, message),
            _ => (code, message),
        })?;
        if validate_only {
            return Ok(());
        }
        self.admin.configs.replace(scope, Str::from(&**name), overrides);
        match scope {
            Scope::Topic => self.on_topic_configured(name),
            Scope::Broker => {
                for topic in self.topics.keys().cloned().collect::<Vec<_>>() {
                    self.on_topic_configured(&topic);
                }
            }
            Scope::Group | Scope::ClientMetrics => {}
        }
        Ok(())
    }

    fn change(&self, scope: Scope, overrides: &mut Overrides, change: Change) -> Result<(), Refusal> {
        let (name, operation, value) = change;
        let known = known(scope, &name, self.options.as_version);
        if scope == Scope::Broker && known.is_some_and(|known| !known.dynamic) {
            let message = format!("Cannot update these configs dynamically: Set({name})");
            return Err((ErrorCode::INVALID_REQUEST, message));
        }
        let value = value.unwrap_or_default();
        // Whatever outlives its request does not keep the request's frame.
        let key = Str::from(&*name);
        match operation {
            SET => overrides.insert(key, Str::from(&*value)),
            DELETE => overrides.remove(&*name),
            APPEND | SUBTRACT => {
                let Some(known) = known.filter(|known| known.kind == Kind::List) else {
                    let verb = if operation == APPEND { "APPEND" } else { "SUBTRACT" };
                    let message = format!("Can't {verb} to key {name} because its type is not LIST.");
                    return Err((ErrorCode::INVALID_CONFIG, message));
                };
                let current = overrides.get(&*name).map_or(known.default.unwrap_or_default(), |list| &**list);
                let mut words: Vec<&str> = current.split(',').filter(|word| !word.is_empty()).collect();
                for word in value.split(',') {
                    words.retain(|known| operation == APPEND || *known != word);
                    if operation == APPEND && !words.contains(&word) {
                        words.push(word);
                    }
                }
                let joined = words.join(",");
                overrides.insert(key, joined.into())
            }
            unknown => {
                let message = format!("Unknown operations type {unknown}");
                return Err((ErrorCode::INVALID_REQUEST, message));
            }
        };
        Ok(())
    }
}

/// What is named more than once.
fn repeated<'a>(names: impl Iterator<Item = (i8, &'a Str)>) -> BTreeSet<(i8, Str)> {
    let mut seen = BTreeSet::new();
    names.filter(|name| !seen.insert(*name)).map(|(number, name)| (number, name.clone())).collect()
}

fn doubled_resource() -> Refusal {
    (ErrorCode::INVALID_REQUEST, "Each resource must appear at most once.".to_owned())
}

fn told(altered: Result<(), Refusal>) -> (ErrorCode, Option<Str>) {
    match altered {
        Ok(()) => (ErrorCode::NONE, None),
        Err((code, message)) => (code, Some(message.into())),
    }
}
