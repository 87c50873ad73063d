//! DescribeUserScramCredentials (key 50): which SCRAM credentials users have.

use super::ErrorCode;
use crate::wire::Str;

request! {
    /// Asks any broker or a controller for which SCRAM mechanisms users have credentials (KIP-554).
    ///
    /// There is only version 0, which is flexible.
    DescribeUserScramCredentialsRequest: DESCRIBE_USER_SCRAM_CREDENTIALS ->
        DescribeUserScramCredentialsResponse,
        versions 0..=0, flexible 0.. {
        /// The users asked for; null or empty for all that have credentials.
        users: Option<Vec<UserName>> { 0.., nullable 0.. },
    }

    /// A user asked for.
    UserName {
        /// The user's name.
        name: Str { 0.. },
    }
}

message! {
    /// The users' credentials, without what is secret in them.
    DescribeUserScramCredentialsResponse: versions 0..=0, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong with the request as a whole.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
        /// Results by user.
        results: Vec<DescribeUserScramCredentialsResult> { 0.. },
    }

    /// A user's result.
    DescribeUserScramCredentialsResult {
        /// The user's name.
        user: Str { 0.. },
        /// What went wrong: `RESOURCE_NOT_FOUND` for a user without credentials, `DUPLICATE_RESOURCE` for one
        /// asked for twice.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
        /// The user's credentials, one for each mechanism.
        credential_infos: Vec<CredentialInfo> { 0.. },
    }

    /// A credential.
    CredentialInfo {
        /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
        mechanism: i8 { 0.. },
        /// How many rounds the password is hashed.
        iterations: i32 { 0.. },
    }
}
