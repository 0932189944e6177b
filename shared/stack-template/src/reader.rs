//! From text to tree.

use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, Tag, options};

use crate::{
    Fault,
    node::{Content, Node},
};

/// Collections within each other: CloudFormation's own templates have a dozen, and what walks the tree goes one call deeper
/// for each.
const DEPTH: usize = 100;

/// The longest key, in characters: JSON has no bound, YAML's 1024 would refuse what CloudFormation takes.
const KEY_CHARS: usize = 1_000_000;

/// The tree of the one document that the text has.
pub(crate) fn read(text: &str) -> Result<Node, Fault> {
    let mut options = options! {
        emit_unresolved_aliases: true,
        simple_key_max_lookahead: KEY_CHARS,
        flow_nesting_limit: DEPTH,
        block_nesting_limit: DEPTH,
    };
    options.set_emit_comments(false);
    let mut reader = Reader { text, end: 0, open: Vec::new(), root: None, documents: 0 };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| not_well_formed(text, &error))?;
        reader.take(event, &span)?;
        reader.end = span.end.byte_offset().unwrap_or_default();
    }
    reader.root.ok_or_else(|| Fault::new((1, 1), "it is empty."))
}

/// Whether the text is JSON, as CloudFormation tells it: by its first character.
pub(crate) fn is_json(text: &str) -> bool {
    text.trim_start_matches('\u{feff}').trim_start().starts_with('{')
}

fn not_well_formed(text: &str, error: &ScanError) -> Fault {
    let format = if is_json(text) { "JSON" } else { "YAML" };
    let place = (error.marker().line(), error.marker().col() + 1);
    if *error.kind() == ErrorKind::RecursionLimitExceeded {
        return too_deep(place);
    }
    Fault::new(place, format!("it is not well-formed {format}: {}.", error.info()))
}

fn too_deep(place: (usize, usize)) -> Fault {
    Fault::new(place, format!("lists and mappings are nested more than {DEPTH} deep."))
}

/// Builds the tree from the outside in, without calling itself.
struct Reader<'a> {
    text: &'a str,
    /// Where the last event ended, in bytes.
    end: usize,
    open: Vec<Collection>,
    root: Option<Node>,
    documents: usize,
}

/// A list or mapping whose end is still to come.
struct Collection {
    node: Node,
    /// The key whose value is still to come.
    key: Option<Node>,
    /// Keys that are there already, with their lines.
    lines: HashMap<String, usize>,
}

impl Reader<'_> {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), Fault> {
        match event {
            Event::DocumentStart(..) => self.begin_document(span),
            Event::Scalar(text, style, _, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let content = Content::Scalar { text: text.into_owned(), plain };
                let mut node = node(content, tag.as_deref(), span)?;
                if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) && tag.is_none() {
                    node.span.start = block_start(self.text, self.end, node.span.start);
                }
                self.put(node)
            }
            Event::SequenceStart(_, _, tag) => self.open(node(Content::Sequence(Vec::new()), tag.as_deref(), span)?),
            Event::MappingStart(_, _, tag) => self.open(node(Content::Mapping(Vec::new()), tag.as_deref(), span)?),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(collection) => self.put(collection.node),
                None => Ok(()),
            },
            Event::Alias(_) | Event::UnresolvedAlias(_) => Err(Fault::new(
                place(span),
                "it has an alias (`*…`), which CloudFormation does not support: write the value out.",
            )),
            _ => Ok(()),
        }
    }

    fn begin_document(&mut self, span: &Span) -> Result<(), Fault> {
        self.documents += 1;
        match self.documents {
            1 => Ok(()),
            _ => Err(Fault::new(place(span), "a second document starts here (`---`): a template is one document.")),
        }
    }

    fn open(&mut self, node: Node) -> Result<(), Fault> {
        if self.open.len() == DEPTH {
            return Err(too_deep(node.at));
        }
        self.open.push(Collection { node, key: None, lines: HashMap::new() });
        Ok(())
    }

    fn put(&mut self, node: Node) -> Result<(), Fault> {
        match self.open.last_mut() {
            Some(collection) => collection.put(node),
            None => {
                self.root = Some(node);
                Ok(())
            }
        }
    }
}

impl Collection {
    fn put(&mut self, node: Node) -> Result<(), Fault> {
        match &mut self.node.content {
            Content::Mapping(entries) => match self.key.take() {
                Some(key) => entries.push((key, node)),
                None => {
                    check_key(&node, &mut self.lines)?;
                    self.key = Some(node);
                }
            },
            Content::Sequence(elements) => elements.push(node),
            Content::Scalar { .. } => {}
        }
        Ok(())
    }
}

fn check_key(node: &Node, lines: &mut HashMap<String, usize>) -> Result<(), Fault> {
    let Content::Scalar { text, plain } = &node.content else {
        return Err(Fault::new(node.at, format!("{} is used as a key: keys are text.", node.kind())));
    };
    if *plain && text == "<<" {
        return Err(Fault::new(
            node.at,
            "it has a merge key (`<<`), which CloudFormation does not support: write the keys out.",
        ));
    }
    match lines.insert(text.clone(), node.at.0) {
        None => Ok(()),
        Some(line) => Err(Fault::new(
            node.at,
            format!("key \"{text}\" is there twice, in lines {line} and {}: keep one of them.", node.at.0),
        )),
    }
}

fn node(content: Content, tag: Option<&Tag>, span: &Span) -> Result<Node, Fault> {
    let start = span.tag_start().unwrap_or(span.start).byte_offset().unwrap_or_default();
    let end = span.end.byte_offset().unwrap_or_default().max(start);
    let tag = tag.map(|tag| short_tag(tag, span)).transpose()?.flatten();
    Ok(Node { tag, at: place(span), span: start..end, content })
}

/// Where a block scalar's `|` or `>` is: its span begins with its text. Between the last event and it there are only the
/// indicators of a value, comments and an anchor.
fn block_start(text: &str, from: usize, to: usize) -> usize {
    let mut at = from.min(to);
    while let Some(rest) = text.get(at..to) {
        at += match rest.as_bytes().first() {
            Some(b'|' | b'>') => return at,
            Some(b'#') => rest.find(['\r', '\n']).unwrap_or(rest.len()),
            Some(b'&') => rest.find(char::is_whitespace).unwrap_or(rest.len()),
            Some(_) => 1,
            None => return to,
        };
    }
    to
}

/// The name of a short tag. YAML's own tags say nothing that a template needs, and some CloudFormation refuses.
fn short_tag(tag: &Tag, span: &Span) -> Result<Option<String>, Fault> {
    let (handle, suffix) = tag.parts();
    match (handle, suffix) {
        ("!", "") => Ok(None),
        ("!", name) => Ok(Some(name.to_owned())),
        (_, name @ ("binary" | "omap" | "pairs" | "set" | "timestamp")) => Err(Fault::new(
            place(span),
            format!("it has the tag !!{name}, which CloudFormation does not support: write a text, list or mapping."),
        )),
        _ => Ok(None),
    }
}

fn place(span: &Span) -> (usize, usize) {
    let start = span.tag_start().unwrap_or(span.start);
    (start.line(), start.col() + 1)
}
