//! What a server may say: the grammar of RFC 5802, section 7, with extensions named as Kafka names them, by whole words.

use base64ct::{Base64, Encoding};

use super::ScramError;
use super::limits::{MAX_ITERATIONS, MAX_SERVER_MESSAGE_BYTES, MIN_ITERATIONS};

/// The names that RFC 5802 gave a meaning, which are therefore no extensions.
pub(super) const RESERVED: [&str; 10] = ["a", "n", "m", "r", "c", "s", "i", "p", "v", "e"];

/// A server-first message that is good to be answered.
pub(super) struct First<'a> {
    /// All of it, to be signed.
    pub(super) text: &'a str,
    /// The client's nonce with the server's behind it.
    pub(super) nonce: &'a str,
    pub(super) salt: Vec<u8>,
    pub(super) iterations: u32,
}

impl<'a> First<'a> {
    pub(super) fn parse(message: &'a [u8], client_nonce: &str) -> Result<Self, ScramError> {
        let (text, attributes) = parse(message)?;
        let [nonce, salt, iterations] = in_order(&attributes, ["r", "s", "i"])?;
        match nonce.strip_prefix(client_nonce) {
            None => return Err(ScramError::ForeignNonce),
            Some("") => return Err(ScramError::NonceNotExtended),
            Some(_) if !is_nonce(nonce) => return Err(ScramError::NonceNotPrintable),
            Some(_) => {}
        }
        Ok(First { text, nonce, salt: base64("s", salt)?, iterations: parse_iterations(iterations)? })
    }
}

/// The signature in a server-final message.
pub(super) fn parse_final(message: &[u8]) -> Result<Vec<u8>, ScramError> {
    let (_, attributes) = parse(message)?;
    let [signature] = in_order(&attributes, ["v"])?;
    base64("v", signature)
}

/// Printable ASCII without commas, at least one.
pub(super) fn is_nonce(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

/// The RFC has one letter, Kafka's `tokenauth` has nine.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

pub(super) fn is_value(text: &str) -> bool {
    !text.is_empty() && !text.contains([',', '\0'])
}

type Attribute<'a> = (&'a str, &'a str);

/// Any server message: its text and its attributes in order. An error that the server tells is an error here.
fn parse(message: &[u8]) -> Result<(&str, Vec<Attribute<'_>>), ScramError> {
    if message.len() > MAX_SERVER_MESSAGE_BYTES {
        return Err(ScramError::TooLong { size: message.len() });
    }
    let text = std::str::from_utf8(message).map_err(|_| ScramError::NotUtf8)?;
    let mut attributes = Vec::new();
    for (position, part) in text.split(',').enumerate() {
        match part.split_once('=') {
            Some(("m", _)) => return Err(ScramError::MandatoryExtension),
            Some((name, value)) if is_name(name) && is_value(value) => attributes.push((name, value)),
            _ => return Err(ScramError::NotAnAttribute { position }),
        }
    }
    // RFC 5802 has it in the final message alone. Some of its errors (an unknown user) are known earlier, and a server
    // that tells them earlier is better quoted than called malformed.
    if attributes[0].0 == "e" {
        let [error] = in_order(&attributes, ["e"])?;
        return Err(ScramError::Refused { error: error.to_owned() });
    }
    Ok((text, attributes))
}

/// The values of the attributes that a message must begin with. Behind them, only extensions may follow.
fn in_order<'a, const N: usize>(
    attributes: &[Attribute<'a>],
    wanted: [&'static str; N],
) -> Result<[&'a str; N], ScramError> {
    let mut values = [""; N];
    for (at, name) in wanted.into_iter().enumerate() {
        let found = attributes.get(at).copied().unwrap_or_default();
        if found.0 == name {
            values[at] = found.1;
            continue;
        }
        return Err(match wanted[..at].iter().find(|earlier| **earlier == found.0) {
            Some(earlier) => ScramError::Doubled { attribute: earlier },
            None if attributes.iter().any(|(other, _)| *other == name) => {
                ScramError::Misplaced { attribute: name }
            }
            None => ScramError::Missing { attribute: name },
        });
    }
    for (name, _) in &attributes[N..] {
        if let Some(attribute) = RESERVED.into_iter().find(|reserved| reserved == name) {
            return Err(match wanted.contains(name) {
                true => ScramError::Doubled { attribute },
                false => ScramError::Misplaced { attribute },
            });
        }
    }
    Ok(values)
}

fn base64(attribute: &'static str, value: &str) -> Result<Vec<u8>, ScramError> {
    Base64::decode_vec(value).map_err(|_| ScramError::Base64 { attribute })
}

fn parse_iterations(text: &str) -> Result<u32, ScramError> {
    if text.starts_with('0') || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ScramError::IterationsNotANumber);
    }
    // Digits alone fail to parse only where they say too much.
    match text.parse().unwrap_or(u64::MAX) {
        iterations if iterations < MIN_ITERATIONS.into() => Err(ScramError::TooFewIterations { iterations }),
        iterations => match u32::try_from(iterations) {
            Ok(iterations) if iterations <= MAX_ITERATIONS => Ok(iterations),
            _ => Err(ScramError::TooManyIterations { iterations }),
        },
    }
}
