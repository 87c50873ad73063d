//! SASL: what a connection may ask for before it has proved who it is, and how it does.
//!
//! ```text
//! Handshake -> (ApiVersions, once) -> SaslHandshake v0 -> tokens without headers    -> Done
//!                                     SaslHandshake v1 -> SaslAuthenticate requests -> Done
//! Done      -> SaslHandshake -> ...        since 2.2, to prove it again (KIP-368)
//! ```
//!
//! Rules: where no security is asked for, every connection begins at the end. Anything out of turn ends the connection: at
//! once in place of a SaslHandshake, with ILLEGAL_SASL_STATE in place of a SaslAuthenticate. A failure is answered after
//! [`FAILURE_DELAY`], so that guessing takes its time, and ends the connection too. Neither the user nor the mechanism may
//! change when it is proved again; when the time for that has passed, the next request ends the connection.

mod scram;
mod users;

use std::time::Duration;

use bytes::Bytes;
use milena_core::protocol::{
    ApiKey, ErrorCode, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest,
    SaslHandshakeResponse,
};
use milena_core::sasl::scram::ScramMechanism;
use milena_core::wire::{Frame, Str};

use crate::cluster::ConnectionId;
use crate::cluster::api::{Call, Outcome};
use crate::cluster::release::Release;
use crate::cluster::state::ClusterState;
use scram::ScramServer;
pub(super) use users::{Credentials, given};

/// `connection.failed.authentication.delay.ms`, at its default.
pub(in crate::cluster) const FAILURE_DELAY: Duration = Duration::from_millis(100);

/// Who may connect to the brokers, by SASL: with PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
#[derive(Clone, Debug)]
pub struct Security {
    /// Users and their passwords, good for every mechanism. Default none.
    pub users: Vec<(String, String)>,
    /// The mechanisms offered (`sasl.enabled.mechanisms`). Default all three.
    pub mechanisms: Vec<String>,
    /// How long a proof is good for (`connections.max.reauth.ms`): a client has to give another one before (KIP-368).
    /// Default `None`: as long as the connection.
    pub session_lifetime: Option<Duration>,
}

impl Default for Security {
    fn default() -> Self {
        let mechanisms = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"].map(str::to_owned).to_vec();
        Security { users: Vec::new(), mechanisms, session_lifetime: None }
    }
}

/// How far a connection has come.
#[derive(Debug)]
pub(in crate::cluster) struct Authentication {
    stage: Stage,
    /// How it proved who it is, if it did.
    proved: Option<Mechanism>,
    /// When it has to be proved again.
    until: Option<Duration>,
}

#[derive(Debug)]
enum Stage {
    Handshake { versions_told: bool },
    Exchange { mechanism: Mechanism, bare: bool, scram: Option<ScramServer> },
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mechanism {
    Plain,
    Scram(ScramMechanism),
}

impl Mechanism {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "PLAIN" => Some(Mechanism::Plain),
            name => ScramMechanism::from_name(name).map(Mechanism::Scram),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::Scram(mechanism) => mechanism.name(),
        }
    }
}

/// What becomes of a request, as far as that depends on who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cluster) enum Admission {
    Serve,
    /// It gets ILLEGAL_SASL_STATE.
    OutOfTurn,
    Close,
}

/// What a token led to: the next one, and the user if that ends the exchange.
type Step = (Vec<u8>, Option<Str>);

impl Authentication {
    pub(in crate::cluster) fn new(required: bool) -> Self {
        let stage = if required { Stage::Handshake { versions_told: false } } else { Stage::Done };
        Authentication { stage, proved: None, until: None }
    }

    /// Whether what comes next is a token without a header.
    pub(in crate::cluster) fn takes_bare_tokens(&self) -> bool {
        matches!(self.stage, Stage::Exchange { bare: true, .. })
    }

    /// Whether a request may be served now.
    pub(in crate::cluster) fn admit(&mut self, key: ApiKey, now: Duration) -> Admission {
        match &mut self.stage {
            Stage::Done if key == ApiKey::SASL_HANDSHAKE => Admission::Serve,
            Stage::Done if self.until.is_some_and(|until| until < now) => Admission::Close,
            Stage::Done => Admission::Serve,
            Stage::Handshake { versions_told } if key == ApiKey::API_VERSIONS && !*versions_told => {
                *versions_told = true;
                Admission::Serve
            }
            Stage::Handshake { .. } if key == ApiKey::SASL_HANDSHAKE => Admission::Serve,
            Stage::Handshake { .. } => Admission::Close,
            Stage::Exchange { .. } if key == ApiKey::SASL_AUTHENTICATE => Admission::Serve,
            Stage::Exchange { .. } => Admission::OutOfTurn,
        }
    }
}

impl ClusterState {
    pub(super) fn sasl_handshake(&mut self, call: &Call, request: SaslHandshakeRequest) -> Outcome {
        let answer = |error_code: ErrorCode, mechanisms: Vec<Str>| {
            let response = SaslHandshakeResponse { error_code, mechanisms, ..Default::default() };
            call.answer::<SaslHandshakeRequest>(response)
        };
        if let Some(code) = call.forced {
            return Outcome::Answer(answer(code, Vec::new()));
        }
        let release = self.options.as_version;
        let offered = self.options.security.as_ref().map(|security| security.mechanisms.clone());
        let Some(authentication) = self.authentication(call.conn) else { return Outcome::Close };
        let first = matches!(authentication.stage, Stage::Handshake { .. });
        let Some(offered) = offered.filter(|_| first || release >= Release::V2_2) else {
            return Outcome::Answer(answer(ErrorCode::ILLEGAL_SASL_STATE, Vec::new()));
        };
        let names = offered.iter().map(|name| Str::from(name.as_str())).collect();
        let known = Mechanism::from_name(&request.mechanism);
        let Some(mechanism) = known.filter(|mechanism| offered.iter().any(|name| name == mechanism.name()))
        else {
            return Outcome::Refuse(answer(ErrorCode::UNSUPPORTED_SASL_MECHANISM, names));
        };
        authentication.stage = Stage::Exchange { mechanism, bare: call.version == 0, scram: None };
        Outcome::Answer(answer(ErrorCode::NONE, names))
    }

    pub(super) fn sasl_authenticate(&mut self, call: &Call, request: SaslAuthenticateRequest) -> Outcome {
        let refused = |code: ErrorCode, message: String| {
            let error_message = Some(message.into());
            let response = SaslAuthenticateResponse { error_code: code, error_message, ..Default::default() };
            call.answer::<SaslAuthenticateRequest>(response)
        };
        if let Some(code) = call.forced {
            return Outcome::Answer(refused(code, code.name().to_owned()));
        }
        let in_turn = |authentication: &mut Authentication| !matches!(authentication.stage, Stage::Done);
        if !self.authentication(call.conn).is_some_and(in_turn) {
            let message = "SaslAuthenticate request received after successful authentication";
            return Outcome::Answer(refused(ErrorCode::ILLEGAL_SASL_STATE, message.to_owned()));
        }
        match self.handle_token(call.conn, &request.auth_bytes) {
            Ok((token, session)) => {
                Outcome::Answer(call.answer::<SaslAuthenticateRequest>(SaslAuthenticateResponse {
                    auth_bytes: token.into(),
                    session_lifetime_ms: session.map_or(0, |session| session.as_millis() as i64),
                    ..Default::default()
                }))
            }
            Err(None) => Outcome::Close,
            Err(Some(message)) => Outcome::Refuse(refused(ErrorCode::SASL_AUTHENTICATION_FAILED, message)),
        }
    }

    /// A token without a header: its answer has none either, and a failure has no answer.
    pub(in crate::cluster) fn handle_bare_token(&mut self, conn: ConnectionId, token: &Bytes) -> Outcome {
        match self.handle_token(conn, token) {
            Ok((token, _)) => Frame::of_bytes(token.into()).map_or(Outcome::Close, Outcome::Answer),
            Err(_) => Outcome::Close,
        }
    }

    /// One step of an exchange: the token to answer with, and how long the proof is good for, if it was one.
    ///
    /// A failure has words to tell the client, or none.
    fn handle_token(
        &mut self,
        conn: ConnectionId,
        token: &Bytes,
    ) -> Result<(Vec<u8>, Option<Duration>), Option<String>> {
        let Some(authentication) = self.authentication(conn) else { return Err(None) };
        let again = authentication.proved;
        let Stage::Exchange { mechanism, scram, .. } = &mut authentication.stage else { return Err(None) };
        let (mechanism, scram) = (*mechanism, scram.take());
        if again.is_some_and(|proved| proved != mechanism) {
            return Err(None);
        }
        let (token, user) = match mechanism {
            Mechanism::Plain => self.plain(token).map_err(Some)?,
            Mechanism::Scram(kind) => self.scram(conn, kind, scram, token).ok_or_else(|| {
                let what = if again.is_some() { "re-authentication" } else { "authentication" };
                Some(format!(
                    "Authentication failed during {what} due to invalid credentials with SASL mechanism {kind}"
                ))
            })?,
        };
        let Some(user) = user else { return Ok((token, None)) };
        let principal = Str::from(format!("User:{user}"));
        let before = self.principal(conn);
        if again.is_some() && before != principal {
            return Err(Some(format!(
                "Cannot change principals during re-authentication from {before}: {principal}"
            )));
        }
        let lifetime = self.options.security.as_ref().and_then(|security| security.session_lifetime);
        let until = lifetime.map(|lifetime| self.now.elapsed + lifetime);
        if let Some(authentication) = self.authentication(conn) {
            *authentication = Authentication { stage: Stage::Done, proved: Some(mechanism), until };
        }
        self.set_principal(conn, principal);
        Ok((token, lifetime))
    }

    /// RFC 4616: whom to act for, user, password, with NULs between.
    fn plain(&self, token: &Bytes) -> Result<Step, String> {
        let text = String::from_utf8_lossy(token);
        let parts: Vec<&str> = text.split('\0').collect();
        let &[act_for, user, password] = &parts[..] else {
            return Err(format!("Invalid SASL/PLAIN response: expected 3 tokens, got {}", parts.len()));
        };
        if user.is_empty() {
            return Err("Authentication failed: username not specified".to_owned());
        }
        if password.is_empty() {
            return Err("Authentication failed: password not specified".to_owned());
        }
        let users = self.options.security.iter().flat_map(|security| &security.users);
        if !users.into_iter().any(|(name, secret)| name == user && secret == password) {
            return Err("Authentication failed: Invalid username or password".to_owned());
        }
        if !act_for.is_empty() && act_for != user {
            let message =
                "Authentication failed: Client requested an authorization id that is different from username";
            return Err(message.to_owned());
        }
        Ok((Vec::new(), Some(user.into())))
    }

    /// The first or the second token of SCRAM; nobody is told what was wrong with it.
    fn scram(
        &mut self,
        conn: ConnectionId,
        mechanism: ScramMechanism,
        begun: Option<ScramServer>,
        token: &Bytes,
    ) -> Option<Step> {
        let text = std::str::from_utf8(token).ok()?;
        if let Some(server) = begun {
            let answer = server.handle_client_final(text)?;
            return Some((answer.into_bytes(), Some(server.user().clone())));
        }
        let user = scram::user_of(text)?;
        let credential = self.credential(&user, mechanism)?;
        let nonce = self.random_uuid().to_string();
        let (server, answer) = ScramServer::new(mechanism, user, text, &nonce, credential)?;
        if let Stage::Exchange { scram, .. } = &mut self.authentication(conn)?.stage {
            *scram = Some(server);
        }
        Some((answer.into_bytes(), None))
    }
}
