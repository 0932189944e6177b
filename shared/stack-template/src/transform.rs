//! Macros that CloudFormation runs over a template before it reads it.

use crate::{Template, node::Node};

/// Where a macro is named, and what is around it.
pub(crate) struct Call<'a> {
    /// Logical id of the resource that it is in, or its section.
    pub(crate) within: &'a str,
    /// The macro's name as text, or a mapping of `Name` and `Parameters`.
    pub(crate) node: &'a Node,
}

impl Call<'_> {
    /// The macro's name; none when it is computed, which CloudFormation refuses.
    pub(crate) fn name(&self) -> Option<&str> {
        self.node.text().or_else(|| self.node.get("Name")?.text())
    }
}

impl Template {
    /// Names of the macros it uses, each once: those over the whole template (`Transform`) first, then those over parts of it
    /// (`Fn::Transform`), as they come. E.g. `AWS::Serverless-2016-10-31`, `AWS::Include`.
    #[must_use]
    pub fn transforms(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for call in self.calls() {
            match call.name() {
                Some(name) if !names.iter().any(|known| known == name) => names.push(name.to_owned()),
                _ => {}
            }
        }
        names
    }

    /// Whether it is one of the Serverless Application Model.
    #[must_use]
    pub fn is_sam(&self) -> bool {
        self.root().get("Transform").into_iter().flat_map(one_or_many).any(|node| {
            let call = Call { within: "Transform", node };
            call.name() == Some("AWS::Serverless-2016-10-31")
        })
    }

    /// Every place where a macro is named.
    pub(crate) fn calls(&self) -> Vec<Call<'_>> {
        let over_all = self.root().get("Transform").into_iter().flat_map(one_or_many);
        let mut calls: Vec<_> = over_all.map(|node| Call { within: "Transform", node }).collect();
        for (section, node) in self.root().entries() {
            match section.key() {
                "Resources" => node.entries().iter().for_each(|(id, node)| collect((id, node), id.key(), &mut calls)),
                name => collect((section, node), name, &mut calls),
            }
        }
        calls
    }
}

fn collect<'a>((key, node): (&'a Node, &'a Node), within: &'a str, calls: &mut Vec<Call<'a>>) {
    if key.key() == "Fn::Transform" {
        calls.extend(one_or_many(node).map(|node| Call { within, node }));
    }
    collect_below(node, within, calls);
}

fn collect_below<'a>(node: &'a Node, within: &'a str, calls: &mut Vec<Call<'a>>) {
    if node.tag.as_deref() == Some("Transform") {
        calls.push(Call { within, node });
    }
    node.entries().iter().for_each(|(key, value)| collect((key, value), within, calls));
    node.elements().iter().for_each(|element| collect_below(element, within, calls));
}

fn one_or_many(node: &Node) -> impl Iterator<Item = &Node> {
    let itself = node.elements().is_empty().then_some(node);
    itself.into_iter().chain(node.elements())
}

#[cfg(test)]
mod tests;
