//! Local files that a template names, and their places in S3 put in their stead.

mod catalogue;
mod edit;

use std::ops::Range;

use crate::{Fault, Template, node::Node, transform::Call};
use catalogue::{Form, GLOBALS, METADATA, Property, RESOURCES};

/// A property whose value is a local path, where CloudFormation needs an object in S3.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Artifact {
    /// Of the resource; of the section, when it is in none.
    pub logical_id: String,
    /// E.g. `AWS::Lambda::Function`; `AWS::Include` for what the macro of that name reads.
    pub resource_type: String,
    /// The property, e.g. `Code` or `Command.ScriptLocation`.
    pub property: String,
    /// What is to be done with the file.
    pub kind: ArtifactKind,
    /// The path as written, relative to the template's folder.
    pub path: String,
    /// Of the path, counted from 1.
    pub line: usize,
    form: Form,
    span: Range<usize>,
}

/// What is to be done with a local file. A folder is always zipped, but only where one is possible: a template is a file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ArtifactKind {
    /// Code: a single file that is no archive is zipped, too.
    Code,
    /// A file of any format, as it is.
    File,
    /// A template of a nested stack, which may name local files itself. Takes [`Replacement::Url`], and that `https://`.
    Template,
    /// A part of this template that `AWS::Include` reads.
    Snippet,
}

/// What is put in the place of a local path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Replacement {
    /// An address, as it is.
    Url(String),
    /// An object in S3, in the form that the property takes: a mapping in the words of its resource, or an `s3://` address, which
    /// has no version.
    Object {
        /// Name of the bucket.
        bucket: String,
        /// Key of the object.
        key: String,
        /// Its version; left out where the property knows none.
        version: Option<String>,
    },
}

/// The local files that a template names, in order.
///
/// # Errors
/// As [`Template::parse`].
pub fn local_paths(text: &str) -> Result<Vec<Artifact>, Fault> {
    Ok(Template::parse(text)?.local_artifacts())
}

impl Template {
    /// The properties that have a local path, in the order of the text: those of `aws cloudformation package` (AWS CLI Command
    /// Reference), those that SAM and CloudFormation's extensions have besides, and `Globals` of SAM. A value is a local path
    /// when it is text and no address (`https://…`, `s3://…`); mappings and computed values are none.
    #[must_use]
    pub fn local_artifacts(&self) -> Vec<Artifact> {
        let mut found = Vec::new();
        for (id, node) in self.resource_nodes() {
            let r#type = node.get("Type").and_then(Node::text).unwrap_or_default();
            if let Some(properties) = node.get("Properties") {
                collect(RESOURCES, r#type, id.key(), properties, &mut found);
            }
        }
        for (kind, node) in self.section("Globals") {
            collect(GLOBALS, &format!("AWS::Serverless::{}", kind.key()), "Globals", node, &mut found);
        }
        for (r#type, node) in self.section("Metadata") {
            collect(METADATA, r#type.key(), "Metadata", node, &mut found);
        }
        found.extend(self.calls().iter().filter_map(snippet));
        found.sort_by_key(|artifact| artifact.span.start);
        found
    }
}

fn collect(catalogue: &[Property], r#type: &str, id: &str, node: &Node, found: &mut Vec<Artifact>) {
    for property in catalogue.iter().filter(|property| property.resource_type == r#type) {
        found.extend(node.find(property.path).and_then(|value| artifact(property, id, value)));
    }
}

fn snippet(call: &Call<'_>) -> Option<Artifact> {
    let location = call.node.find("Parameters.Location")?;
    (call.name() == Some(catalogue::INCLUDE.resource_type))
        .then(|| artifact(&catalogue::INCLUDE, call.within, location))
        .flatten()
}

fn artifact(property: &Property, logical_id: &str, value: &Node) -> Option<Artifact> {
    let path = value.text().filter(|text| is_local(text))?;
    Some(Artifact {
        logical_id: logical_id.to_owned(),
        resource_type: property.resource_type.to_owned(),
        property: property.path.to_owned(),
        kind: property.kind,
        path: path.to_owned(),
        line: value.at.0,
        form: property.form,
        span: value.span.clone(),
    })
}

/// No address, and no dynamic reference, which CloudFormation resolves.
fn is_local(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains("://") && !text.contains("{{resolve:")
}

#[cfg(test)]
mod tests;
