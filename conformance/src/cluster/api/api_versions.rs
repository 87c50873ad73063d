//! ApiVersions, the only API that is answered in versions the broker does not know.

use milena_core::protocol::api_versions::ApiVersion;
use milena_core::protocol::api_versions::{FinalizedFeatureKey, SupportedFeatureKey};
use milena_core::protocol::{ApiKey, ApiVersionsRequest, ApiVersionsResponse, ErrorCode};

use super::{Call, Outcome};
use crate::cluster::admin::TRANSACTION_VERSION;
use crate::cluster::release::Release;
use crate::cluster::state::ClusterState;

impl ClusterState {
    pub(super) fn api_versions(&mut self, call: &Call, request: ApiVersionsRequest) -> ApiVersionsResponse {
        if let Some(code) = call.forced {
            return ApiVersionsResponse { error_code: code, ..Default::default() };
        }
        let named = is_software_name(&request.client_software_name)
            && is_software_name(&request.client_software_version);
        if call.version >= 3 && !named {
            return ApiVersionsResponse { error_code: ErrorCode::INVALID_REQUEST, ..Default::default() };
        }
        let release = self.options.as_version;
        let mut response = ApiVersionsResponse { api_keys: api_keys(release), ..Default::default() };
        if release >= Release::V4_0 {
            // Before version 4 a feature whose range starts at 0 could not be told to clients (KIP-584, KAFKA-17011).
            if call.version >= 4 {
                response.supported_features.push(SupportedFeatureKey {
                    name: TRANSACTION_VERSION.into(),
                    min_version: 0,
                    max_version: 2,
                    ..Default::default()
                });
            }
            let features = self.admin.features;
            response.finalized_features_epoch = features.epoch;
            // A feature at level 0 is not there.
            if features.transaction_version > 0 {
                response.finalized_features.push(FinalizedFeatureKey {
                    name: TRANSACTION_VERSION.into(),
                    max_version_level: features.transaction_version,
                    min_version_level: features.transaction_version,
                    ..Default::default()
                });
            }
        }
        response
    }
}

/// What a broker does with a request in a version that it does not serve.
pub(in crate::cluster) fn unsupported(state: &ClusterState, call: &Call) -> Outcome {
    if call.key != ApiKey::API_VERSIONS {
        return Outcome::Reject;
    }
    let release = state.options.as_version;
    let mut response =
        ApiVersionsResponse { error_code: ErrorCode::UNSUPPORTED_VERSION, ..Default::default() };
    if release >= Release::V2_4 {
        response.api_keys = api_keys(release);
        response.api_keys.retain(|api| api.api_key == ApiKey::API_VERSIONS);
    }
    Outcome::Answer(Call { version: 0, ..*call }.answer::<ApiVersionsRequest>(response))
}

fn api_keys(release: Release) -> Vec<ApiVersion> {
    let advertised = release.advertised().into_iter();
    let listed = advertised.map(|(api_key, versions)| ApiVersion {
        api_key,
        min_version: *versions.start(),
        max_version: *versions.end(),
        ..Default::default()
    });
    listed.collect()
}

/// Letters and digits, with dots and hyphens between them (KIP-511).
fn is_software_name(text: &str) -> bool {
    let alphanumeric = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    alphanumeric(bytes.first())
        && alphanumeric(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
}
