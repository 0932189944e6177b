//! What to look for, so that a value is hidden.

use std::collections::BTreeSet;

use super::spelling;
use crate::limits;

/// Every needle has at least so many bytes: a value has at least as many characters.
pub(super) const GRAM: usize = limits::MASKED_CHARS;

/// Shortest line that is masked by itself, and shortest encoded text: shorter ones stand in innocent text.
const LONG_ENOUGH: usize = 8;

/// A value's needles: each of its layouts, in each spelling that tools print.
pub(super) fn in_all_spellings(value: &[u8]) -> BTreeSet<Vec<u8>> {
    let layout = Layout::of(value);
    let mut needles = BTreeSet::new();
    for text in layout.usual.iter().chain(&layout.lines) {
        needles.extend(spelling::written(text));
        needles.extend(spelling::encoded(text).filter(|needle| needle.len() >= LONG_ENOUGH));
    }
    needles.extend(layout.unusual);
    needles.extend(without_last_characters(value));
    cut(needles)
}

/// What is left of a long secret in one word when a tool cuts up to four characters off; of a short one, that would be a word like
/// others.
fn without_last_characters(value: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    const LEFT: usize = 16;
    let word = Some(value.trim_ascii()).filter(|word| word.len() > LEFT && !word.iter().any(u8::is_ascii_whitespace));
    word.into_iter()
        .flat_map(|word| (1..=4).filter_map(move |cut| word.get(..word.len() - cut)))
        .filter(|left| left.len() >= LEFT)
        .map(<[u8]>::to_vec)
}

/// A value's needles without any spelling but its own.
pub(super) fn as_it_is(value: &[u8]) -> BTreeSet<Vec<u8>> {
    let layout = Layout::of(value);
    cut(layout.usual.into_iter().chain(layout.lines).chain(layout.unusual))
}

/// The same text, with other blanks between its lines.
struct Layout {
    /// As it is, without blanks around it, and with each kind of line ending.
    usual: BTreeSet<Vec<u8>>,
    /// What terminals, shells and half-hearted quoting make of several lines.
    unusual: Vec<Vec<u8>>,
    /// Each line that says enough to be masked alone, so that a text with something before each line is hidden too.
    lines: Vec<Vec<u8>>,
}

impl Layout {
    fn of(value: &[u8]) -> Self {
        let trimmed = value.trim_ascii();
        let mut usual = BTreeSet::from([value.to_vec(), trimmed.to_vec()]);
        let lines = lines(trimmed);
        if lines.len() < 2 {
            return Self { usual, unusual: Vec::new(), lines: Vec::new() };
        }
        usual.extend(["\n", "\r\n"].map(|ending| lines.join(ending.as_bytes())));
        let unusual = ["\r\r\n", " ", "", "\\n", "\\r\\n"].map(|ending| lines.join(ending.as_bytes())).into();
        let lines = lines.iter().map(|line| line.trim_ascii()).filter(|line| says_enough(line)).map(<[u8]>::to_vec);
        Self { usual, unusual, lines: lines.collect() }
    }
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect()
}

/// Not the lines of a JSON document that hold only its braces.
fn says_enough(line: &[u8]) -> bool {
    line.len() >= LONG_ENOUGH && line.iter().any(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii())
}

/// Cuts long needles into pieces that share a byte with the next, so that a whole text is still one hit and no more than
/// a piece is ever held back. Leaves out what is too short to be a needle.
fn cut(needles: impl IntoIterator<Item = Vec<u8>>) -> BTreeSet<Vec<u8>> {
    let mut pieces = BTreeSet::new();
    for needle in needles {
        let Some(last) = needle.len().checked_sub(limits::NEEDLE_BYTES) else {
            pieces.extend((needle.len() >= GRAM).then_some(needle));
            continue;
        };
        let starts = (0..last).step_by(limits::NEEDLE_BYTES - 1).chain([last]);
        pieces.extend(starts.map(|start| needle[start..start + limits::NEEDLE_BYTES].to_vec()));
    }
    pieces
}
