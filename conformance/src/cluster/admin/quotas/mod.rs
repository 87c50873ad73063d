//! Quotas: who may write, read and change how much, and how brokers slow down those who do more.
//!
//! Rules: of the quotas that fit a connection's user and client id, the most exact one counts, the user before the client
//! id. Whoever exceeds it is told for how long to pause, and its connection is not read from for that time; before 2.0 the
//! answer itself came that much later (KIP-219). A fetch that would exceed it gets no data. Topics are not created or
//! deleted by those who exceed theirs, in versions that can say so (KIP-599). All brokers count together.

mod rate;

use std::collections::BTreeMap;
use std::time::Duration;

use milena_core::protocol::alter_client_quotas::{self, EntryDataResponse};
use milena_core::protocol::describe_client_quotas::{self, ComponentData, ValueData};
use milena_core::protocol::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, DescribeClientQuotasRequest,
    DescribeClientQuotasResponse, ErrorCode, FetchRequest, FetchResponse,
};
use milena_core::wire::{Frame, Str};

use super::{Operation, Refusal};
use crate::cluster::api::Call;
use crate::cluster::release::Release;
use crate::cluster::state::ClusterState;
use rate::{Bucket, Rate};

const USER: &str = "user";
const CLIENT_ID: &str = "client-id";
const IP: &str = "ip";

const PRODUCER_BYTE_RATE: &str = "producer_byte_rate";
const CONSUMER_BYTE_RATE: &str = "consumer_byte_rate";
const CONTROLLER_MUTATION_RATE: &str = "controller_mutation_rate";
/// Told, and not acted on.
const REQUEST_PERCENTAGE: &str = "request_percentage";
const CONNECTION_CREATION_RATE: &str = "connection_creation_rate";

/// Longest fetch under a quota: what it lets through in all windows but the current one, in seconds.
const FETCH_SECONDS: f64 = 10.0;

/// Type and name of each part; a part without a name is the default for all of its type.
type Entity = BTreeMap<Str, Option<Str>>;
/// Who shares what is counted: user and client id, as far as the quota is about them.
type Sharers = (&'static str, Option<Str>, Option<Str>);

/// What was set, and what was used.
#[derive(Debug, Default)]
pub(super) struct Quotas {
    set: BTreeMap<Entity, BTreeMap<Str, f64>>,
    rates: BTreeMap<Sharers, Rate>,
    buckets: BTreeMap<Sharers, Bucket>,
}

impl Quotas {
    fn find(&self, key: &'static str, user: &str, client_id: &str) -> Option<(f64, Sharers)> {
        let names = |name: &str| [Some(Some(Str::from(name))), Some(None), None];
        for of_user in names(user) {
            for of_client in names(client_id) {
                let parts = [(USER, &of_user), (CLIENT_ID, &of_client)];
                let parts =
                    parts.into_iter().filter_map(|(kind, name)| Some((Str::from(kind), name.clone()?)));
                if let Some(quota) =
                    self.set.get(&parts.collect::<Entity>()).and_then(|values| values.get(key))
                {
                    let user = of_user.is_some().then(|| user.into());
                    let client_id = of_client.is_some().then(|| client_id.into());
                    return Some((*quota, (key, user, client_id)));
                }
            }
        }
        None
    }
}

impl ClusterState {
    /// Sets a quota of a user, of a client id or of both.
    pub fn set_quota(&mut self, user: Option<&str>, client_id: Option<&str>, key: &str, value: f64) {
        let parts = [(USER, user), (CLIENT_ID, client_id)].into_iter();
        let entity = parts.filter_map(|(kind, name)| Some((Str::from(kind), Some(Str::from(name?)))));
        self.admin.quotas.set.entry(entity.collect()).or_default().insert(key.into(), value);
    }

    fn quota(&self, call: &Call, key: &'static str) -> Option<(f64, Sharers)> {
        if self.admin.quotas.set.is_empty() {
            return None;
        }
        let principal = self.principal(call.conn);
        let client_id = self.client_id(call.conn).unwrap_or_default();
        let user = principal.split_once(':').map_or(&*principal, |(_, name)| name);
        self.admin.quotas.find(key, user, &client_id)
    }

    /// Counts a Produce request's bytes; how long its connection is throttled.
    pub(in crate::cluster) fn count_produced(&mut self, call: &Call, bytes: usize) -> Duration {
        let Some((quota, sharers)) = self.quota(call, PRODUCER_BYTE_RATE) else { return Duration::ZERO };
        let rate = self.admin.quotas.rates.entry(sharers).or_default();
        rate.record(self.now.elapsed, bytes as f64, quota)
    }

    /// The most that one fetch gets.
    pub(in crate::cluster) fn most_fetched(&self, call: &Call) -> usize {
        self.quota(call, CONSUMER_BYTE_RATE).map_or(usize::MAX, |(quota, _)| (quota * FETCH_SECONDS) as usize)
    }

    /// Answers a fetch; without data, if it were too much.
    pub(in crate::cluster) fn answer_fetch(&mut self, call: &Call, response: FetchResponse) -> Frame {
        let Some((quota, sharers)) = self.quota(call, CONSUMER_BYTE_RATE) else {
            return call.answer::<FetchRequest>(response);
        };
        let frame = call.answer::<FetchRequest>(response.clone());
        let rate = self.admin.quotas.rates.entry(sharers).or_default();
        let pause = rate.record(self.now.elapsed, frame.len() as f64, quota);
        if pause.is_zero() {
            return frame;
        }
        let mut answer = response;
        if self.options.as_version >= Release::V2_0 {
            rate.forget(frame.len() as f64);
            answer = FetchResponse { session_id: answer.session_id, ..Default::default() };
        }
        answer.throttle_time_ms = pause.as_millis() as i32;
        self.throttle(call.conn, pause);
        call.answer::<FetchRequest>(answer)
    }

    /// Counts partitions that are to be created or deleted. `strict` versions get an error for what is too much.
    pub(super) fn count_mutations(&mut self, call: &Call, count: usize, strict: bool) -> Result<(), Refusal> {
        let Some((quota, sharers)) = self.quota(call, CONTROLLER_MUTATION_RATE) else { return Ok(()) };
        let now = self.now.elapsed;
        let bucket = self.admin.quotas.buckets.entry(sharers).or_insert_with(|| Bucket::full(now, quota));
        let pause = bucket.pause(now, quota);
        if strict && !pause.is_zero() {
            self.throttle(call.conn, pause);
            let message = "The throttling quota has been exceeded.";
            return Err((ErrorCode::THROTTLING_QUOTA_EXCEEDED, message.to_owned()));
        }
        bucket.take(count);
        let pause = bucket.pause(now, quota);
        if !strict && !pause.is_zero() {
            self.throttle(call.conn, pause);
        }
        Ok(())
    }

    pub(super) fn alter_client_quotas(
        &mut self,
        call: &Call,
        request: AlterClientQuotasRequest,
    ) -> AlterClientQuotasResponse {
        let allowed = self.check_cluster(call, Operation::AlterConfigs);
        let entries = request.entries.into_iter().map(|entry| {
            let altered = allowed.clone().and_then(|()| self.alter_quotas(&entry, request.validate_only));
            let (error_code, error_message) = match altered {
                Ok(()) => (ErrorCode::NONE, None),
                Err((code, message)) => (code, Some(message.into())),
            };
            EntryDataResponse { error_code, error_message, entity: entry.entity, ..Default::default() }
        });
        AlterClientQuotasResponse { entries: entries.collect(), ..Default::default() }
    }

    fn alter_quotas(
        &mut self,
        entry: &alter_client_quotas::EntryData,
        validate_only: bool,
    ) -> Result<(), Refusal> {
        let entity = checked_entity(&entry.entity)?;
        let mut values = self.admin.quotas.set.get(&entity).cloned().unwrap_or_default();
        for op in &entry.ops {
            check_quota(&entity, op)?;
            match op.remove {
                true => values.remove(&*op.key),
                false => values.insert(Str::from(&*op.key), op.value),
            };
        }
        let quotas = &mut self.admin.quotas;
        match validate_only {
            true => None,
            false if values.is_empty() => quotas.set.remove(&entity),
            false => quotas.set.insert(entity, values),
        };
        Ok(())
    }

    pub(super) fn describe_client_quotas(
        &mut self,
        call: &Call,
        request: DescribeClientQuotasRequest,
    ) -> DescribeClientQuotasResponse {
        let checked = self.check_cluster(call, Operation::DescribeConfigs);
        if let Err((error_code, message)) = checked.and_then(|()| check_components(&request.components)) {
            return DescribeClientQuotasResponse {
                error_code,
                error_message: Some(message.into()),
                entries: None,
                ..Default::default()
            };
        }
        let matches = |entity: &Entity| {
            let part = |component: &ComponentData| match (
                entity.get(&component.entity_type),
                component.match_type,
            ) {
                (Some(name), 0) => *name == component.r#match,
                (Some(name), 1) => name.is_none(),
                (Some(_), _) => true,
                (None, _) => false,
            };
            request.components.iter().all(part)
                && (!request.strict || entity.len() == request.components.len())
        };
        let entries =
            self.admin.quotas.set.iter().filter(|(entity, _)| matches(entity)).map(|(entity, values)| {
                let parts = entity.iter().map(|(kind, name)| describe_client_quotas::EntityData {
                    entity_type: kind.clone(),
                    entity_name: name.clone(),
                    ..Default::default()
                });
                let value = |(key, value): (&Str, &f64)| ValueData {
                    key: key.clone(),
                    value: *value,
                    ..Default::default()
                };
                describe_client_quotas::EntryData {
                    entity: parts.collect(),
                    values: values.iter().map(value).collect(),
                    ..Default::default()
                }
            });
        DescribeClientQuotasResponse { entries: Some(entries.collect()), ..Default::default() }
    }
}

fn invalid<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err((ErrorCode::INVALID_REQUEST, message.into()))
}

fn checked_entity(parts: &[alter_client_quotas::EntityData]) -> Result<Entity, Refusal> {
    let mut entity = Entity::new();
    for part in parts {
        let kind = &*part.entity_type;
        if ![USER, CLIENT_ID, IP].contains(&kind) {
            return invalid(format!("Unhandled client quota entity type: {kind}"));
        }
        if part.entity_name.as_ref().is_some_and(|name| name.is_empty()) {
            return invalid(format!("Empty {kind} not supported"));
        }
        let name = part.entity_name.as_ref().map(|name| Str::from(&**name));
        if entity.insert(Str::from(kind), name).is_some() {
            return invalid(format!("Invalid client quota entity, duplicate entity entry {kind}"));
        }
    }
    if entity.is_empty() {
        return invalid("Invalid empty client quota entity");
    }
    if entity.contains_key(IP) && entity.len() > 1 {
        return invalid(
            "Invalid quota entity combination, IP entity should not be combined with User or ClientId",
        );
    }
    Ok(entity)
}

fn check_quota(entity: &Entity, op: &alter_client_quotas::OpData) -> Result<(), Refusal> {
    let key = &*op.key;
    let known: &[&str] = match entity.contains_key(IP) {
        true => &[CONNECTION_CREATION_RATE],
        false => &[PRODUCER_BYTE_RATE, CONSUMER_BYTE_RATE, REQUEST_PERCENTAGE, CONTROLLER_MUTATION_RATE],
    };
    if !known.contains(&key) {
        return invalid(format!("Invalid configuration key {key}"));
    }
    if op.remove {
        return Ok(());
    }
    // Also what is no number.
    if op.value.is_nan() || op.value <= 0.0 {
        return invalid(format!("Quota {key} must be greater than 0"));
    }
    let whole = [PRODUCER_BYTE_RATE, CONSUMER_BYTE_RATE, CONNECTION_CREATION_RATE].contains(&key);
    if whole && op.value.fract() > 1e-6 {
        return invalid(format!("{key} cannot be a fractional value."));
    }
    Ok(())
}

fn check_components(components: &[ComponentData]) -> Result<(), Refusal> {
    for (at, component) in components.iter().enumerate() {
        let kind = &*component.entity_type;
        if kind.is_empty() {
            return invalid("Unexpected empty entity type.");
        }
        if ![USER, CLIENT_ID, IP].contains(&kind) {
            return Err((
                ErrorCode::UNSUPPORTED_VERSION,
                format!("Custom entity type '{kind}' not supported"),
            ));
        }
        if !(0..=2).contains(&component.match_type) {
            return invalid(format!("Unexpected match type: {}", component.match_type));
        }
        if components[..at].iter().any(|earlier| earlier.entity_type == component.entity_type) {
            return invalid(format!("Entity type '{kind}' cannot appear more than once in the filter."));
        }
    }
    if components.len() > 1 && components.iter().any(|component| component.entity_type == *IP) {
        return invalid(
            "Invalid entity filter component combination, IP filter component should not be used with \
                        user or clientId filter component.",
        );
    }
    Ok(())
}
