//! Service messages: `##octopus[name key='base64' …]`, among a script's output or on its side channel.
//!
//! Knows nothing of what they mean.

use base64::{Engine, engine::general_purpose::STANDARD};
use memchr::{memchr2, memmem};
use shared::limits;

const MARK: &[u8] = b"##octopus[";

/// An output of the largest size in Base64, with room for its name: a longer message is not waited for.
const LONGEST: usize = limits::OUTPUT_BYTES * 4 / 3 + (64 << 10);

/// A service message.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Message {
    name: String,
    attributes: Vec<(String, String)>,
}

/// A piece of a stream.
#[derive(PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Bytes that are no message.
    Text(&'a [u8]),
    /// A message.
    Message(Message),
    /// Looks like a message and is none; the bytes as they were.
    Malformed(&'a [u8]),
    /// A message longer than any may be; its bytes are dropped, since it is one whose value nobody may see.
    Oversized,
}

/// Finds the messages of a stream that comes in chunks.
#[derive(Default)]
pub(super) struct Scanner {
    /// The beginning of what may become a message.
    held: Vec<u8>,
    /// Whether the last byte of text was something else than a newline.
    mid_line: bool,
    /// What the next bytes are part of.
    state: State,
}

#[derive(Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// The newline after a message that had its line to itself.
    Newline,
    /// The rest of an oversized message.
    Oversized,
}

impl Message {
    /// Its name in lower case.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// An attribute's value; `key` in lower case.
    pub(super) fn attribute(&self, key: &str) -> Option<&str> {
        self.attributes.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Reads what is between the brackets.
    fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?.trim();
        let (name, mut rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        if name.is_empty() {
            return None;
        }
        let mut attributes = Vec::new();
        loop {
            rest = rest.trim_start();
            if rest.is_empty() {
                return Some(Self { name: name.to_ascii_lowercase(), attributes });
            }
            let (key, after) = rest.split_once('=')?;
            let quote = after.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
            let (value, after) = after[1..].split_once(quote)?;
            let value = String::from_utf8(STANDARD.decode(value).ok()?).ok()?;
            attributes.push((key.trim().to_ascii_lowercase(), value));
            rest = after;
        }
    }
}

impl Scanner {
    /// Takes the next chunk and hands on what is certain, in order.
    pub(super) fn push(&mut self, input: &[u8], mut on: impl FnMut(Piece<'_>)) {
        if self.held.is_empty() {
            let kept = self.scan(input, &mut on);
            self.held.extend_from_slice(&input[kept..]);
        } else {
            let mut whole = std::mem::take(&mut self.held);
            whole.extend_from_slice(input);
            let kept = self.scan(&whole, &mut on);
            whole.drain(..kept);
            self.held = whole;
        }
    }

    /// The stream ended: what was held back is text.
    pub(super) fn finish(&mut self, mut on: impl FnMut(Piece<'_>)) {
        let held = std::mem::take(&mut self.held);
        self.text(&held, &mut on);
    }

    /// Answers from where on the bytes must be held.
    fn scan(&mut self, input: &[u8], on: &mut impl FnMut(Piece<'_>)) -> usize {
        let mut at = 0;
        while at < input.len() {
            let rest = &input[at..];
            let step = match self.state {
                State::Newline => self.newline(rest),
                State::Oversized => self.rest_of_oversized(rest),
                State::Text => self.next_piece(rest, on),
            };
            match step {
                Some(length) => at += length,
                None => return at,
            }
        }
        at
    }

    fn newline(&mut self, rest: &[u8]) -> Option<usize> {
        if rest == b"\r" {
            return None;
        }
        self.state = State::Text;
        Some(if rest.starts_with(b"\r\n") { 2 } else { usize::from(rest.starts_with(b"\n")) })
    }

    fn rest_of_oversized(&mut self, rest: &[u8]) -> Option<usize> {
        let Some(end) = memchr2(b']', b'\n', rest) else { return Some(rest.len()) };
        self.state = State::Newline;
        Some(end + usize::from(rest[end] == b']'))
    }

    fn next_piece(&mut self, rest: &[u8], on: &mut impl FnMut(Piece<'_>)) -> Option<usize> {
        match memmem::find(rest, MARK) {
            Some(0) => self.message(rest, on),
            Some(mark) => {
                self.text(&rest[..mark], on);
                Some(mark)
            }
            None => {
                let certain = rest.len() - beginning_of_mark(rest);
                self.text(&rest[..certain], on);
                (certain > 0).then_some(certain)
            }
        }
    }

    fn message(&mut self, rest: &[u8], on: &mut impl FnMut(Piece<'_>)) -> Option<usize> {
        let inside = &rest[MARK.len()..];
        let Some(end) = memchr2(b']', b'\n', inside) else {
            if rest.len() <= LONGEST {
                return None;
            }
            on(Piece::Oversized);
            self.state = State::Oversized;
            return Some(rest.len());
        };
        if inside[end] == b']'
            && let Some(message) = Message::parse(&inside[..end])
        {
            on(Piece::Message(message));
            // A message at the end of a line of text leaves that line its newline.
            self.state = if self.mid_line { State::Text } else { State::Newline };
            return Some(MARK.len() + end + 1);
        }
        let length = MARK.len() + end + usize::from(inside[end] == b']');
        self.mid_line = true;
        on(Piece::Malformed(&rest[..length]));
        Some(length)
    }

    fn text(&mut self, text: &[u8], on: &mut impl FnMut(Piece<'_>)) {
        if let Some(last) = text.last() {
            self.mid_line = *last != b'\n';
            on(Piece::Text(text));
        }
    }
}

/// Length of the longest end of `text` that may be the beginning of a message.
fn beginning_of_mark(text: &[u8]) -> usize {
    let longest = text.len().min(MARK.len() - 1);
    (1..=longest).rev().find(|length| text.ends_with(&MARK[..*length])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(chunks: &[&[u8]]) -> String {
        let (mut scanner, mut told) = (Scanner::default(), String::new());
        let mut on = |piece: Piece<'_>| match piece {
            Piece::Text(text) => told.push_str(&String::from_utf8_lossy(text)),
            Piece::Message(message) => told.push_str(&format!("<{} {:?}>", message.name, message.attributes)),
            Piece::Malformed(text) => told.push_str(&format!("<malformed {}>", String::from_utf8_lossy(text))),
            Piece::Oversized => told.push_str("<oversized>"),
        };
        for chunk in chunks {
            scanner.push(chunk, &mut on);
        }
        scanner.finish(&mut on);
        told
    }

    #[test]
    fn a_message_is_taken_out_with_its_line() {
        let text = b"one\n##octopus[setVariable name='YQ==' VALUE=\"Yg==\"]\r\ntwo\n";
        assert_eq!(
            told(&[text]),
            r#"one
<setvariable [("name", "a"), ("value", "b")]>two
"#
        );
    }

    #[test]
    fn a_message_behind_text_leaves_the_text_its_newline() {
        assert_eq!(told(&[b"text##octopus[stdout-verbose]\nmore"]), "text<stdout-verbose []>\nmore");
    }

    #[test]
    fn what_only_looks_like_a_message_stays() {
        assert_eq!(told(&[b"##octopus[a b='!!']\nx"]), "<malformed ##octopus[a b='!!']>\nx");
        assert_eq!(told(&[b"##octopus[no end\nx]"]), "<malformed ##octopus[no end>\nx]");
        assert_eq!(told(&[b"##octopus[]"]), "<malformed ##octopus[]>");
        assert_eq!(told(&[b"##octo"]), "##octo");
        assert_eq!(told(&[b"##octopus[half"]), "##octopus[half");
    }

    #[test]
    fn an_endless_message_is_dropped_to_its_end_and_not_kept_in_memory() {
        let long = vec![b'A'; LONGEST];
        assert_eq!(told(&[b"##octopus[a b='", &long, &long, b"']\nnext"]), "<oversized>next");
    }

    proptest! {
        #[test]
        fn chunks_make_no_difference(text in "(#|##octopus\\[|a='YQ=='|\\]|\r|\n| |x){0,30}", cuts in prop::collection::vec(0usize..200, 0..10)) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut <= bytes.len()).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(told(&chunks), told(&[bytes]));
        }
    }
}
