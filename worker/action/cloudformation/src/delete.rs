//! The step that deletes a stack.

use action::{Failure, Scene, Speech};
use aws_sdk_cloudformation::types::StackStatus;
use shared::plan::stack::DeleteStack;

use crate::{
    follow::follow,
    name,
    removal::{self, Removal},
    resume,
    stacks::Stacks,
    state::is_in_progress,
    wait,
};

/// Deletes a stack and waits until it is gone. One that is not there is deleted already.
///
/// # Errors
/// `STACK_PROTECTED`, `STACK_FAILED` with all that keeps it and why, `PERMISSION_MISSING`, `STACK_CANCELLED`.
pub async fn delete(order: &DeleteStack, scene: &Scene, speech: &mut Speech) -> Result<(), Failure> {
    name::check(&order.stack)?;
    let stacks = Stacks::new(scene);
    let removal = Removal {
        name: &order.stack,
        token: format!("{}-delete", scene.operation),
        role_arn: Some(order.role_arn.clone()).filter(|arn| !arn.is_empty()),
        retain: &order.retain,
    };
    let mut has_found = false;
    loop {
        // One that is named by its id is still known after its deletion.
        let found = stacks.find(&order.stack).await?;
        let Some(stack) = found.filter(|stack| stack.stack_status() != Some(&StackStatus::DeleteComplete)) else {
            speech.line(&gone(order, scene, has_found));
            return Ok(());
        };
        has_found = true;
        if let Some(operation) = resume::operation(&stacks, &stack, &removal.token, speech).await? {
            speech.line(&format!(
                "An earlier attempt of this step began to delete stack \"{}\"; that is followed.",
                order.stack
            ));
            let end = follow(&stacks, &order.stack, operation, speech).await?;
            removal::go_on(&stacks, &removal, end, speech).await?;
        } else if stack.stack_status().is_some_and(is_in_progress) {
            wait::until_idle(&stacks, &order.stack, &stack, speech).await?;
            continue;
        } else if resume::of_deleted(&stacks, &order.stack, &removal.token).await?.is_some() {
            speech.line(&format!(
                "An earlier attempt of this step deleted stack \"{}\". The one that has its name now was made afterwards, and is left alone.",
                order.stack
            ));
        } else {
            removal::remove(&stacks, &stack, &removal, speech).await?;
        }
        speech.line(&gone(order, scene, true));
        return Ok(());
    }
}

fn gone(order: &DeleteStack, scene: &Scene, was_there: bool) -> String {
    let (name, region) = (&order.stack, &scene.region);
    match was_there {
        true => format!("Deleted stack called {name} in region {region}"),
        false => format!("No stack called {name} exists in region {region}"),
    }
}
