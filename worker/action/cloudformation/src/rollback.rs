//! Tries a rollback again that failed.

use action::{Failure, Speech};
use aws_sdk_cloudformation::types::{Stack, StackStatus};
use shared::plan::stack::ContinueRollback;

use crate::{
    ending,
    errors::{failure, is_repetition, may_be_done},
    follow::{Operation, follow},
    resume,
    stacks::{self, Stacks},
};

/// Takes a stack out of `UPDATE_ROLLBACK_FAILED`.
///
/// # Errors
/// `STACK_FAILED` when that fails again, with what keeps it.
pub(crate) async fn carry_on(
    stacks: &Stacks<'_>,
    name: &str,
    stack: &Stack,
    how: &ContinueRollback,
    role_arn: Option<String>,
    speech: &mut Speech,
) -> Result<(), Failure> {
    let skipped = if how.skip.is_empty() { String::new() } else { format!(" without {}", how.skip.join(", ")) };
    speech.line(&format!("Stack \"{name}\" is in UPDATE_ROLLBACK_FAILED: its rollback is continued{skipped}."));
    let (stack_id, token) = (stacks::id(stack), format!("{}-continue", stacks.scene.operation));
    let floor = stacks.floor(stack_id).await?;
    let call = stacks.client.continue_update_rollback().stack_name(stack_id).client_request_token(&token);
    let skip = Some(how.skip.clone()).filter(|skip| !skip.is_empty());
    let operation = match call.set_resources_to_skip(skip).set_role_arn(role_arn).send().await {
        Ok(_) => Operation { stack_id: stack_id.into(), token, floor, total: None, change_set: None },
        Err(error) => {
            let found = match is_repetition(&error) || may_be_done(&error) {
                true => resume::after_doubt(stacks, stack_id, &token).await?,
                false => None,
            };
            match found {
                Some(operation) => operation,
                None => return Err(failure(stacks.scene, "ContinueUpdateRollback", &error).await),
            }
        }
    };
    let end = follow(stacks, name, operation, speech).await?;
    match end.status {
        StackStatus::UpdateRollbackComplete => Ok(()),
        _ => Err(ending::failed(stacks, name, false, &end).await),
    }
}
