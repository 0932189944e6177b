//! Tries a rollback again that failed.

use action::{Failure, Speech};
use aws_sdk_cloudformation::types::{Stack, StackStatus};
use shared::plan::stack::ContinueRollback;

use crate::{
    ending,
    errors::failure,
    follow::{Operation, follow},
    resume::{Begun, begin},
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
    let call = call.set_resources_to_skip(skip).set_role_arn(role_arn);
    let operation = match begin(stacks, stack_id, &token, || call.clone().send()).await? {
        Ok(Begun::Anew(_)) => {
            Operation { stack_id: stack_id.into(), token: token.clone(), floor, total: None, change_set: None }
        }
        Ok(Begun::Found(found)) => found,
        Err(error) => return Err(failure(stacks.scene, "ContinueUpdateRollback", &error).await),
    };
    let end = follow(stacks, name, operation, speech).await?;
    match end.status {
        StackStatus::UpdateRollbackComplete => Ok(()),
        _ => Err(ending::failed(stacks, name, false, &end).await),
    }
}
