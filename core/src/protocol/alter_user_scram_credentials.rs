//! AlterUserScramCredentials (key 51): TODO

use super::ErrorCode;
use crate::wire::Str;
use bytes::Bytes;

request! {
    /// TODO
    AlterUserScramCredentialsRequest: ALTER_USER_SCRAM_CREDENTIALS -> AlterUserScramCredentialsResponse, versions 0..=0, flexible 0.. {
        /// TODO
        deletions: Vec<ScramCredentialDeletion> { 0.. },
        /// TODO
        upsertions: Vec<ScramCredentialUpsertion> { 0.. },
    }

    /// TODO
    ScramCredentialDeletion {
        /// TODO
        name: Str { 0.. },
        /// TODO
        mechanism: i8 { 0.. },
    }

    /// TODO
    ScramCredentialUpsertion {
        /// TODO
        name: Str { 0.. },
        /// TODO
        mechanism: i8 { 0.. },
        /// TODO
        iterations: i32 { 0.. },
        /// TODO
        salt: Bytes { 0.., secret },
        /// TODO
        salted_password: Bytes { 0.., secret },
    }
}

message! {
    /// TODO
    AlterUserScramCredentialsResponse: versions 0..=0, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// TODO
        results: Vec<AlterUserScramCredentialsResult> { 0.. },
    }

    /// TODO
    AlterUserScramCredentialsResult {
        /// TODO
        user: Str { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
    }
}
