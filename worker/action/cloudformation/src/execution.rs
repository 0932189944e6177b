//! Applies a change set.

use action::Failure;
use aws_sdk_cloudformation::types::ExecutionStatus;
use shared::reason::Reason;

use crate::{
    change_set::{Change, ChangeSet},
    errors::{code, failure},
    follow::Operation,
    record::Floor,
    resume::{self, Begun, begin},
    stacks::Stacks,
};

/// Asks AWS to apply a change set. One that an earlier attempt of this step had begun to apply is only looked for.
///
/// # Errors
/// `CHANGE_SET_CHANGED` when it cannot be applied any more; `STACK_GONE` when it is not there any more; as AWS refuses.
pub(crate) async fn execute(stacks: &Stacks<'_>, change_set: &ChangeSet) -> Result<Operation, Failure> {
    let token = &stacks.scene.operation;
    let total = Some(Change::count(&change_set.changes));
    let begun = |floor: Floor| Operation {
        stack_id: change_set.stack_id.clone(),
        token: token.clone(),
        floor,
        total,
        change_set: Some(change_set.id.clone()),
    };
    let floor = stacks.floor(&change_set.stack_id).await?;
    if change_set.is_executed() {
        return Ok(begun(executed(stacks, change_set, floor).await?));
    }
    let call = stacks.client.execute_change_set().change_set_name(&change_set.id).client_request_token(token);
    let error = match begin(stacks, &change_set.stack_id, token, || call.clone().send()).await? {
        Ok(Begun::Anew(_)) => return Ok(begun(floor)),
        Ok(Begun::Found(found)) => return Ok(begun(found.floor)),
        Err(error) => error,
    };
    let Failure { reason, sentence } = failure(stacks.scene, "ExecuteChangeSet", &error).await;
    let reason = match code(&error) {
        code if code.starts_with("InvalidChangeSetStatus") => Reason::ChangeSetChanged,
        code if code.starts_with("ChangeSetNotFound") => Reason::StackGone,
        _ => reason,
    };
    let name = &change_set.stack_name;
    Err(Failure::new(
        reason,
        format!("The change set of stack \"{name}\" could not be applied, and nothing was changed. {sentence}"),
    ))
}

/// Where the events of an execution begin that was asked for before.
async fn executed(stacks: &Stacks<'_>, change_set: &ChangeSet, newest: Floor) -> Result<Floor, Failure> {
    let token = &stacks.scene.operation;
    if let Some(found) = resume::after_doubt(stacks, &change_set.stack_id, token).await? {
        return Ok(found.floor);
    }
    // By its name it is this step's own, though its events cannot be read or do not say whose they are.
    match (change_set.name == *token, &change_set.execution) {
        (true, Some(ExecutionStatus::ExecuteInProgress)) => Ok(newest),
        (true, _) => Ok(Floor::All),
        (false, _) => Err(Failure::new(
            Reason::ChangeSetChanged,
            format!(
                "The change set {} of stack \"{}\" was applied already, and not by this step, which changed nothing. If that is what was approved, \
                 there is nothing left to do; for other changes, review again.",
                change_set.name, change_set.stack_name
            ),
        )),
    }
}
