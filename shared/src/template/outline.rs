//! Where the expressions of a text are.

use crate::limits;

/// The expressions of a text, found in one pass: offsets of each `#{` that has a `}` on its line, and of that `}`.
pub(super) struct Outline {
    pairs: Vec<(usize, usize)>,
}

/// One piece of a text.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Piece {
    /// As it is, up to where the next piece begins.
    Text,
    /// `##{`
    Escape,
    /// `#{` that begins no expression: nothing closes it, or nothing that could be a name follows. Where what can be shown of it
    /// ends.
    Stray(usize),
    /// Where the text between `#{` and `}` begins and ends.
    Expression(usize, usize),
}

impl Outline {
    pub(super) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let (mut pairs, mut open, mut at) = (Vec::new(), Vec::<Option<usize>>::new(), 0);
        while at < bytes.len() {
            let rest = &bytes[at..];
            if rest.starts_with(b"##{") {
                at += 3;
            } else if rest.starts_with(b"#{") {
                open.push(Some(at));
                at += 2;
            } else if bytes[at] == b'{'
                && open.last().is_some_and(|open| open.is_none_or(|at| is_calculation(&bytes[at..])))
            {
                // A name within a calculation.
                open.push(None);
                at += 1;
            } else if bytes[at] == b'\n' {
                // No expression goes over a line's end.
                open.clear();
                at += 1;
            } else if let Some(end) = open.last().and_then(|_| quoted(text, at)) {
                at = end;
            } else {
                if bytes[at] == b'}' {
                    pairs.extend(open.pop().flatten().map(|start| (start, at)));
                }
                at += 1;
            }
        }
        pairs.sort_unstable();
        Self { pairs }
    }

    /// The piece that begins at an offset before `end`, and where the next one begins.
    pub(super) fn piece(&self, text: &str, at: usize, end: usize) -> (Piece, usize) {
        let rest = &text[at..end];
        if rest.starts_with("##{") {
            return (Piece::Escape, at + 3);
        }
        if !rest.starts_with("#{") {
            let length = rest.bytes().skip(1).position(|byte| byte == b'#').map_or(rest.len(), |offset| offset + 1);
            return (Piece::Text, at + length);
        }
        let start = at + 2;
        match self.close(at) {
            Some(close) if is_expression(&text[start..close]) => (Piece::Expression(start, close), close + 1),
            _ => (Piece::Stray(start + beginning(&text[start..end]).len()), start),
        }
    }

    /// Where the `}` of the `#{` at an offset is.
    pub(super) fn close(&self, at: usize) -> Option<usize> {
        self.pairs.binary_search_by_key(&at, |pair| pair.0).ok().map(|index| self.pairs[index].1)
    }
}

/// Whether an expression that begins here is one in which names may stand in `{…}`.
fn is_calculation(rest: &[u8]) -> bool {
    rest.get(2..7).is_some_and(|word| word.eq_ignore_ascii_case(b"calc "))
}

/// Where a quoted text that begins at an offset ends, after its quotes: `"…"`, or `\"…\"` as in a text that is quoted itself. It
/// stands where an argument or the right side of a comparison may, within one line, and has no expression in it.
pub(super) fn quoted(text: &str, at: usize) -> Option<usize> {
    let quote = quote(text, at)?;
    let before = text[..at].bytes().next_back()?;
    if !matches!(before, b' ' | b'\t' | b'=') {
        return None;
    }
    let inner = &text[at + quote.len()..];
    let line = inner.find(['\n', '#']).map_or(inner, |end| &inner[..end]);
    line.find(quote).map(|length| at + 2 * quote.len() + length)
}

/// The sign that a quoted text begins and ends with.
pub(super) fn quote(text: &str, at: usize) -> Option<&'static str> {
    ["\"", "\\\""].into_iter().find(|quote| text.as_bytes()[at..].starts_with(quote.as_bytes()))
}

/// Whether a source may be an expression at all, and not some other language's `#{`.
fn is_expression(source: &str) -> bool {
    source.len() <= limits::EXPRESSION_BYTES && !source.trim().is_empty() && !source.chars().any(char::is_control)
}

/// Enough of a text to find it again: the beginning of its first line.
fn beginning(text: &str) -> &str {
    const SHOWN_CHARS: usize = 40;
    let end = text.char_indices().take(SHOWN_CHARS).find(|(_, sign)| sign.is_control());
    let end = end.or_else(|| text.char_indices().nth(SHOWN_CHARS)).map_or(text.len(), |(at, _)| at);
    &text[..end]
}
