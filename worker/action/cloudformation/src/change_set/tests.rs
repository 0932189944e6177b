//! Change sets for the tests of whatever reads them.

use aws_sdk_cloudformation::types::{
    ChangeAction, PolicyAction, Replacement, ResourceChangeDetail, ResourceTargetDefinition,
};

use super::*;

/// A change of one resource.
pub(crate) fn change(action: ChangeAction, id: &str, kind: &str) -> Change {
    Change::new(resource(action, id, kind).build(), vec![])
}

/// A change that replaces a resource, or may.
pub(crate) fn replacement(replacement: Replacement, policy: Option<PolicyAction>, id: &str, kind: &str) -> Change {
    let target = ResourceTargetDefinition::builder().name("Name").build();
    let detail = ResourceChangeDetail::builder().target(target).build();
    let builder = resource(ChangeAction::Modify, id, kind).replacement(replacement).details(detail);
    Change::new(builder.set_policy_action(policy).build(), vec![])
}

/// A removal with what becomes of the resource.
pub(crate) fn removal(policy: PolicyAction, id: &str, kind: &str) -> Change {
    Change::new(resource(ChangeAction::Remove, id, kind).policy_action(policy).build(), vec![])
}

/// A nested stack with its changes.
pub(crate) fn nest(id: &str, nested: Vec<Change>) -> Change {
    Change::new(resource(ChangeAction::Modify, id, crate::event::STACK).build(), nested)
}

/// A change set with these changes.
pub(crate) fn change_set(changes: Vec<Change>) -> ChangeSet {
    ChangeSet {
        id: "arn:aws:cloudformation:eu-west-1:123456789012:changeSet/longshore-7/1".into(),
        name: "longshore-7".into(),
        stack_id: crate::event::tests::ROOT.into(),
        stack_name: "shop".into(),
        status: ChangeSetStatus::CreateComplete,
        reason: String::new(),
        execution: Some(ExecutionStatus::Available),
        template: "Resources: {}".into(),
        parameters: vec!["Size=2".into(), "Name=shop".into()],
        options: vec!["tag team=shop".into()],
        changes,
    }
}

fn resource(
    action: ChangeAction,
    id: &str,
    kind: &str,
) -> aws_sdk_cloudformation::types::builders::ResourceChangeBuilder {
    ResourceChange::builder().action(action).logical_resource_id(id).resource_type(kind)
}

#[test]
fn nested_stacks_count_by_what_changes_in_them() {
    let inner =
        vec![change(ChangeAction::Add, "A", "AWS::SQS::Queue"), change(ChangeAction::Add, "B", "AWS::SQS::Queue")];
    let changes = [change(ChangeAction::Add, "C", "AWS::SQS::Queue"), nest("Inner", inner), nest("Same", vec![])];
    assert_eq!(Change::count(&changes), 4);
}
