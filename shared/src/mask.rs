//! Hides secrets in a stream of bytes: every spelling of a secret that tools print becomes [`MASK`], wherever the
//! stream is cut. A byte is held back only while it may still be the beginning of a secret.
//!
//! Two hits that share a byte become one mask. A secret is found also when a terminal's colours stand in it, or the end of a line
//! after its first eight bytes. What is not found: a secret in another case, with its characters apart, compressed, encoded twice (JSON
//! twice is found), or without its last characters when it is short. Of a Base64 text that holds more than the secret, one character at
//! each border of the secret may stay.
//!
//! Knows nothing of lines, logs or where secrets come from.

mod automaton;
mod cursor;
mod needle;
mod spelling;
mod stream;
mod stretches;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, fmt};

pub use stream::MaskStream;

use self::{automaton::Automaton, stream::Pending};
use crate::limits;

/// What stands in the place of a secret, whatever its length.
pub const MASK: &str = "********";

/// The values to mask.
#[derive(Clone, Default)]
pub struct Secrets {
    values: BTreeSet<Vec<u8>>,
}

/// What became of a value given to [`Secrets::insert`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Inserted {
    /// It will be masked.
    Masked,
    /// It will not: it is blank or has fewer than [`limits::MASKED_CHARS`] characters, which would hide half of every log.
    /// Whoever gave it should be warned.
    TooShort,
}

impl Secrets {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value: text in any encoding, or bytes.
    pub fn insert(&mut self, value: &[u8]) -> Inserted {
        let chars = String::from_utf8_lossy(value).chars().count();
        if chars < limits::MASKED_CHARS || value.trim_ascii().is_empty() {
            return Inserted::TooShort;
        }
        self.values.insert(value.to_vec());
        Inserted::Masked
    }

    /// How many different values will be masked.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether nothing will be masked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("values", &self.len()).finish_non_exhaustive()
    }
}

/// Finds the spellings of some [`Secrets`]. Never changes, so an `Arc` of it serves any number of streams.
pub struct Masker {
    automaton: Automaton,
    plain: usize,
}

impl Masker {
    /// Derives all spellings and builds the automaton: under a millisecond for a few keys, a second
    /// and 100 MiB for the worst that the limits allow.
    ///
    /// The shortest values, up to [`limits::SPELLED_BYTES`] together, are masked in all spellings; the others only as
    /// they are and line by line, see [`Masker::plain`].
    #[must_use]
    pub fn compile(secrets: &Secrets) -> Self {
        let mut by_length: Vec<&[u8]> = secrets.values.iter().map(Vec::as_slice).collect();
        by_length.sort_by_key(|value| value.len());

        let (mut needles, mut plain, mut bytes) = (BTreeSet::new(), 0, 0);
        for value in by_length {
            bytes += value.len();
            if bytes <= limits::SPELLED_BYTES {
                needles.extend(needle::in_all_spellings(value));
            } else {
                needles.extend(needle::as_it_is(value));
                plain += 1;
            }
        }
        Self { automaton: Automaton::new(&needles.into_iter().collect::<Vec<_>>()), plain }
    }

    /// Number of values too large to be masked in all spellings.
    #[must_use]
    pub const fn plain(&self) -> usize {
        self.plain
    }

    /// Whether there is nothing to mask.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.automaton.is_empty()
    }

    /// A whole text, masked.
    #[must_use]
    pub fn mask(&self, text: &[u8]) -> Vec<u8> {
        let mut masked = Vec::with_capacity(text.len());
        let mut pending = Pending::default();
        pending.push(self, text, &mut masked);
        pending.finish(&mut masked);
        masked
    }

    /// A whole text, masked. Half a character beside a mask becomes U+FFFD.
    #[must_use]
    pub fn mask_str(&self, text: &str) -> String {
        String::from_utf8(self.mask(text.as_bytes()))
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }
}

impl fmt::Debug for Masker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Masker")
            .field("nodes", &self.automaton.len())
            .field("plain", &self.plain)
            .finish_non_exhaustive()
    }
}
