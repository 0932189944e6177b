//! The step that applies a change set which was made and approved before.

use action::{Failure, Scene, Speech};
use shared::{plan::stack::ApplyChangeSet, reason::Reason};

use crate::{
    change_set::{self, ChangeSet},
    digest, ending, execution,
    follow::{Operation, follow},
    name, outputs, resume, review,
    stacks::{self, Stacks},
};

/// Applies exactly the change set that was shown. An empty ARN is that of a review that found nothing to change.
///
/// # Errors
/// `CHANGE_SET_CHANGED` when it is not what was approved or cannot be applied any more; `STACK_GONE` when it is not there any more;
/// `STACK_FAILED` and others as a deployment's.
pub async fn apply_change_set(order: &ApplyChangeSet, scene: &Scene, speech: &mut Speech) -> Result<(), Failure> {
    name::check(&order.stack)?;
    let stacks = Stacks::new(scene);
    let stack = stacks.find(&order.stack).await?;
    if order.change_set.trim().is_empty() {
        speech.line("No changes need to be performed.");
        if let Some(stack) = &stack {
            outputs::tell(stack, &order.sensitive_outputs, speech);
        }
        return Ok(());
    }
    let begun = match &stack {
        Some(stack) => resume::operation(&stacks, stack, &scene.operation, speech).await?,
        None => resume::of_deleted(&stacks, &order.stack, &scene.operation).await?,
    };
    let operation = match begun {
        Some(operation) => {
            speech.line(&format!(
                "An earlier attempt of this step began to apply the change set to stack \"{}\": that is followed.",
                order.stack
            ));
            operation
        }
        None => execute(order, &stacks, speech).await?,
    };
    let end = follow(&stacks, &order.stack, operation, speech).await?;
    ending::deployed(&stacks, &order.stack, true, &end).await?;
    if let Some(stack) = &end.stack {
        speech.highlight(&format!("Applied the change set to stack {} in region {}", stacks::id(stack), scene.region));
        outputs::tell(stack, &order.sensitive_outputs, speech);
    }
    Ok(())
}

async fn execute(order: &ApplyChangeSet, stacks: &Stacks<'_>, speech: &mut Speech) -> Result<Operation, Failure> {
    let found = change_set::find(stacks, None, order.change_set.trim(), true).await?;
    let change_set = found.ok_or_else(|| {
        let sentence = format!(
            "The change set {} of stack \"{}\" is not there any more: it was applied, deleted, or made void by another update. Make a new one, \
             and look at it again.",
            order.change_set, order.stack
        );
        Failure::new(Reason::StackGone, sentence)
    })?;
    review::show(&change_set, speech);
    check(order, &change_set)?;
    if stacks.scene.cancelled.is_cancelled() {
        let sentence =
            format!("The step was cancelled before the change set was applied to stack \"{}\".", order.stack);
        return Err(Failure::new(Reason::StackCancelled, sentence));
    }
    execution::execute(stacks, &change_set).await
}

/// Whether it is the one that was approved.
fn check(order: &ApplyChangeSet, change_set: &ChangeSet) -> Result<(), Failure> {
    let changed = |why: String| {
        let again = "Nothing was changed. Make a new change set, and look at it again.";
        Err(Failure::new(Reason::ChangeSetChanged, format!("{why} {again}")))
    };
    let name = &change_set.name;
    if change_set.stack_name != order.stack && change_set.stack_id != order.stack {
        return changed(format!(
            "The change set {name} is for stack \"{}\", not for \"{}\".",
            change_set.stack_name, order.stack
        ));
    }
    if let Some(what) = digest::difference(&order.digest, &digest::digest(change_set)) {
        return changed(format!("The change set {name} is not what was approved: it differs in {what}."));
    }
    if !change_set.is_available() && !change_set.is_executed() {
        let execution = change_set.execution.as_ref().map_or("unknown", |execution| execution.as_str());
        let status = change_set.status.as_str();
        return changed(format!(
            "The change set {name} cannot be applied any more: it is {status}, its execution {execution}."
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
