//! Only what was approved is applied.

use aws_sdk_cloudformation::types::{ChangeAction, ExecutionStatus};

use super::*;
use crate::change_set::tests::{change, change_set};

fn some() -> ChangeSet {
    change_set(vec![change(ChangeAction::Add, "Queue", "AWS::SQS::Queue")])
}

fn refused(change: impl FnOnce(&mut ApplyChangeSet, &mut ChangeSet)) -> String {
    let digest = digest::digest(&some());
    let mut order = ApplyChangeSet { stack: "shop".into(), change_set: some().id, digest, sensitive_outputs: vec![] };
    let mut found = some();
    change(&mut order, &mut found);
    match check(&order, &found) {
        Ok(()) => String::new(),
        Err(failure) => {
            assert_eq!(failure.reason, Reason::ChangeSetChanged);
            failure.sentence
        }
    }
}

#[test]
fn what_was_approved_is_applied() {
    assert_eq!(refused(|_, _| {}), "");
    assert_eq!(refused(|_, found| found.execution = Some(ExecutionStatus::ExecuteInProgress)), "");
}

#[test]
fn another_stack_another_content_or_a_void_change_set_is_refused() {
    let stack = refused(|order, _| order.stack = "other".into());
    assert!(
        stack.starts_with("The change set longshore-7 is for stack \"shop\", not for \"other\". Nothing was changed."),
        "{stack}"
    );
    let content = refused(|_, found| found.parameters.push("Size=9".into()));
    assert!(content.contains("it differs in the parameters."), "{content}");
    let void = refused(|_, found| found.execution = Some(ExecutionStatus::Obsolete));
    assert!(void.contains("it is CREATE_COMPLETE, its execution OBSOLETE."), "{void}");
    assert!(refused(|order, _| order.digest = "else".into()).contains("the digest as a whole"));
}
