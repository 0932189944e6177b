//! API tokens: `lst_<id>_<secret>_<checksum>`. The store has a keyed digest of the secret only.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use shared::reason::{Fault, Reason};
use zeroize::Zeroizing;

use crate::seal::{self, Seal};

const PREFIX: &str = "lst_";
/// 6 bytes, as 12 hex digits.
const ID: usize = 12;
/// 32 bytes, as 43 base64url letters.
const SECRET: usize = 43;
/// CRC-32C, as 8 hex digits.
const CHECKSUM: usize = 8;
const LENGTH: usize = PREFIX.len() + ID + 1 + SECRET + 1 + CHECKSUM;

/// What a caller may do: each role includes those before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Runs deployments and changes projects.
    Deployer,
    /// Everything.
    Admin,
}

impl Role {
    /// Its name in the store, on the wire and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Deployer => "deployer",
            Self::Admin => "admin",
        }
    }

    /// The role of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Viewer, Self::Deployer, Self::Admin].into_iter().find(|role| role.name() == name)
    }
}

/// A token as its holder has it.
#[derive(Clone)]
pub struct Token {
    /// Which one; no secret.
    pub id: String,
    secret: Zeroizing<String>,
}

impl Token {
    /// A new one.
    ///
    /// # Errors
    /// [`Reason::Internal`] when the system has no randomness.
    pub fn generate() -> Result<Self, Fault> {
        let (id, secret) = (seal::random::<6>()?, seal::random::<32>()?);
        let id = id.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { id, secret: Zeroizing::new(URL_SAFE_NO_PAD.encode(secret.as_slice())) })
    }

    /// Reads what a caller sent.
    ///
    /// # Errors
    /// [`Reason::Unauthenticated`] with what is wrong with its shape; it never repeats the text.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let misshaped = |what| Fault::new(Reason::Unauthenticated, what);
        let body = text.strip_prefix(PREFIX).ok_or_else(|| {
            misshaped(
                "This is not a token of Longshore: it does not begin with lst_. Use the contents of the token file.",
            )
        })?;
        let damaged = "The token is damaged: a character is missing or was changed. Copy it again.";
        if text.len() != LENGTH || !text.is_ascii() {
            return Err(misshaped(damaged));
        }
        let (id, secret, checksum) =
            (&body[..ID], &body[ID + 1..ID + 1 + SECRET], &body[LENGTH - PREFIX.len() - CHECKSUM..]);
        if checksum != checksum_of(id, secret) {
            return Err(misshaped(damaged));
        }
        Ok(Self { id: id.into(), secret: Zeroizing::new(secret.into()) })
    }

    /// What the store keeps of its secret.
    #[must_use]
    pub fn digest(&self, seal: &Seal) -> [u8; 32] {
        seal.digest(PURPOSE, self.secret.as_bytes())
    }

    /// Whether a stored digest is this token's, in the same time whatever the answer.
    #[must_use]
    pub fn matches(&self, seal: &Seal, digest: &[u8]) -> bool {
        seal.matches(PURPOSE, self.secret.as_bytes(), digest)
    }

    /// The whole token, for its holder.
    #[must_use]
    pub fn reveal(&self) -> Zeroizing<String> {
        let checksum = checksum_of(&self.id, &self.secret);
        Zeroizing::new(format!("{PREFIX}{}_{}_{checksum}", self.id, self.secret.as_str()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("id", &self.id).finish_non_exhaustive()
    }
}

const PURPOSE: &str = "api-token";

fn checksum_of(id: &str, secret: &str) -> String {
    format!("{:08x}", crc32c::crc32c_append(crc32c::crc32c(id.as_bytes()), secret.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_and_a_changed_one_is_not() {
        let text = Token::generate().expect("a token").reveal();
        assert_eq!(Token::parse(&text).expect("whole").reveal(), text);
        for at in 0..text.len() {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
            let changed = String::from_utf8(bytes).expect("ascii");
            // The two separators carry nothing.
            let same = Token::parse(&changed).is_ok_and(|token| token.reveal() == text);
            assert!(Token::parse(&changed).is_err() || same, "change at {at} went unnoticed");
            assert!(Token::parse(&text[..at]).is_err(), "cut at {at}");
        }
        assert!(Token::parse("lst_ééééééééééééééééééééééééééééééé").is_err());
    }

    #[test]
    fn debug_shows_which_token_and_not_the_token() {
        let token = Token::generate().expect("a token");
        let shown = format!("{token:?}");
        assert!(shown.contains(&token.id) && !shown.contains(token.secret.as_str()), "{shown}");
    }

    #[test]
    fn roles_include_each_other_in_order() {
        assert!(Role::Admin > Role::Deployer && Role::Deployer > Role::Viewer);
        assert_eq!(Role::named("deployer"), Some(Role::Deployer));
        assert_eq!(Role::named("owner"), None);
    }
}
