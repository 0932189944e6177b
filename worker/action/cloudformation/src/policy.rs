//! A stack's own protection: its policy, and that it may not be deleted.

use action::{Failure, Speech};
use aws_sdk_cloudformation::types::Stack;

use crate::{
    errors::failure,
    input::Input,
    stacks::{self, Stacks},
};

/// Gives a stack the policy that the step names, if it names one.
pub(crate) async fn set(
    stacks: &Stacks<'_>,
    stack_id: &str,
    input: &Input<'_>,
    speech: &mut Speech,
) -> Result<(), Failure> {
    let Some(policy) = &input.policy else { return Ok(()) };
    let call = stacks.client.set_stack_policy().stack_name(stack_id).stack_policy_body(policy);
    match call.send().await {
        Ok(_) => {
            speech.verbose(&format!("Stack \"{}\" has its stack policy.", input.order.stack));
            Ok(())
        }
        Err(error) => Err(failure(stacks.scene, "SetStackPolicy", &error).await),
    }
}

/// Turns termination protection on or off, where the step says so and the stack has it otherwise.
pub(crate) async fn protect(
    stacks: &Stacks<'_>,
    stack: &Stack,
    wanted: Option<bool>,
    speech: &mut Speech,
) -> Result<(), Failure> {
    let Some(wanted) = wanted.filter(|wanted| stack.enable_termination_protection().unwrap_or_default() != *wanted)
    else {
        return Ok(());
    };
    let call = stacks.client.update_termination_protection().stack_name(stacks::id(stack));
    match call.enable_termination_protection(wanted).send().await {
        Ok(_) => {
            speech.line(if wanted { "Termination protection is on." } else { "Termination protection is off." });
            Ok(())
        }
        Err(error) => Err(failure(stacks.scene, "UpdateTerminationProtection", &error).await),
    }
}
