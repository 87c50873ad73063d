//! Why an exchange failed, and whose fault it was.

use std::fmt;

use super::limits::{MAX_ITERATIONS, MAX_SERVER_MESSAGE_BYTES, MIN_ITERATIONS};
use crate::Fault;

/// Why a SCRAM exchange failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScramError {
    /// The exchange can't begin with this.
    Argument {
        /// What was given.
        argument: Argument,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A salted password was made for another mechanism, salt or number of iterations than the challenge has.
    OtherSalt,
    /// The server refused the client, for example because the password is wrong.
    Refused {
        /// The server's word for it, such as `invalid-proof`; Kafka's brokers rather fail SaslAuthenticate.
        error: String,
    },
    /// The server's signature is wrong: it does not know the user's credential, so it is not the broker that it says it is.
    ServerSignature,
    /// A message of the server is longer than [`MAX_SERVER_MESSAGE_BYTES`].
    TooLong {
        /// Its length in bytes.
        size: usize,
    },
    /// A message of the server is no UTF-8.
    NotUtf8,
    /// A part of the server's message is not of the form `name=value`.
    NotAnAttribute {
        /// Which part, counted from 0.
        position: usize,
    },
    /// The server's message lacks an attribute.
    Missing {
        /// The attribute's name.
        attribute: &'static str,
    },
    /// The server's message has an attribute twice.
    Doubled {
        /// The attribute's name.
        attribute: &'static str,
    },
    /// The server's message has an attribute where it does not belong.
    Misplaced {
        /// The attribute's name.
        attribute: &'static str,
    },
    /// The server demands an extension (`m=`), which no client may ignore and of which none is defined.
    MandatoryExtension,
    /// The server's nonce does not begin with the client's: it answers somebody else, or is a replay.
    ForeignNonce,
    /// The server's nonce is the client's alone: a replay could not be told.
    NonceNotExtended,
    /// The server's nonce is not printable ASCII.
    NonceNotPrintable,
    /// An attribute of the server is not base64 in its one right form.
    Base64 {
        /// The attribute's name.
        attribute: &'static str,
    },
    /// The server's number of iterations is not a positive decimal number.
    IterationsNotANumber,
    /// The server asks for fewer iterations than [`MIN_ITERATIONS`], with which a password is cheap to guess.
    TooFewIterations {
        /// The number.
        iterations: u64,
    },
    /// The server asks for more iterations than [`MAX_ITERATIONS`], at the cost of the client's CPU time.
    TooManyIterations {
        /// The number; `u64::MAX` stands for anything above.
        iterations: u64,
    },
}

/// What a caller gave to an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// The user's name.
    User,
    /// The client's nonce.
    Nonce,
    /// An extension's name or value.
    Extension,
}

impl ScramError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            ScramError::Argument { .. } | ScramError::OtherSalt => Fault::Caller,
            ScramError::Refused { .. } => Fault::Cluster,
            _ => Fault::Peer,
        }
    }
}

impl fmt::Display for ScramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScramError::Argument { argument, reason } => write!(f, "SCRAM: the {argument} {reason}"),
            ScramError::OtherSalt => f.write_str("SCRAM: the salted password is for another salt"),
            // Quoted: it is a stranger's text.
            ScramError::Refused { error } => write!(f, "SCRAM: the server refused: {error:?}"),
            ScramError::ServerSignature => {
                f.write_str("SCRAM: the server can't prove that it knows the user's credential")
            }
            ScramError::TooLong { size } => {
                write!(
                    f,
                    "SCRAM: the server's message has {size} bytes, the limit is {MAX_SERVER_MESSAGE_BYTES}"
                )
            }
            ScramError::NotUtf8 => f.write_str("SCRAM: the server's message is not UTF-8"),
            ScramError::NotAnAttribute { position } => {
                write!(f, "SCRAM: part {position} of the server's message is no attribute")
            }
            ScramError::Missing { attribute } => write!(f, "SCRAM: the server's message has no {attribute}="),
            ScramError::Doubled { attribute } => {
                write!(f, "SCRAM: the server's message has {attribute}= twice")
            }
            ScramError::Misplaced { attribute } => {
                write!(f, "SCRAM: the server's message has {attribute}= in the wrong place")
            }
            ScramError::MandatoryExtension => f.write_str("SCRAM: the server demands an unknown extension"),
            ScramError::ForeignNonce => {
                f.write_str("SCRAM: the server's nonce does not begin with the client's")
            }
            ScramError::NonceNotExtended => {
                f.write_str("SCRAM: the server added nothing to the client's nonce")
            }
            ScramError::NonceNotPrintable => f.write_str("SCRAM: the server's nonce is not printable ASCII"),
            ScramError::Base64 { attribute } => write!(f, "SCRAM: the server's {attribute}= is not base64"),
            ScramError::IterationsNotANumber => {
                f.write_str("SCRAM: the server's number of iterations is no number")
            }
            ScramError::TooFewIterations { iterations } => {
                write!(f, "SCRAM: the server asks for {iterations} iterations, fewer than {MIN_ITERATIONS}")
            }
            ScramError::TooManyIterations { iterations } => {
                write!(f, "SCRAM: the server asks for {iterations} iterations, more than {MAX_ITERATIONS}")
            }
        }
    }
}

impl std::error::Error for ScramError {}

impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Argument::User => "user",
            Argument::Nonce => "nonce",
            Argument::Extension => "extension",
        })
    }
}
