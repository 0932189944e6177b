//! Where the expressions of a text are, and of what kind.

use crate::limits;

/// The expressions of a text, found in one pass: offsets of each `#{` that has a `}`, and of that `}`.
pub(super) struct Outline {
    pairs: Vec<(usize, usize)>,
}

/// One piece of a text.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Piece<'t> {
    /// As it is.
    Text(&'t str),
    /// `##{`
    Escape,
    /// `#{` that begins no expression: nothing closes it, or nothing that could be a name follows. What follows, up to the
    /// end of the line.
    Stray(&'t str),
    /// Where the text between `#{` and `}` begins and ends.
    Expression(usize, usize),
}

/// What stands between `#{` and `}`.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Expression {
    /// A variable's name, after evaluation of the expressions within.
    Name,
    /// More than a name: a filter or a directive.
    Unsupported,
}

impl Outline {
    pub(super) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let (mut pairs, mut open, mut at) = (Vec::new(), Vec::new(), 0);
        while at < bytes.len() {
            if bytes[at..].starts_with(b"##{") {
                at += 3;
            } else if bytes[at..].starts_with(b"#{") {
                open.push(at);
                at += 2;
            } else {
                if bytes[at] == b'}' {
                    pairs.extend(open.pop().map(|start| (start, at)));
                }
                at += 1;
            }
        }
        pairs.sort_unstable();
        Self { pairs }
    }

    /// The piece that begins at an offset before `end`, and where the next one begins.
    pub(super) fn piece<'t>(&self, text: &'t str, at: usize, end: usize) -> (Piece<'t>, usize) {
        let rest = &text[at..end];
        if rest.starts_with("##{") {
            return (Piece::Escape, at + 3);
        }
        if !rest.starts_with("#{") {
            let length = rest.bytes().skip(1).position(|byte| byte == b'#').map_or(rest.len(), |offset| offset + 1);
            return (Piece::Text(&rest[..length]), at + length);
        }
        let (start, next) = (at + 2, at + 2);
        match self.pairs.binary_search_by_key(&at, |pair| pair.0).map(|index| self.pairs[index].1) {
            Ok(close) if is_expression(&text[start..close]) => (Piece::Expression(start, close), close + 1),
            _ => (Piece::Stray(beginning(&text[start..end])), next),
        }
    }
}

impl Expression {
    /// Tells by the source between `#{` and `}`.
    pub(super) fn of(source: &str) -> Self {
        let word = source.trim().split(char::is_whitespace).next().unwrap_or_default();
        let has_more = source.trim().len() > word.len();
        let directive = match word {
            "if" | "elseif" | "unless" | "each" | "calc" => has_more,
            "else" | "/if" | "/unless" | "/each" => !has_more,
            _ => false,
        };
        if directive || has_filter(source) { Self::Unsupported } else { Self::Name }
    }
}

/// Whether a `|` stands outside brackets, which may hold the name of a step, and outside expressions within.
fn has_filter(source: &str) -> bool {
    let mut depth = 0usize;
    source.bytes().any(|byte| {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        byte == b'|' && depth == 0
    })
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
