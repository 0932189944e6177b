//! The same change set has the same digest, and no other has it.

use aws_sdk_cloudformation::types::ChangeAction;

use super::*;
use crate::change_set::tests::{change, change_set, nest};

const QUEUE: &str = "AWS::SQS::Queue";

fn some() -> ChangeSet {
    let inner = vec![change(ChangeAction::Add, "Inmost", QUEUE)];
    change_set(vec![change(ChangeAction::Add, "A", QUEUE), change(ChangeAction::Remove, "B", QUEUE), nest("C", inner)])
}

/// What differs after a change.
fn changed(change: impl FnOnce(&mut ChangeSet)) -> Option<String> {
    let mut other = some();
    change(&mut other);
    difference(&digest(&some()), &digest(&other))
}

#[test]
fn a_digest_is_stable() {
    insta::assert_snapshot!(digest(&some()));
}

#[test]
fn the_order_of_aws_answers_does_not_matter() {
    assert_eq!(changed(|other| other.changes.reverse()), None);
    assert_eq!(changed(|other| other.parameters.reverse()), None);
    assert_eq!(changed(|other| other.execution = None), None);
}

#[test]
fn what_differs_is_named() {
    let told = |change: fn(&mut ChangeSet)| changed(change).unwrap_or_default();
    assert_eq!(told(|other| other.stack_id.push('x')), "the stack");
    assert_eq!(told(|other| other.template.push('x')), "the template");
    assert_eq!(told(|other| other.parameters[0] = "Size=3".into()), "the parameters");
    assert_eq!(told(|other| other.options.push("capability CAPABILITY_IAM".into())), "the options");
    assert_eq!(told(|other| drop(other.changes.pop())), "the changes");
    assert_eq!(told(|other| drop(other.changes[2].nested.pop())), "the changes");
    let both = |other: &mut ChangeSet| {
        other.template.push('x');
        other.changes.clear();
    };
    assert_eq!(changed(both).as_deref(), Some("the template and the changes"));
}

#[test]
fn the_long_part_alone_is_enough_and_anything_else_is_not() {
    let found = digest(&some());
    assert_eq!(difference(&found[..64], &found), None);
    assert_eq!(difference(&format!(" {found}\n"), &found), None);
    for other in ["", "-", "abc", &found[..63], &"0".repeat(64)] {
        assert_eq!(difference(other, &found).as_deref(), Some("the digest as a whole"), "{other}");
    }
}

#[test]
fn texts_that_run_into_one_another_are_told_apart() {
    assert_ne!(hex(["ab", "c"].into_iter()), hex(["a", "bc"].into_iter()));
    assert_ne!(hex([].into_iter()), hex([""].into_iter()));
}
