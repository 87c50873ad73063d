//! ApiVersions (key 18): which requests a broker knows, in which versions.

use super::{ApiKey, ErrorCode};
use crate::wire::Str;

request! {
    /// Asks what the broker knows; the first request on a connection.
    ///
    /// Version 3 is flexible and tells the broker the client's name and version (KIP-511). Version 4 lets a
    /// feature begin at version 0 (KIP-1022). A broker that does not know the version answers in version 0
    /// with `UNSUPPORTED_VERSION` and, if it is not too old, with its versions of this one request.
    ApiVersionsRequest: API_VERSIONS -> ApiVersionsResponse, versions 0..=4, flexible 3.. {
        /// The client's name: letters, digits, dots and hyphens.
        client_software_name: Str { 3.., ignorable },
        /// The client's version: letters, digits, dots and hyphens.
        client_software_version: Str { 3.., ignorable },
    }
}

message! {
    /// What the broker knows.
    ///
    /// Version 1 brings the throttle time, 3 features (KIP-584). Its header has version 0 whatever its own.
    ApiVersionsResponse: versions 0..=4, flexible 3.. {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The requests it knows.
        api_keys: Vec<ApiVersion> { 0.. },
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 1.., ignorable },
        /// Features it could have.
        supported_features: Vec<SupportedFeatureKey> { 3.., tag 0, ignorable },
        /// How current `finalized_features` is, or -1 if not known.
        finalized_features_epoch: i64 { 3.., tag 1, default -1, ignorable },
        /// Features the whole cluster has.
        finalized_features: Vec<FinalizedFeatureKey> { 3.., tag 2, ignorable },
        /// Whether a migration from ZooKeeper may begin.
        zk_migration_ready: bool { 3.., tag 3, ignorable },
    }

    /// A request the broker knows.
    ApiVersion {
        /// Its key.
        api_key: ApiKey { 0.. },
        /// The oldest version.
        min_version: i16 { 0.. },
        /// The newest version.
        max_version: i16 { 0.. },
    }

    /// A feature the broker could have.
    SupportedFeatureKey {
        /// Its name.
        name: Str { 3.. },
        /// The lowest version.
        min_version: i16 { 3.. },
        /// The highest version.
        max_version: i16 { 3.. },
    }

    /// A feature the cluster has.
    FinalizedFeatureKey {
        /// Its name.
        name: Str { 3.. },
        /// The highest version that may be used.
        max_version_level: i16 { 3.. },
        /// The lowest version that may be used.
        min_version_level: i16 { 3.. },
    }
}
