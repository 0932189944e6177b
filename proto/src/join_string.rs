//! The join string: `LSJ1.` + base64url(`JoinString`) + `.` + CRC-32C in 7 base32 letters. One string to paste; the
//! checksum tells a typing error from a refusal, the prefix lets scanners find and mask it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use prost::Message;

use crate::worker::JoinString;

/// What every join string begins with.
pub const PREFIX: &str = "LSJ1.";

/// 4 KiB: a join string is a few hundred bytes.
const MAX_LEN: usize = 4096;

/// Why a text is no join string; says what to do, never repeats the text.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NotAJoinString {
    /// Wrong beginning.
    #[error(
        "This is not a join string: it does not begin with LSJ1. Paste the whole string that `longshore worker invite` printed."
    )]
    Prefix,
    /// The checksum differs, or letters are not of the alphabet.
    #[error(
        "The join string is damaged (its checksum does not match): a character is missing or was changed. Copy it again."
    )]
    Damaged,
    /// Longer than any join string.
    #[error("This is not a join string: it is longer than 4096 characters.")]
    TooLong,
}

/// The string that an admin hands to a host.
#[must_use]
pub fn encode(join: &JoinString) -> String {
    let body = URL_SAFE_NO_PAD.encode(join.encode_to_vec());
    let sum = checksum(&body);
    format!("{PREFIX}{body}.{sum}")
}

/// Reads what somebody pasted; blanks around it do not matter.
///
/// # Errors
/// [`NotAJoinString`] when it is not whole.
pub fn decode(text: &str) -> Result<JoinString, NotAJoinString> {
    let text = text.trim();
    if text.len() > MAX_LEN {
        return Err(NotAJoinString::TooLong);
    }
    let rest = text.strip_prefix(PREFIX).ok_or(NotAJoinString::Prefix)?;
    let (body, sum) = rest.rsplit_once('.').ok_or(NotAJoinString::Damaged)?;
    if checksum(body) != sum {
        return Err(NotAJoinString::Damaged);
    }
    let bytes = URL_SAFE_NO_PAD.decode(body).map_err(|_| NotAJoinString::Damaged)?;
    JoinString::decode(bytes.as_slice()).map_err(|_| NotAJoinString::Damaged)
}

/// 32 bits in 7 letters of 5 bits, RFC 4648 alphabet in lower case.
fn checksum(body: &str) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let sum = u64::from(crc32c::crc32c(body.as_bytes()));
    (0..7).rev().map(|i| char::from(ALPHABET[(sum >> (5 * i)) as usize & 31])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> JoinString {
        JoinString {
            urls: vec!["https://coordinator.internal:7301".into()],
            pins: vec![vec![7; 32]],
            id: vec![1; 10],
            secret: vec![2; 32],
            expires_at: 1_790_000_000,
        }
    }

    #[test]
    fn what_was_encoded_is_decoded() {
        assert_eq!(decode(&format!("  {}\n", encode(&sample()))), Ok(sample()));
    }

    #[test]
    fn every_flipped_character_is_noticed() {
        let good = encode(&sample());
        for at in 0..good.len() {
            let mut bytes = good.clone().into_bytes();
            bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
            let bad = String::from_utf8(bytes).expect("ascii");
            if bad != good {
                assert!(decode(&bad).is_err(), "flip at {at} went unnoticed");
            }
        }
    }

    #[test]
    fn a_text_that_is_something_else_says_so() {
        assert_eq!(decode("hello"), Err(NotAJoinString::Prefix));
        assert_eq!(decode("LSJ1.abc"), Err(NotAJoinString::Damaged));
    }
}
