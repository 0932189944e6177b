//! What local nested templates ask for. CloudFormation demands the capabilities of nested stacks of the stack they are in (AWS
//! CloudFormation API, CreateStack, Capabilities), and says so only when it comes to making them: here it is known before.

use std::{collections::BTreeSet, path::Path};

use stack_template::{ArtifactKind, Template};

use crate::{faults, package::place};

/// 10 templates within one another, as packaging goes.
const DEPTH: usize = 10;

/// Capabilities, and the templates that ask for them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Nested {
    pub(crate) capabilities: BTreeSet<String>,
    /// E.g. `its nested stack Roles (roles.yaml) has Deployer (AWS::IAM::Role)`.
    pub(crate) why: Vec<String>,
}

impl Nested {
    /// Of a template whose local paths are relative to `base`, a folder below `root`. What cannot be read asks for nothing here: packaging
    /// says what is wrong with it.
    pub(crate) fn of(template: &Template, root: &Path, base: &Path) -> Self {
        let mut nested = Self::default();
        nested.collect(template, root, base, 1);
        nested
    }

    fn collect(&mut self, template: &Template, root: &Path, base: &Path, depth: usize) {
        let artifacts = template.local_artifacts().into_iter();
        for artifact in artifacts.filter(|artifact| artifact.kind == ArtifactKind::Template) {
            let Ok(found) = place::find(root, base, &artifact.path) else { continue };
            let text = place::text(found.path(), shared::limits::STAGED_TEMPLATE_BYTES);
            let Some(inner) = text.ok().and_then(|text| Template::parse(&text).ok()) else { continue };
            self.capabilities.extend(inner.required_capabilities().into_iter().map(str::to_owned));
            if let Some(why) = faults::iam_resources(&inner) {
                self.why.push(format!("its nested stack {} ({}) has {why}", artifact.logical_id, artifact.path));
            }
            if depth < DEPTH {
                let base = found.path().parent().unwrap_or(root);
                self.collect(&inner, root, base, depth + 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const OUTER: &str = "Resources:\n  Inner:\n    Type: AWS::CloudFormation::Stack\n    Properties: { TemplateURL: parts/inner.yaml }\n";

    #[test]
    fn a_nested_stack_asks_for_what_it_makes_however_deep_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("parts")).expect("a folder in it");
        let deeper = OUTER.replace("Inner", "Roles").replace("parts/inner", "roles");
        fs::write(folder.path().join("parts/inner.yaml"), deeper).expect("a template");
        let roles = "Resources:\n  Deployer:\n    Type: AWS::IAM::Role\n    Properties: { RoleName: deployer }\n";
        fs::write(folder.path().join("parts/roles.yaml"), roles).expect("a template");
        let outer = Template::parse(OUTER).expect("a template");
        let nested = Nested::of(&outer, folder.path(), folder.path());
        assert_eq!(nested.capabilities, ["CAPABILITY_NAMED_IAM".to_owned()].into());
        assert_eq!(nested.why, ["its nested stack Roles (roles.yaml) has Deployer (AWS::IAM::Role)"]);
    }

    #[test]
    fn what_cannot_be_read_and_what_is_its_own_part_asks_for_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let outer = Template::parse(OUTER).expect("a template");
        assert_eq!(Nested::of(&outer, folder.path(), folder.path()), Nested::default());
        fs::create_dir(folder.path().join("parts")).expect("a folder in it");
        let itself = OUTER.replace("parts/inner", "inner");
        fs::write(folder.path().join("parts/inner.yaml"), itself).expect("a template");
        assert_eq!(Nested::of(&outer, folder.path(), folder.path()), Nested::default());
    }
}
