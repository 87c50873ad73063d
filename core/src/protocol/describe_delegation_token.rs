//! DescribeDelegationToken (key 41): list delegation tokens.

use super::ErrorCode;
use crate::wire::Str;
use bytes::Bytes;

request! {
    /// Asks any broker for the delegation tokens of some owners or of all (KIP-48).
    ///
    /// It must come over an authenticated connection, not one that was itself logged in with a token; else
    /// the answer is `DELEGATION_TOKEN_REQUEST_NOT_ALLOWED`. Version 1 changes nothing but when the broker
    /// throttles (KIP-219). Version 2 is flexible. Version 3 is for the response (KIP-373). Version 0 is
    /// gone in 4.0.
    DescribeDelegationTokenRequest: DESCRIBE_DELEGATION_TOKEN -> DescribeDelegationTokenResponse,
        versions 0..=3, flexible 2.. {
        /// Whose tokens to list; null for all that the client may see, empty for none.
        owners: Option<Vec<DescribeDelegationTokenOwner>> { 0.., nullable 0.. },
    }

    /// An owner of tokens.
    DescribeDelegationTokenOwner {
        /// The principal's type, `User`.
        principal_type: Str { 0.. },
        /// The principal's name.
        principal_name: Str { 0.. },
    }
}

message! {
    /// The tokens that the client may see: those it owns, may renew or has the right to describe.
    ///
    /// Version 3 tells who asked for each token (KIP-373).
    DescribeDelegationTokenResponse: versions 0..=3, flexible 2.. {
        /// What went wrong.
        error_code: ErrorCode { 0.. },
        /// The tokens.
        tokens: Vec<DescribedDelegationToken> { 0.. },
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 0.. },
    }

    /// A token.
    DescribedDelegationToken {
        /// The type of the owner's principal.
        principal_type: Str { 0.. },
        /// The owner's name: whom a login with the token counts as.
        principal_name: Str { 0.. },
        /// The type of the principal that asked for the token.
        token_requester_principal_type: Str { 3.. },
        /// The name of the principal that asked for the token.
        token_requester_principal_name: Str { 3.. },
        /// When the token was made, in ms since the epoch.
        issue_timestamp: i64 { 0.. },
        /// When the token expires unless it is renewed, in ms since the epoch.
        expiry_timestamp: i64 { 0.. },
        /// When the token expires even if it is renewed, in ms since the epoch.
        max_timestamp: i64 { 0.. },
        /// The token's id, which is no secret: the user name of a SCRAM login with it.
        token_id: Str { 0.. },
        /// The secret: in Base64 the password of a SCRAM login with the token; as bytes it names the token
        /// when renewing or expiring it.
        hmac: Bytes { 0.., secret },
        /// Who may renew the token, besides its owner.
        renewers: Vec<DescribedDelegationTokenRenewer> { 0.. },
    }

    /// Someone who may renew the token.
    DescribedDelegationTokenRenewer {
        /// The principal's type, `User`.
        principal_type: Str { 0.. },
        /// The principal's name.
        principal_name: Str { 0.. },
    }
}
