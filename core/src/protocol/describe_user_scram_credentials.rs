//! DescribeUserScramCredentials (key 50): TODO

use super::ErrorCode;
use crate::wire::Str;

request! {
    /// TODO
    DescribeUserScramCredentialsRequest: DESCRIBE_USER_SCRAM_CREDENTIALS -> DescribeUserScramCredentialsResponse, versions 0..=0, flexible 0.. {
        /// TODO
        users: Option<Vec<UserName>> { 0.., nullable 0.. },
    }

    /// TODO
    UserName {
        /// TODO
        name: Str { 0.. },
    }
}

message! {
    /// TODO
    DescribeUserScramCredentialsResponse: versions 0..=0, flexible 0.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
        /// TODO
        results: Vec<DescribeUserScramCredentialsResult> { 0.. },
    }

    /// TODO
    DescribeUserScramCredentialsResult {
        /// TODO
        user: Str { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The same in words, if the broker has any.
        error_message: Option<Str> { 0.., nullable 0.. },
        /// TODO
        credential_infos: Vec<CredentialInfo> { 0.. },
    }

    /// TODO
    CredentialInfo {
        /// TODO
        mechanism: i8 { 0.. },
        /// TODO
        iterations: i32 { 0.. },
    }
}
