//! SCRAM's users: AlterUserScramCredentials and DescribeUserScramCredentials.

use std::collections::{BTreeMap, BTreeSet};

use milena_core::protocol::alter_user_scram_credentials::AlterUserScramCredentialsResult;
use milena_core::protocol::describe_user_scram_credentials::{
    CredentialInfo, DescribeUserScramCredentialsResult,
};
use milena_core::protocol::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse, ErrorCode,
};
use milena_core::sasl::scram::{SaltedPassword, ScramMechanism};
use milena_core::wire::Str;

use super::scram::Credential;
use crate::cluster::ClusterOptions;
use crate::cluster::admin::{Operation, Refusal};
use crate::cluster::api::Call;
use crate::cluster::state::ClusterState;

/// Kafka's bounds for both mechanisms; its tools give the lower one.
const ITERATIONS: std::ops::RangeInclusive<i32> = 4096..=16_384;
const MECHANISMS: [(i8, ScramMechanism); 2] = [(1, ScramMechanism::Sha256), (2, ScramMechanism::Sha512)];

/// By user and mechanism; `None`: to be made of the password in the options when it is asked for, as that takes long.
pub(in crate::cluster::admin) type Credentials = BTreeMap<(Str, i8), Option<Credential>>;

/// The credentials of the users in the options.
pub(in crate::cluster::admin) fn given(options: &ClusterOptions) -> Credentials {
    let users = options.security.iter().flat_map(|security| &security.users);
    users
        .flat_map(|(name, _)| MECHANISMS.map(|(number, _)| ((Str::from(name.as_str()), number), None)))
        .collect()
}

fn number_of(mechanism: ScramMechanism) -> i8 {
    MECHANISMS.iter().find(|(_, known)| *known == mechanism).map_or(0, |(number, _)| *number)
}

fn check_mechanism(user: &str, number: i8) -> Result<ScramMechanism, Refusal> {
    if user.is_empty() {
        return Err((ErrorCode::UNACCEPTABLE_CREDENTIAL, "Username must not be empty".to_owned()));
    }
    let found = MECHANISMS.iter().find(|(known, _)| *known == number);
    let unknown = || (ErrorCode::UNSUPPORTED_SASL_MECHANISM, "Unknown SCRAM mechanism".to_owned());
    found.map(|(_, mechanism)| *mechanism).ok_or_else(unknown)
}

impl ClusterState {
    pub(super) fn credential(&mut self, user: &str, mechanism: ScramMechanism) -> Option<Credential> {
        let salt = self.random_uuid();
        let users = self.options.security.iter().flat_map(|security| &security.users);
        let password = users.into_iter().find(|(name, _)| name == user).map(|(_, password)| password);
        let slot = self.admin.credentials.get_mut(&(Str::from(user), number_of(mechanism)))?;
        if slot.is_none() {
            let iterations = *ITERATIONS.start() as u32;
            let salted = SaltedPassword::derive(mechanism, password?, &salt.0, iterations);
            *slot = Some(Credential::new(mechanism, &salt.0, iterations, salted.as_bytes()));
        }
        slot.clone()
    }

    pub(in crate::cluster::admin) fn alter_user_scram_credentials(
        &mut self,
        call: &Call,
        request: AlterUserScramCredentialsRequest,
    ) -> AlterUserScramCredentialsResponse {
        let controller = self.check_controller(call).map_err(|error| (error.code, error.message));
        let allowed = self.check_cluster(call, Operation::Alter).and(controller);
        let deleted = request.deletions.iter().map(|deletion| (&deletion.name, deletion.mechanism, None));
        let upserted = request.upsertions.iter();
        let upserted = upserted.map(|upsertion| (&upsertion.name, upsertion.mechanism, Some(upsertion)));
        let changes: Vec<_> = deleted.chain(upserted).collect();
        let mut results: BTreeMap<Str, Result<(), Refusal>> = BTreeMap::new();
        let mut checked = BTreeSet::new();
        for (name, number, upsertion) in &changes {
            let mut result = allowed.clone().and_then(|()| check_mechanism(name, *number).map(|_| ()));
            if result.is_ok() {
                result = match upsertion {
                    None if !self.admin.credentials.contains_key(&((*name).clone(), *number)) => {
                        let message = "Attempt to delete a user credential that does not exist";
                        Err((ErrorCode::RESOURCE_NOT_FOUND, message.to_owned()))
                    }
                    Some(upsertion) if upsertion.iterations < *ITERATIONS.start() => {
                        Err((ErrorCode::UNACCEPTABLE_CREDENTIAL, "Too few iterations".to_owned()))
                    }
                    Some(upsertion) if upsertion.iterations > *ITERATIONS.end() => {
                        Err((ErrorCode::UNACCEPTABLE_CREDENTIAL, "Too many iterations".to_owned()))
                    }
                    _ => Ok(()),
                };
            }
            if !checked.insert((*name, *number)) {
                let message = "A user credential cannot be altered twice in the same request";
                result = Err((ErrorCode::DUPLICATE_RESOURCE, message.to_owned()));
            }
            let before = results.remove(*name).unwrap_or(Ok(()));
            results.insert((*name).clone(), before.and(result));
        }
        // One wrong change of a user undoes the others of the same user.
        for (name, number, upsertion) in
            changes.iter().filter(|(name, ..)| results.get(*name) == Some(&Ok(())))
        {
            let key = (Str::from(&***name), *number);
            match (upsertion, check_mechanism(name, *number)) {
                (Some(upsertion), Ok(mechanism)) => {
                    let (salt, salted) = (&upsertion.salt, &upsertion.salted_password);
                    let credential = Credential::new(mechanism, salt, upsertion.iterations as u32, salted);
                    self.admin.credentials.insert(key, Some(credential))
                }
                _ => self.admin.credentials.remove(&key),
            };
        }
        let results = results.into_iter().map(|(user, result)| {
            let (error_code, error_message) = match result {
                Ok(()) => (ErrorCode::NONE, None),
                Err((code, message)) => (code, Some(message.into())),
            };
            AlterUserScramCredentialsResult { user, error_code, error_message, ..Default::default() }
        });
        AlterUserScramCredentialsResponse { results: results.collect(), ..Default::default() }
    }

    pub(in crate::cluster::admin) fn describe_user_scram_credentials(
        &mut self,
        call: &Call,
        request: DescribeUserScramCredentialsRequest,
    ) -> DescribeUserScramCredentialsResponse {
        if let Err((error_code, message)) = self.check_cluster(call, Operation::Describe) {
            return DescribeUserScramCredentialsResponse {
                error_code,
                error_message: Some(message.into()),
                ..Default::default()
            };
        }
        let mut infos: BTreeMap<Str, Vec<CredentialInfo>> = BTreeMap::new();
        for ((user, mechanism), credential) in &self.admin.credentials {
            let given = *ITERATIONS.start() as u32;
            let iterations = credential.as_ref().map_or(given, |credential| credential.iterations) as i32;
            let info = CredentialInfo { mechanism: *mechanism, iterations, ..Default::default() };
            infos.entry(user.clone()).or_default().push(info);
        }
        let named = request.users.filter(|users| !users.is_empty());
        let users: Vec<Str> = match named {
            Some(users) => users.into_iter().map(|user| user.name).collect(),
            None => infos.keys().cloned().collect(),
        };
        let asked: BTreeSet<&Str> = users.iter().collect();
        let results = asked.into_iter().map(|user| {
            let failed = |error_code: ErrorCode, message: String| DescribeUserScramCredentialsResult {
                user: user.clone(),
                error_code,
                error_message: Some(message.into()),
                ..Default::default()
            };
            if users.iter().filter(|other| *other == user).count() > 1 {
                let message = format!(
                    "Cannot describe SCRAM credentials for the same user twice in a single request: {user}"
                );
                return failed(ErrorCode::DUPLICATE_RESOURCE, message);
            }
            match infos.get(user) {
                Some(infos) => DescribeUserScramCredentialsResult {
                    user: user.clone(),
                    credential_infos: infos.clone(),
                    ..Default::default()
                },
                None => {
                    let message =
                        format!("Attempt to describe a user credential that does not exist: {user}");
                    failed(ErrorCode::RESOURCE_NOT_FOUND, message)
                }
            }
        });
        DescribeUserScramCredentialsResponse { results: results.collect(), ..Default::default() }
    }
}
