//! Why nothing is done with a stack, and what a person can do about it.

use action::Failure;
use aws_sdk_cloudformation::types::{Stack, StackStatus};
use shared::reason::Reason;

use crate::{
    cause::{Cause, Failures},
    ending,
    stacks::{self, Stacks},
    state::Refusal,
};

/// The failure of a step whose stack is in a state in which nothing would be safe.
pub(crate) async fn failure(stacks: &Stacks<'_>, name: &str, stack: &Stack, why: Refusal) -> Failure {
    let status = stack.stack_status().map_or("an unknown state", StackStatus::as_str);
    let blocking = blocking(stacks, stacks::id(stack)).await;
    Failure::new(Reason::StackState, sentence(name, status, why, &blocking))
}

/// What keeps the stack where it is: by its events, nested stacks' own left out, or else by its resources.
async fn blocking(stacks: &Stacks<'_>, stack_id: &str) -> Vec<Cause> {
    let mut failures = Failures::default();
    let events = stacks.all_events(stack_id).await.unwrap_or_default();
    events.iter().rev().for_each(|event| failures.see(event, &[]));
    let told = failures.blocking(stack_id);
    if told.is_empty() { stacks.failed_resources(stack_id).await } else { told }
}

fn sentence(name: &str, status: &str, why: Refusal, blocking: &[Cause]) -> String {
    let list = match blocking {
        [] => String::new(),
        blocking => format!("\nWhat failed:\n- {}", ending::list(blocking)),
    };
    let advice = match why {
        Refusal::MayNotReplace => {
            "it never was healthy, AWS updates it no more, and the step may not delete it. Let it be deleted and created anew with \
             `replace_failed: true`, or delete it by hand."
        }
        Refusal::WasHealthy => {
            "AWS updates it no more, and it may have been healthy once, so that nothing of it is deleted. Look at what it holds, then delete \
             it by hand or with a `cloudformation.delete` step."
        }
        Refusal::DeletionFailed => {
            "somebody began to delete it, and AWS could not. Finish that with a `cloudformation.delete` step, with `retain` for what cannot \
             be deleted, then run this step again."
        }
        Refusal::RollbackFailed => {
            let how = ending::continue_rollback(name, blocking);
            return format!(
                "Stack \"{name}\" is in {status}: an update failed, and AWS could not take it back. Nothing of it is deleted.{list}\n{how}"
            );
        }
        Refusal::UpdateLeft => {
            "an update failed and was left as it is. Go on from there with `on_failure: do-nothing`, or take it back first: aws \
             cloudformation rollback-stack --stack-name"
        }
        Refusal::ImportFailed => {
            "an import failed, and AWS could not take it back. Continue that by hand, or delete the stack, then run this step again."
        }
        Refusal::Unknown => "this version does not know that state. Upgrade the worker.",
    };
    let named = if why == Refusal::UpdateLeft { format!(" {name}") } else { String::new() };
    format!("Stack \"{name}\" is in {status}: {advice}{named}{list}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocking() -> [Cause; 1] {
        [Cause { path: "Queue".into(), kind: "AWS::SQS::Queue".into(), reason: "It is gone".into() }]
    }

    #[test]
    fn every_refusal_says_the_state_what_failed_and_what_to_do() {
        let all = [
            (Refusal::MayNotReplace, "`replace_failed: true`"),
            (Refusal::WasHealthy, "nothing of it is deleted"),
            (Refusal::DeletionFailed, "`cloudformation.delete`"),
            (Refusal::RollbackFailed, "`continue_rollback: { skip: [Queue] }`"),
            (Refusal::UpdateLeft, "rollback-stack --stack-name shop\n"),
            (Refusal::ImportFailed, "by hand"),
            (Refusal::Unknown, "Upgrade the worker"),
        ];
        for (why, words) in all {
            let told = sentence("shop", "A_STATE", why, &blocking());
            assert!(told.starts_with("Stack \"shop\" is in A_STATE: "), "{told}");
            assert!(told.contains(words) && told.contains("\n- Queue (AWS::SQS::Queue): It is gone."), "{told}");
        }
    }
}
