use std::fmt;
use std::str::FromStr;

/// A 128-bit identifier, as Kafka gives topics, directories and group members.
///
/// Its text form is Kafka's own: base64url without padding, always 22 characters.
///
/// ```
/// use milena_core::wire::Uuid;
/// let id: Uuid = "AAAAAAAAAAAAAAAAAAAAAQ".parse().unwrap();
/// assert_eq!(id.0[15], 1);
/// assert_eq!(id.to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Uuid(pub [u8; 16]);

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// 16 bytes in groups of 6 bits; the last character holds only 2 of them.
const TEXT_LEN: usize = 22;

impl Uuid {
    /// Sixteen zero bytes: Kafka's "no id".
    pub const ZERO: Self = Self([0; 16]);

    /// Whether this is [`Uuid::ZERO`].
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = u128::from_be_bytes(self.0);
        let mut text = String::with_capacity(TEXT_LEN);
        for shift in (2..=122).rev().step_by(6) {
            text.push(ALPHABET[(bits >> shift) as usize & 63] as char);
        }
        text.push(ALPHABET[(bits << 4) as usize & 63] as char);
        f.pad(&text)
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uuid({self})")
    }
}

/// Text that is not a [`Uuid`]: not 22 characters of base64url, or with stray bits in the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseUuidError;

impl fmt::Display for ParseUuidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a Kafka uuid: 22 characters of base64url expected")
    }
}

impl std::error::Error for ParseUuidError {}

impl FromStr for Uuid {
    type Err = ParseUuidError;

    fn from_str(text: &str) -> Result<Self, ParseUuidError> {
        if text.len() != TEXT_LEN {
            return Err(ParseUuidError);
        }
        let mut bits = 0u128;
        let mut digit = 0;
        for (index, byte) in text.bytes().enumerate() {
            digit = ALPHABET.iter().position(|&c| c == byte).ok_or(ParseUuidError)? as u128;
            if index < TEXT_LEN - 1 {
                bits = bits << 6 | digit;
            }
        }
        // 21 characters are 126 bits: two more come from the last one, whose other four must be zero.
        if digit & 15 != 0 {
            return Err(ParseUuidError);
        }
        Ok(Self((bits << 2 | digit >> 4).to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_there_and_back() {
        for bytes in
            [[0; 16], [255; 16], *b"0123456789abcdef", [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]]
        {
            let text = Uuid(bytes).to_string();
            assert_eq!(text.len(), 22);
            assert_eq!(text.parse(), Ok(Uuid(bytes)), "{text}");
        }
        assert_eq!(Uuid(*b"0123456789abcdef").to_string(), "MDEyMzQ1Njc4OWFiY2RlZg");
        assert!(Uuid::ZERO.is_zero() && !Uuid([1; 16]).is_zero());
    }

    #[test]
    fn other_text_is_refused() {
        for text in
            ["", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAA=", "AAAAAAAAAAAAAAAAAAAAAB", "é"]
        {
            assert_eq!(text.parse::<Uuid>(), Err(ParseUuidError), "{text}");
        }
    }
}
