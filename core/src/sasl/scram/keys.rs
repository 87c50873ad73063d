//! The two hashes, and what becomes of a password.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};

/// One of Kafka's two SCRAM mechanisms, which differ in their hash alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScramMechanism {
    /// SCRAM-SHA-256.
    Sha256,
    /// SCRAM-SHA-512.
    Sha512,
}

impl ScramMechanism {
    /// The mechanism of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [ScramMechanism::Sha256, ScramMechanism::Sha512]
            .into_iter()
            .find(|mechanism| mechanism.name() == name)
    }

    /// The name that SaslHandshake says.
    pub fn name(self) -> &'static str {
        match self {
            ScramMechanism::Sha256 => "SCRAM-SHA-256",
            ScramMechanism::Sha512 => "SCRAM-SHA-512",
        }
    }

    /// The mechanism's hash.
    pub fn hash(self, data: &[u8]) -> Vec<u8> {
        match self {
            ScramMechanism::Sha256 => Sha256::digest(data).to_vec(),
            ScramMechanism::Sha512 => Sha512::digest(data).to_vec(),
        }
    }

    /// The mechanism's HMAC.
    pub fn hmac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        match self {
            ScramMechanism::Sha256 => mac::<Hmac<Sha256>>(key, data).finalize().into_bytes().to_vec(),
            ScramMechanism::Sha512 => mac::<Hmac<Sha512>>(key, data).finalize().into_bytes().to_vec(),
        }
    }

    /// Whether `code` is the HMAC, in a time that tells nothing of how far it agrees.
    pub(super) fn verify(self, key: &[u8], data: &[u8], code: &[u8]) -> bool {
        match self {
            ScramMechanism::Sha256 => mac::<Hmac<Sha256>>(key, data).verify_slice(code).is_ok(),
            ScramMechanism::Sha512 => mac::<Hmac<Sha512>>(key, data).verify_slice(code).is_ok(),
        }
    }
}

impl fmt::Display for ScramMechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

const ANY_KEY: &str = "HMAC takes keys of any length";

fn mac<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> M {
    <M as KeyInit>::new_from_slice(key).expect(ANY_KEY).chain_update(data)
}

/// A password as a broker's credential has it: salted, and hashed many times.
///
/// It is as good as the password for whoever meets the same salt, and is not shown by `Debug`. A caller may keep it for
/// later exchanges; see [`Challenge::accepts`](super::Challenge::accepts).
#[derive(Clone)]
pub struct SaltedPassword {
    mechanism: ScramMechanism,
    salt: Vec<u8>,
    iterations: u32,
    bytes: Vec<u8>,
}

impl SaltedPassword {
    /// Salts and hashes a password, as whoever makes a credential does; a client has
    /// [`Challenge::salt_password`](super::Challenge::salt_password). Slow by the number of iterations.
    pub fn derive(mechanism: ScramMechanism, password: &str, salt: &[u8], iterations: u32) -> Self {
        let password = password.as_bytes();
        // RFC 5802's Hi is the first block of PBKDF2.
        let bytes = match mechanism {
            ScramMechanism::Sha256 => {
                pbkdf2::pbkdf2_array::<Hmac<Sha256>, 32>(password, salt, iterations).expect(ANY_KEY).to_vec()
            }
            ScramMechanism::Sha512 => {
                pbkdf2::pbkdf2_array::<Hmac<Sha512>, 64>(password, salt, iterations).expect(ANY_KEY).to_vec()
            }
        };
        SaltedPassword { mechanism, salt: salt.to_vec(), iterations, bytes }
    }

    /// The mechanism it was made for.
    pub fn mechanism(&self) -> ScramMechanism {
        self.mechanism
    }

    /// The salt.
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// The number of PBKDF2's iterations.
    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    /// The salted password itself, 32 or 64 bytes: a secret.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What the client proves to have.
    pub(super) fn client_key(&self) -> Vec<u8> {
        self.mechanism.hmac(&self.bytes, b"Client Key")
    }

    /// What the broker keeps to check the client's proof: the hash of the client key.
    pub fn stored_key(&self) -> Vec<u8> {
        self.mechanism.hash(&self.client_key())
    }

    /// What the broker keeps to sign with, and so to prove itself.
    pub fn server_key(&self) -> Vec<u8> {
        self.mechanism.hmac(&self.bytes, b"Server Key")
    }
}

/// Without the secret.
impl fmt::Debug for SaltedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SaltedPassword")
            .field("mechanism", &self.mechanism)
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}
