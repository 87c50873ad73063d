//! SCRAM-SHA-256 and SCRAM-SHA-512 ([RFC 5802], [RFC 7677], [KIP-84]): both sides prove that they know the password, and
//! neither says it.
//!
//! ```text
//! Scram      -> client-first   n,,n=user,r=NONCE[,extensions]
//!   handle_server_first        r=NONCE+MORE,s=SALT,i=ITERATIONS[,extensions]
//! Challenge
//!   salt_password              the slow step: PBKDF2
//!   answer
//! Answer     -> client-final   c=biws,r=NONCE+MORE,p=PROOF
//!   handle_server_final        v=SIGNATURE, or e=ERROR
//! ```
//!
//! Rules:
//!
//! - Each step takes the state before it, so that none is done twice or out of turn, and none after an error.
//! - The slow step stands alone, so that it may run on any thread and behind any lock, and its value is the caller's to keep:
//!   while the broker names the same salt, a reconnect pays nothing ([`Challenge::accepts`]).
//! - From a proof made with few iterations a password is cheap to guess, so a server that asks for fewer than Kafka allows is
//!   refused. So is one that asks for so many that they only burn time.
//! - Server messages are parsed strictly: attributes in their order, each once. Extensions that may be ignored are ignored,
//!   those that must be understood are refused, as the RFC demands.
//! - User and password are taken as they are, in UTF-8. SASLprep is left out because Java leaves it out: a password that it
//!   would change can't be the one that Kafka's tools stored.
//! - There is no channel binding: Kafka has none.
//!
//! [RFC 5802]: https://www.rfc-editor.org/rfc/rfc5802
//! [RFC 7677]: https://www.rfc-editor.org/rfc/rfc7677
//! [KIP-84]: https://cwiki.apache.org/confluence/display/KAFKA/KIP-84%3A+Support+SASL+SCRAM+mechanisms

mod error;
mod keys;
mod limits;
mod server;
#[cfg(test)]
mod tests;

use std::fmt;

use base64ct::{Base64, Encoding};

pub use error::{Argument, ScramError};
pub use keys::{SaltedPassword, ScramMechanism};
pub use limits::{MAX_ITERATIONS, MAX_NONCE_BYTES, MAX_SERVER_MESSAGE_BYTES, MIN_ITERATIONS};

/// Says that the client binds to no channel, and acts for nobody else.
const GS2_HEADER: &str = "n,,";

/// An exchange that begins: it has the client-first message, and waits for the server-first message.
#[derive(Clone, Debug)]
pub struct Scram {
    mechanism: ScramMechanism,
    message: String,
    nonce: String,
}

impl Scram {
    /// Begins an exchange.
    ///
    /// `nonce` is to be unpredictable and never used before: 128 bits or more from a source that is good enough for secrets,
    /// as printable ASCII without commas, such as base64. `extensions` are names and values; Kafka's delegation tokens send
    /// `("tokenauth", "true")`, with the token's id as user and its HMAC in base64 as password.
    ///
    /// # Errors
    ///
    /// [`ScramError::Argument`] where the user is empty or has a NUL, the nonce is empty, too long or not printable, or an
    /// extension can't be written down.
    pub fn new(
        mechanism: ScramMechanism,
        user: &str,
        nonce: &str,
        extensions: &[(&str, &str)],
    ) -> Result<Self, ScramError> {
        let refuse = |argument, reason| Err(ScramError::Argument { argument, reason });
        if user.is_empty() {
            return refuse(Argument::User, "is empty");
        }
        if user.contains('\0') {
            return refuse(Argument::User, "has a NUL");
        }
        if nonce.is_empty() || nonce.len() > MAX_NONCE_BYTES {
            return refuse(Argument::Nonce, "is empty or too long");
        }
        if !server::is_nonce(nonce) {
            return refuse(Argument::Nonce, "is not printable ASCII without commas");
        }
        // `=` first: the escapes have one of their own.
        let user = user.replace('=', "=3D").replace(',', "=2C");
        let mut message = format!("{GS2_HEADER}n={user},r={nonce}");
        for (at, (name, value)) in extensions.iter().enumerate() {
            if !server::is_name(name) || server::RESERVED.contains(name) {
                return refuse(Argument::Extension, "has a name that is no word, or has another meaning");
            }
            if !server::is_value(value) {
                return refuse(Argument::Extension, "has a value that is empty, or has a comma or a NUL");
            }
            if extensions[..at].iter().any(|(earlier, _)| earlier == name) {
                return refuse(Argument::Extension, "is given twice");
            }
            message.extend([",", name, "=", value]);
        }
        Ok(Scram { mechanism, message, nonce: nonce.to_owned() })
    }

    /// The client-first message, to be sent as it is.
    pub fn message(&self) -> &[u8] {
        self.message.as_bytes()
    }

    /// Takes the server-first message.
    ///
    /// # Errors
    ///
    /// Any [`ScramError`] about a server's message; [`ScramError::Refused`] for a server that gives its error here already.
    pub fn handle_server_first(self, message: &[u8]) -> Result<Challenge, ScramError> {
        let first = server::First::parse(message, &self.nonce)?;
        let proofless = format!("c={},r={}", Base64::encode_string(GS2_HEADER.as_bytes()), first.nonce);
        let bare = &self.message[GS2_HEADER.len()..];
        Ok(Challenge {
            mechanism: self.mechanism,
            auth_message: format!("{bare},{},{proofless}", first.text),
            proofless,
            salt: first.salt,
            iterations: first.iterations,
        })
    }
}

/// What the server asks for: a proof made with its salt.
#[derive(Clone, Debug)]
pub struct Challenge {
    mechanism: ScramMechanism,
    /// What both sides sign.
    auth_message: String,
    /// The client-final message but for the proof.
    proofless: String,
    salt: Vec<u8>,
    iterations: u32,
}

impl Challenge {
    /// The salt of the user's credential.
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// How many iterations of PBKDF2 the credential has: [`MIN_ITERATIONS`] to [`MAX_ITERATIONS`].
    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    /// Makes of the password what this challenge asks for.
    ///
    /// It takes CPU time by the number of iterations, from milliseconds to a second: it should run under no lock.
    pub fn salt_password(&self, password: &str) -> SaltedPassword {
        SaltedPassword::derive(self.mechanism, password, &self.salt, self.iterations)
    }

    /// Whether a salted password from an earlier exchange is good for this one: it was made by the same mechanism, with this
    /// salt and this number of iterations. Whether it was made of today's password is for the caller to know.
    pub fn accepts(&self, salted: &SaltedPassword) -> bool {
        (salted.mechanism(), salted.salt(), salted.iterations())
            == (self.mechanism, &self.salt[..], self.iterations)
    }

    /// Answers the challenge.
    ///
    /// # Errors
    ///
    /// [`ScramError::OtherSalt`] for a salted password that this challenge does not [accept](Self::accepts).
    pub fn answer(self, salted: &SaltedPassword) -> Result<Answer, ScramError> {
        if !self.accepts(salted) {
            return Err(ScramError::OtherSalt);
        }
        let mut proof = salted.client_key();
        let signature = self.mechanism.hmac(&salted.stored_key(), self.auth_message.as_bytes());
        proof.iter_mut().zip(signature).for_each(|(byte, mask)| *byte ^= mask);
        Ok(Answer {
            mechanism: self.mechanism,
            message: format!("{},p={}", self.proofless, Base64::encode_string(&proof)),
            auth_message: self.auth_message,
            server_key: salted.server_key(),
        })
    }
}

/// The client's proof, and what it takes to check the server's: it has the client-final message, and waits for the
/// server-final message.
#[derive(Clone)]
pub struct Answer {
    mechanism: ScramMechanism,
    message: String,
    auth_message: String,
    server_key: Vec<u8>,
}

impl Answer {
    /// The client-final message, to be sent as it is.
    pub fn message(&self) -> &[u8] {
        self.message.as_bytes()
    }

    /// Takes the server-final message: `Ok` says that the server accepted the client, and that it knows the user's
    /// credential itself. The signature is compared in constant time.
    ///
    /// # Errors
    ///
    /// [`ScramError::Refused`] if the server says so, [`ScramError::ServerSignature`] if it can't prove itself, and any other
    /// about a server's message. The connection is not to be used after any of them.
    pub fn handle_server_final(self, message: &[u8]) -> Result<(), ScramError> {
        let signature = server::parse_final(message)?;
        match self.mechanism.verify(&self.server_key, self.auth_message.as_bytes(), &signature) {
            true => Ok(()),
            false => Err(ScramError::ServerSignature),
        }
    }
}

/// Without the proof, which is good for guessing the password, and the key, which is good for pretending to be the server.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}
