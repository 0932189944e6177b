//! What a template declares: parameters, resources, outputs.

use crate::{Template, node::Node};

/// A value that a stack is given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parameter {
    /// Its logical id.
    pub name: String,
    /// E.g. `String` or `AWS::SSM::Parameter::Value<String>`; empty when the template names none.
    pub r#type: String,
    /// Whether a stack can be created without a value for it.
    pub has_default: bool,
    /// Whether CloudFormation shows asterisks in place of its value.
    pub no_echo: bool,
    /// What it is for.
    pub description: Option<String>,
    /// The only values it may have; empty for any.
    pub allowed_values: Vec<String>,
}

/// A resource of a stack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resource {
    /// Its logical id. In a loop (`Fn::ForEach`) the pattern of it, e.g. `Bucket${Name}`.
    pub logical_id: String,
    /// E.g. `AWS::S3::Bucket`; empty when the template names none.
    pub r#type: String,
    /// E.g. `Retain`; none when the template names none, or computes it.
    pub deletion_policy: Option<String>,
    /// E.g. `Snapshot`; none when the template names none, or computes it.
    pub update_replace_policy: Option<String>,
    /// Of its logical id, counted from 1.
    pub line: usize,
}

/// A value that a stack gives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Output {
    /// Its logical id.
    pub key: String,
    /// Whether other stacks can import it.
    pub export: bool,
}

impl Template {
    /// Parameters, in order.
    #[must_use]
    pub fn parameters(&self) -> Vec<Parameter> {
        declared(self.section("Parameters")).map(|(name, node)| parameter(name, node)).collect()
    }

    /// Resources, in order, those in loops (`Fn::ForEach`) included.
    #[must_use]
    pub fn resources(&self) -> Vec<Resource> {
        self.resource_nodes().into_iter().map(|(name, node)| resource(name, node)).collect()
    }

    /// Outputs, in order, those in loops (`Fn::ForEach`) left out: their keys are made by CloudFormation.
    #[must_use]
    pub fn outputs(&self) -> Vec<Output> {
        let output = |(name, node): (&Node, &Node)| Output {
            key: name.key().to_owned(),
            export: node.get("Export").is_some_and(|export| !export.is_no_value()),
        };
        declared(self.section("Outputs")).map(output).collect()
    }

    /// Logical ids and resources, in order.
    pub(crate) fn resource_nodes(&self) -> Vec<(&Node, &Node)> {
        let mut found = Vec::new();
        collect_resources(self.section("Resources"), &mut found);
        found
    }
}

/// Goes into loops: `Fn::ForEach::Name: [variable, collection, {pattern: resource}]`.
fn collect_resources<'a>(entries: &'a [(Node, Node)], found: &mut Vec<(&'a Node, &'a Node)>) {
    for (name, node) in entries {
        if name.key().starts_with("Fn::ForEach::") {
            let body = node.elements().get(2).map(Node::entries).unwrap_or_default();
            collect_resources(body, found);
        } else if !name.key().starts_with("Fn::") {
            found.push((name, node));
        }
    }
}

fn declared(entries: &[(Node, Node)]) -> impl Iterator<Item = (&Node, &Node)> {
    entries.iter().filter(|(name, _)| !name.key().starts_with("Fn::")).map(|(name, node)| (name, node))
}

fn parameter(name: &Node, node: &Node) -> Parameter {
    let allowed = node.get("AllowedValues").map(Node::elements).unwrap_or_default();
    Parameter {
        name: name.key().to_owned(),
        r#type: text(node, "Type").unwrap_or_default(),
        has_default: node.get("Default").is_some_and(|default| !default.is_null()),
        no_echo: node.get("NoEcho").is_some_and(Node::is_true),
        description: text(node, "Description"),
        allowed_values: allowed.iter().map(|value| value.key().to_owned()).collect(),
    }
}

fn resource(name: &Node, node: &Node) -> Resource {
    Resource {
        logical_id: name.key().to_owned(),
        r#type: text(node, "Type").unwrap_or_default(),
        deletion_policy: text(node, "DeletionPolicy"),
        update_replace_policy: text(node, "UpdateReplacePolicy"),
        line: name.at.0,
    }
}

fn text(node: &Node, key: &str) -> Option<String> {
    node.get(key)?.text().map(str::to_owned)
}

#[cfg(test)]
mod tests;
