//! A template as a tree: texts, values, conditions, loops. Places are offsets into the text it was made of.

use std::ops::Range;

use super::outline::{Outline, Piece, quote, quoted};
use crate::limits;

/// A template whose blocks are whole.
pub(super) type Tree = Vec<Node>;

/// One piece of a template.
#[derive(Debug)]
pub(super) enum Node {
    /// As it is.
    Text(Range<usize>),
    /// `##{`, which stands for the sign itself.
    Escape,
    /// `#{` that begins no expression; what can be shown of it.
    Stray(Range<usize>),
    /// `#{Name | Filter}`, whole.
    Value(Range<usize>, Value),
    /// `#{calc …}`, whole, and what is to be calculated.
    Calculation(Range<usize>, Range<usize>),
    /// `#{if …}` to `#{/if}`.
    If(Vec<Branch>),
    /// `#{each … in …}` to `#{/each}`.
    Each(Each),
}

/// What is taken when its condition holds; nothing is asked of the last, `#{else}`.
#[derive(Debug)]
pub(super) struct Branch {
    pub(super) condition: Option<Condition>,
    pub(super) body: Tree,
}

/// A loop.
#[derive(Debug)]
pub(super) struct Each {
    /// What the loop calls each item.
    pub(super) item: String,
    pub(super) collection: Value,
    pub(super) body: Tree,
}

/// A value, as its source says it.
#[derive(Debug)]
pub(super) struct Value {
    /// The name, which may have values within; empty where only filters stand.
    pub(super) name: Vec<Part>,
    /// Where the name stands.
    pub(super) source: Range<usize>,
    pub(super) filters: Vec<Filter>,
}

/// A filter and what it is given.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) name: Range<usize>,
    pub(super) arguments: Vec<Vec<Part>>,
}

/// A part of a name or of an argument.
#[derive(Debug)]
pub(super) enum Part {
    Text(Range<usize>),
    Escape,
    Value(Range<usize>, Box<Value>),
    /// Values within values, deeper than [`limits::EXPRESSION_DEPTH`].
    TooDeep,
}

/// What a block depends on.
#[derive(Debug)]
pub(super) struct Condition {
    pub(super) left: Value,
    pub(super) comparison: Option<Comparison>,
    /// `unless`: it must not hold.
    pub(super) negated: bool,
}

/// `== …` or `!= …`.
#[derive(Debug)]
pub(super) struct Comparison {
    pub(super) equal: bool,
    pub(super) right: Operand,
}

/// The right side of a comparison.
#[derive(Debug)]
pub(super) enum Operand {
    Text(Range<usize>),
    Value(Value),
}

/// Why a text is no template: its place and the end of a sentence.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Misshapen {
    pub(super) at: usize,
    pub(super) why: String,
}

/// Reads a text.
///
/// # Errors
/// The first block that is not whole.
pub(super) fn parse(text: &str) -> Result<Tree, Misshapen> {
    Parser { text, outline: Outline::of(text), open: Vec::new(), nodes: Vec::new() }.tree()
}

struct Parser<'t> {
    text: &'t str,
    outline: Outline,
    /// The blocks that are not closed yet, outermost first.
    open: Vec<Open>,
    /// Of the innermost block.
    nodes: Tree,
}

/// A block that is not closed yet.
struct Open {
    /// Where its tag begins.
    at: usize,
    block: Block,
    /// What stood before it in the block around it.
    before: Tree,
}

enum Block {
    If {
        word: &'static str,
        branches: Vec<Branch>,
        /// Of the branch that is being read; none after `#{else}`.
        condition: Option<Condition>,
    },
    Each {
        item: String,
        collection: Value,
    },
}

/// What an expression is, by its first word.
enum Tag {
    If(&'static str, Range<usize>),
    ElseIf(Range<usize>),
    Else,
    End(&'static str),
    Each(String, Range<usize>),
    Calculation(Range<usize>),
    Value,
}

impl Parser<'_> {
    fn tree(mut self) -> Result<Tree, Misshapen> {
        let mut at = 0;
        while at < self.text.len() {
            let (piece, next) = self.outline.piece(self.text, at, self.text.len());
            match piece {
                Piece::Text => self.nodes.push(Node::Text(at..next)),
                Piece::Escape => self.nodes.push(Node::Escape),
                Piece::Stray(end) => self.nodes.push(Node::Stray(at + 2..end)),
                Piece::Expression(start, close) => self.expression(at..next, start..close)?,
            }
            at = next;
        }
        match self.open.pop() {
            None => Ok(self.nodes),
            Some(open) => Err(self.misshapen(open.at, &format!("has no #{{/{}}}", open.block.word()))),
        }
    }

    fn expression(&mut self, span: Range<usize>, source: Range<usize>) -> Result<(), Misshapen> {
        match self.tag(&source) {
            Tag::Value => self.nodes.push(Node::Value(span, self.value(source, 0))),
            Tag::Calculation(what) => self.nodes.push(Node::Calculation(span, what)),
            Tag::If(word, condition) => {
                let condition = Some(self.condition(condition, word == "unless"));
                self.begin(span.start, Block::If { word, branches: Vec::new(), condition })?;
            }
            Tag::Each(item, collection) => {
                let collection = self.value(collection, 0);
                self.begin(span.start, Block::Each { item, collection })?;
            }
            Tag::ElseIf(condition) => {
                let next = Some(self.condition(condition, false));
                self.other_branch(span.start, next)?;
            }
            Tag::Else => self.other_branch(span.start, None)?,
            Tag::End(word) => self.end(span.start, word)?,
        }
        Ok(())
    }

    fn begin(&mut self, at: usize, block: Block) -> Result<(), Misshapen> {
        if self.open.len() == limits::EXPRESSION_DEPTH {
            return Err(self.misshapen(at, &format!("is within {} other blocks", limits::EXPRESSION_DEPTH)));
        }
        self.open.push(Open { at, block, before: std::mem::take(&mut self.nodes) });
        Ok(())
    }

    fn other_branch(&mut self, at: usize, next: Option<Condition>) -> Result<(), Misshapen> {
        let Some(Open { block: Block::If { branches, condition, .. }, .. }) = self.open.last_mut() else {
            return Err(self.misshapen(at, "stands in no #{if} or #{unless}"));
        };
        let Some(condition) = std::mem::replace(condition, next) else {
            return Err(self.misshapen(at, "stands after #{else}"));
        };
        branches.push(Branch { condition: Some(condition), body: std::mem::take(&mut self.nodes) });
        Ok(())
    }

    fn end(&mut self, at: usize, word: &str) -> Result<(), Misshapen> {
        let Some(open) = self.open.pop_if(|open| open.block.word() == word) else {
            return Err(self.misshapen(at, &format!("closes no #{{{word}}}")));
        };
        let body = std::mem::replace(&mut self.nodes, open.before);
        self.nodes.push(match open.block {
            Block::If { mut branches, condition, .. } => {
                branches.push(Branch { condition, body });
                Node::If(branches)
            }
            Block::Each { item, collection } => Node::Each(Each { item, collection, body }),
        });
        Ok(())
    }

    fn misshapen(&self, at: usize, why: &str) -> Misshapen {
        let end = self.outline.close(at).map_or(at + 2, |close| close + 1);
        Misshapen { at, why: format!("{} {why}", &self.text[at..end]) }
    }

    fn tag(&self, source: &Range<usize>) -> Tag {
        let text = self.text[source.clone()].trim_end();
        let start = source.start + (text.len() - text.trim_start().len());
        let end = source.start + text.len();
        let text = &self.text[start..end];
        let word = text.split(char::is_whitespace).next().unwrap_or_default();
        let rest = start + word.len()..end;
        let is = |tag: &str| word.eq_ignore_ascii_case(tag);
        if rest.is_empty() {
            let ends = ["if", "unless", "each"].into_iter().find(|tag| is(&format!("/{tag}")));
            return ends.map(Tag::End).unwrap_or(if is("else") { Tag::Else } else { Tag::Value });
        }
        match ["if", "unless", "elseif", "calc", "each"].into_iter().find(|tag| is(tag)) {
            Some("elseif") => Tag::ElseIf(rest),
            Some("calc") => Tag::Calculation(rest),
            Some("each") => self.each(rest).unwrap_or(Tag::Value),
            Some(word) => Tag::If(word, rest),
            None => Tag::Value,
        }
    }

    /// `item in Collection`.
    fn each(&self, rest: Range<usize>) -> Option<Tag> {
        let text = &self.text[rest.clone()];
        let begin = rest.start + (text.len() - text.trim_start().len());
        let text = &self.text[begin..rest.end];
        let item = text.split(char::is_whitespace).next()?;
        let after = text[item.len()..].trim_start();
        let collection = after.get(..3).filter(|word| word.trim_end().eq_ignore_ascii_case("in"))?;
        Some(Tag::Each(item.to_lowercase(), rest.end - after.len() + collection.len()..rest.end))
    }

    fn condition(&self, source: Range<usize>, negated: bool) -> Condition {
        let signs = self.free(source.clone()).find(|(at, byte)| {
            matches!(byte, b'=' | b'!') && self.text.as_bytes().get(at + 1) == Some(&b'=') && at + 2 <= source.end
        });
        let Some((at, sign)) = signs else {
            return Condition { left: self.value(source, 0), comparison: None, negated };
        };
        let right = self.trimmed(at + 2..source.end);
        let right = match self.unquoted(right.clone()) {
            Some(text) => Operand::Text(text),
            None => Operand::Value(self.value(right, 0)),
        };
        let comparison = Some(Comparison { equal: sign == b'=', right });
        Condition { left: self.value(source.start..at, 0), comparison, negated }
    }

    fn value(&self, source: Range<usize>, depth: usize) -> Value {
        let bars = self.free(source.clone()).filter(|(_, byte)| *byte == b'|').map(|(at, _)| at);
        let ends: Vec<usize> = bars.chain([source.end]).collect();
        let name = self.trimmed(source.start..ends[0]);
        let filters = ends.windows(2).filter_map(|ends| self.filter(ends[0] + 1..ends[1], depth)).collect();
        Value { name: self.parts(name.clone(), depth), source: name, filters }
    }

    fn filter(&self, source: Range<usize>, depth: usize) -> Option<Filter> {
        let mut words = self.words(source).into_iter();
        let name = words.next()?;
        let arguments = words.map(|word| match self.unquoted(word.clone()) {
            Some(text) => vec![Part::Text(text)],
            None => self.parts(word, depth),
        });
        Some(Filter { name, arguments: arguments.collect() })
    }

    fn parts(&self, source: Range<usize>, depth: usize) -> Vec<Part> {
        let (mut parts, mut at) = (Vec::new(), source.start);
        // A quoted argument may hold values, and is cut out of its quotes.
        let (mut at_end, inner) = (source.end, self.quotes_around(&source));
        if let Some(inner) = inner {
            (at, at_end) = (inner.start, inner.end);
        }
        while at < at_end {
            let (piece, next) = self.outline.piece(self.text, at, at_end);
            parts.push(match piece {
                Piece::Text => Part::Text(at..next),
                Piece::Stray(_) => Part::Text(at..next),
                Piece::Escape => Part::Escape,
                Piece::Expression(..) if depth == limits::EXPRESSION_DEPTH => Part::TooDeep,
                Piece::Expression(start, close) => Part::Value(at..next, Box::new(self.value(start..close, depth + 1))),
            });
            at = next;
        }
        parts
    }

    /// What is between the quotes of an argument, if it is within quotes and values stand in it.
    fn quotes_around(&self, source: &Range<usize>) -> Option<Range<usize>> {
        let text = &self.text[source.clone()];
        let quote = quote(self.text, source.start).filter(|_| !text.is_empty())?;
        let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
        Some(source.start + quote.len()..source.start + quote.len() + inner.len())
    }

    /// What is between the quotes of a text, if that is all it is.
    fn unquoted(&self, source: Range<usize>) -> Option<Range<usize>> {
        let quote = quote(self.text, source.start).filter(|_| !source.is_empty())?;
        (quoted(self.text, source.start)? == source.end).then(|| source.start + quote.len()..source.end - quote.len())
    }

    /// Stretches between blanks; what is within quotes is one, even with values in it.
    fn words(&self, source: Range<usize>) -> Vec<Range<usize>> {
        let (mut words, mut begin, mut is_quoted) = (Vec::new(), source.start, false);
        for (at, byte) in self.outside_values(source.clone()) {
            if byte == b'"' && (is_quoted || at == begin) {
                is_quoted = !is_quoted;
            } else if byte.is_ascii_whitespace() && !is_quoted {
                words.push(begin..at);
                begin = at + 1;
            }
        }
        words.push(begin..source.end);
        words.retain(|word| !self.text[word.clone()].trim().is_empty());
        words.into_iter().map(|word| self.trimmed(word)).collect()
    }

    /// Bytes that stand outside brackets, quotes and values within: brackets may hold the name of a step.
    fn free(&self, source: Range<usize>) -> impl Iterator<Item = (usize, u8)> {
        let mut depth = 0usize;
        self.outside_values(source).filter(move |(_, byte)| {
            match byte {
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth = depth.saturating_sub(1),
                _ => return depth == 0,
            }
            false
        })
    }

    /// Bytes outside values within and quotes without any.
    fn outside_values(&self, source: Range<usize>) -> impl Iterator<Item = (usize, u8)> {
        let mut at = source.start;
        std::iter::from_fn(move || {
            while at < source.end {
                let here = at;
                let close = self.outline.close(here).filter(|close| *close < source.end).map(|close| close + 1);
                let skipped = close.or_else(|| quoted(self.text, here).filter(|end| *end <= source.end));
                at = skipped.unwrap_or(here + 1);
                if skipped.is_none() {
                    return Some((here, self.text.as_bytes()[here]));
                }
            }
            None
        })
    }

    fn trimmed(&self, source: Range<usize>) -> Range<usize> {
        let text = &self.text[source.clone()];
        let start = source.start + (text.len() - text.trim_start().len());
        start..start + text.trim().len()
    }
}

impl Block {
    fn word(&self) -> &'static str {
        match self {
            Self::If { word, .. } => word,
            Self::Each { .. } => "each",
        }
    }
}
