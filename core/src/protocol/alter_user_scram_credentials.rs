//! AlterUserScramCredentials (key 51): set and delete users' SCRAM credentials.

use super::ErrorCode;
use crate::wire::Str;
use bytes::Bytes;

request! {
    /// Asks the controller, or any broker, which passes it on, to set and delete users' SCRAM credentials
    /// (KIP-554). A user who is named twice, even with two mechanisms, gets `DUPLICATE_RESOURCE`.
    ///
    /// There is only version 0, which is flexible.
    AlterUserScramCredentialsRequest: ALTER_USER_SCRAM_CREDENTIALS -> AlterUserScramCredentialsResponse,
        versions 0..=0, flexible 0.. {
        /// The credentials to delete.
        deletions: Vec<ScramCredentialDeletion> { 0.. },
        /// The credentials to create or replace.
        upsertions: Vec<ScramCredentialUpsertion> { 0.. },
    }

    /// A credential to delete.
    ScramCredentialDeletion {
        /// The user's name.
        name: Str { 0.. },
        /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
        mechanism: i8 { 0.. },
    }

    /// A credential to create or replace.
    ScramCredentialUpsertion {
        /// The user's name.
        name: Str { 0.. },
        /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
        mechanism: i8 { 0.. },
        /// How many rounds `salted_password` was hashed, 4096 to 16384.
        iterations: i32 { 0.. },
        /// The salt, random bytes that the client makes.
        salt: Bytes { 0.., secret },
        /// The password hashed with the salt, `Hi()` of RFC 5802. The password itself is not sent, but who
        /// has this can log in as the user.
        salted_password: Bytes { 0.., secret },
    }
}

message! {
    /// What became of each user.
    AlterUserScramCredentialsResponse: versions 0..=0, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// Results by user.
        results: Vec<AlterUserScramCredentialsResult> { 0.. },
    }

    /// A user's result.
    AlterUserScramCredentialsResult {
        /// The user's name.
        user: Str { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
    }
}
