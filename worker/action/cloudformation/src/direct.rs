//! Creates or updates a stack without a change set.

use action::Failure;
use aws_sdk_cloudformation::types::{OnFailure as OnCreateFailure, Stack};
use shared::{plan::stack::OnFailure, reason::Reason};

use crate::{
    errors::{code, failure, is_repetition, may_be_done, message, says_no_change},
    follow::Operation,
    input::Input,
    record::Floor,
    request::{Request, minutes},
    resume,
    stacks::{self, Stacks},
};

/// Asks AWS to create the stack.
///
/// # Errors
/// As AWS refuses; `STACK_GONE` when somebody else made one meanwhile.
pub(crate) async fn create(stacks: &Stacks<'_>, input: &Input<'_>) -> Result<Operation, Failure> {
    let (order, request, token) = (input.order, Request::from(input.order), &stacks.scene.operation);
    let on_failure = match order.on_failure {
        OnFailure::Rollback => None,
        OnFailure::Delete => Some(OnCreateFailure::Delete),
        OnFailure::DoNothing => Some(OnCreateFailure::DoNothing),
    };
    let asked = stacks
        .client
        .create_stack()
        .stack_name(&order.stack)
        .client_request_token(token)
        .set_template_body(input.template.body())
        .set_template_url(input.template.url())
        .set_parameters(request.parameters)
        .set_capabilities(request.capabilities)
        .set_tags(request.tags)
        .set_role_arn(request.role_arn)
        .set_notification_arns(request.notification_arns)
        .set_rollback_configuration(request.rollback)
        .set_on_failure(on_failure)
        .set_timeout_in_minutes(order.creation_timeout.map(minutes))
        .set_stack_policy_body(input.policy.clone())
        .set_enable_termination_protection(order.termination_protection)
        .send()
        .await;
    let error = match asked {
        Ok(answer) => {
            let stack_id = answer.stack_id.unwrap_or_else(|| order.stack.clone());
            return Ok(operation(stack_id, token, Floor::All, input.resources));
        }
        Err(error) => error,
    };
    if is_repetition(&error) || may_be_done(&error) {
        if let Some(found) = resume::after_doubt(stacks, &order.stack, token).await? {
            return Ok(Operation { total: input.resources, ..found });
        }
        if code(&error).starts_with("AlreadyExists") {
            return Err(taken(&order.stack));
        }
    }
    Err(failure(stacks.scene, "CreateStack", &error).await)
}

/// Asks AWS to update the stack; none when there is nothing to update.
///
/// # Errors
/// As AWS refuses.
pub(crate) async fn update(
    stacks: &Stacks<'_>,
    input: &Input<'_>,
    stack: &Stack,
) -> Result<Option<Operation>, Failure> {
    let (order, request, token) = (input.order, Request::from(input.order), &stacks.scene.operation);
    let stack_id = stacks::id(stack);
    let floor = stacks.floor(stack_id).await?;
    let asked = stacks
        .client
        .update_stack()
        .stack_name(stack_id)
        .client_request_token(token)
        .set_template_body(input.template.body())
        .set_template_url(input.template.url())
        .set_parameters(request.parameters)
        .set_capabilities(request.capabilities)
        .set_tags(request.tags)
        .set_role_arn(request.role_arn)
        .set_notification_arns(request.notification_arns)
        .set_rollback_configuration(request.rollback)
        .set_disable_rollback((order.on_failure == OnFailure::DoNothing).then_some(true))
        .send()
        .await;
    let error = match asked {
        Ok(_) => return Ok(Some(operation(stack_id.into(), token, floor, None))),
        Err(error) => error,
    };
    if says_no_change(message(&error)) {
        return Ok(None);
    }
    if is_repetition(&error) || may_be_done(&error) {
        let found = resume::after_doubt(stacks, stack_id, token).await?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Err(failure(stacks.scene, "UpdateStack", &error).await)
}

fn operation(stack_id: String, token: &str, floor: Floor, total: Option<usize>) -> Operation {
    Operation { stack_id, token: token.into(), floor, total, change_set: None }
}

fn taken(name: &str) -> Failure {
    let sentence = format!(
        "Somebody else created a stack \"{name}\" meanwhile, and this step began nothing. Run it again: it then updates that."
    );
    Failure::new(Reason::StackGone, sentence)
}
