//! The brokers' half of SCRAM (RFC 5802), on the hashes of `milena_core` alone.

use data_encoding::BASE64;
use milena_core::sasl::scram::ScramMechanism;
use milena_core::wire::Str;

/// What a broker keeps of a user's password for one mechanism.
#[derive(Clone, Debug)]
pub(in crate::cluster::admin) struct Credential {
    pub(super) salt: Vec<u8>,
    pub(super) iterations: u32,
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

impl Credential {
    pub(super) fn new(mechanism: ScramMechanism, salt: &[u8], iterations: u32, salted: &[u8]) -> Self {
        Credential {
            salt: salt.to_vec(),
            iterations,
            stored_key: mechanism.hash(&mechanism.hmac(salted, b"Client Key")),
            server_key: mechanism.hmac(salted, b"Server Key"),
        }
    }
}

/// An exchange whose challenge was sent.
#[derive(Debug)]
pub(super) struct ScramServer {
    mechanism: ScramMechanism,
    user: Str,
    credential: Credential,
    /// Both nonces.
    nonce: String,
    /// The client's first message without its header, and the server's.
    so_far: String,
}

/// The user in a client's first message.
pub(super) fn user_of(client_first: &str) -> Option<Str> {
    let (user, _) = bare(client_first)?.strip_prefix("n=")?.split_once(",r=")?;
    Some(user.replace("=2C", ",").replace("=3D", "=").into())
}

/// A client's first message without its header. Kafka binds to no channel, and lets nobody act for another.
fn bare(client_first: &str) -> Option<&str> {
    let (act_for, bare) = client_first.strip_prefix("n,")?.split_once(',')?;
    act_for.is_empty().then_some(bare)
}

impl ScramServer {
    /// Takes the client's first message: the exchange, and the challenge.
    pub(super) fn new(
        mechanism: ScramMechanism,
        user: Str,
        client_first: &str,
        nonce: &str,
        credential: Credential,
    ) -> Option<(Self, String)> {
        let bare = bare(client_first)?;
        let (_, behind) = bare.split_once(",r=")?;
        let clients = behind.split(',').next().filter(|nonce| !nonce.is_empty())?;
        let nonce = format!("{clients}{nonce}");
        let salt = BASE64.encode(&credential.salt);
        let challenge = format!("r={nonce},s={salt},i={}", credential.iterations);
        let so_far = format!("{bare},{challenge}");
        Some((ScramServer { mechanism, user, credential, nonce, so_far }, challenge))
    }

    pub(super) fn user(&self) -> &Str {
        &self.user
    }

    /// Takes the client's proof: the server's, if that one holds.
    pub(super) fn handle_client_final(&self, client_final: &str) -> Option<String> {
        let (proofless, proof) = client_final.rsplit_once(",p=")?;
        // `biws` is the header of the first message in base64.
        let nonce = proofless.strip_prefix("c=biws,r=")?.split(',').next()?;
        let auth_message = format!("{},{proofless}", self.so_far);
        let signature = self.mechanism.hmac(&self.credential.stored_key, auth_message.as_bytes());
        let mut client_key =
            BASE64.decode(proof.as_bytes()).ok().filter(|proof| proof.len() == signature.len())?;
        client_key.iter_mut().zip(signature).for_each(|(byte, mask)| *byte ^= mask);
        if nonce != self.nonce || self.mechanism.hash(&client_key) != self.credential.stored_key {
            return None;
        }
        let signature = self.mechanism.hmac(&self.credential.server_key, auth_message.as_bytes());
        Some(format!("v={}", BASE64.encode(&signature)))
    }
}
