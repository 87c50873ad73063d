//! CreateDelegationToken (key 38): create a delegation token, to log in with instead of a password.

use super::ErrorCode;
use crate::wire::Str;
use bytes::Bytes;

request! {
    /// Asks any broker for a new delegation token (KIP-48); the controller makes it.
    ///
    /// It must come over an authenticated connection, not one that was itself logged in with a token; else
    /// the answer is `DELEGATION_TOKEN_REQUEST_NOT_ALLOWED`. Version 1 changes nothing but when the broker
    /// throttles (KIP-219). Version 2 is flexible. Version 3 can create a token for someone else (KIP-373).
    /// Version 0 is gone in 4.0.
    CreateDelegationTokenRequest: CREATE_DELEGATION_TOKEN -> CreateDelegationTokenResponse,
        versions 0..=3, flexible 2.. {
        /// The type of the owner's principal, `User`; null for a token of one's own.
        owner_principal_type: Option<Str> { 3.., nullable 3.. },
        /// The owner's name; null or empty for a token of one's own. For another owner's token one needs
        /// the right to create tokens for that user.
        owner_principal_name: Option<Str> { 3.., nullable 3.. },
        /// Who may renew the token, besides its owner.
        renewers: Vec<CreatableRenewers> { 0.. },
        /// How long the token can be renewed for at most, in ms; -1 for the longest that the cluster
        /// allows, which also bounds other values.
        max_lifetime_ms: i64 { 0.. },
    }

    /// Someone who may renew the token.
    CreatableRenewers {
        /// The principal's type; nothing but `User` is allowed.
        principal_type: Str { 0.. },
        /// The principal's name.
        principal_name: Str { 0.. },
    }
}

message! {
    /// The token.
    ///
    /// Version 3 tells who asked for it (KIP-373).
    CreateDelegationTokenResponse: versions 0..=3, flexible 2.. {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The type of the owner's principal.
        principal_type: Str { 0.. },
        /// The owner's name: whom a login with the token counts as.
        principal_name: Str { 0.. },
        /// The type of the principal that asked for the token.
        token_requester_principal_type: Str { 3.. },
        /// The name of the principal that asked for the token.
        token_requester_principal_name: Str { 3.. },
        /// When the token was made, in ms since the epoch.
        issue_timestamp_ms: i64 { 0.. },
        /// When the token expires unless it is renewed, in ms since the epoch.
        expiry_timestamp_ms: i64 { 0.. },
        /// When the token expires even if it is renewed, in ms since the epoch.
        max_timestamp_ms: i64 { 0.. },
        /// The token's id, which is no secret: the user name of a SCRAM login with it.
        token_id: Str { 0.. },
        /// The secret: the token id's HMAC under a key that only the cluster has. In Base64 it is the
        /// password of a SCRAM login; as bytes it names the token when renewing or expiring it.
        hmac: Bytes { 0.., secret },
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
    }
}
