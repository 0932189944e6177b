//! A template, read.

use crate::{
    Fault,
    node::{Content, Node},
    reader,
};

/// Sections that CloudFormation knows (AWS CloudFormation User Guide, "Template anatomy"), and SAM's own.
const SECTIONS: &[&str] = &[
    "AWSTemplateFormatVersion",
    "Conditions",
    "Description",
    "Fn::Transform",
    "Globals",
    "Hooks",
    "Mappings",
    "Metadata",
    "Outputs",
    "Parameters",
    "Resources",
    "Rules",
    "Transform",
];

/// A template that could be read; whether CloudFormation takes it is for CloudFormation to say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Template {
    text: String,
    root: Node,
}

impl Template {
    /// Reads a template. Needs time and memory in proportion to the text.
    ///
    /// # Errors
    /// The text is no well-formed YAML or JSON, or more than one document; has no mapping at its top or in `Resources`; a mapping
    /// has a key twice; collections are nested more than 100 deep; or it has what CloudFormation does not support: aliases, merge
    /// keys, and the tags binary, omap, pairs, set and timestamp (AWS CloudFormation User Guide, "Template format").
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let root = reader::read(text)?;
        check_sections(&root)?;
        Ok(Self { text: text.to_owned(), root })
    }

    /// The text, as it was given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is JSON, as CloudFormation tells it: by a brace at its beginning.
    #[must_use]
    pub fn is_json(&self) -> bool {
        reader::is_json(&self.text)
    }

    /// Sections that CloudFormation does not know, in order.
    #[must_use]
    pub fn unknown_sections(&self) -> Vec<&str> {
        self.root.entries().iter().map(|(name, _)| name.key()).filter(|name| !SECTIONS.contains(name)).collect()
    }

    pub(crate) fn root(&self) -> &Node {
        &self.root
    }

    /// Entries of a section; none when it is not there or no mapping.
    pub(crate) fn section(&self, name: &str) -> &[(Node, Node)] {
        self.root.get(name).map(Node::entries).unwrap_or_default()
    }
}

fn check_sections(root: &Node) -> Result<(), Fault> {
    if !matches!(root.content, Content::Mapping(_)) {
        return Err(Fault::new(
            root.at,
            format!("it is {}, and a template is a mapping of sections, of which it needs Resources.", root.kind()),
        ));
    }
    match root.get("Resources") {
        Some(resources) if matches!(resources.content, Content::Mapping(_)) => Ok(()),
        Some(found) => Err(Fault::new(
            found.at,
            format!("Resources is {}, and must be a mapping of logical ids to resources.", found.kind()),
        )),
        // A macro may make them.
        None if root.get("Transform").or_else(|| root.get("Fn::Transform")).is_some() => Ok(()),
        None => Err(Fault::new(root.at, format!("it has no Resources: {}.", sections_found(root)))),
    }
}

fn sections_found(root: &Node) -> String {
    let names: Vec<_> = root.entries().iter().map(|(name, _)| name.key()).take(10).collect();
    match names.is_empty() {
        true => "the mapping is empty".into(),
        false => format!("found {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests;
