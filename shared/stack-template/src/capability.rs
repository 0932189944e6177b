//! What a template makes that its owner must acknowledge.

use std::collections::BTreeSet;

use crate::{Template, node::Node};

const IAM: &str = "CAPABILITY_IAM";
const NAMED_IAM: &str = "CAPABILITY_NAMED_IAM";
const AUTO_EXPAND: &str = "CAPABILITY_AUTO_EXPAND";

/// Types that can change permissions (AWS CloudFormation API, CreateStack, Capabilities), with the property that gives them a
/// name of one's own. A policy's name is none: it is not a name in the account.
const IAM_TYPES: &[(&str, Option<&str>)] = &[
    ("AWS::IAM::AccessKey", None),
    ("AWS::IAM::Group", Some("GroupName")),
    ("AWS::IAM::InstanceProfile", Some("InstanceProfileName")),
    ("AWS::IAM::ManagedPolicy", Some("ManagedPolicyName")),
    ("AWS::IAM::Policy", None),
    ("AWS::IAM::Role", Some("RoleName")),
    ("AWS::IAM::User", Some("UserName")),
    ("AWS::IAM::UserToGroupAddition", None),
];

/// Types for which SAM makes a role or a policy, with the property that keeps it from it (AWS SAM Developer Guide, "Generated
/// CloudFormation resources").
const SAM_TYPES: &[(&str, Option<&str>)] = &[
    ("AWS::Serverless::Connector", None),
    ("AWS::Serverless::Function", Some("Role")),
    ("AWS::Serverless::GraphQLApi", None),
    ("AWS::Serverless::StateMachine", Some("Role")),
];

impl Template {
    /// Capabilities that CloudFormation demands for it. `CAPABILITY_NAMED_IAM` stands for itself and for `CAPABILITY_IAM`: only
    /// one of the two is in the set, and a stack that is given the former needs not the latter. `CAPABILITY_AUTO_EXPAND` is in it
    /// for every macro, AWS's own included; CloudFormation does not demand it for a change set, only when the stack is created or
    /// updated without one (AWS CloudFormation API, CreateStack and CreateChangeSet, Capabilities). What nested stacks, macros
    /// and modules make is unknown here and adds nothing, SAM's roles excepted.
    #[must_use]
    pub fn required_capabilities(&self) -> BTreeSet<&'static str> {
        let resources = self.resource_nodes();
        let iam = resources.iter().filter_map(|(_, node)| iam(node)).max();
        let sam = self.is_sam() && resources.iter().any(|(_, node)| self.makes_role(node));
        let mut all: BTreeSet<_> = iam.or(sam.then_some(Iam::Anonymous)).map(Iam::capability).into_iter().collect();
        if !self.calls().is_empty() {
            all.insert(AUTO_EXPAND);
        }
        all
    }

    fn makes_role(&self, node: &Node) -> bool {
        let r#type = node.get("Type").and_then(Node::text).unwrap_or_default();
        let Some((_, own)) = SAM_TYPES.iter().find(|(name, _)| *name == r#type) else {
            return node.get("Connectors").is_some();
        };
        let global = r#type.rsplit("::").next().and_then(|kind| self.root().find(&format!("Globals.{kind}")));
        let has = |properties: Option<&Node>| own.is_some_and(|own| is_given(properties, own));
        node.get("Connectors").is_some() || !(has(node.get("Properties")) || has(global))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Iam {
    Anonymous,
    Named,
}

impl Iam {
    fn capability(self) -> &'static str {
        match self {
            Self::Anonymous => IAM,
            Self::Named => NAMED_IAM,
        }
    }
}

fn iam(node: &Node) -> Option<Iam> {
    let r#type = node.get("Type")?.text()?;
    let (_, name) = IAM_TYPES.iter().find(|(known, _)| *known == r#type)?;
    let is_named = name.is_some_and(|name| is_given(node.get("Properties"), name));
    Some(if is_named { Iam::Named } else { Iam::Anonymous })
}

fn is_given(properties: Option<&Node>, name: &str) -> bool {
    properties.and_then(|properties| properties.get(name)).is_some_and(|value| !value.is_no_value())
}

#[cfg(test)]
mod tests;
