//! The tree of a template: what stands where.

use std::ops::Range;

/// A value and its place in the text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Node {
    /// Name of a short tag without its `!`, e.g. `Ref`.
    pub(crate) tag: Option<String>,
    /// Line and column, both counted from 1.
    pub(crate) at: (usize, usize),
    /// Bytes of the text, a tag included. A collection has only those of its beginning.
    pub(crate) span: Range<usize>,
    pub(crate) content: Content,
}

/// What a value is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Content {
    /// `plain` without quotes or a tag, so that `null` and `yes` have a meaning of their own.
    Scalar { text: String, plain: bool },
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values, in order.
    Mapping(Vec<(Node, Node)>),
}

impl Node {
    /// The text of a scalar that has no short tag and is not null.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar { text, .. } if self.tag.is_none() && !self.is_null() => Some(text),
            _ => None,
        }
    }

    /// The key that this node is; empty for what can be no key.
    pub(crate) fn key(&self) -> &str {
        match &self.content {
            Content::Scalar { text, .. } => text,
            _ => "",
        }
    }

    /// Keys and values; none for all but mappings.
    pub(crate) fn entries(&self) -> &[(Node, Node)] {
        match &self.content {
            Content::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// Elements; none for all but lists.
    pub(crate) fn elements(&self) -> &[Node] {
        match &self.content {
            Content::Sequence(elements) => elements,
            _ => &[],
        }
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(name, _)| name.key() == key).map(|(_, value)| value)
    }

    /// The value of a key of a key …
    pub(crate) fn find(&self, path: &str) -> Option<&Node> {
        path.split('.').try_fold(self, |node, key| node.get(key))
    }

    /// Whether it says yes as YAML 1.1 does.
    pub(crate) fn is_true(&self) -> bool {
        self.text().is_some_and(|text| ["true", "yes", "on"].iter().any(|yes| text.eq_ignore_ascii_case(yes)))
    }

    /// Whether it is no value.
    pub(crate) fn is_null(&self) -> bool {
        match &self.content {
            Content::Scalar { text, plain: true } => matches!(&**text, "" | "~" | "null" | "Null" | "NULL"),
            _ => false,
        }
    }

    /// Whether it stands for a property that is not there: `!Ref AWS::NoValue`, long or short.
    pub(crate) fn is_no_value(&self) -> bool {
        let target = match &self.tag {
            Some(tag) if tag == "Ref" => Some(self.key()),
            _ => self.get("Ref").map(Node::key),
        };
        self.is_null() || target == Some("AWS::NoValue")
    }

    /// What a person would call it.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.content {
            _ if self.is_null() => "empty",
            Content::Scalar { .. } => "text",
            Content::Sequence(_) => "a list",
            Content::Mapping(_) => "a mapping",
        }
    }
}
