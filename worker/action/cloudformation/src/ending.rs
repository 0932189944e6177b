//! What the end of an operation means for the step, in words.

use action::Failure;
use aws_sdk_cloudformation::types::StackStatus;
use shared::reason::Reason;

use crate::{cancel::Cancel, cause::Cause, errors, follow::End, stacks::Stacks};

/// Whether a stack ended as it was to be.
///
/// # Errors
/// `STACK_FAILED`, `STACK_PROTECTED`, `STACK_CANCELLED`, `STACK_GONE`; the last line is the first cause.
pub(crate) async fn deployed(stacks: &Stacks<'_>, name: &str, may_be_deleted: bool, end: &End) -> Result<(), Failure> {
    let is_good =
        matches!(end.status, StackStatus::CreateComplete | StackStatus::UpdateComplete | StackStatus::ImportComplete);
    match (is_good, end.cancel) {
        (true, Cancel::No) => Ok(()),
        (true, _) => Err(Failure::new(Reason::StackCancelled, too_late(name, &end.status))),
        (false, _) => Err(failed(stacks, name, may_be_deleted, end).await),
    }
}

/// The failure that an end is.
pub(crate) async fn failed(stacks: &Stacks<'_>, name: &str, may_be_deleted: bool, end: &End) -> Failure {
    let cause = match cause(stacks, end).await {
        Some(cause) => Some(Cause { reason: errors::readable(stacks.scene, &cause.reason).await, ..cause }),
        None => None,
    };
    let blocking = end.record.failures.blocking(&end.record.tails[0].stack_id);
    let is_deleted = end.status == StackStatus::DeleteComplete && !may_be_deleted;
    let reason = match &cause {
        _ if is_deleted => Reason::StackGone,
        _ if end.cancel != Cancel::No => Reason::StackCancelled,
        Some(cause) if is_about_stack_policy(&cause.reason) => Reason::StackProtected,
        _ => Reason::StackFailed,
    };
    let sentence = sentence(name, &end.status, may_be_deleted, &blocking, cause.as_ref());
    let cancelled = if end.cancel == Cancel::No { "" } else { "The step was cancelled. " };
    Failure::new(reason, format!("{cancelled}{sentence}"))
}

/// Why it ended so: by its events; by its resources, where those may not be read.
async fn cause(stacks: &Stacks<'_>, end: &End) -> Option<Cause> {
    let failures = &end.record.failures;
    // After a cancellation all may follow from that alone.
    if let Some(first) = failures.first_cause().or_else(|| failures.first().filter(|_| end.cancel != Cancel::Asked)) {
        return Some(first);
    }
    if end.record.status().is_some() {
        return None;
    }
    stacks.failed_resources(&end.record.tails[0].stack_id).await.into_iter().next()
}

fn is_about_stack_policy(reason: &str) -> bool {
    reason.to_lowercase().contains("stack policy")
}

fn too_late(name: &str, status: &StackStatus) -> String {
    let done = if *status == StackStatus::CreateComplete { "created" } else { "updated" };
    format!("The step was cancelled. Stack \"{name}\" was {done} before it could be stopped ({}).", status.as_str())
}

fn sentence(
    name: &str,
    status: &StackStatus,
    may_be_deleted: bool,
    blocking: &[Cause],
    cause: Option<&Cause>,
) -> String {
    let mut lines =
        vec![format!("Stack \"{name}\" ended in {}: {}", status.as_str(), what_aws_did(status, may_be_deleted))];
    let is_blocked = status.as_str().contains("ROLLBACK_FAILED") || *status == StackStatus::DeleteFailed;
    if is_blocked && !blocking.is_empty() {
        lines.push(format!("What keeps it there:\n- {}", list(blocking)));
    }
    if *status == StackStatus::UpdateRollbackFailed {
        lines.push(continue_rollback(name, blocking));
    }
    lines.extend(cause.map(|cause| format!("First cause: {}", cause.sentence())));
    lines.join("\n")
}

/// One line for each.
pub(crate) fn list(causes: &[Cause]) -> String {
    causes.iter().map(Cause::sentence).collect::<Vec<_>>().join("\n- ")
}

/// How a rollback that failed is tried again: in the step, and by hand.
pub(crate) fn continue_rollback(name: &str, blocking: &[Cause]) -> String {
    // In nested stacks AWS wants the ids joined by a dot (AWS CloudFormation API, ContinueUpdateRollback, ResourcesToSkip).
    let ids: Vec<_> = blocking.iter().map(|cause| cause.path.replace('/', ".")).collect();
    let by_hand = if ids.is_empty() { String::new() } else { format!(" --resources-to-skip {}", ids.join(" ")) };
    format!(
        "Mend what keeps it, then let the step try the rollback again with `continue_rollback: {{ skip: [] }}`, or leave out what cannot be \
         mended with `continue_rollback: {{ skip: [{}] }}`. By hand: aws cloudformation continue-update-rollback --stack-name {name}{by_hand}",
        ids.join(", ")
    )
}

fn what_aws_did(status: &StackStatus, may_be_deleted: bool) -> &'static str {
    match status {
        StackStatus::RollbackComplete => "AWS removed what it had made, and keeps the empty stack for its events.",
        StackStatus::RollbackFailed => "AWS could not remove all that it had made.",
        StackStatus::CreateFailed => "AWS left everything as it is.",
        StackStatus::UpdateFailed => "AWS left everything as it is, some of it updated and some not.",
        StackStatus::UpdateRollbackComplete => "AWS took everything back to what it was before.",
        StackStatus::UpdateRollbackFailed => "AWS could not take everything back to what it was before.",
        StackStatus::DeleteComplete if may_be_deleted => "AWS deleted it, since it could not be created.",
        StackStatus::DeleteComplete => "somebody deleted it meanwhile.",
        StackStatus::DeleteFailed => "AWS could not delete it.",
        _ => "that is not what was asked for.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(path: &str, reason: &str) -> Cause {
        Cause { path: path.into(), kind: "AWS::SQS::Queue".into(), reason: reason.into() }
    }

    #[test]
    fn the_last_line_is_the_first_cause() {
        let first = cause("Storage/Queue", "The name is taken");
        let told = sentence("shop", &StackStatus::UpdateRollbackComplete, false, &[], Some(&first));
        assert_eq!(
            told,
            "Stack \"shop\" ended in UPDATE_ROLLBACK_COMPLETE: AWS took everything back to what it was before.\n\
             First cause: Storage/Queue (AWS::SQS::Queue): The name is taken."
        );
        let told = sentence("shop", &StackStatus::RollbackComplete, false, &[first], None);
        assert!(told.ends_with("keeps the empty stack for its events."), "{told}");
    }

    #[test]
    fn a_rollback_that_failed_says_what_blocks_it_and_how_to_go_on() {
        let blocking = [cause("Queue", "It is gone"), cause("Inner/Topic", "No permission")];
        let told = sentence("shop", &StackStatus::UpdateRollbackFailed, false, &blocking, Some(&blocking[0]));
        assert!(
            told.contains(
                "\n- Queue (AWS::SQS::Queue): It is gone.\n- Inner/Topic (AWS::SQS::Queue): No permission.\n"
            ),
            "{told}"
        );
        assert!(told.contains("`continue_rollback: { skip: [Queue, Inner.Topic] }`"), "{told}");
        assert!(
            told.contains(
                "aws cloudformation continue-update-rollback --stack-name shop --resources-to-skip Queue Inner.Topic\n"
            ),
            "{told}"
        );
    }

    #[test]
    fn a_stack_that_was_finished_before_it_could_be_stopped_is_told_as_that() {
        let told = too_late("shop", &StackStatus::CreateComplete);
        assert_eq!(
            told,
            "The step was cancelled. Stack \"shop\" was created before it could be stopped (CREATE_COMPLETE)."
        );
    }

    #[test]
    fn every_state_has_its_words() {
        for status in StackStatus::values() {
            let words = what_aws_did(&StackStatus::from(*status), false);
            assert!(words.ends_with('.'), "{status}");
        }
    }
}
